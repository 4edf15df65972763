#include "study/schema.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/status.h"
#include "core/text.h"
#include "plugin/params.h"

enum { MAX_PATH_LENGTH = 512, MAX_CANDIDATES = 256 };

/* ---- words ---------------------------------------------------------------------------------- */

bool esp_word_in(const char *words, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = words; at != NULL && *at; at = strchr(at, ' ')) {
        at += *at == ' ';
        if (length > 0 && strncmp(at, word, length) == 0 &&
            (at[length] == ' ' || at[length] == '\0')) {
            return true;
        }
    }
    return false;
}

const char *esp_word_hint(esp_tree_pool *pool, const char *word, const char *words)
{
    const char *candidates[MAX_CANDIDATES];
    size_t count = 0;
    char *copy = esp_tree_pool_format(pool, "%s", words ? words : "");
    for (char *save = NULL, *at = strtok_r(copy, " ", &save); at != NULL && count < MAX_CANDIDATES;
         at = strtok_r(NULL, " ", &save)) {
        candidates[count++] = at;
    }
    const char *meant = esp_text_suggest(word, candidates, count);
    if (meant != NULL) {
        return esp_tree_pool_format(pool, "; did you mean '%s'?", meant);
    }
    return count > 0 ? esp_tree_pool_format(pool, "; known: %s",
                                            esp_tree_pool_join(pool, candidates, count, ", "))
                     : "";
}

bool esp_label_check(esp_problems *problems, esp_mark mark, const char *what, const char *name,
                     bool dots, int most)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
    const size_t length = strlen(name), sound = strspn(name, letters);
    if (length > 0 && length <= (size_t)most && sound == length && name[0] != '-' &&
        name[0] != '.' && (dots || strchr(name, '.') == NULL)) {
        return true;
    }
    esp_problem(problems, ESP_ERROR, mark,
                "%s '%s' must be a name of at most %d letters, digits, %s'_' and '-' that begins "
                "with a letter, digit or '_'",
                what, name, most, dots ? "'.', " : "");
    return false;
}

/* ---- paths ---------------------------------------------------------------------------------- */

/* Whether a dotted path fits a pattern, name by name. */
static bool fits(const char *pattern, const char *path)
{
    for (;;) {
        size_t a = strcspn(pattern, "."), b = strcspn(path, ".");
        bool any = a == 1 && pattern[0] == '*';
        if (b == 0 || (!any && (a != b || strncmp(pattern, path, a) != 0))) {
            return false;
        }
        pattern += a;
        path += b;
        if (*pattern == '\0' || *path == '\0') {
            return *pattern == *path;
        }
        pattern++;
        path++;
    }
}

static const esp_plugin *plugin_of(const esp_registry *registry, const char *path)
{
    bool head = strncmp(path, "heads.", 6) == 0;
    if (!head && strncmp(path, "losses.", 7) != 0) {
        return NULL;
    }
    char name[MAX_PATH_LENGTH];
    const char *start = strchr(path, '.') + 1;
    snprintf(name, sizeof name, "%.*s", (int)strcspn(start, "."), start);
    return esp_registry_find(registry, head ? ESP_HEAD : ESP_LOSS, name);
}

const esp_key *esp_schema_key(const char *path)
{
    const esp_key *key = esp_keys;
    while (strcmp(key->path, path) != 0) {
        key++;
    }
    return key;
}

bool esp_schema_find(esp_key_ref *out, const esp_registry *registry, const char *path)
{
    const char *inner = esp_path_in_phase_set(path);
    if (inner != NULL) {
        return esp_path_in_phase_set(inner) == NULL && esp_schema_find(out, registry, inner);
    }
    *out = (esp_key_ref){0};
    bool below_plugin = strncmp(path, "losses.", 7) == 0 || strncmp(path, "heads.", 6) == 0;
    out->plugin = plugin_of(registry, path);
    if (below_plugin && out->plugin == NULL) {
        return false;
    }
    for (const esp_key *key = esp_keys; key->path != NULL; key++) {
        if (!(key->flags & ESP_KEY_OF_STUDY) && fits(key->path, path)) {
            out->key = key;
            return true;
        }
    }
    const char *name = strrchr(path, '.');
    if (out->plugin != NULL && name != NULL) {
        int index = esp_params_find(out->plugin, name + 1);
        bool direct = strchr(strchr(path, '.') + 1, '.') == name;
        if (index >= 0 && direct) {
            out->param = &out->plugin->params[index];
            return true;
        }
    }
    return false;
}

