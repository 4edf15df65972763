/* NumPy arrays: a refusal has a reason; an accepted header agrees with the file to the byte. Then
 * the same bytes as a whole data set, images and labels both. */
#include <math.h>
#include <string.h>

#include "core/status.h"
#include "data/class_names.h"
#include "data/format.h"
#include "data/npy.h"
#include "fuzz/memory_file.h"

static memory_file file;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    file = memory_file_make();
    return 0;
}

static void parse_one(const uint8_t *bytes, size_t count)
{
    esp_npy array;
    if (esp_npy_parse(&array, "array.npy", (const char *)bytes, count) != ESP_OK) {
        must(strncmp(esp_message(), "array.npy: ", 11) == 0, "a refusal without a reason");
        return;
    }
    uint64_t product = 1;
    for (int i = 0; i < array.rank; i++) {
        product *= array.shape[i];
    }
    must(array.rank >= 1 && product == array.count && product > 0, "shape and count differ");
    must(array.bytes + product * array.size == bytes + count, "data is not the file's end");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    esp_part parts[ESP_N_PARTS] = {{.bytes = NULL}};
    esp_data_file files[2 * ESP_N_PARTS];
    parse_one(bytes, count);
    memory_file_set(&file, bytes, count);
    for (int i = 0; i < 2 * ESP_N_PARTS; i++) {
        files[i] = (esp_data_file){.path = file.path};
    }
    if (esp_read_npy(parts, files) == ESP_OK) {
        must(parts[0].count > 0 && parts[0].count == parts[1].count, "a data set of nothing");
        for (uint32_t i = 0; i < parts[0].count && parts[0].names != NULL; i++) {
            must(parts[0].labels[i] < parts[0].names->count, "a label of no name");
        }
        must((parts[0].bytes == NULL) != (parts[0].values == NULL), "neither bytes nor values");
    }
    for (int p = 0; p < ESP_N_PARTS; p++) {
        esp_part_free(&parts[p]);
    }
    return 0;
}
