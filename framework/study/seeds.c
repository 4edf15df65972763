/* Seeds: 0..9, 1,3, [0, 4..6], {init: 0..9, order: 0}. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "study/reading.h"

bool esp_seed_in(const esp_seed *seed, const esp_seed *seeds, int n_seeds)
{
    for (int i = 0; i < n_seeds; i++) {
        if (seed->init == seeds[i].init && seed->order == seeds[i].order &&
            seed->noise == seeds[i].noise) {
            return true;
        }
    }
    return false;
}

typedef struct seed_list {
    uint64_t *values;
    int n, capacity;
} seed_list;

static void append(esp_reading *r, seed_list *list, uint64_t value)
{
    if (list->n == list->capacity) {
        int capacity = list->capacity ? 2 * list->capacity : 16;
        uint64_t *wider = esp_tree_pool_take(r->pool, sizeof *wider * (size_t)capacity);
        if (list->n > 0) {
            memcpy(wider, list->values, sizeof *wider * (size_t)list->n);
        }
        list->values = wider;
        list->capacity = capacity;
    }
    list->values[list->n++] = value;
}

static bool read_number(uint64_t *out, const char **at)
{
    if (strspn(*at, "0123456789") == 0) {
        return false;
    }
    char *end = NULL;
    errno = 0;
    *out = strtoull(*at, &end, 10);
    bool sound = errno == 0 && *out <= INT64_MAX;
    *at = end;
    return sound;
}

/* "3", "0..4", "1,3,7..9". */
static bool read_text(esp_reading *r, seed_list *list, const char *text, esp_mark mark)
{
    const char *at = text;
    for (;;) {
        uint64_t first = 0, last = 0;
        at += strspn(at, " ");
        bool sound = read_number(&first, &at);
        last = first;
        if (sound && strncmp(at, "..", 2) == 0) {
            at += 2;
            sound = read_number(&last, &at);
        }
        at += strspn(at, " ");
        if (!sound || (*at != '\0' && *at != ',')) {
            esp_problem(r->problems, ESP_ERROR, mark,
                        "'%s' is not seeds; write 0..9, a list such as [0, 3, 5..7], or "
                        "{init: 0..9, order: 0}",
                        text);
            return false;
        }
        if (last < first) {
            esp_problem(r->problems, ESP_ERROR, mark, "the range '%s' ends before it starts", text);
            return false;
        }
        if (last - first >= ESP_MAX_TRIALS || list->n >= ESP_MAX_TRIALS) {
            esp_problem(r->problems, ESP_ERROR, mark, "'%s' is more than %d seeds", text,
                        ESP_MAX_TRIALS);
            return false;
        }
        for (uint64_t seed = first; seed <= last; seed++) {
            append(r, list, seed);
        }
        if (*at++ == '\0') {
            return true;
        }
    }
}

static bool read_list(esp_reading *r, seed_list *list, const esp_node *node)
{
    if (node->type == ESP_NODE_SCALAR) {
        return read_text(r, list, node->text, node->mark);
    }
    if (node->type == ESP_NODE_MAP) {
        esp_problem(r->problems, ESP_ERROR, node->mark, "seeds must be a range or a list here");
        return false;
    }
    bool sound = true;
    for (int i = 0; i < node->n; i++) {
        sound = read_list(r, list, node->items[i]) && sound;
    }
    if (sound && node->n == 0) {
        esp_problem(r->problems, ESP_ERROR, node->mark, "no seeds; a study needs at least one");
    }
    return sound && node->n > 0;
}

static int compare(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return a < b ? -1 : a > b;
}

/* The same seed twice would be the same trial twice. */
static bool distinct(esp_reading *r, const seed_list *list, const esp_node *node)
{
    uint64_t *sorted = esp_tree_pool_take(r->pool, sizeof *sorted * (size_t)(list->n + 1));
    memcpy(sorted, list->values, sizeof *sorted * (size_t)list->n);
    qsort(sorted, (size_t)list->n, sizeof *sorted, compare);
    for (int i = 1; i < list->n; i++) {
        if (sorted[i] == sorted[i - 1]) {
            esp_problem(r->problems, ESP_ERROR, node->mark, "seed %llu is given twice",
                        (unsigned long long)sorted[i]);
            return false;
        }
    }
    return true;
}

static bool read_streams(seed_list streams[3], esp_reading *r, const esp_node *node)
{
    static const char *const names[] = {"init", "order", "noise"};
    bool sound = node->n > 0;
    if (!sound) {
        esp_problem(r->problems, ESP_ERROR, node->mark, "no seeds; a study needs at least one");
    }
    for (int i = 0; i < node->n; i++) {
        int which = -1;
        for (int k = 0; k < 3; k++) {
            which = strcmp(node->keys[i], names[k]) == 0 ? k : which;
        }
        if (which < 0) {
            esp_problem(r->problems, ESP_ERROR, node->key_marks[i], "unknown key '%s' in seeds%s",
                        node->keys[i], esp_word_hint(r->pool, node->keys[i], "init order noise"));
            sound = false;
            continue;
        }
        sound = read_list(r, &streams[which], node->items[i]) &&
                distinct(r, &streams[which], node->items[i]) && sound;
    }
    for (int k = 0; k < 3; k++) {
        if (streams[k].n == 0) {
            append(r, &streams[k], 0);
        }
    }
    return sound;
}

/* `seeds: 3` is read as "three of them" by those who come from elsewhere. */
static void note_single(esp_reading *r, const esp_node *node)
{
    const bool plain =
        node->type == ESP_NODE_SCALAR && strspn(node->text, "0123456789") == strlen(node->text);
    const uint64_t number = plain ? strtoull(node->text, NULL, 10) : 0;
    if (node->mark.source == ESP_IN_FILE && number > 1) {
        esp_problem(r->problems, ESP_NOTE, node->mark,
                    "seeds: %llu is one seed, number %llu; 0..%llu are %llu of them",
                    (unsigned long long)number, (unsigned long long)number,
                    (unsigned long long)number - 1, (unsigned long long)number);
    }
}

void esp_seeds_read(esp_seed **out, int *n_seeds, esp_reading *r, const esp_node *node)
{
    seed_list streams[3] = {{0}};
    *n_seeds = 0;
    *out = NULL;
    bool mapped = node->type == ESP_NODE_MAP;
    if (mapped ? !read_streams(streams, r, node)
               : !(read_list(r, &streams[0], node) && distinct(r, &streams[0], node))) {
        return;
    }
    double count = (double)streams[0].n;
    count *= mapped ? (double)streams[1].n * (double)streams[2].n : 1;
    if (count > ESP_MAX_TRIALS) {
        esp_problem(r->problems, ESP_ERROR, node->mark, "%.0f seeds, more than %d", count,
                    ESP_MAX_TRIALS);
        return;
    }
    note_single(r, node);
    esp_seed *seeds = esp_tree_pool_take(r->pool, sizeof *seeds * (size_t)count);
    int n = 0;
    for (int i = 0; i < streams[0].n; i++) {
        uint64_t init = streams[0].values[i];
        if (!mapped) {
            seeds[n++] = (esp_seed){init, init, init, false};
            continue;
        }
        for (int j = 0; j < streams[1].n; j++) {
            for (int k = 0; k < streams[2].n; k++) {
                seeds[n++] = (esp_seed){init, streams[1].values[j], streams[2].values[k], true};
            }
        }
    }
    *out = seeds;
    *n_seeds = n;
}
