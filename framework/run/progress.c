#include "run/progress.h"

#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/status.h"
#include "core/terminal.h"
#include "core/text.h"
#include "core/thread.h"
#include "study/size.h"

enum { LINE = 320, REDRAW_MILLISECONDS = 200, PLAIN_SECONDS = 15 };

typedef struct slot {
    bool busy;
    const esp_cell *cell;
    const esp_trial *trial;
    int epochs, epoch, phase, phase_epoch;
    int64_t phase_steps;
    double started, seconds_per_epoch;
    double running_loss, soft_accuracy, hard_accuracy, validation_accuracy;
} slot;

struct esp_progress {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t thread;
    bool stopping, terminal;
    FILE *stream;
    int n_slots, n_trials, done, failed, interrupted;
    double work, spent, started;
    double resumed; /* the part of spent that earlier runs did */
    int drawn;      /* lines on the terminal now */
    int label_width;
    slot slots[];
};

/* Appends to a line of LINE bytes, cutting what does not fit. */
static void append(char *line, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void append(char *line, const char *format, ...)
{
    size_t used = strlen(line);
    va_list args;
    va_start(args, format);
    vsnprintf(line + used, LINE - used, format, args);
    va_end(args);
}

static void describe_slot(char *line, const slot *s, int label_width)
{
    char left[32];
    line[0] = '\0';
    append(line, "%-*s seed %-2s", label_width, s->cell->label, s->trial->seed);
    if (s->epoch == 0 || s->phase < 0) {
        append(line, "  starting");
        return;
    }
    const esp_phase_config *phase = &s->cell->phases[s->phase];
    esp_text_duration(left, s->seconds_per_epoch * fmax(0, s->epochs - s->epoch));
    if (phase->steps > 0) {
        append(line, "  %s step %lld/%lld, %s left", phase->name, (long long)s->phase_steps,
               (long long)phase->steps, left);
    } else {
        append(line, "  %s %d/%d, %s left", phase->name, s->phase_epoch, phase->epochs, left);
    }
    append(line, "  loss %.3f  train soft %.1f%%", s->running_loss, 100 * s->soft_accuracy);
    if (!isnan(s->validation_accuracy)) {
        append(line, "  val hard %.1f%%", 100 * s->validation_accuracy);
    }
    if (!isnan(s->hard_accuracy)) {
        append(line, "  test hard %.1f%%", 100 * s->hard_accuracy);
    }
}

static void describe_whole(char *line, const esp_progress *p)
{
    char elapsed[32], left[32];
    const double seconds = esp_clock_working() - p->started;
    const double share = p->work > 0 ? p->spent / p->work : 1;
    esp_text_duration(elapsed, seconds);
    line[0] = '\0';
    append(line, "%d of %d trials done", p->done, p->n_trials);
    if (p->failed > 0) {
        append(line, ", %d failed", p->failed);
    }
    append(line, "  %3.0f%%  %s", 100 * (share < 1 ? share : 1), elapsed);
    if (p->spent - p->resumed > 0.002 * p->work && share < 1 && !p->stopping) {
        esp_text_duration(left, seconds * (p->work - p->spent) / (p->spent - p->resumed));
        append(line, ", at most %s left", left);
    }
}

static int terminal_width(const esp_progress *p)
{
    struct winsize size;
    return ioctl(esp_terminal_descriptor(p->stream), TIOCGWINSZ, &size) == 0 && size.ws_col > 20
               ? size.ws_col
               : 100;
}

static void erase(esp_progress *p)
{
    if (p->drawn > 0) {
        char up[32];
        snprintf(up, sizeof up, "\033[%dA\r\033[J", p->drawn);
        esp_terminal_control(p->stream, up);
        p->drawn = 0;
    }
}

static void draw(esp_progress *p)
{
    char line[LINE];
    const int width = terminal_width(p) - 1;
    erase(p);
    for (int i = 0; i < p->n_slots; i++) {
        if (p->slots[i].busy) {
            describe_slot(line, &p->slots[i], p->label_width);
            fprintf(p->stream, "%.*s\n", width, line);
            p->drawn++;
        }
    }
    describe_whole(line, p);
    fprintf(p->stream, "%.*s\n", width, line);
    p->drawn++;
    fflush(p->stream);
}

/* One line that stays. */
static void say(esp_progress *p, const char *line)
{
    if (p->terminal) {
        erase(p);
        fprintf(p->stream, "%.*s\n", terminal_width(p) - 1, line);
        draw(p);
    } else {
        fprintf(p->stream, "%s\n", line);
        fflush(p->stream);
    }
}

static void *draw_loop(void *argument)
{
    esp_progress *p = argument;
    double last_plain = esp_clock_working();
    pthread_mutex_lock(&p->lock);
    while (!p->stopping) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += REDRAW_MILLISECONDS * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000L;
        until.tv_nsec %= 1000000000L;
        pthread_cond_timedwait(&p->wake, &p->lock, &until);
        if (p->stopping) {
            break;
        }
        if (p->terminal) {
            draw(p);
        } else if (esp_clock_working() - last_plain >= PLAIN_SECONDS) {
            char line[LINE];
            describe_whole(line, p);
            say(p, line);
            last_plain = esp_clock_working();
        }
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

int esp_progress_start(esp_progress **out, FILE *stream, int n_slots, int n_trials, double work)
{
    esp_progress *p = calloc(1, sizeof *p + sizeof(slot) * (size_t)n_slots);
    if (p == NULL) {
        return esp_fail(ESP_MEMORY, "no memory for progress");
    }
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    p->stream = stream;
    p->terminal = isatty(esp_terminal_descriptor(stream)) &&
                  (getenv("TERM") == NULL || strcmp(getenv("TERM"), "dumb"));
    p->n_slots = n_slots;
    p->n_trials = n_trials;
    p->work = work;
    p->started = esp_clock_working();
    if (esp_thread_start(&p->thread, draw_loop, p) != 0) {
        free(p);
        return esp_fail(ESP_FAILED, "cannot start the thread that shows progress");
    }
    *out = p;
    return ESP_OK;
}

void esp_progress_stop(esp_progress *p)
{
    if (p == NULL) {
        return;
    }
    pthread_mutex_lock(&p->lock);
    p->stopping = true;
    pthread_cond_signal(&p->wake);
    pthread_mutex_unlock(&p->lock);
    pthread_join(p->thread, NULL);
    if (p->terminal) {
        erase(p);
    }
    char line[LINE];
    describe_whole(line, p);
    fprintf(p->stream, "%s\n", line);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

void esp_progress_note(esp_progress *p, const char *line)
{
    pthread_mutex_lock(&p->lock);
    say(p, line);
    pthread_mutex_unlock(&p->lock);
}

void esp_progress_begin(esp_progress *p, int index, const esp_cell *cell, const esp_trial *trial,
                        int epochs, double work)
{
    char line[LINE] = "";
    pthread_mutex_lock(&p->lock);
    p->slots[index] = (slot){.busy = true,
                             .cell = cell,
                             .trial = trial,
                             .epochs = esp_cell_epochs(cell),
                             .phase = -1,
                             .epoch = epochs,
                             .started = esp_clock_working(),
                             .hard_accuracy = NAN,
                             .validation_accuracy = NAN};
    p->spent += work * epochs;
    p->resumed += work * epochs;
    const int length = (int)strlen(cell->label);
    p->label_width = length > p->label_width ? length : p->label_width;
    if (!p->terminal) {
        append(line, "start  %s seed %s  trial %s", cell->label, trial->seed, trial->id);
        if (epochs > 0) {
            append(line, "  continues after epoch %d", epochs);
        }
        say(p, line);
    }
    pthread_mutex_unlock(&p->lock);
}

static double accuracy_of(const esp_training *training, esp_split split)
{
    const esp_evaluation *evaluation = &training->evaluations[split];
    return evaluation->done ? evaluation->metrics[ESP_HARD_ACCURACY] : NAN;
}

void esp_progress_epoch(esp_progress *p, int index, const esp_training *training, double work)
{
    pthread_mutex_lock(&p->lock);
    slot *s = &p->slots[index];
    const int trained = training->epoch - s->epoch;
    s->phase = training->phase;
    s->phase_epoch = training->phase_epoch;
    s->phase_steps = training->phase_steps;
    s->running_loss = training->running_loss;
    s->soft_accuracy = training->running_soft_accuracy;
    s->hard_accuracy = accuracy_of(training, ESP_TEST);
    s->validation_accuracy = accuracy_of(training, ESP_VALIDATION);
    if (trained > 0) {
        double latest = esp_clock_working() - s->started;
        s->seconds_per_epoch =
            s->seconds_per_epoch > 0 ? 0.8 * s->seconds_per_epoch + 0.2 * latest : latest;
        s->started = esp_clock_working();
        p->spent += work;
    }
    s->epoch = training->epoch;
    pthread_mutex_unlock(&p->lock);
}

void esp_progress_end(esp_progress *p, int index, esp_trial_status status, const char *message,
                      double unspent)
{
    char line[LINE] = "";
    pthread_mutex_lock(&p->lock);
    slot *s = &p->slots[index];
    p->done += status == ESP_TRIAL_DONE;
    p->failed += status == ESP_TRIAL_FAILED;
    p->interrupted += status == ESP_TRIAL_INTERRUPTED;
    p->spent += unspent;
    s->busy = false;
    append(line, "%-6s %s seed %s  last epoch %d", esp_trial_status_name(status), s->cell->label,
           s->trial->seed, s->epoch);
    if (status == ESP_TRIAL_FAILED) {
        append(line, "  %s", message);
    } else {
        append(line, "  running loss %.4f", s->running_loss);
        if (!isnan(s->hard_accuracy)) {
            append(line, "  test hard %.2f%%", 100 * s->hard_accuracy);
        }
    }
    say(p, line);
    pthread_mutex_unlock(&p->lock);
}

void esp_progress_elsewhere(esp_progress *p, const esp_cell *cell, const esp_trial *trial,
                            esp_trial_status status, double work)
{
    char line[LINE] = "";
    pthread_mutex_lock(&p->lock);
    p->done += status == ESP_TRIAL_DONE;
    p->failed += status == ESP_TRIAL_FAILED;
    p->spent += work;
    p->resumed += work;
    append(line, "%-6s %s seed %s  by another run", esp_trial_status_name(status), cell->label,
           trial->seed);
    say(p, line);
    pthread_mutex_unlock(&p->lock);
}
