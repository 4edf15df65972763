/* What a study's YAML says, as a tree of scalars, lists and maps that know where they stand.
 * All memory comes from a pool and goes with it. Thread: the owner's. */
#ifndef ESP_STUDY_YAML_TREE_H
#define ESP_STUDY_YAML_TREE_H

#include <stdbool.h>
#include <stddef.h>

#include "study/problems.h"

/* ---- pool ----------------------------------------------------------------------------------- */

typedef struct esp_tree_pool esp_tree_pool;

/* Errors: ESP_MEMORY. */
int esp_tree_pool_create(esp_tree_pool **out);
void esp_tree_pool_destroy(esp_tree_pool *pool);
/* Zeroed memory, never NULL: running out ends the program, since a study is some kilobytes. */
void *esp_tree_pool_take(esp_tree_pool *pool, size_t bytes);
char *esp_tree_pool_format(esp_tree_pool *pool, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* All words with separator between them. */
const char *esp_tree_pool_join(esp_tree_pool *pool, const char *const *words, size_t n_words,
                               const char *separator);

/* Gives back what was taken since a mark, for work that is done once a cell. */
typedef struct esp_tree_pool_mark {
    const void *block;
    size_t used;
} esp_tree_pool_mark;
esp_tree_pool_mark esp_tree_pool_here(const esp_tree_pool *pool);
void esp_tree_pool_rewind(esp_tree_pool *pool, esp_tree_pool_mark mark);
/* What the pool holds of the system's memory. */
size_t esp_tree_pool_bytes(const esp_tree_pool *pool);

/* ---- nodes ---------------------------------------------------------------------------------- */

typedef enum esp_node_type { ESP_NODE_SCALAR, ESP_NODE_LIST, ESP_NODE_MAP } esp_node_type;

typedef struct esp_node esp_node;
struct esp_node {
    esp_node_type type;
    esp_mark mark;
    const char *text; /* scalar */
    bool quoted;      /* scalar: in quotes, hence text whatever it looks like */
    int n;            /* children of a list or map, in written order */
    esp_node **items;
    const char **keys;   /* map */
    esp_mark *key_marks; /* map */
    int capacity;
};

esp_node *esp_node_make(esp_tree_pool *pool, esp_node_type type, esp_mark mark);
esp_node *esp_node_scalar(esp_tree_pool *pool, const char *text, esp_mark mark);
/* key NULL in a list. */
void esp_node_append(esp_tree_pool *pool, esp_node *parent, const char *key, esp_mark key_mark,
                     esp_node *child);
/* The child of that key, or NULL; -1 for none. */
esp_node *esp_node_get(const esp_node *map, const char *key);
int esp_node_index(const esp_node *map, const char *key);
esp_node *esp_node_copy(esp_tree_pool *pool, const esp_node *node);
/* A scalar null, ~ or nothing, unquoted. */
bool esp_node_is_null(const esp_node *node);
/* On one line, as YAML's flow style writes it; numbers in one spelling (1, 1.0, 1e0: 1). */
const char *esp_node_text(esp_tree_pool *pool, const esp_node *node);

/* Whether text is a plain decimal number, and which. Not hexadecimal, infinite or NaN. */
bool esp_text_number(double *out, const char *text);
/* The shortest decimal that reads back as value; out [32]. */
void esp_text_print_number(char out[32], double value);

/* ---- paths ---------------------------------------------------------------------------------- */

/* Whether path is outer or lies below it: "losses" covers "losses.balance.weight". */
bool esp_path_covers(const char *outer, const char *path);
/* Where "phases.NAME.set." ends in path, or NULL: what follows is one key of that map. */
const char *esp_path_in_phase_set(const char *path);

/* The node at a dotted path below root, or NULL. */
esp_node *esp_node_find(const esp_node *root, const char *path);
/* The mark of the node at path, else of the nearest node above it that was written. */
esp_mark esp_node_mark(const esp_node *root, const char *path);
/* The same of the key itself. */
esp_mark esp_node_key_mark(const esp_node *root, const char *path);
/* Puts a copy of value at path, making maps on the way; what was there goes. */
void esp_node_assign(esp_tree_pool *pool, esp_node *root, const char *path, esp_mark key_mark,
                     const esp_node *value);

/* ---- reading -------------------------------------------------------------------------------- */

/* Reads YAML text: *out NULL where it cannot be read. Adds every mistake found to problems: syntax,
 * duplicate keys, anchors and aliases, merge keys, tags, depth, size, bytes that are not UTF-8.
 * source is the marks' source. */
void esp_yaml_read(esp_node **out, esp_tree_pool *pool, esp_problems *problems, const char *text,
                   size_t count, int source);

/* The version of libyaml that is loaded, "0.2.5". Owned by the library. Thread: any. */
const char *esp_yaml_version(void);

#endif
