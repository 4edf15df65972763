/* What the subjects of `espalier bench` share. */
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/bench.h"
#include "core/status.h"

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
