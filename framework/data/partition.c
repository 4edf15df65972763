#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/log.h"
#include "core/rng.h"
#include "core/status.h"
#include "data/dataset.h"

/* What a training example is used for. */
enum { USED, HELD_OUT, LEFT_OUT, TESTED };

/* "3", or "3 ('cat')" where labels are text. */
static const char *show_class(char shown[256], const esp_dataset *dataset, uint32_t class_index)
{
    if (dataset->class_names != NULL) {
        snprintf(shown, 256, "%u ('%s')", class_index, dataset->class_names[class_index]);
    } else {
        snprintf(shown, 256, "%u", class_index);
    }
    return shown;
}

/* The examples of a class that are still used, in order. */
static uint32_t list_members(uint32_t *members, const uint8_t *use, const esp_examples *examples,
                             uint32_t class_index)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < examples->count; i++) {
        if (examples->labels[i] == class_index && use[i] == USED) {
            members[count++] = i;
        }
    }
    return count;
}

/* Marks n of the members that come first in a random order of the class alone: a greater n marks
 * the same examples and more. */
static void mark_first(uint8_t *use, uint8_t mark, uint32_t *members, uint32_t count, uint32_t n,
                       esp_rng rng)
{
    esp_rng_shuffle(members, count, &rng);
    for (uint32_t i = 0; i < n; i++) {
        use[members[i]] = mark;
    }
}

/* Each class's round(fraction * count) examples of validation. */
static int mark_held_out(uint8_t *use, uint32_t *members, const esp_dataset *dataset,
                         const esp_partition_rule *rule)
{
    char shown[256];
    for (uint32_t class = 0; class < dataset->n_classes; class ++) {
        const uint32_t count = list_members(members, use, &dataset->train, class);
        const uint32_t n_held_out = (uint32_t)lround(rule->validation * count);
        if (count > 0 && n_held_out == count) {
            return esp_fail(ESP_DATA,
                            "data set %s: validation %g leaves no training example of class %s, "
                            "which has %u; hold out less",
                            dataset->name, rule->validation, show_class(shown, dataset, class),
                            count);
        }
        mark_first(use, HELD_OUT, members, count, n_held_out,
                   esp_rng_make(rule->split_seed, "split", class));
    }
    return ESP_OK;
}

/* Each class's round(fraction * count) examples of test, but one stays to train on. */
static int mark_tested(uint8_t *use, uint32_t *members, const esp_dataset *dataset,
                       const esp_partition_rule *rule)
{
    char shown[256];
    uint32_t n_tested = 0, n_without = 0, first_without = 0, its_count = 0;
    ESP_TRY(esp_partition_check_test(dataset->name, dataset->test.count, rule->test));
    for (uint32_t class = 0; class < dataset->n_classes; class ++) {
        const uint32_t count = list_members(members, use, &dataset->train, class);
        uint32_t n = (uint32_t)lround(rule->test * count);
        n = n == count && n > 0 ? n - 1 : n;
        mark_first(use, TESTED, members, count, n, esp_rng_make(rule->split_seed, "test", class));
        if (n == 0 && n_without++ == 0) {
            first_without = class;
            its_count = count;
        }
        n_tested += n;
    }
    if (n_tested == 0) {
        return esp_fail(ESP_DATA,
                        "data set %s: data.test %g of %u examples, drawn class by class, splits "
                        "off none; split off more",
                        dataset->name, rule->test, dataset->train.count);
    }
    if (n_without > 0) {
        esp_log_warning(
            "data set %s: %u of %u classes have no example in the test split of %u, the "
            "first is class %s, which has %u; figures of test say nothing of them",
            dataset->name, n_without, dataset->n_classes, n_tested,
            show_class(shown, dataset, first_without), its_count);
    }
    return ESP_OK;
}

