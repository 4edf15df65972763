/* --only: which cells a pattern asks for, and what to say where it asks for none. */
#include <fnmatch.h>
#include <string.h>

#include "core/status.h"
#include "core/text.h"
#include "study/reading.h"

enum { MAX_LISTED = 12 };

static const esp_mark here = {ESP_IN_ONLY, 1, 1};

/* A part of the pattern: a variant, or KEY=VALUE. Each may be a shell pattern. */
typedef struct word {
    const char *text;
    const char *key; /* NULL: a variant's */
    const char *written;
    const esp_node *value; /* NULL: written is a shell pattern alone */
    bool key_is_pattern, value_is_pattern;
    int n_cells; /* that have it */
} word;

static bool is_pattern(const char *text)
{
    return strpbrk(text, "*?[\\") != NULL;
}

/* ---- reading -------------------------------------------------------------------------------- */

/* The end of the word at text. Spaces in brackets and quotes belong to it. */
static const char *word_end(const char *text)
{
    int depth = 0;
    char quote = '\0';
    for (const char *at = text; *at != '\0'; at++) {
        if (quote != '\0') {
            quote = *at == quote ? '\0' : quote;
        } else if ((*at == '"' || *at == '\'') && at > text && (depth > 0 || at[-1] == '=')) {
            quote = *at;
        } else if (*at == '\\' && at[1] != '\0') {
            at++;
        } else if (*at == '{' || *at == '[') {
            depth++;
        } else if (*at == '}' || *at == ']') {
            depth--;
        } else if (*at == ' ' && depth <= 0) {
            return at;
        }
    }
    return text + strlen(text);
}

/* A value as the file may write it; NULL where it is no YAML. */
static const esp_node *read_value(esp_reading *r, const char *text)
{
    esp_problems *unsaid = NULL;
    esp_node *node = NULL;
    if (strchr("{[\"'", text[0]) == NULL) {
        return esp_node_scalar(r->pool, text, here);
    }
    if (text[0] != '\0' && esp_problems_create(&unsaid, "") == ESP_OK) {
        esp_yaml_read(&node, r->pool, unsaid, text, strlen(text), ESP_IN_ONLY);
        node = esp_problems_errors(unsaid) == 0 ? node : NULL;
    }
    esp_problems_destroy(unsaid);
    return node;
}

static word read_word(esp_reading *r, const char *text)
{
    word out = {.text = text};
    const char *equals = strchr(text, '=');
    if (equals == NULL || equals == text) {
        return out;
    }
    out.key = esp_tree_pool_format(r->pool, "%.*s", (int)(equals - text), text);
    out.written = equals + 1;
    out.value = read_value(r, out.written);
    out.key_is_pattern = is_pattern(out.key);
    /* [18] is a shell pattern, 1 or 8; [1, 8] and [10, 80] are lists. */
    const bool list = out.value != NULL && out.value->type == ESP_NODE_LIST && out.value->n > 1;
    const bool plain = out.value != NULL && (out.value->quoted || out.value->type == ESP_NODE_MAP);
    out.value_is_pattern = !list && !plain && is_pattern(out.written);
    return out;
}

/* ---- matching ------------------------------------------------------------------------------- */

static bool text_matches(esp_reading *r, const word *w, const char *text)
{
    return (w->value != NULL && esp_text_is(r, text, w->value)) ||
           (w->value_is_pattern && fnmatch(w->written, text, 0) == 0);
}

static bool key_matches(const word *w, const char *key)
{
    if (w->key_is_pattern) {
        return fnmatch(w->key, key, 0) == 0;
    }
    return strcmp(w->key, key) == 0 ||
           (strncmp(key, "model.", 6) == 0 && strcmp(w->key, key + 6) == 0);
}

static bool word_matches(esp_reading *r, const word *w, const esp_cell *cell,
                         const esp_draft *draft)
{
    if (w->key == NULL) {
        return fnmatch(w->text, cell->variant, 0) == 0;
    }
    if (w->value != NULL && !w->key_is_pattern && esp_draft_has(r, draft, w->key, w->value)) {
        return true;
    }
    bool any = key_matches(w, "variant") && text_matches(r, w, cell->variant);
    for (int i = 0; !any && i < cell->n_params; i++) {
        any = key_matches(w, cell->params[i].key) && text_matches(r, w, cell->params[i].value);
    }
    for (int i = 0; !any && i < cell->n_swept; i++) {
        any = key_matches(w, cell->swept[i].key) && text_matches(r, w, cell->swept[i].value);
    }
    if (!any && w->value_is_pattern && !w->key_is_pattern) { /* as the file writes it: 0.000* */
        const esp_node *node = esp_node_find(draft->tree, w->key);
        any = node != NULL && node->type == ESP_NODE_SCALAR && text_matches(r, w, node->text);
    }
    return any;
}

