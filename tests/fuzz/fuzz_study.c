/* Study files from bytes to trials. Lines at the start such as "#--set optimizer.kind=sgd",
 * "#--seeds 0..4" and "#--only ff" are the command line; to YAML they are comments. */
#include <jansson.h>
#include <string.h>

#include "core/status.h"
#include "core/text_pool.h"
#include "fuzz/memory_file.h"
#include "report/section.h"
#include "study/size.h"
#include "study/study.h"

enum { MAX_SETS = 4, MAX_WORD = 255 };

typedef struct command_line {
    esp_study_options options;
    const char *sets[MAX_SETS];
    char words[MAX_SETS + 2][MAX_WORD + 1];
    int n_words;
} command_line;

static memory_file file;
static esp_registry *registry;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    json_object_seed(1); /* else every process would hash, and hence branch, differently */
    /* Only what every machine knows: the published data sets by name. */
    setenv("ESPALIER_DATA_PATH", "/nonexistent", 1);
    setenv("XDG_CACHE_HOME", "/nonexistent", 1);
    file = memory_file_make();
    must(esp_registry_create(&registry) == ESP_OK, "no plugins");
    must(esp_registry_find(registry, ESP_LOSS, "cross_entropy") != NULL, "no plugins");
    return 0;
}

static void read_line(command_line *out, const char *line, size_t length)
{
    const char *space = memchr(line, ' ', length);
    if (space == NULL || length - (size_t)(space + 1 - line) > MAX_WORD ||
        out->n_words == MAX_SETS + 2) {
        return;
    }
    char *word = out->words[out->n_words++];
    memcpy(word, space + 1, length - (size_t)(space + 1 - line));
    if (strncmp(line, "#--set ", 7) == 0 && out->options.n_sets < MAX_SETS) {
        out->sets[out->options.n_sets++] = word;
    } else if (strncmp(line, "#--seeds ", 9) == 0) {
        out->options.seeds = word;
    } else if (strncmp(line, "#--only ", 8) == 0) {
        out->options.only = word;
    }
}

static void read_command_line(command_line *out, const char *text, size_t count)
{
    *out = (command_line){.options.sets = out->sets};
    const char *end = text + count, *newline = NULL;
    while (end - text > 3 && memcmp(text, "#--", 3) == 0 &&
           (newline = memchr(text, '\n', (size_t)(end - text))) != NULL) {
        read_line(out, text, (size_t)(newline - text));
        text = newline + 1;
    }
}

/* What callers take for granted of a study that was read. */
static void check(const esp_study *study)
{
    must(study->n_cells > 0 && study->n_trials > 0, "a sound study without trials");
    for (int i = 0; i < study->n_trials; i++) {
        const esp_trial *trial = &study->trials[i];
        must(trial->cell >= 0 && trial->cell < study->n_cells, "a trial without its cell");
        must(strlen(trial->id) == 16, "a trial without an id");
    }
    for (int i = 0; i < study->n_cells && i < 4; i++) {
        const esp_cell *cell = &study->cells[i];
        esp_size size;
        must(cell->n_phases > 0 && esp_cell_epochs(cell) >= cell->n_phases, "cells without epochs");
        must(cell->reference < study->n_cells, "a reference that is no cell");
        if (esp_size_of_cell(&size, cell) == ESP_OK) {
            must(size.parameters >= 1, "a model without parameters");
        }
    }
    esp_text_pool pool = {0};
    esp_report_section section;
    must(esp_report_section_parse(&section, study->report, &pool) == ESP_OK,
         "reports cannot read the report section");
    esp_pool_free(&pool);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    command_line line;
    char *words = NULL;
    size_t n_words = 0;
    esp_study *study = NULL;
    read_command_line(&line, (const char *)bytes, count);
    memory_file_set(&file, bytes, count);
    FILE *errors = open_memstream(&words, &n_words);
    must(errors != NULL, "no memory");
    int status = esp_study_load(&study, file.path, &line.options, registry, errors);
    fclose(errors);
    if (status == ESP_OK) {
        check(study);
    } else {
        must(study == NULL, "a refused study");
        must(status == ESP_STUDY && strstr(words, ": error: ") != NULL, "refused without a word");
    }
    free(words);
    esp_study_free(study);
    return 0;
}
