/* Where the files that came with this program lie: beside it once installed (so that the installed
 * tree may be moved), else in the build and source tree it was made from. */
#ifndef ESP_CORE_PLACE_H
#define ESP_CORE_PLACE_H

#include <stdbool.h>

/* Each returns a path that the caller frees, NULL when out of memory. Thread: any. */

/* The plugins, in loss/ and head/: ../lib/espalier/plugins, or the build folder's. */
char *esp_place_plugins(void);

/* analysis/ and experiments/: ../share/espalier, or the source tree. */
char *esp_place_data(void);

/* espalier_plugin.h: ../include, or the source tree. */
char *esp_place_header(void);

/* The folder of the program itself. */
char *esp_place_program(void);

/* Where what can be made again is kept: $XDG_CACHE_HOME/espalier/NAME or ~/.cache/espalier/NAME.
 * NULL too where neither XDG_CACHE_HOME nor HOME says where. */
char *esp_place_cache(const char *name);

/* Whether the program runs from an installed tree. Thread: any. */
bool esp_place_is_installed(void);

#endif
