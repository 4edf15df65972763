/* One plugin at work in one trial: its state, its host services, what it logged. */
#ifndef ESP_PLUGIN_INSTANCE_H
#define ESP_PLUGIN_INSTANCE_H

#include <fenv.h>
#include <stdatomic.h>

#include "core/rng.h"
#include "plugin/params.h"

enum { ESP_MAX_LOGGED = 48 };

typedef struct esp_logged {
    char key[48];
    double sum, weight;
} esp_logged;

typedef struct esp_instance esp_instance;
struct esp_instance {
    const esp_plugin *plugin;
    void *state;   /* aligned; owned */
    esp_host host; /* what the plugin is handed; the services find the instance around it */
    esp_logged logged[ESP_MAX_LOGGED];
    int n_logged;
    esp_mode mode;          /* of the call under way: random numbers are for training only */
    esp_rng *noise;         /* the trial's; not owned */
    char failure[512];      /* what host->fail said, or a bad log key; empty: nothing */
    unsigned char *scratch; /* owned; grows at the first calls only */
    size_t scratch_capacity, scratch_used;
    unsigned char *spill[8]; /* blocks taken while the scratch was too small */
    size_t spill_left;       /* bytes free at the end of the last of them */
    int n_spill;
    fenv_t arithmetic; /* of this thread before the call under way */
};

/* Makes an instance: state zeroed, parameters filled, then the plugin's create(). The instance must
 * not move or be copied afterwards (its host services find it by address). Errors: ESP_PLUGIN with
 * the plugin's message; ESP_MEMORY. On failure nothing is left to destroy. Thread: the trial's. */
int esp_instance_create(esp_instance *out, const esp_plugin *plugin, const esp_params *params,
                        const esp_dims *dims, esp_rng *noise);
void esp_instance_destroy(esp_instance *instance);

/* To call around each operation. begin gives scratch back (growing it if the last call spilled),
 * clears the failure and says which plugin this thread is in. end takes what the operation
 * returned: ESP_OK, or ESP_FAILED with the plugin's name and reason where it, or one of its calls
 * of the host, failed. It leaves this thread in the C locale, and rounding, trapping and taking
 * denormals as before the call. Thread: the trial's. */
void esp_instance_begin(esp_instance *instance, esp_mode mode);
int esp_instance_end(esp_instance *instance, int result);

/* From here on *place, where it is not NULL, holds the name of the plugin whose code this thread is
 * in, or NULL: for whoever looks on. Thread: the trial's. */
void esp_instance_tell_running(_Atomic(const char *) *place);

/* Fills in parameters again, when a phase changes them; state otherwise kept. */
void esp_instance_set_params(esp_instance *instance, const esp_params *params);

/* The plugin's state as bytes, for checkpoints: *bytes owned by the caller, *count 0 and NULL where
 * it has none. Errors: ESP_MEMORY, ESP_PLUGIN. Thread: the trial's. */
int esp_instance_save(void **bytes, size_t *count, const esp_instance *instance);
int esp_instance_load(esp_instance *instance, const void *bytes, size_t count);

#endif
