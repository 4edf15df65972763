/* espalier doctor: the machine. */
#include <glob.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cli/doctor.h"
#include "core/file.h"
#include "core/processors.h"
#include "core/status.h"
#include "nn/blas.h"
#include "nn/byte_product.h"

/* The first line of a small file of /sys or /proc; false where it cannot be read. */
static bool first_line(char *out, size_t size, const char *path)
{
    FILE *file = fopen(path, "r");
    const bool is_read = file != NULL && fgets(out, (int)size, file) != NULL;
    if (file != NULL) {
        fclose(file);
    }
    if (is_read) {
        out[strcspn(out, "\n")] = '\0';
    }
    return is_read;
}

/* Whether the processor's flags, a line of /proc/cpuinfo, have a word. */
static bool has_flag(const char *flags, const char *word)
{
    const size_t length = strlen(word);
    for (const char *at = flags; (at = strstr(at, word)) != NULL; at += length) {
        if ((at == flags || at[-1] == ' ' || at[-1] == '\t') && strchr(" \n", at[length]) != NULL) {
            return true;
        }
    }
    return false;
}

/* The fastest unit that the processor has, whatever this build can use of it. */
static esp_byte_unit unit_of_processor(void)
{
    char *text = NULL;
    size_t count = 0;
    esp_byte_unit unit = ESP_BY_BLAS;
    if (esp_file_read(&text, &count, "/proc/cpuinfo") != ESP_OK) {
        return unit;
    }
    char *flags = strstr(text, "\nflags");
    if (flags != NULL) {
        flags[1 + strcspn(flags + 1, "\n")] = '\0';
        const bool has_wide = has_flag(flags, "avx512f") && has_flag(flags, "avx512bw");
        const bool has_vectors = has_wide || (has_flag(flags, "avx2") && has_flag(flags, "fma"));
        const bool has_tiles = has_flag(flags, "amx_tile") && has_flag(flags, "amx_bf16");
        unit = has_tiles && has_wide ? ESP_BY_TILES : has_vectors ? ESP_BY_VECTORS : ESP_BY_BLAS;
    }
    free(text);
    return unit;
}

static void look_at_products(doctor_findings *all)
{
    const esp_byte_unit there = unit_of_processor();
    const char *what = there == ESP_BY_TILES ? "a matrix unit (AMX)" : "vectors (AVX)";
    esp_byte_unit unit;
    if (esp_byte_unit_choose(&unit) != ESP_OK) {
        esp_doctor_found(all, DOCTOR_ERROR, "products", "unset ESPALIER_PRODUCTS", "%s",
                         esp_message());
    } else if (unit >= there) {
        esp_doctor_found(all, DOCTOR_FINE, "products", "",
                         "of data in bytes: by %s%s; numbers differ between blas, vectors, tiles",
                         esp_byte_unit_name(unit),
                         getenv("ESPALIER_PRODUCTS") != NULL ? ", by ESPALIER_PRODUCTS" : "");
    } else if (esp_byte_unit_exists(there)) {
        esp_doctor_found(all, DOCTOR_WARNING, "products",
                         "unset ESPALIER_PRODUCTS, unless it is meant",
                         "of data in bytes: by %s, by ESPALIER_PRODUCTS; this processor has %s, "
                         "which is faster",
                         esp_byte_unit_name(unit), what);
    } else {
        esp_doctor_found(all, DOCTOR_WARNING, "products",
                         "build on this machine with ESPALIER_MARCH=native and a newer compiler; "
                         "AMX needs Linux 5.16 too",
                         "of data in bytes: by %s; this processor has %s, which is faster and "
                         "which this build cannot use",
                         esp_byte_unit_name(unit), what);
    }
}

