#include "plugin/registry.h"

#include <dirent.h>
#include <dlfcn.h>
#include <fenv.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/c_locale.h"
#include "core/digest.h"
#include "core/file.h"
#include "core/log.h"
#include "core/place.h"
#include "core/status.h"
#include "core/text.h"
#include "plugin/params.h"
#include "plugin/process_state.h"

enum { MAX_FOLDERS = 64, LARGEST_STATE = 1 << 28, LARGEST_STRUCT = 4096, LONGEST_LINE = 400 };

struct esp_registry {
    esp_plugin_entry *entries;
    int count, capacity;
};

/* ---- one file ----------------------------------------------------------------------------- */

static bool is_one_line(const char *text)
{
    if (!text || !*text || strlen(text) > LONGEST_LINE) {
        return false;
    }
    for (const char *c = text; *c; c++) {
        if ((unsigned char)*c < ' ' || *c == 127) {
            return false;
        }
    }
    return true;
}

static bool refuse(char *reason, size_t count, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static bool refuse(char *reason, size_t count, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, count, format, arguments);
    va_end(arguments);
    return false;
}

/* The ABI tag comes first: with another one, no other member may be trusted. */
static bool inspect_abi(char *reason, size_t count, const esp_plugin *plugin, bool any_real)
{
    uint32_t found = plugin->abi, size = found & 0xff;
    if ((found & 0xffff0000u) != (ESP_ABI_TAG & 0xffff0000u)) {
        return refuse(reason, count, "ABI tag 0x%08x is not one of espalier's (0x%08x expected)",
                      found, ESP_ABI_TAG);
    }
    bool is_other_real = any_real && (size == sizeof(float) || size == sizeof(double));
    if (found != ESP_ABI_TAG && !(is_other_real && (found & ~0xffu) == (ESP_ABI_TAG & ~0xffu))) {
        return refuse(reason, count,
                      "ABI tag 0x%08x: built for ABI version %u with %u-byte elements; this "
                      "program has version %u with %u-byte elements",
                      found, (found >> 8) & 0xff, size, (unsigned)ESP_ABI_VERSION,
                      (unsigned)sizeof(esp_real));
    }
    if (plugin->struct_size < sizeof(esp_plugin) || plugin->struct_size > LARGEST_STRUCT) {
        return refuse(reason, count, "struct_size is %u, sizeof(esp_plugin) is %zu",
                      plugin->struct_size, sizeof(esp_plugin));
    }
    return true;
}

static bool inspect_loss(char *reason, size_t count, const esp_plugin *plugin)
{
    const uint32_t known = ESP_LOGITS | ESP_SCORES | ESP_PROBABILITIES | ESP_MIXTURE | ESP_CHOICES |
                           ESP_LOAD | ESP_PARAMETERS;
    const esp_loss_ops *ops = plugin->loss;
    if (!ops || plugin->head) {
        return refuse(reason, count, "a loss must have loss operations and no head operations");
    }
    if (ops->struct_size < sizeof *ops || ops->struct_size > LARGEST_STRUCT) {
        return refuse(reason, count, "loss struct_size is %u, sizeof(esp_loss_ops) is %zu",
                      ops->struct_size, sizeof *ops);
    }
    if (!ops->evaluate) {
        return refuse(reason, count, "evaluate is missing");
    }
    if (ops->needs & ~known) {
        return refuse(reason, count, "needs holds unknown bits 0x%x", ops->needs & ~known);
    }
    if (ops->held_fixed & ~ops->needs) {
        return refuse(reason, count, "held_fixed 0x%x names views that needs 0x%x does not",
                      ops->held_fixed, ops->needs);
    }
    if (plugin->role != ESP_TASK && plugin->role != ESP_ROUTING && plugin->role != ESP_PENALTY) {
        return refuse(reason, count, "role %d is none of ESP_TASK, ESP_ROUTING and ESP_PENALTY",
                      (int)plugin->role);
    }
    return true;
}