/* All names that may follow parent ("" for the top), separated by spaces. */
static const char *children_of(esp_tree_pool *pool, const esp_registry *registry,
                               const char *parent, bool of_study)
{
    const char *words = "";
    for (const esp_key *key = esp_keys; key->path != NULL; key++) {
        const char *last = strrchr(key->path, '.');
        const char *name = last ? last + 1 : key->path;
        char above[MAX_PATH_LENGTH];
        snprintf(above, sizeof above, "%.*s", last ? (int)(last - key->path) : 0, key->path);
        bool here = *parent ? *above && fits(above, parent) : !*above;
        if (here && of_study == !!(key->flags & ESP_KEY_OF_STUDY) && *name != '*') {
            words = esp_tree_pool_format(pool, "%s %s", words, name);
        }
    }
    bool heads = strcmp(parent, "heads") == 0;
    if (heads || strcmp(parent, "losses") == 0) {
        for (int i = 0; i < esp_registry_count(registry); i++) {
            const esp_plugin *plugin = esp_registry_entry(registry, i)->plugin;
            if (plugin != NULL && plugin->kind == (heads ? ESP_HEAD : ESP_LOSS)) {
                words = esp_tree_pool_format(pool, "%s %s", words, plugin->name);
            }
        }
    }
    const esp_plugin *plugin = plugin_of(registry, parent);
    const bool direct = plugin != NULL && strchr(strchr(parent, '.') + 1, '.') == NULL;
    for (uint32_t i = 0; direct && i < plugin->n_params; i++) {
        words = esp_tree_pool_format(pool, "%s %s", words, plugin->params[i].name);
    }
    return words + (*words == ' ');
}

/* Why there is no plugin of that name though a file is called so; or that files were refused. ""
 * for neither. */
static const char *refusal_hint(esp_tree_pool *pool, const esp_registry *registry, const char *name)
{
    int n_refused = 0;
    for (int i = 0; i < esp_registry_count(registry); i++) {
        const esp_plugin_entry *entry = esp_registry_entry(registry, i);
        if (entry->refusal == NULL || entry->is_hidden) {
            continue;
        }
        n_refused++;
        const char *slash = strrchr(entry->path, '/');
        const char *file = slash != NULL ? slash + 1 : entry->path;
        size_t length = strlen(name);
        if (strncmp(file, name, length) == 0 && strcmp(file + length, ".so") == 0) {
            return esp_tree_pool_format(pool, "; plugin %s was refused: %s", entry->path,
                                        entry->refusal);
        }
    }
    return n_refused > 0 ? esp_tree_pool_format(pool,
                                                " (%d plugin files were refused; `espalier plugins "
                                                "ls` says which and why)",
                                                n_refused)
                         : "";
}

/* What other programs call a key, which no edit distance finds; NULL: none. */
static const char *hint_by_habit(esp_tree_pool *pool, const char *above, const char *word)
{
    static const struct {
        const char *above, *word, *key;
    } habits[] = {
        {"optimizer", "lr", "learning_rate"},
        {"optimizer", "lrate", "learning_rate"},
        {"optimizer", "scheduler", "schedule"},
        {"optimizer", "grad_clip", "clip_norm"},
        {"optimizer.schedule", "type", "kind"},
        {"optimizer.schedule", "name", "kind"},
        {"optimizer.schedule", "threshold", "min_delta"},
        {"optimizer.schedule", "gamma", "factor"},
        {"optimizer.schedule", "step_size", "every"},
        {"optimizer.schedule", "min_lr", "minimum"},
        {"optimizer.schedule", "max_lr", "maximum"},
        {"optimizer", "wd", "weight_decay"},
        {"optimizer", "eps", "epsilon"},
        {"optimizer", "name", "kind"},
        {"optimizer", "type", "kind"},
        {"model", "type", "kind"},
        {"model", "name", "kind"},
        {"model", "k", "top_k"},
        {"model", "n_experts", "experts"},
        {"model", "hidden", "width"},
        {"model", "transposition", "region_leak"},
        {"data", "dataset", "name"},
        {"data", "val", "validation"},
        {"", "bs", "batch_size"},
        {"", "dataset", "data"},
    };
    for (size_t i = 0; i < sizeof habits / sizeof *habits; i++) {
        if (strcmp(habits[i].above, above) == 0 && strcmp(habits[i].word, word) == 0) {
            return esp_tree_pool_format(pool, "; did you mean '%s'?", habits[i].key);
        }
    }
    return NULL;
}

/* Whether a word holds the name that is quoted up to ': js_balance holds balance, and is hardly a
 * slip of it. */
static bool has_within(esp_tree_pool *pool, const char *word, const char *quoted)
{
    return strstr(word, esp_tree_pool_format(pool, "%.*s", (int)strcspn(quoted, "'"), quoted));
}

