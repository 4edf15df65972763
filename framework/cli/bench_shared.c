/* What the subjects of `espalier bench` share. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/bench.h"
#include "core/clock.h"
#include "core/status.h"
#include "store/store.h"

int esp_bench_make_folder(char folder[ESP_BENCH_FOLDER])
{
    const char *parent = getenv("TMPDIR");
    snprintf(folder, ESP_BENCH_FOLDER, "%s/espalier-bench-XXXXXX", parent ? parent : "/tmp");
    if (mkdtemp(folder) == NULL) {
        int status = esp_fail(ESP_IO, "%s: %s; name a folder with TMPDIR", folder, strerror(errno));
        folder[0] = '\0';
        return status;
    }
    return ESP_OK;
}

static int remove_entry(const char *path, const struct stat *information, int kind,
                        struct FTW *place)
{
    (void)information;
    (void)kind;
    (void)place;
    return remove(path);
}

void esp_bench_remove_folder(const char *folder)
{
    if (*folder != '\0') {
        nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    }
}

void esp_bench_describe_program(json_t *result, const char *environment)
{
    static const char *const of_a_study[] = {"data", "plugins", "repository", "study", "source"};
    json_t *machine = json_loads(environment, 0, NULL);
    const json_t *source = json_object_get(machine, "source");
    json_object_set(result, "commit", json_object_get(source, "commit"));
    json_object_set(result, "dirty", json_object_get(source, "dirty"));
    for (size_t i = 0; i < sizeof of_a_study / sizeof *of_a_study; i++) {
        json_object_del(machine, of_a_study[i]);
    }
    json_object_set_new(machine, "cores", json_integer(sysconf(_SC_NPROCESSORS_ONLN)));
    json_object_set_new(result, "machine", machine);
}

int esp_bench_run_program(double *seconds, const char *const *words)
{
    const char *all[ESP_BENCH_WORDS + 2] = {"espalier"};
    int n = 0, result = 0;
    while (words[n] != NULL && n < ESP_BENCH_WORDS) {
        all[n + 1] = words[n];
        n++;
    }
    const double started = esp_clock_seconds();
    const pid_t child = fork();
    if (child == 0) {
        const int nowhere = open("/dev/null", O_RDWR);
        dup2(nowhere, STDOUT_FILENO);
        dup2(nowhere, STDERR_FILENO);
        execv("/proc/self/exe", (char **)(uintptr_t)all);
        _exit(127);
    }
    if (child < 0 || waitpid(child, &result, 0) != child) {
        return esp_fail(ESP_FAILED, "cannot run `espalier %s`", words[0]);
    }
    *seconds = esp_clock_seconds() - started;
    if (!WIFEXITED(result) || WEXITSTATUS(result) != 0) {
        return esp_fail(ESP_FAILED, "`espalier %s ... %s` failed: run it to see why", words[0],
                        words[n - 1]);
    }
    return ESP_OK;
}

int esp_bench_ask(char **out, const char *database, const char *sql)
{
    esp_store *store = NULL;
    esp_rows *rows = NULL;
    bool has_row = false;
    int status = ESP_OK;
    *out = NULL;
    ESP_TRY_OUT(esp_store_open(&store, database, ESP_STORE_READ));
    ESP_TRY_OUT(esp_rows_open(&rows, store, sql));
    ESP_TRY_OUT(esp_rows_step(rows, &has_row));
    *out = has_row ? strdup(esp_rows_text(rows, 0)) : NULL;
out:
    esp_rows_close(rows);
    esp_store_close(store);
    return status;
}
