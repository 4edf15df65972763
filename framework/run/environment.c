#include "run/environment.h"

#include <gnu/libc-version.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <zlib.h>

#include "core/digest.h"
#include "core/file.h"
#include "core/status.h"
#include "nn/blas.h"
#include "nn/byte_product.h"
#include "run/git_state.h"
#include "run/record.h"
#include "store/sqlite_version.h"
#include "study/yaml_tree.h"

/* ---- the machine -------------------------------------------------------------------------------
 */

/* What /proc/cpuinfo says first of a key, or "". */
static void cpu_fact(char *out, size_t size, const char *text, const char *key)
{
    const size_t length = strlen(key);
    out[0] = '\0';
    for (const char *line = text; line != NULL && out[0] == '\0';) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, key, length) == 0 && strchr(" \t", line[length]) != NULL &&
            colon != NULL && colon[1] == ' ') {
            snprintf(out, size, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
        }
        line = strchr(line, '\n');
        line += line != NULL;
    }
}

/* The processor's name, and family, model and stepping, as names hide generations. */
static void describe_cpu(json_t *root)
{
    char *text = NULL, name[128] = "", family[16] = "", model[16] = "", stepping[16] = "";
    size_t count = 0;
    if (esp_file_read(&text, &count, "/proc/cpuinfo") == ESP_OK) {
        cpu_fact(name, sizeof name, text, "model name");
        cpu_fact(family, sizeof family, text, "cpu family");
        cpu_fact(model, sizeof model, text, "model");
        cpu_fact(stepping, sizeof stepping, text, "stepping");
        free(text);
    }
    json_object_set_new(root, "cpu", json_string(name[0] != '\0' ? name : "unknown"));
    if (family[0] != '\0') {
        json_object_set_new(root, "cpu_family_model_stepping",
                            json_sprintf("%s %s %s", family, model, stepping));
    }
}

/* ---- libraries ---------------------------------------------------------------------------------
 */

static void describe_blas(json_t *root, const esp_blas_library *blas)
{
    char sha256[65];
    const char *coretype = getenv("OPENBLAS_CORETYPE");
    esp_byte_unit unit;
    json_object_set_new(root, "blas", json_string(blas->build));
    json_object_set_new(root, "blas_kernel", json_string(blas->kernel));
    json_object_set_new(root, "openblas_coretype", json_string(coretype ? coretype : ""));
    json_object_set_new(root, "blas_threads", json_integer(blas->threads));
    if (esp_byte_unit_choose(&unit) == ESP_OK) {
        json_object_set_new(root, "byte_products", json_string(esp_byte_unit_name(unit)));
    }
    if (blas->file[0] != '\0' && esp_sha256_file(sha256, blas->file) == ESP_OK) {
        json_object_set_new(root, "blas_file", json_string(blas->file));
        json_object_set_new(root, "blas_sha256", json_string(sha256));
    }
}

/* Versions as loaded, which need not be those compiled against. */
static json_t *describe_libraries(const esp_blas_library *blas)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "libc", gnu_get_libc_version(),
                     blas->name, blas->version, "sqlite", esp_sqlite_version(), "libyaml",
                     esp_yaml_version(), "jansson", jansson_version_str(), "openssl",
                     OpenSSL_version(OPENSSL_VERSION), "zlib", zlibVersion());
}

/* ---- the study ---------------------------------------------------------------------------------
 */

static json_t *describe_plugins(const esp_study *study, const esp_registry *registry,
                                bool unchecked)
{
    json_t *plugins = json_object();
    for (int c = 0; c < study->n_cells; c++) {
        const esp_cell *cell = &study->cells[c];
        const esp_phase_config *phase = &cell->phases[0];
        for (int i = 0; i < phase->n_terms + cell->n_heads; i++) {
            const esp_plugin *plugin = i < phase->n_terms ? phase->terms[i].plugin
                                                          : cell->heads[i - phase->n_terms].plugin;
            const esp_plugin_entry *entry = esp_registry_entry_of(registry, plugin);
            json_t *one = json_pack("{s:s, s:s, s:s}", "version", plugin->version, "file",
                                    entry ? entry->path : "", "sha256", entry ? entry->sha256 : "");
            if (entry && !entry->is_shipped) {
                json_object_set_new(one, "shipped", json_false());
            }
            if (entry && !entry->is_shipped && unchecked) {
                json_object_set_new(one, "unchecked", json_true());
            }
            json_object_set_new(plugins, plugin->name, one);
        }
    }
    return plugins;
}

