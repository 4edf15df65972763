#include "report/study_names.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/status.h"
#include "core/text.h"
#include "store/shown.h"

enum { MAX_NAMES = 1000, MAX_SIDES = 16 };

int esp_study_exists(bool *exists, esp_store *store, const char *study)
{
    esp_rows *rows = NULL;
    ESP_TRY(esp_rows_open(&rows, store, "SELECT 1 FROM study WHERE name = :study"));
    int status = esp_rows_bind_text(rows, ":study", study);
    if (status == ESP_OK) {
        status = esp_rows_step(rows, exists);
    }
    esp_rows_close(rows);
    return status;
}

int esp_study_not_found(esp_store *store, const char *what, const char *name)
{
    esp_rows *rows = NULL;
    char *names[MAX_NAMES], list[512] = "";
    int count = 0;
    bool has_row = false;
    ESP_TRY(esp_rows_open(&rows, store, "SELECT name FROM study ORDER BY name"));
    int status = ESP_OK;
    while ((status = esp_rows_step(rows, &has_row)) == ESP_OK && has_row && count < MAX_NAMES) {
        names[count] = strdup(esp_rows_text(rows, 0));
        if (names[count] != NULL) {
            size_t used = strlen(list);
            snprintf(list + used, sizeof list - used, "%s%s", count > 0 ? ", " : "", names[count]);
            count++;
        }
    }
    if (status == ESP_OK) {
        const char *meant = esp_text_suggest(name, (const char *const *)names, (size_t)count);
        status = meant != NULL
                     ? esp_fail(ESP_NOT_FOUND, "no %s '%s' in %s; did you mean '%s'?", what, name,
                                esp_store_path(store), meant)
                     : esp_fail(ESP_NOT_FOUND, "no %s '%s' in %s; it holds %s", what, name,
                                esp_store_path(store), count > 0 ? list : "no study yet");
    }
    for (int i = 0; i < count; i++) {
        free(names[i]);
    }
    esp_rows_close(rows);
    return status;
}

int esp_study_must_exist(esp_store *store, const char *study)
{
    bool exists = false;
    ESP_TRY(esp_study_exists(&exists, store, study));
    return exists ? ESP_OK : esp_study_not_found(store, "study", study);
}

/* ---- revisions and variants --------------------------------------------------------------------
 */

void esp_named_study_free(esp_named_study *named)
{
    free(named->study);
    free(named->variant);
    *named = (esp_named_study){0};
}

/* "1, 2 (--set losses.mine.weight=0.01)", the newest at the end. */
static int list_revisions(char *list, size_t size, esp_store *store, const char *study)
{
    esp_rows *rows = NULL;
    bool has_row = false;
    int status = ESP_OK;
    list[0] = '\0';
    ESP_TRY_OUT(esp_rows_open(&rows, store,
                              "SELECT r.number || coalesce(' (' || nullif((SELECT group_concat("
                              "'--set ' || o.value, ' ') FROM json_each(r.overrides) o), '') ||"
                              " ')', '') FROM study s JOIN revision r ON r.study = s.id"
                              " WHERE s.name = :study ORDER BY r.number"));
    ESP_TRY_OUT(esp_rows_bind_text(rows, ":study", study));
    for (size_t used = 0;; used = strlen(list)) {
        ESP_TRY_OUT(esp_rows_step(rows, &has_row));
        if (!has_row) {
            break;
        }
        const char *one = esp_rows_text(rows, 0);
        if (used + strlen(one) + 8 > size) {
            snprintf(list + used, size - used, ", ..");
            break;
        }
        snprintf(list + used, size - used, "%s%s", used > 0 ? ", " : "", one);
    }
out:
    esp_rows_close(rows);
    return status;
}

static int no_revision(esp_store *store, const char *study, const char *written)
{
    char list[1024];
    ESP_TRY(list_revisions(list, sizeof list, store, study));
    return esp_fail(ESP_NOT_FOUND, "study '%s' has no revision '%s'; it has %s", study, written,
                    list);
}

/* Finds the number of the revision: the one named, else the one run last. */
static int find_revision(esp_named_study *out, esp_store *store, const char *written)
{
    esp_rows *rows = NULL;
    bool has_row = false;
    char *end = NULL;
    const long number = written != NULL ? strtol(written, &end, 10) : 0;
    int status = ESP_OK;
    if (written != NULL && (!isdigit((unsigned char)written[0]) || *end != '\0' || number < 1 ||
                            number > 1000000000)) {
        return no_revision(store, out->study, written);
    }
    ESP_TRY_OUT(esp_rows_open(&rows, store,
                              "SELECT r.number FROM study s JOIN revision r ON r.study = s.id"
                              " WHERE s.name = :study AND (r.number = :number OR"
                              " (:number = 0 AND r.id = s.current_revision))"));
    ESP_TRY_OUT(esp_rows_bind_text(rows, ":study", out->study));
    ESP_TRY_OUT(esp_rows_bind_integer(rows, ":number", number));
    ESP_TRY_OUT(esp_rows_step(rows, &has_row));
    out->has_revision = written != NULL;
    out->revision = has_row ? (int)esp_rows_integer(rows, 0) : 0;
    status = has_row || written == NULL ? ESP_OK : no_revision(store, out->study, written);
out:
    esp_rows_close(rows);
    return status;
}

