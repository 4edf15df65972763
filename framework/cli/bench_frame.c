/* What every subject of `espalier bench` does around its measuring. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/bench.h"
#include "cli/print_rows.h"
#include "core/status.h"
#include "nn/blas.h"
#include "run/bench_store.h"

static int print_result(const esp_bench_frame *frame, esp_row_format format,
                        const char *environment)
{
    json_t *result = json_object(), *found = frame->describe(frame->bench);
    int status = ESP_OK;
    esp_bench_describe_program(result, environment);
    json_object_update(result, found);
    if (format == ESP_ROWS_JSON) {
        json_dumpf(result, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(6));
        putchar('\n');
    } else {
        frame->print(frame->bench);
    }
    fflush(stdout);
    for (int i = 0; frame->against != NULL && i < frame->n_comparisons; i++) {
        ESP_TRY_OUT(esp_bench_compare(result, frame->against, &frame->comparisons[i]));
    }
out:
    json_decref(found);
    json_decref(result);
    return status;
}

int esp_bench_report(const esp_bench_frame *frame)
{
    char folder[ESP_BENCH_FOLDER] = "";
    char *environment = NULL;
    esp_registry *registry = NULL;
    esp_row_format format;
    int status = ESP_OK;
    ESP_TRY(esp_row_format_parse(&format, frame->format_name));
    ESP_TRY(esp_bench_check_against(frame->against));
    ESP_TRY_OUT(esp_blas_prepare());
    ESP_TRY_OUT(esp_registry_create(&registry));
    ESP_TRY_OUT(esp_bench_make_folder(folder));
    ESP_TRY_OUT(esp_bench_describe(&environment, folder, registry));
    ESP_TRY_OUT(frame->measure(frame->bench, folder, registry));
    ESP_TRY_OUT(print_result(frame, format, environment));
out:
    esp_bench_remove_folder(folder);
    esp_registry_destroy(registry);
    free(environment);
    return status;
}
