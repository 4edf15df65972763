/* espalier eval: a stored model on a split of a data set. */
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "core/status.h"
#include "core/text.h"
#include "nn/blas.h"
#include "run/checkpoint.h"
#include "run/evaluate.h"

enum { KEY_DATA = 'D', KEY_SPLIT = 'p', KEY_ROUTING = 'R', KEY_FORMAT = 'f', BATCH = 500 };

static const struct argp_option argument_options[] = {
    {"data", KEY_DATA, "NAME", 0, "data set (default: the one the model was trained on)", 0},
    {"split", KEY_SPLIT, "SPLIT", 0, "train, validation or test (default: test)", 0},
    {"routing", KEY_ROUTING, "HOW", 0,
     "hard: one leaf by descent; soft: all leaves mixed (default: hard)", 0},
    {"format", KEY_FORMAT, "FORMAT", 0, "text or json (default: text)", 0},
    {0}};

typedef struct arguments {
    const char *checkpoint, *data;
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
    "many of them each leaf is chosen for. Models that do not say how they were normalized are "
    "taken to be the published ones: (x/255 - 0.5) / 0.5.";

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

static int view_split(esp_view_of_data *view, const esp_model *model, const esp_dataset *data,
                      const esp_partition *partition, esp_split split)
{
    *view = (esp_view_of_data){.examples = split == ESP_TEST ? &data->test : &data->train,
                               .count = data->test.count,
                               .scale = (float)(1 / (255 * model->std)),
                               .shift = (float)(-model->mean / model->std)};
    if (split != ESP_TEST) {
        view->indices = split == ESP_TRAIN ? partition->train : partition->validation;
        view->count = split == ESP_TRAIN ? partition->n_train : partition->n_validation;
    }
    if (view->count == 0) {
        return esp_fail(ESP_USAGE, "the model was trained without a validation split");
    }
    return ESP_OK;
}

static void print_json(const arguments *a, const esp_evaluation *evaluation, uint32_t n, int leaves)
{
    json_t *load = json_array();
    for (int i = 0; i < leaves; i++) {
        json_array_append_new(load, json_integer(evaluation->leaf_counts[i]));
    }
    json_t *root = json_pack("{s:f, s:f, s:i, s:o, s:s, s:s, s:s}", "accuracy",
                             evaluation->metrics[a->soft ? ESP_SOFT_ACCURACY : ESP_HARD_ACCURACY],
                             "loss", evaluation->metrics[a->soft ? ESP_SOFT_LOSS : ESP_HARD_LOSS],
                             "n", (int)n, "leaf_load", load, "routing", a->soft ? "soft" : "hard",
                             "data", a->data, "split", esp_split_name(a->split));
    json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    putchar('\n');
    json_decref(root);
}

static void print_text(const arguments *a, const esp_evaluation *evaluation, uint32_t n, int leaves)
{
    printf("%s %s, %s routing, %" PRIu32 " examples\n", a->data, esp_split_name(a->split),
           a->soft ? "soft" : "hard", n);
    printf("accuracy   %.2f%%\n",
           100 * evaluation->metrics[a->soft ? ESP_SOFT_ACCURACY : ESP_HARD_ACCURACY]);
    printf("loss       %.4f nats\n", evaluation->metrics[a->soft ? ESP_SOFT_LOSS : ESP_HARD_LOSS]);
    printf("leaf load ");
    for (int i = 0; i < leaves; i++) {
        printf(" %" PRId64, evaluation->leaf_counts[i]);
    }
    putchar('\n');
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
    ESP_TRY_OUT(check_fit(model, data, a->checkpoint));
    ESP_TRY_OUT(esp_partition_make(&partition, data, model->validation, model->split_seed));
    ESP_TRY_OUT(view_split(&view, model, data, &partition, a->split));
    ESP_TRY_OUT(esp_loss_sum_create(&losses, &phase, model->network, &model->noise));
    evaluation.leaf_counts = calloc((size_t)leaves, sizeof *evaluation.leaf_counts);
    if (evaluation.leaf_counts == NULL) {
        status = esp_fail(ESP_MEMORY, "no memory for leaf counts");
        goto out;
    }
    ESP_TRY_OUT(esp_evaluate(&evaluation, model->network, &losses, &view, BATCH,
                             (esp_position){.epoch = 0}));
    (a->json ? print_json : print_text)(a, &evaluation, view.count, leaves);
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
    argp_err_exit_status = esp_exit_code(ESP_USAGE);
    argp_parse(&parser, argc, argv, 0, NULL, &a);

    esp_registry *registry = NULL;
    esp_model *model = NULL;
    int status = ESP_OK;
    ESP_TRY_OUT(esp_blas_prepare());
    ESP_TRY_OUT(esp_registry_create(&registry));
    ESP_TRY_OUT(esp_model_open(&model, a.checkpoint, BATCH, registry));
    ESP_TRY_OUT(evaluate(&a, model, registry));
out:
    esp_model_close(model);
    esp_registry_destroy(registry);
    return status;
}

const esp_command esp_cmd_eval = {"eval",
                                  "a stored model's accuracy, loss and leaf load on a split", run};
