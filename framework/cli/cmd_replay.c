/* espalier replay: does a stored trial come out the same here and now? */
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/options.h"
#include "core/file.h"
#include "core/log.h"
#include "core/status.h"
#include "core/terminal.h"
#include "core/text.h"
#include "nn/blas.h"
#include "report/study_names.h"
#include "run/environment.h"
#include "run/replay.h"
#include "store/store.h"

typedef struct arguments {
    const char *trial, *database;
} arguments;

static error_t parse(int key, char *value, struct argp_state *state)
{
    arguments *a = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &a->database;
        return 0;
    case ARGP_KEY_ARG:
        if (a->trial != NULL) {
            argp_error(state, "one trial at a time; '%s' is a second one", value);
        }
        a->trial = value;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "which trial? `espalier ls STUDY` lists them");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const char documentation[] =
    "Trains a stored trial again, in memory, and compares every epoch's digest of all parameters "
    "with the stored one.\v"
    "TRIAL is an id or the beginning of one. Says whether all epochs are the same, bit for bit, or "
    "names the first that differs and what differs from the environment that epoch was trained in: "
    "executable, source, plugins, BLAS kernel, libraries, data. Exit code 0 where all are the "
    "same, 1 where not. Nothing is written.\n\n"
    "example:\n"
    "  espalier replay 3f2a";

/* What the database knows of the trial. */
typedef struct stored_trial {
    char id[17];
    char *text, *overrides, *cell, *seed;
    esp_replay_record record;
} stored_trial;

static void free_stored(stored_trial *stored)
{
    free(stored->text);
    free(stored->overrides);
    free(stored->cell);
    free(stored->seed);
    free(stored->record.digests);
}

static char *copy_text(esp_rows *rows, int column)
{
    const char *text = esp_rows_text(rows, column);
    return esp_text_format("%s", text != NULL ? text : "");
}

static int read_revision(stored_trial *stored, esp_store *store)
{
    static const char sql[] =
        "SELECT r.text, r.overrides, ct.seed, c.label FROM trial t JOIN cell_trial ct ON ct.trial "
        "= t.id JOIN cell c ON c.id = ct.cell"
        " JOIN revision r ON r.id = c.revision WHERE t.trial_id = :id ORDER BY r.id DESC LIMIT 1";
    esp_rows *rows = NULL;
    bool has_row = false;
    int status = ESP_OK;
    ESP_TRY_OUT(esp_rows_open(&rows, store, sql));
    ESP_TRY_OUT(esp_rows_bind_text(rows, ":id", stored->id));
    ESP_TRY_OUT(esp_rows_step(rows, &has_row));
    if (!has_row) {
        status = esp_fail(ESP_NOT_FOUND, "no study of the database holds trial %s", stored->id);
        goto out;
    }
    stored->text = copy_text(rows, 0);
    stored->overrides = copy_text(rows, 1);
    stored->seed = copy_text(rows, 2);
    stored->cell = copy_text(rows, 3);
out:
    esp_rows_close(rows);
    return status;
}

static int read_digests(stored_trial *stored, esp_store *store)
{
    esp_replay_record *record = &stored->record;
    esp_rows *rows = NULL;
    bool has_row = false;
    int status = ESP_OK;
    ESP_TRY_OUT(esp_rows_open(&rows, store,
                              "SELECT e.digest, count(*) OVER () FROM epoch e JOIN trial t"
                              " ON t.id = e.trial WHERE t.trial_id = :id ORDER BY e.epoch"));
    ESP_TRY_OUT(esp_rows_bind_text(rows, ":id", stored->id));
    for (;;) {
        ESP_TRY_OUT(esp_rows_step(rows, &has_row));
        if (!has_row) {
            break;
        }
        if (record->digests == NULL) {
            record->digests = calloc((size_t)esp_rows_integer(rows, 1), sizeof *record->digests);
        }
        if (record->digests == NULL) {
            status = esp_fail(ESP_MEMORY, "no memory for the digests of %s", stored->id);
            goto out;
        }
        const char *digest = esp_rows_text(rows, 0);
        snprintf(record->digests[record->n_epochs++], sizeof *record->digests, "%s",
                 digest != NULL ? digest : "");
    }
    if (record->n_epochs == 0) {
        status = esp_fail(ESP_NOT_FOUND, "trial %s has no epoch yet", stored->id);
    }
out:
    esp_rows_close(rows);
    return status;
}

/* What reading a study said, of the stored text in place of the temporary file. */
static void print_said(const char *said, const char *path)
{
    for (const char *at; (at = strstr(said, path)) != NULL; said = at + strlen(path)) {
        fprintf(stderr, "%.*sthe stored study", (int)(at - said), said);
    }
    fputs(said, stderr);
}

/* The study as it was read then: its stored text, by a temporary file, with its overrides. What
 * there is to note of it was said when it ran. */
