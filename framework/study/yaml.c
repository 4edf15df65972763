/* The only place that includes yaml.h: libyaml's events into a tree with marks. */
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "study/yaml_tree.h"

/* Far beyond any study, and small enough that what goes through all pairs of keys is done at once.
 */
enum { MAX_DEPTH = 24, MAX_BYTES = 4 << 20, MAX_NODES = 200000, MAX_KEYS = 5000 };

typedef struct reader {
    yaml_parser_t parser;
    esp_tree_pool *pool;
    esp_problems *problems;
    const char *text;
    size_t count;
    int source;
    int n_nodes;
    bool stopped; /* nothing more can be read */
} reader;

static esp_mark mark_at(const reader *r, yaml_mark_t mark)
{
    return (esp_mark){r->source, (int)mark.line + 1, (int)mark.column + 1};
}

/* libyaml gives bytes it cannot decode by their offset only. */
static esp_mark mark_of_offset(const reader *r, size_t offset)
{
    esp_mark mark = {r->source, 1, 1};
    for (size_t i = 0; i < offset && i < r->count; i++) {
        bool newline = r->text[i] == '\n';
        mark.line += newline;
        mark.column = newline ? 1 : mark.column + 1;
    }
    return mark;
}

static void syntax_error(reader *r)
{
    const yaml_parser_t *parser = &r->parser;
    const char *problem = parser->problem ? parser->problem : "cannot be read";
    r->stopped = true;
    if (parser->error == YAML_READER_ERROR) {
        esp_problem(r->problems, ESP_ERROR, mark_of_offset(r, parser->problem_offset),
                    "not UTF-8 text: %s", problem);
        return;
    }
    size_t index = parser->problem_mark.index;
    bool tab = index < r->count && r->text[index] == '\t';
    esp_problem(r->problems, ESP_ERROR, mark_at(r, parser->problem_mark), "YAML: %s%s%s%s", problem,
                parser->context ? " " : "", parser->context ? parser->context : "",
                tab ? " (a tab; indent with spaces)" : "");
}

static bool next_event(reader *r, yaml_event_t *event)
{
    if (r->stopped) {
        return false;
    }
    if (!yaml_parser_parse(&r->parser, event)) {
        syntax_error(r);
        return false;
    }
    return true;
}

static void refuse_extras(reader *r, const char *anchor, const char *tag, esp_mark mark)
{
    if (anchor != NULL) {
        esp_problem(r->problems, ESP_ERROR, mark,
                    "anchors (&%s) are not read; share values through defaults and variants",
                    anchor);
    }
    if (tag != NULL) {
        esp_problem(r->problems, ESP_ERROR, mark, "tags (%s) are not read", tag);
    }
}

static esp_node *read_node(reader *r, yaml_event_t *event, int depth);

static void read_map(reader *r, esp_node *map, int depth)
{
    yaml_event_t event;
    while (next_event(r, &event)) {
        if (event.type == YAML_MAPPING_END_EVENT) {
            yaml_event_delete(&event);
            return;
        }
        esp_node *key = read_node(r, &event, depth);
        yaml_event_delete(&event);
        if (r->stopped || !next_event(r, &event)) {
            return;
        }
        esp_node *value = read_node(r, &event, depth);
        yaml_event_delete(&event);
        if (key == NULL || value == NULL) {
            continue;
        }
        if (map->n == MAX_KEYS) {
            esp_problem(r->problems, ESP_ERROR, key->mark, "a map of more than %d keys", MAX_KEYS);
            r->stopped = true;
            return;
        }
        int first = key->type == ESP_NODE_SCALAR ? esp_node_index(map, key->text) : -1;
        if (key->type != ESP_NODE_SCALAR || *key->text == '\0') {
            esp_problem(r->problems, ESP_ERROR, key->mark, "a key must be a word");
        } else if (strcmp(key->text, "<<") == 0 && !key->quoted) {
            esp_problem(r->problems, ESP_ERROR, key->mark,
                        "merge keys (<<) are not read; share values through defaults");
        } else if (first >= 0) {
            esp_problem(r->problems, ESP_ERROR, key->mark,
                        "key '%s' is given twice; the first is at line %d", key->text,
                        map->key_marks[first].line);
        } else {
            esp_node_append(r->pool, map, key->text, key->mark, value);
        }
    }
}

