#include "data/catalog.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/place.h"
#include "core/status.h"
#include "core/text.h"

/* MNIST: MD5 of the four files as LeCun, Cortes and Burges published them. FashionMNIST: MD5 of the
 * gunzipped files of github.com/zalandoresearch/fashion-mnist; Debian packs the same content anew.
 * SVHN: MD5 as torchvision.datasets.SVHN has them. The single files of CIFAR-10 and the unpacked
 * ones of USPS have no published hash: counts and sizes are compared. */
static const esp_known_dataset known_datasets[] = {
    {.name = "mnist",
     .title = "MNIST handwritten digits",
     .format = "idx",
     .n_train = 60000,
     .n_test = 10000,
     .n_classes = 10,
     .channels = 1,
     .image_rows = 28,
     .image_columns = 28,
     .md5 = {"6bbc9ace898e44ae57da46a324031adb", "a25bea736e30d166cdddb491f175f624",
             "2646ac647ad5339dbf082846283269ea", "27ae3e4e09519cfbb04c329615203637"},
     .sha256 = {"ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
                "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
                "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
                "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"}},
    {.name = "fashion-mnist",
     .title = "FashionMNIST clothing",
     .format = "idx",
     .n_train = 60000,
     .n_test = 10000,
     .n_classes = 10,
     .channels = 1,
     .image_rows = 28,
     .image_columns = 28,
     .package_directory = "/usr/share/datasets/fashion-mnist",
     .md5 = {"f4a8712d7a061bf5bd6d2ca38dc4d50a", "9018921c3c673c538a1fc5bad174d6f9",
             "8181f5470baa50b63fa0f6fddb340f0a", "15d484375f8d13e6eb1aabb0c3f46965"},
     .sha256 = {"c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
                "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
                "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
                "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"}},
    {.name = "cifar-10",
     .title = "CIFAR-10 photographs",
     .format = "cifar",
     .n_train = 50000,
     .n_test = 10000,
     .n_classes = 10,
     .channels = 3,
     .image_rows = 32,
     .image_columns = 32,
     .source = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz (170052171 bytes, MD5 "
               "c32a1d4ab5d03f1284b67883e8d87530: check it with md5sum, the unpacked files have no "
               "published hash); unpack it and put data_batch_1.bin to data_batch_5.bin and "
               "test_batch.bin (30730000 bytes each)"},
    {.name = "svhn",
     .title = "SVHN house numbers, cropped digits",
     .format = "svhn",
     .n_train = 73257,
     .n_test = 26032,
     .n_classes = 10,
     .channels = 3,
     .image_rows = 32,
     .image_columns = 32,
     .md5 = {"e26dedcc434d2e4c54c9b2d4a06d8373", "eb5a983be6a315427106f1b164d9cef3"},
     .source = "http://ufldl.stanford.edu/housenumbers/train_32x32.mat (182040794 bytes, MD5 "
               "e26dedcc434d2e4c54c9b2d4a06d8373) and "
               "http://ufldl.stanford.edu/housenumbers/test_32x32.mat (64275384 bytes, MD5 "
               "eb5a983be6a315427106f1b164d9cef3; both are checked when read); put them"},
    {.name = "usps",
     .title = "USPS postal digits",
     .format = "usps",
     .n_train = 7291,
     .n_test = 2007,
     .n_classes = 10,
     .channels = 1,
     .image_rows = 16,
     .image_columns = 16,
     .source = "https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/multiclass/usps.bz2 (MD5 "
               "ec16c51db3855ca6c91edd34d0e9b197) and .../usps.t.bz2 (MD5 "
               "8ea070ee2aca1ac39742fdd1ef5ed118): check them with md5sum, the unpacked files have "
               "no published hash; unpack them with bunzip2 and put usps and usps.t"},
};
enum { N_KNOWN = sizeof known_datasets / sizeof *known_datasets };

const esp_known_dataset *esp_known_dataset_at(size_t index)
{
    return index < N_KNOWN ? &known_datasets[index] : NULL;
}

const esp_known_dataset *esp_known_dataset_find(const char *name)
{
    for (size_t i = 0; i < N_KNOWN; i++) {
        if (strcmp(name, known_datasets[i].name) == 0) {
            return &known_datasets[i];
        }
    }
    return NULL;
}

char *esp_dataset_cache_directory(void)
{
    return esp_place_cache("data");
}

/* ---- one folder ------------------------------------------------------------------------------ */

/* The path of one file in a folder; *out NULL where there is none. */
static int find_file(char **out, const char *folder, const char *name)
{
    static const char *const endings[] = {"", ".gz"};
    *out = NULL;
    for (int dotted = 0; dotted < (strstr(name, "-idx") != NULL ? 2 : 1); dotted++) {
        for (int i = 0; i < 2; i++) {
            char *path = esp_text_format("%s/%s%s", folder, name, endings[i]);
            if (path == NULL) {
                return esp_fail(ESP_MEMORY, "no memory to look for data");
            }
            if (dotted) { /* train-images-idx3-ubyte -> train-images.idx3-ubyte */
                char *last = strstr(path + strlen(folder) + 1, "-idx");
                *last = '.';
            }
            struct stat information;
            if (stat(path, &information) == 0 && !S_ISDIR(information.st_mode)) {
                *out = path;
                return ESP_OK;
            }
            free(path);
        }
    }
    return ESP_OK;
}

/* The files of one format: *n_found of those it must have, *missing the first it lacks, and the
 * optional one. */
static int find_files(char *paths[ESP_DATASET_MAX_FILES], int *n_found, int *missing,
                      const char *folder, const esp_format *format, int needs_test)
{
    *n_found = 0;
    *missing = -1;
    for (int file = 0; file < format->n_files + format->has_optional; file++) {
        ESP_TRY(find_file(&paths[file], folder, format->files[file]));
        if (file < format->n_files) {
            *n_found += paths[file] != NULL;
            *missing = paths[file] == NULL && *missing < 0 ? file : *missing;
        }
    }
    if (!needs_test && *missing == format->n_train_files && *n_found == format->n_train_files) {
        *missing = -1;
    }
    return ESP_OK;
}

static void free_paths(char *paths[ESP_DATASET_MAX_FILES])
{
    for (int file = 0; file < ESP_DATASET_MAX_FILES; file++) {
        free(paths[file]);
        paths[file] = NULL;
    }
}

/* Looks for the files of every format. */
static int find_format(esp_dataset_place *out, int needs_test)
{
    static const char *const numbers[] = {"no", "one", "two", "three", "four", "five", "six"};
    int n_found = 0, missing = -1;
    for (size_t i = 0; esp_format_at(i) != NULL; i++) {
        const esp_format *format = esp_format_at(i);
        char *paths[ESP_DATASET_MAX_FILES] = {NULL};
        int n = 0, first_missing = -1;
        int status = find_files(paths, &n, &first_missing, out->folder, format, needs_test);
        if (status == ESP_OK && n > 0 && out->format != NULL) {
            status = esp_fail(ESP_DATA,
                              "%s: expected files of one format, found %s (%s) and %s (%s); give "
                              "each a folder of its own",
                              out->folder, out->format->title, out->format->files[0], format->title,
                              format->files[0]);
        }
        if (status != ESP_OK || n == 0) {
            free_paths(paths);
            ESP_TRY(status);
            continue;
        }
        memcpy(out->paths, paths, sizeof out->paths);
        out->format = format;
        out->n_files = format->n_files + (format->has_optional && paths[format->n_files] != NULL);
        n_found = n;
        missing = first_missing;
    }
    if (out->format == NULL) {
        const char *usual = esp_format_at(0)->files[0];
        return esp_fail(ESP_NOT_FOUND, "%s: no data set here: expected %s or %s.gz", out->folder,
                        usual, usual);
    }
    if (missing >= 0) {
        return esp_fail(ESP_DATA,
                        "%s: incomplete data set: expected %s files, found %d; %s (or %s.gz) is "
                        "missing",
                        out->folder, numbers[out->format->n_files], n_found,
                        out->format->files[missing], out->format->files[missing]);
    }
    return ESP_OK;
}

int esp_dataset_locate_in(esp_dataset_place *out, const char *folder, int needs_test)
{
    *out = (esp_dataset_place){.folder = esp_text_format("%s", folder)};
    int status = out->folder != NULL ? find_format(out, needs_test)
                                     : esp_fail(ESP_MEMORY, "no memory to look for data");
    if (status != ESP_OK) {
        char *kept = status == ESP_DATA ? out->folder : NULL;
        out->folder = status == ESP_DATA ? NULL : out->folder;
        esp_dataset_place_free(out);
        out->folder = kept;
    }
    return status;
}

void esp_dataset_place_free(esp_dataset_place *place)
{
    free_paths(place->paths);
    free(place->folder);
    *place = (esp_dataset_place){.folder = NULL};
}

static int holds_dataset(const char *folder)
{
    esp_dataset_place place;
    const int status = esp_dataset_locate_in(&place, folder, 0);
    esp_dataset_place_free(&place);
    return status == ESP_OK || status == ESP_DATA;
}

/* ---- the places ------------------------------------------------------------------------------ */

/* Calls visit(folder, context) for every directory of ESPALIER_DATA_PATH, without slashes at its
 * end, until one answers other than 0. */
static int each_path_directory(int (*visit)(const char *directory, void *context), void *context)
{
    const char *path = getenv("ESPALIER_DATA_PATH");
    int answer = 0;
    while (path != NULL && *path && answer == 0) {
        size_t whole = strcspn(path, ":"), length = whole;
        while (length > 1 && path[length - 1] == '/') {
            length--;
        }
        if (length > 0) {
            char *directory = strndup(path, length);
            if (directory == NULL) {
                return esp_fail(ESP_MEMORY, "no memory for ESPALIER_DATA_PATH");
            }
            answer = visit(directory, context);
            free(directory);
        }
        path += whole + (path[whole] == ':');
    }
    return answer;
}

static const char *last_component(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

typedef struct search {
    const char *name;
    esp_dataset_place *place;
    FILE *looked_at; /* list for the message */
    int found;
} search;

/* 0: go on looking; else found (search.found) or a failure. */
static int try_folder(const char *folder, search *context)
{
    fprintf(context->looked_at, "\n  %s", folder);
    const int is_published = esp_known_dataset_find(context->name) != NULL;
    int status = esp_dataset_locate_in(context->place, folder, is_published);
    struct stat information;
    if (status == ESP_NOT_FOUND && stat(folder, &information) == 0) {
        fprintf(context->looked_at, " (without a file of a known name: `espalier data --help`)");
    }
    context->found = status == ESP_OK;
    return status == ESP_NOT_FOUND ? 0 : context->found ? 1 : status;
}

static int try_directory(const char *directory, void *context_)
{
    search *context = context_;
    char *folder = esp_text_format("%s/%s", directory, context->name);
    if (folder == NULL) {
        return esp_fail(ESP_MEMORY, "no memory to look for data");
    }
    int answer = try_folder(folder, context);
    free(folder);
    if (answer == 0 && strcmp(last_component(directory), context->name) == 0) {
        answer = try_folder(directory, context);
    }
    return answer;
}

static int fail_not_found(const char *name, const char *looked_at)
{
    const esp_known_dataset *known = esp_known_dataset_find(name);
    if (known != NULL) {
        return esp_fail(ESP_NOT_FOUND,
                        "data set '%s' is not here; `espalier data fetch %s` %s. Looked for in:%s",
                        name, name, known->source == NULL ? "brings it" : "tells where to get it",
                        looked_at);
    }
    const char **names = esp_dataset_names();
    size_t n_names = 0;
    while (names != NULL && names[n_names] != NULL) {
        n_names++;
    }
    const char *meant = names != NULL ? esp_text_suggest(name, names, n_names) : NULL;
    int status = esp_fail(ESP_NOT_FOUND,
                          "unknown data set '%s'%s%s%s; `espalier data fetch NAME` brings mnist or "
                          "fashion-mnist, own data goes into a folder %s/ of ESPALIER_DATA_PATH. "
                          "Looked for in:%s",
                          name, meant ? "; did you mean '" : "", meant ? meant : "",
                          meant ? "'?" : "", name, looked_at);
    free(names);
    return status;
}

int esp_dataset_locate(esp_dataset_place *out, const char *name)
{
    *out = (esp_dataset_place){.folder = NULL};
    if (*name == '\0' || *name == '.' || strchr(name, '/') != NULL) {
        return esp_fail(ESP_NOT_FOUND,
                        "unknown data set '%s': expected a plain name such as mnist; other folders "
                        "are found through ESPALIER_DATA_PATH",
                        name);
    }
    char *list = NULL;
    size_t list_size = 0;
    FILE *looked_at = open_memstream(&list, &list_size);
    if (looked_at == NULL) {
        return esp_fail(ESP_MEMORY, "no memory to look for data");
    }
    search context = {.name = name, .place = out, .looked_at = looked_at};
    const esp_known_dataset *known = esp_known_dataset_find(name);
    int answer = each_path_directory(try_directory, &context);
    if (answer == 0) {
        char *cache = esp_dataset_cache_directory();
        if (cache != NULL) {
            answer = try_directory(cache, &context);
        }
        free(cache);
    }
    if (answer == 0 && known != NULL && known->package_directory != NULL) {
        answer = try_folder(known->package_directory, &context);
    } else if (answer == 0) {
        answer = try_directory("/usr/share/datasets", &context);
    }
    fclose(looked_at);
    int status = context.found ? ESP_OK : answer;
    if (answer == 0) {
        status = fail_not_found(name, list);
    }
    free(list);
    return status;
}

/* ---- the names ------------------------------------------------------------------------------- */

typedef struct name_list {
    char **names;
    size_t count, capacity;
    int failed; /* out of memory */
} name_list;

static void add_name(name_list *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->names[i], name) == 0) {
            return;
        }
    }
    if (list->count == list->capacity) {
        size_t capacity = 2 * list->capacity + 16;
        char **larger = realloc(list->names, capacity * sizeof *larger);
        if (larger == NULL) {
            list->failed = 1;
            return;
        }
        list->names = larger;
        list->capacity = capacity;
    }
    list->names[list->count] = strdup(name);
    if (list->names[list->count] == NULL) {
        list->failed = 1;
        return;
    }
    list->count++;
}