/* The revision's hash is the store's: by it an attempt finds the text and the overrides it was run
 * with, whatever the study has become since. */
static int describe_study(json_t *root, const esp_study *study)
{
    char hash[ESP_SHA256_HEX];
    esp_digest *digest = NULL;
    char *overrides = esp_record_overrides(study);
    int status = overrides != NULL ? esp_digest_create(&digest) : ESP_MEMORY;
    if (status == ESP_OK) {
        esp_digest_add(digest, study->text, strlen(study->text) + 1);
        esp_digest_add(digest, overrides, strlen(overrides) + 1);
        esp_digest_finish(digest, hash);
        json_object_set_new(root, "study",
                            json_pack("{s:s, s:s}", "name", study->name, "revision_hash", hash));
    }
    free(overrides);
    return status;
}

/* The repository of the study's file, else of the working directory. */
static json_t *describe_repository(const esp_study *study)
{
    char folder[4096];
    const char *path = study->path != NULL ? study->path : "";
    const char *slash = strrchr(path, '/');
    const int length = slash == NULL ? 0 : slash == path ? 1 : (int)(slash - path);
    snprintf(folder, sizeof folder, "%.*s", length > 0 ? length : 1, length > 0 ? path : ".");
    json_t *state = esp_git_state(folder);
    const char *reason = json_string_value(json_object_get(state, "reason"));
    if (length > 0 && reason != NULL && strcmp(reason, "not in a git repository") == 0) {
        json_decref(state);
        state = esp_git_state(".");
    }
    return state;
}

/* ---- all of it ---------------------------------------------------------------------------------
 */

static int start_description(json_t **root, char executable[ESP_SHA256_HEX], const esp_study *study,
                             const esp_registry *registry, bool unchecked)
{
    ESP_TRY(esp_sha256_file(executable, "/proc/self/exe"));
    *root = json_pack("{s:s, s:s, s:i, s:o}", "espalier", ESPALIER_VERSION, "executable_sha256",
                      executable, "trainer_version", ESP_TRAINER_VERSION, "plugins",
                      describe_plugins(study, registry, unchecked));
    return *root != NULL ? ESP_OK : esp_fail(ESP_MEMORY, "no memory for provenance");
}

static int write_description(char **out, json_t *root)
{
    *out = json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS);
    return *out != NULL ? ESP_OK : esp_fail(ESP_MEMORY, "no memory for provenance");
}

int esp_environment_describe_code(char **out, const esp_study *study, const esp_registry *registry)
{
    char executable[ESP_SHA256_HEX];
    json_t *root = NULL;
    ESP_TRY(start_description(&root, executable, study, registry, false));
    int status = write_description(out, root);
    json_decref(root);
    return status;
}

int esp_environment_describe(char **out, const esp_study *study, const esp_registry *registry,
                             bool unchecked, const esp_dataset *const *data, int n_data)
{
    char executable[ESP_SHA256_HEX];
    struct utsname system = {0};
    esp_blas_library blas;
    json_t *root = NULL;
    int status = ESP_OK;
    ESP_TRY(start_description(&root, executable, study, registry, unchecked));
    json_t *sets = json_object(), *source = esp_source_state(executable);
    json_object_del(source, "plugins");
    for (int i = 0; i < n_data; i++) {
        json_object_set_new(sets, data[i]->name, json_string(data[i]->digest));
    }
    uname(&system);
    esp_blas_describe(&blas);
    json_object_set_new(root, "compiler", json_string(ESPALIER_COMPILER));
    json_object_set_new(root, "flags", json_string(ESPALIER_FLAGS));
    json_object_set_new(root, "system", json_string(system.release));
    json_object_set_new(root, "libraries", describe_libraries(&blas));
    json_object_set_new(root, "data", sets);
    json_object_set_new(root, "source", source);
    json_object_set_new(root, "repository", describe_repository(study));
    describe_cpu(root);
    describe_blas(root, &blas);
    ESP_TRY_OUT(describe_study(root, study));
    ESP_TRY_OUT(write_description(out, root));
out:
    json_decref(root);
    return status;
}
