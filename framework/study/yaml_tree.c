#include "study/yaml_tree.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/status.h"

/* ---- pool ----------------------------------------------------------------------------------- */

enum { BLOCK = 1 << 16, ALIGNMENT = 16 };

typedef struct block block;
struct block {
    block *next;
    size_t used, capacity;
    _Alignas(ALIGNMENT) unsigned char bytes[];
};

struct esp_tree_pool {
    block *first;
    size_t bytes; /* of all blocks */
};

int esp_tree_pool_create(esp_tree_pool **out)
{
    *out = calloc(1, sizeof **out);
    return *out != NULL ? ESP_OK : esp_fail(ESP_MEMORY, "out of memory");
}

void esp_tree_pool_destroy(esp_tree_pool *pool)
{
    if (pool == NULL) {
        return;
    }
    for (block *it = pool->first; it != NULL;) {
        block *next = it->next;
        free(it);
        it = next;
    }
    free(pool);
}

void *esp_tree_pool_take(esp_tree_pool *pool, size_t bytes)
{
    bytes = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    block *it = pool->first;
    if (it == NULL || it->capacity - it->used < bytes) {
        size_t capacity = bytes > BLOCK ? bytes : BLOCK;
        it = calloc(1, sizeof *it + capacity);
        assert(it != NULL);
        it->capacity = capacity;
        it->next = pool->first;
        pool->first = it;
        pool->bytes += capacity;
    }
    void *taken = it->bytes + it->used;
    it->used += bytes;
    return taken;
}

char *esp_tree_pool_format(esp_tree_pool *pool, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int size = vsnprintf(NULL, 0, format, args);
    assert(size >= 0);
    char *text = esp_tree_pool_take(pool, (size_t)size + 1);
    vsnprintf(text, (size_t)size + 1, format, again);
    va_end(again);
    va_end(args);
    return text;
}

const char *esp_tree_pool_join(esp_tree_pool *pool, const char *const *words, size_t n_words,
                               const char *separator)
{
    size_t size = 1;
    for (size_t i = 0; i < n_words; i++) {
        size += strlen(words[i]) + strlen(separator);
    }
    char *text = esp_tree_pool_take(pool, size), *end = text;
    for (size_t i = 0; i < n_words; i++) {
        end = stpcpy(stpcpy(end, i > 0 ? separator : ""), words[i]);
    }
    return text;
}

esp_tree_pool_mark esp_tree_pool_here(const esp_tree_pool *pool)
{
    return (esp_tree_pool_mark){pool->first, pool->first != NULL ? pool->first->used : 0};
}

void esp_tree_pool_rewind(esp_tree_pool *pool, esp_tree_pool_mark mark)
{
    while (pool->first != mark.block) {
        block *next = pool->first->next;
        pool->bytes -= pool->first->capacity;
        free(pool->first);
        pool->first = next;
    }
    if (pool->first != NULL) {
        memset(pool->first->bytes + mark.used, 0, pool->first->used - mark.used);
        pool->first->used = mark.used;
    }
}

size_t esp_tree_pool_bytes(const esp_tree_pool *pool)
{
    return pool->bytes;
}

/* ---- nodes ---------------------------------------------------------------------------------- */

esp_node *esp_node_make(esp_tree_pool *pool, esp_node_type type, esp_mark mark)
{
    esp_node *node = esp_tree_pool_take(pool, sizeof *node);
    node->type = type;
    node->mark = mark;
    node->text = "";
    return node;
}

esp_node *esp_node_scalar(esp_tree_pool *pool, const char *text, esp_mark mark)
{
    esp_node *node = esp_node_make(pool, ESP_NODE_SCALAR, mark);
    node->text = esp_tree_pool_format(pool, "%s", text);
    return node;
}

static void *grown(esp_tree_pool *pool, const void *old, int n, int capacity, size_t size)
{
    void *wider = esp_tree_pool_take(pool, (size_t)capacity * size);
    if (n > 0) {
        memcpy(wider, old, (size_t)n * size);
    }
    return wider;
}

