/* A file in memory with a path, for readers that take paths. */
#ifndef FUZZ_MEMORY_FILE_H
#define FUZZ_MEMORY_FILE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

typedef struct memory_file {
    int descriptor;
    char path[64];
} memory_file;

/* A target that cannot do its work must not look like one that found nothing. */
static inline void must(int holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "fuzz target: %s\n", what);
        abort();
    }
}

static inline memory_file memory_file_make(void)
{
    memory_file file;
    file.descriptor = memfd_create("fuzz", MFD_CLOEXEC);
    must(file.descriptor >= 0, "memfd_create failed");
    snprintf(file.path, sizeof file.path, "/proc/self/fd/%d", file.descriptor);
    return file;
}

/* Makes these bytes the file's content. */
static inline void memory_file_set(const memory_file *file, const void *bytes, size_t count)
{
    must(ftruncate(file->descriptor, 0) == 0, "ftruncate failed");
    must(pwrite(file->descriptor, bytes, count, 0) == (ssize_t)count, "pwrite failed");
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

#endif
