#include "store/sqlite_version.h"

#include <sqlite3.h>

const char *esp_sqlite_version(void)
{
    return sqlite3_libversion();
}
