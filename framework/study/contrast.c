#include "study/contrast.h"

#include <string.h>

#include "study/yaml_tree.h"

static const char *value_in(const esp_store_param *list, int n, const char *key)
{
    for (int i = 0; i < n; i++) {
        if (strcmp(list[i].key, key) == 0) {
            return list[i].value;
        }
    }
    return NULL;
}

static const char *without_model(const char *key)
{
    return strncmp(key, "model.", 6) == 0 ? key + 6 : key;
}

const char *esp_contrast_value(const esp_contrast_cell *cell, const char *key)
{
    if (strcmp(key, "variant") == 0) {
        return cell->variant;
    }
    const char *value = value_in(cell->params, cell->n_params, key);
    for (int i = 0; value == NULL && i < cell->n_params; i++) {
        if (strcmp(without_model(cell->params[i].key), without_model(key)) == 0) {
            value = cell->params[i].value;
        }
    }
    return value;
}

bool esp_contrast_is(const esp_contrast_cell *cell, const esp_contrast_side *side)
{
    for (int i = 0; i < side->n; i++) {
        const char *value = esp_contrast_value(cell, side->at[i].key);
        if (value == NULL || strcmp(value, side->at[i].value) != 0) {
            return false;
        }
    }
    return true;
}

/* Whether a side speaks of a key, of a map above it or of a key below it. */
static bool is_named(const esp_contrast_side *side, const char *key)
{
    bool named = false;
    for (int i = 0; i < side->n; i++) {
        const char *at = side->at[i].key;
        named = named || esp_path_covers(at, key) || esp_path_covers(key, at) ||
                strcmp(without_model(at), without_model(key)) == 0;
    }
    return named;
}

/* A value as swept, else as configured. */
static const char *own_value(const esp_contrast_cell *cell, const char *key)
{
    const char *swept = value_in(cell->swept, cell->n_swept, key);
    return swept != NULL ? swept : value_in(cell->params, cell->n_params, key);
}

static bool agree_on(const esp_contrast_cell *a, const esp_contrast_cell *b, const char *key,
                     const esp_contrast_side sides[2])
{
    if (is_named(&sides[0], key) && is_named(&sides[1], key)) {
        return true;
    }
    const char *left = own_value(a, key), *right = own_value(b, key);
    return left == NULL || right == NULL || strcmp(left, right) == 0;
}

bool esp_contrast_agree(const esp_contrast_cell *a, const esp_contrast_cell *b,
                        const esp_contrast_side sides[2])
{
    bool free_variant = is_named(&sides[0], "variant") && is_named(&sides[1], "variant");
    bool agree = free_variant || strcmp(a->variant, b->variant) == 0;
    for (int i = 0; agree && i < a->n_swept; i++) {
        agree = agree_on(a, b, a->swept[i].key, sides);
    }
    for (int i = 0; agree && i < b->n_swept; i++) {
        agree = agree_on(a, b, b->swept[i].key, sides);
    }
    return agree;
}
