/* Part of check_real.c: gradients against central differences.
 *
 * Along a random direction u of +-1 the error of a claimed gradient g is (g - g_true).u, whose mean
 * square over directions is ||g - g_true||^2: a few directions through all elements at once measure
 * the relative norm of the error, and in float they drown in rounding far less than single elements
 * would. Each direction is measured at two steps; where the two disagree, or the second
 * differences do not shrink as a smooth function's, a kink lies between and another is drawn. */
#ifndef ESP_PLUGIN_CHECK_REAL_GRADIENT_H
#define ESP_PLUGIN_CHECK_REAL_GRADIENT_H

#include <float.h>

#include "plugin/check_real_bench.h"

enum { DIRECTIONS = 8, MOST_TRIES = 64 };

#define IS_DOUBLE (sizeof(esp_real) == sizeof(double))
#define TOLERANCE (IS_DOUBLE ? 1e-6 : 1e-3)
#define STEP      (IS_DOUBLE ? 1e-4 : 4e-3)
#define EPSILON   (IS_DOUBLE ? DBL_EPSILON / 2 : FLT_EPSILON / 2)

/* The value at the variables as they are now, from a fresh instance. */
typedef bool (*value_function)(bench *b, double *value);

typedef struct measured {
    double slope, roughness;
    double rounding; /* error of the slope to expect from the value's rounding */
} measured;

static bool value_at(bench *b, variable *v, const double *base, const double *u, double step,
                     value_function value, double *out)
{
    size_t count = (size_t)v->rows * (size_t)v->columns;
    for (size_t i = 0; i < count; i++) {
        v->values[i] = base[i] + step * u[i];
    }
    bool good = value(b, out);
    memcpy(v->values, base, sizeof *base * count);
    return good;
}

static bool measure_slope(measured *out, bench *b, variable *v, const double *base, const double *u,
                          value_function value)
{
    double middle, far[2], near[2], tiny[2];
    if (!value_at(b, v, base, u, 0, value, &middle) ||
        !value_at(b, v, base, u, -STEP, value, &far[0]) ||
        !value_at(b, v, base, u, STEP, value, &far[1]) ||
        !value_at(b, v, base, u, -STEP / 2, value, &near[0]) ||
        !value_at(b, v, base, u, STEP / 2, value, &near[1]) ||
        !value_at(b, v, base, u, -STEP / 64, value, &tiny[0]) ||
        !value_at(b, v, base, u, STEP / 64, value, &tiny[1])) {
        return false;
    }
    double wide = (far[1] - far[0]) / (2 * STEP), tight = (near[1] - near[0]) / STEP;
    double bend = far[1] - 2 * middle + far[0] - 4 * (near[1] - 2 * middle + near[0]);
    /* So close together three values of a smooth function lie on a line, but for rounding. */
    double uneven = fabs(tiny[1] - 2 * middle + tiny[0]);
    *out = (measured){.slope = (4 * tight - wide) / 3, /* Richardson */
                      .roughness = fmax(fabs(wide - tight), fabs(bend) / (4 * STEP)),
                      .rounding = (16 * EPSILON * fabs(middle) + 4 * uneven) / STEP};
    return true;
}

/* The first direction is the claimed gradient's own, the others are random signs. */
static void choose_direction(double *u, const double *claimed, size_t count, double norm, int turn,
                             uint64_t *random)
{
    double scale = norm > 0 ? sqrt((double)count) / norm : 0;
    for (size_t i = 0; i < count; i++) {
        double along = fmax(-4, fmin(4, claimed[i] * scale));
        double sign = draw_bits(random) & 1 ? 1 : -1;
        u[i] = turn == 0 && norm > 0 ? along : sign;
    }
}

/* Compares claimed [rows * columns] with differences of value in v. *worst is raised to the error
 * found. */
static bool check_gradient(bench *b, variable *v, const double *claimed, value_function value,
                           double *worst)
{
    size_t count = (size_t)v->rows * (size_t)v->columns;
    if (count == 0) {
        return true;
    }
    double *base = malloc(2 * count * sizeof *base), *u = base ? base + count : NULL;
    if (!base) {
        abort();
    }
    memcpy(base, v->values, count * sizeof *base);
    double norm = 0, errors = 0, found = 0, least = 0;
    for (size_t i = 0; i < count; i++) {
        norm += claimed[i] * claimed[i];
    }
    norm = sqrt(norm);
    uint64_t random = 77;
    int used = 0;
    bool good = true;
    for (int turn = 0; good && used < DIRECTIONS && turn < MOST_TRIES; turn++) {
        measured s;
        choose_direction(u, claimed, count, norm, turn, &random);
        good = measure_slope(&s, b, v, base, u, value);
        double rounding = s.rounding / TOLERANCE;
        double scale = fmax(fmax(norm, fabs(s.slope)), rounding);
        if (!good || (scale > 0 && s.roughness > TOLERANCE * scale)) {
            continue;
        }
        double expected = 0;
        for (size_t i = 0; i < count; i++) {
            expected += claimed[i] * u[i];
        }
        /* along the gradient itself, lengths are sqrt(count) times those along random signs */
        double length = norm > 0 ? fmax(1, fabs(expected) / norm) : 1;
        errors += (s.slope - expected) * (s.slope - expected) / (length * length);
        found += s.slope * s.slope / (length * length);
        least = fmax(least, rounding);
        used++;
    }
    free(base);
    if (!good) {
        return false;
    }
    if (used < DIRECTIONS / 2) {
        return refuse(b,
                      "gradient of %s: the value is too rough to be checked (%d of %d directions "
                      "smooth)",
                      v->label, used, (int)MOST_TRIES);
    }
    double size = fmax(fmax(norm, sqrt(found / used)), least);
    double error = size > 0 ? sqrt(errors / used) / size : 0;
    *worst = fmax(*worst, error);
    if (!(error <= TOLERANCE)) {
        return refuse(b,
                      "gradient of %s differs from finite differences by %.2g of its norm (%.0e "
                      "is allowed)",
                      v->label, error, TOLERANCE);
    }
    return true;
}

#endif
