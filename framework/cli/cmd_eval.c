/* espalier eval: a stored model on a split of a data set. */
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/options.h"
#include "core/log.h"
#include "core/new_file.h"
#include "core/status.h"
#include "core/text.h"
#include "nn/blas.h"
#include "run/checkpoint.h"
#include "run/evaluate.h"
#include "run/logits.h"

enum {
    KEY_DATA = 'D',
    KEY_SPLIT = 'p',
    KEY_ROUTING = 'R',
    KEY_ABLATE = 'A',
    KEY_FORMAT = 'f',
    KEY_LOGITS = 'L',
    BATCH = 500
};

static const struct argp_option argument_options[] = {
    {"data", KEY_DATA, "NAME", 0, "data set (default: the one the model was trained on)", 0},
    {"split", KEY_SPLIT, "SPLIT", 0, "train, validation or test (default: test)", 0},
    {"routing", KEY_ROUTING, "hard|soft", 0,
     "one leaf by descent (default), or all leaves mixed; the same for ff, moe and fff_nodes", 0},
    {"ablate", KEY_ABLATE, "PART", 0,
     "leave a part out: a head by its name, or tree, the model below its heads", 0},
    {"format", KEY_FORMAT, "FORMAT", 0, "text or json (default: text)", 0},
    {"dump-logits", KEY_LOGITS, "FILE", 0,
     "also write the logits as npy: float32 [examples x classes], in the split's order", 0},
    {0}};

typedef struct arguments {
    const char *checkpoint, *data, *ablate, *logits;
    esp_split split;
    bool soft, json;
} arguments;

static int choose(struct argp_state *state, const char *option, const char *value,
                  const char *const *names)
{
    char known[128] = "";
    size_t count = 0;
    for (; names[count] != NULL; count++) {
        if (strcmp(names[count], value) == 0) {
            return (int)count;
        }
        const size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", count ? ", " : "", names[count]);
    }
    const char *meant = esp_text_suggest(value, names, count);
    argp_error(state, "--%s: unknown value '%s'%s%s%s; there are %s", option, value,
               meant ? "; did you mean '" : "", meant ? meant : "", meant ? "'?" : "", known);
    return 0;
}

