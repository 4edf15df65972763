/* Forward, backward and inference. B examples, F features, O outputs, N nodes, L leaves, l leaf
 * width, P projections. */
#include <string.h>

#include "core/status.h"
#include "nn/blas.h"
#include "nn/network.h"
#include "nn/tree.h"

static esp_real *row(esp_real *array, int index, const esp_network *network)
{
    return array + (ptrdiff_t)index * network->stride;
}

static const esp_real *projection_biases(const esp_network *network)
{
    return network->parameters + network->tensors[ESP_NODE_BIASES].offset;
}

/* p = sigmoid(z), z completed with its bias. exp(-z) may overflow to infinity, then p is 0. */
static void add_bias_and_squash(esp_real *restrict scores, esp_real *restrict p, esp_real bias,
                                int n_examples)
{
    for (int b = 0; b < n_examples; b++) {
        esp_real z = scores[b] + bias;
        scores[b] = z;
        p[b] = 1 / (1 + esp_exp(-z));
    }
}

static void add_bias_and_rectify(esp_real *hidden, esp_real bias, int n_examples)
{
    for (int b = 0; b < n_examples; b++) {
        esp_real h = hidden[b] + bias;
        hidden[b] = h > 0 ? h : (h <= 0 ? 0 : h); /* NaN stays NaN */
    }
}

static void add_bias(esp_real *hidden, esp_real bias, int n_examples)
{
    for (int b = 0; b < n_examples; b++) {
        hidden[b] += bias;
    }
}

static void multiply(esp_real *restrict out, const esp_real *restrict a,
                     const esp_real *restrict b_values, int n_examples)
{
    for (int b = 0; b < n_examples; b++) {
        out[b] = a[b] * b_values[b];
    }
}

/* The sum of a row in a fixed order: sixteen lanes, then these. */
static esp_real sum_row(const esp_real *values, int n_examples)
{
    esp_real lanes[16] = {0};
    int b = 0;
    for (; b + 16 <= n_examples; b += 16) {
        for (int i = 0; i < 16; i++) {
            lanes[i] += values[b + i];
        }
    }
    esp_real sum = 0;
    for (int i = 0; i < 16; i++) {
        sum += lanes[i];
    }
    for (; b < n_examples; b++) {
        sum += values[b];
    }
    return sum;
}

static esp_head_batch head_batch(const esp_network *network, int index, esp_mode mode,
                                 const esp_real *input)
{
    const esp_head_layout *head = &network->heads[index];
    return (esp_head_batch){.struct_size = sizeof(esp_head_batch),
                            .mode = mode,
                            .n_examples = network->n_examples,
                            .stride = network->stride,
                            .dims = &network->dims,
                            .labels = network->labels,
                            .hidden =
                                network->projections + (ptrdiff_t)head->first_row * network->stride,
                            .input = input,
                            .tensors = (const esp_real *const *)head->tensors};
}

/* logits (O, B) through all heads in order. keep_inputs: for backward. */
static int apply_heads(esp_network *network, esp_real *logits, esp_mode mode, bool keep_inputs,
                       bool evaluate)
{
    const size_t bytes =
        sizeof(esp_real) * (size_t)network->config.n_outputs * (size_t)network->stride;
    for (int i = 0; i < network->config.n_heads; i++) {
        esp_instance *head = network->config.heads[i];
        const esp_head_ops *ops = head->plugin->head;
        esp_real *input = keep_inputs ? network->heads[i].input : network->between;
        memcpy(input, logits, bytes);
        esp_head_batch batch = head_batch(network, i, mode, input);
        esp_instance_begin(head, mode);
        ESP_TRY(esp_instance_end(head, ops->forward(head->state, &head->host, &batch, logits)));
        if (evaluate && ops->evaluate != NULL) {
            esp_instance_begin(head, mode);
            ESP_TRY(
                esp_instance_end(head, ops->evaluate(head->state, &head->host, &batch, logits)));
        }
    }
    return ESP_OK;
}

/* logits (O, B) = [w2; b2]^T . [mixture * hidden; mixture]. */
static void mix_leaves(esp_real *logits, esp_network *network)
{
    const int width = network->config.leaf_width, n = network->n_examples;
    for (int leaf = 0; leaf < network->n_leaves; leaf++) {
        for (int unit = leaf * width; unit < (leaf + 1) * width; unit++) {
            multiply(row(network->weighted, unit, network), row(network->mixture, leaf, network),
                     row(network->projections, network->n_nodes + unit, network), n);
        }
    }
    const int outputs = network->config.n_outputs;
    esp_matmul(logits, network->stride, true, network->parameters + network->tensors[ESP_W2].offset,
               outputs, false, network->weighted, network->stride, 0, outputs, n,
               network->n_hidden + network->n_leaves);
}

