/* Every mistake of a study is found, located, and said together with the others. */
#include "study/study_fixture.h"

static void test_smallest_study_is_sound(void **state)
{
    esp_study *study = load_sound(*state, SOUND, NULL);
    assert_string_equal(((fixture *)*state)->words, "");
    assert_int_equal(study->n_cells, 1);
    assert_int_equal(study->n_trials, 1);
    assert_string_equal(study->cells[0].label, "default");
}

static void test_yaml__syntax(void **state)
{
    fixture *f = *state;
    load(f, "study: s\ndefaults: {a: [1, 2\n", NULL);
    assert_int_equal(f->status, ESP_STUDY);
    assert_said(f, "study_under_test.yaml:3:1: error: YAML: ");
    load(f, "study: s\ndefaults:\n\tdata: x\n", NULL);
    assert_said(f, "study_under_test.yaml:3:1: error: YAML: ");
    assert_said(f, "(a tab; indent with spaces)");
}

static void test_yaml__empty_and_not_a_map(void **state)
{
    assert_refused(*state, "", NULL,
                   "1:1: error: not a study; it needs at least study, seeds and defaults\n");
    assert_refused(*state, "- a\n", NULL,
                   "1:1: error: not a study; it needs at least study, seeds and defaults\n");
    assert_refused(*state, "{}\n", NULL,
                   "1:1: error: defaults is required\n1:1: error: seeds is required\n"
                   "1:1: error: study is required\n");
}

static void test_yaml__not_utf8(void **state)
{
    fixture *f = *state;
    load_bytes(f, "study: s\ntitle: \xff\xfe\n", 19, NULL);
    assert_int_equal(f->status, ESP_STUDY);
    assert_said(f, ":2:8: error: not UTF-8 text: ");
    load_bytes(f, "study: a\0b\n", 11, NULL);
    assert_int_equal(f->status, ESP_STUDY);
}

static void test_yaml__byte_order_mark(void **state)
{
    esp_study *study = load_sound(*state, "\xef\xbb\xbf" SOUND, NULL);
    assert_string_equal(study->text, SOUND);
    assert_refused(*state,
                   "\xef\xbb\xbf"
                   "studi: s\n" SOUND,
                   NULL, "1:1: error: unknown key 'studi'; did you mean 'study'?\n");
    load(*state, "\xef\xbb\xbf", NULL);
    assert_said(*state, ":1:1: error: not a study;");
}

static void test_yaml__duplicates_anchors_merges_tags(void **state)
{
    assert_refused(*state,
                   SOUND "title: a\ntitle: b\nsource: &x c\nexclude: *x\n"
                         "grid: {<<: {a: 1}}\ncontrasts: !t []\n",
                   NULL,
                   "11:1: error: key 'title' is given twice; the first is at line 10\n"
                   "12:9: error: anchors (&x) are not read; share values through defaults and "
                   "variants\n"
                   "13:10: error: aliases (*x) are not read; share values through defaults and "
                   "variants\n"
                   "14:8: error: merge keys (<<) are not read; share values through defaults\n"
                   "15:12: error: tags (!t) are not read\n");
}

static void test_yaml__depth_and_documents(void **state)
{
    fixture *f = *state;
    char deep[200001];
    memset(deep, '[', sizeof deep - 1);
    deep[sizeof deep - 1] = '\0';
    load(f, deep, NULL);
    assert_int_equal(f->status, ESP_STUDY);
    assert_said(f, "nested deeper than 24 levels");
    load(f, SOUND "---\na: 1\n", NULL);
    assert_int_equal(f->status, ESP_STUDY);
    assert_said(f, ":10:1: error: a second document");
}