void esp_node_append(esp_tree_pool *pool, esp_node *parent, const char *key, esp_mark key_mark,
                     esp_node *child)
{
    if (parent->n == parent->capacity) {
        int capacity = parent->capacity ? 2 * parent->capacity : 4;
        parent->items = grown(pool, parent->items, parent->n, capacity, sizeof *parent->items);
        parent->keys = grown(pool, parent->keys, parent->n, capacity, sizeof *parent->keys);
        parent->key_marks =
            grown(pool, parent->key_marks, parent->n, capacity, sizeof *parent->key_marks);
        parent->capacity = capacity;
    }
    parent->items[parent->n] = child;
    parent->keys[parent->n] = key;
    parent->key_marks[parent->n++] = key_mark;
}

int esp_node_index(const esp_node *map, const char *key)
{
    if (map != NULL && map->type == ESP_NODE_MAP) {
        for (int i = 0; i < map->n; i++) {
            if (strcmp(map->keys[i], key) == 0) {
                return i;
            }
        }
    }
    return -1;
}

esp_node *esp_node_get(const esp_node *map, const char *key)
{
    int index = esp_node_index(map, key);
    return index < 0 ? NULL : map->items[index];
}

esp_node *esp_node_copy(esp_tree_pool *pool, const esp_node *node)
{
    esp_node *copy = esp_node_make(pool, node->type, node->mark);
    copy->text = node->text;
    copy->quoted = node->quoted;
    for (int i = 0; i < node->n; i++) {
        esp_node_append(pool, copy, node->keys[i], node->key_marks[i],
                        esp_node_copy(pool, node->items[i]));
    }
    return copy;
}

bool esp_node_is_null(const esp_node *node)
{
    return node != NULL && node->type == ESP_NODE_SCALAR && !node->quoted &&
           (*node->text == '\0' || strcmp(node->text, "null") == 0 || strcmp(node->text, "~") == 0);
}

bool esp_text_number(double *out, const char *text)
{
    if (*text == '\0' || text[strspn(text, "0123456789+-.eE")] != '\0' ||
        text[strcspn(text, "0123456789")] == '\0') {
        return false;
    }
    char *end = NULL;
    *out = strtod(text, &end);
    return *end == '\0' && isfinite(*out);
}

void esp_text_print_number(char out[32], double value)
{
    if (value == 0) {
        snprintf(out, 32, "0");
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(out, 32, "%.*g", digits, value);
        if (strtod(out, NULL) == value) {
            return;
        }
    }
}

const char *esp_node_text(esp_tree_pool *pool, const esp_node *node)
{
    if (node->type == ESP_NODE_SCALAR) {
        double value = 0;
        if (!node->quoted && esp_text_number(&value, node->text)) {
            char *number = esp_tree_pool_take(pool, 32);
            esp_text_print_number(number, value);
            return number;
        }
        return esp_node_is_null(node) ? "null" : node->text;
    }
    bool is_map = node->type == ESP_NODE_MAP;
    const char **words = esp_tree_pool_take(pool, sizeof *words * (size_t)(node->n + 1));
    for (int i = 0; i < node->n; i++) {
        const char *item = esp_node_text(pool, node->items[i]);
        words[i] = is_map ? esp_tree_pool_format(pool, "%s: %s", node->keys[i], item) : item;
    }
    return esp_tree_pool_format(pool, is_map ? "{%s}" : "[%s]",
                                esp_tree_pool_join(pool, words, (size_t)node->n, ", "));
}

/* ---- paths ---------------------------------------------------------------------------------- */

bool esp_path_covers(const char *outer, const char *path)
{
    size_t length = strlen(outer);
    return strncmp(outer, path, length) == 0 && (path[length] == '\0' || path[length] == '.');
}

const char *esp_path_in_phase_set(const char *path)
{
    if (strncmp(path, "phases.", 7) != 0) {
        return NULL;
    }
    const char *dot = strchr(path + 7, '.');
    return dot != NULL && strncmp(dot, ".set.", 5) == 0 ? dot + 5 : NULL;
}

/* The index of the child that the path's start names, or -1, and in *rest what is left of the path
 * (NULL: nothing). In a phase's set a key may itself be dotted. */
