/* espalier status: what the results database says is running, and how far everything is. */
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/options.h"
#include "cli/print_rows.h"
#include "core/status.h"
#include "core/terminal.h"
#include "report/status_sql.h"
#include "store/lock.h"

typedef struct arguments {
    const char *database, *format_name;
    bool watch;
} arguments;

/* A column of a time left, as people read it. */
#define TIME_LEFT_SQL                                                                              \
    "iif(seconds_left IS NULL, NULL, printf('%d:%02d:%02d', seconds_left / 3600,"                  \
    " seconds_left / 60 % 60, seconds_left % 60)) AS time_left"

static const char studies_text_sql[] =
    ESP_STUDIES_LEFT_SQL "SELECT study, trials, done, failed, running, interrupted, planned,"
                         " " TIME_LEFT_SQL ", last_run FROM listed ORDER BY last_run DESC";

static const char studies_json_sql[] =
    ESP_STUDIES_LEFT_SQL "SELECT study, trials, done, failed, running, interrupted, planned,"
                         " seconds_left, last_run FROM listed ORDER BY last_run DESC";

static const char running_text_sql[] =
    ESP_RUNNING_SQL "SELECT state, study, cell, seed, trial_id, host, process, phase,"
                    " epoch || '/' || coalesce(epochs, '?') AS epoch,"
                    " iif(rate IS NULL, NULL, printf('%.3g', rate)) AS epochs_per_s,"
                    " " TIME_LEFT_SQL " FROM left_over ORDER BY state DESC, started_at, trial_id";

static const char running_json_sql[] = ESP_RUNNING_SQL
    "SELECT state, study, cell, seed, trial_id, host, process, started_at, phase, epoch,"
    " epochs, rate AS epochs_per_second, seconds_left"
    " FROM left_over ORDER BY state DESC, started_at, trial_id";

static int count(int64_t *found, esp_store *store, const char *sql)
{
    esp_rows *rows = NULL;
    bool has_row = false;
    ESP_TRY(esp_rows_open(&rows, store, sql));
    int status = esp_rows_step(rows, &has_row);
    *found = has_row ? esp_rows_integer(rows, 0) : 0;
    esp_rows_close(rows);
    return status;
}

static int print_table(size_t *n_rows, esp_store *store, const char *sql, FILE *out)
{
    esp_rows *rows = NULL;
    int status = esp_rows_open(&rows, store, sql);
    if (status == ESP_OK) {
        status = esp_print_rows(n_rows, rows, ESP_ROWS_TEXT, 0, out);
    }
    esp_rows_close(rows);
    return status;
}

static int print_text(esp_store *store, FILE *out)
{
    size_t n_studies = 0, n_shown = 0;
    int64_t n_running = 0, n_failed = 0;
    char *table = NULL;
    size_t size = 0;
    ESP_TRY(print_table(&n_studies, store, studies_text_sql, out));
    FILE *memory = open_memstream(&table, &size);
    if (memory == NULL) {
        return esp_fail(ESP_MEMORY, "no memory for the running trials");
    }
    int status = print_table(&n_shown, store, running_text_sql, memory);
    fclose(memory);
    if (status == ESP_OK && n_shown > 0) {
        fprintf(out, "\n%s", table);
    }
    free(table);
    ESP_TRY(status);
    ESP_TRY(count(&n_running, store,
                  "SELECT count(*) FROM trial WHERE status = 'running' AND trial_is_held(id)"));
    ESP_TRY(count(&n_failed, store,
                  "SELECT count(DISTINCT trial_key) FROM study_trial"
                  " WHERE latest = 1 AND status = 'failed'"));
    const int64_t n_cut_off = (int64_t)n_shown - n_running;
    fprintf(out, "\n%s", n_running > 0 ? "" : "nothing runs");
    if (n_running > 0) {
        fprintf(out, "%" PRId64 " trial%s running", n_running, n_running == 1 ? "" : "s");
    }
    if (n_cut_off > 0) {
        fprintf(out, "; %" PRId64 " cut off: the same `espalier run` goes on with %s", n_cut_off,
                n_cut_off == 1 ? "it" : "them");
    }
    if (n_failed > 0) {
        fprintf(out, "; %" PRId64 " failed: `espalier query failed` says why", n_failed);
    }
    fputs("\n", out);
    return ESP_OK;
}

