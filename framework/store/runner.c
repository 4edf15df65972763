/* Is somebody training into a database? A runner's life is a lock that the kernel drops with it. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "core/text.h"
#include "store/store.h"

bool esp_store_has_runner(const char *path)
{
    char *name = esp_text_format("%s.lock", path);
    if (name == NULL) {
        return true;
    }
    int file = open(name, O_RDONLY | O_CLOEXEC);
    /* Where that cannot be told, what the database says stands. */
    bool has_runner = file < 0 ? errno != ENOENT : flock(file, LOCK_SH | LOCK_NB) != 0;
    if (file >= 0) {
        close(file);
    }
    free(name);
    return has_runner;
}
