/* espalier status: what the results database says is running, and how far everything is. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/options.h"
#include "cli/print_rows.h"
#include "core/log.h"
#include "core/status.h"

typedef struct arguments {
    const char *database, *format_name;
    bool watch;
} arguments;

/* What all queries below know of the moment: :alive is a JSON array of the attempts whose process
 * lives. */
typedef struct moment {
    esp_store *store;
    bool has_runner;
    char *alive;
    size_t n_alive;
} moment;

static const char attempts_sql[] =
    "SELECT a.id, a.host, a.process FROM trial t JOIN attempt a ON a.id ="
    " (SELECT max(b.id) FROM attempt b WHERE b.trial = t.id) WHERE t.status = 'running'";

#define LIVES                                                                                      \
    "((SELECT max(a.id) FROM attempt a WHERE a.trial = t.trial_key)"                               \
    " IN (SELECT value FROM json_each(:alive)))"

static const char studies_sql[] =
    "SELECT t.study, count(*) AS trials, sum(t.status = 'done') AS done,"
    " sum(t.status = 'failed') AS failed,"
    " sum(t.status = 'running' AND " LIVES ") AS running,"
    " sum(t.status = 'interrupted' OR t.status = 'running' AND NOT " LIVES ") AS interrupted,"
    " sum(t.status = 'planned') AS planned, r.last_run_at AS last_run"
    " FROM study_trial t JOIN study s ON s.name = t.study"
    " JOIN revision r ON r.id = s.current_revision"
    " WHERE t.latest = 1 GROUP BY t.study ORDER BY r.last_run_at DESC";

/* A trial of several studies shows once, by the one run last. The rate is that of the last 20
 * epochs; early stopping may end a trial before the time left. */
#define RUNNING                                                                                    \
    "WITH running AS (SELECT CASE WHEN " LIVES " THEN 'running' ELSE 'cut off' END AS state,"      \
    "  t.study, t.cell, t.seed, t.trial_id, t.trial_key, t.cell_key, max(r.last_run_at) AS run_at" \
    "  FROM trial b CROSS JOIN cell_trial ct ON ct.trial = b.id"                                   \
    "  CROSS JOIN cell c ON c.id = ct.cell CROSS JOIN revision r ON r.id = c.revision"             \
    "  CROSS JOIN study_trial t ON t.trial_key = b.id AND t.cell_key = c.id"                       \
    "  WHERE b.status = 'running' GROUP BY b.id),"                                                 \
    " timed AS (SELECT x.*, a.host, a.process, a.started_at,"                                      \
    "  (SELECT nullif(e.phase, '') FROM epoch e WHERE e.trial = x.trial_key"                       \
    "   ORDER BY e.epoch DESC LIMIT 1) AS phase,"                                                  \
    "  coalesce((SELECT max(e.epoch) FROM epoch e WHERE e.trial = x.trial_key), 0) AS epoch,"      \
    "  (SELECT sum(json_extract(p.value, '$.epochs')) FROM cell c,"                                \
    "   json_each(c.config, '$.phases') p WHERE c.id = x.cell_key) AS epochs,"                     \
    "  (SELECT count(*) / nullif(sum(seconds), 0) FROM (SELECT e.seconds FROM epoch e"             \
    "   WHERE e.trial = x.trial_key AND e.epoch > 0 AND e.seconds IS NOT NULL"                     \
    "   ORDER BY e.epoch DESC LIMIT 20)) AS rate"                                                  \
    "  FROM running x JOIN attempt a ON a.id ="                                                    \
    "  (SELECT max(b.id) FROM attempt b WHERE b.trial = x.trial_key)),"                            \
    " left_over AS (SELECT *, CASE WHEN state = 'running' AND epoch <= epochs"                     \
    "  THEN (epochs - epoch) / rate END AS seconds_left FROM timed) "

static const char running_text_sql[] =
    RUNNING "SELECT state, study, cell, seed, trial_id, host, process, phase,"
            " epoch || '/' || coalesce(epochs, '?') AS epoch,"
            " printf('%.3g', rate) AS epochs_per_s,"
            " printf('%d:%02d:%02d', seconds_left / 3600, seconds_left / 60 % 60,"
            " seconds_left % 60) AS time_left"
            " FROM left_over ORDER BY state DESC, started_at, trial_id";

static const char running_json_sql[] =
    RUNNING "SELECT state, study, cell, seed, trial_id, host, process, started_at, phase, epoch,"
            " epochs, rate AS epochs_per_second, seconds_left"
            " FROM left_over ORDER BY state DESC, started_at, trial_id";

/* A process of this machine can be asked for; of another the runner's lock has to do. */
static bool is_alive(const char *host, int64_t process)
{
    char here[256] = "";
    gethostname(here, sizeof here - 1);
    return strcmp(host, here) != 0 || kill((pid_t)process, 0) == 0 || errno == EPERM;
}

static int find_alive(moment *now)
{
    esp_rows *rows = NULL;
    bool has_row = false;
    json_t *alive = json_array();
    int status = esp_rows_open(&rows, now->store, attempts_sql);
    while (status == ESP_OK && (status = esp_rows_step(rows, &has_row)) == ESP_OK && has_row) {
        if (now->has_runner && is_alive(esp_rows_text(rows, 1), esp_rows_integer(rows, 2))) {
            json_array_append_new(alive, json_integer(esp_rows_integer(rows, 0)));
        }
    }
    esp_rows_close(rows);
    now->n_alive = json_array_size(alive);
    now->alive = json_dumps(alive, JSON_COMPACT);
    json_decref(alive);
    if (status == ESP_OK && now->alive == NULL) {
        status = esp_fail(ESP_MEMORY, "no memory for the running trials");
    }
    return status;
}

