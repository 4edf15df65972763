/* What every subject of `espalier bench` does around its measuring. */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bench.h"
#include "cli/print_rows.h"
#include "core/status.h"
#include "nn/blas.h"
#include "run/bench_store.h"

struct esp_bench_output {
    const esp_bench_frame *frame;
    const char *environment;
    esp_row_format format;
    bool is_begun;
    size_t n_printed; /* entries of the list */
};

static volatile sig_atomic_t asked_to_stop;

static void stop(int number)
{
    (void)number;
    asked_to_stop = 1;
}

/* Once: who asks again does not want to wait. */
static void heed_stops(void)
{
    struct sigaction action = {.sa_handler = stop, .sa_flags = SA_RESTART | SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

/* The whole result as it is now; owned by the caller. */
static json_t *describe(const esp_bench_output *o)
{
    json_t *result = json_object(), *found = o->frame->describe(o->frame->bench);
    esp_bench_describe_program(result, o->environment);
    json_object_update(result, found);
    json_decref(found);
    return result;
}

enum { JSON_FLAGS = JSON_INDENT(1) | JSON_REAL_PRECISION(6) };

/* A value as it stands within others that are so deep. */
static void print_indented(const json_t *value, int depth)
{
    char *text = json_dumps(value, JSON_FLAGS);
    for (const char *at = text; at != NULL && *at != '\0'; at++) {
        putchar(*at);
        if (*at == '\n') {
            printf("%*s", depth, "");
        }
    }
    free(text);
}

/* All that comes before the list, then what of the list is new: together they are what json_dumpf
 * makes of the whole. */
static void print_new(esp_bench_output *o, const json_t *result)
{
    const json_t *list = json_object_get(result, o->frame->list);
    if (!o->is_begun && json_array_size(list) > 0) {
        json_t *head = json_copy((json_t *)(uintptr_t)result);
        json_object_del(head, o->frame->list);
        char *text = json_dumps(head, JSON_FLAGS);
        const size_t length = text != NULL ? strlen(text) : 0; /* it ends with "\n}" */
        printf("%.*s,\n \"%s\": [", length > 2 ? (int)length - 2 : 0, text != NULL ? text : "",
               o->frame->list);
        free(text);
        json_decref(head);
        o->is_begun = true;
    }
    for (; o->n_printed < json_array_size(list); o->n_printed++) {
        fputs(o->n_printed > 0 ? ",\n  " : "\n  ", stdout);
        print_indented(json_array_get(list, o->n_printed), 2);
    }
    fflush(stdout);
}

int esp_bench_found(esp_bench_output *o)
{
    if (o->format == ESP_ROWS_JSON) {
        json_t *result = describe(o);
        print_new(o, result);
        json_decref(result);
    }
    return asked_to_stop ? esp_fail(ESP_INTERRUPTED, "interrupted; the result has what was "
                                                     "measured by then")
                         : ESP_OK;
}

static int print_result(esp_bench_output *o)
{
    const esp_bench_frame *frame = o->frame;
    json_t *result = describe(o);
    int status = ESP_OK;
    if (o->format == ESP_ROWS_JSON && !o->is_begun) {
        json_dumpf(result, stdout, JSON_FLAGS);
        putchar('\n');
    } else if (o->format == ESP_ROWS_JSON) {
        print_new(o, result);
        fputs("\n ]\n}\n", stdout);
    } else {
        frame->print(frame->bench);
    }
    fflush(stdout);
    for (int i = 0; !asked_to_stop && frame->against != NULL && i < frame->n_comparisons; i++) {
        ESP_TRY_OUT(esp_bench_compare(result, frame->against, &frame->comparisons[i]));
    }
out:
    json_decref(result);
    return status;
}

int esp_bench_report(const esp_bench_frame *frame)
{
    char folder[ESP_BENCH_FOLDER] = "", held[256];
    char *environment = NULL;
    esp_registry *registry = NULL;
    esp_bench_output output = {.frame = frame};
    int status = ESP_OK;
    ESP_TRY(esp_row_format_parse(&output.format, frame->format_name));
    ESP_TRY(esp_bench_check_against(frame->against));
    ESP_TRY_OUT(esp_blas_prepare());
    ESP_TRY_OUT(esp_registry_create(&registry));
    ESP_TRY_OUT(esp_bench_make_folder(folder));
    ESP_TRY_OUT(esp_bench_describe(&environment, folder, registry));
    output.environment = environment;
    heed_stops();
    status = frame->measure(frame->bench, folder, registry, &output);
    snprintf(held, sizeof held, "%s", esp_message());
    const int measured = status;
    if (measured == ESP_OK || measured == ESP_INTERRUPTED) {
        ESP_TRY_OUT(print_result(&output));
        status = measured == ESP_OK ? ESP_OK : esp_fail(measured, "%s", held);
    }
out:
    esp_bench_remove_folder(folder);
    esp_registry_destroy(registry);
    free(environment);
    return status;
}
