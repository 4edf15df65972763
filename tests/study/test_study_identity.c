/* What makes a trial the same trial. */
#include "study/study_fixture.h"

static const char base[] = "study: s\n"
                           "seeds: 0..1\n"
                           "defaults:\n"
                           "  data: {name: mnist}\n"
                           "  model: {kind: fff, training_width: 16, leaf_width: 8}\n"
                           "  losses:\n"
                           "    cross_entropy: {weight: 1}\n"
                           "    balance: {weight: 0.5}\n"
                           "  optimizer: {learning_rate: 0.001}\n"
                           "  batch_size: 256\n"
                           "  phases: {a: {epochs: 3}}\n"
                           "  selection: {monitor: []}\n";

/* The id of the first trial of a study with its first occurrence of `from` replaced. */
static void id_with(char out[17], fixture *f, const char *from, const char *to)
{
    char text[4096];
    const char *at = strstr(base, from);
    assert_non_null(at);
    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - base), base, to, at + strlen(from));
    memcpy(out, load_sound(f, text, NULL)->trials[0].id, 17);
}

static void test_id__same_for_names_comments_spelling_and_cadence(void **state)
{
    static const char *const same[][2] = {
        {"study: s", "study: another"},
        {"study: s", "# a comment\nstudy: s\ntitle: t\nsource: x"},
        {"seeds: 0..1", "seeds: [0]\nvariants: {named: {set: {}}}"},
        {"seeds: 0..1", "seeds: [0]\nreport: {metrics: [test.soft_loss]}"},
        {"weight: 1}", "weight: 1.0}"},
        {"weight: 1}", "weight: 1e0}"},
        {"weight: 0.5", "weight: 5.0e-1"},
        {"{learning_rate: 0.001}", "{learning_rate: 1e-3, kind: adam, beta1: 0.9}"},
        {"batch_size: 256", "batch_size: 256.0"},
        {"batch_size: 256", "drop_last: false"},
        {"training_width: 16", "depth: 1"},
        {"leaf_width: 8", "leaf_width: 8, leaf_scale: 1.0, node_scale: 1, region_leak: 0"},
        {"weight: 0.5", "weight: 0.5, monitor: false"},
        {"batch_size: 256", "evaluation: {train_every: 3}"},
        {"batch_size: 256", "checkpoint: {seconds: 3, epochs: 2}"},
        {"batch_size: 256", "limits: {epoch_seconds: 3, retries: 2}"},
        {"    cross_entropy: {weight: 1}\n    balance: {weight: 0.5}\n",
         "    balance: {weight: 0.5}\n    cross_entropy: {weight: 1}\n"},
        {"phases: {a: {epochs: 3}}", "phases: {a: {epochs: 3, set: {losses.balance.weight: 0.5}}}"},
    };
    char id[17], other[17];
    id_with(id, *state, "study: s", "study: s");
    assert_int_equal(strlen(id), 16);
    assert_int_equal(strspn(id, "0123456789abcdef"), 16);
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        id_with(other, *state, same[i][0], same[i][1]);
        if (strcmp(id, other) != 0) {
            fail_msg("%s changes the id", same[i][1]);
        }
    }
}

