/* What differs. Cells are put into groups that are compared with one another: first those of the
 * same variant, of these those of the same values of the keys that both sides sweep, of these those
 * of the same values of all swept keys. What is left of a group is compared as a whole: a key has
 * then all values of the group's cells. */
#include <stdlib.h>
#include <string.h>

#include "cli/diff.h"
#include "core/text.h"

/* The differences of one key by group, while they are gathered. */
typedef struct finding {
    const char *variant, *label;
    json_t *a, *b;
    bool differs;
} finding;

static bool same(const json_t *a, const json_t *b)
{
    return a == b || (a != NULL && b != NULL && json_equal(a, b));
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

static void add(json_t *list, const char *section, const char *key, json_t *a, json_t *b)
{
    json_array_append_new(
        list, json_pack("{s:s, s:s, s:O?, s:O?}", "section", section, "key", key, "a", a, "b", b));
}

static void add_there(json_t *list, const char *section, const char *key, const char *variant,
                      int side)
{
    json_t *there = json_string("there");
    add(list, section, key, side == 0 ? there : NULL, side == 1 ? there : NULL);
    if (variant[0] != '\0') {
        json_object_set_new(json_array_get(list, json_array_size(list) - 1), "variant",
                            json_string(variant));
    }
    json_decref(there);
}

/* ---- groups ------------------------------------------------------------------------------------
 */

/* The values that a cell gives to keys, "k=v k=v", which tell it from others. */
static json_t *values_at(const json_t *cell, const json_t *keys)
{
    const char *key;
    json_t *ignored, *all = json_string("");
    json_object_foreach((json_t *)(uintptr_t)keys, key, ignored)
    {
        const char *before = json_string_value(all);
        const char *value = text_of(json_object_get(cell, "config"), key);
        json_t *longer = json_sprintf("%s%s%s=%s", before, *before ? " " : "", key, value);
        json_decref(all);
        all = longer;
    }
    return all;
}

/* The keys that any of the cells sweeps. */
static json_t *swept_keys(const json_t *cells)
{
    size_t i;
    json_t *cell, *keys = json_object();
    json_array_foreach(cells, i, cell)
    {
        json_object_update(keys, json_object_get(cell, "swept"));
    }
    return keys;
}

/* {"<values>": [cells]} in written order. */
static json_t *cells_by_values(const json_t *cells, const json_t *keys)
{
    size_t i;
    json_t *cell, *all = json_object();
    json_array_foreach(cells, i, cell)
    {
        json_t *values = values_at(cell, keys);
        const char *text = json_string_value(values);
        if (json_object_get(all, text) == NULL) {
            json_object_set_new(all, text, json_array());
        }
        json_array_append(json_object_get(all, text), cell);
        json_decref(values);
    }
    return all;
}

static void add_group(json_t *groups, const char *variant, const char *label, json_t *a, json_t *b)
{
    json_array_append_new(groups, json_pack("{s:s, s:s, s:[O, O]}", "variant", variant, "label",
                                            label, "cells", a, b));
}

/* Cells without a counterpart are a line each. */
static void add_unmatched(json_t *list, const char *variant, const json_t *cells, int side)
{
    size_t i;
    json_t *cell;
    json_array_foreach(cells, i, cell)
    {
        const char *label = text_of(cell, "label");
        add_there(list, "cells", *label ? label : text_of(cell, "variant"), variant, side);
    }
}

/* Cells of the same values of `keys` against one another; what is left goes to rest. */
static void match(json_t *groups, json_t *rest[2], const char *variant, const json_t *keys,
                  json_t *const cells[2])
{
    const char *values;
    json_t *of_a, *one;
    size_t i;
    json_t *sets[2] = {cells_by_values(cells[0], keys), cells_by_values(cells[1], keys)};
    json_object_foreach(sets[0], values, of_a)
    {
        json_t *of_b = json_object_get(sets[1], values);
        if (of_b != NULL) {
            add_group(groups, variant, values, of_a, of_b);
        }
    }
    for (int side = 0; side < 2; side++) {
        rest[side] = json_array();
        json_object_foreach(sets[side], values, of_a)
        {
            json_array_foreach(of_a, i, one)
            {
                if (json_object_get(sets[1 - side], values) == NULL) {
                    json_array_append(rest[side], one);
                }
            }
        }
    }
    json_decref(sets[0]);
    json_decref(sets[1]);
}

/* Cells of a variant (of both sides, if not of the same name) into groups. */
static void group_variant(json_t *groups, json_t *list, const char *variant, json_t *const cells[2])
{
    json_t *keys[2] = {swept_keys(cells[0]), swept_keys(cells[1])};
    json_t *shared = json_object(), *every = json_copy(keys[0]), *coarse = json_array(), *ignored;
    json_t *rest[2], *group;
    const char *key;
    size_t i;
    json_object_update(every, keys[1]);
    json_object_foreach(keys[0], key, ignored)
    {
        if (json_object_get(keys[1], key) != NULL) {
            json_object_set(shared, key, ignored);
        }
    }
    match(coarse, rest, variant, shared, cells);
    for (int side = 0; side < 2; side++) {
        add_unmatched(list, variant, rest[side], side);
        json_decref(rest[side]);
    }
    json_array_foreach(coarse, i, group)
    {
        json_t *pair = json_object_get(group, "cells"), *left[2];
        json_t *both[2] = {json_array_get(pair, 0), json_array_get(pair, 1)};
        match(groups, left, variant, every, both);
        const size_t n_a = json_array_size(left[0]), n_b = json_array_size(left[1]);
        if (n_a > 0 && n_b > 0) {
            add_group(groups, variant, text_of(group, "label"), left[0], left[1]);
        } else {
            add_unmatched(list, variant, left[0], 0);
            add_unmatched(list, variant, left[1], 1);
        }
        json_decref(left[0]);
        json_decref(left[1]);
    }
    json_decref(coarse);
    json_decref(every);
    json_decref(shared);
    json_decref(keys[0]);
    json_decref(keys[1]);
}

static json_t *cells_by_variant(const json_t *cells)
{
    size_t i;
    json_t *cell, *all = json_object();
    json_array_foreach(cells, i, cell)
    {
        const char *variant = text_of(cell, "variant");
        if (json_object_get(all, variant) == NULL) {
            json_object_set_new(all, variant, json_array());
        }
        json_array_append(json_object_get(all, variant), cell);
    }
    return all;
}

/* Studies are compared variant by variant; where they share none, all cells with all. */
static json_t *make_groups(json_t *list, const diff_side *sides)
{
    json_t *groups = json_array();
    json_t *variants[2] = {cells_by_variant(sides[0].cells), cells_by_variant(sides[1].cells)};
    const char *name;
    json_t *cells;
    bool shared = false;
    for (int side = 0; side < 2 && sides[0].kind == DIFF_STUDY; side++) {
        json_object_foreach(variants[side], name, cells)
        {
            if (json_object_get(variants[1 - side], name) == NULL) {
                add_there(list, "variants", name, "", side);
            }
        }
    }
    json_object_foreach(variants[0], name, cells)
    {
        json_t *other = json_object_get(variants[1], name);
        if (sides[0].kind == DIFF_STUDY && other != NULL) {
            group_variant(groups, list, name, (json_t *[]){cells, other});
            shared = true;
        }
    }
    if (!shared) {
        group_variant(groups, list, "", (json_t *[]){sides[0].cells, sides[1].cells});
    }
    json_decref(variants[0]);
    json_decref(variants[1]);
    return groups;
}

/* ---- keys of cells -----------------------------------------------------------------------------
 */

/* All values of a key over a group's cells on one side. */
static json_t *value_in(const json_t *group, int side, const char *section, const char *key)
{
    size_t i;
    json_t *cell, *values = json_object(), *all = NULL;
    json_array_foreach(json_array_get(json_object_get(group, "cells"), (size_t)side), i, cell)
    {
        json_t *value = json_object_get(json_object_get(cell, section), key);
        const char *text = json_string_value(value);
        if (text == NULL || json_object_get(values, text) != NULL) {
            continue;
        }
        json_object_set(values, text, value);
        json_t *longer =
            all == NULL ? json_string(text) : json_sprintf("%s, %s", json_string_value(all), text);
        json_decref(all);
        all = longer;
    }
    json_decref(values);
    return all;
}

static bool differs_in(const json_t *group, const char *section, const char *key)
{
    json_t *a = value_in(group, 0, section, key), *b = value_in(group, 1, section, key);
    const bool differs = !same(a, b);
    json_decref(a);
    json_decref(b);
    return differs;
}

/* phases.<phase>.KEY holds what KEY is during a phase: where it only repeats KEY's difference,
 * KEY's line says it. */
static bool is_repeated(const json_t *group, const char *section, const char *key)
{
    const char *base = strncmp(key, "phases.", 7) == 0 ? strchr(key + 7, '.') : NULL;
    bool repeated = base != NULL && strcmp(section, "config") == 0;
    for (int side = 0; side < 2 && repeated; side++) {
        json_t *its = value_in(group, side, section, key);
        json_t *whole = value_in(group, side, section, base + 1);
        repeated = same(its, whole);
        json_decref(its);
        json_decref(whole);
    }
    return repeated;
}

static bool all_alike(const finding *findings, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!findings[i].differs || !same(findings[i].a, findings[0].a) ||
            !same(findings[i].b, findings[0].b)) {
            return false;
        }
    }
    return count > 0;
}

