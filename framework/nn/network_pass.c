/* Forward, soft and hard, and backward. B examples, F features, O outputs, N scores, L leaves, H
 * hidden units, l leaf width, P projections. */
#include "core/status.h"
#include "nn/activation.h"
#include "nn/blas.h"
#include "nn/head_pass.h"
#include "nn/noise.h"
#include "nn/route.h"
#include "nn/rows.h"

/* Biases of the projections from first_biased on: a gate has none. */
static int first_biased(const esp_network *network)
{
    return network->config.model.kind == ESP_MODEL_MOE ? network->n_router : 0;
}

static size_t biases_offset(const esp_network *network)
{
    const esp_model_kind kind = network->config.model.kind;
    const bool scores_apart = kind == ESP_MODEL_FFF || kind == ESP_MODEL_FF;
    return esp_own_tensor(network, scores_apart ? ESP_NODE_BIASES : ESP_B1)->offset;
}

/* By row, where the row has one. */
static esp_real bias_of(const esp_network *network, int index)
{
    return network->parameters[biases_offset(network) + (size_t)(index - first_biased(network))];
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

static void add_bias_and_gelu(esp_real *restrict z, esp_real *restrict hidden, esp_real bias,
                              int n_examples)
{
    for (int b = 0; b < n_examples; b++) {
        z[b] += bias;
        hidden[b] = z[b] * esp_normal_cdf(z[b]);
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

/* weighted (H, B): hidden units times the weight of their leaf, or, of fff_nodes, where the neuron
 * is on the path. */
static void weigh_hidden(esp_network *network)
{
    const int width = network->config.model.leaf_width;
    for (int unit = 0; unit < network->n_hidden; unit++) {
        const esp_real *weight = network->path != NULL
                                     ? row(network->path, unit, network)
                                     : row(network->combine, unit / width, network);
        multiply(row(network->weighted, unit, network), weight, row(network->hidden, unit, network),
                 network->n_examples);
    }
}

static void drop(esp_network *network, esp_real *rows)
{
    for (int unit = 0; unit < network->n_hidden; unit++) {
        esp_real *values = row(rows, unit, network);
        const esp_real *kept = row(network->kept, unit, network);
        for (int b = 0; b < network->n_examples; b++) {
            values[b] *= kept[b];
        }
    }
}

/* logits (O, B) = [w2; b2]^T . [weighted; combine]. */
static void mix_leaves(esp_real *logits, esp_network *network)
{
    weigh_hidden(network);
    if (network->drops) {
        drop(network, network->weighted);
    }
    const int outputs = network->config.n_outputs;
    esp_matmul(logits, network->stride, true,
               network->parameters + esp_own_tensor(network, ESP_W2)->offset, outputs, false,
               network->weighted, network->stride, 0, outputs, network->n_examples,
               network->n_mixed);
}

/* Biases and activations of all projections, which hold bare products. */
static void activate(esp_network *network)
{
    const int n = network->n_examples, leaves_end = network->n_router + network->n_hidden;
    const bool tree = network->config.model.kind == ESP_MODEL_FFF;
    const bool rectify = network->config.model.activation == ESP_RELU;
    for (int i = 0; tree && i < network->n_nodes; i++) {
        add_bias_and_squash(row(network->projections, i, network),
                            row(network->probabilities, i, network), bias_of(network, i), n);
    }
    for (int i = network->n_router; i < leaves_end; i++) {
        esp_real *z = row(network->projections, i, network);
        esp_real *hidden = row(network->hidden, i - network->n_router, network);
        if (!rectify) {
            add_bias_and_gelu(z, hidden, bias_of(network, i), n);
        } else if (hidden == z) {
            add_bias_and_rectify(z, bias_of(network, i), n);
        } else {
            add_bias(z, bias_of(network, i), n);
            memcpy(hidden, z, sizeof *z * (size_t)n);
            add_bias_and_rectify(hidden, 0, n);
        }
    }
    for (int i = leaves_end; i < network->n_projections; i++) {
        add_bias(row(network->projections, i, network), bias_of(network, i), n);
    }
}

/* Inverted dropout: what is kept is scaled by 1 / (1 - dropout). */
static void draw_dropout(esp_network *network, esp_mode mode)
{
    const double dropout = network->config.model.dropout;
    network->drops = mode == ESP_TRAINING && dropout > 0;
    if (network->drops) {
        esp_noise_bernoulli(network->kept, 1 - dropout, network->config.noise_seed, "dropout",
                            network->step, network->n_hidden, network->n_examples, network->stride);
        for (size_t i = 0; i < (size_t)network->n_hidden * (size_t)network->stride; i++) {
            network->kept[i] *= (esp_real)(1 / (1 - dropout));
        }
    }
}

/* ---- forward ------------------------------------------------------------------------------------
 */

/* projections = weights . input: of bytes where the batch is in bytes, else by BLAS. */
static void project_input(esp_network *network)
{
    const int features = network->config.n_features, n = network->n_examples;
    if (network->from_bytes) {
        network->bytes.n_examples = n;
        esp_byte_project((float *)(void *)network->projections, network->stride,
                         (const float *)(const void *)network->parameters, network->n_projections,
                         &network->bytes, network->byte_space);
        return;
    }
    if (sizeof(esp_real) != sizeof(float)) {
        for (size_t i = 0; i < (size_t)n * (size_t)features; i++) {
            network->input[i] = (esp_real)network->features[i];
        }
    }
    esp_matmul(network->projections, network->stride, false, network->parameters, features, true,
               network->input, features, 0, network->n_projections, n, features);
}

/* gradients of the weights = d_projections . input. */
static void project_input_backward(esp_network *network)
{
    const int features = network->config.n_features;
    if (network->from_bytes) {
        esp_byte_gradient((float *)(void *)network->gradients,
                          (const float *)(const void *)network->d_projections, network->stride,
                          network->n_projections, &network->bytes, network->byte_space);
        return;
    }
    esp_matmul(network->gradients, features, false, network->d_projections, network->stride, false,
               network->input, features, 0, network->n_projections, features, network->n_examples);
}

int esp_network_forward(esp_network *network, int n_examples, esp_mode mode)
{
    network->n_examples = n_examples;
    project_input(network);
    activate(network);
    esp_route(network, mode);
    draw_dropout(network, mode);
    mix_leaves(network->logits, network);
    return esp_heads_forward(network, network->logits, mode, mode == ESP_TRAINING, false);
}

int esp_network_forward_hard(esp_network *network, esp_mode mode)
{
    if (network->config.model.kind == ESP_MODEL_FFF) {
        esp_route_by_choice(network);
    }
    network->drops = false;
    mix_leaves(network->hard_logits, network);
    return esp_heads_forward(network, network->hard_logits, mode, false, mode == ESP_EVALUATION);
}

void esp_network_zero_view_gradients(esp_network *network)
{
    zero_rows(network->d_logits, network->config.n_outputs, network);
    zero_rows(network->d_scores, network->n_nodes, network);
    zero_rows(network->d_probabilities, network->n_nodes, network);
    zero_rows(network->d_mixture, network->n_leaves, network);
    if (network->d_load != NULL) {
        memset(network->d_load, 0, sizeof(esp_real) * (size_t)network->n_leaves);
    }
}

/* dz = dg * c * gelu'(z), gelu'(z) = Phi(z) + z phi(z). */
static void gelu_backward(esp_real *restrict dz, esp_real *restrict dc, const esp_real *restrict dg,
                          const esp_real *restrict a, const esp_real *restrict z,
                          const esp_real *restrict c, int n_examples)
{
    const esp_real scale = (esp_real)0.39894228040143267794; /* 1 / sqrt(2 pi) */
    for (int b = 0; b < n_examples; b++) {
        const esp_real slope =
            esp_normal_cdf(z[b]) + z[b] * scale * esp_exp((esp_real)-0.5 * z[b] * z[b]);
        dz[b] = dg[b] * c[b] * slope;
        dc[b] += dg[b] * a[b];
    }
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

/* Hidden units' activations and the weights of their leaves. */
static void units_backward(esp_network *network)
{
    const int width = network->config.model.leaf_width, n = network->n_examples;
    const bool rectified = network->config.model.activation == ESP_RELU;
    for (int unit = 0; unit < network->n_hidden; unit++) {
        /* a neuron of fff_nodes has its own weight, whose derivative goes nowhere: the path */
        esp_real *dc = network->path != NULL ? network->between
                                             : row(network->d_combine, unit / width, network);
        const esp_real *c = network->path != NULL ? row(network->path, unit, network)
                                                  : row(network->combine, unit / width, network);
        esp_real *dz = row(network->d_projections, network->n_router + unit, network);
        const esp_real *dg = row(network->d_weighted, unit, network);
        const esp_real *a = row(network->hidden, unit, network);
        if (rectified) {
            hidden_backward(dz, dc, dg, a, c, n);
        } else {
            gelu_backward(dz, dc, dg, a,
                          row(network->projections, network->n_router + unit, network), c, n);
        }
    }
}

/* Through the second layer into hidden units and the weights of leaves. */
static void leaves_backward(esp_network *network)
{
    const int outputs = network->config.n_outputs, n = network->n_examples;
    const int stride = network->stride;
    const size_t w2 = esp_own_tensor(network, ESP_W2)->offset;
    esp_matmul(network->gradients + w2, outputs, false, network->weighted, stride, true,
               network->d_logits, stride, 0, network->n_mixed, outputs, n);
    esp_matmul(network->d_weighted, stride, false, network->parameters + w2, outputs, false,
               network->d_logits, stride, 0, network->n_mixed, n, outputs);
    if (network->drops) {
        drop(network, network->d_weighted);
    }
    if (network->d_combine != network->d_mixture) {
        zero_rows(network->d_combine, network->n_leaves, network);
    }
    for (int leaf = 0; network->path == NULL && leaf < network->n_leaves; leaf++) {
        add_rows(row(network->d_combine, leaf, network),
                 row(network->d_weighted, network->n_hidden + leaf, network), n);
    }
    units_backward(network);
}

int esp_network_backward(esp_network *network)
{
    const int n = network->n_examples;
    const esp_tensor *w2 = esp_own_tensor(network, ESP_W2), *b2 = esp_own_tensor(network, ESP_B2);
    const size_t own = w2->offset + w2->count + b2->count;
    memset(network->gradients + own, 0, sizeof(esp_real) * (network->n_parameters - own));
    ESP_TRY(esp_heads_backward(network));
    leaves_backward(network);
    esp_route_backward(network);
    esp_real *d_biases = network->gradients + biases_offset(network);
    for (int i = first_biased(network); i < network->n_projections; i++) {
        d_biases[i - first_biased(network)] = sum_row(row(network->d_projections, i, network), n);
    }
    project_input_backward(network);
    return ESP_OK;
}
