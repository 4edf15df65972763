#include "plugin/instance.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/c_locale.h"
#include "core/status.h"

enum { SMALLEST_SCRATCH = 64 * 1024, MAX_SPILLS = 8 };

static size_t round_up(size_t bytes)
{
    return (bytes + ESP_ALIGNMENT - 1) / ESP_ALIGNMENT * ESP_ALIGNMENT;
}

static esp_instance *instance_of(const esp_host *host)
{
    /* host is a member of a mutable esp_instance; const is the plugin's view of it only. */
    return (esp_instance *)((uintptr_t)host - offsetof(esp_instance, host));
}

/* The first message of a call is kept: it is the most precise. */
static void keep_failure(esp_instance *instance, const char *format, va_list arguments)
{
    if (!instance->failure[0]) {
        const locale_t its = uselocale(esp_c_locale());
        vsnprintf(instance->failure, sizeof instance->failure, format, arguments);
        uselocale(its);
    }
}

static int host_fail(const esp_host *host, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    keep_failure(instance_of(host), format, arguments);
    va_end(arguments);
    return 1;
}

static void host_log(const esp_host *host, const char *key, double sum, double weight)
{
    esp_instance *instance = instance_of(host);
    for (int i = 0; i < instance->n_logged; i++) {
        if (strcmp(instance->logged[i].key, key) == 0) {
            instance->logged[i].sum += sum;
            instance->logged[i].weight += weight;
            return;
        }
    }
    if (!esp_name_is_sound(key)) {
        host_fail(host, "logged key '%s' is not " ESP_NAME_RULE, key);
        return;
    }
    if (instance->n_logged == ESP_MAX_LOGGED) {
        host_fail(host, "logged '%s', one key more than %d", key, (int)ESP_MAX_LOGGED);
        return;
    }
    esp_logged *logged = &instance->logged[instance->n_logged++];
    snprintf(logged->key, sizeof logged->key, "%s", key);
    logged->sum = sum;
    logged->weight = weight;
}

/* Takes from the scratch block; where that is too small, from blocks that grow, so that eight are
 * enough for any request and the next begin() can replace all by one. */
static void *host_scratch(const esp_host *host, size_t bytes)
{
    esp_instance *instance = instance_of(host);
    size_t size = round_up(bytes ? bytes : 1);
    size_t before = instance->scratch_used;
    instance->scratch_used += size;
    if (instance->n_spill == 0 && instance->scratch_used <= instance->scratch_capacity) {
        return instance->scratch + before;
    }
    if (instance->n_spill == 0 || size > instance->spill_left) {
        size_t block = round_up(instance->scratch_used * 4);
        unsigned char *memory =
            instance->n_spill < MAX_SPILLS ? aligned_alloc(ESP_ALIGNMENT, block) : NULL;
        if (!memory) {
            host_fail(host, "no memory for %zu bytes of scratch", bytes);
            return NULL;
        }
        instance->spill[instance->n_spill++] = memory;
        instance->spill_left = block;
    }
    /* Spills are filled from their end: only what is left needs to be known. */
    instance->spill_left -= size;
    return instance->spill[instance->n_spill - 1] + instance->spill_left;
}

static double host_uniform(const esp_host *host)
{
    esp_instance *instance = instance_of(host);
    if (!instance->noise) {
        host_fail(host, "asked for random numbers where there are none");
        return 0;
    }
    if (instance->mode != ESP_TRAINING) {
        host_fail(host, "asked for random numbers in evaluation, which must not change training");
        return 0;
    }
    return esp_rng_uniform(instance->noise);
}

static _Thread_local _Atomic(const char *) *running;

void esp_instance_tell_running(_Atomic(const char *) *place)
{
    running = place;
}

static void tell_running(const char *name)
{
    if (running != NULL) {
        atomic_store_explicit(running, name, memory_order_relaxed);
    }
}

/* Whatever a call left this thread in. arithmetic: of before it. */
static void put_thread_back(const fenv_t *arithmetic)
{
    esp_set_c_locale();
    fesetenv(arithmetic);
}

int esp_instance_end(esp_instance *instance, int result)
{
    put_thread_back(&instance->arithmetic);
    tell_running(NULL);
    if (result == 0 && !instance->failure[0]) {
        return ESP_OK;
    }
    return esp_fail(ESP_FAILED, "plugin '%s': %s", instance->plugin->name,
                    instance->failure[0] ? instance->failure : "failed without a message");
}