/* A value with its number as labels write it, also before a star: 0.10* is 0.1*. */
static const char *as_labels_write(esp_reading *r, const char *written)
{
    const size_t stars = strlen(written) - strcspn(written, "*");
    const char *text =
        esp_tree_pool_format(r->pool, "%.*s", (int)(strlen(written) - stars), written);
    return esp_tree_pool_format(r->pool, "%s%s",
                                esp_node_text(r->pool, esp_node_scalar(r->pool, text, here)),
                                written + strlen(written) - stars);
}

/* The pattern for the label as a whole. */
static const char *label_pattern(esp_reading *r, const word *words, int n)
{
    const char **texts = esp_tree_pool_take(r->pool, sizeof *texts * (size_t)(n + 1));
    for (int i = 0; i < n; i++) {
        texts[i] = words[i].key == NULL
                       ? words[i].text
                       : esp_tree_pool_format(r->pool, "%s=%s", words[i].key,
                                              as_labels_write(r, words[i].written));
    }
    return esp_tree_pool_join(r->pool, texts, (size_t)n, " ");
}

/* ---- complaining ---------------------------------------------------------------------------- */

/* Adds a value to those listed, once; false where there is no more room. */
static bool add_value(const char **list, int *n, const char *value)
{
    for (int i = 0; i < *n; i++) {
        if (strcmp(list[i], value) == 0) {
            return true;
        }
    }
    if (*n < MAX_LISTED) {
        list[(*n)++] = value;
        return true;
    }
    return false;
}

/* The values that cells have at a word's key: flattened ones, else maps as they are written.
 * Whether that is all of them. */
static bool list_values(const char **list, int *n, esp_reading *r, const word *w,
                        const esp_study *study)
{
    bool all = true;
    *n = 0;
    for (int c = 0; c < study->n_cells; c++) {
        const esp_cell *cell = &study->cells[c];
        for (int i = 0; i < cell->n_params; i++) {
            if (key_matches(w, cell->params[i].key)) {
                all = add_value(list, n, cell->params[i].value) && all;
            }
        }
        for (int i = 0; i < cell->n_swept; i++) {
            if (key_matches(w, cell->swept[i].key)) {
                all = add_value(list, n, cell->swept[i].value) && all;
            }
        }
    }
    for (int c = 0; *n == 0 && c < study->n_cells; c++) {
        const esp_node *node = esp_node_find(r->drafts[c].tree, w->key);
        if (node != NULL) {
            const char *text = esp_node_text(r->pool, node);
            for (int k = c; k < study->n_cells; k++) {
                node = esp_node_find(r->drafts[k].tree, w->key);
                text = node != NULL ? esp_node_text(r->pool, node) : text;
                all = add_value(list, n, text) && all;
            }
        }
    }
    return all;
}

/* "optimizer.learning_rate: 1e-05, 0.1"; NULL where no cell has the key. */
static const char *values_text(esp_reading *r, const word *w, const esp_study *study)
{
    const char *list[MAX_LISTED];
    int n = 0;
    const bool all = list_values(list, &n, r, w, study);
    return n == 0 ? NULL
                  : esp_tree_pool_format(r->pool, "%s: %s%s", w->key,
                                         esp_tree_pool_join(r->pool, list, (size_t)n, ", "),
                                         all ? "" : ", ..");
}

/* "; did you mean 'mnist'?" of a value that is text. */
static const char *value_hint(esp_reading *r, const word *w, const esp_study *study)
{
    const char *list[MAX_LISTED];
    double number = 0;
    int n = 0;
    list_values(list, &n, r, w, study);
    const char *meant =
        esp_text_number(&number, w->written) ? NULL : esp_text_suggest(w->written, list, (size_t)n);
    return meant != NULL ? esp_tree_pool_format(r->pool, "; did you mean '%s'?", meant) : "";
}

/* The key that ends so: optimizer.learning_rate for learning_rate; NULL where none does. */
static const char *longer_key(const word *w, const esp_study *study)
{
    const size_t length = strlen(w->key);
    for (int c = 0; c < study->n_cells; c++) {
        for (int i = 0; i < study->cells[c].n_params; i++) {
            const char *key = study->cells[c].params[i].key;
            const size_t all = strlen(key);
            if (all > length && key[all - length - 1] == '.' &&
                strcmp(key + all - length, w->key) == 0) {
                return key;
            }
        }
    }
    return NULL;
}

