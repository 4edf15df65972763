#include "core/place.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/text.h"

/* The layout of an installation, as CMakeLists.txt installs it, seen from bin/. */
#define INSTALLED_PLUGINS "/../lib/espalier/plugins"
#define INSTALLED_DATA    "/../share/espalier"
#define INSTALLED_HEADER  "/../include"

char *esp_place_program(void)
{
    char program[PATH_MAX];
    const ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    program[length > 0 ? length : 0] = '\0';
    char *slash = strrchr(program, '/');
    if (slash != NULL) {
        *slash = '\0';
    }
    return strdup(program);
}

/* The folder at that path from the program's, without its "..", where it has such a file; or NULL.
 */
static char *beside(const char *path, const char *file)
{
    char *program = esp_place_program();
    char *wanted = program != NULL ? esp_text_format("%s%s%s", program, path, file) : NULL;
    char *found = NULL;
    if (wanted != NULL && access(wanted, R_OK) == 0) {
        wanted[strlen(wanted) - strlen(file)] = '\0';
        found = realpath(wanted, NULL);
    }
    free(wanted);
    free(program);
    return found;
}

char *esp_place_plugins(void)
{
    char *found = beside(INSTALLED_PLUGINS, "");
    return found != NULL ? found : strdup(ESPALIER_PLUGIN_DIR);
}

char *esp_place_data(void)
{
    char *found = beside(INSTALLED_DATA, "/analysis");
    return found != NULL ? found : strdup(ESPALIER_SOURCE_DIR);
}

char *esp_place_header(void)
{
    char *found = beside(INSTALLED_HEADER, "/espalier_plugin.h");
    return found != NULL ? found : strdup(ESPALIER_SOURCE_DIR "/framework/sdk");
}

char *esp_place_cache(const char *name)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (cache != NULL && *cache == '/') { /* the XDG rules ignore relative ones */
        return esp_text_format("%s/espalier/%s", cache, name);
    }
    return home != NULL && *home ? esp_text_format("%s/.cache/espalier/%s", home, name) : NULL;
}

bool esp_place_is_installed(void)
{
    char *found = beside(INSTALLED_DATA, "/analysis");
    free(found);
    return found != NULL;
}
