/* Arrays for NumPy, one file for each cell. Source of the format: numpy.lib.format, version 1.0. */
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/new_file.h"
#include "core/status.h"
#include "core/text.h"
#include "report/export_sql.h"

/* ---- one array: written in order, gaps filled -------------------------------------------------
 */

typedef struct array_file {
    esp_new_file file;
    bool is_real; /* doubles, gaps NaN; else 64-bit integers, gaps -1 */
    int64_t epochs, columns;
    int64_t written; /* elements */
} array_file;

static void write_element(array_file *array, double real, int64_t integer)
{
    fwrite(array->is_real ? (const void *)&real : &integer, 8, 1, array->file.out);
    array->written++;
}

static void fill_to(array_file *array, int64_t position)
{
    while (array->written < position) {
        write_element(array, NAN, -1);
    }
}

static int open_array(array_file *array, const char *path, int64_t trials)
{
    char header[256];
    const uint16_t one = 1;
    const char order = *(const unsigned char *)&one == 1 ? '<' : '>';
    ESP_TRY(esp_new_file_open(&array->file, path));
    int length =
        snprintf(header, sizeof header,
                 "{'descr': '%c%s', 'fortran_order': False, 'shape': (%lld, %lld, %lld), }", order,
                 array->is_real ? "f8" : "i8", (long long)trials, (long long)array->epochs,
                 (long long)array->columns);
    while ((10 + length + 1) % 64 != 0) { /* with magic, version and newline */
        header[length++] = ' ';
    }
    header[length++] = '\n';
    fwrite("\x93NUMPY\x01\x00", 1, 8, array->file.out);
    fputc(length & 0xff, array->file.out);
    fputc(length >> 8, array->file.out);
    fwrite(header, 1, (size_t)length, array->file.out);
    return ESP_OK;
}

/* ---- the folder -------------------------------------------------------------------------------
 */

enum { MOST_TRIES = 100 };

typedef struct folder {
    const char *temporary;
    esp_store *store;
    const esp_export_request *request;
    FILE *index, *metrics;
    int n_arrays;
} folder;

/* Where the export failed. */
static void remove_folder(const char *path)
{
    DIR *directory = opendir(path);
    const struct dirent *entry;
    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        char *name = entry->d_name[0] != '.' ? esp_text_format("%s/%s", path, entry->d_name) : NULL;
        if (name != NULL) {
            unlink(name);
        }
        free(name);
    }
    if (directory != NULL) {
        closedir(directory);
        rmdir(path);
    }
}

static void csv_text(FILE *out, const char *text)
{
    const bool plain = strpbrk(text, ",\"\r\n") == NULL;
    fputs(plain ? "" : "\"", out);
    for (; *text != '\0'; text++) {
        fputc(*text, out);
        if (*text == '"') {
            fputc('"', out);
        }
    }
    fputs(plain ? "" : "\"", out);
}

/* One integer of one row, with :cell bound. */
static int ask_integer(int64_t *out, const folder *to, const char *sql, int64_t cell)
{
    esp_rows *rows = NULL;
    bool has_row = false;
    int status = ESP_OK;
    *out = 0;
    ESP_TRY_OUT(esp_rows_open(&rows, to->store, sql));
    ESP_TRY_OUT(esp_rows_bind_integer(rows, ":cell", cell));
    ESP_TRY_OUT(esp_rows_step(rows, &has_row));
    *out = has_row ? esp_rows_integer(rows, 0) : 0;
out:
    esp_rows_close(rows);
    return status;
}

/* Appends the trial's values, rows of (epoch, column, value) in this order. */
static int append_trial(array_file *array, const folder *to, const char *sql, int64_t place,
                        int64_t trial)
{
    esp_rows *rows = NULL;
    bool has_row = false;
    int status = ESP_OK;
    ESP_TRY_OUT(esp_export_ask(&rows, to->store, to->request, sql));
    ESP_TRY_OUT(esp_rows_bind_integer(rows, ":trial", trial));
    for (;;) {
        ESP_TRY_OUT(esp_rows_step(rows, &has_row));
        if (!has_row) {
            break;
        }
        const int64_t epoch = esp_rows_integer(rows, 0), column = esp_rows_integer(rows, 1);
        const int64_t position = (place * array->epochs + epoch) * array->columns + column;
        if (column >= array->columns || epoch >= array->epochs || position < array->written) {
            status = esp_fail(ESP_STORE,
                              "%s: trial %lld, epoch %lld: more leaves or epochs than the others of"
                              " its cell have",
                              esp_store_path(to->store), (long long)trial, (long long)epoch);
            goto out;
        }
        fill_to(array, position);
        write_element(array, esp_rows_real(rows, 2), esp_rows_integer(rows, 2));
    }
out:
    esp_rows_close(rows);
    return status;
}

