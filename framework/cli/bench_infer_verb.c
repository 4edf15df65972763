/* espalier bench infer: hard inference against the dense layer. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/bench.h"
#include "cli/options.h"
#include "core/log.h"
#include "core/status.h"
#include "core/terminal.h"
#include "run/bench_infer.h"
#include "run/bench_layers.h"

enum {
    KEY_MODEL = 3300,
    KEY_FEATURES,
    KEY_DEPTH,
    KEY_LEAF_WIDTH,
    KEY_BATCH,
    KEY_THREADS,
    KEY_GRID,
    KEY_FIGURE,
    KEY_LEAVES,
    KEY_REPETITIONS,
    KEY_AGAINST
};
enum { MOST_BATCHES = 4, MOST_SIZES = 2 * MOST_BATCHES };
static const int all_batches[MOST_BATCHES] = {1, 16, 256, 16384};
/* Of the machine's free memory, what a layer may take. */
static const double most_memory = 0.8;

typedef struct arguments {
    const char *format_name, *against, *model;
    int n_features, depth, leaf_width, batch, n_threads, n_rounds, most_leaves;
    bool grid, figure;
} arguments;

typedef struct bench {
    const arguments *given;
    esp_bench_machine machine;
    int n_layers, n;
    esp_bench_layer layers[ESP_BENCH_LAYERS];
    esp_bench_inference results[ESP_BENCH_LAYERS * MOST_SIZES];
} bench;

/* ---- what is measured -------------------------------------------------------------------------
 */

static bool is_wanted(const esp_bench_layer *layer, const arguments *given)
{
    const esp_model_config *model = &layer->model;
    return (given->model == NULL || strcmp(given->model, layer->name) == 0 ||
            strcmp(given->model, esp_model_kind_name(model->kind)) == 0) &&
           (given->n_features == 0 || given->n_features == layer->n_features) &&
           (given->depth == 0 || given->depth == model->depth) &&
           (given->leaf_width == 0 || given->leaf_width == model->leaf_width);
}

static int choose_layers(bench *b)
{
    const arguments *given = b->given;
    const int n = given->grid     ? esp_bench_layers_grid(b->layers)
                  : given->figure ? esp_bench_layers_figure(b->layers, given->most_leaves)
                                  : esp_bench_layers_default(b->layers);
    for (int i = 0; i < n; i++) {
        if (is_wanted(&b->layers[i], given)) {
            b->layers[b->n_layers++] = b->layers[i];
        }
    }
    return b->n_layers > 0 ? ESP_OK
                           : esp_fail(ESP_USAGE, "no layer is of this --model, --features, --depth "
                                                 "and --leaf-width; --grid has all of fff");
}

/* Batches and threads that one layer is measured at; how many. */
static int choose_sizes(esp_bench_inference results[MOST_SIZES], const esp_bench_layer *layer,
                        const arguments *given)
{
    static const int one_batch[] = {256};
    const bool two_cores = sysconf(_SC_NPROCESSORS_ONLN) > 1 && !given->figure;
    const int *batches = given->batch > 0 ? &given->batch : given->figure ? one_batch : all_batches;
    const int n_batches = batches == all_batches ? MOST_BATCHES : 1;
    const int least = given->n_threads > 0 ? given->n_threads : 1;
    const int most = given->n_threads > 0 ? given->n_threads : two_cores ? 2 : 1;
    int n = 0;
    for (int threads = least; threads <= most; threads++) {
        for (int i = 0; i < n_batches; i++) {
            results[n++] =
                (esp_bench_inference){.layer = layer, .batch = batches[i], .n_threads = threads};
        }
    }
    return n;
}

