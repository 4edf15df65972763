/* Names of metrics and of views, as studies and messages write them. */
#include <string.h>

#include "core/status.h"
#include "study/schema.h"

static const char metrics[] =
    "running_loss running_soft_accuracy soft_loss hard_loss soft_accuracy "
    "hard_accuracy node_entropy mixture_entropy mixture_max epochs_to_soft_loss "
    "epochs_to_hard_loss epochs_to_soft_accuracy epochs_to_hard_accuracy";

bool esp_metric_check(esp_problems *problems, esp_mark mark, const char *text)
{
    esp_tree_pool *pool = NULL;
    if (esp_tree_pool_create(&pool) != ESP_OK) {
        return false;
    }
    const char *dot = strchr(text, '.');
    const char *split = esp_tree_pool_format(pool, "%.*s", dot ? (int)(dot - text) : 0, text);
    bool sound = false;
    if (dot == NULL || !esp_word_in("train validation test", split)) {
        esp_problem(problems, ESP_ERROR, mark,
                    "'%s' is not a metric of a split, such as test.hard_accuracy%s", text,
                    dot ? esp_word_hint(pool, split, "train validation test") : "");
    } else if (strncmp(dot + 1, "running_", 8) == 0 && strcmp(split, "train") != 0) {
        esp_problem(problems, ESP_ERROR, mark,
                    "'%s': running metrics are of train only; use %s.soft_loss or "
                    "%s.hard_accuracy",
                    text, split, split);
    } else if (strchr(dot + 1, '.') == NULL && !esp_word_in(metrics, dot + 1)) {
        const char *hint = esp_word_hint(pool, dot + 1, metrics);
        esp_problem(problems, ESP_ERROR, mark, "unknown metric '%s'%s%s", text, hint,
                    strstr(hint, "; known") == hint ? ", and loss.NAME, the value of a term" : "");
    } else {
        sound = true;
    }
    esp_tree_pool_destroy(pool);
    return sound;
}

bool esp_metric_is_accuracy(const char *metric)
{
    const char *last = strrchr(metric, '.');
    return strstr(last != NULL ? last : metric, "accuracy") != NULL;
}

const char *esp_metric_epochs_to(const char *metric)
{
    return strncmp(metric, "epochs_to_", 10) == 0 ? metric + 10 : NULL;
}

uint32_t esp_metric_views(const char *metric)
{
    return strcmp(metric, "node_entropy") == 0                  ? ESP_PROBABILITIES
           : esp_word_in("mixture_entropy mixture_max", metric) ? ESP_MIXTURE
                                                                : 0;
}

const char *esp_view_names(esp_tree_pool *pool, uint32_t views)
{
    static const struct {
        uint32_t bit;
        const char *name;
    } names[] = {{ESP_LOGITS, "logits"},
                 {ESP_SCORES, "scores"},
                 {ESP_PROBABILITIES, "probabilities"},
                 {ESP_MIXTURE, "mixture"},
                 {ESP_CHOICES, "choices"},
                 {ESP_LOAD, "load"},
                 {ESP_PARAMETERS, "parameters"}};
    const char *list[sizeof names / sizeof *names];
    size_t n = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (views & names[i].bit) {
            list[n++] = names[i].name;
        }
    }
    return esp_tree_pool_join(pool, list, n, " and ");
}