static void look_at_blas(doctor_findings *all)
{
    const char *better = esp_blas_better_kernel(), *coretype = getenv("OPENBLAS_CORETYPE");
    const char *threads = getenv("OPENBLAS_NUM_THREADS");
    esp_blas_library blas;
    esp_blas_describe(&blas);
    if (coretype != NULL) {
        esp_doctor_found(
            all, DOCTOR_WARNING, "BLAS kernel", "unset OPENBLAS_CORETYPE, unless it is meant",
            "%s, by OPENBLAS_CORETYPE=%s; numbers differ between kernels", blas.kernel, coretype);
    } else if (better != NULL) {
        esp_doctor_found(
            all, DOCTOR_FINE, "BLAS kernel", "",
            "OpenBLAS does not know this processor and takes %s; run, plan and eval start again "
            "with OPENBLAS_CORETYPE=%s by themselves",
            blas.kernel, better);
    } else {
        esp_doctor_found(all, DOCTOR_FINE, "BLAS kernel", "", "%s", blas.kernel);
    }
    look_at_products(all);
    esp_byte_unit unit;
    if (esp_byte_unit_choose(&unit) == ESP_OK && esp_blas_prepare() != ESP_OK) {
        esp_doctor_found(all, DOCTOR_ERROR, "BLAS threads", "set OPENBLAS_NUM_THREADS=1", "%s",
                         esp_message());
    } else {
        esp_doctor_found(all, DOCTOR_FINE, "BLAS threads", "", "one a trial%s%s%s",
                         threads != NULL && strcmp(threads, "1") != 0 ? "; OPENBLAS_NUM_THREADS="
                                                                      : "",
                         threads != NULL && strcmp(threads, "1") != 0 ? threads : "",
                         threads != NULL && strcmp(threads, "1") != 0 ? " is overruled" : "");
    }
}

/* ---- cores -------------------------------------------------------------------------------------
 */

static void look_at_cores(doctor_findings *all)
{
    double load = 0;
    char smt[16];
    const long online = sysconf(_SC_NPROCESSORS_ONLN);
    const int mine = esp_processors();
    const double quota = esp_processors_quota();
    const bool has_smt =
        first_line(smt, sizeof smt, "/sys/devices/system/cpu/smt/active") && smt[0] == '1';
    esp_doctor_found(all, DOCTOR_FINE, "cores", "", "%d for this process, of %ld%s", mine, online,
                     has_smt ? "; two of them share a core: a trial each is faster than one for "
                               "both, not twice as fast"
                             : "");
    if (quota > 0 && quota < mine) {
        char advice[64];
        snprintf(advice, sizeof advice, "raise the quota; run takes --jobs %d by itself",
                 esp_processors_usable());
        esp_doctor_found(all, DOCTOR_WARNING, "CPU quota", advice,
                         "the control group allows the time of %.3g cores, not of the %d there "
                         "are: more trials at once than that only wait",
                         quota, mine);
    } else {
        esp_doctor_found(all, DOCTOR_FINE, "CPU quota", "", "none below the number of cores");
    }
    if (getloadavg(&load, 1) == 1 && load > 0.5 * mine) {
        esp_doctor_found(
            all, DOCTOR_WARNING, "load", "run with fewer --jobs, or when the machine is free",
            "%.1f already on %d cores: trials slow down, numbers stay the same", load, mine);
    } else {
        esp_doctor_found(all, DOCTOR_FINE, "load", "", "%.1f", load);
    }
}

/* ---- clock and power ---------------------------------------------------------------------------
 */