/* Bytes that are free for a program, or 0 where the system does not say. */
static double free_bytes(void)
{
    char line[128];
    long long kilobytes = 0;
    FILE *file = fopen("/proc/meminfo", "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, "MemAvailable: %lld", &kilobytes) == 1) {
            break;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return 1024.0 * (double)kilobytes;
}

static bool has_room(const esp_bench_layer *layer, const esp_bench_inference *results, int n)
{
    double most = 0;
    for (int i = 0; i < n; i++) {
        const double bytes = esp_bench_infer_bytes(&results[i]);
        most = bytes > most ? bytes : most;
    }
    const double room = free_bytes();
    if (room > 0 && most > most_memory * room) {
        esp_log_warning("%s is left out: it takes %.1f GB and %.1f are free", layer->name,
                        1e-9 * most, 1e-9 * room);
        return false;
    }
    return true;
}

static int measure_all(void *context, const char *folder, const esp_registry *registry,
                       esp_bench_output *output)
{
    bench *b = context;
    (void)folder;
    (void)registry;
    ESP_TRY(choose_layers(b));
    ESP_TRY(esp_bench_machine_measure(&b->machine));
    for (int i = 0; i < b->n_layers; i++) {
        esp_bench_inference *results = &b->results[b->n];
        const int n = choose_sizes(results, &b->layers[i], b->given);
        esp_terminal_step(i + 1 == b->n_layers, "%-30s %d of %d", b->layers[i].name, i + 1,
                          b->n_layers);
        if (has_room(&b->layers[i], results, n)) {
            ESP_TRY(esp_bench_infer(results, n, &b->machine, b->given->n_rounds));
            b->n += n;
            ESP_TRY(esp_bench_found(output));
        }
    }
    return ESP_OK;
}

/* ---- results ----------------------------------------------------------------------------------
 */

static bool is_published(const esp_bench_layer *layer)
{
    const esp_model_config *model = &layer->model;
    return model->kind == ESP_MODEL_FFF_NODES && model->n_trees == 1 && model->depth == 11;
}

static void print_text(const void *context)
{
    const bench *b = context;
    bool published = false;
    printf("one core here: %.0f GFLOP/s (product of two matrices by BLAS), %.1f GB/s (reading)\n\n",
           1e-9 * b->machine.flops, 1e-9 * b->machine.bytes);
    printf("%-15s %4s %4s %6s %6s %7s %9s %10s %9s %8s %8s %5s %6s\n", "layer", "in", "out",
           "dense", "batch", "threads", "ns", "examples/s", "dense ns", "speed-up", "by count",
           "peak", "memory");
    for (int i = 0; i < b->n; i++) {
        const esp_bench_inference *r = &b->results[i];
        const esp_bench_layer *layer = r->layer;
        if (i > 0 && layer != b->results[i - 1].layer) {
            putchar('\n');
        }
        printf("%-15s %4d %4d %6d %6d %7d %9.0f %10.0f %9.0f %8.1f %8.1f %4.0f%% %5.0f%%\n",
               layer->name, layer->n_features, layer->n_outputs, layer->dense_width, r->batch,
               r->n_threads, 1e9 * r->seconds, 1 / r->seconds, 1e9 * r->dense_seconds, r->speed_up,
               r->by_count, 100 * r->peak_share, 100 * r->bytes_share);
        published = published || is_published(layer);
    }
    if (published) {
        puts("\npublished for fff_nodes 1x11 on a CPU (arXiv 2311.10770): 78, and 341 by count.");
    }
    puts("\nns: nanoseconds an example, all threads together. dense: hidden units of the layer "
         "that\n"
         "it is compared with; its time is of its two products by BLAS, nothing else. by count: "
         "its\n"
         "multiply-adds over the layer's. peak, memory: shares of what the cores can do, counting\n"
         "the path's operations, and features, outputs and weights once. Outputs were checked\n"
         "against the masked dense evaluation.");
}

static json_t *describe_result(const esp_bench_inference *r)
{
    const esp_bench_layer *layer = r->layer;
    const esp_model_config *model = &layer->model;
    return json_pack(
        "{s:s, s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:f, s:f, s:f, s:f, s:f, s:f, "
        "s:f, s:f, s:i}",
        "layer", layer->name, "model", esp_model_kind_name(model->kind), "depth", model->depth,
        "leaf_width", model->leaf_width, "leaves", model->n_leaves, "trees", model->n_trees,
        "features", layer->n_features, "outputs", layer->n_outputs, "dense_width",
        layer->dense_width, "batch", r->batch, "threads", r->n_threads, "ns_an_example",
        1e9 * r->seconds, "examples_a_second", 1 / r->seconds, "dense_ns_an_example",
        1e9 * r->dense_seconds, "speed_up", r->speed_up, "by_count", r->by_count, "peak_share",
        r->peak_share, "memory_share", r->bytes_share, "error", r->error, "checked", r->checked);
}

static json_t *describe(const void *context)
{
    const bench *b = context;
    json_t *root = json_object(), *list = json_array();
    for (int i = 0; i < b->n; i++) {
        json_array_append_new(list, describe_result(&b->results[i]));
    }
    json_object_set_new(root, "core",
                        json_pack("{s:f, s:f}", "gflops", 1e-9 * b->machine.flops, "gigabytes_s",
                                  1e-9 * b->machine.bytes));
    json_object_set_new(root, "published",
                        json_pack("{s:s, s:f, s:f, s:s}", "layer", "fff_nodes 1x11", "speed_up",
                                  78.0, "by_count", 341.0, "source", "arXiv 2311.10770"));
    json_object_set_new(root, "repetitions", json_integer(b->given->n_rounds));
    json_object_set_new(root, "layers", list);
    return root;
}

/* ---- the verb ---------------------------------------------------------------------------------
 */

static error_t parse_infer(int key, char *value, struct argp_state *state)
{
    arguments *given = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &given->format_name;
        return 0;
    case KEY_MODEL:
        given->model = value;
        return 0;
    case KEY_FEATURES:
        given->n_features = esp_option_count(state, "--features", value, 1 << 20);
        return 0;
    case KEY_DEPTH:
        given->depth = esp_option_count(state, "--depth", value, 15);
        return 0;
    case KEY_LEAF_WIDTH:
        given->leaf_width = esp_option_count(state, "--leaf-width", value, 1 << 20);
        return 0;
    case KEY_BATCH:
        given->batch = esp_option_count(state, "--batch", value, 1 << 20);
        return 0;
    case KEY_THREADS:
        given->n_threads = esp_option_count(state, "--threads", value, ESP_BENCH_MOST_THREADS);
        return 0;
    case KEY_GRID:
        given->grid = true;
        return 0;
    case KEY_FIGURE:
        given->figure = true;
        return 0;
    case KEY_LEAVES:
        given->most_leaves = esp_option_count(state, "--most-leaves", value, 1 << 15);
        return 0;
    case KEY_REPETITIONS:
        given->n_rounds = esp_option_count(state, "--repetitions", value, ESP_BENCH_MOST_TURNS);
        return 0;
    case KEY_AGAINST:
        given->against = value;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "no argument is taken, and '%s' is one", value);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    {"model", KEY_MODEL, "NAME", 0, "only layers of a kind (fff, fff_nodes, moe, ff), or one", 0},
    {"features", KEY_FEATURES, "N", 0, "only layers of so many inputs: 768 or 784", 0},
    {"depth", KEY_DEPTH, "N", 0, "only trees of this depth", 0},
    {"leaf-width", KEY_LEAF_WIDTH, "N", 0, "only leaves or experts of this width", 0},
    {"batch", KEY_BATCH, "N", 0, "only this batch size (default 1, 16, 256 and 16384)", 0},
    {"threads", KEY_THREADS, "N", 0, "only on so many cores (default 1 and 2)", 0},
    {"grid", KEY_GRID, NULL, 0, "fff of all depths 1 to 11 and leaf widths 1 to 64", 0},
    {"figure", KEY_FIGURE, NULL, 0,
     "fff and moe of 2, 4, ... leaves or experts of width 32, batch 256, one core", 0},
    {"most-leaves", KEY_LEAVES, "N", 0, "where --figure ends (default 32768)", 0},
    {"repetitions", KEY_REPETITIONS, "N", 0, "of each measurement, in turns (default 9)", 0},
    {"against", KEY_AGAINST, "FILE", 0,
     "an earlier result in JSON: a speed-up that fell by more than 15 % fails", 0},
    {0}};
