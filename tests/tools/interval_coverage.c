/* How often 95 % intervals hold the truth, by simulation: the tables of
 * framework/statistics/README.md. Takes a minute or so; the same numbers every time. */
#include <math.h>
#include <stdio.h>

#include "core/rng.h"
#include "statistics/distributions.h"
#include "statistics/intervals.h"
#include "statistics/pooled.h"
#include "statistics/ranks.h"
#include "statistics/sample.h"
#include "statistics/spreads.h"

enum { REPEATS = 20000, DRAWS = 999, MOST = 10, CELLS = 4 };
static const int sizes[] = {3, 5, 10};
static const double confidence = 0.95;

typedef struct population {
    const char *name;
    double mean;
    double (*draw)(esp_rng *rng);
} population;

static double draw_normal(esp_rng *rng)
{
    return esp_normal_quantile((esp_rng_next(rng) + 0.5) * 0x1p-32);
}

static double draw_exponential(esp_rng *rng)
{
    return -log1p(-esp_rng_uniform(rng));
}

static const population populations[] = {{"normal", 0, draw_normal},
                                         {"skewed (exponential)", 1, draw_exponential}};
enum { N_POPULATIONS = sizeof populations / sizeof *populations };

static void fill(double *values, int n, esp_rng *rng, const population *from)
{
    for (int i = 0; i < n; i++) {
        values[i] = from->draw(rng);
    }
}

static bool holds(const esp_interval *interval, double truth)
{
    return interval->low <= truth && truth <= interval->high;
}

static void of_means(esp_rng *rng, const population *from, int n)
{
    int student = 0, bootstrap = 0, defined = 0;
    double student_width = 0, bootstrap_width = 0;
    for (int k = 0; k < REPEATS; k++) {
        double values[MOST];
        fill(values, n, rng, from);
        const esp_interval one = esp_student_interval(values, n, confidence);
        student += holds(&one, from->mean);
        student_width += one.high - one.low;
        const esp_interval other =
            esp_bootstrap_interval(values, n, confidence, DRAWS, (uint64_t)k);
        if (!isnan(other.low)) {
            defined++;
            bootstrap += holds(&other, from->mean);
            bootstrap_width += other.high - other.low;
        }
    }
    printf("| %s | %d | %.1f %% | %.2f | ", from->name, n, 100.0 * student / REPEATS,
           student_width / REPEATS);
    if (defined == 0) {
        puts("undefined | |");
        return;
    }
    printf("%.1f %% | %.2f |\n", 100.0 * bootstrap / defined, bootstrap_width / defined);
}

/* Exactly: over all counts, at the best and the worst rate. */
static void of_rates(int n)
{
    double least = 1, sum = 0;
    int rates = 0;
    for (double rate = 0.005; rate < 1; rate += 0.005, rates++) {
        double covered = 0, p = pow(1 - rate, n);
        for (int k = 0; k <= n; k++) {
            const esp_interval interval = esp_rate_interval(k, n, confidence);
            covered += holds(&interval, rate) ? p : 0;
            p *= (double)(n - k) / (k + 1) * rate / (1 - rate);
        }
        least = fmin(least, covered);
        sum += covered;
    }
    printf("| %d | %.1f %% | %.1f %% |\n", n, 100 * least, 100 * sum / rates);
}

static void of_pairs_of_samples(esp_rng *rng, const population *from, int n)
{
    int ratios = 0, improvements = 0, rejected = 0;
    for (int k = 0; k < REPEATS; k++) {
        double a[MOST], b[MOST];
        fill(a, n, rng, from);
        fill(b, n, rng, from);
        const esp_spread_ratio ratio = esp_log_sd_ratio(a, n, b, n, confidence);
        const esp_improvement improvement = esp_probability_of_improvement(a, n, b, n, confidence);
        ratios += holds(&ratio.interval, 0);
        improvements += holds(&improvement.interval, 0.5);
        rejected += esp_brown_forsythe(a, n, b, n).p <= 0.05;
    }
    printf("| %s | %d | %.1f %% | %.1f %% | %.1f %% |\n", from->name, n, 100.0 * ratios / REPEATS,
           100.0 * improvements / REPEATS, 100.0 * rejected / REPEATS);
}

/* Cells x seeds; shared: half of a value's variance is its seed's, the same in all cells. */
static void fill_cells(double *values, int n, esp_rng *rng, const population *from, bool shared)
{
    double seeds[MOST];
    fill(seeds, n, rng, from);
    for (int i = 0; i < CELLS * n; i++) {
        values[i] = from->draw(rng) + (shared ? seeds[i % n] : 0);
    }
}

static void of_pooled_spreads(esp_rng *rng, const population *from, int n, bool shared)
{
    int fixed = 0, by_seed = 0;
    for (int k = 0; k < REPEATS; k++) {
        double a[CELLS * MOST], b[CELLS * MOST], sds[2][CELLS];
        int ns[CELLS];
        fill_cells(a, n, rng, from, shared);
        fill_cells(b, n, rng, from, shared);
        for (int c = 0; c < CELLS; c++) {
            ns[c] = n;
            sds[0][c] = esp_moments_of(a + c * n, n).sd;
            sds[1][c] = esp_moments_of(b + c * n, n).sd;
        }
        const esp_pooled_spread one = esp_pool_spreads(sds[0], ns, sds[1], ns, CELLS, confidence);
        const esp_spread_by_seed other = esp_pool_spreads_by_seed(a, b, CELLS, n, confidence);
        fixed += holds(&one.interval, 0);
        by_seed += holds(&other.interval, 0);
    }
    printf("| %s | %s | %d | %.1f %% | %.1f %% |\n", from->name, shared ? "half" : "nothing", n,
           100.0 * fixed / REPEATS, 100.0 * by_seed / REPEATS);
}

int main(void)
{
    esp_rng rng = esp_rng_make(1, "coverage", 0);
    puts("| values | n | Student | width | bootstrap | width |\n|---|---|---|---|---|---|");
    for (int p = 0; p < N_POPULATIONS; p++) {
        for (int i = 0; i < 3; i++) {
            of_means(&rng, &populations[p], sizes[i]);
        }
    }
    puts("\n| n | at the worst rate | on average |\n|---|---|---|");
    for (int i = 0; i < 3; i++) {
        of_rates(sizes[i]);
    }
    puts("\n| values | n | log ratio of sds | improvement | Brown-Forsythe rejects at 5 % |\n"
         "|---|---|---|---|---|");
    for (int p = 0; p < N_POPULATIONS; p++) {
        for (int i = 0; i < 3; i++) {
            of_pairs_of_samples(&rng, &populations[p], sizes[i]);
        }
    }
    puts("\n| values | seeds share | n | inverse variance | by seed |\n|---|---|---|---|---|");
    for (int p = 0; p < N_POPULATIONS; p++) {
        for (int i = 1; i < 3; i++) {
            of_pooled_spreads(&rng, &populations[p], sizes[i], false);
            of_pooled_spreads(&rng, &populations[p], sizes[i], true);
        }
    }
    return 0;
}
