/* Values that change while a phase lasts: weights of loss terms and the learning rate. Time is
 * counted from the phase's beginning, in finished epochs or in finished optimizer steps. */
#ifndef ESP_NN_SCHEDULE_H
#define ESP_NN_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

typedef enum esp_schedule_kind {
    ESP_SCHEDULE_CONSTANT,
    ESP_SCHEDULE_LINEAR,
    ESP_SCHEDULE_COSINE,
    ESP_SCHEDULE_STEP,
    ESP_SCHEDULE_PLATEAU /* of learning rates alone */
} esp_schedule_kind;

/* Time within a phase. */
typedef struct esp_phase_time {
    int64_t epochs, steps;
} esp_phase_time;

/* From one value to another: along a line or half a cosine wave until `over` epochs or steps are
 * done, or at once when they are. Constant: from. */
typedef struct esp_ramp {
    esp_schedule_kind kind;
    bool by_step;
    double from, to;
    int64_t over; /* > 0 */
} esp_ramp;

double esp_ramp_at(const esp_ramp *ramp, esp_phase_time time);

/* The learning rate of each step. A warm-up of `warmup` epochs or steps comes first, t counts from
 * its end:
 *   linear, cosine  from the rate to `final` while t < over, `final` after (Loshchilov & Hutter
 *                   2017, eq. 5, without restarts)
 *   step            rate * factor^floor(t / every)
 *   plateau         rate * factor whenever the metric watched did not improve for `patience` epochs
 */
typedef struct esp_rate_schedule {
    esp_schedule_kind kind;
    bool by_step;
    int64_t warmup; /* step t of it has (t + 1) / (warmup + 1) of the rate (Goyal et al. 2017) */
    double final;
    int64_t over, every;
    double factor; /* may be above 1 */
    /* plateau: */
    int patience;
    double min_delta;        /* what counts as an improvement: more than that */
    bool maximize;           /* the metric watched */
    double minimum, maximum; /* rates; maximum 0: none */
    double until;            /* a metric as good as that leaves the rate alone; NaN: none */
    bool revert;             /* an improvement brings the rate back */
} esp_rate_schedule;

/* What a plateau schedule remembers within a phase. */
typedef struct esp_plateau {
    double rate; /* of the phase's next epoch */
    double best; /* NaN before the first epoch */
    int waited;  /* epochs since it improved, or since the rate was changed */
} esp_plateau;

/* The rate of the next step; plateau: plateau->rate takes the place of rate. */
double esp_rate_at(const esp_rate_schedule *schedule, double rate, const esp_plateau *plateau,
                   esp_phase_time time);

/* Before a phase's first epoch. */
esp_plateau esp_plateau_begin(double rate);

/* After an epoch: takes in the metric (a NaN is no improvement) and returns whether the rate
 * changed. rate: what the phase began with. */
bool esp_plateau_update(esp_plateau *plateau, const esp_rate_schedule *schedule, double rate,
                        double value);

#endif