static int find_variant(esp_store *store, const esp_named_study *of)
{
    esp_rows *rows = NULL;
    bool has_row = false, found = false;
    char *names[256];
    int status = ESP_OK, count = 0;
    ESP_TRY_OUT(esp_rows_open(&rows, store,
                              "SELECT DISTINCT variant FROM study_cell WHERE study = :study"
                              " AND revision = :revision"));
    ESP_TRY_OUT(esp_rows_bind_text(rows, ":study", of->study));
    ESP_TRY_OUT(esp_rows_bind_integer(rows, ":revision", of->revision));
    while (!found && count < 256) {
        ESP_TRY_OUT(esp_rows_step(rows, &has_row));
        if (!has_row) {
            break;
        }
        found = strcmp(esp_rows_text(rows, 0), of->variant) == 0;
        names[count] = strdup(esp_rows_text(rows, 0));
        count += names[count] != NULL;
    }
    if (!found) {
        const char *meant =
            esp_text_suggest(of->variant, (const char *const *)names, (size_t)count);
        status = esp_fail(ESP_NOT_FOUND,
                          "no variant '%s' in study %s%s%s%s `espalier ls %s` lists its cells",
                          of->variant, of->study, meant ? "; did you mean '" : "",
                          meant ? meant : "", meant ? "'?" : ";", of->study);
    }
out:
    while (count > 0) {
        free(names[--count]);
    }
    esp_rows_close(rows);
    return status;
}

/* text[0..length) as a study, where there is one of that name. */
static int take_study(bool *exists, esp_named_study *out, esp_store *store, const char *text,
                      size_t length)
{
    char *name = strndup(text, length);
    if (name == NULL) {
        return esp_fail(ESP_MEMORY, "no memory for %s", text);
    }
    int status = esp_study_exists(exists, store, name);
    if (status == ESP_OK && *exists) {
        out->study = name;
    } else {
        free(name);
    }
    return status;
}

/* Names are letters, digits, '.', '_' and '-'; those in old files may hold anything, so what there
 * is decides: the longest beginning that is a study, before ':' and '@'. */
int esp_named_study_read(esp_named_study *out, esp_store *store, const char *text)
{
    bool exists = false;
    const char *revision = NULL, *variant = NULL;
    *out = (esp_named_study){0};
    ESP_TRY(take_study(&exists, out, store, text, strlen(text)));
    if (!exists) {
        const char *colon = strchr(text, ':');
        const size_t length = colon != NULL ? (size_t)(colon - text) : strlen(text);
        variant = colon != NULL ? colon + 1 : NULL;
        ESP_TRY(take_study(&exists, out, store, text, length));
        const char *at = memrchr(text, '@', length);
        if (!exists && at != NULL) {
            ESP_TRY(take_study(&exists, out, store, text, (size_t)(at - text)));
            revision = at + 1;
        }
        if (!exists) {
            char *name =
                esp_text_format("%.*s", (int)(at != NULL ? (size_t)(at - text) : length), text);
            int status = esp_study_not_found(store, "study", name != NULL ? name : text);
            free(name);
            return status;
        }
    }
    out->variant = variant != NULL ? strdup(variant) : NULL;
    char *number =
        revision != NULL ? strndup(revision, strcspn(revision, variant != NULL ? ":" : "")) : NULL;
    int status = find_revision(out, store, number);
    free(number);
    return status == ESP_OK && variant != NULL ? find_variant(store, out) : status;
}

int esp_study_read(char **study, int *revision, esp_store *store, const char *text)
{
    esp_named_study n;
    int status = esp_named_study_read(&n, store, text);
    if (status == ESP_OK && n.variant != NULL) {
        status =
            esp_fail(ESP_USAGE, "'%s' is a variant; a study is wanted here: %s", text, n.study);
    }
    *revision = n.has_revision ? n.revision : 0;
    *study = status == ESP_OK ? n.study : NULL;
    if (status == ESP_OK) {
        n.study = NULL;
    }
    esp_named_study_free(&n);
    return status;
}

static bool overlap(const esp_named_study *a, const esp_named_study *b)
{
    return strcmp(a->study, b->study) == 0 && a->revision == b->revision &&
           (a->variant == NULL || b->variant == NULL || strcmp(a->variant, b->variant) == 0);
}

