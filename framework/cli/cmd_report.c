/* espalier report: a study's results as tables. */
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/options.h"
#include "cli/published_values.h"
#include "core/file.h"
#include "core/log.h"
#include "core/place.h"
#include "core/status.h"
#include "core/text.h"
#include "report/figure.h"
#include "report/render.h"
#include "report/study_names.h"
#include "study/study.h"

enum {
    MAX_NAMES = 64,
    OPTION_DB = 256,
    OPTION_AT,
    OPTION_REVISION,
    OPTION_STATISTICS,
    OPTION_VARIANCE,
    OPTION_QUERIES,
    OPTION_FIGURES,
    OPTION_FIGURE_FORMAT
};

typedef struct arguments {
    const char *studies[MAX_NAMES], *database, *output;
    const esp_report_format *format;
    bool statistics, queries, variance;
    bool asks_for_report;      /* by an option that is of the report alone */
    const char *figures;       /* the folder they are written to; NULL: none */
    const char *figure_format; /* as it was given */
    unsigned figure_formats;
    int n_studies, revision, n_metrics, n_ats;
    const char *metrics[MAX_NAMES], *ats[MAX_NAMES];
} arguments;

static const struct argp_option options[] = {
    {"db", OPTION_DB, "FILE", 0, "results database (ESPALIER_DB, else results/espalier.db)", 0},
    {"at", OPTION_AT, "EPOCH", 0, "selected, last or selected:<metric>; more than once for several",
     0},
    {"metric", 'm', "SPLIT.METRIC", 0, "in place of the study's; more than once for several", 0},
    {"revision", OPTION_REVISION, "N", 0, "an earlier revision than the one run last", 0},
    {"format", 'f', "FORMAT", 0, "text (default), md, csv, json, latex or html", 0},
    {"statistics", OPTION_STATISTICS, NULL, 0,
     "every interval and test of every metric, not only of the primary one", 0},
    {"variance", OPTION_VARIANCE, NULL, 0,
     "where the variance over seeds comes from, of the primary metric", 0},
    {"queries", OPTION_QUERIES, NULL, 0, "the SQL behind each table", 0},
    {"output", 'o', "FILE", 0, "a file in place of standard output, written whole or not at all",
     0},
    {"figures", OPTION_FIGURES, "DIRECTORY", 0,
     "write the study's figures there, NAME.csv and what draws it (gnuplot, matplotlib, R), and "
     "print the files instead of the report",
     0},
    {"figure-format", OPTION_FIGURE_FORMAT, "LIST", 0, "svg (default), pdf, png; with commas", 0},
    {0},
};

