#include "report/section.h"

#include <jansson.h>
#include <string.h>

#include "core/status.h"

bool esp_words_have(const esp_words *words, const char *word)
{
    for (int i = 0; i < words->n; i++) {
        if (strcmp(words->at[i], word) == 0) {
            return true;
        }
    }
    return false;
}

/* A copy of a key's text; NULL where there is none. */
static const char *text_of(const json_t *map, const char *key, esp_text_pool *pool)
{
    const char *text = json_string_value(json_object_get(map, key));
    return text != NULL ? esp_pool_format(pool, "%s", text) : NULL;
}

/* A list of strings, or one string alone. */
static int parse_words(esp_words *out, const json_t *section, const char *key, esp_text_pool *pool)
{
    const json_t *list = json_object_get(section, key);
    size_t n = json_is_array(list) ? json_array_size(list) : json_is_string(list) ? 1 : 0;
    if (list != NULL && !json_is_null(list) && !json_is_array(list) && !json_is_string(list)) {
        return esp_fail(ESP_STUDY, "report.%s is not a list", key);
    }
    out->n = 0;
    out->at = esp_pool_take(pool, (n + 1) * sizeof *out->at);
    ESP_TRY(esp_pool_status(pool));
    for (size_t i = 0; i < n; i++) {
        const json_t *word = json_is_array(list) ? json_array_get(list, i) : list;
        if (!json_is_string(word)) {
            return esp_fail(ESP_STUDY, "report.%s holds something that is not a word", key);
        }
        out->at[out->n++] = esp_pool_format(pool, "%s", json_string_value(word));
    }
    return esp_pool_status(pool);
}

static int parse_joins(esp_joins *out, const json_t *published, const char *key,
                       esp_text_pool *pool)
{
    json_t *map = json_object_get(published, key);
    if (map != NULL && !json_is_null(map) && !json_is_object(map)) {
        return esp_fail(ESP_STUDY, "report.published.%s is not a map", key);
    }
    out->n = 0;
    out->at = esp_pool_take(pool, (json_object_size(map) + 1) * sizeof *out->at);
    ESP_TRY(esp_pool_status(pool));
    const char *column = NULL;
    json_t *value = NULL;
    json_object_foreach(map, column, value)
    {
        esp_join *join = &out->at[out->n++];
        join->column = esp_pool_format(pool, "%s", column);
        if (json_is_string(value)) {
            join->value = esp_pool_format(pool, "%s", json_string_value(value));
        } else if (json_is_integer(value)) {
            join->value = esp_pool_format(pool, "%lld", (long long)json_integer_value(value));
        } else if (json_is_real(value)) {
            join->value = esp_pool_format(pool, "%.17g", json_real_value(value));
        } else {
            return esp_fail(ESP_STUDY, "report.published.%s.%s is neither word nor number", key,
                            column);
        }
    }
    return esp_pool_status(pool);
}

/* ---- figures --------------------------------------------------------------------------------- */

/* Names of files hold nothing that a shell, a path or a page could take for something else. */
static const char *file_stem(const char *name, esp_text_pool *pool)
{
    const size_t length = strlen(name) < 60 ? strlen(name) : 60;
    char *stem = esp_pool_take(pool, length + 1);
    for (size_t i = 0; stem != NULL && i < length; i++) {
        const char c = name[i];
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                           (c >= '0' && c <= '9') || c == '_' || (c == '-' && i > 0);
        stem[i] = (char)(plain ? c : '_');
    }
    return stem != NULL ? stem : "";
}

/* How many figures before this one have its name. */
static int count_named(const esp_figure_wishes *figures, const char *name)
{
    int n = 0;
    for (int i = 0; i < figures->n; i++) {
        n += strcmp(figures->at[i].name, name) == 0;
    }
    return n;
}

/* A kind alone, or a map with keys. */
static int parse_figure(esp_figure_wish *out, json_t *json, esp_text_pool *pool)
{
    *out = (esp_figure_wish){0};
    const bool word = json_is_string(json);
    out->kind =
        word ? esp_pool_format(pool, "%s", json_string_value(json)) : text_of(json, "kind", pool);
    if (out->kind == NULL) {
        return esp_fail(ESP_STUDY, "report.figures holds something that is no kind of figure");
    }
    out->name = text_of(json, "name", pool);
    out->title = text_of(json, "title", pool);
    out->metric = text_of(json, "metric", pool);
    out->split = text_of(json, "split", pool);
    out->x = text_of(json, "x", pool);
    out->at = text_of(json, "at", pool);
    ESP_TRY(parse_words(&out->variants, json, "variants", pool));
    ESP_TRY(parse_words(&out->seeds, json, "seeds", pool));
    return parse_joins(&out->where, json, "where", pool);
}

static int parse_figures(esp_figure_wishes *out, const json_t *section, esp_text_pool *pool)
{
    json_t *list = json_object_get(section, "figures");
    const bool single = json_is_string(list) || json_is_object(list);
    const size_t n = single ? 1 : json_array_size(list);
    if (list != NULL && !json_is_null(list) && !json_is_array(list) && !single) {
        return esp_fail(ESP_STUDY, "report.figures is not a list");
    }
    out->at = esp_pool_take(pool, (n + 1) * sizeof *out->at);
    ESP_TRY(esp_pool_status(pool));
    for (size_t i = 0; i < n; i++) {
        esp_figure_wish wish;
        ESP_TRY(parse_figure(&wish, single ? list : json_array_get(list, i), pool));
        const char *stem = file_stem(wish.name != NULL ? wish.name : wish.kind, pool);
        wish.name = stem;
        for (int k = 2; count_named(out, wish.name) > 0; k++) {
            wish.name = esp_pool_format(pool, "%s_%d", stem, k);
        }
        out->at[out->n++] = wish;
    }
    return esp_pool_status(pool);
}