static bool inspect_head(char *reason, size_t count, const esp_plugin *plugin)
{
    const esp_head_ops *ops = plugin->head;
    if (!ops || plugin->loss) {
        return refuse(reason, count, "a head must have head operations and no loss operations");
    }
    if (ops->struct_size < sizeof *ops || ops->struct_size > LARGEST_STRUCT) {
        return refuse(reason, count, "head struct_size is %u, sizeof(esp_head_ops) is %zu",
                      ops->struct_size, sizeof *ops);
    }
    const char *missing = !ops->declare    ? "declare"
                          : !ops->forward  ? "forward"
                          : !ops->backward ? "backward"
                                           : NULL;
    if (missing) {
        return refuse(reason, count, "%s is missing", missing);
    }
    if (plugin->role != ESP_TASK) {
        return refuse(reason, count, "role of a head must be ESP_TASK");
    }
    return true;
}

static bool inspect(char *reason, size_t count, const esp_plugin *plugin, bool any_real)
{
    if (!inspect_abi(reason, count, plugin, any_real)) {
        return false;
    }
    if (!esp_name_is_sound(plugin->name)) {
        return refuse(reason, count, "name '%s' is not " ESP_NAME_RULE,
                      is_one_line(plugin->name) ? plugin->name : "");
    }
    const struct {
        const char *member, *text;
    } lines[] = {{"version", plugin->version},
                 {"summary", plugin->summary},
                 {"source", plugin->source},
                 {"cost", plugin->cost}};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        if (!is_one_line(lines[i].text)) {
            return refuse(reason, count, "%s must be one line of at most %d characters",
                          lines[i].member, (int)LONGEST_LINE);
        }
    }
    if (plugin->state_size > LARGEST_STATE) {
        return refuse(reason, count, "state_size %zu is more than %d", plugin->state_size,
                      (int)LARGEST_STATE);
    }
    if (!plugin->save != !plugin->load) {
        return refuse(reason, count, "%s without %s: both or none", plugin->save ? "save" : "load",
                      plugin->save ? "load" : "save");
    }
    if (plugin->kind != ESP_LOSS && plugin->kind != ESP_HEAD) {
        return refuse(reason, count, "kind %d is neither ESP_LOSS nor ESP_HEAD", (int)plugin->kind);
    }
    return (plugin->kind == ESP_LOSS ? inspect_loss(reason, count, plugin)
                                     : inspect_head(reason, count, plugin)) &&
           esp_params_inspect(reason, count, plugin);
}

static int keep_refusal(esp_plugin_entry *entry, const char *reason)
{
    entry->plugin = NULL;
    free(entry->refusal);
    entry->refusal = strdup(reason);
    if (!entry->refusal) {
        return esp_fail(ESP_MEMORY, "no memory for the refusal of %s", entry->path);
    }
    return esp_fail(ESP_PLUGIN, "%s: %s", entry->path, reason);
}

/* What is loaded already is not loaded again: a copy of it in memory is, so that what runs at load
 * runs here too. NULL where that cannot be. */
static void *load_copy(const char *path)
{
    char *bytes = NULL, copy[64];
    size_t count = 0;
    void *handle = NULL;
    if (esp_file_read(&bytes, &count, path) != ESP_OK) {
        return NULL;
    }
    const int file = memfd_create("plugin", MFD_CLOEXEC);
    if (file >= 0 && write(file, bytes, count) == (ssize_t)count) {
        snprintf(copy, sizeof copy, "/proc/self/fd/%d", file);
        handle = dlopen(copy, RTLD_NOW | RTLD_LOCAL);
    }
    if (file >= 0) {
        close(file);
    }
    free(bytes);
    return handle;
}

/* Code of a plugin may run as it is loaded, and that of a library below it: what it does to the
 * process is noted and undone. */
static void *load(esp_plugin_entry *entry, const char *path, bool anew)
{
    esp_process_state before, after;
    /* dlopen takes a name without a slash for one to look for elsewhere. */
    char *full = realpath(path, NULL);
    void *handle = NULL;
    esp_set_c_locale();
    esp_process_state_take(&before);
    if (full && anew && dlopen(full, RTLD_NOW | RTLD_NOLOAD)) {
        handle = load_copy(full);
    }
    if (full && !handle) {
        handle = dlopen(full, RTLD_NOW | RTLD_LOCAL);
    }
    esp_process_state_take(&after);
    entry->at_load = esp_process_state_change(&before, &after);
    if (entry->at_load != NULL) {
        esp_process_state_restore(&before);
    }
    esp_set_c_locale();
    fesetenv(FE_DFL_ENV);
    free(full);
    return handle;
}

