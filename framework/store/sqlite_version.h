/* Which SQLite is loaded. */
#ifndef ESP_STORE_SQLITE_VERSION_H
#define ESP_STORE_SQLITE_VERSION_H

/* "3.40.1". Owned by the library. Thread: any. */
const char *esp_sqlite_version(void);

#endif
