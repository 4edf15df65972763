/* What may stand at a place of a command line: names out of the results database, the plugin
 * folders, the data folders, a study's file. */
#include "cli/completion.h"

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/status.h"
#include "data/catalog.h"
#include "plugin/registry.h"
#include "store/store.h"
#include "study/study.h"

void esp_offer(const esp_typed *t, const char *word, const char *about)
{
    if (strncmp(word, t->prefix, strlen(t->prefix)) != 0) {
        return;
    }
    const int cut_before = t->cut < t->n_before ? t->cut : t->n_before;
    printf("%.*s%s\t%s\n", t->n_before - cut_before, t->before + cut_before,
           word + (t->cut - cut_before), about != NULL ? about : "");
}

void esp_offer_verbs(const esp_typed *t, const char *help)
{
    const char *line = strstr(help, "\nverbs:\n");
    char name[64];
    int end = 0;
    for (line = line != NULL ? line + strlen("\nverbs:\n") : NULL;
         line != NULL && sscanf(line, "  %63[a-z] %n", name, &end) == 1;
         line = esp_help_next_line(line)) {
        char about[256];
        snprintf(about, sizeof about, "%.*s", (int)strcspn(line + end, "\n"), line + end);
        esp_offer(t, name, about);
    }
    esp_offer(t, "--help", "what there is");
    esp_offer(t, "--version", "version of the program");
}

/* ---- names --------------------------------------------------------------------------------------
 */

/* Rows of (word, what it is) from the results database; none where it cannot be read. Text is the
 * value of :text. Whether there are any. */
static bool offer_rows(const esp_typed *t, const char *sql, const char *text)
{
    esp_store *store = NULL;
    esp_rows *rows = NULL;
    bool has_row = false, any = false;
    if (esp_store_open(&store, esp_store_default_path(t->database), ESP_STORE_READ) == ESP_OK &&
        esp_rows_open(&rows, store, sql) == ESP_OK &&
        esp_rows_bind_text(rows, ":text", text) == ESP_OK) {
        while (esp_rows_step(rows, &has_row) == ESP_OK && has_row) {
            esp_offer(t, esp_rows_text(rows, 0), esp_rows_text(rows, 1));
            any = true;
        }
    }
    esp_rows_close(rows);
    esp_store_close(store);
    return any;
}

static void offer_studies(const esp_typed *t)
{
    offer_rows(t,
               "SELECT s.name, r.title FROM study s JOIN revision r"
               " ON r.id = s.current_revision ORDER BY s.name",
               "");
}

static void offer_trials(const esp_typed *t)
{
    offer_rows(t,
               "SELECT t.trial_id, (SELECT c.label || ' seed ' || ct.seed || ', ' || t.status"
               " FROM cell_trial ct JOIN cell c ON c.id = ct.cell WHERE ct.trial = t.id"
               " ORDER BY c.id DESC LIMIT 1) FROM trial t"
               " WHERE t.trial_id LIKE :text || '%' ORDER BY t.id DESC LIMIT 200",
               t->prefix);
}

/* What follows a separator that is typed; :text is what stands before it. Whether there is any. */
static bool offer_behind(const esp_typed *t, const char *separator, const char *sql)
{
    char before[256];
    esp_typed behind = *t;
    snprintf(before, sizeof before, "%.*s", (int)(separator - t->prefix), t->prefix);
    behind.before = t->prefix;
    behind.n_before = (int)(separator + 1 - t->prefix);
    behind.prefix = separator + 1;
    return offer_rows(&behind, sql, before);
}

/* "STUDY:VARIANT" or "STUDY@REVISION:VARIANT". */
static const char variants_sql[] =
    "SELECT c.variant, count(*) || ' cells' FROM study s JOIN revision r ON r.study = s.id"
    " JOIN cell c ON c.revision = r.id WHERE s.name || '@' || r.number = :text OR (s.name = :text"
    " AND r.id = s.current_revision) GROUP BY c.variant ORDER BY min(c.ordinal)";

/* "STUDY@REVISION", the one run last first. */
static const char revisions_sql[] =
    "SELECT r.number, coalesce((SELECT group_concat('--set ' || o.value, ' ') FROM"
    " json_each(r.overrides) o), r.title) FROM study s JOIN revision r ON r.study = s.id"
    " WHERE s.name = :text ORDER BY r.last_run_at DESC";

/* The metrics that the newest trial has. */
static void offer_metrics(const esp_typed *t)
{
    offer_rows(t,
               "SELECT DISTINCT split || '.' || metric, '' FROM trial_final WHERE trial_id ="
               " (SELECT trial_id FROM trial WHERE status = 'done' ORDER BY id DESC LIMIT 1)",
               "");
}

/* The variants of the study's file that stands before. */
static void offer_variants(const esp_typed *t)
{
    const esp_study_options options = {0};
    esp_registry *registry = NULL;
    esp_study *study = NULL;
    FILE *errors = fopen("/dev/null", "w");
    if (t->first != NULL && errors != NULL && esp_registry_create(&registry) == ESP_OK &&
        esp_study_load(&study, t->first, &options, registry, errors) == ESP_OK) {
        json_t *names = json_loads(study->variants, 0, NULL);
        for (size_t i = 0; i < json_array_size(names); i++) {
            esp_offer(t, json_string_value(json_array_get(names, i)), "");
        }
        json_decref(names);
    }
    esp_study_free(study);
    esp_registry_destroy(registry);
    if (errors != NULL) {
        fclose(errors);
    }
}

