/* How cells come of a study: each rule of the contract has a test. */
#include "study/study_fixture.h"

#define TOP                                                                                        \
    "study: s\n"                                                                                   \
    "seeds: 0..1\n"

#define DEFAULTS                                                                                   \
    "defaults:\n"                                                                                  \
    "  data: {name: mnist}\n"                                                                      \
    "  model: {kind: fff, training_width: 16, leaf_width: 8}\n"                                    \
    "  losses:\n"                                                                                  \
    "    cross_entropy: {weight: 1}\n"                                                             \
    "    hardening: {weight: 1, reduction: node_sum}\n"                                            \
    "    balance: {weight: 1}\n"                                                                   \
    "  optimizer: {learning_rate: 0.001}\n"                                                        \
    "  phases:\n"                                                                                  \
    "    balance: {epochs: 3}\n"                                                                   \
    "    harden: {epochs: 2, set: {losses.hardening.weight: 3, losses.balance.weight: 0}}\n"       \
    "  selection: {monitor: test.hard_accuracy}\n"

static double weight_of(const esp_cell *cell, int phase, const char *name)
{
    const esp_term_config *term = term_of(cell, phase, name);
    assert_non_null(term);
    return term->weight;
}

static esp_study *load_set(fixture *f, const char *text, const char *set)
{
    return load_sound(f, text, &(esp_study_options){.sets = &set, .n_sets = set != NULL});
}

/* ---- order of resolution -------------------------------------------------------------------- */

static void test_builtins_fill_what_defaults_lack(void **state)
{
    const esp_cell *cell = &load_sound(*state, TOP DEFAULTS, NULL)->cells[0];
    assert_true(cell->data.mean == 0.5 && cell->data.std == 0.5 &&
                cell->data.partition.validation == 0);
    assert_int_equal(cell->data.partition.split_seed, 0);
    assert_int_equal(cell->phases[0].batch_size, 256);
    assert_int_equal(cell->phases[0].optimizer.kind, ESP_ADAM);
    assert_true(cell->phases[0].optimizer.beta1 == 0.9 && cell->phases[0].optimizer.beta2 == 0.999);
    assert_true(cell->phases[0].optimizer.epsilon == 1e-8);
    assert_false(cell->phases[0].drop_last || cell->phases[0].reset_optimizer);
    assert_false(cell->phases[0].early_stopping.enabled);
    assert_int_equal(cell->evaluate_every, 10);
    assert_true(cell->checkpoint_seconds == 15);
    assert_int_equal(cell->checkpoint_epochs, 0);
    assert_int_equal(cell->retries, 0);
    assert_true(term_of(cell, 0, "hardening")->monitor);
    assert_string_equal(param_of(cell, "losses.hardening.reduction"), "node_sum");
    assert_int_equal(cell->reference, -1);
}

static void test_cadence_and_retries(void **state)
{
    const char *sets[] = {"checkpoint={epochs: 5, seconds: 60}", "limits.retries=2"};
    esp_study_options options = {.sets = sets, .n_sets = 2};
    const esp_cell *cell = &load_sound(*state, TOP DEFAULTS, &options)->cells[0];
    assert_int_equal(cell->checkpoint_epochs, 5);
    assert_true(cell->checkpoint_seconds == 60);
    assert_int_equal(cell->retries, 2);
    sets[0] = "checkpoint.epochs=-1";
    sets[1] = "limits.retries=1000";
    assert_refused(
        *state, TOP DEFAULTS, &options,
        "--set:1: error: checkpoint.epochs must be at least 0 and at most 1000000, not -1\n"
        "--set:2: error: limits.retries must be at least 0 and at most 100, not 1000\n");
}

static void test_defaults_merge_key_by_key(void **state)
{
    const esp_cell *cell =
        &load_sound(*state, TOP DEFAULTS "  data.normalize: {mean: 0.25}\n", NULL)->cells[0];
    assert_true(cell->data.mean == 0.25 && cell->data.std == 0.5);
    assert_string_equal(cell->data.name, "mnist");
}

