#include "core/new_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/status.h"
#include "core/text.h"

enum { TEMPORARY = 40, MOST_LINKS = 40, MOST_TRIES = 100 };

/* ---- names ------------------------------------------------------------------------------------
 */

static void make_name(char name[TEMPORARY])
{
    unsigned long long number = 0;
    if (getrandom(&number, sizeof number, GRND_NONBLOCK) != (ssize_t)sizeof number) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        number = ((unsigned long long)getpid() << 32) ^ (unsigned long long)now.tv_nsec ^
                 ((unsigned long long)now.tv_sec << 20);
    }
    snprintf(name, TEMPORARY, ".espalier-%016llx.tmp", number);
}

/* The folder of a path; the rest is what follows the last slash. */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL   ? esp_text_format(".")
           : slash == path ? esp_text_format("/")
                           : esp_text_format("%.*s", (int)(slash - path), path);
}

static const char *base_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

/* FOLDER/NAME, of a name that does not begin with a slash. */
static char *join(const char *folder, const char *name)
{
    return esp_text_format("%s%s%s", folder, strcmp(folder, "/") == 0 ? "" : "/", name);
}

char *esp_new_file_beside(const char *path)
{
    char name[TEMPORARY];
    char *real = esp_file_resolve(path), *folder = folder_of(real != NULL ? real : path);
    make_name(name);
    char *beside = folder != NULL ? join(folder, name) : NULL;
    free(folder);
    free(real);
    return beside;
}

/* What a link says, seen from its folder; NULL where path is none. */
static char *follow(const char *path)
{
    char target[4096];
    const ssize_t length = readlink(path, target, sizeof target - 1);
    if (length <= 0) {
        return NULL;
    }
    target[length] = '\0';
    char *folder = folder_of(path);
    char *followed = *target == '/'   ? esp_text_format("%s", target)
                     : folder != NULL ? join(folder, target)
                                      : NULL;
    free(folder);
    return followed;
}

char *esp_file_resolve(const char *path)
{
    char *at = esp_text_format("%s", path), *real = NULL;
    for (int i = 0; at != NULL && i < MOST_LINKS; i++) {
        real = realpath(at, NULL);
        if (real != NULL || errno != ENOENT) {
            break;
        }
        char *next = follow(at);
        if (next == NULL) { /* a name that is free */
            char *folder = folder_of(at), *place = folder != NULL ? realpath(folder, NULL) : NULL;
            real = place != NULL && *base_of(at) != '\0' ? join(place, base_of(at)) : NULL;
            errno = real == NULL && place != NULL ? ENOENT : errno;
            free(folder);
            free(place);
            break;
        }
        free(at);
        at = next;
    }
    free(at);
    return real;
}

/* ---- opening ----------------------------------------------------------------------------------
 */

/* The open descriptor that a name stands for, which a name would open anew; -1: none. */
static int descriptor_of(const char *path)
{
    static const char *const standard[] = {"/dev/stdin", "/dev/stdout", "/dev/stderr"};
    static const char *const folders[] = {"/dev/fd/", "/proc/self/fd/"};
    for (int i = 0; i < 3; i++) {
        if (strcmp(path, standard[i]) == 0) {
            return i;
        }
    }
    for (int i = 0; i < 2; i++) {
        const size_t length = strlen(folders[i]);
        char *end = NULL;
        if (strncmp(path, folders[i], length) == 0 && path[length] >= '0' && path[length] <= '9') {
            const long number = strtol(path + length, &end, 10);
            return *end == '\0' && number < 1 << 20 ? (int)number : -1;
        }
    }
    return -1;
}

static int cannot(const char *path)
{
    return esp_fail(ESP_IO, "%s: %s", path, strerror(errno));
}

/* descriptor: taken over. */
static int stream(esp_new_file *file, int descriptor)
{
    if (descriptor < 0) {
        return cannot(file->path);
    }
    file->out = fdopen(descriptor, "wb");
    if (file->out == NULL) {
        const int status = cannot(file->path);
        close(descriptor);
        return status;
    }
    return ESP_OK;
}

static int open_in_place(esp_new_file *file)
{
    const int descriptor = descriptor_of(file->path);
    fflush(stdout); /* what was printed before goes before */
    return stream(file, descriptor >= 0
                            ? fcntl(descriptor, F_DUPFD_CLOEXEC, 3)
                            : open(file->path, O_WRONLY | O_TRUNC | O_NOCTTY | O_CLOEXEC));
}

