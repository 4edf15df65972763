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
#include "core/status.h"
#include "core/terminal.h"
#include "core/text.h"
#include "core/thread.h"
#include "core/utf8.h"
#include "run/time_left.h"
#include "study/size.h"

enum { LINE = 320, REDRAW_MILLISECONDS = 200, PLAIN_SECONDS = 15 };

typedef struct slot {
    bool busy;
    const esp_cell *cell;
    const esp_trial *trial;
    int epoch, phase, phase_epoch;
    int64_t phase_steps;
    double running_loss, soft_accuracy, hard_accuracy, validation_accuracy;
} slot;

struct esp_progress {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t thread;
    bool stopping, terminal;
    FILE *stream;
    const esp_study *study;
    int n_slots, n_trials, done, failed;
    bool may_stop; /* some trial may end early */
    double started;
    esp_time_left *left;
    int *places; /* by trial of the study: its place among those to train */
    int drawn;   /* lines on the terminal now */
    int label_width;
    slot slots[];
};

/* ---- lines that are drawn again ----------------------------------------------------------------
 */

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

static void append_left(char *line, double seconds)
{
    char left[32];
    if (!isnan(seconds)) {
        esp_text_duration(left, seconds);
        append(line, ", about %s left", left);
    }
}

static void describe_slot(char *line, const esp_progress *p, int index)
{
    const slot *s = &p->slots[index];
    line[0] = '\0';
    append(line, "%-*s seed %-2s", p->label_width, s->cell->label, s->trial->seed);
    if (s->epoch == 0 || s->phase < 0) {
        append(line, "  starting");
        return;
    }
    const esp_phase_config *phase = &s->cell->phases[s->phase];
    if (phase->steps > 0) {
        append(line, "  %s step %lld/%lld", phase->name, (long long)s->phase_steps,
               (long long)phase->steps);
    } else {
        append(line, "  %s %d/%d", phase->name, s->phase_epoch, phase->epochs);
    }
    append_left(line, esp_time_left_of_slot(p->left, index, esp_clock_working()));
    append(line, "  loss %.3f  train soft %.1f%%", s->running_loss, 100 * s->soft_accuracy);
    if (!isnan(s->validation_accuracy)) {
        append(line, "  val hard %.1f%%", 100 * s->validation_accuracy);
    }
    if (!isnan(s->hard_accuracy)) {
        append(line, "  test hard %.1f%%", 100 * s->hard_accuracy);
    }
}

