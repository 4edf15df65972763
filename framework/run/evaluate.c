/* B examples, O outputs, N nodes, L leaves. */
#include "run/evaluate.h"

#include <math.h>
#include <string.h>

#include "core/floating_point.h"
#include "core/status.h"

void esp_load_batch(esp_network *network, const esp_view_of_data *data, uint32_t first,
                    uint32_t count)
{
    const esp_normalization *normalization = &data->normalization;
    const uint32_t *indices = data->indices ? data->indices + first : NULL;
    const uint32_t n_features = (uint32_t)network->config.n_features;
    network->from_bytes = network->bytes.unit != ESP_BY_BLAS && data->examples->values == NULL &&
                          normalization->scales == NULL;
    if (network->from_bytes) {
        network->bytes.scale = normalization->scale;
        network->bytes.shift = normalization->shift;
        esp_gather_bytes(network->byte_rows, (uint32_t)network->bytes.row, data->examples, indices,
                         first, count, n_features);
    } else {
        esp_gather(network->features, data->examples, indices, first, count, n_features,
                   normalization);
    }
    for (uint32_t b = 0; b < count; b++) {
        network->labels[b] =
            data->examples->labels[data->indices ? data->indices[first + b] : first + b];
    }
}

void esp_count_choices(int64_t *counts, const esp_network *network)
{
    for (int k = 0; network->routes && k < network->dims.n_choices; k++) {
        const int32_t *choices = network->choices + (ptrdiff_t)k * network->stride;
        for (int b = 0; b < network->n_examples; b++) {
            counts[choices[b]]++;
        }
    }
}

int esp_count_correct(const esp_network *network, const esp_real *logits)
{
    const int stride = network->stride;
    int correct = 0;
    for (int b = 0; b < network->n_examples; b++) {
        const int label = network->labels[b];
        const esp_real own = logits[(ptrdiff_t)label * stride + b];
        int beaten = !(own - own == 0);
        for (int o = 0; o < network->config.n_outputs; o++) {
            esp_real other = logits[(ptrdiff_t)o * stride + b];
            beaten |= o < label ? other >= own : other > own;
        }
        correct += !beaten;
    }
    return correct;
}

/* Sums are taken in lanes, so that a loop over examples is a vector loop; in doubles from then on.
 */
enum { LANES = 16 };

static double sum_lanes(const esp_real lanes[LANES])
{
    double sum = 0;
    for (int i = 0; i < LANES; i++) {
        sum += (double)lanes[i];
    }
    return sum;
}

/* Bernoulli entropies of one node, from its scores, stable at both ends:
 * H = log(1 + exp(-|z|)) + |z| (1 - p'), p' = sigmoid(|z|). */
static double node_entropies(const esp_real *restrict scores, int n)
{
    esp_real lanes[LANES] = {0};
    for (int b = 0; b < n; b += LANES) { /* rows are padded to the lanes */
        for (int i = 0; i < LANES; i++) {
            const esp_real s = scores[b + i], z = s < 0 ? -s : s, e = esp_exp(-z);
            const esp_real entropy = esp_log(1 + e) + z * (e / (1 + e));
            lanes[i] += b + i < n ? entropy : 0;
        }
    }
    return sum_lanes(lanes);
}

/* -c log c of one leaf; most (B) takes the greater. */
static double leaf_entropies(esp_real *restrict most, const esp_real *restrict mixture, int n)
{
    esp_real lanes[LANES] = {0};
    for (int b = 0; b < n; b += LANES) {
        for (int i = 0; i < LANES; i++) {
            const esp_real c = mixture[b + i];
            const esp_real entropy = -c * esp_log(c > (esp_real)1e-30 ? c : (esp_real)1e-30);
            lanes[i] += b + i < n ? entropy : 0;
            most[b + i] = c > most[b + i] ? c : most[b + i];
        }
    }
    return sum_lanes(lanes);
}

