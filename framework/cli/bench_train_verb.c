/* espalier bench train: an epoch of training against its floor. */
#include <stdbool.h>
#include <stdio.h>

#include "cli/bench.h"
#include "cli/options.h"
#include "core/status.h"
#include "core/terminal.h"
#include "run/bench_train.h"

enum { KEY_REPETITIONS = 3100, KEY_DATA, KEY_WIDTH, KEY_LEAF_WIDTH, KEY_AGAINST };

typedef struct arguments {
    const char *format_name, *data, *against;
    int n_repetitions, width, leaf_width;
} arguments;

typedef struct bench {
    const arguments *given;
    esp_bench_shape shapes[ESP_BENCH_SHAPES];
    int n;
} bench;

static double ratio_of(const esp_bench_shape *shape)
{
    return shape->epoch_seconds / shape->floor_seconds;
}

static int measure(void *context, const char *folder, const esp_registry *registry,
                   esp_bench_output *output)
{
    bench *b = context;
    const arguments *given = b->given;
    const int n = b->n;
    for (b->n = 0; b->n < n;) {
        esp_terminal_step(b->n + 1 == n, "shape %d of %d", b->n + 1, n);
        ESP_TRY(
            esp_bench_train(&b->shapes[b->n], given->data, folder, registry, given->n_repetitions));
        b->n++;
        ESP_TRY(esp_bench_found(output));
    }
    return ESP_OK;
}

static void print_text(const void *context)
{
    const bench *b = context;
    printf("%s, batches of 256, medians of %d, seconds an epoch on one core\n\n", b->given->data,
           b->given->n_repetitions);
    printf("%14s %10s %11s %7s %9s %9s %9s %6s\n", "training width", "leaf width", "master leaf",
           "columns", "floor", "training", "epoch", "ratio");
    for (int i = 0; i < b->n; i++) {
        const esp_bench_shape *s = &b->shapes[i];
        printf("%14d %10d %11d %7d %9.4f %9.4f %9.4f %6.2f\n", s->training_width, s->leaf_width,
               s->master_leaf, s->n_projections, s->floor_seconds, s->training_seconds,
               s->epoch_seconds, ratio_of(s));
    }
    puts("\nfloor: the first layer's matrix products alone, by BLAS in its best storage layout.\n"
         "epoch: training with all losses and Adam, exact evaluation of the test set, logging.");
}

static json_t *describe(const void *context)
{
    const bench *b = context;
    json_t *root = json_object(), *list = json_array();
    for (int i = 0; i < b->n; i++) {
        const esp_bench_shape *s = &b->shapes[i];
        json_array_append_new(list, json_pack("{s:i, s:i, s:i, s:i, s:f, s:f, s:f, s:f}",
                                              "training_width", s->training_width, "leaf_width",
                                              s->leaf_width, "master_leaf", s->master_leaf,
                                              "columns", s->n_projections, "floor_s",
                                              s->floor_seconds, "training_s", s->training_seconds,
                                              "epoch_s", s->epoch_seconds, "ratio", ratio_of(s)));
    }
    json_object_set_new(root, "data", json_string(b->given->data));
    json_object_set_new(root, "repetitions", json_integer(b->given->n_repetitions));
    json_object_set_new(root, "shapes", list);
    return root;
}

static int choose_shapes(esp_bench_shape shapes[ESP_BENCH_SHAPES], int *n, const arguments *given)
{
    const int all = esp_bench_paper_shapes(shapes);
    bool has_width = false;
    *n = 0;
    for (int i = 0; i < all; i++) {
        if (given->width != 0 && shapes[i].training_width != given->width) {
            continue;
        }
        has_width = true;
        if (given->leaf_width == 0 || shapes[i].leaf_width == given->leaf_width) {
            shapes[(*n)++] = shapes[i];
        }
    }
    if (!has_width) {
        return esp_fail(ESP_USAGE, "the paper's training widths are 16 and 128, not %d",
                        given->width);
    }
    return *n > 0 ? ESP_OK
                  : esp_fail(ESP_USAGE,
                             "the paper's leaf widths are powers of 2 from 1 to half of the "
                             "training width, not %d",
                             given->leaf_width);
}

static error_t parse_train(int key, char *value, struct argp_state *state)
{
    arguments *given = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &given->format_name;
        return 0;
    case KEY_REPETITIONS:
        given->n_repetitions = esp_option_count(state, "--repetitions", value, 101);
        return 0;
    case KEY_WIDTH:
        given->width = esp_option_count(state, "--width", value, 128);
        return 0;
    case KEY_LEAF_WIDTH:
        given->leaf_width = esp_option_count(state, "--leaf-width", value, 64);
        return 0;
    case KEY_DATA:
        given->data = value;
        return 0;
    case KEY_AGAINST:
        given->against = value;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "no argument is taken, and '%s' is one", value);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    {"repetitions", KEY_REPETITIONS, "N", 0, "of each measurement, interleaved (default 7)", 0},
    {"width", KEY_WIDTH, "N", 0, "only shapes of training width 16 or 128", 0},
    {"leaf-width", KEY_LEAF_WIDTH, "N", 0, "only shapes of this leaf width, 1 to 64", 0},
    {"data", KEY_DATA, "NAME", 0, "data set (default mnist)", 0},
    {"against", KEY_AGAINST, "FILE", 0,
     "an earlier result in JSON: a ratio that grew by more than 15 % fails", 0},
    {0}};
static const struct argp_child shared[] = {{&esp_text_or_json_argp, 0, NULL, 0}, {0}};
static const struct argp parser = {
    .options = options,
    .parser = parse_train,
    .children = shared,
    .doc = "Measures an epoch of training, shape by shape of the paper, against the time of its "
           "first-layer matrix products alone by BLAS.\v"
           "An epoch is what a run does: shuffled batches of 256, all losses, Adam, exact soft and "
           "hard evaluation of the test set, digest and record. Below 1, training is faster than "
           "BLAS would multiply alone. Measure on a machine that does nothing else.\n\n"
           "examples:\n"
           "  espalier bench train\n"
           "  espalier bench train --width 16 --format json >train.json\n"
           "  espalier bench train --against analysis/bench/train.json"};

static int run_train(int argc, char **argv)
{
    arguments given = {.n_repetitions = 7, .data = "mnist"};
    if (esp_argp_parse(&parser, argc, argv, &given) != 0) {
        return esp_fail(ESP_USAGE, "`espalier bench --help` shows how it is used");
    }
    bench b = {.given = &given};
    ESP_TRY(choose_shapes(b.shapes, &b.n, &given));
    static const char *const keys[] = {"training_width", "leaf_width", "master_leaf", NULL};
    static const esp_bench_comparison comparison = {
        .list = "shapes", .keys = keys, .figure = "ratio"};
    return esp_bench_report(&(esp_bench_frame){.format_name = given.format_name,
                                               .against = given.against,
                                               .bench = &b,
                                               .measure = measure,
                                               .print = print_text,
                                               .describe = describe,
                                               .list = "shapes",
                                               .comparisons = &comparison,
                                               .n_comparisons = 1});
}

const esp_bench_subject esp_bench_training = {
    {"train", "an epoch of training against its floor", run_train}, &parser};
