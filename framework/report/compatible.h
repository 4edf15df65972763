/* Whether a published value could have come from where ours do. */
#ifndef ESP_REPORT_COMPATIBLE_H
#define ESP_REPORT_COMPATIBLE_H

#include "report/report.h"
#include "statistics/intervals.h"

/* The rule: as many new runs as theirs, from normal values with our mean and sd, both known from
 * our n seeds alone, would have their best (and best - worst, or sd) within an interval of the
 * section's confidence. Theirs lies within it, above or below. */
typedef struct esp_compatible {
    const char *why_not;       /* why there is no answer ("routing", "runs", "n < 3"), or NULL */
    esp_interval best, spread; /* what so many runs of ours would give; NaN: not known */
    const char *best_is, *spread_is; /* "within", "above", "below"; "-": not known */
} esp_compatible;

esp_compatible esp_report_compatible(esp_report *report, const esp_report_metric *metric,
                                     const esp_report_series *ours,
                                     const esp_published_value *theirs);

#endif
