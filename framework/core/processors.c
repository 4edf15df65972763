#include "core/processors.h"

#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PATH = 8192, MOST_PROCESSORS = 8192 };

int esp_processors(void)
{
    cpu_set_t *set = CPU_ALLOC(MOST_PROCESSORS);
    const size_t size = CPU_ALLOC_SIZE(MOST_PROCESSORS);
    const int n = set != NULL && sched_getaffinity(0, size, set) == 0 ? CPU_COUNT_S(size, set) : 1;
    CPU_FREE(set);
    return n;
}

static bool read_line(char *out, size_t size, const char *folder, const char *name)
{
    char path[MAX_PATH + 64];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "re");
    const bool is_read = file != NULL && fgets(out, (int)size, file) != NULL;
    if (file != NULL) {
        fclose(file);
    }
    return is_read;
}

/* Processors' worth of time that one group allows, 0 where it sets no limit. */
static double quota_of(const char *folder)
{
    char text[128];
    double quota = 0, period = 0;
    if (read_line(text, sizeof text, folder, "cpu.max")) { /* "max 100000" sets none */
        return sscanf(text, "%lf %lf", &quota, &period) == 2 && period > 0 ? quota / period : 0;
    }
    if (read_line(text, sizeof text, folder, "cpu.cfs_quota_us")) {
        quota = strtod(text, NULL); /* -1: none */
    }
    if (read_line(text, sizeof text, folder, "cpu.cfs_period_us")) {
        period = strtod(text, NULL);
    }
    return quota > 0 && period > 0 ? quota / period : 0;
}

/* Whether a list of controllers, "cpu,cpuacct", has one. */
static bool has_controller(const char *list, size_t length, const char *name)
{
    const size_t n = strlen(name);
    for (const char *at = list; at < list + length; at++) {
        const size_t word = strcspn(at, ",:");
        if (word == n && strncmp(at, name, n) == 0) {
            return true;
        }
        at += word;
    }
    return false;
}

/* A mount's root as this process sees its group's path: what of path lies below it, or NULL. */
static const char *below(const char *path, const char *root)
{
    const size_t length = strcmp(root, "/") == 0 ? 0 : strlen(root);
    return strncmp(path, root, length) == 0 && (path[length] == '/' || path[length] == '\0')
               ? path + length
               : NULL;
}

/* The least of a group's quota and those around it, up to the mount's root. */
static double least_above(double least, const char *mount, const char *path)
{
    char folder[MAX_PATH];
    const int length = (int)strlen(mount);
    snprintf(folder, sizeof folder, "%s%s", mount, path);
    for (char *end = folder + strlen(folder); end != NULL && end >= folder + length;
         end = strrchr(folder, '/')) {
        *end = '\0';
        const double quota = quota_of(folder);
        least = quota > 0 && (least == 0 || quota < least) ? quota : least;
    }
    return least;
}

/* Where the hierarchy of cpu (version 1) or of all (version 2) is mounted, and what of it: at the
 * usual place, and by fields 4 and 5 of the lines of /proc/self/mountinfo (man 5 proc). */
static double least_in_mounts(double least, bool is_second, const char *path)
{
    char line[2 * MAX_PATH], root[MAX_PATH], mount[MAX_PATH];
    least = least_above(least, is_second ? "/sys/fs/cgroup" : "/sys/fs/cgroup/cpu", path);
    FILE *file = fopen("/proc/self/mountinfo", "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        char *rest = strstr(line, " - ");
        char type[32], options[512];
        if (rest == NULL || sscanf(line, "%*s %*s %*s %8191s %8191s", root, mount) != 2 ||
            sscanf(rest, " - %31s %*s %511s", type, options) != 2) {
            continue;
        }
        const bool fits = is_second ? strcmp(type, "cgroup2") == 0
                                    : strcmp(type, "cgroup") == 0 &&
                                          has_controller(options, strlen(options), "cpu");
        const char *inside = fits ? below(path, root) : NULL;
        if (fits) { /* a group that is not below the mount: at least the mount's own */
            least = least_above(least, mount, inside != NULL ? inside : "");
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return least;
}

double esp_processors_quota(void)
{
    char line[MAX_PATH];
    double least = 0;
    FILE *file = fopen("/proc/self/cgroup", "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        const char *names = strchr(line, ':'), *path = names ? strchr(names + 1, ':') : NULL;
        const bool is_second = strncmp(line, "0::", 3) == 0;
        if (path != NULL &&
            (is_second || has_controller(names + 1, (size_t)(path - names - 1), "cpu"))) {
            least = least_in_mounts(least, is_second, strcmp(path + 1, "/") == 0 ? "" : path + 1);
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return least;
}

int esp_processors_usable(void)
{
    const int there = esp_processors();
    const double quota = esp_processors_quota();
    const int allowed = quota >= 1 ? (int)quota : 1;
    return quota > 0 && allowed < there ? allowed : there;
}