static int add_directory(const char *directory, void *list)
{
    if (holds_dataset(directory)) {
        add_name(list, last_component(directory));
    }
    DIR *stream = opendir(directory);
    struct dirent *entry;
    while (stream != NULL && (entry = readdir(stream)) != NULL) {
        char *folder =
            *entry->d_name != '.' ? esp_text_format("%s/%s", directory, entry->d_name) : NULL;
        if (folder != NULL && holds_dataset(folder)) {
            add_name(list, entry->d_name);
        }
        free(folder);
    }
    if (stream != NULL) {
        closedir(stream);
    }
    return 0;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

const char **esp_dataset_names(void)
{
    name_list list = {.names = NULL};
    for (size_t i = 0; i < N_KNOWN; i++) {
        add_name(&list, known_datasets[i].name);
    }
    each_path_directory(add_directory, &list);
    char *cache = esp_dataset_cache_directory();
    if (cache != NULL) {
        add_directory(cache, &list);
    }
    free(cache);
    if (list.count > N_KNOWN) { /* found ones by name, after the known ones */
        qsort(list.names + N_KNOWN, list.count - N_KNOWN, sizeof *list.names, compare_names);
    }
    const char *const *found = (const char *const *)list.names;
    char **block = list.failed ? NULL : esp_text_copy_words(found, list.count);
    for (size_t i = 0; i < list.count; i++) {
        free(list.names[i]);
    }
    free(list.names);
    return (const char **)block;
}