static void test_all_errors_together(void **state)
{
    assert_refused(
        *state,
        "study: s p\n"
        "seeds: 0..2\n"
        "titel: x\n"
        "defaults:\n"
        "  data: {name: mnist, validation: 2}\n"
        "  model: {kind: fff, training_width: 16, leaf_width: 8, leafs: 2}\n"
        "  losses:\n"
        "    cross_entropy: {weight: high}\n"
        "    hardning: {weight: 1}\n"
        "  optimizer: {kind: adam, learning_rte: 0.1}\n"
        "  phases: {a: {epochs: 0}, b: {epochs: 1, set: {data.name: mnist}}}\n"
        "  selection: {monitor: test.hard_acuracy}\n",
        NULL,
        "1:8: error: study 's p' must be a name of at most 100 letters, digits, '.', '_' and '-' "
        "that "
        "begins with a letter, digit or '_'\n"
        "3:1: error: unknown key 'titel'; did you mean 'title'?\n"
        "5:35: error: data.validation must be at least 0 and at most 0.9, not 2\n"
        "6:57: error: unknown key 'leafs' in model; known: kind, training_width, depth, "
        "leaf_width, width, experts, expert_width, top_k, gate, noise, noise_epsilon, trees, "
        "activation, region_leak, train_hardened, dropout, freeze, node_scale, leaf_scale\n"
        "8:29: error: losses.cross_entropy.weight must be a number or {schedule: .., from: .., to: "
        ".., over: ..}, not 'high'\n"
        "9:5: error: unknown key 'hardning' in losses; did you mean 'hardening'?\n"
        "10:27: error: unknown key 'learning_rte' in optimizer; did you mean 'learning_rate'?\n"
        "11:24: error: phases.a.epochs must be at least 1 and at most 1000000, not 0\n"
        "11:49: error: a phase cannot set data.name; it may set losses, optimizer, batch_size, "
        "accumulate, drop_last and early_stopping\n"
        "12:24: error: unknown metric 'test.hard_acuracy'; did you mean 'hard_accuracy'?\n");
}

/* Each part of the rule is said: how long a name may be, and how it begins. */
static void test_names__the_whole_rule_is_said(void **state)
{
    (void)state;
#define RULE(most, dots)                                                                           \
    "must be a name of at most " most " letters, digits, " dots "'_' and '-' that begins with a "  \
    "letter, digit or '_'\n"
    char name[102], yaml[2048], expected[1024];
    memset(name, 'v', 101);
    name[101] = '\0';
    const char *const wrong[] = {name, "-dash", ".dot"}, *const rest = SOUND + strlen("study: s\n");
    for (int i = 0; i < 3; i++) {
        snprintf(yaml, sizeof yaml, "study: %s\n%s", wrong[i], rest);
        snprintf(expected, sizeof expected, "1:8: error: study '%s' " RULE("100", "'.', "),
                 wrong[i]);
        assert_refused(*state, yaml, NULL, expected);
        snprintf(yaml, sizeof yaml, SOUND "variants: {%s: {}}\n", wrong[i]);
        snprintf(expected, sizeof expected, "10:12: error: variant '%s' " RULE("100", "'.', "),
                 wrong[i]);
        assert_refused(*state, yaml, NULL, expected);
    }
    name[100] = '\0'; /* a hundred is a name */
    snprintf(yaml, sizeof yaml, SOUND "variants: {%s: {}}\n", name);
    load_sound(*state, yaml, NULL);
    assert_refused(*state, SOUND "report: {figures: [{kind: learning_curve, name: .x}]}\n", NULL,
                   "10:49: error: figure '.x' " RULE("60", ""));
#undef RULE
}

static void test_what_is_required(void **state)
{
    assert_refused(*state, "study: s\nseeds: 0\ndefaults: {}\n", NULL,
                   "3:1: error: data.name is required\n"
                   "3:1: error: losses is required, such as losses: {cross_entropy: {weight: 1}}\n"
                   "3:1: error: model.kind is required: fff, ff, moe or fff_nodes\n"
                   "3:1: error: optimizer.learning_rate is required\n"
                   "3:1: error: phases is required, such as phases: {train: {epochs: 100}}\n");
}

static void test_model__widths(void **state)
{
    const char *width[] = {"model.training_width=24"};
    const char *leaf[] = {"model.leaf_width=3"};
    const char *both[] = {"model.depth=2"};
    assert_refused(*state, SOUND, &(esp_study_options){.sets = width, .n_sets = 1},
                   "5:54: error: training_width 24 is not leaf_width 8 times a power of two; "
                   "nearest: training_width 16 or 32\n");
    assert_refused(*state, SOUND, &(esp_study_options){.sets = leaf, .n_sets = 1},
                   "--set:1: error: training_width 16 is not leaf_width 3 times a power of two; "
                   "nearest: training_width 12 or 24\n");
    assert_refused(*state, SOUND, &(esp_study_options){.sets = both, .n_sets = 1},
                   "--set:1: error: model.depth and model.training_width are both given; one "
                   "follows from the other\n");
}