/* One key: once where all cells differ alike, else by variant where all of its cells do, else by
 * cell. Groups of a variant follow one another. */
static void add_key(json_t *list, const char *section, const char *key, const finding *all,
                    size_t count)
{
    const bool alike = all_alike(all, count);
    for (size_t begin = 0, end; begin < count; begin = end) {
        end = alike ? count : begin + 1;
        while (end < count && strcmp(all[end].variant, all[begin].variant) == 0) {
            end++;
        }
        const bool as_one = all_alike(all + begin, end - begin);
        for (size_t i = begin; i < (as_one ? begin + 1 : end); i++) {
            if (!all[i].differs) {
                continue;
            }
            add(list, section, key, all[i].a, all[i].b);
            json_t *last = json_array_get(list, json_array_size(list) - 1);
            if (!alike && all[i].variant[0] != '\0') {
                json_object_set_new(last, "variant", json_string(all[i].variant));
            }
            if (!as_one && all[i].label[0] != '\0') {
                json_object_set_new(last, "cell", json_string(all[i].label));
            }
        }
    }
}

static void compare_cells(json_t *list, const json_t *groups, const char *section)
{
    const size_t count = json_array_size(groups);
    finding *findings = calloc(count + 1, sizeof *findings);
    json_t *keys = json_object(), *group, *cell, *ignored;
    const char *key;
    size_t i, c;
    json_array_foreach(groups, i, group)
    {
        for (size_t side = 0; side < 2; side++) {
            json_array_foreach(json_array_get(json_object_get(group, "cells"), side), c, cell)
            {
                json_object_update(keys, json_object_get(cell, section));
            }
        }
    }
    json_object_foreach(keys, key, ignored)
    {
        for (i = 0; findings != NULL && i < count; i++) {
            group = json_array_get(groups, i);
            findings[i] = (finding){.variant = text_of(group, "variant"),
                                    .label = text_of(group, "label"),
                                    .a = value_in(group, 0, section, key),
                                    .b = value_in(group, 1, section, key),
                                    .differs = differs_in(group, section, key) &&
                                               !is_repeated(group, section, key)};
        }
        if (findings != NULL) {
            add_key(list, section, key, findings, count);
        }
        for (i = 0; findings != NULL && i < count; i++) {
            json_decref(findings[i].a);
            json_decref(findings[i].b);
        }
    }
    json_decref(keys);
    free(findings);
}

