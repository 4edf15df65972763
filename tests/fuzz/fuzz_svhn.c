/* MATLAB 5 files with X and y: a refusal has a reason; what is accepted is whole. */
#include <string.h>

#include "core/status.h"
#include "data/format.h"
#include "fuzz/memory_file.h"

static memory_file file;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    file = memory_file_make();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    esp_part parts[ESP_N_PARTS] = {{.bytes = NULL}};
    esp_data_file files[ESP_N_PARTS] = {{.path = file.path}, {.path = file.path}};
    memory_file_set(&file, bytes, count);
    if (esp_read_svhn(parts, files) == ESP_OK) {
        const esp_part *part = &parts[ESP_TRAIN_PART];
        const size_t size = (size_t)part->count * part->channels * part->rows * part->columns;
        must(size > 0 && parts[ESP_TEST_PART].count == part->count, "a data set of nothing");
        must(memcmp(part->bytes, parts[ESP_TEST_PART].bytes, size) == 0, "two readings differ");
        for (uint32_t i = 0; i < part->count; i++) {
            must(part->labels[i] < 10, "a label out of range");
        }
    } else {
        must(*esp_message() != '\0', "a refusal without a reason");
    }
    for (int p = 0; p < ESP_N_PARTS; p++) {
        esp_part_free(&parts[p]);
    }
    return 0;
}