/* Root may write all files. One that nobody may write is meant to stay nevertheless. */
static int must_be_writable(const char *path, const struct stat *found)
{
    if ((found->st_mode & (S_IWUSR | S_IWGRP | S_IWOTH)) == 0) {
        return esp_fail(ESP_USAGE,
                        "%s: is read-only (mode %03o), and stays as it is: chmod u+w it, or name "
                        "another file",
                        path, (unsigned)found->st_mode & 0777);
    }
    if (faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) != 0) {
        return esp_fail(ESP_USAGE, "%s: cannot be written: %s; name another file", path,
                        strerror(errno));
    }
    return ESP_OK;
}

/* A new file in the folder under a name of its own; its descriptor, -1 with errno. */
static int make_temporary(esp_new_file *file)
{
    int descriptor = -1;
    for (int i = 0; descriptor < 0 && i < MOST_TRIES; i++) {
        char name[TEMPORARY];
        make_name(name);
        descriptor = openat(file->folder, name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0666);
        if (descriptor >= 0 && (file->temporary = esp_text_format("%s", name)) == NULL) {
            unlinkat(file->folder, name, 0);
            close(descriptor);
            errno = ENOMEM;
            return -1;
        }
        if (descriptor < 0 && errno != EEXIST) {
            break;
        }
    }
    return descriptor;
}

/* A file without a name, where the system has such, so that nothing is left of a process that is
 * killed; else one with a name. Both get their mode by the umask. */
static int open_temporary(esp_new_file *file)
{
    int descriptor = -1;
    if (access("/proc/self/fd", X_OK) == 0) { /* by which it gets a name later */
        descriptor = openat(file->folder, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0666);
    }
    return stream(file, descriptor >= 0 ? descriptor : make_temporary(file));
}

static int open_beside(esp_new_file *file)
{
    char *real = esp_file_resolve(file->path);
    if (real == NULL && file->exists) { /* by a link of /proc to a file without a name */
        return open_in_place(file);
    }
    if (real == NULL) {
        return cannot(file->path);
    }
    char *folder = folder_of(real);
    file->base = esp_text_format("%s", base_of(real));
    free(real);
    int status = folder != NULL && file->base != NULL
                     ? ESP_OK
                     : esp_fail(ESP_MEMORY, "%s: no memory", file->path);
    if (status == ESP_OK) {
        file->folder = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
        status = file->folder >= 0 ? open_temporary(file) : cannot(file->path);
    }
    free(folder);
    if (status == ESP_IO && file->exists) { /* the file may be written, its folder not */
        file->out = tmpfile();
        file->is_spooled = true;
        status = file->out != NULL ? ESP_OK : cannot(file->path);
    }
    return status;
}

int esp_new_file_open(esp_new_file *file, const char *path)
{
    struct stat found;
    *file = (esp_new_file){.folder = -1, .path = esp_text_format("%s", path)};
    if (file->path == NULL) {
        return esp_fail(ESP_MEMORY, "%s: no memory", path);
    }
    int status = *path != '\0' ? ESP_OK : esp_fail(ESP_USAGE, "'' names no file");
    bool in_place = descriptor_of(path) >= 0;
    if (!in_place && stat(path, &found) == 0) {
        file->exists = true;
        file->mode = found.st_mode & 07777;
        file->owner = found.st_uid;
        file->group = found.st_gid;
        in_place = !S_ISREG(found.st_mode);
        status = S_ISDIR(found.st_mode)
                     ? esp_fail(ESP_USAGE, "'%s' is a folder, not a file: name a file", path)
                 : in_place ? ESP_OK
                            : must_be_writable(path, &found);
    }
    if (status == ESP_OK) {
        status = in_place ? open_in_place(file) : open_beside(file);
    }
    if (status != ESP_OK) {
        esp_new_file_drop(file);
    }
    return status;
}

/* ---- keeping ----------------------------------------------------------------------------------
 */

/* The older file's, as far as one may give them. A group that cannot be kept loses what others
 * may not do either. */