static void test_monitor__validation_without_a_split(void **state)
{
    const char *sets[] = {"selection.monitor=validation.hard_accuracy"};
    const char *stopping[] = {"early_stopping={monitor: validation.soft_loss, patience: 3}"};
    const char *running[] = {"selection.monitor=test.running_loss"};
    const char *term[] = {"selection.monitor=test.loss.balance"};
    assert_refused(*state, SOUND, &(esp_study_options){.sets = sets, .n_sets = 1},
                   "--set:1: error: 'validation.hard_accuracy' needs a validation split; set "
                   "data.validation, such as 0.1\n");
    assert_refused(*state, SOUND, &(esp_study_options){.sets = stopping, .n_sets = 1},
                   "--set:1: error: 'validation.soft_loss' needs a validation split; set "
                   "data.validation, such as 0.1\n");
    assert_refused(*state, SOUND, &(esp_study_options){.sets = running, .n_sets = 1},
                   "--set:1: error: 'test.running_loss': running metrics are of train only; use "
                   "test.soft_loss or test.hard_accuracy\n");
    assert_refused(*state, SOUND, &(esp_study_options){.sets = term, .n_sets = 1},
                   "--set:1: error: 'test.loss.balance': no term 'balance' here; known: "
                   "cross_entropy\n");
}

static void test_validation__holds_out_nothing(void **state)
{
    const char *sets[] = {"data.validation=0.00001"}, *enough[] = {"data.validation=0.0001"};
    assert_refused(*state, SOUND, &(esp_study_options){.sets = sets, .n_sets = 1},
                   "--set:1: error: data.validation 1e-05 holds out nothing of mnist, which has "
                   "6000 examples a class; hold out 0.01 or more\n");
    load_sound(*state, SOUND, &(esp_study_options){.sets = enough, .n_sets = 1});
}

/* Two phases; balance has weight 0 and no monitor in the second. */
#define WATCHED(more)                                                                              \
    "study: s\n"                                                                                   \
    "seeds: 0\n"                                                                                   \
    "defaults:\n"                                                                                  \
    "  data: {name: mnist}\n"                                                                      \
    "  model: {kind: fff, training_width: 16, leaf_width: 8}\n"                                    \
    "  losses: {cross_entropy: {}, balance: {monitor: false}}\n"                                   \
    "  optimizer: {learning_rate: 0.001}\n"                                                        \
    "  phases:\n"                                                                                  \
    "    first: {epochs: 2}\n"                                                                     \
    "    second: {epochs: 2, set: {losses.balance.weight: 0}}\n" more

static void test_monitor__never_measured(void **state)
{
    assert_refused(*state,
                   WATCHED("  selection: {monitor: [test.loss.cross_entropy, test.loss.balance]}\n"
                           "  early_stopping: {monitor: train.loss.balance, patience: 2}\n"),
                   NULL,
                   "11:50: error: 'test.loss.balance' is not measured in phase 'second', where "
                   "balance has weight 0 and monitor: false; set losses.balance.monitor: true\n"
                   "12:29: error: 'train.loss.balance' is not measured in phase 'second', where "
                   "balance has weight 0 and monitor: false; set losses.balance.monitor: true\n");
    /* Where it is watched it is measured. */
    load_sound(*state, WATCHED("  selection: {monitor: test.loss.balance, phases: first}\n"), NULL);
    const char *on[] = {"losses.balance.monitor=true"};
    load_sound(*state, WATCHED("  selection: {monitor: test.loss.balance}\n"),
               &(esp_study_options){.sets = on, .n_sets = 1});
    const char *ff[] = {"model={kind: ff, width: 4}", "losses.balance.weight=0"};
    load(*state, WATCHED("  selection: {monitor: test.loss.balance}\n"),
         &(esp_study_options){.sets = ff, .n_sets = 2});
    assert_said(*state, ":11:24: error: 'test.loss.balance' is never measured: it needs "
                        "mixture and choices, and model kind 'ff' has none");
}

static void test_monitor__listed_twice(void **state)
{
    assert_refused(*state,
                   WATCHED("  selection: {monitor: [test.hard_loss, test.soft_loss, "
                           "test.hard_loss]}\n"),
                   NULL, "11:57: error: 'test.hard_loss' is listed twice in selection.monitor\n");
}

static void test_phases__best_without_an_earlier_selection(void **state)
{
    const char *best[] = {"phases.second.start_from=best"};
    const esp_study_options options = {.sets = best, .n_sets = 1};
    assert_refused(*state, WATCHED("  selection: {monitor: test.hard_loss, phases: [second]}\n"),
                   &options,
                   "--set:1: error: start_from: best has no best epoch to start from: "
                   "selection.phases names no earlier phase\n");
    load_sound(*state, WATCHED("  selection: {monitor: test.hard_loss, phases: [first]}\n"),
               &options);
    load_sound(*state, WATCHED("  selection: {monitor: test.hard_loss}\n"), &options);
}

