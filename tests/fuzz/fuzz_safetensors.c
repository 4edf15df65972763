/* safetensors files: header and tensors, then the same file opened as a model. */
#include <jansson.h>
#include <string.h>

#include "core/status.h"
#include "fuzz/memory_file.h"
#include "run/checkpoint.h"
#include "store/safetensors.h"

static memory_file file;
static esp_registry *registry;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    json_object_seed(1); /* else every process would hash, and hence branch, differently */
    file = memory_file_make();
    must(esp_registry_create(&registry) == ESP_OK, "no plugins");
    must(esp_registry_find(registry, ESP_HEAD, "master_leaf") != NULL, "no plugin master_leaf");
    return 0;
}

/* Every byte of every tensor can be read, and together they are no more than the file. */
static void walk(const esp_safetensors *tensors, size_t n_bytes)
{
    size_t total = 0;
    unsigned sum = 0;
    for (int i = 0; i < esp_safetensors_count(tensors); i++) {
        const esp_safetensor *it = esp_safetensors_at(tensors, i);
        must(esp_safetensors_find(tensors, it->name) == it, "a tensor is not found by its name");
        must(it->rank >= 0 && it->rank <= ESP_SAFETENSORS_RANK, "rank out of range");
        for (size_t k = 0; k < it->count; k++) {
            sum += ((const unsigned char *)it->bytes)[k];
        }
        total += it->count;
    }
    must(total + sum >= total, "counted"); /* keeps the reads */
    must(total <= n_bytes, "tensors larger than their file");
    const char *value = esp_safetensors_meta_of(tensors, "model");
    must(value == NULL || strlen(value) <= n_bytes, "metadata larger than its file");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    esp_safetensors *tensors = NULL;
    memory_file_set(&file, bytes, count);
    int status = esp_safetensors_read(&tensors, file.path);
    must((status == ESP_OK) == (tensors != NULL), "status and result disagree");
    if (status != ESP_OK) {
        must(*esp_message() != '\0', "a refusal without a word");
        return 0;
    }
    walk(tensors, count);
    esp_safetensors_free(tensors);
    esp_model *model = NULL;
    status = esp_model_open(&model, file.path, 2, registry);
    must((status == ESP_OK) == (model != NULL), "status and model disagree");
    esp_model_close(model);
    return 0;
}
