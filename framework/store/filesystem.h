/* Which file systems a results database must not be written on. */
#ifndef ESP_STORE_FILESYSTEM_H
#define ESP_STORE_FILESYSTEM_H

#include <stdint.h>

typedef enum esp_reach {
    ESP_REACH_LOCAL,
    ESP_REACH_PERHAPS, /* FUSE and 9p: local ones exist, and remote ones */
    ESP_REACH_NETWORK
} esp_reach;

/* What f_type of statfs(2) says: `*name` for messages, "" where it is local. Thread: any. */
esp_reach esp_filesystem_reach(const char **name, uint32_t type);

/* Refuses to write a database on a network file system, where SQLite's write-ahead log is unsafe,
 * saying why and how to go about it; warns where it may be one. ESPALIER_NETWORK_DB=1 answers for
 * it: only one machine uses the file. `path` and its folders need not exist. Errors: ESP_STORE.
 * Thread: any. */
int esp_filesystem_check(const char *path);

#endif
