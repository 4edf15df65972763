/* espalier doctor: what on this machine would make numbers slow or not repeatable, or a run fail.
 */
#include <errno.h>
#include <fts.h>
#include <jansson.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/options.h"
#include "core/file.h"
#include "core/status.h"
#include "core/text_pool.h"
#include "data/catalog.h"
#include "nn/blas.h"
#include "plugin/registry.h"
#include "store/store.h"

typedef struct arguments {
    const char *database, *format_name;
} arguments;

typedef enum verdict { FINE, WARNING, ERROR } verdict;
static const char *const state_names[] = {"ok", "warning", "error"};

typedef struct finding {
    verdict state;
    const char *what, *text, *advice; /* advice "" where there is nothing to do */
} finding;

enum { MAX_FINDINGS = 128 };

typedef struct findings {
    esp_text_pool pool;
    finding list[MAX_FINDINGS];
    int count;
} findings;

/* One line of the answer; what is found goes on by format. */
__attribute__((format(printf, 5, 6))) static void
found(findings *all, verdict how, const char *what, const char *advice, const char *format, ...)
{
    va_list values;
    char text[2048];
    if (all->count == MAX_FINDINGS) {
        return;
    }
    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    all->list[all->count++] = (finding){.state = how,
                                        .what = what,
                                        .text = esp_pool_format(&all->pool, "%s", text),
                                        .advice = esp_pool_format(&all->pool, "%s", advice)};
}

/* ---- the machine ------------------------------------------------------------------------------
 */

static void look_at_blas(findings *all)
{
    const char *better = esp_blas_better_kernel(), *coretype = getenv("OPENBLAS_CORETYPE");
    const char *threads = getenv("OPENBLAS_NUM_THREADS");
    if (coretype != NULL) {
        found(all, WARNING, "BLAS kernel", "unset OPENBLAS_CORETYPE, unless it is meant",
              "%s, by OPENBLAS_CORETYPE=%s; numbers differ between kernels", esp_blas_kernel(),
              coretype);
    } else if (better != NULL) {
        found(all, FINE, "BLAS kernel", "",
              "OpenBLAS does not know this processor and takes %s; run, plan and eval start again "
              "with OPENBLAS_CORETYPE=%s by themselves",
              esp_blas_kernel(), better);
    } else {
        found(all, FINE, "BLAS kernel", "", "%s", esp_blas_kernel());
    }
    if (esp_blas_prepare() != ESP_OK) {
        found(all, ERROR, "BLAS threads", "set OPENBLAS_NUM_THREADS=1", "%s", esp_message());
    } else {
        found(all, FINE, "BLAS threads", "", "one a trial%s%s%s",
              threads != NULL && strcmp(threads, "1") != 0 ? "; OPENBLAS_NUM_THREADS=" : "",
              threads != NULL && strcmp(threads, "1") != 0 ? threads : "",
              threads != NULL && strcmp(threads, "1") != 0 ? " is overruled" : "");
    }
}

static void look_at_cores(findings *all)
{
    double load = 0;
    cpu_set_t mask;
    const long online = sysconf(_SC_NPROCESSORS_ONLN);
    const int mine = sched_getaffinity(0, sizeof mask, &mask) == 0 ? CPU_COUNT(&mask) : (int)online;
    found(all, FINE, "cores", "", "%d for this process, of %ld", mine, online);
    if (getloadavg(&load, 1) == 1 && load > 0.5 * mine) {
        found(all, WARNING, "load", "run with fewer --jobs, or when the machine is free",
              "%.1f already on %d cores: trials slow down, numbers stay the same", load, mine);
    } else {
        found(all, FINE, "load", "", "%.1f", load);
    }
    char *governor = NULL;
    size_t size = 0;
    if (esp_file_read(&governor, &size, "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor") !=
        ESP_OK) {
        found(all, FINE, "CPU frequency", "", "its governor cannot be read here");
        return;
    }
    governor[strcspn(governor, "\n")] = '\0';
    const bool is_slow = strcmp(governor, "powersave") == 0;
    found(all, is_slow ? WARNING : FINE, "CPU frequency",
          is_slow ? "sudo cpupower frequency-set -g performance" : "", "governor %s%s", governor,
          is_slow ? ": may run below full speed, and timings vary" : "");
    free(governor);
}

/* ---- the program ------------------------------------------------------------------------------
 */