static void test_optimizer_builtins_follow_its_kind(void **state)
{
    const esp_cell *cell = &load_set(*state, TOP DEFAULTS, "optimizer.kind=adamw")->cells[0];
    assert_true(cell->phases[0].optimizer.weight_decay == 0.01);
    cell = &load_set(*state, TOP DEFAULTS, "optimizer={kind: sgd, learning_rate: 0.1}")->cells[0];
    assert_true(cell->phases[0].optimizer.weight_decay == 0);
    assert_true(cell->phases[0].optimizer.momentum == 0);
    const char *beta[] = {"optimizer={kind: sgd, learning_rate: 0.1, beta1: 0.5}"};
    assert_refused(*state, TOP DEFAULTS, &(esp_study_options){.sets = beta, .n_sets = 1},
                   "--set:1: error: optimizer.beta1 is not a key of optimizer kind 'sgd' (adam, "
                   "adamw, local_adam have it); to "
                   "change the kind replace the whole map, optimizer: {kind: sgd, ..}\n");
}

static void test_variant__a_map_replaces_and_takes_builtins(void **state)
{
    const char *text = TOP DEFAULTS
        "variants:\n"
        "  a: {set: {losses: {cross_entropy: {weight: 2}, hardening: {weight: 3}}}}\n"
        "  b: {set: {losses.hardening.weight: 3, phases.harden.set.losses.hardening.weight: 4}}\n";
    esp_study *study =
        load_sound(*state,
                   TOP DEFAULTS "variants:\n"
                                "  a: {set: {losses: {cross_entropy: {weight: 2}, hardening: "
                                "{weight: 0}}, phases.harden.set: {}}}\n"
                                "  b: {set: {losses.hardening.weight: 3, "
                                "phases.harden.set.losses.hardening.weight: 4}}\n",
                   NULL);
    const esp_cell *a = cell_of(study, "a"), *b = cell_of(study, "b");
    assert_null(term_of(a, 0, "balance"));
    assert_string_equal(param_of(a, "losses.hardening.reduction"), "mean");
    assert_true(weight_of(a, 0, "cross_entropy") == 2 && weight_of(a, 1, "hardening") == 0);
    assert_string_equal(param_of(b, "losses.hardening.reduction"), "node_sum");
    assert_true(weight_of(b, 0, "hardening") == 3 && weight_of(b, 1, "hardening") == 4);
    assert_true(weight_of(b, 1, "balance") == 0 && weight_of(b, 0, "balance") == 1);
    load(*state, text, NULL); /* a: the phase would override the weight without a word */
    assert_int_equal(((fixture *)*state)->status, ESP_STUDY);
    assert_said(*state,
                "losses.hardening.weight is set to 3 here, but phase 'harden' sets it to 3");
}

static void test_phases_do_not_accumulate(void **state)
{
    esp_study *study = load_sound(
        *state,
        TOP "defaults:\n"
            "  data: {name: mnist}\n"
            "  model: {kind: ff, width: 4}\n"
            "  losses: {cross_entropy: {}}\n"
            "  optimizer: {learning_rate: 0.1}\n"
            "  phases:\n"
            "    a: {epochs: 1, set: {batch_size: 32, optimizer.learning_rate: 0.2}}\n"
            "    b: {epochs: 1, set: {losses: {cross_entropy: {weight: 2}}}, start_from: best}\n"
            "    c: {epochs: 1, reset_optimizer: true, set: {early_stopping: {monitor: "
            "train.running_loss, patience: 4}}}\n"
            "  selection: {monitor: [test.hard_accuracy, test.soft_loss], phases: [a, c]}\n",
        NULL);
    const esp_cell *cell = &study->cells[0];
    assert_int_equal(cell->n_phases, 3);
    assert_int_equal(cell->phases[0].batch_size, 32);
    assert_int_equal(cell->phases[1].batch_size, 256);
    assert_true(cell->phases[0].optimizer.learning_rate == 0.2);
    assert_true(cell->phases[1].optimizer.learning_rate == 0.1);
    assert_true(weight_of(cell, 1, "cross_entropy") == 2 &&
                weight_of(cell, 2, "cross_entropy") == 1);
    assert_int_equal(cell->phases[1].start_from, ESP_START_BEST);
    assert_true(cell->phases[2].reset_optimizer && cell->phases[2].early_stopping.enabled);
    assert_int_equal(cell->phases[2].early_stopping.patience, 4);
    assert_false(cell->phases[1].early_stopping.enabled);
    assert_int_equal(cell->n_monitors, 2);
    assert_true(cell->monitors[0].maximize);
    assert_false(cell->monitors[1].maximize);
    assert_string_equal(cell->monitors[1].metric, "soft_loss");
    assert_int_equal(cell->monitors[1].split, ESP_TEST);
    assert_int_equal(cell->n_selection_phases, 2);
    assert_int_equal(cell->selection_phases[1], 2);
}