static int open_plugin(esp_plugin_entry *entry, const char *path, bool any_real)
{
    *entry = (esp_plugin_entry){.path = strdup(path)};
    if (!entry->path) {
        return esp_fail(ESP_MEMORY, "no memory for the path %s", path);
    }
    char reason[1024];
    if (esp_sha256_file(entry->sha256, path) != ESP_OK) {
        snprintf(reason, sizeof reason, "cannot be read: %s", esp_message());
        return keep_refusal(entry, reason);
    }
    void *handle = load(entry, path, any_real);
    if (!handle) {
        const char *why = dlerror();
        snprintf(reason, sizeof reason, "cannot be loaded: %s", why ? why : "no such file");
        return keep_refusal(entry, reason);
    }
    const esp_plugin *plugin = dlsym(handle, ESP_PLUGIN_SYMBOL);
    if (!plugin) {
        return keep_refusal(entry, "no symbol " ESP_PLUGIN_SYMBOL
                                   "; a plugin defines const esp_plugin " ESP_PLUGIN_SYMBOL);
    }
    if (!inspect(reason, sizeof reason, plugin, any_real)) {
        return keep_refusal(entry, reason);
    }
    entry->is_shipped = dlsym(handle, "espalier_plugin_is_shipped") != NULL;
    entry->plugin = plugin; /* never unloaded: instances and messages may outlive the registry */
    return ESP_OK;
}

int esp_plugin_open(esp_plugin_entry *entry, const char *path)
{
    return open_plugin(entry, path, false);
}

int esp_plugin_open_any(esp_plugin_entry *entry, size_t *real_size, const char *path)
{
    int status = open_plugin(entry, path, true);
    *real_size = status == ESP_OK ? entry->plugin->abi & 0xff : 0;
    return status;
}

/* ---- all of them -------------------------------------------------------------------------- */

static int grow(esp_registry *registry)
{
    if (registry->count < registry->capacity) {
        return ESP_OK;
    }
    int capacity = registry->capacity ? 2 * registry->capacity : 16;
    void *entries = realloc(registry->entries, sizeof(esp_plugin_entry) * (size_t)capacity);
    if (!entries) {
        return esp_fail(ESP_MEMORY, "no memory for %d plugins", capacity);
    }
    registry->entries = entries;
    registry->capacity = capacity;
    return ESP_OK;
}

static int add_file(esp_registry *registry, const char *path)
{
    ESP_TRY(grow(registry));
    esp_plugin_entry *entry = &registry->entries[registry->count];
    int status = esp_plugin_open(entry, path);
    registry->count++;
    if (status == ESP_MEMORY) {
        return status;
    }
    for (int i = 0; entry->plugin && i < registry->count - 1; i++) {
        const esp_plugin_entry *other = &registry->entries[i];
        if (other->plugin && other->plugin->kind == entry->plugin->kind &&
            strcmp(other->plugin->name, entry->plugin->name) == 0) {
            entry->is_hidden = true;
            char reason[PATH_MAX + 64];
            snprintf(reason, sizeof reason, "hidden by %s, which is found first", other->path);
            if (keep_refusal(entry, reason) == ESP_MEMORY) {
                return ESP_MEMORY;
            }
        }
    }
    return ESP_OK;
}

static int is_plugin_file(const struct dirent *item)
{
    size_t length = strlen(item->d_name);
    return length > 3 && item->d_name[0] != '.' && strcmp(item->d_name + length - 3, ".so") == 0;
}

static int add_files_of(esp_registry *registry, const char *folder)
{
    struct dirent **items = NULL;
    int count = scandir(folder, &items, is_plugin_file, alphasort);
    int status = ESP_OK;
    for (int i = 0; i < count; i++) {
        char path[PATH_MAX];
        if (status == ESP_OK &&
            snprintf(path, sizeof path, "%s/%s", folder, items[i]->d_name) < (int)sizeof path) {
            status = add_file(registry, path);
        }
        free(items[i]);
    }
    free(items);
    return status;
}

typedef struct folders {
    char *paths[MAX_FOLDERS];
    int count;
} folders;