void esp_instance_begin(esp_instance *instance, esp_mode mode)
{
    tell_running(instance->plugin->name);
    instance->mode = mode;
    instance->failure[0] = '\0';
    if (instance->n_spill > 0) {
        size_t capacity = round_up(instance->scratch_used);
        for (int i = 0; i < instance->n_spill; i++) {
            free(instance->spill[i]);
        }
        instance->n_spill = 0;
        free(instance->scratch);
        instance->scratch = aligned_alloc(ESP_ALIGNMENT, capacity);
        instance->scratch_capacity = instance->scratch ? capacity : 0;
    }
    instance->scratch_used = 0;
    fegetenv(&instance->arithmetic);
}

void esp_instance_set_params(esp_instance *instance, const esp_params *params)
{
    esp_params_fill(instance->state, instance->plugin, params);
}

/* Sixteen rows of the batch are more than most terms ask for: with them, not even a first step
 * allocates. */
static size_t first_scratch(const esp_dims *dims)
{
    size_t batch = dims->batch_size > 0 ? (size_t)dims->batch_size : 1;
    size_t bytes = 16 * round_up(batch * sizeof(esp_real));
    return bytes > SMALLEST_SCRATCH ? bytes : SMALLEST_SCRATCH;
}

int esp_instance_create(esp_instance *out, const esp_plugin *plugin, const esp_params *params,
                        const esp_dims *dims, esp_rng *noise)
{
    int status = ESP_OK;
    size_t state_size = round_up(plugin->state_size ? plugin->state_size : 1);
    *out = (esp_instance){
        .plugin = plugin,
        .host = {.struct_size = sizeof(esp_host),
                 .log = host_log,
                 .fail = host_fail,
                 .scratch = host_scratch,
                 .uniform = host_uniform},
        .noise = noise,
        .state = aligned_alloc(ESP_ALIGNMENT, state_size),
        .scratch_capacity = round_up(first_scratch(dims)),
    };
    out->scratch = aligned_alloc(ESP_ALIGNMENT, out->scratch_capacity);
    if (!out->state || !out->scratch) {
        status = esp_fail(ESP_MEMORY, "no memory for plugin %s", plugin->name);
        goto out;
    }
    memset(out->state, 0, state_size);
    esp_params_fill(out->state, plugin, params);
    esp_instance_begin(out, ESP_TRAINING);
    status =
        esp_instance_end(out, plugin->create ? plugin->create(out->state, &out->host, dims) : 0);
    status = status == ESP_OK ? ESP_OK : esp_fail(ESP_PLUGIN, "%s", esp_message());
out:
    if (status != ESP_OK) {
        free(out->state);
        out->state = NULL; /* what create() refused is not destroyed */
        esp_instance_destroy(out);
    }
    return status;
}

void esp_instance_destroy(esp_instance *instance)
{
    if (!instance || !instance->plugin) {
        return;
    }
    if (instance->state && instance->plugin->destroy) {
        fenv_t arithmetic;
        fegetenv(&arithmetic);
        instance->plugin->destroy(instance->state);
        put_thread_back(&arithmetic);
    }
    for (int i = 0; i < instance->n_spill; i++) {
        free(instance->spill[i]);
    }
    free(instance->scratch);
    free(instance->state);
    *instance = (esp_instance){0};
}

int esp_instance_save(void **bytes, size_t *count, const esp_instance *instance)
{
    *bytes = NULL;
    *count = 0;
    if (!instance->plugin->save) {
        return ESP_OK;
    }
    fenv_t arithmetic;
    fegetenv(&arithmetic);
    size_t size = instance->plugin->save(instance->state, NULL);
    put_thread_back(&arithmetic);
    if (size == 0) {
        return ESP_OK;
    }
    void *block = malloc(size);
    if (!block) {
        return esp_fail(ESP_MEMORY, "no memory for the state of plugin %s", instance->plugin->name);
    }
    size_t written = instance->plugin->save(instance->state, block);
    put_thread_back(&arithmetic);
    if (written != size) {
        free(block);
        return esp_fail(ESP_PLUGIN, "%s: save() announced %zu bytes and wrote %zu",
                        instance->plugin->name, size, written);
    }
    *bytes = block;
    *count = size;
    return ESP_OK;
}

int esp_instance_load(esp_instance *instance, const void *bytes, size_t count)
{
    const esp_plugin *plugin = instance->plugin;
    if (!plugin->load) {
        return count == 0 ? ESP_OK
                          : esp_fail(ESP_PLUGIN, "%s: %zu bytes of saved state, but no load()",
                                     plugin->name, count);
    }
    if (count == 0) {
        return ESP_OK;
    }
    esp_instance_begin(instance, ESP_TRAINING);
    int result = plugin->load(instance->state, &instance->host, bytes, count);
    return esp_instance_end(instance, result) == ESP_OK ? ESP_OK
                                                        : esp_fail(ESP_PLUGIN, "%s", esp_message());
}