static error_t parse(int key, char *value, struct argp_state *state)
{
    arguments *given = state->input;
    char *end = NULL;
    switch (key) {
    case OPTION_DB:
        given->database = esp_option_database(state, value);
        return 0;
    case OPTION_AT:
    case 'm': {
        int *n = key == 'm' ? &given->n_metrics : &given->n_ats;
        if (*n == MAX_NAMES) {
            argp_error(state, "more than %d of them", MAX_NAMES);
        }
        (key == 'm' ? given->metrics : given->ats)[(*n)++] = value;
        return 0;
    }
    case OPTION_REVISION:
        given->revision = (int)strtol(value, &end, 10);
        if (*end != '\0' || given->revision < 1) {
            argp_error(state, "--revision: expected a number from 1, found '%s'", value);
        }
        return 0;
    case OPTION_STATISTICS:
        given->statistics = given->asks_for_report = true;
        return 0;
    case OPTION_VARIANCE:
        given->variance = given->asks_for_report = true;
        return 0;
    case OPTION_QUERIES:
        given->queries = given->asks_for_report = true;
        return 0;
    case 'o':
        given->output = value;
        return 0;
    case OPTION_FIGURES:
        given->figures = value;
        return 0;
    case OPTION_FIGURE_FORMAT:
        given->figure_format = value;
        if (esp_figure_formats(&given->figure_formats, value) != ESP_OK) {
            argp_error(state, "%s", esp_message());
        }
        return 0;
    case 'f':
        given->asks_for_report = true;
        if (esp_report_format_find(&given->format, value) != ESP_OK) {
            argp_error(state, "%s", esp_message());
        }
        return 0;
    case ARGP_KEY_ARG:
        if (given->n_studies == MAX_NAMES) {
            argp_error(state, "more than %d studies", (int)MAX_NAMES);
        }
        given->studies[given->n_studies++] = value;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "which study? `espalier ls` lists them");
        return 0;
    case ARGP_KEY_END:
        if (given->figure_format != NULL && given->figures == NULL) {
            argp_error(state, "--figure-format %s is of figures: name their folder by --figures",
                       given->figure_format);
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp parser = {
    options,
    parse,
    "STUDY[@REVISION][:VARIANT]...|FILE.yaml",
    "Prints a study's results: mean, sd, variance and best ± spread over seeds of every cell,"
    " compared with the reference variant and with published values.\v"
    "A name uses the report section stored with the study; a file its own. STUDY@2 is revision 2."
    " Several, also variants, are reported beside each other: cells of the first are the reference"
    " of those of the others.\n"
    "\n"
    "examples:\n"
    "  espalier report quickstart\n"
    "  espalier report table1 --at last --metric test.hard_accuracy --format md\n"
    "  espalier report experiments/table1.yaml --format csv > table1.csv\n"
    "  espalier report table1 --format latex -o table1.tex\n"
    "  espalier report init_or_order --variance\n"
    "  espalier report quickstart@1 quickstart@2\n"
    "  espalier report quickstart --format html -o quickstart.html\n"
    "  espalier report quickstart --figures figures --figure-format svg,pdf\n",
    NULL,
    NULL,
    NULL,
};

static bool names_a_file(const char *text)
{
    size_t n = strlen(text);
    return strchr(text, '/') != NULL || (n > 5 && strcmp(text + n - 5, ".yaml") == 0) ||
           (n > 4 && strcmp(text + n - 4, ".yml") == 0);
}

/* Whether the report itself goes to standard output: figures alone print what they wrote. */
static bool is_printed(const arguments *given)
{
    return given->output == NULL && (given->figures == NULL || given->asks_for_report);
}

/* Writes the figures that the section asks for. One that cannot be drawn does not keep back the
 * data of the others. */
static int write_figures(const arguments *given, esp_store *store, const esp_report *report)
{
    const esp_figure_wishes *figures = &report->section.figures;
    int status = ESP_OK;
    if (figures->n == 0) {
        esp_log_note("note: the report section of %s asks for no figures; add them there, such as"
                     " figures: [learning_curve, seed_dots]",
                     report->study);
    }
    ESP_TRY(esp_file_make_directories(given->figures));
    for (int i = 0; i < figures->n; i++) {
        esp_figure *figure = NULL;
        ESP_TRY(esp_figure_make(&figure, store, report, &figures->at[i]));
        const int written = esp_figure_write(figure, given->figures, given->figure_formats,
                                             is_printed(given) ? stderr : stdout);
        if (written == ESP_OK && figure->empty != NULL) {
            esp_log_note("%s/%s: %s", given->figures, figure->name, figure->empty);
        }
        status = status == ESP_OK ? written : status;
        esp_figure_free(figure);
    }
    return status;
}

/* That nothing it writes is something it reads. */
static int spare_inputs(const arguments *given, const char *database, const esp_study *study,
                        const esp_report *report)
{
    esp_inputs inputs = {0};
    const esp_figure_wishes *figures = &report->section.figures;
    int status = ESP_OK;
    esp_store_inputs(&inputs, database);
    esp_inputs_add(&inputs, study != NULL ? study->path : NULL, "the study's file");
    esp_inputs_add(&inputs, report->published != NULL ? report->published->path : NULL,
                   "the file of published values");
    ESP_TRY_OUT(esp_inputs_spare(&inputs, given->output));
    for (int i = 0; given->figures != NULL && i < figures->n; i++) {
        for (const char *const *suffix = esp_figure_suffixes; *suffix != NULL; suffix++) {
            char *path = esp_text_format("%s/%s.%s", given->figures, figures->at[i].name, *suffix);
            status = path != NULL ? esp_inputs_spare(&inputs, path)
                                  : esp_fail(ESP_MEMORY, "no memory for a path");
            free(path);
            ESP_TRY_OUT(status);
        }
    }
out:
    esp_inputs_free(&inputs);
    return status;
}

/* To standard output, or into a file that appears whole or not at all. */
static int write_report(const arguments *given, esp_report *report)
{
    if (given->output == NULL) {
        return given->format->render(stdout, report);
    }
    char *text = NULL;
    size_t length = 0;
    FILE *memory = open_memstream(&text, &length);
    if (memory == NULL) {
        return esp_fail(ESP_MEMORY, "no memory for the report");
    }
    int status = given->format->render(memory, report);
    if (fclose(memory) != 0 && status == ESP_OK) {
        status = esp_fail(ESP_MEMORY, "no memory for the report");
    }
    if (status == ESP_OK) {
        status = esp_file_write(given->output, text, length);
    }
    free(text);
    return status;
}

/* folder: the study's; NULL: where the studies lie that came with the program. */
static int report_study(const arguments *given, const esp_study *study, const char *folder)
{
    char *data = esp_place_data();
    char *ours = data != NULL ? esp_text_format("%s/experiments", data) : NULL;
    esp_report_request request = {
        .study = study != NULL ? study->name : NULL,
        .section = study != NULL ? study->report : NULL,
        .text = study != NULL ? study->text : NULL,
        .study_folder = folder != NULL ? folder : ours,
        .source_folder = data,
        .revision = given->revision,
        .statistics = given->statistics,
        .queries = given->queries,
        .variance = given->variance,
        .n_metrics = given->n_metrics,
        .metrics = given->metrics,
        .n_ats = given->n_ats,
        .ats = given->ats,
    };
    esp_store *store = NULL;
    esp_report *report = NULL;
    char *name = NULL;
    int status = ESP_OK;
    const char *database = esp_store_default_path(given->database);
    ESP_TRY_OUT(esp_store_open(&store, database, ESP_STORE_READ));
    ESP_TRY_OUT(study != NULL
                    ? esp_study_must_exist(store, request.study)
                    : esp_report_choose(&name, &request, store, given->studies, given->n_studies));
    if (request.beside && given->queries) {
        status = esp_fail(ESP_USAGE, "--queries takes one study: name a revision as STUDY@1");
        goto out;
    }
    ESP_TRY_OUT(esp_report_load(&report, store, &request));
    ESP_TRY_OUT(spare_inputs(given, database, study, report));
    if (given->output != NULL || is_printed(given)) {
        ESP_TRY_OUT(write_report(given, report));
    }
    if (report->undrawn != NULL) {
        fflush(stdout);
        esp_log_note("note: %s", report->undrawn);
    }
    if (given->n_metrics == 0 &&
        !request.beside) { /* of the section's own, which are what a run stores */
        fflush(stdout);
        esp_published_compare(store, report);
    }
    if (given->figures != NULL) {
        status = write_figures(given, store, report);
    }
out:
    esp_report_free(report);
    esp_store_close(store);
    free(name);
    free(ours);
    free(data);
    return status;
}

static int run(int argc, char **argv)
{
    arguments given = {.figure_formats = ESP_FIGURE_SVG};
    ESP_TRY(esp_report_format_find(&given.format, "text"));
    esp_argp_parse(&parser, argc, argv, &given);
    for (int i = 0; i < given.n_studies; i++) {
        if (given.n_studies > 1 && names_a_file(given.studies[i])) {
            return esp_fail(ESP_USAGE,
                            "%s is a file, and it is reported alone: run it, and name the study",
                            given.studies[i]);
        }
    }
    if (!names_a_file(given.studies[0])) {
        return report_study(&given, NULL, NULL);
    }
    esp_registry *registry = NULL;
    esp_study *study = NULL;
    char *folder = esp_folder_of(given.studies[0]);
    int status = folder == NULL ? esp_fail(ESP_MEMORY, "no memory for a path") : ESP_OK;
    ESP_TRY_OUT(status);
    ESP_TRY_OUT(esp_registry_create(&registry));
    ESP_TRY_OUT(
        esp_study_load(&study, given.studies[0], &(esp_study_options){0}, registry, stderr));
    ESP_TRY_OUT(report_study(&given, study, folder));
out:
    esp_study_free(study);
    esp_registry_destroy(registry);
    free(folder);
    return status;
}

const esp_command esp_cmd_report = {
    "report", "a study's results as tables: variance over seeds, references, published values",
    run};
