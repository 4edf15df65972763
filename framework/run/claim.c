#include "run/claim.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/log.h"
#include "core/status.h"
#include "store/lock.h"

int esp_claims_open(esp_claims *claims, int lock, const char *database, esp_store_trial *trials,
                    int n_trials)
{
    *claims = (esp_claims){.lock = lock, .trials = trials, .n_trials = n_trials};
    bool *held = calloc((size_t)n_trials, sizeof *held);
    int status = held != NULL ? esp_store_open(&claims->store, database, ESP_STORE_READ)
                              : esp_fail(ESP_MEMORY, "no memory for %d trials", n_trials);
    if (status != ESP_OK) {
        free(held);
        return status;
    }
    claims->held = held;
    pthread_mutex_init(&claims->mutex, NULL);
    return ESP_OK;
}

void esp_claims_close(esp_claims *claims)
{
    if (claims->store != NULL) {
        esp_store_close(claims->store);
        pthread_mutex_destroy(&claims->mutex);
        free(claims->held);
    }
    *claims = (esp_claims){.lock = -1};
}

int esp_claim_look(esp_claims *claims, int trial)
{
    pthread_mutex_lock(&claims->mutex);
    int status = esp_store_lookup(claims->store, &claims->trials[trial], 1);
    pthread_mutex_unlock(&claims->mutex);
    return status;
}

/* With the mutex held. */
static int claim_trial(esp_claim *claim, esp_claims *claims, int trial)
{
    esp_store_trial *now = &claims->trials[trial];
    const esp_store_trial listed = *now;
    bool taken = false;
    *claim = ESP_CLAIM_HELD;
    ESP_TRY(esp_lock_trial(&taken, claims->lock, now->key));
    if (!taken) {
        return ESP_OK;
    }
    int status = esp_store_lookup(claims->store, now, 1);
    *claim = ESP_CLAIM_OURS;
    /* What was done or had failed when it was listed is there to be trained anew. */
    if (status == ESP_OK &&
        (now->latest_attempt != listed.latest_attempt || now->status != listed.status)) {
        *claim = now->status == ESP_TRIAL_DONE     ? ESP_CLAIM_DONE
                 : now->status == ESP_TRIAL_FAILED ? ESP_CLAIM_FAILED
                                                   : ESP_CLAIM_OURS;
    }
    claims->held[trial] = status == ESP_OK && *claim == ESP_CLAIM_OURS;
    if (!claims->held[trial]) {
        esp_unlock_trial(claims->lock, now->key);
    }
    return status;
}

int esp_claim_trial(esp_claim *claim, esp_claims *claims, int trial)
{
    pthread_mutex_lock(&claims->mutex);
    int status = claim_trial(claim, claims, trial);
    pthread_mutex_unlock(&claims->mutex);
    return status;
}

void esp_claim_drop(esp_claims *claims, int trial)
{
    pthread_mutex_lock(&claims->mutex);
    claims->held[trial] = false;
    esp_unlock_trial(claims->lock, claims->trials[trial].key);
    pthread_mutex_unlock(&claims->mutex);
}

/* What is held, in the new lock file too. With the mutex held. */
static int hold_again(const esp_claims *claims, int lock)
{
    for (int i = 0; i < claims->n_trials; i++) {
        bool taken = true;
        if (claims->held[i]) {
            ESP_TRY(esp_lock_trial(&taken, lock, claims->trials[i].key));
        }
        if (!taken) {
            return esp_fail(ESP_STORE,
                            "%s.lock: was removed while this run worked, and another run has taken "
                            "trial %s: it is that one's now, and the same command goes on beside "
                            "it. The file is left alone as long as anything runs",
                            esp_store_path(claims->store), claims->trials[i].id);
        }
    }
    return ESP_OK;
}

int esp_claims_keep(esp_claims *claims)
{
    int renewed = -1;
    pthread_mutex_lock(&claims->mutex);
    int status = esp_lock_renew(&renewed, claims->lock, esp_store_path(claims->store));
    if (status == ESP_OK && renewed >= 0) {
        status = hold_again(claims, renewed);
    }
    if (status == ESP_OK && renewed >= 0) {
        dup3(renewed, claims->lock, O_CLOEXEC);
        esp_log_warning("%s.lock: was removed while this run works, and is made again: it tells "
                        "other runs which trials are taken",
                        esp_store_path(claims->store));
    }
    if (renewed >= 0) {
        close(renewed);
    }
    pthread_mutex_unlock(&claims->mutex);
    return status;
}