/* ---- what belongs to the whole -----------------------------------------------------------------
 */

/* Whether any cell has losses.NAME or heads.NAME, or data.name NAME. */
static bool uses(const diff_side *side, const char *kind, const char *name)
{
    size_t i;
    json_t *cell, *value;
    const char *key;
    const size_t length = strlen(name);
    json_array_foreach(side->cells, i, cell)
    {
        json_t *config = json_object_get(cell, "config");
        if (strcmp(kind, "data") == 0) {
            if (strcmp(text_of(config, "data.name"), name) == 0) {
                return true;
            }
            continue;
        }
        json_object_foreach(config, key, value)
        {
            const char *dot = strchr(key, '.');
            const bool is_map = strncmp(key, "losses.", 7) == 0 || strncmp(key, "heads.", 6) == 0;
            if (is_map && strncmp(dot + 1, name, length) == 0 &&
                (dot[1 + length] == '.' || dot[1 + length] == '\0')) {
                return true;
            }
        }
    }
    return false;
}

/* Environments list plugins and data sets of the whole study: those that not both use tell nothing
 * about what differs. */
static bool is_shared(const diff_side *sides, const char *key)
{
    char kind[16], name[128];
    if (sscanf(key, "%15[a-z].%127[^.]", kind, name) != 2 ||
        (strcmp(kind, "plugins") != 0 && strcmp(kind, "data") != 0)) {
        return true;
    }
    return uses(&sides[0], kind, name) && uses(&sides[1], kind, name);
}

