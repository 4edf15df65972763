/* Runs a fuzz target over files: what libFuzzer does with a corpus, in builds of any compiler, so
 * that an input that once broke a reader is tried in all of them. replay FOLDER */
#include <dirent.h>
#include <string.h>

#include "core/file.h"
#include "core/status.h"
#include "fuzz/memory_file.h"

int main(int argc, char **argv)
{
    DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;
    must(folder != NULL, "replay FOLDER");
    LLVMFuzzerInitialize(&argc, &argv);
    int n_files = 0;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char path[4096], *bytes = NULL;
        size_t count = 0;
        if (*entry->d_name == '.') {
            continue;
        }
        snprintf(path, sizeof path, "%s/%s", argv[1], entry->d_name);
        must(esp_file_read(&bytes, &count, path) == ESP_OK, path);
        printf("%s\n", path);
        fflush(stdout); /* the last one printed is the one that broke */
        /* A copy of its very size: reading past the end is found. */
        uint8_t *exact = malloc(count > 0 ? count : 1);
        must(exact != NULL, "no memory");
        memcpy(exact, bytes, count);
        LLVMFuzzerTestOneInput(exact, count);
        free(exact);
        free(bytes);
        n_files++;
    }
    closedir(folder);
    must(n_files > 0, "no file in the folder");
    printf("%d inputs\n", n_files);
    return 0;
}