/* The cell's array under this name ("" where it would be empty), and its trials in the index.
 * values: SQL of a trial's values. */
static int write_cell(folder *to, array_file *array, const char *name, const char *split,
                      int64_t cell, const char *values)
{
    char *path = esp_text_format("%s/%s", to->temporary, name);
    esp_rows *trials = NULL;
    int64_t n_trials = 0;
    bool has_row = false;
    int status = path != NULL ? ESP_OK : esp_fail(ESP_MEMORY, "no memory for a path");
    ESP_TRY_OUT(status);
    ESP_TRY_OUT(
        ask_integer(&n_trials, to, "SELECT count(*) FROM cell_trial WHERE cell = :cell", cell));
    const bool empty = array->epochs * array->columns == 0;
    if (!empty) {
        ESP_TRY_OUT(open_array(array, path, n_trials));
        to->n_arrays++;
    }
    ESP_TRY_OUT(esp_rows_open(
        &trials, to->store,
        "SELECT t.study, t.revision, t.variant, t.cell, t.seed, t.seed_init, t.seed_order,"
        " t.seed_noise, t.trial_id, t.status, t.trial_key,"
        " (SELECT max(e.epoch) FROM epoch e WHERE e.trial = t.trial_key)"
        " FROM cell_trial ct CROSS JOIN cell c ON c.id = ct.cell CROSS JOIN revision r"
        " ON r.id = c.revision CROSS JOIN study s ON s.id = r.study CROSS JOIN study_trial t"
        " ON t.study = s.name AND t.revision = r.number AND t.cell_key = c.id"
        " AND t.trial_key = ct.trial WHERE ct.cell = :cell ORDER BY ct.ordinal"));
    ESP_TRY_OUT(esp_rows_bind_integer(trials, ":cell", cell));
    for (int64_t place = 0;; place++) {
        ESP_TRY_OUT(esp_rows_step(trials, &has_row));
        if (!has_row || place == n_trials) {
            break;
        }
        fprintf(to->index, "%s,%lld,", empty ? "" : name, (long long)place);
        if (split != NULL) {
            fprintf(to->index, "%s,", split);
        }
        for (int i = 0; i < 12; i++) {
            if (i != 10) {
                const char *text = esp_rows_text(trials, i);
                csv_text(to->index, text != NULL ? text : "");
                fputc(i < 11 ? ',' : '\n', to->index);
            }
        }
        if (!empty) {
            ESP_TRY_OUT(append_trial(array, to, values, place, esp_rows_integer(trials, 10)));
        }
    }
    if (!empty) {
        fill_to(array, n_trials * array->epochs * array->columns);
        status = esp_new_file_keep(&array->file);
    }
out:
    esp_new_file_drop(&array->file);
    esp_rows_close(trials);
    free(path);
    return status;
}

#define OF_CELL " FROM cell_trial ct CROSS JOIN epoch e ON e.trial = ct.trial WHERE ct.cell = :cell"

static int write_leaf_loads(folder *to, int number, int64_t cell, int64_t epochs)
{
    static const char *const splits[] = {"train", "validation", "test"};
    int status = ESP_OK;
    for (int i = 0; i < 3 && status == ESP_OK; i++) {
        array_file array = {.epochs = epochs};
        char name[64];
        char *size = esp_text_format("SELECT json_array_length(e.%s_leaf_counts)" OF_CELL
                                     " AND e.%s_leaf_counts IS NOT NULL LIMIT 1",
                                     splits[i], splits[i]);
        char *values = esp_text_format(
            "SELECT e.epoch, j.key, j.value FROM epoch e CROSS JOIN json_each(e.%s_leaf_counts) j"
            " WHERE e.trial = :trial ORDER BY e.epoch", /* the array's order within */
            splits[i]);
        snprintf(name, sizeof name, "cell-%04d-%s.npy", number, splits[i]);
        status = size == NULL || values == NULL ? esp_fail(ESP_MEMORY, "no memory for a query")
                                                : ask_integer(&array.columns, to, size, cell);
        if (status == ESP_OK) {
            status = write_cell(to, &array, name, splits[i], cell, values);
        }
        free(size);
        free(values);
    }
    return status;
}

