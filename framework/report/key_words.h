/* Keys as words for headings and titles: "leaf_width" for model.leaf_width, longer where that would
 * be another's name too. */
#ifndef ESP_REPORT_KEY_WORDS_H
#define ESP_REPORT_KEY_WORDS_H

#include "report/section.h"

/* The fewest last words of a key that are no name of another key of `among`, and no word of
 * `taken`: "balance.weight" beside "hardening.weight". "data" for data.name. The whole key where
 * nothing less will do. among, taken: NULL for none. Lives in the pool, or is the key. Thread: the
 * pool's. */
const char *esp_key_words(esp_text_pool *pool, const char *key, const esp_words *among,
                          const esp_words *taken);

#endif