/* early_exit logs accuracy_at_90 beside accuracies whose names end so. */
static void test_selection__accuracies_are_maximized(void **state)
{
    esp_study *study = load_sound(
        *state,
        TOP
        "defaults:\n"
        "  data: {name: mnist}\n"
        "  model: {kind: ff, width: 4}\n"
        "  heads: {early_exit: {}}\n"
        "  losses: {cross_entropy: {}}\n"
        "  optimizer: {learning_rate: 0.1}\n"
        "  phases: {a: {epochs: 1}}\n"
        "  selection: {monitor: [test.early_exit.accuracy_at_90, test.early_exit.kept_accuracy, "
        "test.early_exit.cost_at_90]}\n",
        NULL);
    const esp_cell *cell = &study->cells[0];
    assert_true(cell->monitors[0].maximize && cell->monitors[1].maximize);
    assert_false(cell->monitors[2].maximize);
}

static void test_terms_are_the_same_in_every_phase(void **state)
{
    const esp_cell *cell =
        &load_sound(*state,
                    TOP "defaults:\n"
                        "  data: {name: mnist}\n"
                        "  model: {kind: fff, depth: 2, leaf_width: 4}\n"
                        "  losses: {cross_entropy: {}}\n"
                        "  optimizer: {learning_rate: 0.1}\n"
                        "  phases:\n"
                        "    a: {epochs: 1}\n"
                        "    b: {epochs: 1, set: {losses.hardening: {weight: 2, reduction: sum}}}\n"
                        "  selection: {monitor: []}\n",
                    NULL)
             ->cells[0];
    assert_int_equal(cell->phases[0].n_terms, 2);
    assert_true(weight_of(cell, 0, "hardening") == 0 && weight_of(cell, 1, "hardening") == 2);
    assert_string_equal(param_of(cell, "phases.b.losses.hardening.reduction"), "sum");
    /* 2 is the index of sum among the plugin's choices mean, node_sum, sum, reach. */
    assert_true(term_of(cell, 0, "hardening")->params.values[0] == 2);
    for (int i = 0; i < 2; i++) {
        assert_ptr_equal(cell->phases[0].terms[i].plugin, cell->phases[1].terms[i].plugin);
    }
}

/* ---- overriding by a phase ------------------------------------------------------------------ */

static void test_override__phase_would_win(void **state)
{
    const char *sets[] = {"losses.hardening.weight=2"};
    assert_refused(*state, TOP DEFAULTS, &(esp_study_options){.sets = sets, .n_sets = 1},
                   "--set:1: error: losses.hardening.weight is set to 2 here, but phase 'harden' "
                   "sets it to 3 (study_under_test.yaml:13:56); set "
                   "phases.harden.set.losses.hardening.weight too, or that alone\n");
    load(*state, TOP DEFAULTS "grid: {losses.hardening.weight: [1, 2]}\n", NULL);
    assert_said(*state, "study_under_test.yaml:15:8: error: losses.hardening.weight is set to 1");
}

static void test_override__allowed_where_the_phase_sets_weight_0_or_is_set_too(void **state)
{
    const esp_cell *cell = &load_set(*state, TOP DEFAULTS, "losses.balance.weight=2")->cells[0];
    assert_true(weight_of(cell, 0, "balance") == 2 && weight_of(cell, 1, "balance") == 0);
    const char *both[] = {"losses.hardening.weight=2",
                          "phases.harden.set.losses.hardening.weight=5"};
    cell = &load_sound(*state, TOP DEFAULTS, &(esp_study_options){.sets = both, .n_sets = 2})
                ->cells[0];
    assert_true(weight_of(cell, 0, "hardening") == 2 && weight_of(cell, 1, "hardening") == 5);
}

/* ---- grid, zip, exclude --------------------------------------------------------------------- */