static int load_study(esp_study **out, const stored_trial *stored, const esp_registry *registry)
{
    char path[] = "/tmp/espalier-replay-XXXXXX.yaml";
    esp_study_arguments sets = {0};
    sets.options.sets = sets.sets;
    sets.options.without_report = true; /* published values lie beside the study, not here */
    json_t *overrides = json_loads(stored->overrides, 0, NULL);
    for (size_t i = 0; i < json_array_size(overrides) && i < ESP_MAX_SETS; i++) {
        sets.sets[sets.options.n_sets++] = json_string_value(json_array_get(overrides, i));
    }
    /* A seed that joined by --seeds is not among the file's; a mapped one is. */
    sets.options.seeds = strchr(stored->seed, '=') == NULL ? stored->seed : NULL;
    int status = ESP_OK;
    char *text = NULL;
    size_t size = 0;
    FILE *said = open_memstream(&text, &size);
    const int file = mkstemps(path, 5);
    if (file < 0 || said == NULL) {
        status = esp_fail(ESP_IO, "no temporary file for the study's text");
        goto out;
    }
    ESP_TRY_OUT(esp_file_write(path, stored->text, strlen(stored->text)));
    ESP_TRY_OUT(esp_study_load(out, path, &sets.options, registry, said));
out:
    if (said != NULL && fclose(said) == 0 && status != ESP_OK) {
        print_said(text, path);
    }
    free(text);
    if (file >= 0) {
        close(file);
        unlink(path);
    }
    json_decref(overrides);
    return status;
}

/* By its id; where data, a plugin's version or the trainer's version changed, this program gives
 * the same cell and seed another id, and that one is trained. */
static int find_in_study(int *trial, const esp_study *study, const stored_trial *stored)
{
    int same_place = -1;
    for (int i = 0; i < study->n_trials; i++) {
        const esp_trial *one = &study->trials[i];
        if (strcmp(one->id, stored->id) == 0) {
            *trial = i;
            return ESP_OK;
        }
        if (strcmp(one->seed, stored->seed) == 0 &&
            strcmp(study->cells[one->cell].label, stored->cell) == 0) {
            same_place = i;
        }
    }
    if (same_place < 0) {
        return esp_fail(ESP_FAILED,
                        "the study of trial %s no longer has cell '%s' with seed %s: this program "
                        "reads it otherwise; replay with the program that trained it",
                        stored->id, stored->cell, stored->seed);
    }
    esp_log_warning("data, a plugin's version or the trainer's version changed since: the same "
                    "cell and seed is now trial %s",
                    study->trials[same_place].id);
    *trial = same_place;
    return ESP_OK;
}

/* ---- what differs in the environment -----------------------------------------------------------
 */

/* Of the environment, what has no part in this trial's numbers: its study's other plugins and data,
 * and texts that are told by their hashes. */
static void keep_what_counts(json_t *environment, const esp_cell *cell)
{
    static const char *const ignored[] = {"study", "repository"};
    static const char *const texts[] = {"diff", "diff_bytes", "diff_note"};
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++) {
        json_object_del(environment, ignored[i]);
    }
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        json_object_del(json_object_get(environment, "source"), texts[i]);
    }
    json_t *all = json_object_get(environment, "plugins"), *used = json_object();
    for (int i = 0; i < cell->phases[0].n_terms + cell->n_heads; i++) {
        const int head = i - cell->phases[0].n_terms;
        const char *name =
            head < 0 ? cell->phases[0].terms[i].plugin->name : cell->heads[head].plugin->name;
        json_object_set(used, name, json_object_get(all, name));
    }
    json_object_set_new(environment, "plugins", used);
    json_t *data = json_object();
    json_object_set(data, cell->data.name,
                    json_object_get(json_object_get(environment, "data"), cell->data.name));
    json_object_set_new(environment, "data", data);
}

static void print_value(const json_t *value)
{
    if (value == NULL) {
        printf("not recorded");
    } else {
        json_dumpf(value, stdout, JSON_ENCODE_ANY | JSON_COMPACT);
    }
}

/* Prints the keys whose values differ, descending into maps; how many. */
static int print_differences(const char *prefix, const json_t *then, const json_t *now)
{
    const char *key;
    json_t *ignored, *keys = json_object();
    int n = 0;
    json_object_update(keys, (json_t *)(uintptr_t)then);
    json_object_update(keys, (json_t *)(uintptr_t)now);
    json_object_foreach(keys, key, ignored)
    {
        char path[256];
        const json_t *was = json_object_get(then, key), *is = json_object_get(now, key);
        snprintf(path, sizeof path, "%s%s%s", prefix, *prefix ? "." : "", key);
        if (json_is_object(was) || json_is_object(is)) {
            n += print_differences(path, was, is);
        } else if (was != is && (was == NULL || is == NULL || !json_equal(was, is))) {
            printf("  %s: ", path);
            print_value(was);
            printf(" then, ");
            print_value(is);
            printf(" now\n");
            n++;
        }
    }
    json_decref(keys);
    return n;
}

