#include "nn/localized.h"

#include <string.h>

/* The kinds of tensor a block is made of, nodes' and leaves'. */
static const int node_tensors[] = {ESP_NODE_WEIGHTS, ESP_NODE_BIASES};
static const int leaf_tensors[] = {ESP_W1, ESP_B1, ESP_W2, ESP_B2};

static int node_blocks(const esp_model_config *model)
{
    return model->kind == ESP_MODEL_FFF ? model->n_leaves - 1 : 0;
}

int esp_localized_blocks(const esp_model_config *model)
{
    switch (model->kind) {
    case ESP_MODEL_FFF:
    case ESP_MODEL_MOE:
        return node_blocks(model) + model->n_leaves;
    case ESP_MODEL_FF:
    case ESP_MODEL_FFF_NODES:
        break;
    }
    return 0;
}

/* ---- usage ------------------------------------------------------------------------------------
 */

static double sum_of_row(const esp_real *values, int index, const esp_network *network)
{
    double sum = 0;
    const esp_real *row = values + (size_t)index * (size_t)network->stride;
    for (int b = 0; b < network->n_examples; b++) {
        sum += (double)row[b];
    }
    return sum;
}

static void count_soft(esp_localized *localized, const esp_network *network, int n_nodes)
{
    for (int i = 0; i < n_nodes; i++) {
        localized->usage[i] += sum_of_row(network->reach, i, network);
    }
    for (int leaf = 0; leaf < network->n_leaves; leaf++) {
        localized->usage[n_nodes + leaf] += sum_of_row(network->mixture, leaf, network);
    }
}

static void count_hard(esp_localized *localized, const esp_network *network, int n_nodes)
{
    const int n_choices = esp_model_choices(&network->config.model);
    for (int k = 0; k < n_choices; k++) {
        const int32_t *choices = network->choices + (size_t)k * (size_t)network->stride;
        for (int b = 0; b < network->n_examples; b++) {
            localized->usage[n_nodes + choices[b]]++;
            /* a leaf stands behind the nodes in the numbering of the tree: i's parent is
             * (i - 1) / 2 */
            for (int i = n_nodes + choices[b]; n_nodes > 0 && i > 0;) {
                i = (i - 1) / 2;
                localized->usage[i]++;
            }
        }
    }
}

void esp_localized_count(esp_localized *localized, const esp_network *network, bool soft)
{
    const int n_nodes = node_blocks(&network->config.model);
    if (soft) {
        count_soft(localized, network, n_nodes);
    } else {
        count_hard(localized, network, n_nodes);
    }
}

/* ---- steps ------------------------------------------------------------------------------------
 */

static void add(esp_real *restrict out, const esp_real *restrict in, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        out[i] += in[i];
    }
}

static void scale(esp_real *values, esp_real factor, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        values[i] *= factor;
    }
}

static void step_tensor(esp_localized *localized, const esp_tensor *tensor, int first_block,
                        int n_blocks, esp_network *network, const esp_optimizer *optimizer,
                        esp_real *first, esp_real *second, int local_batch_size)
{
    add(localized->pending + tensor->offset, network->gradients + tensor->offset, tensor->count);
    const size_t count = tensor->count / (size_t)n_blocks;
    for (int i = 0; i < n_blocks; i++) {
        const double usage = localized->usage[first_block + i];
        const size_t at = tensor->offset + (size_t)i * count;
        if (usage < local_batch_size) {
            continue;
        }
        esp_optimizer own = *optimizer;
        own.step = localized->steps[first_block + i] + 1;
        scale(localized->pending + at, (esp_real)(local_batch_size / usage), count);
        esp_optimizer_apply(&own, network->parameters + at, first + at, second + at,
                            localized->pending + at, count);
        memset(localized->pending + at, 0, sizeof(esp_real) * count);
    }
}

void esp_localized_step(esp_localized *localized, esp_network *network,
                        const esp_optimizer *optimizer, esp_real *first, esp_real *second,
                        int local_batch_size)
{
    const int n_nodes = node_blocks(&network->config.model), n_leaves = network->n_leaves;
    bool done[ESP_NETWORK_MAX_TENSORS] = {false};
    for (int i = 0; i < 6; i++) {
        const bool node = i < 2;
        const int index = network->own[node ? node_tensors[i] : leaf_tensors[i - 2]];
        const esp_tensor *tensor = &network->tensors[index];
        if ((!node || n_nodes > 0) && tensor->trainable && tensor->count > 0) {
            step_tensor(localized, tensor, node ? 0 : n_nodes, node ? n_nodes : n_leaves, network,
                        optimizer, first, second, local_batch_size);
            done[index] = true;
        }
    }
    for (int b = 0; b < n_nodes + n_leaves; b++) {
        if (localized->usage[b] >= local_batch_size) {
            localized->usage[b] = 0;
            localized->steps[b]++;
        }
    }
    for (int i = 0; i < network->n_tensors; i++) {
        const esp_tensor *tensor = &network->tensors[i];
        if (tensor->trainable && !done[i]) {
            esp_optimizer_apply(optimizer, network->parameters + tensor->offset,
                                first + tensor->offset, second + tensor->offset,
                                network->gradients + tensor->offset, tensor->count);
        }
    }
}

void esp_localized_reset(esp_localized *localized, const esp_network *network)
{
    const size_t n = (size_t)esp_localized_blocks(&network->config.model);
    memset(localized->pending, 0, sizeof *localized->pending * network->n_trainable);
    memset(localized->usage, 0, sizeof *localized->usage * n);
    memset(localized->steps, 0, sizeof *localized->steps * n);
}