static void test_grid__crosses_variants_without_their_own(void **state)
{
    esp_study *study = load_sound(
        *state,
        TOP DEFAULTS "variants:\n"
                     "  ff: {set: {model: {kind: ff, width: 16}, losses: {cross_entropy: {}}, "
                     "phases.harden.set: {}}, grid: {data.name: [mnist, fashion-mnist]}}\n"
                     "  alone: {grid: {}, set: {losses.balance.weight: 0.5}}\n"
                     "  base: {reference: true, set: {losses.balance.weight: 0}}\n"
                     "  full: {}\n"
                     "grid: {data.name: [mnist, fashion-mnist], model.leaf_width: [8, 4]}\n",
        NULL);
    assert_int_equal(study->n_cells, 2 + 1 + 4 + 4);
    assert_int_equal(study->n_trials, 22);
    const esp_cell *ff = cell_of(study, "ff data.name=mnist");
    assert_int_equal(ff->model.kind, ESP_MODEL_FF);
    assert_int_equal(ff->model.leaf_width, 16);
    assert_int_equal(ff->model.depth, 0);
    assert_int_equal(ff->training_width, 16);
    const esp_cell *full = cell_of(study, "full data.name=fashion-mnist model.leaf_width=4");
    assert_int_equal(full->model.depth, 2);
    assert_int_equal(full->inference_width, 6);
    assert_int_equal(full->n_swept, 2);
    assert_string_equal(full->swept[1].key, "model.leaf_width");
    assert_string_equal(full->swept[1].value, "4");
    assert_string_equal(study->cells[full->reference].label,
                        "base data.name=fashion-mnist model.leaf_width=4");
    assert_int_equal(ff->reference, -1);
    assert_int_equal(cell_of(study, "base data.name=mnist model.leaf_width=8")->reference, -1);
    /* It sweeps nothing, but its own configuration shares what the reference sweeps. */
    assert_string_equal(study->cells[cell_of(study, "alone")->reference].label,
                        "base data.name=mnist model.leaf_width=8");
    assert_string_equal(study->variants, "[\"ff\",\"alone\",\"base\",\"full\"]");
}

static void test_grid__maps_as_values(void **state)
{
    esp_study *study = load_sound(*state,
                                  TOP DEFAULTS "grid:\n  optimizer: [{kind: adam, learning_rate: "
                                               "1e-3}, {kind: sgd, learning_rate: 0.2}]\n",
                                  NULL);
    const esp_cell *cell = cell_of(study, "default optimizer={kind: sgd, learning_rate: 0.2}");
    assert_int_equal(cell->phases[0].optimizer.kind, ESP_SGD);
    cell_of(study, "default optimizer={kind: adam, learning_rate: 0.001}");
}

static void test_zip__advances_together_and_crosses_the_grid(void **state)
{
    esp_study *study =
        load_sound(*state,
                   TOP DEFAULTS "grid: {data.name: [mnist, fashion-mnist]}\n"
                                "zip: {model.training_width: [16, 32], model.leaf_width: [4, 2]}\n",
                   NULL);
    assert_int_equal(study->n_cells, 4);
    assert_int_equal(
        cell_of(study, "default data.name=mnist model.training_width=32 model.leaf_width=2")
            ->model.depth,
        4);
    cell_of(study, "default data.name=fashion-mnist model.training_width=16 model.leaf_width=4");
}

static void test_exclude__partial_assignments(void **state)
{
    esp_study *study = load_sound(
        *state,
        TOP DEFAULTS "variants: {a: {}, b: {set: {losses.balance.weight: 0}}}\n"
                     "grid: {model.leaf_width: [8, 4, 2]}\n"
                     "exclude: [{variant: a, model.leaf_width: 2.0}, {model.leaf_width: [4]}]\n",
        NULL);
    assert_int_equal(study->n_cells, 3);
    cell_of(study, "b model.leaf_width=2");
}

/* ---- --set ---------------------------------------------------------------------------------- */