void esp_schema_unknown(esp_problems *problems, const esp_registry *registry, esp_mark mark,
                        const char *path, bool of_study)
{
    const char *inner = esp_path_in_phase_set(path);
    const char *rest = inner != NULL ? inner : path;
    /* The first name along the path that is not known is the one to speak of. */
    char known[MAX_PATH_LENGTH] = "", trial[MAX_PATH_LENGTH];
    for (size_t length = 0; rest[length = strcspn(rest, ".")] != '\0'; rest += length + 1) {
        esp_key_ref ref;
        snprintf(trial, sizeof trial, "%.250s%s%.*s", known, *known ? "." : "",
                 (int)(length < 250 ? length : 250), rest);
        if (!of_study && !esp_schema_find(&ref, registry, trial)) {
            break;
        }
        memcpy(known, trial, sizeof known);
    }
    esp_tree_pool *pool = NULL;
    if (esp_tree_pool_create(&pool) != ESP_OK) {
        return;
    }
    const char *word = esp_tree_pool_format(pool, "%.*s", (int)strcspn(rest, "."), rest);
    const char *where = *known     ? esp_tree_pool_format(pool, " in %s", known)
                        : of_study ? ""
                                   : " in the configuration";
    const char *hint = hint_by_habit(pool, known, word);
    if (hint == NULL) {
        hint = esp_word_hint(pool, word, children_of(pool, registry, known, of_study));
    }
    bool of_plugins = !of_study && (strcmp(known, "losses") == 0 || strcmp(known, "heads") == 0);
    const char *refused = of_plugins ? refusal_hint(pool, registry, word) : "";
    const char *meant = strstr(hint, "mean '");
    if (*refused == ';') {
        hint = ""; /* it is known which was meant */
        meant = NULL;
    } else if (of_plugins && *refused == '\0' &&
               (meant == NULL || has_within(pool, word, meant + 6))) {
        refused = meant == NULL ? "; a plugin of your own is looked for in ESPALIER_PLUGIN_PATH"
                                : " A plugin of your own is looked for in ESPALIER_PLUGIN_PATH";
    }
    esp_problem(problems, ESP_ERROR, mark, "unknown key '%s'%s%s%s", word, where, hint, refused);
    if (meant != NULL) {
        const char *above = esp_tree_pool_format(pool, "%.*s%s%s", (int)(inner ? inner - path : 0),
                                                 path, known, *known ? "." : "");
        esp_problems_excuse(
            problems,
            esp_tree_pool_format(pool, "%s%.*s", above, (int)strcspn(meant + 6, "'"), meant + 6));
    }
    esp_tree_pool_destroy(pool);
}

/* ---- values --------------------------------------------------------------------------------- */

static const char *shown(const esp_node *node)
{
    return node->type == ESP_NODE_MAP    ? "a map"
           : node->type == ESP_NODE_LIST ? "a list"
           : esp_node_is_null(node)      ? "nothing"
                                         : node->text;
}

static json_t *number_value(esp_problems *problems, const esp_key *key, const char *path,
                            const esp_node *node)
{
    bool whole = key->type != ESP_KEY_REAL && key->type != ESP_KEY_WEIGHT;
    double value = 0;
    if (node->type != ESP_NODE_SCALAR || node->quoted || !esp_text_number(&value, node->text) ||
        (whole && value != floor(value))) {
        esp_problem(problems, ESP_ERROR, node->mark, "%s must be %s%s, not '%s'", path,
                    whole ? "a whole number" : "a number",
                    key->type == ESP_KEY_WIDTH    ? " or {match: .., of: {..}}"
                    : key->type == ESP_KEY_WEIGHT ? " or {schedule: .., from: .., to: .., over: ..}"
                                                  : "",
                    shown(node));
        return NULL;
    }
    bool open = key->flags & ESP_KEY_EXCLUSIVE;
    if (value < key->minimum || value > key->maximum || (open && value == key->minimum)) {
        char limits[2][32];
        esp_text_print_number(limits[0], key->minimum);
        esp_text_print_number(limits[1], key->maximum);
        esp_problem(problems, ESP_ERROR, node->mark, "%s must be %s %s and at most %s, not %s",
                    path, open ? "more than" : "at least", limits[0], limits[1], node->text);
        return NULL;
    }
    return whole ? json_integer((json_int_t)value) : json_real(value);
}

