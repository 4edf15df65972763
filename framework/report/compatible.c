#include "report/compatible.h"

#include <math.h>
#include <string.h>

#include "statistics/prediction.h"
#include "statistics/sample.h"

enum { DRAWS = 20000 };

/* A prediction depends on both numbers of runs alone, and most cells have the same. */
struct esp_predicted {
    int n, runs;
    esp_prediction prediction;
    struct esp_predicted *next;
};

static esp_prediction predict(esp_report *report, int n, int runs)
{
    for (const struct esp_predicted *one = report->predicted; one != NULL; one = one->next) {
        if (one->n == n && one->runs == runs) {
            return one->prediction;
        }
    }
    const esp_prediction made = esp_predict_runs(n, runs, report->section.confidence, DRAWS,
                                                 report->section.bootstrap_seed);
    struct esp_predicted *kept = esp_pool_take(&report->pool, sizeof *kept);
    if (kept != NULL) {
        *kept = (struct esp_predicted){n, runs, made, report->predicted};
        report->predicted = kept;
    }
    return made;
}

/* They print one digit after the point of a percentage. */
static const char *place_of(double value, esp_interval interval)
{
    const double rounding = 0.0005;
    return isnan(value) || isnan(interval.low) ? "-"
           : value < interval.low - rounding   ? "below"
           : value > interval.high + rounding  ? "above"
                                               : "within";
}

esp_compatible esp_report_compatible(esp_report *report, const esp_report_metric *metric,
                                     const esp_report_series *ours,
                                     const esp_published_value *theirs)
{
    const esp_stats *stats = &ours->stats;
    esp_compatible out = {
        .best = {NAN, NAN}, .spread = {NAN, NAN}, .best_is = "-", .spread_is = "-"};
    const bool routed = strcmp(theirs->routing, "none") == 0 ||
                        strncmp(metric->key, theirs->routing, strlen(theirs->routing)) == 0;
    out.why_not = !routed                      ? "routing"
                  : theirs->runs < 1           ? "runs"
                  : stats->n < ESP_LEAST_FOR_P ? "n < 3"
                                               : NULL;
    if (out.why_not != NULL) {
        return out;
    }
    const esp_prediction predicted = predict(report, stats->n, theirs->runs);
    out.best.low = stats->mean + predicted.best.low * stats->sd;
    out.best.high = fmin(1, stats->mean + predicted.best.high * stats->sd);
    out.best_is = place_of(theirs->best, out.best);
    const bool is_sd = strcmp(theirs->spread_is, "sd") == 0;
    if (is_sd || strcmp(theirs->spread_is, "best-worst") == 0) {
        const esp_interval factor = is_sd ? predicted.sd : predicted.range;
        out.spread = (esp_interval){factor.low * stats->sd, factor.high * stats->sd};
        out.spread_is = place_of(theirs->spread, out.spread);
    }
    return out;
}
