/* Bringing results databases together, by identity. */
#ifndef ESP_STORE_MERGE_H
#define ESP_STORE_MERGE_H

#include <stdbool.h>

#include "store/store.h"

typedef struct esp_merge_count {
    int64_t revisions, cells; /* new here */
    int64_t added, replaced;  /* trials new here, and trials further there than here */
    int64_t same;             /* trials that agree with what is here */
    int64_t conflicts;        /* told one by one, and kept as they are here */
} esp_merge_count;

/* Before a database is made at path: whether `other` is one that may be merged into it. Errors:
 * ESP_NOT_FOUND, ESP_USAGE where it is path itself, ESP_STORE, also while a run writes to it.
 * Thread: any. */
int esp_store_may_merge(const char *path, const char *other);

/* Told while it merges; texts last for the call only. */
typedef struct esp_merge_tell {
    void (*conflict)(void *context, const char *words);
    /* The revision run last is another there than here (`ours`, `theirs`: numbers it has here), and
     * is theirs from now on, or stays. */
    void (*latest)(void *context, const char *study, int ours, int theirs, bool moves);
    void *context;
} esp_merge_tell;

/* Copies studies, revisions, cells, trials, attempts, environments, epochs, metrics and selections
 * of the database `other` into the store, open for writing, and the checkpoints of these trials. A
 * trial is its trial_id, a revision its study's name and hash, a cell its label. What is further on
 * replaces what is less (done, begun, planned), an epoch that differs from one replaced is noted in
 * digest_mismatch. Trials equally far agree where no epoch's digest differs; else, and for cells of
 * another configuration, it is a conflict, and the store keeps its own. The revision run last stays
 * unless theirs was run since, by what each knows of the other: see merge.c. Again, it changes
 * nothing. One transaction; `other` is only read. The caller
 * holds the database's lock alone (lock.h). Errors: ESP_STORE, also where checkpoints cannot be
 * copied: nothing is merged then; ESP_NOT_FOUND. Thread: the store's. */
int esp_store_merge(esp_merge_count *count, esp_store *store, const char *other,
                    const esp_merge_tell *tell);

#endif