static void test_losses__routing_on_ff_and_no_task(void **state)
{
    const char *ff[] = {"model={kind: ff, width: 4}",
                        "losses={cross_entropy: {}, balance: {weight: 0}, hardening: {weight: 2}}"};
    const char *none[] = {"losses.cross_entropy.weight=0"};
    assert_refused(*state, SOUND, &(esp_study_options){.sets = ff, .n_sets = 2},
                   "--set:2: error: hardening needs scores, and model kind 'ff' has none; give it "
                   "weight 0 or leave it out\n");
    fixture *f = *state;
    load(f, SOUND, &(esp_study_options){.sets = none, .n_sets = 1});
    assert_int_equal(f->status, ESP_STUDY);
    assert_said(f, "phase 'train' of variant 'default' learns no task");
}

/* What holds for all variants is wrong where this one's model is of another kind. */
static void test_losses__a_variant_without_what_they_need(void **state)
{
    const char *tree[] = {"losses.hardening.weight=1"};
    static const char text[] = SOUND "variants:\n"
                                     "  tree: {}\n"
                                     "  ff: {set: {model: {kind: ff, width: 4}}}\n";
    static const char all[] =
        "study: s\n"
        "seeds: 0\n"
        "defaults:\n"
        "  data: {name: mnist}\n"
        "  model: {kind: fff, training_width: 16, leaf_width: 8}\n"
        "  losses: {cross_entropy: {}, hardening: {weight: 2}}\n"
        "  optimizer: {learning_rate: 0.001}\n"
        "  phases: {train: {epochs: 2}}\n"
        "  selection: {monitor: []}\n"
        "variants:\n"
        "  tree: {}\n"
        "  ff: {set: {model: {kind: ff, width: 4}}}\n"
        "  moe: {set: {model: {kind: moe, experts: 4, expert_width: 2, top_k: 1}}}\n";
    fixture *f = *state;
    assert_refused(f, text, &(esp_study_options){.sets = tree, .n_sets = 1},
                   "--set:1: error: hardening needs scores, and model kind 'ff' has none; give it "
                   "weight 0 or leave it out\n");
    load(f, all, NULL);
    assert_int_equal(f->status, ESP_STUDY);
    assert_said(f, ":12:22: error: hardening needs scores, and model kind 'ff' has none");
    assert_said(f, ":6:51; losses.hardening.weight: 0 here turns it off)");
    assert_said(f, ":13:23: error: plugin 'hardening': needs a model whose nodes decide softly");
}

static void test_losses__settings_that_do_nothing(void **state)
{
    const char *rate[] = {"losses.hardening={weight: 1, adaptation_rate: 0.1}"};
    const char *heads[] = {"losses.l1={weight: 0.1, groups: heads}"};
    const char *nodes[] = {"losses.l2={weight: 0.1, groups: nodes}", "model={kind: ff, width: 4}"};
    const char *bias[] = {"losses.load_bias.weight=-1",
                          "model={kind: moe, experts: 4, expert_width: 2, top_k: 1}"};
    const char *scale[] = {"losses.balance.weight={schedule: linear, from: 0, to: 1, over: 2}",
                           "phases.train.routing_scale=0"};
    fixture *f = *state;
    load(f, SOUND, &(esp_study_options){.sets = rate, .n_sets = 1});
    assert_int_equal(f->status, ESP_STUDY);
    assert_said(f, "--set:1: error: plugin 'hardening': adaptation_rate does nothing without "
                   "target_entropy");
    assert_refused(f, SOUND, &(esp_study_options){.sets = heads, .n_sets = 1},
                   "--set:1: error: l1 looks at the parameters of heads alone, and there are none; "
                   "give it weight 0 or leave it out\n");
    load(f, SOUND, &(esp_study_options){.sets = nodes, .n_sets = 2});
    assert_int_equal(f->status, ESP_STUDY);
    assert_said(f, "--set:1: error: l2 looks at the parameters of nodes alone, and there are none");
    load(f, SOUND, &(esp_study_options){.sets = bias, .n_sets = 2});
    assert_int_equal(f->status, ESP_STUDY);
    assert_said(f, "--set:1: error: load_bias moves a routing bias while its weight is above 0");
    load_sound(f, SOUND, &(esp_study_options){.sets = scale, .n_sets = 2});
    assert_said(f,
                "note: routing_scale 0 turns off balance in phase 'train', though its weight has "
                "a schedule");
}

