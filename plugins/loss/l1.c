/* l1: sum of absolute values of trained parameters, which drives them to exact zeros.
 *
 *     value = sum |w| over the parameters w of the chosen groups;   d value / d w = sign(w), 0 at 0
 *
 * Biases are left out unless asked for, and so is what a study freezes. The value is a sum, not a
 * mean: the same weight means the same pull on each parameter in networks of any size.
 * Plain gradient steps leave parameters near 0, not at it; count those below a threshold.
 *
 * Source: Tibshirani, JRSS B 58 (1996). */
#include "espalier_plugin.h"

enum { NODES, LEAVES, HEADS, ALL };

typedef struct penalty {
    int32_t groups, biases;
} penalty;

static int includes(const penalty *self, const esp_span *span)
{
    const int of_group = self->groups == ALL ||
                         (self->groups == NODES && span->group == ESP_GROUP_NODES) ||
                         (self->groups == LEAVES && span->group == ESP_GROUP_LEAVES) ||
                         (self->groups == HEADS && span->group == ESP_GROUP_HEADS);
    return of_group && (self->biases || !span->is_bias);
}

static int evaluate(void *state, const esp_host *host, const esp_batch *batch,
                    const esp_gradients *d, double *value)
{
    const penalty *self = (const penalty *)state;
    (void)host;
    *value = 0;
    for (int s = 0; s < batch->n_spans; s++) {
        const esp_span *span = &batch->spans[s];
        if (!includes(self, span)) {
            continue;
        }
        for (int64_t i = 0; i < span->count; i++) {
            const double w = span->values[i];
            *value += fabs(w);
        }
        for (int64_t i = 0; d && i < span->count; i++) {
            const esp_real w = span->values[i];
            d->spans[s][i] += w > 0 ? 1 : w < 0 ? -1 : 0;
        }
    }
    return 0;
}

static const char *const groups[] = {"nodes", "leaves", "heads", "all", NULL};

static const esp_param params[] = {
    {.name = "groups",
     .help = "whose parameters: nodes (a gate's weights too), leaves (experts), heads, or all",
     .type = ESP_PARAM_CHOICE,
     .offset = offsetof(penalty, groups),
     .default_value = ALL,
     .choices = groups},
    {.name = "biases",
     .help = "whether biases count too",
     .type = ESP_PARAM_BOOLEAN,
     .offset = offsetof(penalty, biases),
     .default_value = 0},
};

static const esp_loss_ops ops = {
    .struct_size = sizeof ops,
    .needs = ESP_PARAMETERS,
    .evaluate = evaluate,
};

ESP_EXPORT const esp_plugin espalier_plugin = {
    ESP_PLUGIN_HEADER,
    .kind = ESP_LOSS,
    .role = ESP_PENALTY,
    .name = "l1",
    .version = "2",
    .summary = "sum of the absolute values of trained parameters; biases left out by default",
    .source = "Tibshirani, JRSS B 58 (1996)",
    .cost = "O(parameters), one addition each",
    .state_size = sizeof(penalty),
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .loss = &ops,
};
