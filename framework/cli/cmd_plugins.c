/* espalier plugins: which loss terms and heads there are, what each is, and whether one is sound.
 */
#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/options.h"
#include "cli/plugins.h"
#include "core/status.h"
#include "core/text.h"
#include "plugin/params.h"
#include "plugin/registry.h"

enum { OPTION_FORMAT = 256, OPTION_ALL, OPTION_DIR, OPTION_ROLE };

const char *esp_plugins_kind_text(esp_kind kind)
{
    return kind == ESP_LOSS ? "loss" : "head";
}

static const char *kind_text(const esp_plugin *plugin)
{
    return esp_plugins_kind_text(plugin->kind);
}

static const char *role_text(const esp_plugin *plugin)
{
    static const char *const roles[] = {"?", "task", "routing", "penalty"};
    return plugin->kind == ESP_HEAD ? "-" : roles[plugin->role];
}

static const char *type_text(const esp_param *param)
{
    static const char *const texts[] = {"?", "real", "integer", "boolean", "choice"};
    return texts[param->type];
}

/* ---- ls -------------------------------------------------------------------------------------- */

static json_t *entry_to_json(const esp_plugin_entry *entry)
{
    const esp_plugin *plugin = entry->plugin;
    if (!plugin) {
        return json_pack("{s:s, s:s, s:s}", "state", entry->is_hidden ? "hidden" : "refused",
                         "path", entry->path, "reason", entry->refusal);
    }
    return json_pack("{s:s, s:s, s:s, s:s, s:s?, s:s, s:s, s:s, s:s}", "state", "ready", "kind",
                     kind_text(plugin), "name", plugin->name, "version", plugin->version, "role",
                     plugin->kind == ESP_HEAD ? NULL : role_text(plugin), "summary",
                     plugin->summary, "source", plugin->source, "path", entry->path, "sha256",
                     entry->sha256);
}

int esp_plugins_print_json(json_t *value)
{
    if (!value || json_dumpf(value, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(16)) != 0) {
        json_decref(value);
        return esp_fail(ESP_MEMORY, "no memory for the listing");
    }
    putchar('\n');
    json_decref(value);
    return ESP_OK;
}

static int list_json(const esp_registry *registry)
{
    json_t *array = json_array();
    for (int i = 0; i < esp_registry_count(registry); i++) {
        json_array_append_new(array, entry_to_json(esp_registry_entry(registry, i)));
    }
    return esp_plugins_print_json(array);
}

static void list_text(const esp_registry *registry)
{
    int width = (int)strlen("NAME");
    for (int i = 0; i < esp_registry_count(registry); i++) {
        const esp_plugin *plugin = esp_registry_entry(registry, i)->plugin;
        int length = plugin ? (int)strlen(plugin->name) : 0;
        width = length > width ? length : width;
    }
    printf("%-4s  %-*s  %-7s  %-7s  %s\n", "KIND", width, "NAME", "VERSION", "ROLE", "SUMMARY");
    for (int i = 0; i < esp_registry_count(registry); i++) {
        const esp_plugin_entry *entry = esp_registry_entry(registry, i);
        const esp_plugin *plugin = entry->plugin;
        if (plugin) {
            const int indent = width + 26;
            printf("%-4s  %-*s  %-7s  %-7s  %s\n%*s%s\n%*s%s\n", kind_text(plugin), width,
                   plugin->name, plugin->version, role_text(plugin), plugin->summary, indent, "",
                   plugin->source, indent, "", entry->path);
        }
    }
    for (int i = 0; i < esp_registry_count(registry); i++) {
        const esp_plugin_entry *entry = esp_registry_entry(registry, i);
        if (!entry->plugin) {
            printf("%s  %s\n         %s\n", entry->is_hidden ? "hidden " : "refused", entry->path,
                   entry->refusal);
        }
    }
}

static int list(const plugins_arguments *given, const esp_registry *registry)
{
    if (given->n_names > 0) {
        return esp_fail(ESP_USAGE, "`espalier plugins ls` takes no names; `show NAME` shows one");
    }
    if (given->json) {
        return list_json(registry);
    }
    list_text(registry);
    return ESP_OK;
}

/* ---- show ------------------------------------------------------------------------------------ */

