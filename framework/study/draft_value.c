/* Whether a cell has a value, by value and not by spelling: for exclude and --only. */
#include <string.h>
#include <strings.h>

#include "study/reading.h"

/* true, false and null are found in any case: True is what Python writes. */
static bool same_word(const char *have, const char *wanted)
{
    return strcmp(have, wanted) == 0 ||
           (esp_word_in("true false null", have) && strcasecmp(have, wanted) == 0);
}

/* Maps agree in any order of their keys, lists item by item. */
static bool same_node(esp_reading *r, const esp_node *have, const esp_node *wanted)
{
    if (have->type != wanted->type) {
        return false;
    }
    if (have->type == ESP_NODE_SCALAR) {
        return same_word(esp_node_text(r->pool, have), esp_node_text(r->pool, wanted));
    }
    bool same = have->n == wanted->n;
    for (int i = 0; same && i < wanted->n; i++) {
        const esp_node *item =
            wanted->type == ESP_NODE_MAP ? esp_node_get(have, wanted->keys[i]) : have->items[i];
        same = item != NULL && same_node(r, item, wanted->items[i]);
    }
    return same;
}

/* The value at a key: as it was swept, as configured, else its built-in; NULL: the cell has none.
 */
static const esp_node *value_at(esp_reading *r, const esp_draft *draft, const char *key)
{
    const esp_node *node = esp_node_find(draft->tree, key);
    if (node == NULL && strcmp(key, "variant") == 0) {
        node = esp_node_scalar(r->pool, draft->variant->name, draft->variant->mark);
    }
    esp_key_ref ref;
    if (node == NULL && esp_schema_find(&ref, r->registry, key) && ref.key != NULL &&
        ref.key->fallback != NULL) {
        node = esp_node_scalar(r->pool, ref.key->fallback, draft->tree->mark);
    }
    return node;
}

bool esp_draft_has(esp_reading *r, const esp_draft *draft, const char *key, const esp_node *wanted)
{
    const esp_node *have = value_at(r, draft, key);
    if (have != NULL && same_node(r, have, wanted)) {
        return true;
    }
    for (int i = 0; i < draft->n_swept; i++) { /* a map that a later assignment changed below */
        if (strcmp(draft->swept[i].path, key) == 0 && same_node(r, draft->swept[i].value, wanted) &&
            have != NULL && have->type == ESP_NODE_MAP) {
            return true;
        }
    }
    for (int i = 0; wanted->type == ESP_NODE_LIST && i < wanted->n; i++) {
        if (esp_draft_has(r, draft, key, wanted->items[i])) {
            return true;
        }
    }
    return false;
}

bool esp_text_is(esp_reading *r, const char *have, const esp_node *wanted)
{
    bool any = same_word(have, esp_node_text(r->pool, wanted));
    for (int i = 0; !any && wanted->type == ESP_NODE_LIST && i < wanted->n; i++) {
        any = esp_text_is(r, have, wanted->items[i]);
    }
    return any;
}