static void look_at_build(findings *all)
{
    static const char flags[] = ESPALIER_FLAGS;
    static const char again[] = "build with CMAKE_BUILD_TYPE=Release and ESPALIER_SANITIZE empty";
    if (strstr(flags, "-fsanitize") != NULL) {
        found(all, WARNING, "build", again, "with sanitizers, several times slower: %s", flags);
    } else if (strstr(flags, "-O2") == NULL && strstr(flags, "-O3") == NULL) {
        found(all, WARNING, "build", again, "without optimization: %s", flags);
    } else {
        found(all, FINE, "build", "", "%s, %s", ESPALIER_COMPILER, flags);
    }
    if (strstr(flags, "-march=native") != NULL) {
        found(
            all, FINE, "processor", "",
            "built for the processor of the machine that built it; elsewhere build again, or with "
            "-DESPALIER_MARCH=x86-64-v3 for several");
    }
}

/* The source file changed last after the program was built, if there is one. */
static void look_at_source(findings *all)
{
    char folder[] = ESPALIER_SOURCE_DIR "/framework";
    char *const folders[] = {folder, NULL};
    struct stat program;
    char newer[1024] = "";
    if (stat("/proc/self/exe", &program) != 0 || access(folder, R_OK) != 0) {
        return;
    }
    FTS *tree = fts_open(folders, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    for (FTSENT *entry; tree != NULL && newer[0] == '\0' && (entry = fts_read(tree)) != NULL;) {
        const char *ending = strrchr(entry->fts_name, '.');
        if (entry->fts_info == FTS_F && ending != NULL &&
            (strcmp(ending, ".c") == 0 || strcmp(ending, ".h") == 0 ||
             strcmp(ending, ".sql") == 0) &&
            entry->fts_statp->st_mtime > program.st_mtime) {
            snprintf(newer, sizeof newer, "%s", entry->fts_path);
        }
    }
    if (tree != NULL) {
        fts_close(tree);
    }
    if (newer[0] != '\0') {
        found(all, WARNING, "source", "build again",
              "%s is newer than this program: it does not do what the source says", newer);
    } else {
        found(all, FINE, "source", "", "not newer than the program");
    }
}

static void look_at_plugins(findings *all)
{
    esp_registry *registry = NULL;
    int ready = 0;
    if (esp_registry_create(&registry) != ESP_OK) {
        found(all, ERROR, "plugins", "set ESPALIER_PLUGIN_PATH", "%s", esp_message());
        return;
    }
    for (int i = 0; i < esp_registry_count(registry); i++) {
        const esp_plugin_entry *entry = esp_registry_entry(registry, i);
        ready += entry->plugin != NULL;
        if (entry->plugin == NULL && !entry->is_hidden) {
            found(all, WARNING, "plugin", "build it again, or take it out of the plugin folder",
                  "%s is refused: %s", entry->path, entry->refusal);
        }
    }
    if (ready == 0) {
        found(all, ERROR, "plugins", "set ESPALIER_PLUGIN_PATH", "none is usable");
    } else {
        found(all, FINE, "plugins", "", "%d usable", ready);
    }
    esp_registry_destroy(registry);
}

/* ---- data and results -------------------------------------------------------------------------
 */

static void look_at_data(findings *all)
{
    const esp_known_dataset *known;
    for (size_t i = 0; (known = esp_known_dataset_at(i)) != NULL; i++) {
        esp_dataset_place place = {0};
        const int status = esp_dataset_locate(&place, known->name);
        if (status == ESP_OK) {
            found(all, FINE, "data", "", "%s in %s", known->name, place.folder);
        } else {
            char advice[128];
            snprintf(advice, sizeof advice, "espalier data fetch %s", known->name);
            found(all, WARNING, "data", advice, "%s is %s", known->name,
                  status == ESP_NOT_FOUND ? "not on this machine" : "not whole");
        }
        esp_dataset_place_free(&place);
    }
}

/* The folder a file would be in, or its nearest parent there is. */
static void folder_of(char *out, size_t size, const char *path)
{
    snprintf(out, size, "%s", path);
    do {
        char *slash = strrchr(out, '/');
        if (slash == NULL) {
            snprintf(out, size, ".");
        } else {
            slash[slash == out] = '\0';
        }
    } while (access(out, F_OK) != 0 && strcmp(out, "/") != 0 && strcmp(out, ".") != 0);
}

static const char *network_name(long type)
{
    static const struct {
        unsigned long type;
        const char *name;
    } known[] = {{0x6969, "NFS"},      {0xFF534D42, "CIFS"},  {0xFE534D42, "SMB"},
                 {0x517B, "SMB"},      {0x65735546, "FUSE"},  {0x01021997, "9P"},
                 {0x00C36400, "Ceph"}, {0x0BD00BD0, "Lustre"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (((unsigned long)type & 0xFFFFFFFF) == known[i].type) {
            return known[i].name;
        }
    }
    return NULL;
}

static void look_at_results(findings *all, const char *path)
{
    char folder[4096];
    struct statvfs space;
    struct statfs system;
    folder_of(folder, sizeof folder, path);
    if (access(folder, W_OK | X_OK) != 0) {
        found(all, ERROR, "results", "name another place by --db or ESPALIER_DB",
              "%s cannot be written: %s", folder, strerror(errno));
    }
    if (statvfs(folder, &space) == 0) {
        const double gigabytes = (double)space.f_bavail * (double)space.f_frsize / 1e9;
        const verdict how = gigabytes < 0.02 ? ERROR : gigabytes < 1 ? WARNING : FINE;
        found(all, how, "disk", how == FINE ? "" : "make room, or name another place by --db",
              "%.2f GB free at %s", gigabytes, folder);
    }
    if (statfs(folder, &system) == 0) {
        const char *network = network_name((long)system.f_type);
        found(all, network != NULL ? WARNING : FINE, "file system",
              network != NULL ? "keep the database on a local disk by --db or ESPALIER_DB" : "",
              network != NULL
                  ? "%s is on %s: SQLite's write-ahead log needs memory that all processes share, "
                    "which hosts do not; two of them would damage the database"
                  : "%s is local",
              folder, network);
    }
    if (access(path, F_OK) != 0) {
        found(all, FINE, "database", "", "%s is not there yet; a run makes it", path);
        return;
    }
    esp_store *store = NULL;
    if (esp_store_open(&store, path, ESP_STORE_READ) != ESP_OK) {
        found(all, ERROR, "database", "name another by --db or ESPALIER_DB", "%s", esp_message());
    } else if (access(path, W_OK) != 0) {
        found(all, ERROR, "database", "chmod u+w, or name another by --db", "%s is read-only",
              path);
    } else {
        found(all, FINE, "database", "", "%s opens", path);
    }
    esp_store_close(store);
}

/* ---- the verb ---------------------------------------------------------------------------------
 */

static int print(const findings *all, bool json)
{
    json_t *array = json_array();
    for (int i = 0; i < all->count; i++) {
        const finding *one = &all->list[i];
        if (json) {
            json_array_append_new(array, json_pack("{s:s, s:s, s:s, s:s}", "state",
                                                   state_names[one->state], "what", one->what,
                                                   "text", one->text, "advice", one->advice));
        } else {
            printf("%-8s %-14s %s%s%s\n", state_names[one->state], one->what, one->text,
                   one->advice[0] != '\0' ? "; to do: " : "", one->advice);
        }
    }
    if (json) {
        json_dumpf(array, stdout, JSON_INDENT(1));
        putchar('\n');
    }
    json_decref(array);
    return esp_pool_status(&all->pool);
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    arguments *given = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &given->format_name;
        state->child_inputs[1] = &given->database;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "takes no '%s'", argument);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int run(int argc, char **argv)
{
    static const struct argp_child shared[] = {
        {&esp_format_argp, 0, NULL, 0}, {&esp_database_argp, 0, NULL, 0}, {0}};
    static const struct argp parser = {
        .parser = parse_option,
        .children = shared,
        .doc = "Says what on this machine would make numbers slow or not repeatable, or a run "
               "fail.\v"
               "One line each: ok, warning or error, and what to do. Looks at BLAS, cores, load, "
               "CPU frequency, how the program was built, plugins, data sets, and the place of the "
               "results database. Exits with 1 only where a run would fail. Formats are text and "
               "json.\n\n"
               "examples:\n"
               "  espalier doctor\n"
               "  espalier doctor --db /scratch/results.db --format json"};
    argp_err_exit_status = esp_exit_code(ESP_USAGE);
    arguments given = {0};
    if (argp_parse(&parser, argc, argv, 0, NULL, &given) != 0) {
        return esp_fail(ESP_USAGE, "`espalier doctor --help` shows how it is used");
    }
    const bool json = strcmp(given.format_name, "json") == 0;
    if (!json && strcmp(given.format_name, "text") != 0) {
        return esp_fail(ESP_USAGE, "doctor writes text or json, not '%s'", given.format_name);
    }
    findings all = {.count = 0};
    look_at_blas(&all);
    look_at_cores(&all);
    look_at_build(&all);
    look_at_source(&all);
    look_at_plugins(&all);
    look_at_data(&all);
    look_at_results(&all, esp_store_default_path(given.database));
    int status = print(&all, json), n_errors = 0;
    for (int i = 0; i < all.count; i++) {
        n_errors += all.list[i].state == ERROR;
    }
    esp_pool_free(&all.pool);
    if (status == ESP_OK && n_errors > 0) {
        return esp_fail(ESP_FAILED, "a run would fail here: %d %s above", n_errors,
                        n_errors == 1 ? "error" : "errors");
    }
    return status;
}

const esp_command esp_cmd_doctor = {
    "doctor", "what here would make numbers slow or not repeatable, or a run fail", run};