/* A folder named twice, perhaps through a link, is searched once. Returns whether it is one. */
static bool add_folder(folders *list, const char *path)
{
    struct stat about;
    char *full = realpath(path, NULL);
    if (!full || stat(full, &about) != 0 || !S_ISDIR(about.st_mode)) {
        free(full);
        return false;
    }
    bool is_new = list->count < MAX_FOLDERS;
    for (int i = 0; is_new && i < list->count; i++) {
        is_new = strcmp(list->paths[i], full) != 0;
    }
    if (is_new) {
        list->paths[list->count++] = full;
    } else {
        free(full);
    }
    return true;
}

static void add_folders_of_environment(folders *list)
{
    const char *variable = getenv("ESPALIER_PLUGIN_PATH");
    char *paths = variable ? strdup(variable) : NULL;
    char *rest = NULL;
    for (char *path = paths ? strtok_r(paths, ":", &rest) : NULL; path;
         path = strtok_r(NULL, ":", &rest)) {
        if (!add_folder(list, path)) {
            esp_log_warning("ESPALIER_PLUGIN_PATH: %s is no folder", path);
        }
    }
    free(paths);
}

static void find_folders(folders *list)
{
    add_folders_of_environment(list);
    if (sizeof(esp_real) == sizeof(double)) {
        /* The tests' build of the framework: its plugins lie beside the others. */
        add_folder(list, ESPALIER_PLUGIN_DIR "-double");
        return;
    }
    char *program = esp_place_program(), *ours = esp_place_plugins();
    char *beside = program ? esp_text_format("%s/plugins", program) : NULL;
    if (beside && ours) {
        add_folder(list, beside);
        add_folder(list, ours);
    }
    free(beside);
    free(ours);
    free(program);
}

int esp_registry_create(esp_registry **out)
{
    int status = ESP_OK;
    folders list = {.count = 0};
    esp_registry *registry = calloc(1, sizeof *registry);
    *out = NULL;
    if (!registry) {
        return esp_fail(ESP_MEMORY, "no memory for the plugins");
    }
    find_folders(&list);
    if (list.count == 0) {
        status = esp_fail(ESP_NOT_FOUND,
                          "no plugin folder: neither plugins/ nor ../lib/espalier/plugins beside "
                          "the program, nor " ESPALIER_PLUGIN_DIR "; set ESPALIER_PLUGIN_PATH");
        goto out;
    }
    static const char *const below[] = {"/loss", "/head", ""};
    for (int i = 0; i < list.count; i++) {
        for (size_t j = 0; j < sizeof below / sizeof *below; j++) {
            char folder[PATH_MAX + 8];
            snprintf(folder, sizeof folder, "%s%s", list.paths[i], below[j]);
            ESP_TRY_OUT(add_files_of(registry, folder));
        }
    }
    *out = registry;
    registry = NULL;
out:
    for (int i = 0; i < list.count; i++) {
        free(list.paths[i]);
    }
    esp_registry_destroy(registry);
    return status;
}

void esp_registry_destroy(esp_registry *registry)
{
    if (!registry) {
        return;
    }
    for (int i = 0; i < registry->count; i++) {
        free(registry->entries[i].path);
        free(registry->entries[i].refusal);
    }
    free(registry->entries);
    free(registry);
}

int esp_registry_count(const esp_registry *registry)
{
    return registry->count;
}

const esp_plugin_entry *esp_registry_entry(const esp_registry *registry, int index)
{
    return index >= 0 && index < registry->count ? &registry->entries[index] : NULL;
}

const esp_plugin *esp_registry_find(const esp_registry *registry, esp_kind kind, const char *name)
{
    for (int i = 0; i < registry->count; i++) {
        const esp_plugin *plugin = registry->entries[i].plugin;
        if (plugin && plugin->kind == kind && strcmp(plugin->name, name) == 0) {
            return plugin;
        }
    }
    return NULL;
}

const esp_plugin_entry *esp_registry_entry_of(const esp_registry *registry,
                                              const esp_plugin *plugin)
{
    for (int i = 0; plugin && i < registry->count; i++) {
        if (registry->entries[i].plugin == plugin) {
            return &registry->entries[i];
        }
    }
    return NULL;
}
