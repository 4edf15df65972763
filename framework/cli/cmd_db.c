/* espalier db: check, back up, migrate and merge results databases. */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "cli/command.h"
#include "cli/options.h"
#include "core/log.h"
#include "core/status.h"
#include "core/text.h"
#include "run/run.h"
#include "store/backup.h"
#include "store/check_database.h"
#include "store/lock.h"
#include "store/merge.h"

typedef struct arguments {
    const char *database, *format_name, *action;
    char **files;
    int n_files;
    bool json;
} arguments;

/* What an action found, told as it comes or as JSON at the end. */
typedef struct findings {
    json_t *list; /* NULL: text */
    int n, n_broken;
} findings;

static void add_finding(void *context, bool broken, const char *what, const char *words)
{
    findings *found = context;
    found->n++;
    found->n_broken += broken;
    if (found->list != NULL) {
        json_array_append_new(found->list, json_pack("{s:b, s:s, s:s}", "broken", broken, "what",
                                                     what, "words", words));
    } else {
        printf("%s: %s: %s\n", broken ? "broken" : "note", what, words);
    }
}

static void print_json(json_t *object)
{
    json_dumpf(object, stdout, JSON_INDENT(1));
    putchar('\n');
    json_decref(object);
}

static int check(const arguments *given, const char *path)
{
    esp_store *store = NULL;
    findings found = {.list = given->json ? json_array() : NULL};
    int version = 0, newest = 0;
    char *checkpoints = esp_run_checkpoints(path);
    int status = checkpoints != NULL ? ESP_OK : esp_fail(ESP_MEMORY, "no memory for a path");
    if (status == ESP_OK) {
        status = esp_store_open(&store, path, ESP_STORE_READ);
    }
    if (status == ESP_OK) {
        status = esp_store_version(&version, &newest, path);
    }
    if (status == ESP_OK) {
        status = esp_store_look_over(store, checkpoints, add_finding, &found);
    }
    esp_store_close(store);
    free(checkpoints);
    if (status == ESP_OK && given->json) {
        print_json(json_pack("{s:s, s:i, s:b, s:O}", "database", path, "version", version, "ok",
                             found.n_broken == 0, "findings", found.list));
    } else if (status == ESP_OK && found.n == 0) {
        printf("%s: ok (schema version %d)\n", path, version);
    }
    json_decref(found.list);
    if (status == ESP_OK && found.n_broken > 0) {
        status =
            esp_fail(ESP_STORE, "%s: %d broken; restore a backup, or train what is named again",
                     path, found.n_broken);
    }
    return status;
}

static int back_up(const arguments *given, const char *path)
{
    esp_store *store = NULL;
    char now[32];
    const time_t seconds = time(NULL);
    struct tm utc;
    strftime(now, sizeof now, "%Y-%m-%dT%H-%M-%SZ", gmtime_r(&seconds, &utc));
    char *file = given->n_files > 0 ? esp_text_format("%s", given->files[0])
                                    : esp_text_format("%s.%s.backup", path, now);
    int status = file != NULL ? ESP_OK : esp_fail(ESP_MEMORY, "no memory for a path");
    esp_inputs inputs = {0};
    esp_store_inputs(&inputs, path);
    if (status == ESP_OK) {
        status = esp_inputs_spare(&inputs, file);
    }
    esp_inputs_free(&inputs);
    if (status == ESP_OK) {
        status = esp_store_open(&store, path, ESP_STORE_READ);
    }
    if (status == ESP_OK) {
        status = esp_store_back_up(file, store);
    }
    esp_store_close(store);
    if (status == ESP_OK && given->json) {
        print_json(json_pack("{s:s, s:s}", "database", path, "backup", file));
    } else if (status == ESP_OK) {
        printf("%s\n", file);
        fflush(stdout);
        esp_log_note("the results are in it; checkpoints are not, they stay in %s.checkpoints",
                     path);
    }
    free(file);
    return status;
}

