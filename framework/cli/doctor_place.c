/* espalier doctor: data sets, and where results go. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "cli/doctor.h"
#include "core/status.h"
#include "data/catalog.h"
#include "store/filesystem.h"
#include "store/store.h"

static void look_at_data(doctor_findings *all)
{
    const esp_known_dataset *known;
    for (size_t i = 0; (known = esp_known_dataset_at(i)) != NULL; i++) {
        if (known->source != NULL) {
            continue; /* no package manager carries it: whoever needs it knows */
        }
        esp_dataset_place place = {0};
        const int status = esp_dataset_locate(&place, known->name);
        if (status == ESP_OK) {
            esp_doctor_found(all, DOCTOR_FINE, "data", "", "%s in %s", known->name, place.folder);
        } else {
            char advice[128];
            snprintf(advice, sizeof advice, "espalier data fetch %s", known->name);
            esp_doctor_found(all, DOCTOR_WARNING, "data", advice, "%s is %s", known->name,
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

static void look_at_results(doctor_findings *all, const char *path)
{
    char folder[4096];
    struct statvfs space = {0};
    struct statfs system;
    folder_of(folder, sizeof folder, path);
    if (access(folder, W_OK | X_OK) != 0) {
        esp_doctor_found(all, DOCTOR_ERROR, "results", "name another place by --db or ESPALIER_DB",
                         "%s cannot be written: %s", folder, strerror(errno));
    }
    if (statvfs(folder, &space) == 0) {
        const double gigabytes = (double)space.f_bavail * (double)space.f_frsize / 1e9;
        const doctor_verdict how = gigabytes < 0.02 ? DOCTOR_ERROR
                                   : gigabytes < 1  ? DOCTOR_WARNING
                                                    : DOCTOR_FINE;
        esp_doctor_found(all, how, "disk",
                         how == DOCTOR_FINE ? "" : "make room, or name another place by --db",
                         "%.2f GB free at %s", gigabytes, folder);
    }
    if (space.f_files > 0 && space.f_favail < 100) {
        esp_doctor_found(all, DOCTOR_WARNING, "disk", "remove files, or name another place by --db",
                         "only %llu more files can be made at %s",
                         (unsigned long long)space.f_favail, folder);
    }
    if (statfs(folder, &system) == 0) {
        const char *name = "";
        const esp_reach reach = esp_filesystem_reach(&name, (uint32_t)system.f_type);
        if (reach == ESP_REACH_LOCAL) {
            esp_doctor_found(all, DOCTOR_FINE, "file system", "", "%s is local", folder);
        } else {
            esp_doctor_found(all, DOCTOR_WARNING, "file system",
                             "keep the database on a local disk by --db or ESPALIER_DB, and bring "
                             "it together with others by `espalier db merge`",
                             "%s is on %s%s: SQLite's write-ahead log needs memory that all "
                             "processes share, which hosts do not; two of them would damage the "
                             "database",
                             folder, name,
                             reach == ESP_REACH_PERHAPS ? ", which may be a network's" : "");
        }
    }
    if (access(path, F_OK) != 0) {
        esp_doctor_found(all, DOCTOR_FINE, "database", "", "%s is not there yet; a run makes it",
                         path);
        return;
    }
    esp_store *store = NULL;
    if (esp_store_open(&store, path, ESP_STORE_READ) != ESP_OK) {
        esp_doctor_found(all, DOCTOR_ERROR, "database", "name another by --db or ESPALIER_DB", "%s",
                         esp_message());
    } else if (access(path, W_OK) != 0) {
        esp_doctor_found(all, DOCTOR_ERROR, "database", "chmod u+w, or name another by --db",
                         "%s is read-only", path);
    } else {
        esp_doctor_found(all, DOCTOR_FINE, "database", "", "%s opens", path);
    }
    esp_store_close(store);
}

void esp_doctor_place(doctor_findings *all, const char *database)
{
    look_at_data(all);
    look_at_results(all, database);
}
