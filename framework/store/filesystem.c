#include "store/filesystem.h"

#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>

#include "core/log.h"
#include "core/status.h"
#include "core/text.h"

/* From linux/magic.h, and for those outside of the kernel from coreutils' stat.c. */
static const struct {
    uint32_t type;
    esp_reach reach;
    const char *name;
} known[] = {
    {0x6969, ESP_REACH_NETWORK, "NFS"},
    {0xFF534D42, ESP_REACH_NETWORK, "CIFS"},
    {0xFE534D42, ESP_REACH_NETWORK, "SMB2"},
    {0x517B, ESP_REACH_NETWORK, "SMB"},
    {0x564C, ESP_REACH_NETWORK, "NCP"},
    {0x5346414F, ESP_REACH_NETWORK, "AFS"},
    {0x6B414653, ESP_REACH_NETWORK, "AFS"},
    {0x73757245, ESP_REACH_NETWORK, "Coda"},
    {0x0BD00BD0, ESP_REACH_NETWORK, "Lustre"},
    {0x47504653, ESP_REACH_NETWORK, "GPFS"},
    {0x19830326, ESP_REACH_NETWORK, "BeeGFS"},
    {0x00C36400, ESP_REACH_NETWORK, "Ceph"},
    {0xAAD7AAEA, ESP_REACH_NETWORK, "PanFS"},
    {0x20030528, ESP_REACH_NETWORK, "OrangeFS"},
    {0x786F4256, ESP_REACH_PERHAPS, "VirtualBox"},
    {0x01021997, ESP_REACH_PERHAPS, "9p"},
    {0x65735546, ESP_REACH_PERHAPS, "FUSE"},
};

esp_reach esp_filesystem_reach(const char **name, uint32_t type)
{
    *name = "";
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (known[i].type == type) {
            *name = known[i].name;
            return known[i].reach;
        }
    }
    return ESP_REACH_LOCAL;
}

/* The type of the file system of a file, or of the nearest folder above it that is there; 0 where
 * it cannot be told. */
static uint32_t type_of(const char *path)
{
    struct statfs found = {0};
    char *name = esp_text_format("%s", path);
    int failed = name != NULL ? statfs(name, &found) : -1;
    while (failed && name != NULL && *name != '\0') {
        char *slash = strrchr(name, '/');
        if (slash == NULL) {
            failed = statfs(".", &found);
            break;
        }
        slash[slash == name] = '\0'; /* "/" is its own folder */
        failed = statfs(name, &found);
        if (slash == name) {
            break;
        }
    }
    free(name);
    return failed ? 0 : (uint32_t)found.f_type;
}

int esp_filesystem_check(const char *path)
{
    const char *name = NULL, *allowed = getenv("ESPALIER_NETWORK_DB");
    const esp_reach reach = esp_filesystem_reach(&name, type_of(path));
    if (reach == ESP_REACH_LOCAL || (allowed != NULL && strcmp(allowed, "1") == 0)) {
        return ESP_OK;
    }
    if (reach == ESP_REACH_PERHAPS) {
        esp_log_warning("%s: on a %s file system: if machines share it, write elsewhere (--db), "
                        "since SQLite's write-ahead log is safe on one machine only; "
                        "ESPALIER_NETWORK_DB=1 ends this warning",
                        path, name);
        return ESP_OK;
    }
    return esp_fail(
        ESP_STORE,
        "%s: on a network file system (%s), where SQLite's write-ahead log is unsafe: "
        "it needs memory that all users of the file share, and machines share none, so "
        "that two would damage it. Write to a local disk (--db /tmp/espalier.db), bring "
        "what machines wrote together there with `espalier db merge FILE...`, and put "
        "the whole here with `espalier db backup`. ESPALIER_NETWORK_DB=1 writes here "
        "nevertheless: only where no other machine uses the file",
        path, name);
}