/* 100 % stands only where all trials are over. */
static void describe_whole(char *line, const esp_progress *p)
{
    char elapsed[32];
    const double now = esp_clock_working(), share = esp_time_left_share(p->left);
    esp_text_duration(elapsed, now - p->started);
    line[0] = '\0';
    append(line, "%d of %d trials done", p->done, p->n_trials);
    if (p->failed > 0) {
        append(line, ", %d failed", p->failed);
    }
    append(line, "  %3.0f%%  %s", floor(100 * share), elapsed);
    if (share < 1 && !p->stopping) {
        append_left(line, esp_time_left_seconds(p->left, now));
        append(line, "%s", p->may_stop ? " if none stops early" : "");
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

/* A line is cut at the terminal's width, for the next drawing must know how many there are.
 * Characters from the Hangul letters on may be two columns wide. */
static void draw_line(esp_progress *p, const char *line)
{
    int columns = terminal_width(p) - 1;
    while (*line != '\0') {
        char shown[ESP_UTF8_VISIBLE];
        long code;
        esp_utf8_decode(&code, line);
        const size_t n = esp_utf8_show(shown, line);
        columns -= code >= 0x1100 ? 2 : shown[0] == '\\' ? (int)strlen(shown) : 1;
        if (columns < 0) {
            break;
        }
        fputs(shown, p->stream);
        line += n;
    }
    fputs("\n", p->stream);
    p->drawn++;
}

static void draw(esp_progress *p)
{
    char line[LINE];
    erase(p);
    for (int i = 0; i < p->n_slots; i++) {
        if (p->slots[i].busy) {
            describe_slot(line, p, i);
            draw_line(p, line);
        }
    }
    describe_whole(line, p);
    draw_line(p, line);
    fflush(p->stream);
}

/* ---- lines that stay ---------------------------------------------------------------------------
 */

/* They are whole: a terminal wraps them. NULL, where there was no memory for it, is no line. */
static void say(esp_progress *p, const char *line)
{
    if (p->terminal) {
        erase(p);
    }
    if (line != NULL) {
        fprintf(p->stream, "%s\n", line);
    }
    if (p->terminal) {
        draw(p);
    }
    fflush(p->stream);
}

/* The same of a line that is then freed. */
static void say_once(esp_progress *p, char *line)
{
    say(p, line);
    free(line);
}

static void *draw_loop(void *argument)
{
    esp_progress *p = argument;
    double last_plain = esp_clock_seconds();
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
        } else if (esp_clock_seconds() - last_plain >= PLAIN_SECONDS) {
            char line[LINE];
            describe_whole(line, p);
            say(p, line);
            last_plain = esp_clock_seconds();
        }
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* ---- beginning and end -------------------------------------------------------------------------
 */

static void free_progress(esp_progress *p)
{
    esp_time_left_destroy(p->left);
    free(p->places);
    free(p);
}

static int plan_time(esp_progress *p, const esp_progress_todo *todo)
{
    int status = ESP_OK;
    p->places = calloc((size_t)todo->study->n_trials + 1, sizeof *p->places);
    esp_time_left_trial *trials = calloc((size_t)todo->n + 1, sizeof *trials);
    if (p->places == NULL || trials == NULL) {
        status = esp_fail(ESP_MEMORY, "no memory for progress");
        goto out;
    }
    for (int i = 0; i < todo->n; i++) {
        const esp_trial *trial = &todo->study->trials[todo->trials[i]];
        const esp_cell *cell = &todo->study->cells[trial->cell];
        const int epochs = esp_cell_epochs(cell);
        const int done = todo->epochs_done != NULL ? todo->epochs_done[i] : 0;
        p->places[todo->trials[i]] = i;
        trials[i] = (esp_time_left_trial){
            .cell = trial->cell, .epochs = epochs, .done = done < epochs ? done : epochs};
        for (int k = 0; k < cell->n_phases; k++) {
            p->may_stop = p->may_stop || cell->phases[k].early_stopping.enabled;
        }
    }
    status = esp_time_left_create(&p->left, p->n_slots, todo->work, todo->study->n_cells, trials,
                                  todo->n, p->started);
out:
    free(trials);
    return status;
}

int esp_progress_start(esp_progress **out, FILE *stream, int n_slots, const esp_progress_todo *todo)
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
    p->n_trials = todo->n;
    p->study = todo->study;
    p->started = esp_clock_working();
    int status = plan_time(p, todo);
    if (status == ESP_OK && esp_thread_start(&p->thread, draw_loop, p) != 0) {
        status = esp_fail(ESP_FAILED, "cannot start the thread that shows progress");
    }
    if (status != ESP_OK) {
        free_progress(p);
        return status;
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
    free_progress(p);
}

void esp_progress_note(esp_progress *p, const char *line)
{
    pthread_mutex_lock(&p->lock);
    say(p, line);
    pthread_mutex_unlock(&p->lock);
}

/* ---- trials ------------------------------------------------------------------------------------
 */

void esp_progress_begin(esp_progress *p, int index, int number, int epochs)
{
    const esp_trial *trial = &p->study->trials[number];
    const esp_cell *cell = &p->study->cells[trial->cell];
    pthread_mutex_lock(&p->lock);
    p->slots[index] = (slot){.busy = true,
                             .cell = cell,
                             .trial = trial,
                             .phase = -1,
                             .epoch = epochs,
                             .hard_accuracy = NAN,
                             .validation_accuracy = NAN};
    esp_time_left_begin(p->left, index, p->places[number], epochs, esp_clock_working());
    const int length = (int)strlen(cell->label);
    p->label_width = length > p->label_width ? length : p->label_width;
    if (!p->terminal) {
        char after[64] = "";
        if (epochs > 0) {
            snprintf(after, sizeof after, "  continues after epoch %d", epochs);
        }
        say_once(p, esp_text_format("start  %s seed %s  trial %s%s", cell->label, trial->seed,
                                    trial->id, after));
    }
    pthread_mutex_unlock(&p->lock);
}

static double accuracy_of(const esp_training *training, esp_split split)
{
    const esp_evaluation *evaluation = &training->evaluations[split];
    return evaluation->done ? evaluation->metrics[ESP_HARD_ACCURACY] : NAN;
}

void esp_progress_epoch(esp_progress *p, int index, const esp_training *training)
{
    pthread_mutex_lock(&p->lock);
    slot *s = &p->slots[index];
    s->phase = training->phase;
    s->phase_epoch = training->phase_epoch;
    s->phase_steps = training->phase_steps;
    s->running_loss = training->running_loss;
    s->soft_accuracy = training->running_soft_accuracy;
    s->hard_accuracy = accuracy_of(training, ESP_TEST);
    s->validation_accuracy = accuracy_of(training, ESP_VALIDATION);
    s->epoch = training->epoch;
    esp_time_left_epoch(p->left, index, s->epoch, esp_clock_working());
    pthread_mutex_unlock(&p->lock);
}

void esp_progress_end(esp_progress *p, int index, esp_trial_status status, const char *message)
{
    char results[128] = "";
    pthread_mutex_lock(&p->lock);
    slot *s = &p->slots[index];
    p->done += status == ESP_TRIAL_DONE;
    p->failed += status == ESP_TRIAL_FAILED;
    s->busy = false;
    esp_time_left_end(p->left, index, status != ESP_TRIAL_INTERRUPTED, esp_clock_working());
    int used = snprintf(results, sizeof results, "running loss %.4f", s->running_loss);
    if (!isnan(s->hard_accuracy)) {
        snprintf(results + used, sizeof results - (size_t)used, "  test hard %.2f%%",
                 100 * s->hard_accuracy);
    }
    say_once(p, esp_text_format("%-6s %s seed %s  last epoch %d  %s", esp_trial_status_name(status),
                                s->cell->label, s->trial->seed, s->epoch,
                                status == ESP_TRIAL_FAILED ? message : results));
    pthread_mutex_unlock(&p->lock);
}

void esp_progress_elsewhere(esp_progress *p, int number, esp_trial_status status)
{
    const esp_trial *trial = &p->study->trials[number];
    pthread_mutex_lock(&p->lock);
    p->done += status == ESP_TRIAL_DONE;
    p->failed += status == ESP_TRIAL_FAILED;
    esp_time_left_elsewhere(p->left, p->places[number]);
    say_once(p, esp_text_format("%-6s %s seed %s  by another run", esp_trial_status_name(status),
                                p->study->cells[trial->cell].label, trial->seed));
    pthread_mutex_unlock(&p->lock);
}
