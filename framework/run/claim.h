/* Which runner trains a trial: several runs may share a database and a study. Each claims a trial
 * before it trains it, by a lock that is dropped with the run (store/lock.h), and then looks what
 * became of the trial since this run listed it. */
#ifndef ESP_RUN_CLAIM_H
#define ESP_RUN_CLAIM_H

#include <pthread.h>

#include "store/store.h"

typedef struct esp_claims {
    int lock;         /* of the database, from esp_lock_take; the caller's */
    esp_store *store; /* its own connection for reading */
    int n_trials;
    esp_store_trial *trials; /* as listed, then as last looked at; the caller's */
    bool *held;              /* by this run */
    pthread_mutex_t mutex;   /* guards all above */
} esp_claims;

/* trials: keys, states and latest attempts as registered. Errors: ESP_STORE. Thread: one. */
int esp_claims_open(esp_claims *claims, int lock, const char *database, esp_store_trial *trials,
                    int n_trials);
void esp_claims_close(esp_claims *claims);

typedef enum esp_claim {
    ESP_CLAIM_OURS,  /* held until esp_claim_drop; trials[trial] is up to date */
    ESP_CLAIM_HELD,  /* another run trains it */
    ESP_CLAIM_DONE,  /* another run has done it */
    ESP_CLAIM_FAILED /* another run has tried it */
} esp_claim;

/* Errors: ESP_STORE. Thread: any. */
int esp_claim_trial(esp_claim *claim, esp_claims *claims, int trial);

/* Looks at a trial of ours again, before it is tried again. Errors: ESP_STORE. Thread: any. */
int esp_claim_look(esp_claims *claims, int trial);

/* What the trial's run wrote must be committed by then. Thread: any. */
void esp_claim_drop(esp_claims *claims, int trial);

/* Sees to it that other runs see these claims: a lock file that was removed is made again. Errors:
 * ESP_STORE, where it cannot be or another run has claimed one of the trials meanwhile. Thread:
 * any.
 */
int esp_claims_keep(esp_claims *claims);

#endif