/* The environment of the attempt that trained an epoch. */
static int read_environment(json_t **out, esp_store *store, const char *id, int epoch)
{
    esp_rows *rows = NULL;
    bool has_row = false;
    int status = ESP_OK;
    ESP_TRY_OUT(esp_rows_open(&rows, store,
                              "SELECT e.content FROM trial t JOIN epoch p ON p.trial = t.id"
                              " JOIN attempt a ON a.id = p.attempt JOIN environment e"
                              " ON e.id = a.environment WHERE t.trial_id = :id AND"
                              " p.epoch = :epoch"));
    ESP_TRY_OUT(esp_rows_bind_text(rows, ":id", id));
    ESP_TRY_OUT(esp_rows_bind_integer(rows, ":epoch", epoch));
    ESP_TRY_OUT(esp_rows_step(rows, &has_row));
    if (has_row) {
        *out = json_loads(esp_rows_text(rows, 0), 0, NULL);
    }
out:
    esp_rows_close(rows);
    return status;
}

static int explain(esp_store *store, const char *id, int epoch, const esp_study *study,
                   const esp_registry *registry, const esp_cell *cell)
{
    char *text = NULL;
    json_t *then = NULL, *now = NULL;
    esp_dataset *data = NULL;
    int status = ESP_OK;
    ESP_TRY_OUT(read_environment(&then, store, id, epoch));
    ESP_TRY_OUT(esp_dataset_open(&data, cell->data.name));
    ESP_TRY_OUT(esp_environment_describe(&text, study, registry, false,
                                         (const esp_dataset *const *)&data, 1));
    now = json_loads(text, 0, NULL);
    keep_what_counts(then, cell);
    keep_what_counts(now, cell);
    printf("what differs from the environment epoch %d was trained in:\n", epoch);
    if (print_differences("", then, now) == 0) {
        puts("  nothing that is recorded");
    }
out:
    json_decref(then);
    json_decref(now);
    free(text);
    esp_dataset_close(data);
    return status;
}

static void show_step(int epoch, int n_epochs)
{
    esp_terminal_step(epoch + 1 == n_epochs, "epoch %d of %d", epoch, n_epochs - 1);
}

static int replay(esp_store *store, const stored_trial *stored, const esp_study *study,
                  const esp_registry *registry)
{
    int trial = 0, first_different = -1, epochs = 0;
    ESP_TRY(find_in_study(&trial, study, stored));
    ESP_TRY(esp_replay(&first_different, &epochs, study, trial, &stored->record, show_step));
    const esp_cell *cell = &study->cells[study->trials[trial].cell];
    if (first_different < 0 && epochs == stored->record.n_epochs) {
        printf("trial %s (%s seed %s): all %d epochs are the same, bit for bit\n", stored->id,
               cell->label, stored->seed, epochs - 1);
        return ESP_OK;
    }
    if (first_different < 0) {
        printf("trial %s (%s seed %s): ends after epoch %d, %d are stored\n", stored->id,
               cell->label, stored->seed, epochs - 1, stored->record.n_epochs - 1);
    } else {
        printf("trial %s (%s seed %s): epoch %d differs%s\n", stored->id, cell->label, stored->seed,
               first_different,
               first_different == 0 ? ", the untrained network" : "; those before are the same");
    }
    ESP_TRY(explain(store, stored->id, first_different < 0 ? epochs - 1 : first_different, study,
                    registry, cell));
    return esp_fail(ESP_FAILED, "%s", "");
}

static int run(int argc, char **argv)
{
    static const struct argp_child shared[] = {{&esp_database_argp, 0, NULL, 0}, {0}};
    const struct argp parser = {
        .parser = parse, .args_doc = "TRIAL", .doc = documentation, .children = shared};
    arguments a = {0};
    esp_argp_parse(&parser, argc, argv, &a);

    stored_trial stored = {.id = ""};
    esp_store *store = NULL;
    esp_registry *registry = NULL;
    esp_study *study = NULL;
    int status = ESP_OK;
    ESP_TRY_OUT(esp_blas_prepare());
    ESP_TRY_OUT(esp_store_open(&store, esp_store_default_path(a.database), ESP_STORE_READ));
    ESP_TRY_OUT(esp_trial_find(stored.id, store, a.trial));
    ESP_TRY_OUT(read_revision(&stored, store));
    ESP_TRY_OUT(read_digests(&stored, store));
    ESP_TRY_OUT(esp_registry_create(&registry));
    ESP_TRY_OUT(load_study(&study, &stored, registry));
    ESP_TRY_OUT(replay(store, &stored, study, registry));
out:
    esp_study_free(study);
    esp_registry_destroy(registry);
    esp_store_close(store);
    free_stored(&stored);
    return status;
}

const esp_command esp_cmd_replay = {"replay", "train a stored trial again and compare every epoch",
                                    run};