/* NAME of a file NAME.so that was refused; NULL: none. */
static const esp_plugin_entry *find_refused(const esp_registry *registry, const char *name)
{
    char file[256];
    snprintf(file, sizeof file, "/%s.so", name);
    for (int i = 0; i < esp_registry_count(registry); i++) {
        const esp_plugin_entry *entry = esp_registry_entry(registry, i);
        const char *slash = strrchr(entry->path, '/');
        if (entry->refusal && !entry->is_hidden && slash && strcmp(slash, file) == 0) {
            return entry;
        }
    }
    return NULL;
}

int esp_plugins_find(const esp_plugin_entry **out, const esp_registry *registry, const char *wanted)
{
    const char *names[256];
    size_t count = 0;
    *out = NULL;
    for (int i = 0; i < esp_registry_count(registry); i++) {
        const esp_plugin_entry *entry = esp_registry_entry(registry, i);
        if (!entry->plugin) {
            continue;
        }
        char full[64];
        snprintf(full, sizeof full, "%s/%s", kind_text(entry->plugin), entry->plugin->name);
        if (strcmp(full, wanted) == 0 || strcmp(entry->plugin->name, wanted) == 0) {
            if (*out) {
                return esp_fail(ESP_USAGE, "'%s' is a loss and a head: say loss/%s or head/%s",
                                wanted, wanted, wanted);
            }
            *out = entry;
        }
        if (count < sizeof names / sizeof *names) {
            names[count++] = entry->plugin->name;
        }
    }
    if (*out) {
        return ESP_OK;
    }
    const char *slash = strrchr(wanted, '/'); /* loss/NAME */
    const char *name = slash != NULL ? slash + 1 : wanted;
    const esp_plugin_entry *refused = find_refused(registry, name);
    if (refused) {
        return esp_fail(ESP_PLUGIN, "%s: refused: %s", refused->path, refused->refusal);
    }
    const char *meant = esp_text_suggest(name, names, count);
    char file[256];
    snprintf(file, sizeof file, "./%s.so", wanted);
    if (access(file, F_OK) == 0) {
        return esp_fail(
            ESP_NOT_FOUND,
            "no plugin '%s' is where plugins are looked for, but %s is a file here: name "
            "that, or its folder in ESPALIER_PLUGIN_PATH",
            wanted, file);
    }
    return esp_fail(ESP_NOT_FOUND, "no plugin '%s'%s%s%s; `espalier plugins ls` lists them", wanted,
                    meant ? "; did you mean '" : "", meant ? meant : "", meant ? "'?" : "");
}

static void print_range(const esp_param *param)
{
    char low[64], high[64];
    if (param->type == ESP_PARAM_BOOLEAN) {
        printf("true, false");
    } else if (param->type == ESP_PARAM_CHOICE) {
        for (int i = 0; param->choices[i]; i++) {
            printf("%s%s", i ? ", " : "", param->choices[i]);
        }
    } else {
        esp_params_print(low, param, param->minimum);
        esp_params_print(high, param, param->maximum);
        printf("%s..%s", low, high);
    }
}

/* How a study says it, with the defaults written out. */
static void print_example(const esp_plugin *plugin)
{
    bool is_loss = plugin->kind == ESP_LOSS;
    printf("\nin a study:\n  defaults:\n    %s:\n      %s: {", is_loss ? "losses" : "heads",
           plugin->name);
    if (is_loss) {
        printf("weight: 1%s", plugin->n_params ? ", " : "");
    }
    for (uint32_t i = 0; i < plugin->n_params; i++) {
        char value[64];
        esp_params_print(value, &plugin->params[i], plugin->params[i].default_value);
        printf("%s%s: %s", i ? ", " : "", plugin->params[i].name, value);
    }
    printf("}\n");
}

