#include <math.h>
#include <stdlib.h>

#include "core/rng.h"
#include "core/status.h"
#include "data/dataset.h"

/* What a training example is used for. */
enum { USED, HELD_OUT, LEFT_OUT };

/* Marks, for each class, its round(fraction * count) examples that come first in a random order of
 * the class alone: a greater fraction holds out the same examples and more. */
static int mark_held_out(uint8_t *use, uint32_t *members, const esp_dataset *dataset,
                         double fraction, uint64_t split_seed)
{
    const esp_examples *examples = &dataset->train;
    for (uint32_t class = 0; class < dataset->n_classes; class ++) {
        uint32_t count = 0;
        for (uint32_t i = 0; i < examples->count; i++) {
            if (examples->labels[i] == class) {
                members[count++] = i;
            }
        }
        uint32_t n_held_out = (uint32_t)lround(fraction * count);
        if (count > 0 && n_held_out == count) {
            return esp_fail(ESP_DATA,
                            "data set %s: validation %g leaves no training example of class %u, "
                            "which has %u; hold out less",
                            dataset->name, fraction, class, count);
        }
        esp_rng rng = esp_rng_make(split_seed, "split", class);
        esp_rng_shuffle(members, count, &rng);
        for (uint32_t i = 0; i < n_held_out; i++) {
            use[members[i]] = HELD_OUT;
        }
    }
    return ESP_OK;
}

/* Marks, for each class of which not all is kept, those training examples that are left out: a
 * random order of the class alone tells which come first, so that a smaller fraction keeps a
 * subset. */
static int mark_left_out(uint8_t *use, uint32_t *members, const esp_dataset *dataset,
                         const esp_partition_rule *rule)
{
    const esp_examples *examples = &dataset->train;
    for (uint32_t class = 0; class < dataset->n_classes; class ++) {
        const double keep = rule->keep[class];
        uint32_t count = 0;
        if (keep == 1) {
            continue;
        }
        if (!(keep > 0 && keep < 1)) {
            return esp_fail(ESP_DATA,
                            "keep of class %u: expected more than 0 and at most 1, found "
                            "%g",
                            class, keep);
        }
        for (uint32_t i = 0; i < examples->count; i++) {
            if (examples->labels[i] == class && use[i] == USED) {
                members[count++] = i;
            }
        }
        const uint32_t n_kept = (uint32_t)lround(keep * count);
        if (n_kept == 0) {
            return esp_fail(ESP_DATA,
                            "data set %s: keep %g of the %u training examples of class %u leaves "
                            "none; keep more",
                            dataset->name, keep, count, class);
        }
        esp_rng rng = esp_rng_make(rule->split_seed, "keep", class);
        esp_rng_shuffle(members, count, &rng);
        for (uint32_t i = n_kept; i < count; i++) {
            use[members[i]] = LEFT_OUT;
        }
    }
    return ESP_OK;
}

int esp_partition_make(esp_partition *out, const esp_dataset *dataset,
                       const esp_partition_rule *rule)
{
    const double fraction = rule->validation;
    *out = (esp_partition){.train = NULL};
    if (!(fraction >= 0 && fraction < 1)) {
        return esp_fail(ESP_DATA, "validation: expected a fraction from 0 to below 1, found %g",
                        fraction);
    }
    uint32_t count = dataset->train.count;
    uint8_t *use = calloc(count, 1);
    uint32_t *members = malloc(count * sizeof *members);
    out->train = malloc(count * sizeof *out->train);
    out->validation = malloc(count * sizeof *out->validation);
    int status = ESP_OK;
    if (use == NULL || members == NULL || out->train == NULL || out->validation == NULL) {
        status = esp_fail(ESP_MEMORY, "no memory to split %u examples", count);
        goto out;
    }
    if (fraction > 0) {
        ESP_TRY_OUT(mark_held_out(use, members, dataset, fraction, rule->split_seed));
    }
    if (rule->keep != NULL) {
        ESP_TRY_OUT(mark_left_out(use, members, dataset, rule));
    }
    for (uint32_t i = 0; i < count; i++) {
        if (use[i] == HELD_OUT) {
            out->validation[out->n_validation++] = i;
        } else if (use[i] == USED) {
            out->train[out->n_train++] = i;
        }
    }
    if (fraction > 0 && out->n_validation == 0) {
        status = esp_fail(ESP_DATA,
                          "data set %s: validation %g of %u examples, drawn class by class, holds "
                          "out none; hold out more",
                          dataset->name, fraction, count);
    }
out:
    free(use);
    free(members);
    if (status != ESP_OK) {
        esp_partition_free(out);
    }
    return status;
}

void esp_partition_free(esp_partition *partition)
{
    free(partition->train);
    free(partition->validation);
    *partition = (esp_partition){.train = NULL};
}
