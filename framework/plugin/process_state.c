#include "plugin/process_state.h"

#include <fenv.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/c_locale.h"

void esp_process_state_take(esp_process_state *out)
{
    memset(out, 0, sizeof *out);
    const char *locale = setlocale(LC_ALL, NULL);
    snprintf(out->locale, sizeof out->locale, "%s", locale != NULL ? locale : "C");
    if (getcwd(out->folder, sizeof out->folder) == NULL) {
        out->folder[0] = '\0'; /* it may have been removed */
    }
    out->mask = umask(077);
    umask(out->mask);
    for (int i = 1; i < ESP_N_SIGNALS; i++) {
        sigaction(i, NULL, &out->actions[i]); /* the C library keeps two to itself */
    }
    pthread_sigmask(SIG_SETMASK, NULL, &out->blocked);
    for (int i = 0; i < RLIMIT_NLIMITS; i++) {
        getrlimit((__rlimit_resource_t)i, &out->limits[i]);
    }
}

static int differs_in_signals(const esp_process_state *a, const esp_process_state *b)
{
    for (int i = 1; i < ESP_N_SIGNALS; i++) {
        if (a->actions[i].sa_handler != b->actions[i].sa_handler ||
            sigismember(&a->blocked, i) != sigismember(&b->blocked, i)) {
            return 1;
        }
    }
    return 0;
}

const char *esp_process_state_change(const esp_process_state *from, const esp_process_state *to)
{
    if (strcmp(from->locale, to->locale) != 0) {
        return "sets the locale of the whole process (setlocale), which other trials read and "
               "write "
               "numbers in; use newlocale and uselocale, and put back what uselocale returned";
    }
    if (strcmp(from->folder, to->folder) != 0) {
        return "changes the process's folder (chdir), which results are written relative to; use "
               "whole paths";
    }
    if (from->mask != to->mask) {
        return "changes which permissions new files get (umask); use chmod on its own files";
    }
    if (differs_in_signals(from, to)) {
        return "changes what signals do (signal, sigaction, sigprocmask), which a run needs to "
               "stop "
               "and to survive crashes; leave them alone";
    }
    if (memcmp(from->limits, to->limits, sizeof from->limits) != 0) {
        return "changes limits of the process (setrlimit); leave them alone";
    }
    return NULL;
}

void esp_process_state_restore(const esp_process_state *state)
{
    setlocale(LC_ALL, state->locale);
    esp_set_c_locale();
    fesetenv(FE_DFL_ENV);
    umask(state->mask);
    if (state->folder[0] != '\0' && chdir(state->folder) != 0) {
        return; /* it was removed: there is nowhere to go back to */
    }
    for (int i = 1; i < ESP_N_SIGNALS; i++) {
        sigaction(i, &state->actions[i], NULL);
    }
    pthread_sigmask(SIG_SETMASK, &state->blocked, NULL);
    for (int i = 0; i < RLIMIT_NLIMITS; i++) {
        setrlimit((__rlimit_resource_t)i, &state->limits[i]);
    }
}

const char *esp_thread_state_change(void)
{
    if (uselocale((locale_t)0) != esp_c_locale()) {
        return "leaves its thread in another locale (uselocale); put back what uselocale returned";
    }
    if (fegetround() != FE_TONEAREST) {
        return "changes how its thread rounds (fesetround); put it back with fesetenv";
    }
    if (fegetexcept() != 0) {
        return "makes its thread trap on floating-point exceptions (feenableexcept); put it back "
               "with fesetenv";
    }
    return NULL;
}
