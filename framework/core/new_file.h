/* A file written piece by piece that appears whole or not at all. */
#ifndef ESP_CORE_NEW_FILE_H
#define ESP_CORE_NEW_FILE_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

typedef struct esp_new_file {
    FILE *out;
    char *path;      /* as it was given */
    char *base;      /* the name in `folder` that it takes; NULL: written in place */
    char *temporary; /* the name in `folder` that it has until then; NULL: none */
    int folder;
    bool exists, is_spooled; /* spooled: kept elsewhere, and copied into path in the end */
    mode_t mode;             /* these three of the file that it takes the place of */
    uid_t owner;
    gid_t group;
} esp_new_file;

/* Opens a file for what path is to hold. Until it is kept, path is as it was, and no other file of
 * its folder is touched. A link leads to what is written. A file that is there gives way to one of
 * its mode, owner and group; in a folder where no file can be made it is written over, in the end.
 * A device, a pipe or an open descriptor (/dev/stdout, /dev/fd/3) is written in place. Errors:
 * ESP_USAGE where path is a folder or a file that may not be written (read-only ones also for
 * root); ESP_IO with path and reason; ESP_MEMORY. Thread: the file's, as below. */
int esp_new_file_open(esp_new_file *file, const char *path);

/* Brings what was written to the disk and gives it its name, in place of an older file. Errors:
 * ESP_IO, also of an earlier write; path is then as it was. */
int esp_new_file_keep(esp_new_file *file);

/* Takes back what was not kept. A file that was never opened is allowed. */
void esp_new_file_drop(esp_new_file *file);

/* A name beside path that no file has yet, for what takes its place by rename: the caller makes it,
 * exclusively, and asks again where it is taken by then. Hidden, and ends in .tmp. Owned by the
 * caller; NULL without memory. Thread: any. */
char *esp_new_file_beside(const char *path);

/* The one name of a file that need not be there: links followed, without . and .. and //. NULL with
 * errno where its folder is not there. Owned by the caller. Thread: any. */
char *esp_file_resolve(const char *path);

#endif
