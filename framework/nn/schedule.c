#include "nn/schedule.h"

#include <math.h>

static const double pi = 3.14159265358979323846;

/* The share of the way gone at time t of `over`. */
static double progress(esp_schedule_kind kind, int64_t t, int64_t over)
{
    if (t >= over) {
        return 1;
    }
    const double share = (double)t / (double)over;
    return kind == ESP_SCHEDULE_STEP     ? 0
           : kind == ESP_SCHEDULE_COSINE ? (1 - cos(pi * share)) / 2
                                         : share;
}

double esp_ramp_at(const esp_ramp *ramp, esp_phase_time time)
{
    if (ramp->kind == ESP_SCHEDULE_CONSTANT) {
        return ramp->from;
    }
    const double share = progress(ramp->kind, ramp->by_step ? time.steps : time.epochs, ramp->over);
    /* both ends come out exactly */
    return (1 - share) * ramp->from + share * ramp->to;
}

double esp_rate_at(const esp_rate_schedule *schedule, double rate, const esp_plateau *plateau,
                   esp_phase_time time)
{
    const int64_t t = (schedule->by_step ? time.steps : time.epochs) - schedule->warmup;
    double base = schedule->kind == ESP_SCHEDULE_PLATEAU ? plateau->rate : rate;
    if (t < 0) {
        return base * (double)(t + schedule->warmup + 1) / (double)(schedule->warmup + 1);
    }
    switch (schedule->kind) {
    case ESP_SCHEDULE_LINEAR:
    case ESP_SCHEDULE_COSINE: {
        const double share = progress(schedule->kind, t, schedule->over);
        return (1 - share) * rate + share * schedule->final;
    }
    case ESP_SCHEDULE_STEP:
        return rate * pow(schedule->factor, (double)(t / schedule->every));
    case ESP_SCHEDULE_CONSTANT:
    case ESP_SCHEDULE_PLATEAU:
        break;
    }
    return base;
}

esp_plateau esp_plateau_begin(double rate)
{
    return (esp_plateau){.rate = rate, .best = NAN};
}

bool esp_plateau_update(esp_plateau *plateau, const esp_rate_schedule *schedule, double rate,
                        double value)
{
    const double before = plateau->rate;
    const double sign = schedule->maximize ? 1 : -1;
    const bool first = isnan(plateau->best);
    if (isfinite(value) && (first || sign * (value - plateau->best) > schedule->min_delta)) {
        plateau->best = value;
        plateau->waited = 0;
        if (schedule->revert && !first) {
            plateau->rate = rate;
        }
        return plateau->rate != before;
    }
    plateau->waited++;
    const bool reached = sign * (plateau->best - schedule->until) >= 0; /* false for NaN */
    if (plateau->waited < schedule->patience || reached) {
        return false;
    }
    plateau->waited = 0;
    plateau->rate = fmax(before * schedule->factor, fmin(before, schedule->minimum));
    if (schedule->maximum > 0) {
        plateau->rate = fmin(plateau->rate, fmax(before, schedule->maximum));
    }
    return plateau->rate != before;
}
