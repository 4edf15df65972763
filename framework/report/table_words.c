/* Numbers and keys as a table prints them. */
#include "report/table_build.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/status.h"
#include "report/report_query.h"
#include "study/schema.h"

static bool is_of_epochs(const esp_report_metric *metric)
{
    return esp_metric_epochs_to(metric->key) != NULL;
}

bool esp_in_percent(const esp_report_metric *metric)
{
    return metric->better == ESP_BETTER_HIGHER;
}

const char *esp_report_metric_title(esp_report *report, const esp_report_metric *metric)
{
    static const struct {
        const char *key, *words;
    } known[] = {
        {"soft_accuracy", "accuracy, soft routing, percent"},
        {"hard_accuracy", "accuracy, hard routing, percent"},
        {"running_soft_accuracy", "accuracy over the epoch's batches, soft routing, percent"},
        {"soft_loss", "loss of the task terms, soft routing, nats"},
        {"hard_loss", "loss of the task terms, hard routing, nats"},
        {"running_loss", "weighted total loss over the epoch's batches, soft routing, nats"},
    };
    const char *split = strcmp(metric->split, "train") == 0        ? "Train"
                        : strcmp(metric->split, "validation") == 0 ? "Validation"
                        : strcmp(metric->split, "test") == 0       ? "Test"
                                                                   : metric->split;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(known[i].key, metric->key) == 0) {
            return esp_pool_format(&report->pool, "%s %s", split, known[i].words);
        }
    }
    const char *reached = esp_metric_epochs_to(metric->key);
    if (reached != NULL) {
        return esp_pool_format(&report->pool, "Epochs until %s.%s was as good as reported",
                               metric->split, reached);
    }
    return esp_pool_format(&report->pool, "%s %s", split, metric->key);
}

const char *esp_report_training_mark(const esp_report *report)
{
    return report->training_saw_test != NULL ? " (training looked at the test set!)" : "";
}

const char *esp_report_at_phrase(esp_report *report, const esp_report_at *at)
{
    const char *mark = esp_report_training_mark(report);
    if (strcmp(at->name, "last") == 0) {
        return esp_pool_format(&report->pool, "at the last epoch%s", mark);
    }
    if (*at->monitors == '\0') {
        return esp_pool_format(&report->pool, "%s%s",
                               report->done > 0
                                   ? "at the last epoch: the study names nothing to select one by"
                                   : "at the selected epoch",
                               mark);
    }
    return esp_pool_format(&report->pool, "at the epoch selected by %s%s", at->monitors,
                           strstr(at->monitors, "test.") != NULL ? " (the test set!)" : mark);
}

const char *esp_words_key(esp_report *report, const char *key)
{
    const esp_words *lists[] = {&report->section.rows, &report->section.columns};
    esp_words all = {0};
    if (esp_report_words(&all, report, lists[0]->n + lists[1]->n) != ESP_OK) {
        return key; /* the pool's status says so */
    }
    for (int i = 0; i < 2; i++) {
        for (int k = 0; k < lists[i]->n; k++) {
            all.at[all.n++] = lists[i]->at[k];
        }
    }
    return esp_key_words(&report->pool, key, &all, NULL);
}

const char *esp_words_values(esp_report *report, const esp_report_cell *cell, const esp_words *keys,
                             int first, int n, const char *separator, bool named)
{
    const char *text = "";
    for (int i = first; i < first + n; i++) {
        const char *value = esp_report_value(cell, keys->at[i]);
        bool name =
            named && strcmp(keys->at[i], "variant") != 0 && strcmp(keys->at[i], "data.name") != 0;
        text = esp_pool_format(&report->pool, "%s%s%s%s%s", text, i > first ? separator : "",
                               name ? esp_words_key(report, keys->at[i]) : "", name ? " " : "",
                               value ? value : "-");
    }
    return text;
}

const char *esp_words_number(esp_report *report, const esp_report_metric *metric, double value)
{
    if (isnan(value)) {
        return "-";
    }
    return esp_in_percent(metric) ? esp_pool_format(&report->pool, "%.2f", 100 * value)
           : is_of_epochs(metric) ? esp_pool_format(&report->pool, "%.1f", value)
                                  : esp_pool_format(&report->pool, "%.4f", value);
}

const char *esp_words_variance(esp_report *report, const esp_report_metric *metric, double value)
{
    double scaled = esp_in_percent(metric) ? 1e4 * value : value;
    return isnan(scaled) ? "-"
           : scaled >= 0.005 && esp_in_percent(metric)
               ? esp_pool_format(&report->pool, "%.2f", scaled)
           : scaled == 0 ? "0"
                         : esp_pool_format(&report->pool, "%.2g", scaled);
}

