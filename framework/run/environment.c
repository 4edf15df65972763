#include "run/environment.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "core/digest.h"
#include "core/file.h"
#include "core/status.h"
#include "nn/blas.h"

static void cpu_name(char *out, size_t size)
{
    char *text = NULL;
    size_t count = 0;
    snprintf(out, size, "unknown");
    if (esp_file_read(&text, &count, "/proc/cpuinfo") != ESP_OK) {
        return;
    }
    char *line = strstr(text, "model name");
    char *colon = line ? strchr(line, ':') : NULL;
    if (colon != NULL) {
        snprintf(out, size, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
    }
    free(text);
}

static json_t *describe_plugins(const esp_study *study, const esp_registry *registry)
{
    json_t *plugins = json_object();
    for (int c = 0; c < study->n_cells; c++) {
        const esp_cell *cell = &study->cells[c];
        const esp_phase_config *phase = &cell->phases[0];
        for (int i = 0; i < phase->n_terms + cell->n_heads; i++) {
            const esp_plugin *plugin = i < phase->n_terms ? phase->terms[i].plugin
                                                          : cell->heads[i - phase->n_terms].plugin;
            const esp_plugin_entry *entry = esp_registry_entry_of(registry, plugin);
            json_object_set_new(plugins, plugin->name,
                                json_pack("{s:s, s:s, s:s}", "version", plugin->version, "file",
                                          entry ? entry->path : "", "sha256",
                                          entry ? entry->sha256 : ""));
        }
    }
    return plugins;
}

int esp_environment_describe(char **out, const esp_study *study, const esp_registry *registry,
                             const esp_dataset *const *data, int n_data)
{
    char executable[65], cpu[256];
    struct utsname system;
    ESP_TRY(esp_sha256_file(executable, "/proc/self/exe"));
    cpu_name(cpu, sizeof cpu);
    if (uname(&system) != 0) {
        memset(&system, 0, sizeof system);
    }
    json_t *sets = json_object();
    for (int i = 0; i < n_data; i++) {
        json_object_set_new(sets, data[i]->name, json_string(data[i]->digest));
    }
    const char *coretype = getenv("OPENBLAS_CORETYPE");
    json_t *root =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:i, s:o, s:o}", "espalier",
                  ESPALIER_VERSION, "executable_sha256", executable, "compiler", ESPALIER_COMPILER,
                  "flags", ESPALIER_FLAGS, "cpu", cpu, "system", system.release, "blas",
                  esp_blas_build(), "blas_kernel", esp_blas_kernel(), "openblas_coretype",
                  coretype ? coretype : "", "blas_threads", 1, "trainer_version",
                  ESP_TRAINER_VERSION, "plugins", describe_plugins(study, registry), "data", sets);
    *out = root ? json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    json_decref(root);
    return *out ? ESP_OK : esp_fail(ESP_MEMORY, "no memory for provenance");
}