static int print_json(esp_store *store, bool has_runner, FILE *out)
{
    static const char *const names[] = {"studies", "trials"};
    static const char *const texts[] = {studies_json_sql, running_json_sql};
    int status = ESP_OK;
    json_t *object =
        json_pack("{s:s, s:b}", "database", esp_store_path(store), "runner", has_runner);
    for (int i = 0; i < 2 && status == ESP_OK; i++) {
        esp_rows *rows = NULL;
        json_t *array = NULL;
        status = esp_rows_open(&rows, store, texts[i]);
        if (status == ESP_OK) {
            status = esp_rows_to_json(&array, rows);
        }
        esp_rows_close(rows);
        json_object_set_new(object, names[i], array);
    }
    if (status == ESP_OK) {
        json_dumpf(object, out, JSON_INDENT(1));
        fputc('\n', out);
    }
    json_decref(object);
    return status;
}

/* Looks once. *runs: something still runs. */
static int look(bool *runs, const char *path, esp_row_format format, FILE *out)
{
    esp_store *store = NULL;
    ESP_TRY(esp_store_open(&store, path, ESP_STORE_READ));
    *runs = esp_store_has_runner(path);
    int status = format == ESP_ROWS_JSON ? print_json(store, *runs, out) : print_text(store, out);
    esp_store_close(store);
    return status;
}

/* Ctrl-C ends it as it ends any program: there is nothing to put back. */
static int watch(const char *path)
{
    for (bool runs = true; runs;) {
        char *screen = NULL;
        size_t size = 0;
        FILE *memory = open_memstream(&screen, &size);
        if (memory == NULL) {
            return esp_fail(ESP_MEMORY, "no memory for the screen");
        }
        int status = look(&runs, path, ESP_ROWS_TEXT, memory);
        fclose(memory);
        if (status == ESP_OK) {
            esp_terminal_control(stdout, "\033[H\033[2J");
            fputs(screen, stdout);
            fflush(stdout);
        }
        free(screen);
        ESP_TRY(status);
        if (runs) {
            nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
        }
    }
    return ESP_OK;
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    arguments *given = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &given->format_name;
        state->child_inputs[1] = &given->database;
        return 0;
    case 'w':
        given->watch = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "no argument is taken, and '%s' is one; `espalier ls %s` lists a study",
                   argument, argument);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int run(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"watch", 'w', NULL, 0, "draw again every second until nothing runs", 0}, {0}};
    static const struct argp_child shared[] = {
        {&esp_text_or_json_argp, 0, NULL, 0}, {&esp_database_argp, 0, NULL, 0}, {0}};
    static const struct argp parser = {
        .options = options,
        .parser = parse_option,
        .children = shared,
        .doc = "Shows the studies of the results database with their trials by state, and for each "
               "running trial where it runs, how far it is, its rate and the time left.\v"
               "The rate is of the latest epochs; early stopping may "
               "end a trial sooner. A study's time left counts what waits in a run too, as if it "
               "trained at the rate of what runs. A trial whose runner was killed is cut off and "
               "counts as "
               "interrupted. It only reads, and holds no run up.\n\n"
               "examples:\n"
               "  espalier status\n"
               "  espalier status --watch\n"
               "  espalier status --format json --db results/espalier.db"};
    arguments given = {0};
    if (esp_argp_parse(&parser, argc, argv, &given) != 0) {
        return esp_fail(ESP_USAGE, "`espalier status --help` shows how it is used");
    }
    esp_row_format format;
    bool runs = false;
    const char *path = esp_store_default_path(given.database);
    ESP_TRY(esp_row_format_parse(&format, given.format_name));
    if (!given.watch) {
        return look(&runs, path, format, stdout);
    }
    if (format == ESP_ROWS_JSON || !isatty(STDOUT_FILENO)) {
        return esp_fail(ESP_USAGE, "--watch draws text on a terminal, and %s; leave --watch out",
                        format == ESP_ROWS_JSON ? "JSON is none" : "standard output is none");
    }
    return watch(path);
}

const esp_command esp_cmd_status = {"status", "what runs, how far it is, and what is left", run};
