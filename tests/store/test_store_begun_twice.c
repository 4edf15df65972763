/* Several programs that begin the same database at the same moment: each finds it empty or whole.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/status.h"
#include "store/store.h"

enum { ROUNDS = 100, OPENERS = 4 };

typedef struct opener {
    pthread_barrier_t *start;
    const char *path;
    int delay; /* microseconds */
    int status;
    char message[512];
} opener;

static void *open_and_close(void *argument)
{
    opener *o = argument;
    esp_store *store = NULL;
    pthread_barrier_wait(o->start);
    usleep((useconds_t)o->delay);
    o->status = esp_store_open(&store, o->path, ESP_STORE_WRITE);
    snprintf(o->message, sizeof o->message, "%s", o->status != ESP_OK ? esp_message() : "");
    esp_store_close(store);
    return NULL;
}

static void test_store__begun_by_several(void **state)
{
    (void)state;
    char folder[] = "/tmp/espalier-begun-XXXXXX";
    assert_non_null(mkdtemp(folder));
    for (int round = 0; round < ROUNDS; round++) {
        char path[64];
        pthread_t threads[OPENERS];
        opener openers[OPENERS];
        pthread_barrier_t start;
        snprintf(path, sizeof path, "%s/%d.db", folder, round);
        pthread_barrier_init(&start, NULL, OPENERS);
        for (int i = 0; i < OPENERS; i++) {
            openers[i] = (opener){.start = &start, .path = path, .delay = i * 97 * round % 4001};
            assert_int_equal(pthread_create(&threads[i], NULL, open_and_close, &openers[i]), 0);
        }
        for (int i = 0; i < OPENERS; i++) {
            pthread_join(threads[i], NULL);
        }
        pthread_barrier_destroy(&start);
        static const char *const parts[] = {"", "-wal", "-shm", "-journal"};
        for (int i = 0; i < 4; i++) {
            char name[80];
            snprintf(name, sizeof name, "%s%s", path, parts[i]);
            remove(name);
        }
        for (int i = 0; i < OPENERS; i++) {
            assert_string_equal(openers[i].message, "");
            assert_int_equal(openers[i].status, ESP_OK);
        }
    }
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_store__begun_by_several)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
