/* What a loss term needs of its cell, and settings that would change nothing. */
#include <string.h>

#include "study/build.h"

uint32_t esp_fill_missing_views(const builder *b, uint32_t needs)
{
    return json_object_get(b->config, "model") == NULL
               ? 0
               : needs & ~esp_model_views(b->cell->model.kind);
}

void esp_fill_complain_of_term(builder *b, const esp_phase_config *phase,
                               const esp_term_config *term, const char *key, const char *text)
{
    esp_tree_pool *pool = b->r->pool;
    const char *path = esp_fill_written_at(
        b, phase->name, esp_tree_pool_format(pool, "losses.%s%s", term->plugin->name, key));
    const esp_assignment *model = esp_build_assigned_at(b->draft, "model.kind");
    const esp_mark written = esp_node_mark(b->draft->tree, path);
    if (model == NULL || esp_build_assigned_at(b->draft, path) != NULL) {
        esp_fill_complain(b, path, text);
        return;
    }
    char place[512];
    esp_mark_print(place, sizeof place, b->r->problems, written);
    esp_problem(b->r->problems, ESP_ERROR, model->key_mark,
                "%s (it comes from %s; losses.%s.weight: 0 here turns it off)", text, place,
                term->plugin->name);
    b->sound = false;
}

/* The group whose parameters alone a penalty looks at; NULL: several, or it has no such choice. */
static const char *only_group(const esp_term_config *term)
{
    for (uint32_t i = 0; i < term->plugin->n_params; i++) {
        const esp_param *param = &term->plugin->params[i];
        if (strcmp(param->name, "groups") == 0 && param->type == ESP_PARAM_CHOICE) {
            const char *chosen = param->choices[(int)term->params.values[i]];
            return strcmp(chosen, "all") != 0 ? chosen : NULL;
        }
    }
    return NULL;
}

static void check_group(builder *b, const esp_phase_config *phase, const esp_term_config *term)
{
    const char *group = term->plugin->role == ESP_PENALTY ? only_group(term) : NULL;
    if (group == NULL || json_object_get(b->config, "model") == NULL) {
        return;
    }
    const bool heads = strcmp(group, "heads") == 0;
    if ((heads && b->cell->n_heads == 0) ||
        (strcmp(group, "nodes") == 0 && b->cell->model.kind == ESP_MODEL_FF)) {
        esp_fill_complain_of_term(
            b, phase, term, ".groups",
            esp_tree_pool_format(b->r->pool,
                                 "%s looks at the parameters of %s alone, and there are none; give "
                                 "it weight 0 or leave it out",
                                 term->plugin->name, group));
    }
}

/* Legal, and said: a weight that changes nothing, since no gradient passes what the term sees. */
static void warn_of_constants(builder *b, const esp_phase_config *phase,
                              const esp_term_config *term)
{
    const esp_model_config *model = &b->cell->model;
    const esp_loss_ops *ops = term->plugin->loss;
    const uint32_t seen = ops->needs & ~(ESP_CHOICES | ops->held_fixed);
    const bool of_nodes = model->kind == ESP_MODEL_FFF || model->kind == ESP_MODEL_MOE;
    const bool of_routing = seen != 0 && !(seen & (ESP_LOGITS | ESP_PARAMETERS));
    const char *why = NULL;
    if (of_nodes && of_routing && model->frozen & 1u << ESP_GROUP_NODES) {
        why = "shapes routing alone, and model.freeze holds the nodes: nothing learns from it";
    } else if (ops->needs & ESP_LOAD && !model->noise) {
        why = "looks at the gate's load, which without noise is a count that no gradient passes; "
              "see model.noise";
    } else if (seen == ESP_MIXTURE && model->train_hardened) {
        why = "looks at the mixture, which model.train_hardened rounds: no gradient passes it, and "
              "nodes learn nothing from it";
    }
    if (why != NULL && json_object_get(b->config, "model")) {
        const char *name = term->plugin->name;
        const char *path = esp_fill_written_at(
            b, phase->name, esp_tree_pool_format(b->r->pool, "losses.%s.weight", name));
        esp_problem(b->r->problems, ESP_WARNING, esp_node_mark(b->draft->tree, path), "%s %s", name,
                    why);
    }
}

void esp_fill_check_term(builder *b, const esp_phase_config *phase, const esp_term_config *term)
{
    const esp_loss_ops *ops = term->plugin->loss;
    const esp_model_config *model = &b->cell->model;
    const char *kind = esp_model_kind_name(model->kind), *name = term->plugin->name;
    const uint32_t missing = esp_fill_missing_views(b, ops->needs);
    const char *text = NULL;
    if (missing != 0) {
        text = esp_tree_pool_format(b->r->pool,
                                    "%s needs %s, and model kind '%s' has none; give it weight 0 "
                                    "or leave it out",
                                    name, esp_view_names(b->r->pool, missing), kind);
    } else if (ops->after_step != NULL && model->kind != ESP_MODEL_MOE) {
        text = esp_tree_pool_format(b->r->pool,
                                    "%s moves a routing bias, and model kind '%s' has none (moe "
                                    "has one); give it weight 0 or leave it out",
                                    name, kind);
    } else if (ops->after_step != NULL && term->weight < 0) {
        text = esp_tree_pool_format(b->r->pool,
                                    "%s moves a routing bias while its weight is above 0; %g would "
                                    "do nothing",
                                    name, term->weight);
    }
    if (text != NULL) {
        esp_fill_complain_of_term(b, phase, term, ".weight", text);
    } else {
        warn_of_constants(b, phase, term);
    }
    check_group(b, phase, term);
}