static void test_id__differs_for_what_training_depends_on(void **state)
{
    static const char *const different[][2] = {
        {"learning_rate: 0.001", "learning_rate: 0.0010000001"},
        {"learning_rate: 0.001", "kind: adamw, learning_rate: 0.001"},
        {"seeds: 0..1", "seeds: 1"},
        {"seeds: 0..1", "seeds: {init: 0, order: 1}"},
        {"name: mnist", "name: fashion-mnist"},
        {"name: mnist", "name: mnist, validation: 0.1"},
        {"name: mnist", "name: mnist, normalize: {mean: 0.4}"},
        {"leaf_width: 8", "leaf_width: 4"},
        {"leaf_width: 8", "leaf_width: 8, leaf_scale: 2"},
        {"leaf_width: 8", "leaf_width: 8, node_scale: 2"},
        {"leaf_width: 8", "leaf_width: 8, region_leak: 0.1"},
        {"leaf_width: 8", "leaf_width: 8, train_hardened: true"},
        {"leaf_width: 8", "leaf_width: 8, freeze: nodes"},
        {"leaf_width: 8", "leaf_width: 8, activation: gelu"},
        {"weight: 0.5", "weight: 0.25"},
        {"weight: 0.5", "weight: 0.5, configured_batch: true"},
        {"batch_size: 256", "batch_size: 128"},
        {"batch_size: 256", "drop_last: true"},
        {"batch_size: 256", "heads: {master_leaf: {}}"},
        {"batch_size: 256", "early_stopping: {monitor: train.running_loss, patience: 2}"},
        {"epochs: 3", "epochs: 4"},
        {"monitor: []", "monitor: test.hard_accuracy"},
    };
    enum { N = sizeof different / sizeof *different };
    char ids[N + 1][17];
    id_with(ids[N], *state, "study: s", "study: s");
    for (int i = 0; i < N; i++) {
        id_with(ids[i], *state, different[i][0], different[i][1]);
    }
    for (int i = 0; i <= N; i++) {
        for (int k = 0; k < i; k++) {
            if (strcmp(ids[i], ids[k]) == 0) {
                fail_msg("'%s' and '%s' have one id", i < N ? different[i][1] : "the study itself",
                         different[k][1]);
            }
        }
    }
}

static void test_id__phases_to_select_from_are_a_set(void **state)
{
    static const char written[] = "  phases: {a: {epochs: 3}}\n  selection: {monitor: []}\n";
    static const char *const lists[] = {"[a, c]", "[c, a]", "[c, a, c]", "[c]"};
    char ids[4][17], text[256];
    for (int i = 0; i < 4; i++) {
        snprintf(text, sizeof text,
                 "  phases: {a: {epochs: 3}, b: {epochs: 3}, c: {epochs: 3}}\n"
                 "  selection: {monitor: test.hard_accuracy, phases: %s}\n",
                 lists[i]);
        id_with(ids[i], *state, written, text);
    }
    assert_string_equal(ids[0], ids[1]);
    assert_string_equal(ids[0], ids[2]);
    assert_true(strcmp(ids[0], ids[3]) != 0);
}

static void test_id__a_mapped_seed_is_the_plain_one(void **state)
{
    char plain[17], mapped[17];
    id_with(plain, *state, "seeds: 0..1", "seeds: 0");
    id_with(mapped, *state, "seeds: 0..1", "seeds: {init: 0, order: 0}");
    assert_string_equal(plain, mapped);
}

static void test_id__shared_across_variants_is_noted(void **state)
{
    fixture *f = *state;
    char text[4096];
    snprintf(text, sizeof text, "%svariants: {a: {}, b: {set: {losses.balance.weight: 5e-1}}}\n",
             base);
    esp_study *study = load_sound(f, text, NULL);
    assert_int_equal(study->n_trials, 4);
    assert_string_equal(study->trials[0].id, study->trials[2].id);
    assert_string_equal(study->trials[1].id, study->trials[3].id);
    assert_true(strcmp(study->trials[0].id, study->trials[1].id) != 0);
    assert_said(f, ":13:19: note: cells 'a' and 'b' are the same configuration and share their "
                   "trials\n");
}

/* cross_entropy has had label_smoothing since after its version 1 was first used: left at its
 * default it must not show, or every trial done before would be another. */
static void test_id__added_parameters_count_where_they_differ(void **state)
{
    char plain[17], written[17], other[17];
    id_with(plain, *state, "seeds: 0..1", "seeds: 0");
    id_with(written, *state, "cross_entropy: {weight: 1",
            "cross_entropy: {label_smoothing: 0, weight: 1");
    id_with(other, *state, "cross_entropy: {weight: 1",
            "cross_entropy: {label_smoothing: 0.1, weight: 1");
    assert_string_equal(plain, written);
    assert_true(strcmp(plain, other) != 0);
}