static error_t parse(int key, char *value, struct argp_state *state)
{
    static const char *const splits[] = {"train", "validation", "test", NULL};
    static const char *const routings[] = {"hard", "soft", NULL};
    static const char *const formats[] = {"text", "json", NULL};
    arguments *a = state->input;
    switch (key) {
    case KEY_DATA:
        a->data = value;
        return 0;
    case KEY_SPLIT:
        a->split = (esp_split)choose(state, "split", value, splits);
        return 0;
    case KEY_ROUTING:
        a->soft = choose(state, "routing", value, routings) == 1;
        return 0;
    case KEY_ABLATE:
        a->ablate = value;
        return 0;
    case KEY_LOGITS:
        a->logits = value;
        return 0;
    case KEY_FORMAT:
        a->json = choose(state, "format", value, formats) == 1;
        return 0;
    case ARGP_KEY_ARG:
        if (a->checkpoint != NULL) {
            argp_error(state, "one model at a time; '%s' is a second one", value);
        }
        a->checkpoint = value;
        return 0;
    case ARGP_KEY_END:
        if (a->checkpoint == NULL) {
            argp_error(state, "which model? e.g. espalier eval results/espalier.db.checkpoints/"
                              "TRIAL/selected.safetensors");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const char documentation[] =
    "Evaluates a model (safetensors, ours or published) on a split of a data set.\v"
    "Example:\n"
    "  espalier eval model.safetensors --data mnist --split test --routing hard\n"
    "\n"
    "Prints accuracy (a fraction), loss (cross entropy in nats), the number of examples, and how "
    "many of them each leaf (expert; tree and leaf) is chosen for: of a moe each example counts "
    "once "
    "for each of its top_k experts, of fff_nodes once in each tree. Models that do not say how "
    "they were normalized are "
    "taken to be the published ones: (x/255 - 0.5) / 0.5.\n"
    "\n"
    "A model keeps the names of its classes and how its study split the data: eval refuses data of "
    "other names, and splits data without test files in the same way.\n"
    "\n"
    "Heads add what they log, always of hard routing: master_leaf the accuracy of tree and master "
    "leaf alone and the norms of what each adds. --ablate tells what a part is worth: without a "
    "head, its input is its output; without the tree, heads are given logits of 0.";

static int check_fit(const esp_model *model, const esp_dataset *data, const char *path)
{
    const esp_network_config *config = &model->network->config;
    if (config->n_features != (int)data->n_features || config->n_outputs < (int)data->n_classes) {
        return esp_fail(ESP_DATA,
                        "%s takes %d features and gives %d classes; %s has %" PRIu32
                        " features and %" PRIu32 " classes",
                        path, config->n_features, config->n_outputs, data->name, data->n_features,
                        data->n_classes);
    }
    return ESP_OK;
}

/* "'cat', 'dog'", cut where it gets long; "0, 1, .." where classes are numbers. */
static void list_classes(char list[200], char *const *names, int n)
{
    enum { LONGEST = 160 };
    size_t used = 0;
    if (names == NULL) {
        snprintf(list, 200, "0 to %d, by number", n - 1);
        return;
    }
    for (int i = 0; i < n; i++) {
        const size_t length = strlen(names[i]) + 4;
        if (used + length > LONGEST) {
            snprintf(list + used, 200 - used, "%s... (%d)", i > 0 ? ", " : "", n);
            return;
        }
        snprintf(list + used, 200 - used, "%s'%s'", i > 0 ? ", " : "", names[i]);
        used = strlen(list);
    }
}

/* A class is an index; the same index must mean the same label. */
static int check_classes(const esp_model *model, const esp_dataset *data, const char *path)
{
    const int n_outputs = model->network->config.n_outputs, n_classes = (int)data->n_classes;
    const bool named = model->class_names != NULL;
    char known[200], found[200], first[512] = "";
    int at = 0;
    if (!named && data->class_names == NULL) {
        return ESP_OK;
    }
    if (named && data->class_names != NULL) {
        while (at < n_outputs && at < n_classes &&
               strcmp(model->class_names[at], data->class_names[at]) == 0) {
            at++;
        }
        if (at == n_outputs && at == n_classes) {
            return ESP_OK;
        }
        snprintf(first, sizeof first, "; class %d is '%s' of the model and '%s' of the data", at,
                 at < n_outputs ? model->class_names[at] : "none",
                 at < n_classes ? data->class_names[at] : "none");
    }
    list_classes(known, model->class_names, n_outputs);
    list_classes(found, data->class_names, n_classes);
    return esp_fail(ESP_DATA,
                    "%s was trained on the classes %s; %s has %s%s; evaluate data whose labels "
                    "are the same",
                    path, known, data->name, found, first);
}

/* Leaves the part out of all that follows. */
static int ablate(esp_network *network, const char *part)
{
    const char *names[ESP_NETWORK_MAX_HEADS + 1] = {"tree"};
    const int n_heads = network->config.n_heads;
    char known[256] = "tree";
    for (int i = 0; i < n_heads; i++) {
        names[i + 1] = network->config.heads[i]->plugin->name;
        const size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, ", %s", names[i + 1]);
    }
    for (int i = 0; i <= n_heads; i++) {
        if (strcmp(part, names[i]) == 0 && n_heads == 0) {
            return esp_fail(ESP_USAGE, "--ablate: nothing is left without the tree; the model has "
                                       "no head");
        }
        if (strcmp(part, names[i]) == 0) {
            network->ablated = i == 0 ? ESP_ABLATED_MODEL : 1u << (i - 1);
            return ESP_OK;
        }
    }
    const char *meant = esp_text_suggest(part, names, (size_t)n_heads + 1);
    return esp_fail(ESP_USAGE, "--ablate: the model has no part '%s'%s%s%s; there are %s", part,
                    meant ? "; did you mean '" : "", meant ? meant : "", meant ? "'?" : "", known);
}

/* What the model's file says of splits. A data set that brings its own test split keeps it. */
static int make_partition(esp_partition *out, const esp_model *model, const esp_dataset *data,
                          esp_split split)
{
    esp_partition_rule rule = model->partition;
    rule.test = data->test.count > 0 ? 0 : rule.test;
    const bool is_drawn = split != ESP_TEST || rule.test > 0;
    if (is_drawn && *model->data_digest != '\0' && strcmp(model->data_digest, data->digest) != 0) {
        esp_log_warning("%s is not the data that the model was trained on (digest %.16s, not "
                        "%.16s): its %s split is another, and %s",
                        data->name, data->digest, model->data_digest, esp_split_name(split),
                        split == ESP_TRAIN ? "may hold examples that were not trained on"
                                           : "may hold training examples");
    }
    return esp_partition_make(out, data, &rule);
}

static int view_split(esp_view_of_data *view, const esp_model *model, const esp_dataset *data,
                      const esp_partition *partition, esp_split split)
{
    const esp_split_examples examples = esp_partition_split(data, partition, split);
    *view = (esp_view_of_data){.examples = examples.examples,
                               .indices = examples.indices,
                               .count = examples.count,
                               .normalization = model->normalization};
    if (view->normalization.scales == NULL) {
        view->normalization =
            esp_normalization_fixed(model->mean, model->std, data->train.values != NULL);
    }
    if (view->count == 0 && split == ESP_TEST) {
        return esp_fail(ESP_USAGE,
                        "%s has no test split, and the model was trained without data.test, which "
                        "splits one off; --split train takes the training examples",
                        data->name);
    }
    if (view->count == 0) {
        return esp_fail(ESP_USAGE, "the model was trained without a validation split");
    }
    return ESP_OK;
}

/* Whether soft and hard routing are two things. */
static bool mixes(const esp_model *model)
{
    return model->network->config.model.kind == ESP_MODEL_FFF &&
           model->network->config.model.depth > 0;
}

/* JSON has no number for what a broken model gives. */
static json_t *real_or_null(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static void print_json(const arguments *a, const esp_evaluation *evaluation, uint32_t n,
                       const esp_model *model)
{
    const int leaves = model->network->n_leaves;
    json_t *load = json_array();
    for (int i = 0; i < leaves; i++) {
        json_array_append_new(load, json_integer(evaluation->leaf_counts[i]));
    }
    json_t *root = json_pack(
        "{s:o, s:o, s:i, s:o, s:s, s:s, s:s}", "accuracy",
        real_or_null(evaluation->metrics[a->soft ? ESP_SOFT_ACCURACY : ESP_HARD_ACCURACY]), "loss",
        real_or_null(evaluation->metrics[a->soft ? ESP_SOFT_LOSS : ESP_HARD_LOSS]), "n", (int)n,
        "leaf_load", load, "routing", a->soft ? "soft" : "hard", "data", a->data, "split",
        esp_split_name(a->split));
    json_object_set_new(root, "model",
                        json_string(esp_model_kind_name(model->network->config.model.kind)));
    json_object_set_new(root, "routing_matters", json_boolean(mixes(model)));
    if (a->ablate != NULL) {
        json_object_set_new(root, "ablated", json_string(a->ablate));
    }
    for (int i = 0; i < ESP_N_FROM; i++) {
        if (model->from[i] != NULL) {
            json_object_set_new(root, esp_from_names[i], json_string(model->from[i]));
        }
    }
    for (int i = 0; i < model->n_heads; i++) {
        const esp_instance *head = &model->heads[i];
        for (int k = 0; k < head->n_logged; k++) {
            char name[96];
            snprintf(name, sizeof name, "%s.%s", head->plugin->name, head->logged[k].key);
            json_object_set_new(root, name,
                                real_or_null(head->logged[k].sum / head->logged[k].weight));
        }
    }
    json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    putchar('\n');
    json_decref(root);
}

static const char *word_of(const char *text)
{
    return text != NULL ? text : "?";
}

static void print_text(const arguments *a, const esp_evaluation *evaluation, uint32_t n,
                       const esp_model *model)
{
    printf("%s %s, %s routing, %" PRIu32 " examples%s%s\n", a->data, esp_split_name(a->split),
           a->soft ? "soft" : "hard", n, a->ablate ? ", without " : "", a->ablate ? a->ablate : "");
    if (model->from[ESP_FROM_TRIAL] != NULL) {
        const char *const *from = (const char *const *)model->from;
        printf("trained as %s %s, seed %s: trial %s\n", word_of(from[ESP_FROM_STUDY]),
               word_of(from[ESP_FROM_CELL]), word_of(from[ESP_FROM_SEED]), from[ESP_FROM_TRIAL]);
    }
    printf("accuracy   %.2f%%\n",
           100 * evaluation->metrics[a->soft ? ESP_SOFT_ACCURACY : ESP_HARD_ACCURACY]);
    printf("loss       %.4f nats\n", evaluation->metrics[a->soft ? ESP_SOFT_LOSS : ESP_HARD_LOSS]);
    if (!mixes(model)) {
        printf("routing    hard and soft are the same for model kind '%s'\n",
               esp_model_kind_name(model->network->config.model.kind));
    }
    printf("leaf load ");
    for (int i = 0; i < model->network->n_leaves; i++) {
        printf(" %" PRId64, evaluation->leaf_counts[i]);
    }
    putchar('\n');
    for (int i = 0; i < model->n_heads; i++) {
        const esp_instance *head = &model->heads[i];
        for (int k = 0; k < head->n_logged; k++) {
            printf("%s.%s %.6g\n", head->plugin->name, head->logged[k].key,
                   head->logged[k].sum / head->logged[k].weight);
        }
    }
}

/* The database that a file is a checkpoint of, going by the path's last folder of that kind. */
static void add_database_of(esp_inputs *inputs, const char *path)
{
    static const char suffix[] = ".checkpoints/";
    const char *end = NULL;
    for (const char *at = path; at != NULL && (at = strstr(at, suffix)) != NULL; at++) {
        end = at;
    }
    char *database = end != NULL ? esp_text_format("%.*s", (int)(end - path), path) : NULL;
    if (database != NULL) {
        esp_store_inputs(inputs, database);
    }
    free(database);
}

/* That the logits go to no file which is read here, nor over a part of a results database: where
 * the model is one of its checkpoints, that one. Its folder of checkpoints may be a link. */
static int spare_inputs(const arguments *a, const esp_dataset *data, const esp_registry *registry)
{
    esp_inputs inputs = {0};
    char *real = esp_file_resolve(a->checkpoint);
    esp_inputs_add(&inputs, a->checkpoint, "the model");
    esp_store_inputs(&inputs, esp_store_default_path(NULL));
    add_database_of(&inputs, a->checkpoint);
    add_database_of(&inputs, real);
    for (int i = 0; i < ESP_DATASET_MAX_FILES; i++) {
        esp_inputs_add(&inputs, data->paths[i], "a file of the data set");
    }
    for (int i = 0; i < esp_registry_count(registry); i++) {
        esp_inputs_add(&inputs, esp_registry_entry(registry, i)->path, "a plugin");
    }
    const int status = esp_inputs_spare(&inputs, a->logits);
    free(real);
    esp_inputs_free(&inputs);
    return status;
}

static int evaluate(arguments *a, esp_model *model, const esp_registry *registry)
{
    int status = ESP_OK;
    esp_dataset *data = NULL;
    esp_partition partition = {0};
    esp_loss_sum losses = {0};
    esp_evaluation evaluation = {0};
    esp_view_of_data view;
    esp_phase_config phase = {.n_terms = 1};
    const int leaves = model->network->n_leaves;
    a->data = a->data ? a->data : model->trained_on;
    if (*a->data == '\0') {
        return esp_fail(ESP_USAGE, "%s does not say what it was trained on; name it with --data",
                        a->checkpoint);
    }
    phase.terms[0].plugin = esp_registry_find(registry, ESP_LOSS, "cross_entropy");
    if (phase.terms[0].plugin == NULL) {
        return esp_fail(ESP_NOT_FOUND, "the plugin cross_entropy is missing");
    }
    phase.terms[0].weight = 1;
    esp_params_default(&phase.terms[0].params, phase.terms[0].plugin);
    ESP_TRY_OUT(esp_dataset_open(&data, a->data));
    ESP_TRY_OUT(check_classes(model, data, a->checkpoint));
    ESP_TRY_OUT(spare_inputs(a, data, registry));
    ESP_TRY_OUT(check_fit(model, data, a->checkpoint));
    ESP_TRY_OUT(make_partition(&partition, model, data, a->split));
    ESP_TRY_OUT(view_split(&view, model, data, &partition, a->split));
    ESP_TRY_OUT(esp_loss_sum_create(&losses, &phase, model->network, &model->noise));
    evaluation.leaf_counts = calloc((size_t)leaves, sizeof *evaluation.leaf_counts);
    if (evaluation.leaf_counts == NULL) {
        status = esp_fail(ESP_MEMORY, "no memory for leaf counts");
        goto out;
    }
    ESP_TRY_OUT(esp_evaluate(&evaluation, model->network, &losses, &view, BATCH,
                             (esp_position){.epoch = 0}));
    (a->json ? print_json : print_text)(a, &evaluation, view.count, model);
    if (a->logits != NULL) {
        ESP_TRY_OUT(esp_logits_write(a->logits, model->network, &view, BATCH, a->soft));
    }
out:
    free(evaluation.leaf_counts);
    esp_loss_sum_destroy(&losses);
    esp_partition_free(&partition);
    esp_dataset_close(data);
    return status;
}

static int run(int argc, char **argv)
{
    arguments a = {.split = ESP_TEST};
    const struct argp parser = {
        argument_options, parse, "MODEL.safetensors", documentation, 0, 0, 0};
    esp_argp_parse(&parser, argc, argv, &a);

    esp_registry *registry = NULL;
    esp_model *model = NULL;
    int status = ESP_OK;
    ESP_TRY_OUT(esp_blas_prepare());
    ESP_TRY_OUT(esp_registry_create(&registry));
    ESP_TRY_OUT(esp_model_open(&model, a.checkpoint, BATCH, registry));
    if (a.ablate != NULL) {
        ESP_TRY_OUT(ablate(model->network, a.ablate));
    }
    ESP_TRY_OUT(evaluate(&a, model, registry));
out:
    esp_model_close(model);
    esp_registry_destroy(registry);
    return status;
}

const esp_command esp_cmd_eval = {"eval",
                                  "a stored model's accuracy, loss and leaf load on a split", run};