/* "variants: none, even; optimizer.learning_rate: 1e-05, 0.1": what may be asked for, except the
 * key that was said. */
static const char *what_there_is(esp_reading *r, const esp_study *study, const word *said)
{
    const char *names[MAX_LISTED], *keys[MAX_LISTED];
    int n_names = 0, n_keys = 0;
    bool all = true;
    for (int c = 0; c < study->n_cells; c++) {
        const esp_cell *cell = &study->cells[c];
        all = add_value(names, &n_names, cell->variant) && all;
        for (int i = 0; i < cell->n_swept; i++) {
            add_value(keys, &n_keys, cell->swept[i].key);
        }
    }
    const char *text = esp_tree_pool_format(
        r->pool, "variants: %s%s", esp_tree_pool_join(r->pool, names, (size_t)n_names, ", "),
        all ? "" : ", ..");
    for (int i = 0; i < n_keys; i++) {
        if (said != NULL && key_matches(said, keys[i])) {
            continue;
        }
        const char *values = values_text(r, &(word){.key = keys[i]}, study);
        text = esp_tree_pool_format(r->pool, "%s; %s", text, values);
    }
    return text;
}

/* Why no cell has a word, as it stands behind "no cell matches '..'"; *said: its values are told.
 */
static const char *why_none(bool *said, esp_reading *r, const word *w, const esp_study *study)
{
    const bool of_variant = w->key == NULL || strcmp(w->key, "variant") == 0;
    if (of_variant) {
        const char *written = w->key == NULL ? w->text : w->written;
        const char *hint = esp_word_hint(r->pool, written, r->variant_names);
        return strstr(hint, "mean '") != NULL ? hint
               : strchr(written, '.') != NULL ? "; a key needs its value, KEY=VALUE"
                                              : "";
    }
    const char *values = values_text(r, w, study);
    if (values != NULL) {
        *said = true;
        const char *hint = value_hint(r, w, study);
        return esp_tree_pool_format(r->pool, "%s%s have %s", hint, *hint ? " Cells" : "; cells",
                                    values);
    }
    if (w->key_is_pattern) {
        return "";
    }
    if (esp_word_in("seed seeds", w->key)) {
        return "; --seeds chooses seeds";
    }
    const char *longer = longer_key(w, study);
    if (longer != NULL) {
        return esp_tree_pool_format(r->pool, "; did you mean '%s'?", longer);
    }
    const int before = esp_problems_errors(r->problems);
    esp_report_key_check(r, here, w->key);
    return esp_problems_errors(r->problems) > before
               ? ""
               : esp_tree_pool_format(r->pool, "; no cell has the key %s", w->key);
}

static void complain(esp_reading *r, const word *words, int n, const char *pattern,
                     const esp_study *study)
{
    const char *why = n > 1 ? "; no cell has all of these at once" : "";
    const word *said = NULL;
    for (int i = 0; i < n; i++) {
        if (words[i].n_cells == 0) {
            bool tells_values = false;
            why = why_none(&tells_values, r, &words[i], study);
            said = tells_values ? &words[i] : NULL;
            break;
        }
    }
    const size_t length = strlen(why);
    esp_problem(r->problems, ESP_ERROR, here, "no cell matches '%s'%s%s %s", pattern, why,
                length > 0 && why[length - 1] == '?' ? "" : ";", what_there_is(r, study, said));
}

/* ---- all ------------------------------------------------------------------------------------ */

void esp_only_apply(bool *wanted, esp_reading *r, const esp_study *study, const char *pattern)
{
    int n = 0;
    bool any = false;
    word *words = esp_tree_pool_take(r->pool, sizeof *words * (strlen(pattern) + 1));
    for (const char *at = pattern + strspn(pattern, " "); *at != '\0'; at += strspn(at, " ")) {
        const char *end = word_end(at);
        words[n++] = read_word(r, esp_tree_pool_format(r->pool, "%.*s", (int)(end - at), at));
        at = end;
    }
    const char *label = label_pattern(r, words, n);
    const esp_tree_pool_mark mark = esp_tree_pool_here(r->pool);
    for (int c = 0; c < study->n_cells; c++) {
        bool all = n > 0;
        for (int i = 0; i < n; i++) {
            const bool matches = word_matches(r, &words[i], &study->cells[c], &r->drafts[c]);
            words[i].n_cells += matches;
            all = all && matches;
        }
        wanted[c] = all || fnmatch(pattern, study->cells[c].label, 0) == 0 ||
                    fnmatch(label, study->cells[c].label, 0) == 0;
        any = any || wanted[c];
        esp_tree_pool_rewind(r->pool, mark);
    }
    if (!any) {
        complain(r, words, n, pattern, study);
    }
}