static int rows_at(esp_rows **rows, const moment *now, const char *sql)
{
    ESP_TRY(esp_rows_open(rows, now->store, sql));
    return esp_rows_bind_text(*rows, ":alive", now->alive);
}

/* The hint on failed trials has its number from the table of studies: a second, short query. */
static int count_failed(int64_t *failed, const moment *now)
{
    esp_rows *rows = NULL;
    bool has_row = false;
    ESP_TRY(esp_rows_open(&rows, now->store,
                          "SELECT count(DISTINCT trial_key) FROM study_trial"
                          " WHERE latest = 1 AND status = 'failed'"));
    int status = esp_rows_step(rows, &has_row);
    *failed = has_row ? esp_rows_integer(rows, 0) : 0;
    esp_rows_close(rows);
    return status;
}

static int print_table(size_t *n_rows, const moment *now, const char *sql, FILE *out)
{
    esp_rows *rows = NULL;
    int status = rows_at(&rows, now, sql);
    if (status == ESP_OK) {
        status = esp_print_rows(n_rows, rows, ESP_ROWS_TEXT, 0, out);
    }
    esp_rows_close(rows);
    return status;
}

static int print_text(const moment *now, FILE *out)
{
    size_t n_studies = 0, n_running = 0;
    int64_t n_failed = 0;
    char *table = NULL;
    size_t size = 0;
    ESP_TRY(print_table(&n_studies, now, studies_sql, out));
    FILE *memory = open_memstream(&table, &size);
    if (memory == NULL) {
        return esp_fail(ESP_MEMORY, "no memory for the running trials");
    }
    int status = print_table(&n_running, now, running_text_sql, memory);
    fclose(memory);
    if (status == ESP_OK && n_running > 0) {
        fprintf(out, "\n%s", table);
    }
    free(table);
    ESP_TRY(status);
    ESP_TRY(count_failed(&n_failed, now));
    fprintf(out, "\n%s", now->n_alive > 0 ? "" : "nothing runs");
    if (now->n_alive > 0) {
        fprintf(out, "%zu trial%s running", now->n_alive, now->n_alive == 1 ? "" : "s");
    }
    if (n_running > now->n_alive) {
        fprintf(out, "; %zu cut off: the same `espalier run` goes on with %s",
                n_running - now->n_alive, n_running - now->n_alive == 1 ? "it" : "them");
    }
    if (n_failed > 0) {
        fprintf(out, "; %lld failed: `espalier query failed` says why", (long long)n_failed);
    }
    fputs("\n", out);
    return ESP_OK;
}

static int print_json(const moment *now, FILE *out)
{
    static const char *const names[] = {"studies", "trials"};
    static const char *const texts[] = {studies_sql, running_json_sql};
    int status = ESP_OK;
    json_t *object =
        json_pack("{s:s, s:b}", "database", esp_store_path(now->store), "runner", now->has_runner);
    for (int i = 0; i < 2 && status == ESP_OK; i++) {
        esp_rows *rows = NULL;
        json_t *array = NULL;
        status = rows_at(&rows, now, texts[i]);
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
    moment now = {.has_runner = false};
    ESP_TRY(esp_store_open(&now.store, path, ESP_STORE_READ));
    now.has_runner = esp_store_has_runner(path);
    int status = find_alive(&now);
    if (status == ESP_OK) {
        status = format == ESP_ROWS_JSON ? print_json(&now, out) : print_text(&now, out);
    }
    *runs = now.has_runner;
    free(now.alive);
    esp_store_close(now.store);
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
            printf("\033[H\033[2J%s", screen);
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
        {&esp_format_argp, 0, NULL, 0}, {&esp_database_argp, 0, NULL, 0}, {0}};
    static const struct argp parser = {
        .options = options,
        .parser = parse_option,
        .children = shared,
        .doc = "Shows the studies of the results database with their trials by state, and for each "
               "running trial where it runs, how far it is, its rate and the time left.\v"
               "Formats: text and json. The rate is that of the last 20 epochs; early stopping may "
               "end a trial sooner. A trial whose runner was killed is cut off and counts as "
               "interrupted. It only reads, and holds no run up.\n\n"
               "examples:\n"
               "  espalier status\n"
               "  espalier status --watch\n"
               "  espalier status --format json --db results/espalier.db"};
    argp_err_exit_status = esp_exit_code(ESP_USAGE);
    arguments given = {0};
    if (argp_parse(&parser, argc, argv, 0, NULL, &given) != 0) {
        return esp_fail(ESP_USAGE, "`espalier status --help` shows how it is used");
    }
    esp_row_format format;
    bool runs = false;
    const char *path = esp_store_default_path(given.database);
    ESP_TRY(esp_row_format_parse(&format, given.format_name));
    if (format != ESP_ROWS_TEXT && format != ESP_ROWS_JSON) {
        return esp_fail(ESP_USAGE, "status has no format '%s': text or json", given.format_name);
    }
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
