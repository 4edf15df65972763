/* What registering a study costs, counted in steps of SQLite's machine, which no other load of the
 * computer changes; and which trial of a cell and its seeds gives way to another. */
#include "store/store_fixture.h"

#include "store/internal.h"

enum { STEPS = 100 };

static int count_steps(void *context)
{
    *(int64_t *)context += STEPS;
    return 0;
}

/* Registers n_cells x n_seeds trials; ids begin at id_base. The steps that it took. */
static int64_t register_study(const char *path, int n_cells, int n_seeds, unsigned id_base)
{
    const size_t n = (size_t)n_cells * (size_t)n_seeds;
    esp_store_cell *cells = calloc((size_t)n_cells, sizeof *cells);
    esp_store_trial *trials = calloc(n, sizeof *trials);
    char(*labels)[16] = calloc((size_t)n_cells, sizeof *labels);
    char(*ids)[17] = calloc(n, sizeof *ids);
    for (int c = 0; c < n_cells; c++) {
        snprintf(labels[c], sizeof labels[c], "cell %d", c);
        cells[c] = (esp_store_cell){.variant = "default",
                                    .label = labels[c],
                                    .reference = -1,
                                    .config = "{}",
                                    .identity = "{}"};
        for (int s = 0; s < n_seeds; s++) {
            const int i = c * n_seeds + s;
            const uint64_t seed = (uint64_t)s;
            snprintf(ids[i], sizeof ids[i], "%016x", id_base + (unsigned)i);
            trials[i] = (esp_store_trial){.cell = c,
                                          .id = ids[i],
                                          .seed = "s",
                                          .seed_init = seed,
                                          .seed_order = seed,
                                          .seed_noise = seed};
        }
    }
    esp_store_study study = {.name = "large",
                             .title = "",
                             .source = "",
                             .text = "text",
                             .overrides = "[]",
                             .report = "{}",
                             .variants = "[\"default\"]",
                             .n_cells = n_cells,
                             .n_trials = (int)n,
                             .cells = cells,
                             .trials = trials};
    int64_t steps = 0;
    esp_store *store = NULL;
    ASSERT_OK(esp_store_open(&store, path, ESP_STORE_WRITE));
    sqlite3_progress_handler(store->db, STEPS, count_steps, &steps);
    ASSERT_OK(esp_store_register(store, &study));
    sqlite3_progress_handler(store->db, 0, NULL, NULL);
    esp_store_close(store);
    free(cells);
    free(trials);
    free(labels);
    free(ids);
    return steps;
}

static void remove_database(const char *path)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    for (int i = 0; i < 3; i++) {
        char name[160];
        snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
        remove(name);
    }
}

/* Four times the trials take about four times the steps (deeper trees: a little more), in many
 * cells or in one, new or registered before. A scan for each trial takes sixteen times as many. */
static void test_register__steps_grow_with_trials_alone(void **state)
{
    const fixture *made = *state;
    static const struct {
        int n_cells, n_seeds, more_cells, more_seeds;
    } shapes[] = {{1, 500, 1, 2000}, {50, 10, 200, 10}, {10, 50, 10, 200}};
    for (int i = 0; i < 3; i++) {
        remove_database(made->path);
        const int64_t few = register_study(made->path, shapes[i].n_cells, shapes[i].n_seeds, 1);
        const int64_t few_again =
            register_study(made->path, shapes[i].n_cells, shapes[i].n_seeds, 1);
        remove_database(made->path);
        const int64_t many =
            register_study(made->path, shapes[i].more_cells, shapes[i].more_seeds, 1);
        const int64_t many_again =
            register_study(made->path, shapes[i].more_cells, shapes[i].more_seeds, 1);
        assert_true(few > 0 && few_again > 0);
        assert_true(many < 6 * few);
        assert_true(many_again < 6 * few_again);
    }
}

/* A newer program gives the same cells and seeds other identities: the earlier ones leave. */
static void test_register__other_identities_take_the_place(void **state)
{
    const fixture *made = *state;
    register_study(made->path, 2, 3, 1);
    register_study(made->path, 2, 3, 1001);
    ASSERT_ROW(made->path, "SELECT count(*) FROM trial", "12");
    ASSERT_ROW(made->path,
               "SELECT group_concat(trial_id, ' ') FROM (SELECT t.trial_id FROM cell_trial ct"
               " JOIN trial t ON t.id = ct.trial ORDER BY ct.cell, ct.ordinal)",
               "00000000000003e9 00000000000003ea 00000000000003eb"
               " 00000000000003ec 00000000000003ed 00000000000003ee");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_register__steps_grow_with_trials_alone, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_register__other_identities_take_the_place,
                                        fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
