#include "plugin/check.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/status.h"
#include "plugin/check_real.h"
#include "plugin/registry.h"

/* A sanitizer makes the child several times as slow. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
enum { SECONDS = 120 };
#else
enum { SECONDS = 20 };
#endif
enum { PATIENCE = 5 }; /* wall seconds for a second of processor time, on a busy machine */

/* ---- the child: the only process that loads the plugin -------------------------------------- */

static void describe(esp_check_verdict *verdict, FILE *out, const esp_plugin *plugin,
                     size_t real_size)
{
    verdict->kind = plugin->kind;
    verdict->real_size = (int)real_size;
    snprintf(verdict->name, sizeof verdict->name, "%s", plugin->name);
    snprintf(verdict->version, sizeof verdict->version, "%s", plugin->version);
    fprintf(out, "ok descriptor: %s %s, version %s, %u parameter%s, %zu-byte elements\n",
            plugin->kind == ESP_LOSS ? "loss" : "head", plugin->name, plugin->version,
            (unsigned)plugin->n_params, plugin->n_params == 1 ? "" : "s", real_size);
    fflush(out);
}

static int check_in_child(esp_check_progress *progress, FILE *out, const char *path)
{
    esp_plugin_entry entry;
    size_t real_size;
    snprintf(progress->stage, sizeof progress->stage, "loading");
    if (esp_plugin_open_any(&entry, &real_size, path) != ESP_OK) {
        snprintf(progress->reason, sizeof progress->reason, "%s",
                 entry.refusal ? entry.refusal : esp_message());
        return 1;
    }
    snprintf(progress->verdict.sha256, sizeof progress->verdict.sha256, "%s", entry.sha256);
    if (entry.at_load) {
        snprintf(progress->reason, sizeof progress->reason, "as it is loaded, it %s",
                 entry.at_load);
        return 1;
    }
    describe(&progress->verdict, out, entry.plugin, real_size);
    return real_size == sizeof(float) ? esp_check_real_float(progress, out, entry.plugin)
                                      : esp_check_real_double(progress, out, entry.plugin);
}

/* A fault must end the child, whatever handlers the program had set for itself. */
static void reset_signals(void)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE,  SIGILL,
                                  SIGABRT, SIGINT, SIGTERM, SIGXCPU};
    sigset_t none;
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        signal(signals[i], SIG_DFL);
    }
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Never returns. What the plugin prints itself goes to standard error. */
static void be_child(esp_check_progress *progress, int pipe_end, const char *path, double seconds)
{
    rlim_t whole = (rlim_t)ceil(seconds);
    reset_signals();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    setrlimit(RLIMIT_CPU, &(struct rlimit){whole, whole + 1}); /* SIGXCPU */
    dup2(STDERR_FILENO, STDOUT_FILENO);
    FILE *out = fdopen(pipe_end, "w");
    /* What asks for the user's locale then shows, also where the user has none. */
    setenv("LC_ALL", "C.UTF-8", 1);
    int result = out ? check_in_child(progress, out, path) : 1;
    if (out) {
        fflush(out);
    }
    _exit(result);
}

/* ---- the parent: passes lines on and keeps the time ----------------------------------------- */

/* Copies from the child until it closes its end. Returns false when the time is over first. */
static bool pass_on(FILE *out, int from, double deadline)
{
    char bytes[4096];
    for (;;) {
        double left = deadline - esp_clock_seconds();
        struct pollfd waiting = {.fd = from, .events = POLLIN};
        int ready = left > 0 ? poll(&waiting, 1, (int)(left * 1000) + 1) : 0;
        if (ready < 0 && errno == EINTR) {
            continue;
        }
        if (ready <= 0) {
            return false;
        }
        ssize_t count = read(from, bytes, sizeof bytes);
        if (count <= 0) {
            return true;
        }
        fwrite(bytes, 1, (size_t)count, out);
    }
}

static int judge(const char *path, const esp_check_progress *progress, int how, bool in_time,
                 double seconds)
{
    if (!in_time || (WIFSIGNALED(how) && WTERMSIG(how) == SIGXCPU)) {
        return esp_fail(ESP_PLUGIN, "%s: refused: hangs: no end within %g s in %s", path, seconds,
                        progress->stage);
    }
    if (WIFSIGNALED(how)) {
        bool reads_view = WTERMSIG(how) == SIGSEGV && progress->verdict.kind == ESP_LOSS &&
                          strncmp(progress->stage, "evaluate", strlen("evaluate")) == 0;
        return esp_fail(ESP_PLUGIN, "%s: refused: crashes (%s) in %s%s", path,
                        strsignal(WTERMSIG(how)), progress->stage,
                        reads_view ? "; a view is NULL where `needs` does not name it or the model "
                                     "has none, which create should then decline"
                                   : "");
    }
    if (progress->reason[0]) {
        return esp_fail(ESP_PLUGIN, "%s: refused: %s", path, progress->reason);
    }
    if (WEXITSTATUS(how) != 0) {
        return esp_fail(ESP_PLUGIN,
                        "%s: refused: crashes (ends the process with exit code %d) in %s", path,
                        WEXITSTATUS(how), progress->stage);
    }
    if (progress->verdict.n_gradients == 0) {
        return esp_fail(ESP_PLUGIN, "%s: refused: none of its gradients was compared", path);
    }
    return ESP_OK;
}

int esp_plugin_check_within(esp_check_verdict *verdict, const char *path, FILE *out, double seconds)
{
    int status = ESP_OK;
    int ends[2] = {-1, -1};
    esp_check_progress *progress =
        mmap(NULL, sizeof *progress, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (progress == MAP_FAILED) {
        return esp_fail(ESP_MEMORY, "no shared page for the check of %s", path);
    }
    if (pipe(ends) != 0) {
        status = esp_fail(ESP_IO, "no pipe for the check of %s: %s", path, strerror(errno));
        goto out;
    }
    fflush(NULL); /* or the child would write it again */
    pid_t child = fork();
    if (child < 0) {
        status = esp_fail(ESP_IO, "no process for the check of %s: %s", path, strerror(errno));
        goto out;
    }
    if (child == 0) {
        close(ends[0]);
        be_child(progress, ends[1], path, seconds);
    }
    close(ends[1]);
    ends[1] = -1;
    bool in_time = pass_on(out, ends[0], esp_clock_seconds() + PATIENCE * seconds);
    if (!in_time) {
        kill(child, SIGKILL);
    }
    int how = 0;
    while (waitpid(child, &how, 0) < 0 && errno == EINTR) {
    }
    status = judge(path, progress, how, in_time, seconds);
    if (verdict) {
        *verdict = progress->verdict;
    }
out:
    for (int i = 0; i < 2; i++) {
        if (ends[i] >= 0) {
            close(ends[i]);
        }
    }
    munmap(progress, sizeof *progress);
    return status;
}

int esp_plugin_check(esp_check_verdict *verdict, const char *path, FILE *out)
{
    return esp_plugin_check_within(verdict, path, out, SECONDS);
}
