/* What the seeds of a study can find: its contrasts, the sds that the database knows of. */
#include "cli/plan_power.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/status.h"
#include "report/stats.h"
#include "statistics/differences.h"
#include "statistics/power.h"
#include "statistics/ranks.h"
#include "statistics/sample.h"
#include "study/schema.h"

const double esp_power_wanted = 0.8;

int esp_power_wish_parse(esp_power_wish *out, const char *text)
{
    char *end = NULL;
    const double value = strtod(text, &end);
    const bool percent = strcmp(end, "%") == 0, in_sds = strcmp(end, "sd") == 0;
    if (end == text || (*end != '\0' && !percent && !in_sds) || !(value > 0) || isinf(value)) {
        return esp_fail(ESP_USAGE,
                        "--power takes a difference such as 0.002, 0.2%% or 0.5sd, not '%s'", text);
    }
    *out = (esp_power_wish){percent ? value / 100 : value, in_sds};
    return ESP_OK;
}

/* ---- contrasts ------------------------------------------------------------------------------- */

static const esp_store_param *params_of(esp_power *power, const esp_key_value *from, int n)
{
    esp_store_param *out = esp_pool_take(&power->pool, ((size_t)n + 1) * sizeof *out);
    for (int i = 0; out != NULL && i < n; i++) {
        out[i] = (esp_store_param){from[i].key, from[i].value};
    }
    return out;
}

/* Appends a pair of cells, twice as much room taken where it is short. */
static int add_contrast(esp_power *power, int a, int b)
{
    const size_t n = (size_t)power->n_contrasts;
    if ((n & (n - 1)) == 0) {
        esp_power_contrast *more = esp_pool_take(&power->pool, (n > 0 ? 2 * n : 1) * sizeof *more);
        ESP_TRY(esp_pool_status(&power->pool));
        if (n > 0) {
            memcpy(more, power->contrasts, n * sizeof *more);
        }
        power->contrasts = more;
    }
    power->contrasts[power->n_contrasts++] = (esp_power_contrast){.a = a, .b = b};
    return ESP_OK;
}

/* Every cell against its reference. */
static int add_references(esp_power *power)
{
    const esp_study *study = power->study;
    for (int a = 0; a < study->n_cells; a++) {
        if (study->cells[a].reference >= 0 && study->cells[a].reference != a) {
            ESP_TRY(add_contrast(power, a, study->cells[a].reference));
        }
    }
    return ESP_OK;
}

/* The pairs that the study lists. */
static int add_listed(esp_power *power)
{
    const esp_study *study = power->study;
    esp_contrast_cell *cells = esp_pool_take(&power->pool, (size_t)study->n_cells * sizeof *cells);
    ESP_TRY(esp_pool_status(&power->pool));
    for (int i = 0; i < study->n_cells; i++) {
        const esp_cell *cell = &study->cells[i];
        cells[i] = (esp_contrast_cell){.variant = cell->variant,
                                       .n_params = cell->n_params,
                                       .n_swept = cell->n_swept,
                                       .params = params_of(power, cell->params, cell->n_params),
                                       .swept = params_of(power, cell->swept, cell->n_swept)};
    }
    ESP_TRY(esp_pool_status(&power->pool));
    for (int c = 0; c < power->section.n_contrasts; c++) {
        const esp_contrast *contrast = &power->section.contrasts[c];
        for (int a = 0; a < study->n_cells; a++) {
            const bool of_side = esp_contrast_is(&cells[a], &contrast->sides[0]);
            for (int b = 0; of_side && b < study->n_cells; b++) {
                if (b != a && esp_contrast_is(&cells[b], &contrast->sides[1]) &&
                    esp_contrast_agree(&cells[a], &cells[b], contrast->sides)) {
                    ESP_TRY(add_contrast(power, a, b));
                }
            }
        }
    }
    return ESP_OK;
}

/* ---- what the database knows ----------------------------------------------------------------- */

