/* The results database. This folder is the only place that includes sqlite3.h. */
#ifndef ESP_STORE_STORE_H
#define ESP_STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/inputs.h"
#include "data/dataset.h"

typedef struct esp_store esp_store;

typedef enum esp_store_mode { ESP_STORE_READ, ESP_STORE_WRITE } esp_store_mode;

/* Opens the results database. WRITE creates it (folders too) or migrates an older one after a
 * backup; READ opens read-only and never waits for a writer for long. Refuses, unharmed, a file
 * that is not ours (application_id), newer than this program, damaged (files up to 256 MB are
 * checked whole), or without permission. Errors: ESP_STORE with path, reason and what to do;
 * ESP_NOT_FOUND (READ) where there is none. Thread: one at a time. */
int esp_store_open(esp_store **out, const char *path, esp_store_mode mode);
void esp_store_close(esp_store *store);
const char *esp_store_path(const esp_store *store);

/* Adds a database that is read, with all beside it: its log, lock and checkpoints. Thread: one. */
void esp_store_inputs(esp_inputs *inputs, const char *path);

/* Whether what comes beside a database at path is no input. Of the database itself, opening it
 * refuses what is none. Errors: ESP_USAGE, ESP_MEMORY. Thread: one. */
int esp_store_spare_beside(const esp_inputs *inputs, const char *path);

/* --db, else ESPALIER_DB, else results/espalier.db; a variable that is set and empty is none. */
const char *esp_store_default_path(const char *option);

/* The name of a file beside the database, "<path><suffix>", the same for all names of it: a
 * symbolic link is followed. Owned by the caller; NULL without memory. Thread: any. */
char *esp_store_beside(const char *path, const char *suffix);

/* ---- studies: what is planned ---------------------------------------------------------------- */

typedef struct esp_store_param {
    const char *key, *value;
} esp_store_param;

typedef struct esp_store_cell {
    const char *variant, *label;
    int reference;                 /* index of the reference cell, or -1 */
    bool unasked;                  /* this run asks for none of its trials */
    const char *config, *identity; /* JSON */
    int n_swept, n_params;
    const esp_store_param *swept, *params;
} esp_store_cell;

typedef enum esp_trial_status {
    ESP_TRIAL_PLANNED,
    ESP_TRIAL_RUNNING,
    ESP_TRIAL_DONE,
    ESP_TRIAL_FAILED,
    ESP_TRIAL_INTERRUPTED
} esp_trial_status;

/* "planned", "running", "done", "failed", "interrupted". */
const char *esp_trial_status_name(esp_trial_status status);

typedef struct esp_store_trial {
    int cell;
    const char *id; /* 16 hex digits */
    const char *seed;
    uint64_t seed_init, seed_order, seed_noise;
    /* set by esp_store_register: */
    int64_t key;
    esp_trial_status status;
    int epochs_done;        /* last epoch stored, 0 where none */
    int64_t latest_attempt; /* its key, 0 where none */
    bool displaces; /* this cell and seed had a trial of another identity, with epochs; register */
} esp_store_trial;

typedef struct esp_store_study {
    const char *name, *title, *source, *text;
    const char *overrides; /* JSON array of strings */
    const char *report;    /* JSON: report section and contrasts */
    const char *variants;  /* JSON array of names */
    int n_cells, n_trials;
    const esp_store_cell *cells;
    esp_store_trial *trials;
} esp_store_study;

/* Records a study's revision (the same text and overrides are the same revision; trials that other
 * studies hold are shared by id) and makes it the one run last. Fills key, status and epochs_done
 * of each trial. One transaction. Errors: ESP_STORE. Thread: one at a time. */
int esp_store_register(esp_store *store, esp_store_study *study);

/* Cells that a revision plans and that no run has asked for are rows (cell) of the table
 * unasked_cell. A database without this table has none, or does not know. *there: whether this one,
 * or what it shows, has it. Thread: the store's. */
int esp_store_has_unasked(bool *there, esp_store *store);

/* Key, status and epochs of trials by id, without writing. Unknown ids: key 0, PLANNED. */
int esp_store_lookup(esp_store *store, esp_store_trial *trials, int n_trials);

/* ---- what a run writes ----------------------------------------------------------------------- */

typedef enum esp_metric {
    ESP_SOFT_LOSS,
    ESP_HARD_LOSS,
    ESP_SOFT_ACCURACY,
    ESP_HARD_ACCURACY,
    ESP_N_METRICS
} esp_metric;

/* "soft_loss", ... */
const char *esp_metric_name(esp_metric metric);

typedef struct esp_extra_metric {
    esp_split split;
    const char *name; /* "loss.balance", "mixture_entropy", "master_leaf.k" */
    double value;     /* finite */
} esp_extra_metric;