int esp_partition_check_test(const char *name, uint32_t n_test, double fraction)
{
    if (n_test > 0 && fraction > 0) {
        return esp_fail(ESP_DATA,
                        "data set %s has a test split of %u examples, so data.test splits off "
                        "none; leave data.test out",
                        name, n_test);
    }
    if (n_test == 0 && !(fraction > 0)) {
        return esp_fail(ESP_DATA,
                        "data set %s has no test split, only training files; data.test: 0.2 "
                        "splits off a stratified fifth of them",
                        name);
    }
    return ESP_OK;
}

/* Marks, for each class of which not all is kept, those training examples that are left out: a
 * random order of the class alone tells which come first, so that a smaller fraction keeps a
 * subset. */
static int mark_left_out(uint8_t *use, uint32_t *members, const esp_dataset *dataset,
                         const esp_partition_rule *rule)
{
    char shown[256];
    for (uint32_t class = 0; class < dataset->n_classes; class ++) {
        const double keep = rule->keep[class];
        if (keep == 1) {
            continue;
        }
        if (!(keep > 0 && keep < 1)) {
            return esp_fail(ESP_DATA,
                            "keep of class %u: expected more than 0 and at most 1, found "
                            "%g",
                            class, keep);
        }
        const uint32_t count = list_members(members, use, &dataset->train, class);
        const uint32_t n_kept = (uint32_t)lround(keep * count);
        if (n_kept == 0) {
            return esp_fail(ESP_DATA,
                            "data set %s: keep %g of the %u training examples of class %s leaves "
                            "none; keep more",
                            dataset->name, keep, count, show_class(shown, dataset, class));
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
    if (!(fraction >= 0 && fraction < 1) || !(rule->test >= 0 && rule->test < 1)) {
        return esp_fail(ESP_DATA,
                        "validation and test: expected fractions from 0 to below 1, found %g and "
                        "%g",
                        fraction, rule->test);
    }
    uint32_t count = dataset->train.count;
    uint8_t *use = calloc(count, 1);
    uint32_t *members = malloc(count * sizeof *members);
    out->train = malloc(count * sizeof *out->train);
    out->validation = malloc(count * sizeof *out->validation);
    out->test = malloc(count * sizeof *out->test);
    int status = ESP_OK;
    if (use == NULL || members == NULL || out->train == NULL || out->validation == NULL ||
        out->test == NULL) {
        status = esp_fail(ESP_MEMORY, "no memory to split %u examples", count);
        goto out;
    }
    if (rule->test > 0) {
        ESP_TRY_OUT(mark_tested(use, members, dataset, rule));
    }
    if (fraction > 0) {
        ESP_TRY_OUT(mark_held_out(use, members, dataset, rule));
    }
    if (rule->keep != NULL) {
        ESP_TRY_OUT(mark_left_out(use, members, dataset, rule));
    }
    for (uint32_t i = 0; i < count; i++) {
        if (use[i] == HELD_OUT) {
            out->validation[out->n_validation++] = i;
        } else if (use[i] == TESTED) {
            out->test[out->n_test++] = i;
        } else if (use[i] == USED) {
            out->train[out->n_train++] = i;
        }
    }
    if (fraction > 0 && out->n_validation == 0) {
        status = esp_fail(ESP_DATA,
                          "data set %s: validation %g of %u examples, drawn class by class, holds "
                          "out none; hold out more",
                          dataset->name, fraction, count - out->n_test);
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
    free(partition->test);
    *partition = (esp_partition){.train = NULL};
}

esp_split_examples esp_partition_split(const esp_dataset *dataset, const esp_partition *partition,
                                       esp_split split)
{
    const esp_split_examples splits[ESP_N_SPLITS] = {
        [ESP_TRAIN] = {&dataset->train, partition->train, partition->n_train},
        [ESP_VALIDATION] = {&dataset->train, partition->validation, partition->n_validation},
        [ESP_TEST] = {&dataset->train, partition->test, partition->n_test},
    };
    return split == ESP_TEST && partition->n_test == 0
               ? (esp_split_examples){.examples = &dataset->test, .count = dataset->test.count}
               : splits[split];
}