static const char value_of_trial[] =
    "SELECT v.value FROM selection s CROSS JOIN wide_value v ON v.trial = s.trial"
    " AND v.epoch = s.epoch WHERE s.trial = :trial AND s.at = :at AND v.split = :split"
    " AND v.metric = :metric AND v.value IS NOT NULL"
    " UNION ALL SELECT v.value FROM selection s CROSS JOIN tall_value v ON v.trial = s.trial"
    " AND v.epoch = s.epoch WHERE s.trial = :trial AND s.at = :at AND v.split = :split"
    " AND v.metric = :metric";

/* The first epoch as good as a value, as the report's epochs_to_<metric> has it. */
static const char first_epoch_of_trial[] =
    "SELECT min(epoch) FROM (SELECT epoch, value FROM wide_value WHERE trial = :trial"
    " AND split = :split AND metric = :metric UNION ALL SELECT epoch, value FROM tall_value"
    " WHERE trial = :trial AND split = :split AND metric = :metric)"
    " WHERE CASE WHEN :lower THEN value <= :value ELSE value >= :value END";

/* What a query gives for a trial; NaN where it gives nothing. value NaN: not asked for. */
static int ask_trial(double *out, esp_store *store, const esp_power *power, int64_t trial,
                     double value)
{
    const char *dot = strchr(power->metric, '.'), *name = esp_metric_epochs_to(dot + 1);
    name = name != NULL ? name : dot + 1;
    const bool first_epoch = !isnan(value);
    esp_rows *rows = NULL;
    bool has_row = false;
    int status = ESP_OK;
    ESP_TRY_OUT(esp_rows_open(&rows, store, first_epoch ? first_epoch_of_trial : value_of_trial));
    ESP_TRY_OUT(esp_rows_bind_integer(rows, ":trial", trial));
    ESP_TRY_OUT(esp_rows_bind_text(rows, ":split", power->split));
    ESP_TRY_OUT(esp_rows_bind_text(rows, ":metric", name));
    if (first_epoch) {
        ESP_TRY_OUT(esp_rows_bind_real(rows, ":value", value));
        ESP_TRY_OUT(esp_rows_bind_integer(rows, ":lower", esp_better_of(name) == ESP_BETTER_LOWER));
    } else {
        ESP_TRY_OUT(esp_rows_bind_text(rows, ":at", power->at));
    }
    ESP_TRY_OUT(esp_rows_step(rows, &has_row));
    *out = has_row ? esp_rows_real(rows, 0) : NAN;
out:
    esp_rows_close(rows);
    return status;
}

/* The metric's value of a trial that is done; NaN where there is none. */
static int read_value(double *out, esp_store *store, const esp_power *power,
                      const esp_store_trial *trial)
{
    *out = NAN;
    if (store == NULL || trial->status != ESP_TRIAL_DONE) {
        return ESP_OK;
    }
    ESP_TRY(ask_trial(out, store, power, trial->key, NAN));
    const bool epochs = esp_metric_epochs_to(strchr(power->metric, '.') + 1) != NULL;
    return epochs && !isnan(*out) ? ask_trial(out, store, power, trial->key, *out) : ESP_OK;
}

/* The first trial of a cell, and how many follow it; a study has them cell by cell. */
static int trials_of(int *n, const esp_study *study, int cell)
{
    int first = -1;
    *n = 0;
    for (int i = 0; i < study->n_trials; i++) {
        if (study->trials[i].cell == cell) {
            first = first < 0 ? i : first;
            (*n)++;
        }
    }
    return first;
}

static bool same_seed(const esp_trial *a, const esp_trial *b)
{
    return a->seed_init == b->seed_init && a->seed_order == b->seed_order &&
           a->seed_noise == b->seed_noise;
}

