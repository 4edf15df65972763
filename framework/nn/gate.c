#include "nn/gate.h"

#include <string.h>

static const double pi = 3.14159265358979323846;

static ptrdiff_t at(const esp_gate *gate, int expert, int example)
{
    return (ptrdiff_t)expert * gate->stride + example;
}

/* log(1 + e^x) without overflow, and its derivative. */
static double softplus(double x)
{
    return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}

static double sigmoid(double x)
{
    return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x));
}

/* Standard deviation of the noise at a place of the arrays. */
static double sigma_at(const esp_gate *gate, ptrdiff_t i)
{
    return softplus((double)gate->raw_noise[i]) + gate->noise_epsilon;
}

static bool is_chosen(const esp_gate *gate, int n_chosen, int expert, int example)
{
    for (int k = 0; k < n_chosen; k++) {
        if (gate->choices[(ptrdiff_t)k * gate->stride + example] == expert) {
            return true;
        }
    }
    return false;
}

/* The greatest of H + bias that is none of the n_chosen before it. -1: none is left. */
static int next_greatest(const esp_gate *gate, int n_chosen, int example)
{
    int best = -1;
    double greatest = 0;
    for (int e = 0; e < gate->n_experts; e++) {
        const double value = (double)(gate->noisy[at(gate, e, example)] + gate->bias[e]);
        /* a value that is not a number is never greater, but somebody must be chosen */
        if (!is_chosen(gate, n_chosen, e, example) && (best < 0 || value > greatest)) {
            best = e;
            greatest = value;
        }
    }
    return best;
}

static void choose(esp_gate *gate, int example)
{
    for (int k = 0; k < gate->top_k; k++) {
        gate->choices[(ptrdiff_t)k * gate->stride + example] = next_greatest(gate, k, example);
    }
}

/* The softmax of H over the chosen, or over all. */
static void weigh(esp_gate *gate, int example)
{
    const bool all = gate->kind == ESP_GATE_SWITCH;
    double greatest = -INFINITY, sum = 0;
    for (int e = 0; e < gate->n_experts; e++) {
        const double h = (double)gate->noisy[at(gate, e, example)];
        if ((all || is_chosen(gate, gate->top_k, e, example)) && !(h <= greatest)) {
            greatest = h;
        }
    }
    for (int pass = 0; pass < 2; pass++) {
        for (int e = 0; e < gate->n_experts; e++) {
            const bool chosen = is_chosen(gate, gate->top_k, e, example);
            const double share =
                all || chosen ? exp((double)gate->noisy[at(gate, e, example)] - greatest) : 0;
            if (pass == 0) {
                sum += share;
                continue;
            }
            gate->mixture[at(gate, e, example)] = (esp_real)(share / sum);
            gate->combine[at(gate, e, example)] = (esp_real)(chosen ? share / sum : 0);
        }
    }
}

/* The expert whose H the expert must pass to be chosen: the k-th of the others. -1: it always is.
 */
static int threshold(const esp_gate *gate, int expert, int example)
{
    const bool chosen = is_chosen(gate, gate->top_k, expert, example);
    return chosen ? next_greatest(gate, gate->top_k, example)
                  : gate->choices[(ptrdiff_t)(gate->top_k - 1) * gate->stride + example];
}

/* u = (z_i - threshold) / sigma_i. With a routing bias, both sides have theirs. */
static double margin(const esp_gate *gate, int expert, int other, int example)
{
    return ((double)(gate->logits[at(gate, expert, example)] + gate->bias[expert]) -
            (double)(gate->noisy[at(gate, other, example)] + gate->bias[other])) /
           sigma_at(gate, at(gate, expert, example));
}

static double chance_of_choice(const esp_gate *gate, int expert, int example)
{
    const int other = threshold(gate, expert, example);
    return other < 0 ? 1 : 0.5 * erfc(-margin(gate, expert, other, example) / sqrt(2));
}