static void test_set__replaces_a_sweep(void **state)
{
    const char *text = TOP DEFAULTS "grid: {data.name: [mnist, fashion-mnist], model.leaf_width: "
                                    "[8, 4]}\n";
    esp_study *study = load_set(*state, text, "model.leaf_width=2");
    assert_int_equal(study->n_cells, 2);
    assert_int_equal(cell_of(study, "default data.name=mnist")->model.leaf_width, 2);
    assert_int_equal(study->n_sets, 1);
    assert_string_equal(study->sets[0], "model.leaf_width=2");
    study = load_set(*state, text, "model.leaf_width=[1, 16]");
    assert_int_equal(study->n_cells, 4);
    assert_int_equal(cell_of(study, "default data.name=mnist model.leaf_width=16")->model.depth, 0);
    const char *map[] = {"model={kind: ff, width: 3}", "losses={cross_entropy: {}}",
                         "phases.harden.set={}"};
    study = load_sound(*state, text, &(esp_study_options){.sets = map, .n_sets = 3});
    assert_int_equal(study->n_cells, 2);
    assert_int_equal(cell_of(study, "default data.name=mnist")->model.leaf_width, 3);
}

static void test_set__goes_where_the_key_belongs(void **state)
{
    const char *text =
        TOP DEFAULTS "variants:\n"
                     "  ff: {set: {model: {kind: ff, width: 16}, losses: {cross_entropy: {}}, "
                     "phases.harden.set: {}}, grid: {}}\n"
                     "  tree: {}\n"
                     "  head: {set: {heads: {master_leaf: {width: 4}}}}\n";
    esp_study *study = load_set(*state, text, "model.leaf_width=4");
    assert_int_equal(cell_of(study, "ff")->model.leaf_width, 16);
    assert_int_equal(cell_of(study, "tree")->model.leaf_width, 4);
    study = load_set(*state, text, "heads.master_leaf.width=12");
    assert_int_equal(cell_of(study, "tree")->n_heads, 0);
    assert_string_equal(param_of(cell_of(study, "head"), "heads.master_leaf.width"), "12");
    study = load_set(*state, text, "losses.balance.weight=4");
    assert_null(term_of(cell_of(study, "ff"), 0, "balance"));
    assert_true(weight_of(cell_of(study, "tree"), 0, "balance") == 4);
    study = load_set(*state, text, "phases.harden.epochs=7");
    assert_int_equal(cell_of(study, "ff")->phases[1].epochs, 7);
    assert_int_equal(cell_of(study, "head")->phases[1].epochs, 7);
}

/* ---- seeds and --only ----------------------------------------------------------------------- */

static int count_asked(const esp_study *study)
{
    int n = 0;
    for (int i = 0; i < study->n_trials; i++) {
        n += study->trials[i].asked_for;
    }
    return n;
}

static void test_seeds__ranges_lists_and_streams(void **state)
{
    fixture *f = *state;
    esp_study *study = load_sound(f, "study: s\nseeds: [0, 4..6, \"9,11\"]\n" DEFAULTS, NULL);
    static const char *const expected[] = {"0", "4", "5", "6", "9", "11"};
    assert_int_equal(study->n_trials, 6);
    for (int i = 0; i < 6; i++) {
        assert_string_equal(study->trials[i].seed, expected[i]);
        assert_int_equal(study->trials[i].seed_init, study->trials[i].seed_noise);
    }
    study = load_sound(f, "study: s\nseeds: {init: 2..3, order: [0, 1]}\n" DEFAULTS, NULL);
    assert_int_equal(study->n_trials, 4);
    assert_string_equal(study->trials[1].seed, "init=2,order=1,noise=0");
    assert_int_equal(study->trials[3].seed_init, 3);
    assert_int_equal(study->trials[3].seed_order, 1);
    assert_int_equal(study->trials[3].seed_noise, 0);
    assert_refused(f, "study: s\nseeds: [1, 1]\n" DEFAULTS, NULL,
                   "2:8: error: seed 1 is given twice\n");
    assert_refused(f, "study: s\nseeds: 5..2\n" DEFAULTS, NULL,
                   "2:8: error: the range '5..2' ends before it starts\n");
    assert_refused(f, "study: s\nseeds: {}\n" DEFAULTS, NULL,
                   "2:8: error: no seeds; a study needs at least one\n");
    assert_refused(f, "study: s\nseeds: {inti: 1}\n" DEFAULTS, NULL,
                   "2:9: error: unknown key 'inti' in seeds; did you mean 'init'?\n");
}