/* Reads the words of all texts; a text that is a study's name whole is one word. */
static int read_words(esp_named_study *out, int *n, esp_store *store, const char *const *texts,
                      int n_texts)
{
    for (int i = 0; i < n_texts; i++) {
        bool whole = strchr(texts[i], ' ') == NULL;
        if (!whole) {
            ESP_TRY(esp_study_exists(&whole, store, texts[i]));
        }
        for (const char *at = texts[i]; *at != '\0' || at == texts[i];) {
            const size_t length = whole ? strlen(at) : strcspn(at, " ");
            char *word = strndup(at, length);
            if (word == NULL || *n == MAX_SIDES) {
                free(word);
                return esp_fail(ESP_USAGE, "at most %d studies stand beside each other", MAX_SIDES);
            }
            int status = esp_named_study_read(&out[(*n)++], store, word);
            free(word);
            ESP_TRY(status);
            at += length + strspn(at + length, " ");
        }
    }
    return ESP_OK;
}

static char *name_of(const esp_named_study *all, int n)
{
    char *name = strdup("");
    for (int i = 0; i < n && name != NULL; i++) {
        char number[24] = "";
        if (all[i].has_revision) {
            snprintf(number, sizeof number, "@%d", all[i].revision);
        }
        char *longer = esp_text_format("%s%s%s%s%s%s", name, i > 0 ? " " : "", all[i].study, number,
                                       all[i].variant != NULL ? ":" : "",
                                       all[i].variant != NULL ? all[i].variant : "");
        free(name);
        name = longer;
    }
    return name;
}

int esp_study_show(char **name, int *n, esp_store *store, const char *const *texts, int n_texts)
{
    esp_named_study all[MAX_SIDES] = {{0}};
    esp_shown sides[MAX_SIDES];
    int count = 0, status = ESP_OK;
    *name = NULL;
    ESP_TRY_OUT(read_words(all, &count, store, texts, n_texts));
    const bool plain = count == 1 && all[0].variant == NULL;
    for (int i = 0; i < count; i++) {
        sides[i] = (esp_shown){all[i].study, all[i].revision, all[i].variant};
        for (int k = 0; k < i; k++) {
            if (overlap(&all[i], &all[k])) {
                status = esp_fail(ESP_USAGE, "revision %d of %s stands beside itself: name two",
                                  all[i].revision, all[i].study);
                goto out;
            }
        }
    }
    *name = plain ? strdup(all[0].study) : name_of(all, count);
    if (*name == NULL) {
        status = esp_fail(ESP_MEMORY, "no memory for a name");
    } else if (!plain) {
        status = esp_store_show_beside(store, *name, sides, count);
    } else if (all[0].has_revision) {
        status = esp_store_show_revision(store, *name, all[0].revision);
    }
    if (n != NULL) {
        *n = count;
    }
out:
    for (int i = 0; i < count; i++) {
        esp_named_study_free(&all[i]);
    }
    if (status != ESP_OK) {
        free(*name);
        *name = NULL;
    }
    return status;
}

/* ---- trials ------------------------------------------------------------------------------------
 */

static int not_a_trial(esp_store *store, const char *name)
{
    bool is_study = false;
    const char *at = strrchr(name, '@');
    ESP_TRY(esp_study_exists(&is_study, store, name));
    if (!is_study && at != NULL) {
        esp_named_study n;
        int status = esp_named_study_read(&n, store, name);
        is_study = status == ESP_OK;
        esp_named_study_free(&n);
        ESP_TRY(status);
    }
    return is_study
               ? esp_fail(ESP_NOT_FOUND,
                          "'%s' is a study; a trial is wanted: `espalier ls %s` lists its trials",
                          name, name)
               : esp_study_not_found(store, "study or trial", name);
}

int esp_trial_find(char id[17], esp_store *store, const char *prefix)
{
    esp_rows *rows = NULL;
    char list[256] = "";
    bool has_row = false, hex = strlen(prefix) <= 16;
    for (const char *next = prefix; *next != '\0'; next++) {
        hex = hex && isxdigit((unsigned char)*next);
    }
    if (!hex) {
        return not_a_trial(store, prefix);
    }
    int status = ESP_OK, count = 0;
    ESP_TRY_OUT(esp_rows_open(&rows, store,
                              "SELECT trial_id FROM trial WHERE trial_id LIKE"
                              " :prefix || '%' ORDER BY trial_id LIMIT 6"));
    ESP_TRY_OUT(esp_rows_bind_text(rows, ":prefix", prefix));
    for (;; count++) {
        ESP_TRY_OUT(esp_rows_step(rows, &has_row));
        if (!has_row) {
            break;
        }
        size_t used = strlen(list);
        snprintf(id, 17, "%s", esp_rows_text(rows, 0));
        snprintf(list + used, sizeof list - used, "%s%s", count > 0 ? ", " : "",
                 count < 5 ? id : "...");
    }
    if (count == 0) {
        status = not_a_trial(store, prefix);
    } else if (count > 1) {
        status = esp_fail(ESP_USAGE, "'%s' begins more than one trial: %s", prefix, list);
    }
out:
    esp_rows_close(rows);
    return status;
}