static void test_data__unknown_set(void **state)
{
    const char *sets[] = {"data.name=fashion-mnst"};
    fixture *f = *state;
    load(f, SOUND, &(esp_study_options){.sets = sets, .n_sets = 1});
    assert_int_equal(f->status, ESP_STUDY);
    assert_said(f, "--set:1: error: ");
    assert_said(f, "fashion-mnst");
}

static void test_sweeps__malformed(void **state)
{
    assert_refused(*state,
                   SOUND "grid: {model.leaf_width: 8, batch_size: [1, 1.0], seeds: [1]}\n"
                         "zip: {drop_last: [true], data.validation: [0, 0.1]}\n",
                   NULL,
                   "10:26: error: grid: model.leaf_width needs a list of values, such as [1, 2]\n"
                   "10:45: error: batch_size has the value 1 twice\n"
                   "10:51: error: unknown key 'seeds' in the configuration; did you mean 'heads'?\n"
                   "11:43: error: zip: data.validation has 2 values, drop_last has 1; they advance "
                   "together\n");
}

static void test_hostile__sizes(void **state)
{
    fixture *f = *state;
    esp_study_options seeds = {.seeds = "0..999999999999"};
    load(f, SOUND, &seeds);
    assert_said(f, "--seeds: error: '0..999999999999' is more than 100000 seeds");
    seeds.seeds = "99999999999999999999999";
    load(f, SOUND, &seeds);
    assert_int_equal(f->status, ESP_STUDY);
    load(f,
         "study: s\nseeds: 0..50000\ndefaults:\n  data: {name: mnist}\n"
         "  model: {kind: ff, width: 2}\n  losses: {cross_entropy: {}}\n"
         "  optimizer: {learning_rate: 1}\n  phases: {a: {epochs: 1}}\n"
         "grid: {data.split_seed: [1, 2]}\n",
         NULL);
    assert_int_equal(f->status, ESP_STUDY);
    assert_said(f, "2 cells x 50001 seeds are 100002 trials; a study has at most 100000");
}

static void test_overrides__malformed(void **state)
{
    const char *sets[] = {"foo",
                          "=1",
                          "optimizer.learning_rate=fast",
                          "seeds=3",
                          "phases.trian.epochs=3",
                          "losses.cross_entropy=[",
                          "model.widht=3"};
    assert_refused(
        *state, SOUND, &(esp_study_options){.sets = sets, .n_sets = 7},
        "--set:1: error: 'foo' is not key=value, such as optimizer.learning_rate=0.01\n"
        "--set:2: error: '=1' is not key=value, such as optimizer.learning_rate=0.01\n"
        "--set:3: error: optimizer.learning_rate must be a number, not 'fast'\n"
        "--set:4: error: seeds is not part of the configuration; use --seeds\n"
        "--set:5: error: unknown key 'trian' in phases; did you mean 'train'? (a phase is added by "
        "its map, phases.trian: {..})\n"
        "--set:6: error: YAML: did not find expected node content while parsing a flow node\n"
        "--set:7: error: unknown key 'widht' in model; did you mean 'width'?\n");
}

static void test_file__absent(void **state)
{
    fixture *f = *state;
    esp_study_options none = {0};
    assert_int_equal(esp_study_load(&f->study, "/nowhere/s.yaml", &none, f->registry, stderr),
                     ESP_NOT_FOUND);
    assert_non_null(strstr(esp_message(), "/nowhere/s.yaml"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_smallest_study_is_sound),
        TEST(test_yaml__syntax),
        TEST(test_yaml__empty_and_not_a_map),
        TEST(test_yaml__not_utf8),
        TEST(test_yaml__byte_order_mark),
        TEST(test_yaml__duplicates_anchors_merges_tags),
        TEST(test_yaml__depth_and_documents),
        TEST(test_all_errors_together),
        TEST(test_names__the_whole_rule_is_said),
        TEST(test_what_is_required),
        TEST(test_model__widths),
        TEST(test_monitor__validation_without_a_split),
        TEST(test_validation__holds_out_nothing),
        TEST(test_monitor__never_measured),
        TEST(test_monitor__listed_twice),
        TEST(test_phases__best_without_an_earlier_selection),
        TEST(test_losses__routing_on_ff_and_no_task),
        TEST(test_losses__a_variant_without_what_they_need),
        TEST(test_losses__settings_that_do_nothing),
        TEST(test_data__unknown_set),
        TEST(test_sweeps__malformed),
        TEST(test_hostile__sizes),
        TEST(test_overrides__malformed),
        TEST(test_file__absent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