/* Biases and activations of all projections, which hold bare products. */
static void activate(esp_network *network)
{
    const esp_real *biases = projection_biases(network);
    const int n = network->n_examples, leaves_end = network->n_nodes + network->n_hidden;
    for (int i = 0; i < network->n_nodes; i++) {
        add_bias_and_squash(row(network->projections, i, network),
                            row(network->probabilities, i, network), biases[i], n);
    }
    for (int i = network->n_nodes; i < leaves_end; i++) {
        add_bias_and_rectify(row(network->projections, i, network), biases[i], n);
    }
    for (int i = leaves_end; i < network->n_projections; i++) {
        add_bias(row(network->projections, i, network), biases[i], n);
    }
}

int esp_network_forward(esp_network *network, int n_examples, esp_mode mode)
{
    const int features = network->config.n_features, stride = network->stride;
    network->n_examples = n_examples;
    if (sizeof(esp_real) != sizeof(float)) {
        for (size_t i = 0; i < (size_t)n_examples * (size_t)features; i++) {
            network->input[i] = (esp_real)network->features[i];
        }
    }
    esp_matmul(network->projections, stride, false, network->parameters, features, true,
               network->input, features, 0, network->n_projections, n_examples, features);
    activate(network);
    esp_tree_mix(network->mixture, network->reach, network->probabilities, network->config.depth,
                 n_examples, stride);
    esp_tree_descend(network->choices, network->projections, network->config.depth, n_examples,
                     stride);
    mix_leaves(network->logits, network);
    return apply_heads(network, network->logits, mode, mode == ESP_TRAINING, false);
}

int esp_network_forward_hard(esp_network *network, esp_mode mode)
{
    const int n = network->n_examples;
    if (network->config.routes) {
        for (int leaf = 0; leaf < network->n_leaves; leaf++) {
            esp_real *weight = row(network->mixture, leaf, network);
            for (int b = 0; b < n; b++) {
                weight[b] = network->choices[b] == leaf;
            }
        }
    }
    mix_leaves(network->hard_logits, network);
    return apply_heads(network, network->hard_logits, mode, false, mode == ESP_EVALUATION);
}

void esp_network_zero_view_gradients(esp_network *network)
{
    const size_t row_bytes = sizeof(esp_real) * (size_t)network->stride;
    memset(network->d_logits, 0, row_bytes * (size_t)network->config.n_outputs);
    memset(network->d_scores, 0, row_bytes * (size_t)network->n_nodes);
    memset(network->d_probabilities, 0, row_bytes * (size_t)network->n_nodes);
    memset(network->d_mixture, 0, row_bytes * (size_t)network->n_leaves);
}

static int heads_backward(esp_network *network)
{
    const size_t bytes =
        sizeof(esp_real) * (size_t)network->config.n_outputs * (size_t)network->stride;
    for (int i = network->config.n_heads - 1; i >= 0; i--) {
        esp_instance *instance = network->config.heads[i];
        esp_head_layout *head = &network->heads[i];
        esp_head_batch batch = head_batch(network, i, ESP_TRAINING, head->input);
        esp_head_gradients d = {.struct_size = sizeof d,
                                .output = network->d_logits,
                                .input = network->between,
                                .hidden = row(network->d_projections, head->first_row, network),
                                .tensors = head->tensor_gradients};
        esp_instance_begin(instance, ESP_TRAINING);
        ESP_TRY(esp_instance_end(instance, instance->plugin->head->backward(
                                               instance->state, &instance->host, &batch, &d)));
        memcpy(network->d_logits, network->between, bytes);
    }
    return ESP_OK;
}

/* One hidden unit: dc += dg * a, dz = dg * c where a > 0. */
static void hidden_backward(esp_real *restrict dz, esp_real *restrict dc,
                            const esp_real *restrict dg, const esp_real *restrict a,
                            const esp_real *restrict c, int n_examples)
{
    for (int b = 0; b < n_examples; b++) {
        dc[b] += dg[b] * a[b];
        dz[b] = a[b] > 0 ? dg[b] * c[b] : 0;
    }
}

static void add_rows(esp_real *restrict out, const esp_real *restrict in, int n_examples)
{
    for (int b = 0; b < n_examples; b++) {
        out[b] += in[b];
    }
}