static const struct argp_child shared[] = {{&esp_text_or_json_argp, 0, NULL, 0}, {0}};
static const struct argp parser = {
    .options = options,
    .parser = parse_infer,
    .children = shared,
    .doc =
        "Measures hard inference, where an example costs its one path, against the dense layer "
        "of the whole training width by BLAS.\v"
        "Layer and dense layer take turns on the same examples; figures are medians. On two "
        "cores each has its share of the batch, at batch 1 a stream of its own. Outputs are "
        "checked against all nodes and hidden units by BLAS, the path picked by a mask. JSON goes "
        "out as layers are measured; Ctrl-C ends it after one. Measure "
        "on a machine that does nothing else.\n\n"
        "examples:\n"
        "  espalier bench infer\n"
        "  espalier bench infer --model fff_nodes --batch 1 --threads 1\n"
        "  espalier bench infer --grid --features 784 --format json >grid.json\n"
        "  espalier bench infer --against analysis/bench/infer.json"};

static int run_infer(int argc, char **argv)
{
    static const char *const keys[] = {"layer", "features", "outputs", "dense_width",
                                       "batch", "threads",  NULL};
    static const esp_bench_comparison comparison = {
        .list = "layers", .keys = keys, .figure = "speed_up", .more_is_better = true};
    arguments given = {.n_rounds = 9, .most_leaves = 1 << 15};
    if (esp_argp_parse(&parser, argc, argv, &given) != 0) {
        return esp_fail(ESP_USAGE, "`espalier bench --help` shows how it is used");
    }
    bench *b = calloc(1, sizeof *b);
    if (b == NULL) {
        return esp_fail(ESP_MEMORY, "no memory for results");
    }
    b->given = &given;
    const int status = esp_bench_report(&(esp_bench_frame){.format_name = given.format_name,
                                                           .against = given.against,
                                                           .bench = b,
                                                           .measure = measure_all,
                                                           .print = print_text,
                                                           .describe = describe,
                                                           .list = "layers",
                                                           .comparisons = &comparison,
                                                           .n_comparisons = 1});
    free(b);
    return status;
}

const esp_bench_subject esp_bench_inference_subject = {
    {"infer", "hard inference against the dense layer", run_infer}, &parser};
