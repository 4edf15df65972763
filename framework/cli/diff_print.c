/* What a diff found, for people and for programs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/diff.h"
#include "core/status.h"

enum { SHORT_VALUE = 40, LONG_VALUE = 400, MAX_KEY = 512, WIDE_KEY = 60 };

/* A value as one line. */
static void value_text(char *out, size_t size, const json_t *value, int digits)
{
    if (json_is_real(value)) {
        snprintf(out, size, "%.*g", digits, json_real_value(value));
        return;
    }
    const char *text = json_is_string(value) ? json_string_value(value) : "-";
    snprintf(out, size, "%s", text);
    for (char *c = out; *c != '\0'; c++) {
        *c = *c == '\n' || *c == '\t' ? ' ' : *c;
    }
    if (strlen(text) >= size) {
        memcpy(out + size - 4, "...", 4);
    }
}

/* "key", "key [variant]", "key [variant data.name=mnist]". */
static void key_text(char *out, size_t size, const json_t *one)
{
    const char *variant = json_string_value(json_object_get(one, "variant"));
    const char *cell = json_string_value(json_object_get(one, "cell"));
    const char *key = json_string_value(json_object_get(one, "key"));
    if (variant == NULL && cell == NULL) {
        snprintf(out, size, "%s", key);
    } else {
        snprintf(out, size, "%s [%s%s%s]", key, variant ? variant : "",
                 variant != NULL && cell != NULL ? " " : "", cell ? cell : "");
    }
}

/* A and B beside each other where they are short, else below each other. */
static void print_difference(const json_t *one, int width)
{
    char a[LONG_VALUE], b[LONG_VALUE], key[MAX_KEY];
    const json_t *values[2] = {json_object_get(one, "a"), json_object_get(one, "b")};
    const json_t *delta = json_object_get(one, "delta");
    value_text(a, sizeof a, values[0], 6);
    value_text(b, sizeof b, values[1], 6);
    if (strcmp(a, b) == 0) {
        value_text(a, sizeof a, values[0], 17);
        value_text(b, sizeof b, values[1], 17);
    }
    key_text(key, sizeof key, one);
    if (strlen(a) > SHORT_VALUE || strlen(b) > SHORT_VALUE) {
        printf("  %s\n    A  %s\n    B  %s\n", key, a, b);
        return;
    }
    printf("  %-*s  %-14s  %s", width, key, a, b);
    if (delta != NULL) {
        printf("%*s  (%+.3g)", (int)strlen(b) < 14 ? 14 - (int)strlen(b) : 0, "",
               json_real_value(delta));
    }
    putchar('\n');
}

void esp_diff_print_text(const json_t *list, const diff_side sides[2])
{
    const char *section = "";
    char key[MAX_KEY];
    int width = 0;
    size_t i;
    json_t *one;
    json_array_foreach(list, i, one)
    {
        key_text(key, sizeof key, one);
        const int length = (int)strlen(key);
        width = length > width && length <= WIDE_KEY ? length : width;
    }
    printf("A  %s %s\nB  %s %s\n", esp_diff_kind_name(sides[0].kind), sides[0].title,
           esp_diff_kind_name(sides[1].kind), sides[1].title);
    json_array_foreach(list, i, one)
    {
        const char *here = json_string_value(json_object_get(one, "section"));
        if (strcmp(section, here) != 0) {
            printf("\n%s\n", here);
            section = here;
        }
        print_difference(one, width);
    }
    if (json_array_size(list) == 0) {
        printf("\nnothing differs\n");
    }
}

int esp_diff_print_json(json_t *list, const diff_side sides[2], const diff_results *results)
{
    json_t *all = json_pack("{s:s, s:s, s:s, s:O}", "kind", esp_diff_kind_name(sides[0].kind), "a",
                            sides[0].title, "b", sides[1].title, "differences", list);
    if (results != NULL) {
        json_object_set_new(all, "results", esp_diff_results_json(results));
    }
    int failed = all == NULL || json_dumpf(all, stdout, JSON_INDENT(1)) != 0;
    json_decref(all);
    putchar('\n');
    return failed ? esp_fail(ESP_MEMORY, "no memory for the differences") : ESP_OK;
}