typedef struct esp_epoch_record {
    int64_t trial_key;
    int64_t attempt_key;
    int epoch;         /* 0: the untrained network */
    const char *phase; /* "" for epoch 0 */
    int phase_epoch;
    double learning_rate, seconds;
    bool supplements;   /* adds to a stored epoch what it lacks; else it takes that one's place */
    const char *digest; /* of all parameters at the epoch's end */
    double running_loss, running_soft_accuracy;  /* of train; NaN: absent (epoch 0) */
    double metrics[ESP_N_SPLITS][ESP_N_METRICS]; /* NaN: not evaluated */
    int n_extra;
    const esp_extra_metric *extra;
    int n_leaves;                             /* 0 where nothing routes */
    const int64_t *leaf_counts[ESP_N_SPLITS]; /* [n_leaves] or NULL */
} esp_epoch_record;

/* Which epoch each `at` names. */
typedef struct esp_selection_record {
    const char *at; /* "selected", "selected:<metric>", "last" */
    int epoch;
    const char *monitor; /* the metric it was chosen by, "" for last */
} esp_selection_record;

/* How a trial ended. Selections replace those stored. When it is done, epochs that an earlier
 * attempt stored past the selection "last" are dropped. */
typedef struct esp_end_record {
    int64_t trial_key;
    int64_t attempt_key;     /* 0: the trial's latest, as after a crash */
    esp_trial_status status; /* done, failed or interrupted */
    const char *message;     /* why it failed, or "" */
    double seconds;
    int epochs;
    int64_t peak_memory; /* bytes, of the process */
    int n_selections;
    const esp_selection_record *selections;
    const char *checkpoint_digest; /* SHA-256 of the last checkpoint's file, or "" */
} esp_end_record;

/* Starts an attempt: trial running, attempt_key out. environment: JSON of provenance (stored once
 * per content). Called before the writer starts or through it (below). */
typedef struct esp_begin_record {
    int64_t trial_key;
    const char *environment; /* JSON; see table environment in schema.sql */
    const char *host;
    int64_t process;
    int first_epoch; /* 0, or the epoch after the checkpoint it continues from */
} esp_begin_record;

/* ---- the writer thread ------------------------------------------------------------------------
 */

typedef struct esp_writer esp_writer;

/* Starts the one thread that writes, with its own connection and a bounded queue. Epochs are
 * gathered for a quarter of a second, then written in one short transaction; begins and ends go at
 * once, with what came before them. Other runs write between. What is committed is on the
 * disk. Errors: ESP_STORE, ESP_MEMORY. Thread: one. */
int esp_writer_start(esp_writer **out, const char *path);

/* Waits until all is written, stops the thread. Returns the first failure there was. */
int esp_writer_stop(esp_writer *writer);

/* Post a record; its contents are copied. Blocks while the queue is full. An epoch that was stored
 * before gives place to the new one, and a digest that differs is kept as a mismatch and warned
 * about; a record that supplements changes nothing that is there. Of several values of one metric
 * in a record, the first is kept. begin waits for its commit and returns the attempt's key.
 * Errors: ESP_STORE, with the writer's first failure (disk full, ...), after which all posts fail.
 * Thread: any. */
int esp_writer_begin(int64_t *attempt_key, esp_writer *writer, const esp_begin_record *record);
int esp_writer_epoch(esp_writer *writer, const esp_epoch_record *record);
int esp_writer_end(esp_writer *writer, const esp_end_record *record);

/* Waits until all that was posted before is committed. Errors: as above. Thread: any. */
int esp_writer_flush(esp_writer *writer);

/* ---- reading -----------------------------------------------------------------------------------
 */

/* A prepared statement with named or numbered parameters, stepped row by row. */
typedef struct esp_rows esp_rows;

/* Errors: ESP_USAGE with SQLite's message for a mistake in the text, also where it is not one
 * read-only statement; ESP_STORE. Thread: the store's. */
int esp_rows_open(esp_rows **out, esp_store *store, const char *sql);
void esp_rows_close(esp_rows *rows);
/* name with its sign: ":study". A name the statement lacks is ignored. text NULL binds NULL. */
int esp_rows_bind_text(esp_rows *rows, const char *name, const char *text);
int esp_rows_bind_integer(esp_rows *rows, const char *name, int64_t value);
int esp_rows_bind_real(esp_rows *rows, const char *name, double value);
/* The parameters a statement has, with their sign (":study"; "?" for one without a name). */
int esp_rows_parameters(const esp_rows *rows);
const char *esp_rows_parameter_name(const esp_rows *rows, int index);
/* *has_row set; Errors: ESP_USAGE for what the query's text asks wrongly (an overflow, a function
 * that is not allowed); ESP_STORE; ESP_MEMORY. */
int esp_rows_step(esp_rows *rows, bool *has_row);
int esp_rows_columns(const esp_rows *rows);
const char *esp_rows_column_name(const esp_rows *rows, int column);
/* Valid until the next step. NULL for SQL NULL. */
const char *esp_rows_text(esp_rows *rows, int column);
/* The bytes of a text or blob, not ended by a NUL; NULL where there are none. Valid until the next
 * step. */
const unsigned char *esp_rows_bytes(size_t *count, esp_rows *rows, int column);
int64_t esp_rows_integer(esp_rows *rows, int column);
/* NaN for SQL NULL. */
double esp_rows_real(esp_rows *rows, int column);
/* 'i' integer, 'r' real, 't' text, 'b' blob (only in queries of the user's own), 'n' null. */
char esp_rows_type(esp_rows *rows, int column);

#endif
