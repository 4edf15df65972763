#include "plugin/verdict.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include "core/place.h"
#include "core/status.h"
#include "core/text.h"
#include "plugin/check.h"

/* What the file of a passed check holds: only exactly this counts. Owned by the caller. */
static char *text_of(const char *sha256)
{
    return esp_text_format("passed %s by the check %s\n", sha256, ESPALIER_CHECK_VERSION);
}

/* The folder of verdicts of this check; NULL: there is nowhere to keep them. */
static char *folder_of_check(void)
{
    char *all = esp_place_cache("checked");
    char *own = all != NULL ? esp_text_format("%s/%.16s", all, ESPALIER_CHECK_VERSION) : NULL;
    free(all);
    return own;
}

static bool has_passed(const char *path, const char *text)
{
    char *bytes = NULL;
    size_t count = 0;
    const bool passed = access(path, R_OK) == 0 && esp_file_read(&bytes, &count, path) == ESP_OK &&
                        count == strlen(text) && memcmp(bytes, text, count) == 0;
    free(bytes);
    return passed;
}

/* Checks the file as it is now, which must be the one that was loaded. *seconds: what it took. */
static int check(double *seconds, const esp_plugin_entry *entry)
{
    const char *name = entry->plugin->name;
    esp_check_verdict verdict = {0};
    char *lines = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&lines, &size);
    if (out == NULL) {
        return esp_fail(ESP_MEMORY, "no memory for the check of %s", entry->path);
    }
    esp_log_note("checking plugin '%s' before its first use: %s", name, entry->path);
    const double from = esp_clock_seconds();
    int status = esp_plugin_check(&verdict, entry->path, out);
    fclose(out);
    free(lines);
    if (status == ESP_PLUGIN) {
        char reason[1024];
        snprintf(reason, sizeof reason, "%s", esp_message());
        return esp_fail(ESP_PLUGIN,
                        "%s. Mend it and try `espalier plugins check %s`, or use it as it is with "
                        "--unchecked",
                        reason, name);
    }
    ESP_TRY(status);
    if (strcmp(verdict.sha256, entry->sha256) != 0) {
        return esp_fail(ESP_PLUGIN, "%s: was written while it was checked; start again",
                        entry->path);
    }
    *seconds = esp_clock_seconds() - from;
    return ESP_OK;
}

int esp_verdict_require(const esp_plugin_entry *entry)
{
    if (entry->is_shipped) {
        return ESP_OK;
    }
    char *folder = folder_of_check(), *text = text_of(entry->sha256);
    char *path = folder != NULL ? esp_text_format("%s/%s", folder, entry->sha256) : NULL;
    const bool is_kept = path != NULL && text != NULL;
    int status = ESP_OK;
    if (!is_kept || !has_passed(path, text)) {
        double seconds = 0;
        status = check(&seconds, entry);
        if (status == ESP_OK) {
            const bool will_be = is_kept && esp_file_make_directories(folder) == ESP_OK &&
                                 esp_file_write(path, text, strlen(text)) == ESP_OK;
            esp_log_note("plugin '%s' passes (%.1f s); this file is %s", entry->plugin->name,
                         seconds,
                         will_be ? "not checked again"
                                 : "checked again at its next use, since the cache takes no files");
        }
    }
    free(folder);
    free(text);
    free(path);
    return status;
}