const char *esp_words_plus_minus(esp_report *report, const esp_report_metric *metric, double center,
                                 double width)
{
    return isnan(center) ? "-"
           : isnan(width)
               ? esp_words_number(report, metric, center)
               : esp_pool_format(&report->pool, "%s ± %s", esp_words_number(report, metric, center),
                                 esp_words_number(report, metric, width));
}

const char *esp_words_ratio(esp_report *report, double value)
{
    return isnan(value) ? "-"
                        : esp_pool_format(&report->pool, value >= 0.1 ? "%.2f" : "%.2g", value);
}

const char *esp_words_signed(esp_report *report, const esp_report_metric *metric, double value)
{
    const char *number = esp_words_number(report, metric, value);
    return isnan(value) || *number == '-' ? number : esp_pool_format(&report->pool, "+%s", number);
}

const char *esp_words_delta(esp_report *report, const esp_report_metric *metric,
                            const esp_paired *paired)
{
    return paired->n == 0
               ? "-"
               : esp_pool_format(&report->pool, "%s (%d)",
                                 esp_words_signed(report, metric, paired->mean), paired->n);
}

const char *esp_words_builds(esp_report *report, const esp_report_cell *cell)
{
    return cell->builds > 1 ? esp_pool_format(&report->pool, ", %d builds", cell->builds) : "";
}

static const char *count(esp_report *report, const esp_report_cell *cell, int n)
{
    if (cell->unasked) {
        return "not asked";
    }
    if (n == cell->planned) {
        return esp_pool_format(&report->pool, "%d", n);
    }
    return cell->failed == 0
               ? esp_pool_format(&report->pool, "%d/%d", n, cell->planned)
               : esp_pool_format(&report->pool, "%d/%d, %d failed", n, cell->planned, cell->failed);
}

const char *esp_words_count(esp_report *report, const esp_report_cell *cell, int n)
{
    const char *builds = esp_words_builds(report, cell);
    return *builds ? esp_pool_format(&report->pool, "%s%s", count(report, cell, n), builds)
                   : count(report, cell, n);
}

const char *esp_words_interval(esp_report *report, const esp_report_metric *metric,
                               esp_interval interval)
{
    return isnan(interval.low) || isnan(interval.high)
               ? "-"
               : esp_pool_format(&report->pool, "[%s, %s]",
                                 esp_words_number(report, metric, interval.low),
                                 esp_words_number(report, metric, interval.high));
}

const char *esp_words_rate_interval(esp_report *report, esp_interval interval)
{
    enum { MOST_DIGITS = 6 };
    const double low = 100 * interval.low, high = 100 * interval.high;
    if (isnan(low) || isnan(high)) {
        return "-";
    }
    const char *text = "";
    for (int digits = 0; digits <= MOST_DIGITS; digits++) {
        char ends[2][32], bounds[2][32];
        for (int i = 0; i < 2; i++) {
            snprintf(ends[i], sizeof ends[i], "%.*f", digits, i == 0 ? low : high);
            snprintf(bounds[i], sizeof bounds[i], "%.*f", digits, i == 0 ? 0.0 : 100.0);
        }
        text = esp_pool_format(&report->pool, "[%s, %s] %%", low == 0 ? "0" : ends[0],
                               high == 100 ? "100" : ends[1]);
        bool told = strcmp(ends[0], ends[1]) != 0;
        for (int i = 0; i < 2; i++) {
            told = told && (low == 0 || strcmp(ends[0], bounds[i]) != 0) &&
                   (high == 100 || strcmp(ends[1], bounds[i]) != 0);
        }
        if (told) {
            break;
        }
    }
    return text;
}

/* Two digits, or a whole number rather than a power of ten. */
static const char *ratio_bound(esp_report *report, double value)
{
    return esp_pool_format(&report->pool, value >= 99.5 && value < 99999.5 ? "%.0f" : "%.2g",
                           value);
}

const char *esp_words_ratio_interval(esp_report *report, esp_interval logarithms)
{
    return isnan(logarithms.low) || isnan(logarithms.high)
               ? "-"
               : esp_pool_format(&report->pool, "[%s, %s]",
                                 ratio_bound(report, exp(logarithms.low)),
                                 ratio_bound(report, exp(logarithms.high)));
}

const char *esp_words_p(esp_report *report, double p, bool too_few)
{
    return too_few      ? "n < 3"
           : isnan(p)   ? "-"
           : p < 0.0001 ? "<0.0001"
                        : esp_pool_format(&report->pool, p < 0.001 ? "%.4f" : "%.3f", p);
}

const char *esp_words_confidence(esp_report *report)
{
    return esp_pool_format(&report->pool, "%g %% interval", 100 * report->section.confidence);
}
