/* csv: any text is refused at a place, or gives rows of finite numbers and a label each. */
#include <math.h>
#include <string.h>

#include "core/status.h"
#include "data/class_names.h"
#include "data/csv.h"
#include "fuzz/memory_file.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    esp_csv_header header;
    esp_part part = {.bytes = NULL};
    char *text = malloc(count + 1);
    must(text != NULL, "no memory");
    memcpy(text, bytes, count);
    text[count] = '\0';
    if (esp_csv_parse(&header, &part, "table.csv", text, count, "label") == ESP_OK) {
        must(part.count > 0 && header.count >= 2, "a table of nothing");
        must(part.columns == header.count - 1, "header and rows differ");
        must(strcmp(header.names[header.label], "label") == 0, "another label");
        for (size_t i = 0; i < (size_t)part.count * part.columns; i++) {
            must(isfinite(part.values[i]), "a number that is not finite");
        }
        volatile uint8_t sum = 0;
        for (uint32_t i = 0; i < part.count; i++) {
            sum = (uint8_t)(sum + part.labels[i]);
            must(part.names == NULL || part.labels[i] < part.names->count, "a label of no name");
        }
    } else {
        must(strncmp(esp_message(), "table.csv:", 10) == 0, "a refusal without a place");
    }
    esp_csv_header_free(&header);
    esp_part_free(&part);
    free(text);
    return 0;
}