static void test_seeds__option_runs_a_part_and_joins_others(void **state)
{
    const char *text = "study: s\nseeds: 0..3\n" DEFAULTS "variants: {a: {}, b: {set: "
                       "{losses.balance.weight: 0}}}\n";
    esp_study *study = load_sound(*state, text, &(esp_study_options){.seeds = "2..5"});
    assert_int_equal(study->n_trials, 2 * 6);
    assert_int_equal(count_asked(study), 2 * 4);
    study = load_sound(*state, text, &(esp_study_options){.seeds = "7", .only = "a"});
    assert_int_equal(study->n_trials, 4 + 4 + 1);
    assert_int_equal(count_asked(study), 1);
}

static void test_only__patterns_and_words(void **state)
{
    const char *text =
        TOP DEFAULTS "variants: {balanced: {}, baseline: {set: {losses.balance.weight: 0}}}\n"
                     "grid: {data.name: [mnist, fashion-mnist], model.leaf_width: [8, 4]}\n";
    static const struct {
        const char *pattern;
        int trials;
    } cases[] = {{"bal*", 8},
                 {"baseline", 8},
                 {"*leaf_width=4", 8},
                 {"balanced data.name=mnist", 4},
                 {"model.leaf_width=8 baseline data.name=*mnist", 4},
                 {"batch_size=256", 16},
                 {"balanced data.name=mnist model.leaf_width=8", 2}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        esp_study *study = load_sound(*state, text, &(esp_study_options){.only = cases[i].pattern});
        assert_int_equal(count_asked(study), cases[i].trials);
        assert_int_equal(study->n_trials, 16);
    }
    assert_refused(*state, text, &(esp_study_options){.only = "blanced"},
                   "--only: error: no cell matches 'blanced'; did you mean 'balanced'? variants: "
                   "balanced, baseline; data.name: mnist, fashion-mnist; model.leaf_width: 8, 4\n");
}

/* ---- selection ------------------------------------------------------------------------------ */

static void test_selection__left_out(void **state)
{
#define BODY                                                                                       \
    "  model: {kind: ff, width: 4}\n"                                                              \
    "  losses: {cross_entropy: {}}\n"                                                              \
    "  optimizer: {learning_rate: 0.1}\n"                                                          \
    "  phases: {a: {epochs: 1}}\n"
    fixture *f = *state;
    const esp_cell *cell =
        &load_sound(f, TOP "defaults:\n  data: {name: mnist}\n" BODY, NULL)->cells[0];
    assert_int_equal(cell->n_monitors, 0);
    assert_said(f, "study_under_test.yaml:3:1: note: selection.monitor is not set: reports show "
                   "each trial's last epoch\n");
    cell = &load_sound(f, TOP "defaults:\n  data: {name: mnist, validation: 0.1}\n" BODY, NULL)
                ->cells[0];
    assert_int_equal(cell->n_monitors, 1);
    assert_string_equal(cell->monitors[0].name, "validation.hard_accuracy");
    assert_said(f, "note: selection.monitor is not set: reports show the epoch best by "
                   "validation.hard_accuracy\n");
}

static void test_selection__by_test_is_noted(void **state)
{
    load_sound(*state, TOP DEFAULTS, NULL);
    assert_said(*state, ":14:24: note: epochs are selected by test.hard_accuracy");
    assert_null(strstr(((fixture *)*state)->words, "warning"));
}

/* ---- ff of matched size --------------------------------------------------------------------- */

static int matched(fixture *f, const char *what)
{
    char set[256];
    const char *sets[] = {set, "losses={cross_entropy: {}}", "phases.harden.set={}"};
    snprintf(set, sizeof set,
             "model={kind: ff, width: {match: %s, of: {training_width: 16, "
             "leaf_width: 2}}}",
             what);
    const esp_cell *cell =
        &load_sound(f, TOP DEFAULTS, &(esp_study_options){.sets = sets, .n_sets = 3})->cells[0];
    assert_int_equal(cell->model.kind, ESP_MODEL_FF);
    return cell->model.leaf_width;
}

static void test_ff__width_matches_an_fff(void **state)
{
    fixture *f = *state;
    /* By hand, with F = 784, O = 10, l = 2, d = 3, N = 7, L = 8: parameters 7 * 785 + 8 * (2 * 785
     * + 10 * 3) = 18295, an ff of width v has 785 v + 10 v + 10; cost 3 * 784 + 2 * 794 = 3940. */
    assert_int_equal(matched(f, "training_width"), 16);
    assert_int_equal(matched(f, "inference_width"), 5);
    assert_int_equal(matched(f, "parameters"), 23);
    assert_int_equal(matched(f, "inference_cost"), 5);
    assert_string_equal(param_of(&f->study->cells[0], "model.width"), "5");
    assert_string_equal(param_of(&f->study->cells[0], "model.width_from.match"), "inference_cost");
}