static void offer_plugins(const esp_typed *t)
{
    esp_registry *registry = NULL;
    if (esp_registry_create(&registry) == ESP_OK) {
        for (int i = 0; i < esp_registry_count(registry); i++) {
            const esp_plugin *plugin = esp_registry_entry(registry, i)->plugin;
            if (plugin != NULL) {
                esp_offer(t, plugin->name, plugin->summary);
            }
        }
    }
    esp_registry_destroy(registry);
}

static void offer_datasets(const esp_typed *t)
{
    const char **names = esp_dataset_names();
    for (size_t i = 0; names != NULL && names[i] != NULL; i++) {
        const esp_known_dataset *known = esp_known_dataset_find(names[i]);
        esp_offer(t, names[i], known != NULL ? known->title : "");
    }
    free(names);
}

/* Named queries, "name  what it answers", as `espalier query` lists them. */
static void offer_queries(const esp_typed *t)
{
    char *list = esp_output_of("query", NULL);
    for (const char *line = list; line != NULL && *line != '\0'; line = esp_help_next_line(line)) {
        char name[64], about[256];
        const int length = (int)strcspn(line, " \n");
        snprintf(name, sizeof name, "%.*s", length, line);
        line += length + (int)strspn(line + length, " ");
        snprintf(about, sizeof about, "%.*s", (int)strcspn(line, "\n"), line);
        esp_offer(t, name, about);
    }
    free(list);
}

/* ---- places -------------------------------------------------------------------------------------
 */

/* "text (default), md, csv or json" or "text|json": the choices named, where there are several. */
static void offer_choices(const esp_typed *t, const char *text)
{
    char words[16][32];
    int count = 0;
    bool is_last = false; /* it stands after "or" */
    while (count < 16) {
        const size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_-");
        if (length == 0 || length >= sizeof words[0] || strchr(" ,;|", text[length]) == NULL) {
            break;
        }
        snprintf(words[count++], sizeof words[0], "%.*s", (int)length, text);
        text += length;
        if (strncmp(text, " (default)", 10) == 0) {
            text += 10;
        }
        const size_t between = text[0] == '|'                  ? 1
                               : strncmp(text, ", ", 2) == 0   ? 2
                               : strncmp(text, " or ", 4) == 0 ? 4
                                                               : 0;
        if (between == 0 || is_last) {
            break;
        }
        is_last = between == 4;
        text += between;
    }
    for (int i = 0; count > 1 && i < count; i++) {
        esp_offer(t, words[i], "");
    }
}

void esp_offer_placeholder(const esp_typed *t, const char *placeholder)
{
    char all[256], *rest = all;
    size_t used = 0;
    for (const char *c = placeholder; *c != '\0' && used + 1 < sizeof all; c++) {
        if (*c != '[' && *c != ']' && strncmp(c, "...", 3) != 0 &&
            !(*c == '.' && (c[1] == '.' || c[1] == '\0' || c[1] == ']'))) {
            all[used++] = *c;
        }
    }
    all[used] = '\0';
    for (char *one; (one = strsep(&rest, "|")) != NULL;) {
        const char *colon = strchr(t->prefix, ':'), *at = strchr(t->prefix, '@');
        if (colon != NULL && strstr(one, ":VARIANT") != NULL) {
            if (offer_behind(t, colon, variants_sql)) {
                return; /* no file is meant */
            }
            continue;
        }
        if (at != NULL && strstr(one, "@REVISION") != NULL) {
            if (offer_behind(t, at, revisions_sql)) {
                return;
            }
            continue;
        }
        one[strcspn(one, ":@")] = '\0';
        const char *ending = strrchr(one, '.');
        if (islower((unsigned char)one[0])) {
            esp_offer(t, one, "");
        } else if (ending != NULL) {
            printf(":files%s\n", ending);
        } else if (strcmp(one, "STUDY") == 0) {
            offer_studies(t);
        } else if (strcmp(one, "TRIAL") == 0) {
            offer_trials(t);
        } else if (strcmp(one, "NAME") == 0 && strcmp(t->verb, "plugins") == 0) {
            offer_plugins(t);
        } else if (strcmp(one, "NAME") == 0 && strcmp(t->verb, "data") == 0) {
            offer_datasets(t);
        } else if (strcmp(one, "NAME") == 0 && strcmp(t->verb, "query") == 0) {
            offer_queries(t);
        } else if (strcmp(one, "FILE") == 0) {
            puts(":files");
        }
    }
}

void esp_offer_value(const esp_typed *t, const esp_verb_option *option)
{
    if (strchr(option->value, '|') != NULL) {
        offer_choices(t, option->value);
    } else if (strcmp(option->name, "--data") == 0) {
        offer_datasets(t);
    } else if (strcmp(option->name, "--only") == 0) {
        offer_variants(t);
    } else if (strcmp(option->value, "SPLIT.METRIC") == 0) {
        offer_metrics(t);
    } else if (strcmp(option->value, "FILE") == 0) {
        puts(":files");
    } else if (strcmp(option->value, "DIRECTORY") == 0) {
        puts(":directories");
    } else {
        offer_choices(t, option->about);
    }
}