/* The metrics that a cell has, numbered: the last axis. */
#define CELL_METRICS                                                                               \
    "SELECT m.id, m.split, m.name, row_number() OVER (ORDER BY m.id) - 1 AS place FROM metric m"   \
    " WHERE " ESP_EXPORT_METRIC " AND CASE WHEN m.id <= 14 THEN EXISTS (SELECT 1 FROM"             \
    " cell_trial ct CROSS JOIN wide_value v ON v.trial = ct.trial AND v.split = m.split"           \
    " AND v.metric = m.name WHERE ct.cell = :cell AND v.value IS NOT NULL)"                        \
    " ELSE m.id IN (SELECT x.metric FROM cell_trial ct CROSS JOIN epoch_metric x"                  \
    " ON x.trial = ct.trial WHERE ct.cell = :cell) END"

/* The places of the cell's metrics, as JSON that the query of the values reads. Owned by the
 * caller. */
static int name_metrics(char **places, int64_t *columns, folder *to, const char *file, int64_t cell)
{
    esp_rows *rows = NULL;
    bool has_row = false;
    size_t length = 0;
    int status = ESP_OK;
    FILE *out = open_memstream(places, &length);
    if (out == NULL) {
        return esp_fail(ESP_MEMORY, "no memory for the metrics");
    }
    ESP_TRY_OUT(esp_export_ask(&rows, to->store, to->request, CELL_METRICS));
    ESP_TRY_OUT(esp_rows_bind_integer(rows, ":cell", cell));
    for (*columns = 0;; ++*columns) {
        ESP_TRY_OUT(esp_rows_step(rows, &has_row));
        if (!has_row) {
            break;
        }
        fprintf(to->metrics, "%s,%lld,%s,", file, (long long)*columns, esp_rows_text(rows, 1));
        csv_text(to->metrics, esp_rows_text(rows, 2));
        fputc('\n', to->metrics);
        fprintf(out, "%s(%lld, %lld)", *columns > 0 ? ", " : "",
                (long long)esp_rows_integer(rows, 0), (long long)*columns);
    }
out:
    esp_rows_close(rows);
    if (fclose(out) != 0 && status == ESP_OK) {
        status = esp_fail(ESP_MEMORY, "no memory for the metrics");
    }
    return status;
}

static int write_metrics(folder *to, int number, int64_t cell, int64_t epochs)
{
    array_file array = {.is_real = true, .epochs = epochs};
    char name[64], *places = NULL, *values = NULL;
    int status = ESP_OK;
    snprintf(name, sizeof name, "cell-%04d.npy", number);
    ESP_TRY_OUT(name_metrics(&places, &array.columns, to, name, cell));
    values = esp_text_format(
        "WITH place (metric, place) AS (VALUES %s)"
        " SELECT v.epoch, p.place, v.value FROM place p CROSS JOIN metric m ON m.id = p.metric"
        " CROSS JOIN wide_value v ON v.split = m.split AND v.metric = m.name"
        " WHERE m.id <= 14 AND v.trial = :trial AND v.value IS NOT NULL UNION ALL"
        " SELECT x.epoch, p.place, x.value FROM epoch_metric x JOIN place p ON p.metric = x.metric"
        " WHERE x.metric > 14 AND x.trial = :trial ORDER BY 1, 2",
        array.columns > 0 ? places : "(0, 0)");
    status = values == NULL ? esp_fail(ESP_MEMORY, "no memory for a query")
                            : write_cell(to, &array, name, NULL, cell, values);
out:
    free(places);
    free(values);
    return status;
}

