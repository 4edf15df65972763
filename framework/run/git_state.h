/* Which commit a folder's git repository is at, and what is changed in it. */
#ifndef ESP_RUN_GIT_STATE_H
#define ESP_RUN_GIT_STATE_H

#include <jansson.h>
#include <stddef.h>

/* A diff is kept whole up to so many bytes, beyond that as its SHA-256; git is given so long. */
enum { ESP_DIFF_BYTES = 64 << 10, ESP_GIT_MILLISECONDS = 1500 };

/* {"commit", "folder" (the repository's), "dirty" (tracked files differ from the commit; untracked
 * ones do not count), "diff_sha256", "diff_bytes", "diff"}; where there is no repository, no git or
 * no time {"commit": null, "reason"}. Runs git, which writes nothing. New reference; NULL where
 * memory is short. Thread: one, before others start. */
json_t *esp_git_state(const char *folder);

/* The repository this program was built from, as scripts/record_source.sh noted it beside the
 * program when it was built: the same keys, "untracked" with the names of untracked sources, and
 * "plugins" with the SHA-256 of the plugins built with it. A note about another build does not
 * count. executable: the program's SHA-256. */
json_t *esp_source_state(const char *executable);

#endif