/* ---- contrasts ------------------------------------------------------------------------------- */

/* A variant's name, or a map of keys. */
static int parse_side(esp_contrast *out, int side, json_t *json, esp_text_pool *pool)
{
    size_t n = json_is_object(json) ? json_object_size(json) : 1;
    esp_store_param *at = esp_pool_take(pool, n * sizeof *at);
    ESP_TRY(esp_pool_status(pool));
    out->sides[side] = (esp_contrast_side){.at = at};
    out->names[side] = "";
    if (json_is_string(json)) {
        at[0] = (esp_store_param){"variant", esp_pool_format(pool, "%s", json_string_value(json))};
        out->sides[side].n = 1;
    } else if (!json_is_object(json) || n == 0) {
        return esp_fail(ESP_STUDY, "contrasts hold something that is no variant and no keys");
    }
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach(json, key, value)
    {
        if (!json_is_string(value)) {
            return esp_fail(ESP_STUDY, "contrasts: %s is not text", key);
        }
        at[out->sides[side].n++] =
            (esp_store_param){esp_pool_format(pool, "%s", key),
                              esp_pool_format(pool, "%s", json_string_value(value))};
    }
    for (int i = 0; i < out->sides[side].n; i++) {
        bool variant = strcmp(at[i].key, "variant") == 0;
        out->names[side] =
            esp_pool_format(pool, "%s%s%s%s%s", out->names[side], i ? " " : "",
                            variant ? "" : at[i].key, variant ? "" : "=", at[i].value);
    }
    return esp_pool_status(pool);
}

static int parse_contrasts(esp_report_section *out, const json_t *section, esp_text_pool *pool)
{
    const json_t *list = json_object_get(section, "contrasts");
    size_t n = json_array_size(list);
    out->contrasts = esp_pool_take(pool, (n + 1) * sizeof *out->contrasts);
    ESP_TRY(esp_pool_status(pool));
    for (size_t i = 0; i < n; i++) {
        const json_t *pair = json_array_get(list, i);
        if (json_array_size(pair) != 2) {
            return esp_fail(ESP_STUDY, "a contrast is not a pair");
        }
        esp_contrast *contrast = &out->contrasts[out->n_contrasts++];
        for (int side = 0; side < 2; side++) {
            ESP_TRY(parse_side(contrast, side, json_array_get(pair, (size_t)side), pool));
        }
    }
    return ESP_OK;
}

static bool says(const json_t *section, const char *key, const char *word)
{
    const char *text = json_string_value(json_object_get(section, key));
    return text != NULL && strcmp(text, word) == 0;
}

static void parse_statistics(esp_report_section *out, const json_t *section, esp_text_pool *pool)
{
    const json_t *confidence = json_object_get(section, "confidence");
    const json_t *failure = json_object_get(section, "failure");
    const json_t *equivalence = json_object_get(section, "equivalence");
    double level = json_number_value(confidence);
    out->as_paper = says(section, "layout", "paper");
    out->primary = text_of(section, "primary", pool);
    out->confidence = level > 0 && level < 1 ? level : 0.95;
    out->bootstrap = says(section, "interval", "bootstrap");
    out->bootstrap_seed = (uint64_t)json_number_value(json_object_get(section, "bootstrap_seed"));
    out->failure.metric = text_of(failure, "metric", pool);
    out->failure.above = json_object_get(failure, "above") != NULL;
    out->failure.limit =
        json_number_value(json_object_get(failure, out->failure.above ? "above" : "below"));
    out->equivalence.metric = text_of(equivalence, "metric", pool);
    out->equivalence.margin = json_number_value(json_object_get(equivalence, "margin"));
}

int esp_report_section_parse(esp_report_section *out, const char *json, esp_text_pool *pool)
{
    *out = (esp_report_section){0};
    json_error_t error;
    json_t *root = json_loads(json, 0, &error);
    if (root == NULL) {
        return esp_fail(ESP_STUDY, "the report section is not JSON: %s", error.text);
    }
    int status = ESP_OK;
    const json_t *section = root, *inner = json_object_get(root, "report");
    if (json_is_object(inner)) {
        section = inner;
    }
    ESP_TRY_OUT(parse_words(&out->rows, section, "rows", pool));
    ESP_TRY_OUT(parse_words(&out->columns, section, "columns", pool));
    ESP_TRY_OUT(parse_words(&out->metrics, section, "metrics", pool));
    ESP_TRY_OUT(parse_words(&out->ats, section, "at", pool));
    ESP_TRY_OUT(parse_words(&out->baseline_rows, section, "baseline_rows", pool));
    ESP_TRY_OUT(parse_figures(&out->figures, section, pool));
    ESP_TRY_OUT(parse_contrasts(out, section, pool));
    parse_statistics(out, section, pool);
    const json_t *published = json_object_get(section, "published");
    out->published_file = text_of(published, "file", pool);
    if (out->published_file != NULL) {
        ESP_TRY_OUT(parse_joins(&out->published_where, published, "where", pool));
        ESP_TRY_OUT(parse_joins(&out->published_join, published, "join", pool));
        ESP_TRY_OUT(parse_joins(&out->published_variant, published, "variant", pool));
    }
    status = esp_pool_status(pool);
out:
    json_decref(root);
    return status;
}