static void test_identity__canonical_json(void **state)
{
    const esp_cell *cell = &load_sound(*state, base, NULL)->cells[0];
    assert_string_equal(
        cell->identity,
        "{\"data\":{\"name\":\"mnist\",\"normalize\":{\"mean\":0.5,\"std\":0.5},\"split_seed\":0,"
        "\"validation\":0},\"heads\":[],\"model\":{\"activation\":\"relu\",\"depth\":1,"
        "\"dropout\":0,\"freeze\":[],\"kind\":\"fff\",\"leaf_width\":8,\"region_leak\":0,"
        "\"train_hardened\":false},\"phases\":[{\"batch_size\":256,\"drop_last\":false,"
        "\"early_stopping\":null,\"epochs\":3,\"losses\":{\"balance\":{\"configured_batch\":false,"
        "\"weight\":0.5},\"cross_entropy\":{\"weight\":1}},\"name\":\"a\",\"optimizer\":{"
        "\"beta1\":0.9,\"beta2\":0.999,\"epsilon\":1e-08,\"kind\":\"adam\","
        "\"learning_rate\":0.001,\"weight_decay\":0},\"reset_optimizer\":false,"
        "\"start_from\":\"last\"}],\"selection\":{\"monitor\":[],\"phases\":[]}}");
}

/* Ids as they were stored when these studies were first run, those with hardening by its version 2:
 * a key or parameter added since must not make other trials of them. Their data sets are published
 * ones, known by digest. */
static void test_id__of_published_studies_stays(void **state)
{
    static const struct {
        const char *study, *label, *seed, *id;
    } known[] = {
        {"quickstart", "baseline", "2", "bcf0469537cb5571"},
        {"quickstart", "balanced", "2", "39feae96c3a75cb9"},
        {"quickstart", "balanced_master", "2", "44fcab9afd1ff234"},
        {"table1", "ff data.name=mnist", "9", "fce2b6d33798ee9b"},
        {"table1", "ff data.name=fashion-mnist", "0", "f68c7cd682fd2f25"},
        {"table1", "baseline data.name=mnist model.leaf_width=8", "9", "d806ac902e9d84ba"},
        {"table1", "baseline data.name=fashion-mnist model.leaf_width=1", "9", "690a8414365d1970"},
        {"table1", "balanced data.name=mnist model.leaf_width=4", "9", "3210c24469755d95"},
        {"table1", "balanced data.name=fashion-mnist model.leaf_width=2", "9", "b15be21ee3753255"},
    };
    fixture *f = *state;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        char path[4096], found[17] = "(none)";
        snprintf(path, sizeof path, "%s/experiments/%s.yaml", ESPALIER_SOURCE_DIR, known[i].study);
        fixture_forget(f);
        FILE *quiet = fopen("/dev/null", "w");
        const esp_study_options none = {0};
        int status = esp_study_load(&f->study, path, &none, f->registry, quiet);
        fclose(quiet);
        assert_int_equal(status, ESP_OK);
        for (int t = 0; t < f->study->n_trials; t++) {
            const esp_trial *trial = &f->study->trials[t];
            const char *label = f->study->cells[trial->cell].label;
            if (strcmp(label, known[i].label) == 0 && strcmp(trial->seed, known[i].seed) == 0) {
                memcpy(found, trial->id, sizeof found);
            }
        }
        if (strcmp(found, known[i].id) != 0) {
            fail_msg("%s: %s, seed %s: id %s, not %s", known[i].study, known[i].label,
                     known[i].seed, found, known[i].id);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_id__same_for_names_comments_spelling_and_cadence),
        TEST(test_id__differs_for_what_training_depends_on),
        TEST(test_id__phases_to_select_from_are_a_set),
        TEST(test_id__a_mapped_seed_is_the_plain_one),
        TEST(test_id__shared_across_variants_is_noted),
        TEST(test_id__added_parameters_count_where_they_differ),
        TEST(test_identity__canonical_json),
        TEST(test_id__of_published_studies_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
