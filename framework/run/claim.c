#include "run/claim.h"

#include "core/status.h"
#include "store/lock.h"

int esp_claims_open(esp_claims *claims, int lock, const char *database, esp_store_trial *trials)
{
    *claims = (esp_claims){.lock = lock, .trials = trials};
    ESP_TRY(esp_store_open(&claims->store, database, ESP_STORE_READ));
    pthread_mutex_init(&claims->mutex, NULL);
    return ESP_OK;
}

void esp_claims_close(esp_claims *claims)
{
    if (claims->store != NULL) {
        esp_store_close(claims->store);
        pthread_mutex_destroy(&claims->mutex);
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

int esp_claim_trial(esp_claim *claim, esp_claims *claims, int trial)
{
    const int64_t key = claims->trials[trial].key;
    const esp_store_trial listed = claims->trials[trial];
    bool taken = false;
    *claim = ESP_CLAIM_HELD;
    ESP_TRY(esp_lock_trial(&taken, claims->lock, key));
    if (!taken) {
        return ESP_OK;
    }
    int status = esp_claim_look(claims, trial);
    const esp_store_trial *now = &claims->trials[trial];
    *claim = ESP_CLAIM_OURS;
    /* What was done or had failed when it was listed is there to be trained anew. */
    if (status == ESP_OK &&
        (now->latest_attempt != listed.latest_attempt || now->status != listed.status)) {
        *claim = now->status == ESP_TRIAL_DONE     ? ESP_CLAIM_DONE
                 : now->status == ESP_TRIAL_FAILED ? ESP_CLAIM_FAILED
                                                   : ESP_CLAIM_OURS;
    }
    if (status != ESP_OK || *claim != ESP_CLAIM_OURS) {
        esp_unlock_trial(claims->lock, key);
    }
    return status;
}

void esp_claim_drop(esp_claims *claims, int trial)
{
    esp_unlock_trial(claims->lock, claims->trials[trial].key);
}