static void look_at_frequency(doctor_findings *all)
{
    static const char governors[] = "/sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor";
    char governor[64] = "", turbo[16];
    glob_t found = {0};
    int n_slow = 0;
    glob(governors, 0, NULL, &found);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        n_slow += first_line(governor, sizeof governor, found.gl_pathv[i]) &&
                  strcmp(governor, "powersave") == 0;
    }
    const char *words = "turbo unknown";
    if (first_line(turbo, sizeof turbo, "/sys/devices/system/cpu/intel_pstate/no_turbo")) {
        words = turbo[0] == '1' ? "turbo off" : "turbo on: timings vary with heat and load";
    } else if (first_line(turbo, sizeof turbo, "/sys/devices/system/cpu/cpufreq/boost")) {
        words = turbo[0] == '0' ? "turbo off" : "turbo on: timings vary with heat and load";
    }
    if (found.gl_pathc == 0) {
        esp_doctor_found(all, DOCTOR_FINE, "CPU frequency", "",
                         "its governor cannot be read here; %s", words);
    } else if (n_slow > 0) {
        esp_doctor_found(all, DOCTOR_WARNING, "CPU frequency",
                         "sudo cpupower frequency-set -g performance",
                         "governor powersave on %d cores: may run below full speed, and timings "
                         "vary; %s",
                         n_slow, words);
    } else {
        esp_doctor_found(all, DOCTOR_FINE, "CPU frequency", "", "governor %s; %s", governor, words);
    }
    globfree(&found);
}

static void look_at_power(doctor_findings *all)
{
    glob_t found = {0};
    char online[16];
    bool is_off = false, is_on = false;
    glob("/sys/class/power_supply/*/online", 0, NULL, &found);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        if (first_line(online, sizeof online, found.gl_pathv[i])) {
            is_on = is_on || online[0] == '1';
            is_off = is_off || online[0] == '0';
        }
    }
    globfree(&found);
    if (is_off && !is_on) {
        esp_doctor_found(all, DOCTOR_WARNING, "power", "plug it in",
                         "on battery: it runs slower, and ends when that is empty");
    }
}

/* ---- memory and limits -------------------------------------------------------------------------
 */

static void look_at_memory(doctor_findings *all)
{
    char *text = NULL;
    size_t count = 0;
    if (esp_file_read(&text, &count, "/proc/meminfo") != ESP_OK) {
        return;
    }
    const char *line = strstr(text, "MemAvailable:");
    const double gigabytes = line != NULL ? strtod(line + strlen("MemAvailable:"), NULL) / 1e6 : -1;
    if (gigabytes >= 0) {
        const bool is_short = gigabytes < 0.5;
        esp_doctor_found(all, is_short ? DOCTOR_WARNING : DOCTOR_FINE, "memory",
                         is_short ? "end what else runs, or run with fewer --jobs" : "",
                         "%.1f GB available", gigabytes);
    }
    free(text);
}

static void look_at_limits(doctor_findings *all)
{
    static const struct {
        int limit;
        const char *what, *consequence, *advice;
    } limits[] = {
        {RLIMIT_FSIZE, "file size", "a results database that grows past it ends the run",
         "ulimit -f unlimited"},
        {RLIMIT_AS, "address space", "training may find no memory", "ulimit -v unlimited"},
        {RLIMIT_CPU, "CPU time", "the system ends a run that takes longer", "ulimit -t unlimited"},
    };
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        struct rlimit now;
        if (getrlimit(limits[i].limit, &now) == 0 && now.rlim_cur != RLIM_INFINITY) {
            esp_doctor_found(all, DOCTOR_WARNING, "limit", limits[i].advice, "%s: %llu %s; %s",
                             limits[i].what, (unsigned long long)now.rlim_cur,
                             limits[i].limit == RLIMIT_CPU ? "seconds" : "bytes",
                             limits[i].consequence);
        }
    }
    const char *preload = getenv("LD_PRELOAD");
    if (preload != NULL && preload[0] != '\0') {
        esp_doctor_found(all, DOCTOR_WARNING, "LD_PRELOAD", "unset LD_PRELOAD, unless it is meant",
                         "%s is loaded first and may stand in for BLAS or memory", preload);
    }
}

void esp_doctor_machine(doctor_findings *all)
{
    look_at_blas(all);
    look_at_cores(all);
    look_at_frequency(all);
    look_at_power(all);
    look_at_memory(all);
    look_at_limits(all);
}