static void take_mode(const esp_new_file *file, int descriptor)
{
    mode_t mode = file->mode;
    struct stat made;
    if (fstat(descriptor, &made) != 0) {
        return;
    }
    if (made.st_uid != file->owner && fchown(descriptor, file->owner, (gid_t)-1) != 0) {
        mode &= (mode_t)~S_ISUID;
    }
    if (made.st_gid != file->group && fchown(descriptor, (uid_t)-1, file->group) != 0) {
        mode &= (mode_t) ~(S_ISGID | (S_IRWXG & ~((mode & S_IRWXO) << 3)));
    }
    fchmod(descriptor, mode);
}

/* All that was written, also what is longer there is cut. Errors: -1 with errno. */
static int copy_all(int to, int from)
{
    char block[65536];
    off_t done = 0;
    ssize_t got = 0;
    while ((got = pread(from, block, sizeof block, done)) > 0) {
        for (ssize_t put = 0, n = 0; put < got; put += n) {
            n = write(to, block + put, (size_t)(got - put));
            if (n < 0 && errno != EINTR) {
                return -1;
            }
            n = n < 0 ? 0 : n;
        }
        done += got;
    }
    return got < 0 || ftruncate(to, done) != 0 || fsync(to) != 0 ? -1 : 0;
}

/* Writes over the file that is there: the last resort, which can leave half of it. */
static int copy_over(const esp_new_file *file)
{
    const int to = open(file->path, O_WRONLY | O_CLOEXEC);
    int status = to >= 0 && copy_all(to, fileno(file->out)) == 0 ? ESP_OK : cannot(file->path);
    if (to >= 0 && close(to) != 0 && status == ESP_OK) {
        status = cannot(file->path);
    }
    return status;
}

/* A link to the file without a name, or a copy where the system makes no such link. */
static int give_temporary_name(esp_new_file *file)
{
    char own[64], name[TEMPORARY];
    snprintf(own, sizeof own, "/proc/self/fd/%d", fileno(file->out));
    for (int i = 0; i < MOST_TRIES; i++) {
        make_name(name);
        if (linkat(AT_FDCWD, own, file->folder, name, AT_SYMLINK_FOLLOW) == 0) {
            file->temporary = esp_text_format("%s", name);
            return file->temporary != NULL ? ESP_OK
                                           : esp_fail(ESP_MEMORY, "%s: no memory", file->path);
        }
        if (errno != EEXIST) {
            break;
        }
    }
    const int copy = make_temporary(file);
    if (copy < 0 || copy_all(copy, fileno(file->out)) != 0) {
        return cannot(file->path);
    }
    if (file->exists) {
        take_mode(file, copy);
    }
    return close(copy) == 0 ? ESP_OK : cannot(file->path);
}

static int replace(esp_new_file *file)
{
    if (file->is_spooled) {
        return copy_over(file);
    }
    if (file->exists) {
        take_mode(file, fileno(file->out));
    }
    if (fsync(fileno(file->out)) != 0) {
        return cannot(file->path);
    }
    if (file->temporary == NULL) {
        ESP_TRY(give_temporary_name(file));
    }
    if (renameat(file->folder, file->temporary, file->folder, file->base) != 0) {
        /* A file that is mounted, or another's in a folder where each removes their own. */
        return file->exists ? copy_over(file) : cannot(file->path);
    }
    free(file->temporary);
    file->temporary = NULL;
    return ESP_OK;
}

int esp_new_file_keep(esp_new_file *file)
{
    errno = 0;
    int status = ESP_OK;
    if ((ferror(file->out) | fflush(file->out)) != 0) {
        status = esp_fail(ESP_IO, "%s: %s", file->path,
                          errno != 0 ? strerror(errno) : "cannot be written");
    } else if (file->base != NULL) {
        status = replace(file);
    } else { /* pipes and terminals cannot be synchronized */
        FILE *out = file->out;
        file->out = NULL;
        status = fclose(out) == 0 ? ESP_OK : cannot(file->path);
    }
    esp_new_file_drop(file);
    return status;
}

void esp_new_file_drop(esp_new_file *file)
{
    if (file->path == NULL) {
        return;
    }
    if (file->out != NULL) {
        fclose(file->out);
    }
    if (file->temporary != NULL) {
        unlinkat(file->folder, file->temporary, 0);
    }
    if (file->folder >= 0) {
        close(file->folder);
    }
    free(file->path);
    free(file->base);
    free(file->temporary);
    *file = (esp_new_file){0};
}
