#include "nn/route.h"

#include "nn/node_trees.h"
#include "nn/noise.h"
#include "nn/rows.h"
#include "nn/tree.h"

void esp_route_by_choice(esp_network *network)
{
    for (int leaf = 0; leaf < network->n_leaves; leaf++) {
        esp_real *weight = row(network->combine, leaf, network);
        for (int b = 0; b < network->n_examples; b++) {
            weight[b] = network->choices[b] == leaf;
        }
    }
}

/* Region leak: with a probability, a node's children change places for an example. Hardened
 * training: decisions are those of hard descent, and no gradient passes them (as published, where
 * probabilities are rounded: at a tie to the left). */
static void change_branches(esp_network *network, bool harden)
{
    const ptrdiff_t stride = network->stride;
    if (network->leaks) {
        esp_noise_bernoulli(network->leaked, network->config.model.region_leak,
                            network->config.noise_seed, "region_leak", network->step,
                            network->n_nodes, network->n_examples, network->stride);
    }
    for (int i = 0; i < network->n_nodes; i++) {
        for (ptrdiff_t b = i * stride; b < i * stride + network->n_examples; b++) {
            const esp_real p = harden ? network->scores[b] >= 0 : network->probabilities[b];
            network->branch[b] = network->leaks && network->leaked[b] > 0 ? 1 - p : p;
        }
    }
}

static void route_tree(esp_network *network, esp_mode mode)
{
    const esp_model_config *model = &network->config.model;
    const bool harden = mode == ESP_TRAINING && model->train_hardened;
    const esp_real *branch = network->probabilities;
    network->leaks = mode == ESP_TRAINING && model->region_leak > 0;
    if (network->leaks || harden) {
        change_branches(network, harden);
        branch = network->branch;
    }
    esp_tree_mix(network->mixture, network->reach, branch, model->depth, network->n_examples,
                 network->stride);
    esp_tree_descend(network->choices, network->scores, model->depth, network->n_examples,
                     network->stride);
}

static void route_gate(esp_network *network, esp_mode mode)
{
    const esp_model_config *model = &network->config.model;
    const bool noisy = model->noise && mode == ESP_TRAINING;
    if (noisy) {
        esp_noise_normal(network->normals, network->config.noise_seed, "gate", network->step,
                         network->n_leaves, network->n_examples, network->stride);
    }
    network->gate = (esp_gate){
        .n_experts = network->n_leaves,
        .top_k = model->top_k,
        .kind = model->gate,
        .n_examples = network->n_examples,
        .stride = network->stride,
        .logits = network->scores,
        .raw_noise = noisy ? row(network->projections, network->n_leaves, network) : NULL,
        .normals = noisy ? network->normals : NULL,
        .noise_epsilon = model->noise_epsilon,
        .bias = esp_network_routing_bias(network),
        .noisy = network->noisy,
        .mixture = network->mixture,
        .combine = network->combine,
        .choices = network->choices,
        .load = network->load};
    esp_gate_forward(&network->gate);
}

void esp_route(esp_network *network, esp_mode mode)
{
    const esp_model_config *model = &network->config.model;
    switch (model->kind) {
    case ESP_MODEL_FFF:
        route_tree(network, mode);
        break;
    case ESP_MODEL_FF:
        memset(network->choices, 0, sizeof *network->choices * (size_t)network->n_examples);
        esp_route_by_choice(network);
        break;
    case ESP_MODEL_MOE:
        route_gate(network, mode);
        break;
    case ESP_MODEL_FFF_NODES:
        esp_node_trees_descend(network->path, network->choices, network->scores, model->n_trees,
                               model->depth, network->n_examples, network->stride);
        break;
    }
}

/* ---- backward ---------------------------------------------------------------------------------
 */

static void squash_backward(esp_real *restrict dz, const esp_real *restrict d_scores,
                            const esp_real *restrict dp, const esp_real *restrict p, int n_examples)
{
    for (int b = 0; b < n_examples; b++) {
        dz[b] = d_scores[b] + dp[b] * p[b] * (1 - p[b]);
    }
}

/* Through branches that were changed: a leak turns the sign, a rounding stops the gradient. */
static void branches_backward(esp_network *network)
{
    const ptrdiff_t stride = network->stride;
    if (network->config.model.train_hardened) {
        return;
    }
    zero_rows(network->d_branch, network->n_nodes, network);
    esp_tree_mix_backward(network->d_branch, network->value, network->d_mixture, network->reach,
                          network->branch, network->config.model.depth, network->n_examples,
                          network->stride);
    for (int i = 0; i < network->n_nodes; i++) {
        for (ptrdiff_t b = i * stride; b < i * stride + network->n_examples; b++) {
            network->d_probabilities[b] +=
                network->leaked[b] > 0 ? -network->d_branch[b] : network->d_branch[b];
        }
    }
}

static void tree_backward(esp_network *network)
{
    const int n = network->n_examples;
    if (network->branch != network->probabilities) {
        branches_backward(network);
    } else {
        esp_tree_mix_backward(network->d_probabilities, network->value, network->d_mixture,
                              network->reach, network->probabilities, network->config.model.depth,
                              n, network->stride);
    }
    for (int i = 0; i < network->n_nodes; i++) {
        squash_backward(row(network->d_projections, i, network), row(network->d_scores, i, network),
                        row(network->d_probabilities, i, network),
                        row(network->probabilities, i, network), n);
    }
}

void esp_route_backward(esp_network *network)
{
    const int n = network->n_examples;
    switch (network->config.model.kind) {
    case ESP_MODEL_FFF:
        tree_backward(network);
        break;
    case ESP_MODEL_FF:
        break;
    case ESP_MODEL_MOE:
        for (int i = 0; i < network->n_router; i++) {
            memset(row(network->d_projections, i, network), 0, sizeof(esp_real) * (size_t)n);
        }
        for (int i = 0; i < network->n_leaves; i++) {
            add_rows(row(network->d_projections, i, network), row(network->d_scores, i, network),
                     n);
        }
        esp_gate_backward(network->d_projections,
                          network->config.model.noise
                              ? row(network->d_projections, network->n_leaves, network)
                              : NULL,
                          &network->gate, network->d_mixture, network->d_combine, network->d_load);
        break;
    case ESP_MODEL_FFF_NODES: /* scores are the neurons' own rows */
        for (int i = 0; i < network->n_nodes; i++) {
            add_rows(row(network->d_projections, i, network), row(network->d_scores, i, network),
                     n);
        }
        break;
    }
}
