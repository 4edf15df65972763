#include "data/class_names.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/status.h"
#include "core/utf8.h"
#include "data/numbers.h"

/* ---- one part -------------------------------------------------------------------------------- */

/* What keeps text from being a class's name, in words; or NULL. It is shown on terminals and kept
 * as JSON. */
static const char *fault_of(const char *text, size_t length)
{
    char copy[ESP_CLASS_NAME_LENGTH + 1];
    if (length == 0) {
        return "nothing";
    }
    if (length > ESP_CLASS_NAME_LENGTH) {
        return "more than 200 bytes";
    }
    if (memchr(text, '\0', length) != NULL) {
        return "a control character";
    }
    memcpy(copy, text, length);
    copy[length] = '\0';
    for (size_t at = 0; at < length;) {
        long code = 0;
        at += esp_utf8_decode(&code, copy + at);
        if (code < 0) {
            return "text that is not UTF-8";
        }
        if (esp_utf8_steers(code)) {
            return "a control character";
        }
    }
    return NULL;
}

/* Compares bytewise, in every locale. */
static int compare(const char *name, const char *text, size_t length)
{
    const size_t own = strlen(name), shorter = own < length ? own : length;
    const int order = memcmp(name, text, shorter);
    return order != 0 ? order : (own > length) - (own < length);
}

int esp_class_names_take(uint8_t *index, esp_part *part, uint32_t example, const char *text,
                         size_t length)
{
    if (part->names == NULL && (part->names = calloc(1, sizeof *part->names)) == NULL) {
        return esp_fail(ESP_MEMORY, "no memory for the names of classes");
    }
    esp_class_names *all = part->names;
    uint32_t low = 0, high = all->count;
    while (low < high) {
        const uint32_t middle = (low + high) / 2;
        const int order = compare(all->names[all->sorted[middle]], text, length);
        if (order == 0) {
            *index = all->sorted[middle];
            return ESP_OK;
        }
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    const char *fault = fault_of(text, length);
    if (fault != NULL) {
        return esp_fail(ESP_DATA, "expected a label, found %s", fault);
    }
    if (all->count == ESP_MAX_CLASSES) {
        char shown[64];
        esp_text_shown(shown, text, length);
        return esp_fail(ESP_DATA, "expected at most %d classes, found %s as one more",
                        ESP_MAX_CLASSES, shown);
    }
    char *copy = strndup(text, length);
    if (copy == NULL) {
        return esp_fail(ESP_MEMORY, "no memory for the names of classes");
    }
    memmove(all->sorted + low + 1, all->sorted + low, all->count - low);
    all->sorted[low] = *index = (uint8_t)all->count;
    all->first[all->count] = example;
    all->names[all->count++] = copy;
    return ESP_OK;
}

void esp_class_names_free(esp_class_names *names)
{
    for (uint32_t i = 0; names != NULL && i < names->count; i++) {
        free(names->names[i]);
    }
    free(names);
}

/* ---- both parts ------------------------------------------------------------------------------ */

static void renumber(esp_part *part, const uint8_t *numbers)
{
    for (uint32_t i = 0; i < part->count; i++) {
        part->labels[i] = numbers[part->labels[i]];
    }
}

/* The places of test's names among train's sorted ones. */
static int number_test(uint8_t numbers[ESP_MAX_CLASSES], const esp_part *train,
                       const esp_part *test, char *const *paths)
{
    const esp_class_names *known = train->names, *others = test->names;
    for (uint32_t i = 0; i < others->count; i++) {
        const char *name = others->names[i];
        bool found = false;
        for (uint32_t k = 0; k < known->count && !found; k++) {
            found = strcmp(known->names[known->sorted[k]], name) == 0;
            numbers[i] = (uint8_t)k;
        }
        if (!found) {
            return esp_fail(ESP_DATA,
                            "%s: label out of range: expected one of the %u classes of %s, found "
                            "'%s' for example %u (counted from 0); no training example has it",
                            paths[test->label_file], known->count, paths[train->label_file], name,
                            others->first[i]);
        }
    }
    return ESP_OK;
}

int esp_class_names_number(char ***names, uint32_t *n_classes, esp_part parts[ESP_N_PARTS],
                           char *const *paths)
{
    esp_part *train = &parts[ESP_TRAIN_PART], *test = &parts[ESP_TEST_PART];
    uint8_t numbers[ESP_MAX_CLASSES] = {0};
    if (test->count > 0 && (train->names != NULL) != (test->names != NULL)) {
        return esp_fail(ESP_DATA, "%s: expected labels that are %s as in %s, found %s",
                        paths[test->label_file], train->names != NULL ? "text" : "numbers",
                        paths[train->label_file], test->names != NULL ? "text" : "numbers");
    }
    if (train->names == NULL) {
        return ESP_OK;
    }
    if (test->count > 0) {
        ESP_TRY(number_test(numbers, train, test, paths));
        renumber(test, numbers);
    }
    esp_class_names *all = train->names;
    *names = malloc(sizeof **names * all->count);
    if (*names == NULL) {
        return esp_fail(ESP_MEMORY, "no memory for the names of classes");
    }
    for (uint32_t k = 0; k < all->count; k++) {
        numbers[all->sorted[k]] = (uint8_t)k;
        (*names)[k] = all->names[all->sorted[k]];
    }
    renumber(train, numbers);
    *n_classes = all->count;
    all->count = 0; /* the names are the caller's */
    return ESP_OK;
}