static void squash_backward(esp_real *restrict dz, const esp_real *restrict d_scores,
                            const esp_real *restrict dp, const esp_real *restrict p, int n_examples)
{
    for (int b = 0; b < n_examples; b++) {
        dz[b] = d_scores[b] + dp[b] * p[b] * (1 - p[b]);
    }
}

/* Through the second layer into hidden units and the mixture. */
static void leaves_backward(esp_network *network)
{
    const int outputs = network->config.n_outputs, width = network->config.leaf_width;
    const int n = network->n_examples, stride = network->stride;
    const int mixed = network->n_hidden + network->n_leaves;
    const size_t w2 = network->tensors[ESP_W2].offset;
    esp_matmul(network->gradients + w2, outputs, false, network->weighted, stride, true,
               network->d_logits, stride, 0, mixed, outputs, n);
    esp_matmul(network->d_weighted, stride, false, network->parameters + w2, outputs, false,
               network->d_logits, stride, 0, mixed, n, outputs);
    for (int leaf = 0; leaf < network->n_leaves; leaf++) {
        esp_real *dc = row(network->d_mixture, leaf, network);
        add_rows(dc, row(network->d_weighted, network->n_hidden + leaf, network), n);
        for (int unit = leaf * width; unit < (leaf + 1) * width; unit++) {
            hidden_backward(row(network->d_projections, network->n_nodes + unit, network), dc,
                            row(network->d_weighted, unit, network),
                            row(network->projections, network->n_nodes + unit, network),
                            row(network->mixture, leaf, network), n);
        }
    }
}

int esp_network_backward(esp_network *network)
{
    const int features = network->config.n_features, n = network->n_examples;
    const size_t own = network->tensors[ESP_B2].offset + network->tensors[ESP_B2].count;
    memset(network->gradients + own, 0, sizeof(esp_real) * (network->n_parameters - own));
    ESP_TRY(heads_backward(network));
    leaves_backward(network);
    esp_tree_mix_backward(network->d_probabilities, network->value, network->d_mixture,
                          network->reach, network->probabilities, network->config.depth, n,
                          network->stride);
    for (int i = 0; i < network->n_nodes; i++) {
        squash_backward(row(network->d_projections, i, network), row(network->d_scores, i, network),
                        row(network->d_probabilities, i, network),
                        row(network->probabilities, i, network), n);
    }
    esp_real *d_biases = network->gradients + network->tensors[ESP_NODE_BIASES].offset;
    for (int i = 0; i < network->n_projections; i++) {
        d_biases[i] = sum_row(row(network->d_projections, i, network), n);
    }
    esp_matmul(network->gradients, features, false, network->d_projections, network->stride, false,
               network->input, features, 0, network->n_projections, features, n);
    return ESP_OK;
}

/* The one projection of the one example. */
static esp_real project(const esp_network *network, int index)
{
    const int features = network->config.n_features;
    esp_real product = 0;
    esp_matmul(&product, 1, false, network->parameters + (size_t)index * (size_t)features, features,
               true, network->input, features, 0, 1, 1, features);
    return product + projection_biases(network)[index];
}

int esp_network_infer(esp_real *logits, int32_t *leaf, esp_network *network, const float *features)
{
    const int outputs = network->config.n_outputs, width = network->config.leaf_width;
    network->n_examples = 1;
    for (int i = 0; i < network->config.n_features; i++) {
        network->input[i] = (esp_real)features[i];
    }
    int node = 0;
    for (int level = 0; level < network->config.depth; level++) {
        node = 2 * node + 1 + (project(network, node) >= 0);
    }
    const int chosen = node - network->n_nodes;
    const esp_real *w2 = network->parameters + network->tensors[ESP_W2].offset;
    const esp_real *b2 = network->parameters + network->tensors[ESP_B2].offset + chosen * outputs;
    esp_real *y = network->hard_logits; /* (O, 1) */
    for (int o = 0; o < outputs; o++) {
        *row(y, o, network) = b2[o];
    }
    for (int unit = chosen * width; unit < (chosen + 1) * width; unit++) {
        esp_real hidden = project(network, network->n_nodes + unit);
        for (int o = 0; hidden > 0 && o < outputs; o++) {
            *row(y, o, network) += hidden * w2[(size_t)unit * (size_t)outputs + (size_t)o];
        }
    }
    for (int i = network->n_nodes + network->n_hidden; i < network->n_projections; i++) {
        *row(network->projections, i, network) = project(network, i);
    }
    ESP_TRY(apply_heads(network, y, ESP_EVALUATION, false, false));
    for (int o = 0; o < outputs; o++) {
        logits[o] = *row(y, o, network);
    }
    *leaf = chosen;
    return ESP_OK;
}