static void show_text(const esp_plugin_entry *entry)
{
    const esp_plugin *plugin = entry->plugin;
    printf("%s %s, version %s", kind_text(plugin), plugin->name, plugin->version);
    if (plugin->kind == ESP_LOSS) {
        printf(", %s term", role_text(plugin));
    }
    printf("\n  %s\n\n", plugin->summary);
    printf("source  %s\ncost    %s\nfile    %s\nsha256  %s\n", plugin->source, plugin->cost,
           entry->path, entry->sha256);
    printf("origin  %s\n", entry->is_shipped
                               ? "espalier ships it: its results go by its version"
                               : "your own: its results go by its file and its version");
    printf("\nparameters:%s\n", plugin->n_params ? "" : " none");
    for (uint32_t i = 0; i < plugin->n_params; i++) {
        const esp_param *param = &plugin->params[i];
        char value[64];
        esp_params_print(value, param, param->default_value);
        printf("  %s (%s; ", param->name, type_text(param));
        print_range(param);
        printf("; default %s)\n      %s\n", value, param->help);
    }
    print_example(plugin);
}

static json_t *param_to_json(const esp_param *param)
{
    char text[64];
    esp_params_print(text, param, param->default_value);
    json_t *object = json_pack("{s:s, s:s, s:s}", "name", param->name, "type", type_text(param),
                               "help", param->help);
    if (param->type == ESP_PARAM_BOOLEAN) {
        json_object_set_new(object, "default", json_boolean(param->default_value != 0));
    } else if (param->type == ESP_PARAM_CHOICE) {
        json_t *choices = json_array();
        for (int i = 0; param->choices[i]; i++) {
            json_array_append_new(choices, json_string(param->choices[i]));
        }
        json_object_set_new(object, "default", json_string(text));
        json_object_set_new(object, "choices", choices);
    } else {
        bool whole = param->type == ESP_PARAM_INTEGER;
        const struct {
            const char *key;
            double value;
        } numbers[] = {{"default", param->default_value},
                       {"minimum", param->minimum},
                       {"maximum", param->maximum}};
        for (int i = 0; i < 3; i++) {
            /* JSON has no infinity: an open bound is null, as json_real refuses it */
            json_t *number = whole && numbers[i].value > -0x1p62 && numbers[i].value < 0x1p62
                                 ? json_integer((json_int_t)numbers[i].value)
                                 : json_real(numbers[i].value);
            json_object_set_new(object, numbers[i].key, number ? number : json_null());
        }
    }
    return object;
}

static int show_json(const esp_plugin_entry *entry)
{
    json_t *card = entry_to_json(entry);
    json_t *params = json_array();
    for (uint32_t i = 0; i < entry->plugin->n_params; i++) {
        json_array_append_new(params, param_to_json(&entry->plugin->params[i]));
    }
    json_object_set_new(card, "source", json_string(entry->plugin->source));
    json_object_set_new(card, "cost", json_string(entry->plugin->cost));
    json_object_set_new(card, "parameters", params);
    return esp_plugins_print_json(card);
}

static int show(const plugins_arguments *given, const esp_registry *registry)
{
    if (given->n_names != 1) {
        return esp_fail(ESP_USAGE, "`espalier plugins show` takes one name, e.g. balance");
    }
    const esp_plugin_entry *entry;
    ESP_TRY(esp_plugins_find(&entry, registry, given->names[0]));
    if (given->json) {
        return show_json(entry);
    }
    show_text(entry);
    return ESP_OK;
}

/* ---- command line ---------------------------------------------------------------------------- */

typedef struct action {
    const char *name;
    int (*run)(const plugins_arguments *given, const esp_registry *registry);
    bool has_format, has_all, has_directory;
} action;

static const action actions[] = {{"ls", list, .has_format = true},
                                 {"show", show, .has_format = true},
                                 {"check", esp_plugins_check, .has_format = true, .has_all = true},
                                 {"new", esp_plugins_new, .has_directory = true}};