static void read_list(reader *r, esp_node *list, int depth)
{
    yaml_event_t event;
    while (next_event(r, &event)) {
        if (event.type == YAML_SEQUENCE_END_EVENT) {
            yaml_event_delete(&event);
            return;
        }
        esp_node *item = read_node(r, &event, depth);
        yaml_event_delete(&event);
        if (item != NULL) {
            esp_node_append(r->pool, list, NULL, item->mark, item);
        }
    }
}

static esp_node *read_scalar(reader *r, const yaml_event_t *event, esp_mark mark)
{
    const char *value = (const char *)event->data.scalar.value;
    refuse_extras(r, (const char *)event->data.scalar.anchor, (const char *)event->data.scalar.tag,
                  mark);
    if (strlen(value) != event->data.scalar.length) {
        esp_problem(r->problems, ESP_ERROR, mark, "text holds a NUL character");
    }
    esp_node *node = esp_node_scalar(r->pool, value, mark);
    node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    return node;
}

/* The node that begins with this event; NULL where it was refused. The event stays the caller's. */
static esp_node *read_node(reader *r, yaml_event_t *event, int depth)
{
    esp_mark mark = mark_at(r, event->start_mark);
    if (depth > MAX_DEPTH) {
        esp_problem(r->problems, ESP_ERROR, mark, "nested deeper than %d levels", MAX_DEPTH);
        r->stopped = true;
        return NULL;
    }
    if (++r->n_nodes > MAX_NODES) {
        esp_problem(r->problems, ESP_ERROR, mark, "more than %d values", MAX_NODES);
        r->stopped = true;
        return NULL;
    }
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return read_scalar(r, event, mark);
    case YAML_SEQUENCE_START_EVENT: {
        esp_node *list = esp_node_make(r->pool, ESP_NODE_LIST, mark);
        refuse_extras(r, (const char *)event->data.sequence_start.anchor,
                      (const char *)event->data.sequence_start.tag, mark);
        read_list(r, list, depth + 1);
        return list;
    }
    case YAML_MAPPING_START_EVENT: {
        esp_node *map = esp_node_make(r->pool, ESP_NODE_MAP, mark);
        refuse_extras(r, (const char *)event->data.mapping_start.anchor,
                      (const char *)event->data.mapping_start.tag, mark);
        read_map(r, map, depth + 1);
        return map;
    }
    case YAML_ALIAS_EVENT:
        esp_problem(r->problems, ESP_ERROR, mark,
                    "aliases (*%s) are not read; share values through defaults and variants",
                    (const char *)event->data.alias.anchor);
        return NULL;
    default:
        return NULL;
    }
}

static void read_documents(esp_node **out, reader *r)
{
    yaml_event_t event;
    while (next_event(r, &event)) {
        yaml_event_type_t type = event.type;
        esp_mark mark = mark_at(r, event.start_mark);
        if (type == YAML_STREAM_START_EVENT || type == YAML_DOCUMENT_END_EVENT ||
            type == YAML_STREAM_END_EVENT) {
            yaml_event_delete(&event);
            if (type == YAML_STREAM_END_EVENT) {
                return;
            }
            continue;
        }
        if (type == YAML_DOCUMENT_START_EVENT && *out != NULL) {
            esp_problem(r->problems, ESP_ERROR, mark, "a second document; a study is one");
            r->stopped = true;
        } else if (type != YAML_DOCUMENT_START_EVENT) {
            *out = read_node(r, &event, 0);
        }
        yaml_event_delete(&event);
    }
}

void esp_yaml_read(esp_node **out, esp_tree_pool *pool, esp_problems *problems, const char *text,
                   size_t count, int source)
{
    reader r = {.pool = pool, .problems = problems, .text = text, .count = count, .source = source};
    *out = NULL;
    if (count > MAX_BYTES) {
        esp_problem(problems, ESP_ERROR, (esp_mark){source, 1, 1}, "larger than %d MB",
                    MAX_BYTES >> 20);
        return;
    }
    if (!yaml_parser_initialize(&r.parser)) {
        esp_problem(problems, ESP_ERROR, (esp_mark){source, 1, 1}, "out of memory");
        return;
    }
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, count);
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    read_documents(out, &r);
    yaml_parser_delete(&r.parser);
    if (r.stopped) {
        *out = NULL;
    }
}

const char *esp_yaml_version(void)
{
    return yaml_get_version_string();
}