void esp_gate_forward(esp_gate *gate)
{
    const bool noisy = gate->raw_noise != NULL && gate->normals != NULL;
    for (int e = 0; e < gate->n_experts; e++) {
        for (int b = 0; b < gate->n_examples; b++) {
            const ptrdiff_t i = at(gate, e, b);
            gate->noisy[i] = gate->logits[i];
            if (noisy) {
                gate->noisy[i] += (esp_real)((double)gate->normals[i] * sigma_at(gate, i));
            }
        }
    }
    for (int b = 0; b < gate->n_examples; b++) {
        choose(gate, b);
        weigh(gate, b);
    }
    for (int e = 0; e < gate->n_experts; e++) {
        double load = 0;
        for (int b = 0; b < gate->n_examples; b++) {
            load += noisy ? chance_of_choice(gate, e, b) : is_chosen(gate, gate->top_k, e, b);
        }
        gate->load[e] = (esp_real)load;
    }
}

/* Adds a derivative by H_e: by z_e, and by r_e where there is noise. */
static void add_by_noisy(esp_real *d_logits, esp_real *d_raw_noise, const esp_gate *gate,
                         ptrdiff_t i, double d)
{
    d_logits[i] += (esp_real)d;
    if (gate->raw_noise != NULL && gate->normals != NULL) {
        d_raw_noise[i] +=
            (esp_real)(d * (double)gate->normals[i] * sigmoid((double)gate->raw_noise[i]));
    }
}

static void softmax_backward(esp_real *d_logits, esp_real *d_raw_noise, const esp_gate *gate,
                             const esp_real *d_mixture, const esp_real *d_combine, int example)
{
    const bool all = gate->kind == ESP_GATE_SWITCH;
    double mean = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (int e = 0; e < gate->n_experts; e++) {
            const ptrdiff_t i = at(gate, e, example);
            const bool chosen = is_chosen(gate, gate->top_k, e, example);
            const double c = (double)gate->mixture[i];
            if (!all && !chosen) {
                continue;
            }
            const double d = (double)d_mixture[i] + (all && chosen ? (double)d_combine[i] : 0);
            if (pass == 0) {
                mean += c * d;
            } else {
                add_by_noisy(d_logits, d_raw_noise, gate, i, c * (d - mean));
            }
        }
    }
}

static void load_backward(esp_real *d_logits, esp_real *d_raw_noise, const esp_gate *gate,
                          const esp_real *d_load, int example)
{
    for (int e = 0; e < gate->n_experts; e++) {
        const int other = threshold(gate, e, example);
        if (other < 0 || d_load[e] == 0) {
            continue;
        }
        const ptrdiff_t i = at(gate, e, example);
        const double r = (double)gate->raw_noise[i], sigma = sigma_at(gate, i);
        const double u = margin(gate, e, other, example);
        const double d = (double)d_load[e] * exp(-0.5 * u * u) / sqrt(2 * pi) / sigma;
        d_logits[i] += (esp_real)d;
        d_raw_noise[i] -= (esp_real)(d * u * sigmoid(r));
        add_by_noisy(d_logits, d_raw_noise, gate, at(gate, other, example), -d);
    }
}

void esp_gate_backward(esp_real *d_logits, esp_real *d_raw_noise, const esp_gate *gate,
                       const esp_real *d_mixture, const esp_real *d_combine, const esp_real *d_load)
{
    const bool noisy = gate->raw_noise != NULL && gate->normals != NULL;
    for (int e = 0; d_raw_noise != NULL && e < gate->n_experts; e++) {
        memset(d_raw_noise + at(gate, e, 0), 0, sizeof(esp_real) * (size_t)gate->n_examples);
    }
    for (int b = 0; b < gate->n_examples; b++) {
        softmax_backward(d_logits, d_raw_noise, gate, d_mixture, d_combine, b);
        if (noisy) {
            load_backward(d_logits, d_raw_noise, gate, d_load, b);
        }
    }
}
