/* hold_trial DATABASE KEY: holds a database and one of its trials as a run does, says "held", and
 * ends when standard input does. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/status.h"
#include "store/lock.h"

int main(int argc, char **argv)
{
    int lock = -1;
    bool taken = false;
    if (argc != 3 || esp_lock_take(&lock, argv[1], ESP_LOCK_SHARED) != ESP_OK ||
        esp_lock_trial(&taken, lock, strtoll(argv[2], NULL, 10)) != ESP_OK || !taken) {
        fprintf(stderr, "hold_trial: %s\n", argc == 3 ? esp_message() : "DATABASE KEY");
        return 1;
    }
    puts("held");
    fflush(stdout);
    while (getchar() != EOF) {
    }
    return 0;
}
