/* Weights and learning rates that change, and budgets of phases, as JSON. */
#include <string.h>

#include "study/build.h"

void esp_build_weight(builder *b, const esp_node *tree, const char *path, json_t *term)
{
    const char *at = esp_tree_pool_format(b->r->pool, "%s.weight", path);
    const esp_node *node = esp_node_find(tree, at);
    json_t *value = NULL;
    if (node != NULL && node->type == ESP_NODE_MAP) {
        value = esp_build_complete(b, tree, at, "losses.*.weight", NULL);
    } else {
        esp_key_ref ref;
        if (esp_schema_find(&ref, b->r->registry, at)) {
            esp_schema_value(&value, b->r->problems, &ref, at, node);
        }
        b->sound = b->sound && value != NULL;
    }
    json_object_set_new(term, "weight", value != NULL ? value : json_real(0));
}

json_t *esp_build_schedule(builder *b, const esp_node *tree)
{
    const esp_node *kind = esp_node_find(tree, "optimizer.schedule.kind");
    const char *name = kind != NULL ? kind->text : "constant";
    bool known = name != NULL && esp_word_in("constant linear cosine step plateau", name);
    return esp_build_complete(b, tree, "optimizer.schedule", "optimizer.schedule",
                              known ? name : NULL);
}

void esp_build_budget(builder *b, const char *path)
{
    const esp_node *tree = b->draft->tree;
    const char *epochs = esp_tree_pool_format(b->r->pool, "%s.epochs", path);
    const char *steps = esp_tree_pool_format(b->r->pool, "%s.steps", path);
    const esp_node *by_epochs = esp_node_find(tree, epochs), *by_steps = esp_node_find(tree, steps);
    if (by_epochs != NULL && by_steps != NULL) {
        esp_problem(b->r->problems, ESP_ERROR, esp_node_key_mark(tree, steps),
                    "%s and %s are both given; a phase ends after its epochs or its steps", steps,
                    epochs);
        b->sound = false;
    } else if (by_epochs == NULL && by_steps == NULL) {
        esp_build_require(b, tree, epochs, " (or steps)");
    }
}
