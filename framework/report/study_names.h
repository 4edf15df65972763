/* Names of studies, their revisions and variants, and ids of trials in a results database. */
#ifndef ESP_REPORT_STUDY_NAMES_H
#define ESP_REPORT_STUDY_NAMES_H

#include <stdbool.h>

#include "store/store.h"

/* Errors: ESP_STORE. Thread: the store's, as below. */
int esp_study_exists(bool *exists, esp_store *store, const char *study);

/* ESP_NOT_FOUND that names the study that could have been meant, or those there are. what: "study",
 * or "study or trial". */
int esp_study_not_found(esp_store *store, const char *what, const char *name);

/* ESP_OK where there is such a study, else esp_study_not_found. */
int esp_study_must_exist(esp_store *store, const char *study);

/* A study as a user names it: STUDY, STUDY@REVISION, either with :VARIANT. */
typedef struct esp_named_study {
    char *study, *variant; /* variant NULL: all */
    int revision;          /* its number; of the one run last where none was named */
    bool has_revision;     /* one was */
} esp_named_study;

/* *out is released by esp_named_study_free also where this fails. A study of exactly that name
 * comes first. Errors: ESP_NOT_FOUND with what there is; ESP_STORE. Thread: the store's, as below.
 */
int esp_named_study_read(esp_named_study *out, esp_store *store, const char *text);
void esp_named_study_free(esp_named_study *named);

/* Takes studies as users name them; several are words of texts, or texts. The store then shows what
 * they name (store/shown.h): a study alone as it is, one revision in place of the one run last,
 * several, or variants, beside each other. *name: what the store now calls it; owned by the caller.
 * *n (may be NULL): how many. A study of exactly that name comes first. Errors: ESP_NOT_FOUND with
 * what there is; ESP_USAGE for one named twice; ESP_STORE. */
int esp_study_show(char **name, int *n, esp_store *store, const char *const *texts, int n_texts);

/* The same of one study or revision, for what takes no variants. revision: the number that was
 * named, 0 for none; nothing is shown. */
int esp_study_read(char **study, int *revision, esp_store *store, const char *text);

/* The one trial whose id begins with prefix: id [17] out. Errors: ESP_NOT_FOUND with what could
 * have been meant; ESP_USAGE where several begin so. */
int esp_trial_find(char id[17], esp_store *store, const char *prefix);

#endif