static int step(const esp_node *node, const char *path, const char **rest)
{
    for (int i = 0; node->type == ESP_NODE_MAP && i < node->n; i++) {
        if (esp_path_covers(node->keys[i], path)) {
            size_t length = strlen(node->keys[i]);
            *rest = path[length] == '.' ? path + length + 1 : NULL;
            return i;
        }
    }
    return -1;
}

esp_node *esp_node_find(const esp_node *root, const char *path)
{
    const esp_node *node = root;
    while (path != NULL) {
        int index = step(node, path, &path);
        if (index < 0) {
            return NULL;
        }
        node = node->items[index];
    }
    return (esp_node *)node;
}

static esp_mark nearest_mark(const esp_node *root, const char *path, bool of_key)
{
    const esp_node *node = root;
    esp_mark mark = root->mark;
    while (path != NULL) {
        int index = step(node, path, &path);
        if (index < 0) {
            break;
        }
        mark = of_key ? node->key_marks[index] : node->items[index]->mark;
        node = node->items[index];
    }
    return mark;
}

esp_mark esp_node_mark(const esp_node *root, const char *path)
{
    return nearest_mark(root, path, false);
}

esp_mark esp_node_key_mark(const esp_node *root, const char *path)
{
    return nearest_mark(root, path, true);
}

static void remove_covered(esp_node *map, const char *path)
{
    int kept = 0;
    for (int i = 0; i < map->n; i++) {
        if (!esp_path_covers(path, map->keys[i])) {
            map->items[kept] = map->items[i];
            map->keys[kept] = map->keys[i];
            map->key_marks[kept++] = map->key_marks[i];
        }
    }
    map->n = kept;
}

static void set_child(esp_tree_pool *pool, esp_node *map, const char *key, esp_mark mark,
                      esp_node *value)
{
    int index = esp_node_index(map, key);
    if (index >= 0) {
        map->items[index] = value;
        map->key_marks[index] = mark;
    } else {
        esp_node_append(pool, map, key, mark, value);
    }
}

/* The map at key, made where there is none (or a null, or a scalar). */
static esp_node *child_map(esp_tree_pool *pool, esp_node *map, const char *key, esp_mark mark)
{
    esp_node *child = esp_node_get(map, key);
    if (child == NULL || child->type != ESP_NODE_MAP) {
        child = esp_node_make(pool, ESP_NODE_MAP, mark);
        set_child(pool, map, key, mark, child);
    }
    return child;
}

static void assign_below(esp_tree_pool *pool, esp_node *map, const char *path, esp_mark mark,
                         esp_node *value)
{
    const char *dot = NULL;
    while ((dot = strchr(path, '.')) != NULL) {
        map =
            child_map(pool, map, esp_tree_pool_format(pool, "%.*s", (int)(dot - path), path), mark);
        path = dot + 1;
    }
    set_child(pool, map, path, mark, value);
}

void esp_node_assign(esp_tree_pool *pool, esp_node *root, const char *path, esp_mark key_mark,
                     const esp_node *value)
{
    esp_node *copy = esp_node_copy(pool, value);
    const char *key = esp_path_in_phase_set(path);
    if (key == NULL) {
        assign_below(pool, root, path, key_mark, copy);
        return;
    }
    /* A phase's set keeps its dotted keys: there "losses: {..}" and "losses.x.weight" differ. */
    const char *head = esp_tree_pool_format(pool, "%.*s", (int)(key - path - 1), path);
    esp_node *set = root;
    for (const char *dot = NULL; (dot = strchr(head, '.')) != NULL; head = dot + 1) {
        set = child_map(pool, set, esp_tree_pool_format(pool, "%.*s", (int)(dot - head), head),
                        key_mark);
    }
    set = child_map(pool, set, head, key_mark);
    for (int i = 0; i < set->n; i++) {
        if (strcmp(set->keys[i], key) != 0 && esp_path_covers(set->keys[i], key) &&
            set->items[i]->type == ESP_NODE_MAP) {
            assign_below(pool, set->items[i], key + strlen(set->keys[i]) + 1, key_mark, copy);
            return;
        }
    }
    remove_covered(set, key);
    esp_node_append(pool, set, key, key_mark, copy);
}
