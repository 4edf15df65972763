/* What a study compares, and which of its comparisons ask the same: cells that differ from their
 * reference in the values of what is compared, as in the weight of a term that one variant sweeps,
 * are other doses and never pooled. */
#include <string.h>

#include "core/status.h"
#include "report/inference.h"

static int question_of(esp_inference *all, const char *a, const char *b,
                       const esp_contrast *contrast)
{
    for (int i = 0; i < all->n_questions; i++) {
        const esp_comparison_question *question = &all->questions[i];
        if (question->contrast == contrast &&
            (contrast != NULL || (strcmp(question->a, a) == 0 && strcmp(question->b, b) == 0))) {
            return i;
        }
    }
    all->questions[all->n_questions] =
        (esp_comparison_question){.a = a, .b = b, .contrast = contrast};
    return all->n_questions++;
}

/* family: the question, for now. */
static void add(esp_inference *all, const esp_report_cell *a, const esp_report_cell *b,
                int question)
{
    all->comparisons[all->n++] = (esp_comparison){.a = a, .b = b, .family = question};
    all->questions[question].n++;
}

static void list(esp_inference *all, const esp_report *report)
{
    for (int i = 0; i < report->n_pairs; i++) {
        const esp_report_pair *pair = &report->pairs[i];
        const char *const *names = pair->contrast->names;
        add(all, pair->a, pair->b, question_of(all, names[0], names[1], pair->contrast));
    }
    for (int i = 0; report->section.n_contrasts == 0 && i < report->n_cells; i++) {
        const esp_report_cell *cell = &report->cells[i];
        if (cell->reference >= 0) {
            const esp_report_cell *reference = &report->cells[cell->reference];
            add(all, cell, reference, question_of(all, cell->variant, reference->variant, NULL));
        }
    }
}

/* ---- doses ----------------------------------------------------------------------------------- */

/* A value as swept, else as configured; NULL where the cell has none. */
static const char *value_of(const esp_report_cell *cell, const char *key)
{
    for (int i = 0; i < cell->n_swept; i++) {
        if (strcmp(cell->swept[i].key, key) == 0) {
            return cell->swept[i].value;
        }
    }
    return esp_report_value(cell, key);
}

/* Adds to a question's keys those of a cell's swept keys in which two cells differ. */
static int add_keys(esp_comparison_question *question, esp_report *report,
                    const esp_report_cell *cell, const esp_report_cell *other)
{
    for (int i = 0; i < cell->n_swept; i++) {
        const char *key = cell->swept[i].key, *value = value_of(other, key);
        if ((value != NULL && strcmp(value, cell->swept[i].value) == 0) ||
            esp_words_have(&question->keys, key)) {
            continue;
        }
        const char **more =
            esp_pool_take(&report->pool, ((size_t)question->keys.n + 1) * sizeof *more);
        ESP_TRY(esp_pool_status(&report->pool));
        for (int k = 0; k < question->keys.n; k++) {
            more[k] = question->keys.at[k];
        }
        more[question->keys.n++] = key;
        question->keys.at = more;
    }
    return ESP_OK;
}

/* "losses.balance.weight=0.3 optimizer.learning_rate=0.1": a cell's values of the keys. */
static const char *dose_of(esp_report *report, const esp_report_cell *cell, const esp_words *keys)
{
    const char *text = "";
    for (int i = 0; i < keys->n; i++) {
        const char *value = value_of(cell, keys->at[i]);
        if (value != NULL) {
            text = esp_pool_format(&report->pool, "%s%s%s=%s", text, *text ? " " : "", keys->at[i],
                                   value);
        }
    }
    return text;
}

/* The doses of both sides of a comparison. */
typedef struct doses {
    const char *a, *b;
} doses;

/* Parts a question into families of the same doses. of [n]: the doses of the comparisons. */
static int part(esp_inference *all, esp_report *report, int index, doses *of)
{
    esp_comparison_question *question = &all->questions[index];
    bool a_differs = false, b_differs = false;
    const doses *known = of + all->n; /* of the families */
    doses *next = of + all->n + all->n_families;
    question->first = all->n_families;
    for (int i = 0; i < all->n; i++) {
        if (all->comparisons[i].family != -1 - index) {
            continue;
        }
        int f = question->first;
        while (f < all->n_families &&
               (strcmp(known[f].a, of[i].a) != 0 || strcmp(known[f].b, of[i].b) != 0)) {
            f++;
        }
        if (f == all->n_families) {
            *next++ = of[i];
            a_differs = a_differs || strcmp(known[question->first].a, of[i].a) != 0;
            b_differs = b_differs || strcmp(known[question->first].b, of[i].b) != 0;
            all->families[all->n_families++] = (esp_comparison_family){.question = index};
        }
        all->comparisons[i].family = f;
        all->families[f].n++;
    }
    question->n_doses = all->n_families - question->first;
    for (int f = question->first; f < all->n_families; f++) {
        esp_comparison_family *family = &all->families[f];
        const char *a = a_differs ? known[f].a : "", *b = b_differs ? known[f].b : "";
        family->a = esp_pool_format(&report->pool, "%s%s%s", question->a, *a ? " " : "", a);
        family->b = esp_pool_format(&report->pool, "%s%s%s", question->b, *b ? " " : "", b);
        family->dose = esp_pool_format(&report->pool, "%s%s%s%s", a, *a && *b ? " " : "",
                                       *b ? "against " : "", b);
    }
    return esp_pool_status(&report->pool);
}

int esp_questions_ask(esp_inference *all, esp_report *report)
{
    list(all, report);
    doses *of = esp_pool_take(&report->pool, (2 * (size_t)all->n + 1) * sizeof *of);
    ESP_TRY(esp_pool_status(&report->pool));
    for (int i = 0; i < all->n; i++) {
        const esp_comparison *one = &all->comparisons[i];
        ESP_TRY(add_keys(&all->questions[one->family], report, one->a, one->b));
        ESP_TRY(add_keys(&all->questions[one->family], report, one->b, one->a));
    }
    for (int i = 0; i < all->n; i++) {
        esp_comparison *one = &all->comparisons[i];
        const esp_words *keys = &all->questions[one->family].keys;
        of[i] = (doses){dose_of(report, one->a, keys), dose_of(report, one->b, keys)};
        one->family = -1 - one->family;
    }
    for (int i = 0; i < all->n_questions; i++) {
        ESP_TRY(part(all, report, i, of));
    }
    return esp_pool_status(&report->pool);
}