static void test_sizes_and_derived_keys(void **state)
{
    const esp_cell *cell = &load_set(*state, TOP DEFAULTS, "model.leaf_width=2")->cells[0];
    assert_string_equal(param_of(cell, "parameters"), "18295");
    assert_string_equal(param_of(cell, "inference_macs"), "3940");
    assert_string_equal(param_of(cell, "training_width"), "16");
    assert_string_equal(param_of(cell, "leaf_width"), "2");
    assert_string_equal(param_of(cell, "depth"), "3");
    assert_string_equal(param_of(cell, "inference_width"), "5");
    assert_string_equal(param_of(cell, "phases.harden.set.losses.hardening.weight"), "3");
    /* A master leaf of width 8: 784 * 8 + 8 + 8 * 10 + 10 weights and k. */
    cell = &load_set(*state, TOP DEFAULTS, "heads={master_leaf: {width: 8}}")->cells[0];
    assert_string_equal(param_of(cell, "parameters"), "19896"); /* 13525 + 6371 */
}

/* ---- report --------------------------------------------------------------------------------- */

static void test_report__builtins_and_contrasts(void **state)
{
    esp_study *study = load_sound(
        *state,
        TOP DEFAULTS "variants: {a: {}, b: {reference: true, set: {losses.balance.weight: 0}}}\n"
                     "grid: {model.leaf_width: [8, 4]}\n",
        NULL);
    assert_string_equal(study->report,
                        "{\"at\":[\"selected\"],\"baseline_rows\":[],\"columns\":[\"variant\"],"
                        "\"contrasts\":[],\"figures\":[],\"metrics\":["
                        "\"test.hard_accuracy\"],\"published\":null,\"rows\":["
                        "\"model.leaf_width\"]}");
    study = load_sound(*state,
                       TOP DEFAULTS "variants: {a: {}, b: {reference: true}}\n"
                                    "grid: {model.leaf_width: [8, 4], batch_size: [16, 32]}\n"
                                    "contrasts:\n"
                                    "  - [a, b]\n"
                                    "  - [{variant: a, model: {leaf_width: 8.0}}, {variant: b}]\n"
                                    "  - [{leaf_width: 8}, {leaf_width: 4}]\n",
                       NULL);
    assert_non_null(strstr(study->report,
                           "\"contrasts\":[[{\"variant\":\"a\"},{\"variant\":\"b\"}],"
                           "[{\"model.leaf_width\":\"8\",\"variant\":\"a\"},"
                           "{\"variant\":\"b\"}],"
                           "[{\"leaf_width\":\"8\"},{\"leaf_width\":\"4\"}]]"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_builtins_fill_what_defaults_lack),
        TEST(test_cadence_and_retries),
        TEST(test_defaults_merge_key_by_key),
        TEST(test_optimizer_builtins_follow_its_kind),
        TEST(test_variant__a_map_replaces_and_takes_builtins),
        TEST(test_phases_do_not_accumulate),
        TEST(test_selection__accuracies_are_maximized),
        TEST(test_terms_are_the_same_in_every_phase),
        TEST(test_override__phase_would_win),
        TEST(test_override__allowed_where_the_phase_sets_weight_0_or_is_set_too),
        TEST(test_grid__crosses_variants_without_their_own),
        TEST(test_grid__maps_as_values),
        TEST(test_zip__advances_together_and_crosses_the_grid),
        TEST(test_exclude__partial_assignments),
        TEST(test_set__replaces_a_sweep),
        TEST(test_set__goes_where_the_key_belongs),
        TEST(test_seeds__ranges_lists_and_streams),
        TEST(test_seeds__option_runs_a_part_and_joins_others),
        TEST(test_only__patterns_and_words),
        TEST(test_selection__left_out),
        TEST(test_selection__by_test_is_noted),
        TEST(test_ff__width_matches_an_fff),
        TEST(test_sizes_and_derived_keys),
        TEST(test_report__builtins_and_contrasts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
