/* What storing results costs: a database of any size, written as a run writes it. */
#ifndef ESP_RUN_BENCH_STORE_H
#define ESP_RUN_BENCH_STORE_H

#include "plugin/registry.h"
#include "store/writer_figures.h"

enum { ESP_BENCH_TRIALS_A_STUDY = 100 };

typedef struct esp_bench_fill {
    int n_studies;
    int64_t n_epochs; /* posted: trials x epochs, the untrained networks apart */
    double seconds;   /* of the writer's life */
    double floor;     /* that SQLite alone takes for the rows of these epochs (writer_figures.h) */
    int64_t bytes;    /* of the finished database */
    esp_writer_figures writer;
} esp_bench_fill;

/* Writes studies bench_000, bench_001, ... of 100 trials each (2 variants x 5 learning rates x 10
 * seeds, 16 leaves and a master leaf) into a new database, through the writer: every metric and
 * leaf count that a run of them would log, with made-up values. One trial of 50 fails half-way;
 * the last two are cut off. The studies' files stay in folder. step, or NULL, is told of every
 * trial. Errors: ESP_STORE, ESP_IO, ESP_MEMORY. Thread: one. */
int esp_bench_fill_store(esp_bench_fill *out, const char *database, const char *folder,
                         const esp_registry *registry, int n_trials, int n_epochs,
                         void (*step)(int trial, int n_trials));

/* Provenance of this program and machine (run/environment.h), owned by the caller (free). Errors:
 * ESP_IO, ESP_MEMORY. Thread: one, before others start. */
int esp_bench_describe(char **out, const char *folder, const esp_registry *registry);

/* The name of a study of that database, which the caller frees; NULL: no memory. */
char *esp_bench_study_name(int study);

typedef struct esp_bench_logging {
    int n_epochs;
    double trial_seconds, epoch_seconds; /* of the whole trial; of one epoch, evaluation included */
    double digest_seconds;               /* hashing the parameters, of all epochs */
    double share;                        /* (post + writer's CPU + digests) / trial_seconds */
    esp_writer_figures writer;
} esp_bench_logging;

/* Trains one trial (training width 16, leaf width 8, all three losses) on a data set as a run
 * does, into <folder>/logging.db, and measures what storing its epochs took. Errors: as those of
 * a run. Thread: one. */
int esp_bench_measure_logging(esp_bench_logging *out, const char *data, const char *folder,
                              const esp_registry *registry, int n_epochs);

#endif