static void add_whole(json_t *list, const char *section, const char *key, json_t *a, json_t *b)
{
    if (same(a, b)) {
        return;
    }
    add(list, section, key, a, b);
    if (strcmp(section, "metrics") == 0 && a != NULL && b != NULL) {
        json_t *last = json_array_get(list, json_array_size(list) - 1);
        double x = strtod(json_string_value(a), NULL), y = strtod(json_string_value(b), NULL);
        json_object_set_new(last, "a", json_real(x));
        json_object_set_new(last, "b", json_real(y));
        json_object_set_new(last, "delta", json_real(y - x));
    }
}

static void compare_whole(json_t *list, const diff_side *sides, const char *section,
                          json_t *const values[2])
{
    const bool optional = strcmp(section, "trial") != 0;
    if (optional && (json_object_size(values[0]) == 0) != (json_object_size(values[1]) == 0)) {
        /* one of them never ran: a line, not a list of what the other has */
        json_t *words[2] = {json_string("recorded"), json_string("none yet")};
        const int which = json_object_size(values[0]) == 0;
        add(list, section, "(all)", words[which], words[!which]);
        json_decref(words[0]);
        json_decref(words[1]);
        return;
    }
    const char *key;
    json_t *value, *keys = json_copy(values[0]);
    json_object_update(keys, values[1]);
    json_object_foreach(keys, key, value)
    {
        if (strcmp(section, "environment") != 0 || is_shared(sides, key)) {
            add_whole(list, section, key, json_object_get(values[0], key),
                      json_object_get(values[1], key));
        }
    }
    json_decref(keys);
}

json_t *esp_diff_compare(const diff_side sides[2])
{
    json_t *list = json_array(), *groups = make_groups(list, sides);
    compare_cells(list, groups, "config");
    compare_cells(list, groups, "seeds");
    compare_whole(list, sides, "trial", (json_t *[]){sides[0].facts, sides[1].facts});
    compare_whole(list, sides, "environment",
                  (json_t *[]){sides[0].environment, sides[1].environment});
    compare_whole(list, sides, "metrics", (json_t *[]){sides[0].metrics, sides[1].metrics});
    json_decref(groups);
    return list;
}