static int write_cells(folder *to)
{
    const bool loads = to->request->what == ESP_EXPORT_LEAF_LOAD;
    esp_rows *cells = NULL;
    bool has_row = false;
    int64_t epochs = 0;
    int status = ESP_OK;
    fprintf(to->index,
            "file,trial,%sstudy,revision,variant,cell,seed,seed_init,seed_order,"
            "seed_noise,trial_id,status,epochs\n",
            loads ? "split," : "");
    if (!loads) {
        fputs("file,metric,split,name\n", to->metrics);
    }
    /* Open to the end: all that is read is then of one moment. */
    ESP_TRY_OUT(esp_export_ask(&cells, to->store, to->request,
                               "SELECT t.cell_key FROM study_cell t WHERE " ESP_EXPORT_TRIALS));
    for (int number = 1;; number++) {
        ESP_TRY_OUT(esp_rows_step(cells, &has_row));
        if (!has_row) {
            break;
        }
        const int64_t cell = esp_rows_integer(cells, 0);
        ESP_TRY_OUT(ask_integer(&epochs, to, "SELECT max(e.epoch) + 1" OF_CELL, cell));
        ESP_TRY_OUT((loads ? write_leaf_loads : write_metrics)(to, number, cell, epochs));
    }
out:
    esp_rows_close(cells);
    return status;
}

static int write_folder(folder *to)
{
    esp_new_file index = {0}, metrics = {0};
    const bool loads = to->request->what == ESP_EXPORT_LEAF_LOAD;
    char *index_path = esp_text_format("%s/index.csv", to->temporary);
    char *metrics_path = esp_text_format("%s/metrics.csv", to->temporary);
    int status = index_path != NULL && metrics_path != NULL
                     ? ESP_OK
                     : esp_fail(ESP_MEMORY, "no memory for a path");
    ESP_TRY_OUT(status);
    ESP_TRY_OUT(esp_new_file_open(&index, index_path));
    to->index = index.out;
    if (!loads) {
        ESP_TRY_OUT(esp_new_file_open(&metrics, metrics_path));
        to->metrics = metrics.out;
    }
    ESP_TRY_OUT(write_cells(to));
    ESP_TRY_OUT(esp_new_file_keep(&index));
    if (!loads) {
        status = esp_new_file_keep(&metrics);
    }
out:
    esp_new_file_drop(&index);
    esp_new_file_drop(&metrics);
    free(index_path);
    free(metrics_path);
    return status;
}

static size_t without_slashes(const char *path)
{
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/') {
        length--;
    }
    return length;
}

/* Says what failed below the temporary folder under the name that the folder was to have. */
static int tell_by_name(int status, const char *temporary, const char *path)
{
    const char *message = esp_message(), *at = strstr(message, temporary);
    return at == NULL ? status
                      : esp_fail(status, "%.*s%s%s", (int)(at - message), message, path,
                                 at + strlen(temporary));
}

int esp_export_arrays(int *n_arrays, const char *path, esp_store *store,
                      const esp_export_request *request)
{
    struct stat found;
    if (request->what == ESP_EXPORT_RUNS) {
        return esp_fail(ESP_USAGE, "runs hold words, which an array does not: --format csv or "
                                   "jsonl; metrics and leaf_load are arrays");
    }
    if (stat(path, &found) == 0) {
        return esp_fail(ESP_USAGE, "'%s' is there already: name a folder that is not", path);
    }
    char *temporary = NULL;
    char *place = esp_text_format("%.*s", (int)without_slashes(path), path);
    char *real = place != NULL ? esp_file_resolve(place) : NULL;
    folder to = {.store = store, .request = request};
    int status = place == NULL  ? esp_fail(ESP_MEMORY, "no memory for a path")
                 : real == NULL ? esp_fail(ESP_IO, "%s: %s", path, strerror(errno))
                                : ESP_OK;
    ESP_TRY_OUT(status);
    for (int made = -1, i = 0; made != 0; i++) {
        free(temporary);
        temporary = esp_new_file_beside(real);
        made = temporary != NULL ? mkdir(temporary, 0777) : -1;
        if (made != 0 && (temporary == NULL || errno != EEXIST || i == MOST_TRIES)) {
            status = esp_fail(ESP_IO, "%s: %s", path, strerror(errno));
            goto out;
        }
    }
    to.temporary = temporary;
    status = write_folder(&to);
    if (status == ESP_OK && rename(temporary, real) != 0) {
        status = esp_fail(ESP_IO, "%s: %s", path, strerror(errno));
    }
    if (status != ESP_OK) {
        remove_folder(temporary);
        status = tell_by_name(status, temporary, place);
    }
    if (n_arrays != NULL) {
        *n_arrays = to.n_arrays;
    }
out:
    free(temporary);
    free(real);
    free(place);
    return status;
}
