/* Linked into the plugins that espalier ships: results of these go by their declared version. The
 * build takes it for those whose source is the one that shipped.sha256 lists. */
#include "espalier_plugin.h"

extern ESP_EXPORT const char espalier_plugin_is_shipped;
ESP_EXPORT const char espalier_plugin_is_shipped = 1;