static int migrate(const arguments *given, const char *path)
{
    esp_store *store = NULL;
    int version = 0, newest = 0, lock = -1;
    ESP_TRY(esp_store_version(&version, &newest, path));
    ESP_TRY(esp_lock_take(&lock, path, ESP_LOCK_ALONE));
    int status = esp_store_open(&store, path, ESP_STORE_WRITE);
    esp_store_close(store);
    close(lock);
    ESP_TRY(status);
    if (given->json) {
        print_json(json_pack("{s:s, s:i, s:i}", "database", path, "from", version, "to", newest));
    } else if (version == newest) {
        printf("%s: schema version %d is the newest: nothing to do\n", path, version);
    } else {
        printf("%s: from schema version %d to %d; as it was, it is in %s.before-v%d\n", path,
               version, newest, path, newest);
    }
    return ESP_OK;
}

/* What a merge tells; NULL: as text. */
typedef struct told {
    json_t *conflicts, *latest;
} told;

static void add_conflict(void *context, const char *words)
{
    const told *as = context;
    if (as->conflicts != NULL) {
        json_array_append_new(as->conflicts, json_string(words));
    } else {
        printf("conflict: %s\n", words);
    }
}

static void add_latest(void *context, const char *study, int ours, int theirs, bool moves)
{
    const told *as = context;
    if (as->latest != NULL) {
        json_array_append_new(as->latest,
                              json_pack("{s:s, s:i, s:i, s:i}", "study", study, "was", ours,
                                        "there", theirs, "is", moves ? theirs : ours));
    } else if (moves) {
        printf("latest: study %s: revision %d from now on, which was run there after revision %d; "
               "`espalier report %s --revision %d` shows that one\n",
               study, theirs, ours, study, ours);
    } else {
        printf("latest: study %s: revision %d stays, as nothing tells that revision %d was run "
               "there since; `espalier report %s --revision %d` shows that one\n",
               study, ours, theirs, study, theirs);
    }
}

static int merge_one(int64_t *n_conflicts, json_t *merged, esp_store *store, const char *file)
{
    esp_merge_count count;
    told as = {merged != NULL ? json_array() : NULL, merged != NULL ? json_array() : NULL};
    const esp_merge_tell tell = {add_conflict, add_latest, &as};
    int status = esp_store_merge(&count, store, file, &tell);
    if (status == ESP_OK && merged != NULL) {
        json_array_append_new(
            merged,
            json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:O, s:O}", "file", file, "new_revisions",
                      (json_int_t)count.revisions, "new_cells", (json_int_t)count.cells, "added",
                      (json_int_t)count.added, "replaced", (json_int_t)count.replaced, "same",
                      (json_int_t)count.same, "conflicts", as.conflicts, "latest", as.latest));
    } else if (status == ESP_OK) {
        printf("%s: %lld trials added, %lld replaced, %lld here already, %lld conflicts\n", file,
               (long long)count.added, (long long)count.replaced, (long long)count.same,
               (long long)count.conflicts);
    }
    json_decref(as.conflicts);
    json_decref(as.latest);
    *n_conflicts += count.conflicts;
    return status;
}

static int merge(const arguments *given, const char *path)
{
    esp_store *store = NULL;
    int lock = -1;
    int64_t n_conflicts = 0;
    /* Looked at before a database is made for it. */
    for (int i = 0; i < given->n_files; i++) {
        ESP_TRY(esp_store_may_merge(path, given->files[i]));
    }
    json_t *merged = given->json ? json_array() : NULL;
    int status = esp_store_open(&store, path, ESP_STORE_WRITE);
    if (status == ESP_OK) {
        status = esp_lock_take(&lock, path, ESP_LOCK_ALONE);
    }
    for (int i = 0; i < given->n_files && status == ESP_OK; i++) {
        status = merge_one(&n_conflicts, merged, store, given->files[i]);
    }
    esp_store_close(store);
    if (lock >= 0) {
        close(lock);
    }
    if (status == ESP_OK && given->json) {
        print_json(json_pack("{s:s, s:O}", "database", path, "merged", merged));
    }
    json_decref(merged);
    if (status == ESP_OK && n_conflicts > 0) {
        status = esp_fail(ESP_FAILED,
                          "%lld conflict%s: what %s had was kept; `espalier show TRIAL` "
                          "in both tells the environments",
                          (long long)n_conflicts, n_conflicts == 1 ? "" : "s", path);
    }
    return status;
}