/* Counts a contrast's seeds; its pairs' values, [study->n_trials] of room each, give its sds. */
static void measure(esp_power_contrast *contrast, const esp_study *study, const double *values,
                    double *of_a, double *of_b)
{
    int n_a = 0, n_b = 0;
    const int first_a = trials_of(&n_a, study, contrast->a);
    const int first_b = trials_of(&n_b, study, contrast->b);
    for (int i = first_a; i < first_a + n_a; i++) {
        for (int k = first_b; k < first_b + n_b; k++) {
            const esp_trial *one = &study->trials[i], *other = &study->trials[k];
            if (!same_seed(one, other)) {
                continue;
            }
            contrast->seeds += one->asked_for && other->asked_for;
            if (!isnan(values[i]) && !isnan(values[k])) {
                of_a[contrast->pairs] = values[i];
                of_b[contrast->pairs++] = values[k];
            }
            break;
        }
    }
    contrast->sd_a = contrast->sd_b = contrast->sd_difference = NAN;
    contrast->correlation = esp_correlation(of_a, of_b, contrast->pairs);
    if (contrast->pairs >= ESP_LEAST_FOR_P) {
        contrast->source = ESP_POWER_CELLS;
        contrast->sd_a = esp_moments_of(of_a, contrast->pairs).sd;
        contrast->sd_b = esp_moments_of(of_b, contrast->pairs).sd;
        for (int i = 0; i < contrast->pairs; i++) {
            of_a[i] -= of_b[i];
        }
        contrast->sd_difference = esp_moments_of(of_a, contrast->pairs).sd;
    }
}

/* A contrast without results of its own is judged by those of the study's others, their variances
 * averaged by degrees of freedom. */
static void borrow(esp_power *power)
{
    double freedom = 0, sides = 0, differences = 0;
    for (int i = 0; i < power->n_contrasts; i++) {
        const esp_power_contrast *one = &power->contrasts[i];
        if (one->source == ESP_POWER_CELLS) {
            const double df = one->pairs - 1;
            freedom += df;
            sides += df * (one->sd_a * one->sd_a + one->sd_b * one->sd_b) / 2;
            differences += df * one->sd_difference * one->sd_difference;
        }
    }
    for (int i = 0; i < power->n_contrasts && freedom > 0; i++) {
        esp_power_contrast *one = &power->contrasts[i];
        if (one->source == ESP_POWER_NOTHING) {
            one->source = ESP_POWER_STUDY;
            one->sd_a = one->sd_b = sqrt(sides / freedom);
            one->sd_difference = sqrt(differences / freedom);
        }
    }
}

static int measure_all(esp_power *power, const esp_store_trial *trials, esp_store *store)
{
    const esp_study *study = power->study;
    double *values = malloc(3 * ((size_t)study->n_trials + 1) * sizeof *values);
    if (values == NULL) {
        return esp_fail(ESP_MEMORY, "out of memory");
    }
    double *of_a = values + study->n_trials, *of_b = of_a + study->n_trials;
    int status = ESP_OK;
    for (int i = 0; i < study->n_trials; i++) {
        ESP_TRY_OUT(read_value(&values[i], store, power, &trials[i]));
    }
    for (int i = 0; i < power->n_contrasts; i++) {
        measure(&power->contrasts[i], study, values, of_a, of_b);
    }
    borrow(power);
out:
    free(values);
    return status;
}

/* ---- power ----------------------------------------------------------------------------------- */

static void judge(esp_power_contrast *contrast, const esp_power *power)
{
    const double alpha = 1 - power->section.confidence, wish = power->wish.value;
    const int n = contrast->seeds;
    contrast->paired = contrast->welch = NAN;
    if (contrast->source == ESP_POWER_NOTHING) {
        return;
    }
    contrast->paired = contrast->sd_difference * esp_paired_detectable(n, alpha, esp_power_wanted);
    contrast->welch =
        contrast->sd_a > 0 || contrast->sd_b > 0
            ? esp_welch_detectable(contrast->sd_a, n, contrast->sd_b, n, alpha, esp_power_wanted)
            : 0;
    if (wish > 0 && !power->wish.in_sds) {
        const double either =
            sqrt((contrast->sd_a * contrast->sd_a + contrast->sd_b * contrast->sd_b) / 2);
        contrast->paired_seeds =
            esp_paired_seeds(wish / contrast->sd_difference, alpha, esp_power_wanted);
        contrast->welch_seeds = esp_welch_seeds(wish / either, alpha, esp_power_wanted);
    }
}