/* Adds what the mixture of one batch looks like. */
static void add_mixture_statistics(esp_evaluation *out, esp_network *network)
{
    const ptrdiff_t stride = network->stride;
    const int n = network->n_examples;
    const int n_nodes = network->probabilities != NULL ? network->n_nodes : 0;
    double nodes = 0;
    for (int i = 0; i < n_nodes; i++) {
        nodes += node_entropies(network->scores + i * stride, n);
    }
    out->node_entropy += n_nodes > 0 ? nodes / n_nodes : 0;
    if (network->mixture == NULL) {
        return;
    }
    esp_real *most = network->between; /* (O, B), free between passes */
    memset(most, 0, sizeof *most * (size_t)stride);
    for (int leaf = 0; leaf < network->n_leaves; leaf++) {
        out->mixture_entropy += leaf_entropies(most, network->mixture + leaf * stride, n);
    }
    for (int b = 0; b < n; b++) {
        out->mixture_max += (double)most[b];
    }
}

/* The weighted task terms; a value that is not finite shows. */
static double task_loss(const esp_loss_sum *losses, const double *values)
{
    double loss = 0;
    for (int i = 0; i < losses->n_terms; i++) {
        if (losses->usable[i] && losses->weights[i] != 0 &&
            losses->terms[i].plugin->role == ESP_TASK) {
            loss += losses->weights[i] * values[i];
        }
    }
    return loss;
}

/* One batch; sums are means times examples. */
static int add_batch(esp_evaluation *out, esp_network *network, esp_loss_sum *losses,
                     esp_position position)
{
    const int n = network->n_examples;
    double soft[ESP_MAX_TERMS], hard[ESP_MAX_TERMS];
    ESP_TRY(esp_loss_sum_evaluate(losses, soft, ESP_TASK, network, network->logits, position));
    ESP_TRY(esp_loss_sum_evaluate(losses, soft, ESP_ROUTING, network, network->logits, position));
    ESP_TRY(esp_loss_sum_evaluate(losses, soft, ESP_PENALTY, network, network->logits, position));
    for (int i = 0; i < losses->n_terms; i++) {
        out->terms[i] += esp_loss_sum_evaluates(losses, i) ? n * soft[i] : NAN;
    }
    out->metrics[ESP_SOFT_LOSS] += n * task_loss(losses, soft);
    out->metrics[ESP_SOFT_ACCURACY] += esp_count_correct(network, network->logits);
    if (network->routes) {
        add_mixture_statistics(out, network);
        esp_count_choices(out->leaf_counts, network);
    }
    ESP_TRY(esp_network_forward_hard(network, ESP_EVALUATION));
    ESP_TRY(esp_loss_sum_evaluate(losses, hard, ESP_TASK, network, network->hard_logits, position));
    out->metrics[ESP_HARD_LOSS] += n * task_loss(losses, hard);
    if (out->first_not_finite == 0 &&
        !isfinite(out->metrics[ESP_SOFT_LOSS] + out->metrics[ESP_HARD_LOSS])) {
        out->first_not_finite = position.batch;
    }
    out->metrics[ESP_HARD_ACCURACY] += esp_count_correct(network, network->hard_logits);
    return ESP_OK;
}

int esp_evaluate(esp_evaluation *out, esp_network *network, esp_loss_sum *losses,
                 const esp_view_of_data *data, int batch_size, esp_position position)
{
    int64_t *leaf_counts = out->leaf_counts;
    esp_set_floating_point();
    memset(out, 0, sizeof *out);
    out->leaf_counts = leaf_counts;
    memset(leaf_counts, 0, sizeof *leaf_counts * (size_t)network->n_leaves);
    for (uint32_t first = 0; first < data->count; first += (uint32_t)batch_size) {
        uint32_t left = data->count - first;
        uint32_t count = left < (uint32_t)batch_size ? left : (uint32_t)batch_size;
        esp_load_batch(network, data, first, count);
        position.batch = (int)(first / (uint32_t)batch_size) + 1;
        ESP_TRY(esp_network_forward(network, (int)count, ESP_EVALUATION));
        ESP_TRY(add_batch(out, network, losses, position));
    }
    const double scale = data->count > 0 ? 1.0 / data->count : NAN;
    for (int m = 0; m < ESP_N_METRICS; m++) {
        out->metrics[m] *= scale;
    }
    for (int i = 0; i < losses->n_terms; i++) {
        out->terms[i] *= scale;
    }
    out->node_entropy *= scale;
    out->mixture_entropy *= scale;
    out->mixture_max *= scale;
    out->done = true;
    return ESP_OK;
}