static json_t *choice_value(esp_problems *problems, const esp_key *key, const char *path,
                            const esp_node *node)
{
    if (node->type == ESP_NODE_SCALAR && esp_word_in(key->choices, node->text)) {
        return json_string(node->text);
    }
    if (node->type == ESP_NODE_SCALAR && key->unavailable != NULL &&
        esp_word_in(key->unavailable, node->text)) {
        esp_problem(problems, ESP_ERROR, node->mark, "%s '%s' is not available in this version",
                    path, node->text);
        return NULL;
    }
    esp_tree_pool *pool = NULL;
    if (esp_tree_pool_create(&pool) == ESP_OK) {
        const char *word = shown(node);
        esp_problem(problems, ESP_ERROR, node->mark, "%s has no choice '%s'%s", path, word,
                    esp_word_hint(pool, word, key->choices));
        esp_tree_pool_destroy(pool);
    }
    return NULL;
}

static json_t *text_value(esp_problems *problems, const esp_key *key, const char *path,
                          const esp_node *node)
{
    if (node->type != ESP_NODE_SCALAR || esp_node_is_null(node)) {
        esp_problem(problems, ESP_ERROR, node->mark, "%s must be text, not %s", path, shown(node));
        return NULL;
    }
    if (key->type == ESP_KEY_NAME &&
        !esp_label_check(problems, node->mark, path, node->text, true, ESP_MAX_LABEL)) {
        return NULL;
    }
    if (key->type == ESP_KEY_METRIC && !esp_metric_check(problems, node->mark, node->text)) {
        return NULL;
    }
    if (key->type == ESP_KEY_METRIC && !(key->flags & ESP_KEY_OF_STUDY) &&
        esp_metric_epochs_to(strchr(node->text, '.') + 1) != NULL) {
        esp_problem(problems, ESP_ERROR, node->mark,
                    "'%s' is known when training has ended; reports alone have it", node->text);
        return NULL;
    }
    json_t *value = json_string(node->text);
    if (value == NULL) {
        esp_problem(problems, ESP_ERROR, node->mark, "%s is not sound text", path);
    }
    return value;
}

static json_t *list_value(esp_problems *problems, const esp_key *key, const char *path,
                          const esp_node *node)
{
    esp_key item = *key;
    item.type = key->type == ESP_KEY_METRICS ? ESP_KEY_METRIC : ESP_KEY_TEXT;
    json_t *list = json_array();
    if (node->type == ESP_NODE_LIST) {
        for (int i = 0; i < node->n; i++) {
            json_array_append_new(list, text_value(problems, &item, path, node->items[i]));
        }
    } else {
        json_array_append_new(list, text_value(problems, &item, path, node));
    }
    return list;
}

static json_t *boolean_value(esp_problems *problems, const char *path, const esp_node *node)
{
    bool scalar = node->type == ESP_NODE_SCALAR && !node->quoted;
    if (scalar && strcmp(node->text, "true") == 0) {
        return json_true();
    }
    if (scalar && strcmp(node->text, "false") == 0) {
        return json_false();
    }
    esp_problem(problems, ESP_ERROR, node->mark, "%s must be true or false, not '%s'", path,
                shown(node));
    return NULL;
}

static json_t *param_value(esp_problems *problems, const esp_param *param, const char *path,
                           const esp_node *node)
{
    double value = 0;
    if (node == NULL) {
        value = param->default_value;
    } else if (node->type != ESP_NODE_SCALAR || esp_node_is_null(node)) {
        esp_problem(problems, ESP_ERROR, node->mark, "%s must be one value, not %s", path,
                    shown(node));
        return NULL;
    } else {
        /* One spelling of numbers, so that 1, 1.0 and 1e0 are the same for whole numbers too. */
        char number[32];
        bool numeric = param->type == ESP_PARAM_INTEGER && esp_text_number(&value, node->text);
        if (numeric) {
            esp_text_print_number(number, value);
        }
        if (esp_params_parse(&value, param, numeric ? number : node->text) != ESP_OK) {
            /* The message starts with the parameter's name, which ends the path. */
            esp_problem(problems, ESP_ERROR, node->mark, "%.*s%s",
                        (int)(strlen(path) - strlen(param->name)), path, esp_message());
            return NULL;
        }
    }
    switch (param->type) {
    case ESP_PARAM_INTEGER:
        return json_integer((json_int_t)value);
    case ESP_PARAM_BOOLEAN:
        return json_boolean(value != 0);
    case ESP_PARAM_CHOICE:
        return json_string(param->choices[(int)value]);
    default:
        return json_real(value);
    }
}