static esp_power_row row_of(int n, double alpha)
{
    enum { DRAWS = 4000, SEED = 1 };
    esp_power_row row = {.seeds = n, .alpha = alpha};
    row.paired = esp_paired_detectable(n, alpha, esp_power_wanted);
    row.welch = esp_welch_detectable(1, n, 1, n, alpha, esp_power_wanted);
    row.ratio = esp_spread_detectable(n, n, alpha, esp_power_wanted);
    row.brown_forsythe =
        isnan(row.ratio) ? NAN : esp_brown_forsythe_power(row.ratio, n, n, alpha, DRAWS, SEED);
    row.failures = esp_fisher_detectable(n, 0, n, alpha, esp_power_wanted);
    row.signed_rank = esp_signed_rank_smallest_p(n);
    row.mann_whitney = esp_mann_whitney_smallest_p(n, n);
    return row;
}

static bool has_row(const esp_power *power, int seeds)
{
    for (int i = 0; i < power->n_rows; i++) {
        if (power->rows[i].seeds == seeds) {
            return true;
        }
    }
    return false;
}

/* Each number of seeds that a contrast has: for one test, and for the first of all under Holm. */
static int make_rows(esp_power *power)
{
    const double alpha = 1 - power->section.confidence;
    power->rows =
        esp_pool_take(&power->pool, 2 * ((size_t)power->n_contrasts + 1) * sizeof *power->rows);
    ESP_TRY(esp_pool_status(&power->pool));
    for (int i = 0; i < power->n_contrasts; i++) {
        const int n = power->contrasts[i].seeds;
        if (n == 0 || has_row(power, n)) {
            continue;
        }
        power->rows[power->n_rows++] = row_of(n, alpha);
        if (power->n_contrasts > 1) {
            power->rows[power->n_rows++] = row_of(n, alpha / power->n_contrasts);
        }
    }
    return ESP_OK;
}

/* Whether the epoch that `at` names is chosen, or was trained, by looking at the test set. */
static bool is_by_test(const esp_study *study, const char *at)
{
    const char *further = strchr(at, ':');
    bool by_test = further != NULL && strncmp(further + 1, "test.", 5) == 0;
    for (int i = 0; i < study->n_cells; i++) {
        const esp_cell *cell = &study->cells[i];
        by_test = by_test || esp_cell_trains_by_test(cell) ||
                  (strcmp(at, "selected") == 0 && cell->n_monitors > 0 &&
                   cell->monitors[0].split == ESP_TEST);
    }
    return by_test;
}

static bool ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

int esp_power_make(esp_power *out, const esp_study *study, const esp_store_trial *trials,
                   esp_store *store, const char *database, const esp_power_wish *wish)
{
    *out = (esp_power){.study = study, .database = database, .wish = *wish};
    ESP_TRY(esp_report_section_parse(&out->section, study->report, &out->pool));
    const esp_report_section *section = &out->section;
    out->metric = section->primary != NULL ? section->primary
                  : section->metrics.n > 0 ? section->metrics.at[0]
                                           : "test.hard_accuracy";
    out->split = esp_pool_format(&out->pool, "%.*s", (int)strcspn(out->metric, "."), out->metric);
    out->at = section->ats.n > 0 ? section->ats.at[0] : "selected";
    out->is_accuracy = ends_with(out->metric, "accuracy") &&
                       esp_metric_epochs_to(strchr(out->metric, '.') + 1) == NULL;
    if (out->is_accuracy && !wish->in_sds && wish->value > 1) {
        return esp_fail(ESP_USAGE, "--power: %s is a fraction: write 0.5%% or 0.005, not %g",
                        out->metric, wish->value);
    }
    out->by_test = is_by_test(study, out->at);
    ESP_TRY(section->n_contrasts > 0 ? add_listed(out) : add_references(out));
    ESP_TRY(measure_all(out, trials, store));
    const double alpha = 1 - section->confidence;
    for (int i = 0; i < out->n_contrasts; i++) {
        judge(&out->contrasts[i], out);
    }
    if (wish->in_sds) {
        out->wish_paired = esp_paired_seeds(wish->value, alpha, esp_power_wanted);
        out->wish_welch = esp_welch_seeds(wish->value, alpha, esp_power_wanted);
    }
    return make_rows(out);
}

void esp_power_free(esp_power *power)
{
    esp_pool_free(&power->pool);
}