enum { N_ACTIONS = sizeof actions / sizeof *actions };

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    plugins_arguments *given = state->input;
    switch (key) {
    case OPTION_FORMAT:
        if (strcmp(argument, "json") != 0 && strcmp(argument, "text") != 0) {
            argp_error(state, "unknown format '%s': expected text or json", argument);
        }
        given->has_format = true;
        given->json = strcmp(argument, "json") == 0;
        return 0;
    case OPTION_ALL:
        given->all = true;
        return 0;
    case OPTION_DIR:
        given->directory = argument;
        return 0;
    case OPTION_ROLE:
        given->role = argument;
        return 0;
    case ARGP_KEY_ARG:
        if (given->action == NULL) {
            given->action = argument;
        } else if (given->n_names < PLUGINS_MAX_NAMES) {
            given->names[given->n_names++] = argument;
        } else {
            argp_error(state, "more than %d names", PLUGINS_MAX_NAMES);
        }
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "expected ls, show, check or new");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int run_action(const action *chosen, const plugins_arguments *given)
{
    if (given->has_format && !chosen->has_format) {
        return esp_fail(ESP_USAGE, "--format is for `plugins ls`, `show` and `check`");
    }
    if (given->all && !chosen->has_all) {
        return esp_fail(ESP_USAGE, "--all is for `plugins check`");
    }
    if (given->directory != NULL && !chosen->has_directory) {
        return esp_fail(ESP_USAGE, "--dir is for `plugins new`");
    }
    if (given->role != NULL && !chosen->has_directory) {
        return esp_fail(ESP_USAGE, "--role is for `plugins new loss`");
    }
    bool needs_registry = given->n_names == 0;
    for (size_t i = 0; i < given->n_names; i++) {
        needs_registry = needs_registry || chosen->run != esp_plugins_check ||
                         !esp_plugins_is_file(given->names[i]);
    }
    esp_registry *registry = NULL;
    if (needs_registry) {
        ESP_TRY(esp_registry_create(&registry));
    }
    int status = chosen->run(given, registry);
    esp_registry_destroy(registry);
    return status;
}

static int run(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"format", OPTION_FORMAT, "FORMAT", 0, "text (default) or json, for ls, show and check", 0},
        {"all", OPTION_ALL, NULL, 0, "check every plugin of the plugin folders, as without names",
         0},
        {"dir", OPTION_DIR, "DIRECTORY", 0,
         "where new writes; default: plugins/loss or plugins/head inside espalier's source tree, "
         "else here",
         0},
        {"role", OPTION_ROLE, "ROLE", 0,
         "penalty (default), routing or task, for a new loss: a penalty keeps parameters or logits "
         "small, routing shapes how examples reach leaves, a task counts in soft_loss and "
         "hard_loss; without --role, new asks at a terminal",
         0},
        {0}};
    static const struct argp parser = {
        .options = options,
        .parser = parse_option,
        .args_doc = "ls\nshow NAME\ncheck [FILE.so|NAME...]\nnew loss|head NEW_NAME",
        .doc = "Loss terms and heads: which there are, what each is, whether one is sound.\v"
               "ls     all plugins found, and files that were refused, with the reason\n"
               "show   one plugin's card: what, source, parameters, cost, how a study says it\n"
               "check  the contract test, in a process of its own: gradients, guards, state, "
               "threads; without names, of every plugin\n"
               "new    writes NEW_NAME.c, a plugin that passes and says what to change, and prints "
               "the commands that build, check and use it\n\n"
               "Plugins are looked for in ESPALIER_PLUGIN_PATH (colon-separated), then in those "
               "that came with this program. A name that is a loss and a head is written loss/NAME "
               "or head/NAME.\n\n"
               "examples:\n"
               "  espalier plugins show hardening\n"
               "  espalier plugins new loss mine\n"
               "  espalier plugins check ./mine.so\n"
               "  ESPALIER_PLUGIN_PATH=~/plugins espalier plugins ls --format json"};
    plugins_arguments given = {.action = NULL};
    if (esp_argp_parse(&parser, argc, argv, &given) != 0) {
        return esp_fail(ESP_USAGE, "`espalier plugins --help` shows how it is used");
    }
    const char *names[N_ACTIONS];
    for (int i = 0; i < N_ACTIONS; i++) {
        names[i] = actions[i].name;
        if (strcmp(given.action, actions[i].name) == 0) {
            return run_action(&actions[i], &given);
        }
    }
    const char *meant = esp_text_suggest(given.action, names, N_ACTIONS);
    return esp_fail(ESP_USAGE, "unknown action '%s'%s%s%s; expected ls, show, check or new",
                    given.action, meant ? ", did you mean '" : "", meant ? meant : "",
                    meant ? "'" : "");
}

const esp_command esp_cmd_plugins = {"plugins", "list, show and check loss terms and heads", run};