static const struct {
    const char *name;
    int least, most; /* files */
    int (*run)(const arguments *given, const char *path);
} actions[] = {{"check", 0, 0, check},
               {"backup", 0, 1, back_up},
               {"migrate", 0, 0, migrate},
               {"merge", 1, 1000, merge}};
enum { N_ACTIONS = sizeof actions / sizeof *actions };

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    arguments *given = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &given->format_name;
        state->child_inputs[1] = &given->database;
        return 0;
    case ARGP_KEY_ARG:
        if (given->action == NULL) {
            given->action = argument;
        } else if (*argument == '\0') {
            argp_error(state, "'' names no file");
        } else {
            given->files[given->n_files++] = argument;
        }
        return 0;
    case ARGP_KEY_END:
        if (given->action == NULL) {
            argp_error(state, "what is to be done: check, backup, migrate or merge?");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int dispatch(const arguments *given)
{
    const char *names[N_ACTIONS];
    for (int i = 0; i < N_ACTIONS; i++) {
        names[i] = actions[i].name;
        if (strcmp(actions[i].name, given->action) != 0) {
            continue;
        }
        if (given->n_files < actions[i].least) {
            return esp_fail(ESP_USAGE, "db %s needs the file to merge: `espalier db merge FILE`",
                            names[i]);
        }
        if (given->n_files > actions[i].most) {
            return esp_fail(ESP_USAGE, "db %s takes no argument '%s'; --db names the database",
                            names[i], given->files[actions[i].most]);
        }
        return actions[i].run(given, esp_store_default_path(given->database));
    }
    const char *meant = esp_text_suggest(given->action, names, N_ACTIONS);
    return esp_fail(ESP_USAGE, "no action '%s'%s%s%s: check, backup, migrate or merge",
                    given->action, meant ? ", did you mean '" : "", meant ? meant : "",
                    meant ? "'?" : "");
}

static int run(int argc, char **argv)
{
    static const struct argp_child shared[] = {
        {&esp_text_or_json_argp, 0, NULL, 0}, {&esp_database_argp, 0, NULL, 0}, {0}};
    static const struct argp parser = {
        .parser = parse_option,
        .children = shared,
        .args_doc = "check\nbackup [FILE]\nmigrate\nmerge FILE...",
        .doc =
            "Looks after a results database: check tells what is broken in it or beside it, "
            "backup copies it while runs go on, migrate brings an older one up to date, merge "
            "brings the trials of other databases into it, with their checkpoints.\v"
            "Merging again changes nothing. Where a trial's epochs differ "
            "in both it is a conflict: it is named, what is in --db is kept, and the exit code is "
            "1. A done trial replaces an unfinished one. Of a study's revisions the "
            "one run last stays unless the other database ran another since: it knows this one and "
            "went on to a new one, or to another after the very same last run. Clocks do not "
            "count. "
            "merge says where the two differ. check exits with 3 where something is "
            "broken.\n\n"
            "examples:\n"
            "  espalier db check\n"
            "  espalier db backup /safe/espalier.db\n"
            "  espalier db merge node1.db node2.db --db results/espalier.db"};
    arguments given = {.files = calloc((size_t)argc + 1, sizeof *given.files)};
    if (given.files == NULL) {
        return esp_fail(ESP_MEMORY, "no memory for the arguments");
    }
    int status = ESP_OK;
    if (esp_argp_parse(&parser, argc, argv, &given) != 0) {
        status = esp_fail(ESP_USAGE, "`espalier db --help` shows how it is used");
        goto out;
    }
    given.json = strcmp(given.format_name, "json") == 0;
    status = dispatch(&given);
out:
    free(given.files);
    return status;
}

const esp_command esp_cmd_db = {"db", "check, back up, migrate and merge results databases", run};
