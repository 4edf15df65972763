/* --set, and the rule of which cells one goes to. */
#include <string.h>

#include "study/reading.h"

bool esp_override_read(esp_assignment *out, esp_reading *r, const char *text, int number)
{
    esp_mark mark = {number, 1, 1};
    const char *equals = strchr(text, '=');
    if (equals == NULL || equals == text) {
        esp_problem(r->problems, ESP_ERROR, mark,
                    "'%s' is not key=value, such as optimizer.learning_rate=0.01", text);
        return false;
    }
    const char *path = esp_tree_pool_format(r->pool, "%.*s", (int)(equals - text), text);
    int before = esp_problems_errors(r->problems);
    esp_node *value = NULL;
    esp_yaml_read(&value, r->pool, r->problems, equals + 1, strlen(equals + 1), number);
    if (esp_problems_errors(r->problems) > before) {
        return false;
    }
    if (value == NULL) {
        value = esp_node_scalar(r->pool, "", mark);
    }
    *out = (esp_assignment){.path = path, .key_mark = mark, .value = value};
    for (const esp_key *key = esp_keys; key->path != NULL; key++) {
        size_t length = strcspn(path, ".");
        if (key->flags & ESP_KEY_OF_STUDY && strlen(key->path) == length &&
            strncmp(key->path, path, length) == 0) {
            esp_problem(r->problems, ESP_ERROR, mark, "%s is not part of the configuration%s", path,
                        strcmp(path, "seeds") == 0 ? "; use --seeds" : "; change the file");
            return false;
        }
    }
    return true;
}