static json_t *key_value(esp_problems *problems, const esp_key *key, const char *path,
                         const esp_node *node)
{
    switch (key->type) {
    case ESP_KEY_REAL:
    case ESP_KEY_INTEGER:
    case ESP_KEY_WIDTH:
    case ESP_KEY_WEIGHT:
        return number_value(problems, key, path, node);
    case ESP_KEY_BOOLEAN:
        return boolean_value(problems, path, node);
    case ESP_KEY_CHOICE:
        return choice_value(problems, key, path, node);
    case ESP_KEY_TEXT:
    case ESP_KEY_NAME:
    case ESP_KEY_METRIC:
        return text_value(problems, key, path, node);
    case ESP_KEY_METRICS:
    case ESP_KEY_TEXTS:
        return list_value(problems, key, path, node);
    default:
        return NULL;
    }
}

static json_t *fallback_value(esp_problems *problems, const esp_key *key)
{
    if (key->fallback == NULL) {
        return NULL;
    }
    esp_node node = {.type = ESP_NODE_SCALAR, .text = key->fallback};
    if (strcmp(key->fallback, "[]") == 0) {
        node.type = ESP_NODE_LIST;
    }
    return key->type == ESP_KEY_TEXT ? json_string(key->fallback)
                                     : key_value(problems, key, key->path, &node);
}

void esp_schema_value(json_t **out, esp_problems *problems, const esp_key_ref *ref,
                      const char *path, const esp_node *node)
{
    const esp_key *key = ref->key;
    if (ref->param != NULL) {
        *out = param_value(problems, ref->param, path, node);
        return;
    }
    if (node == NULL) {
        *out = fallback_value(problems, key);
        return;
    }
    *out = key_value(problems, key, path, node);
}

/* ---- checking what is written --------------------------------------------------------------- */

static void check_map(esp_problems *problems, const esp_registry *registry, const char *path,
                      const esp_node *node, bool phase)
{
    bool set = fits("phases.*.set", path);
    for (int i = 0; i < node->n; i++) {
        char below[MAX_PATH_LENGTH];
        const char *key = node->keys[i];
        if (set ? !*key : strchr(key, '.') != NULL) {
            esp_problem(problems, ESP_ERROR, node->key_marks[i],
                        "unknown key '%s' in %s; dotted paths are read directly below defaults, "
                        "set, grid and zip: write the maps one inside the other here",
                        key, path);
            continue;
        }
        if (snprintf(below, sizeof below, "%s.%s", path, key) >= (int)sizeof below) {
            esp_problem(problems, ESP_ERROR, node->key_marks[i], "the key is too long");
            continue;
        }
        esp_schema_check(problems, registry, below, node->key_marks[i], node->items[i],
                         phase || set);
    }
}

void esp_schema_check(esp_problems *problems, const esp_registry *registry, const char *path,
                      esp_mark key_mark, const esp_node *node, bool phase)
{
    esp_key_ref ref;
    if (strlen(path) >= MAX_PATH_LENGTH || !esp_schema_find(&ref, registry, path)) {
        esp_schema_unknown(problems, registry, key_mark, path, false);
        return;
    }
    const char *inner = esp_path_in_phase_set(path);
    const char *name = inner != NULL ? inner : path;
    phase = phase || inner != NULL;
    bool map = ref.key != NULL && ref.key->type == ESP_KEY_MAP;
    bool refused =
        ref.key != NULL ? !(ref.key->flags & ESP_KEY_IN_PHASE) : ref.plugin->kind == ESP_HEAD;
    if (phase && refused) {
        esp_problem(problems, ESP_ERROR, key_mark,
                    "a phase cannot set %s; it may set losses, optimizer, batch_size, accumulate, "
                    "drop_last and early_stopping",
                    name);
        return;
    }
    if (fits("phases.*", path) && !esp_label_check(problems, key_mark, "phase",
                                                   strchr(path, '.') + 1, false, ESP_MAX_LABEL)) {
        return;
    }
    bool either = ref.key != NULL &&
                  (ref.key->type == ESP_KEY_WIDTH || ref.key->type == ESP_KEY_WEIGHT) &&
                  node->type == ESP_NODE_MAP;
    if (!map && !either) {
        json_t *value = NULL;
        esp_schema_value(&value, problems, &ref, name, node);
        json_decref(value);
        return;
    }
    if (node->type == ESP_NODE_MAP) {
        check_map(problems, registry, path, node, phase);
    } else if (!esp_node_is_null(node)) {
        esp_problem(problems, ESP_ERROR, node->mark, "%s must be a map, not '%s'", name,
                    shown(node));
    } else if (fits("losses.*", name) || fits("heads.*", name) || fits("phases.*", name)) {
        esp_problem(problems, ESP_ERROR, key_mark,
                    "%s is empty; write {} for its built-ins, or leave it out", name);
    }
}
