/* B examples of a batch, O outputs. Source: the npy format, version 1.0, as numpy.lib.format
 * documents it: magic, version, length of the header, a Python literal padded to 64 bytes, values.
 */
#include "run/logits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/status.h"

enum { HEADER = 128, PREFIX = 10 };

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define BYTE_ORDER_MARK "<"
#else
#define BYTE_ORDER_MARK ">"
#endif

static void write_header(char header[HEADER], uint32_t n_examples, int n_outputs)
{
    char text[HEADER - PREFIX];
    const int length =
        snprintf(text, sizeof text,
                 "{'descr': '" BYTE_ORDER_MARK "f4', 'fortran_order': False, 'shape': (%u, %d), }",
                 n_examples, n_outputs);
    memset(header, ' ', HEADER);
    memcpy(header, "\x93NUMPY\1\0", 8);
    header[8] = HEADER - PREFIX;
    header[9] = 0;
    memcpy(header + PREFIX, text, (size_t)length);
    header[HEADER - 1] = '\n';
}

int esp_logits_write(const char *path, esp_network *network, const esp_view_of_data *data,
                     int batch_size, bool soft)
{
    const int outputs = network->config.n_outputs;
    const size_t size = HEADER + sizeof(float) * (size_t)data->count * (size_t)outputs;
    int status = ESP_OK;
    char *bytes = malloc(size);
    if (bytes == NULL) {
        return esp_fail(ESP_MEMORY, "%s: no memory for the logits", path);
    }
    write_header(bytes, data->count, outputs);
    char *at = bytes + HEADER;
    for (uint32_t first = 0; first < data->count; first += (uint32_t)batch_size) {
        const uint32_t left = data->count - first;
        const uint32_t count = left < (uint32_t)batch_size ? left : (uint32_t)batch_size;
        esp_load_batch(network, data, first, count);
        ESP_TRY_OUT(esp_network_forward(network, (int)count, ESP_EVALUATION));
        if (!soft) {
            ESP_TRY_OUT(esp_network_forward_hard(network, ESP_EVALUATION));
        }
        const esp_real *logits = soft ? network->logits : network->hard_logits;
        for (uint32_t b = 0; b < count; b++) {
            for (int o = 0; o < outputs; o++, at += sizeof(float)) {
                const float value = (float)logits[(ptrdiff_t)o * network->stride + b];
                memcpy(at, &value, sizeof value);
            }
        }
    }
    status = esp_file_write(path, bytes, size);
out:
    free(bytes);
    return status;
}
