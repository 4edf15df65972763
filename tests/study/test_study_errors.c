/* Every mistake of a study is found, located, and said together with the others. */
#include "study/study_fixture.h"

/* The smallest sound study; errors are made in copies of it. */
#define SOUND                                                                                      \
    "study: s\n"                                                                                   \
    "seeds: 0\n"                                                                                   \
    "defaults:\n"                                                                                  \
    "  data: {name: mnist}\n"                                                                      \
    "  model: {kind: fff, training_width: 16, leaf_width: 8}\n"                                    \
    "  losses: {cross_entropy: {}}\n"                                                              \
    "  optimizer: {learning_rate: 0.001}\n"                                                        \
    "  phases: {train: {epochs: 2}}\n"                                                             \
    "  selection: {monitor: []}\n"

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
        "1:8: error: study 's p' must be a name of letters, digits, '.', '_' and '-'\n"
        "3:1: error: unknown key 'titel'; did you mean 'title'?\n"
        "5:35: error: data.validation must be at least 0 and at most 0.9, not 2\n"
        "6:57: error: unknown key 'leafs' in model; known: kind, training_width, depth, "
        "leaf_width, width, experts, expert_width, top_k, gate, noise, trees, activation, "
        "region_leak, train_hardened, dropout, freeze, node_scale, leaf_scale\n"
        "8:29: error: losses.cross_entropy.weight must be a number or {schedule: .., from: .., to: "
        ".., over: ..}, not 'high'\n"
        "9:5: error: unknown key 'hardning' in losses; did you mean 'hardening'?\n"
        "10:27: error: unknown key 'learning_rte' in optimizer; did you mean 'learning_rate'?\n"
        "11:24: error: phases.a.epochs must be at least 1 and at most 1000000, not 0\n"
        "11:49: error: a phase cannot set data.name; it may set losses, optimizer, batch_size, "
        "accumulate, drop_last and early_stopping\n"
        "12:24: error: unknown metric 'test.hard_acuracy'; did you mean 'hard_accuracy'?\n");
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

static void test_report__malformed(void **state)
{
    assert_refused(*state,
                   SOUND "report:\n"
                         "  rows: [modle.leaf_width]\n"
                         "  at: lats\n"
                         "  figures: [learning_curves]\n"
                         "  baseline_rows: [ff]\n"
                         "  colums: []\n"
                         "  published: {file: none.csv, join: {a: depth}, variant: {defualt: x}}\n"
                         "contrasts: [[default, other], [default]]\n",
                   NULL,
                   "11:10: error: unknown key 'modle' in the configuration; did you mean 'model'?\n"
                   "12:7: error: unknown epoch 'lats'; did you mean 'last'?\n"
                   "13:13: error: unknown figure 'learning_curves'; did you mean "
                   "'learning_curve'?\n"
                   "14:19: error: unknown variant 'ff'; known: default\n"
                   "15:3: error: unknown key 'colums' in report; did you mean 'columns'?\n"
                   "16:21: error: there is no 'none.csv' beside the study or in "
                   "analysis/published\n"
                   "16:59: error: unknown variant 'defualt'; did you mean 'default'?\n"
                   "17:23: error: unknown variant 'other'; known: default\n"
                   "17:31: error: a contrast is a pair, such as [balanced, baseline]\n");
}

static void test_report__statistics_malformed(void **state)
{
    assert_refused(
        *state,
        SOUND "report:\n"
              "  metrics: [test.hard_accuracy, train.epochs_to_hard_acuracy]\n"
              "  layout: papier\n"
              "  primary: test.soft_accuracy\n"
              "  confidence: 95\n"
              "  interval: bootstrop\n"
              "  failure: {metric: test.hard_accuracy, below: 50, abov: 1}\n"
              "  equivalence: {metric: test.hard_acuracy, margin: 0}\n",
        NULL,
        "11:33: error: unknown metric 'train.epochs_to_hard_acuracy'; did you mean "
        "'epochs_to_hard_accuracy'?\n"
        "12:11: error: report.layout has no choice 'papier'; did you mean 'paper'?\n"
        "13:12: error: 'test.soft_accuracy' is not among report.metrics; did you mean "
        "'test.hard_accuracy'?\n"
        "14:15: error: report.confidence must be at least 0.5 and at most 0.9999, not 95\n"
        "15:13: error: report.interval has no choice 'bootstrop'; did you mean 'bootstrap'?\n"
        "16:48: error: test.hard_accuracy is a fraction: between 0 and 1\n"
        "16:52: error: unknown key 'abov' in report.failure; did you mean 'above'?\n"
        "17:25: error: unknown metric 'test.hard_acuracy'; did you mean 'hard_accuracy'?\n"
        "17:52: error: report.equivalence.margin must be more than 0 and at most 1e+300, not 0\n");
    assert_refused(
        *state, SOUND "report: {failure: {below: 0.5, above: 1}, equivalence: 3}\n", NULL,
        "10:19: error: report.failure takes one of below (accuracies) and above (losses)\n"
        "10:19: error: report.failure.metric is required\n"
        "10:56: error: report.equivalence must be a map, {metric margin}\n");
    assert_refused(*state,
                   SOUND "report: {metrics: [test.hard_accuracy], columns: [varant],\n"
                         "  figures: [{kind: cost, x: inference_mac}, {kind: sweep, x: modle}],\n"
                         "  equivalence: {metric: test.hard_accuracy, margin: 5}}\n",
                   NULL,
                   "10:51: error: unknown key 'varant'; did you mean 'variant'?\n"
                   "11:29: error: unknown key 'inference_mac'; did you mean 'inference_macs'?\n"
                   "11:62: error: unknown key 'modle' in the configuration; did you mean "
                   "'model'?\n"
                   "12:53: error: test.hard_accuracy is a fraction: between 0 and 1\n");
    const char *sets[] = {"selection.monitor=train.epochs_to_hard_accuracy"};
    assert_refused(*state, SOUND, &(esp_study_options){.sets = sets, .n_sets = 1},
                   "--set:1: error: 'train.epochs_to_hard_accuracy' is known when training has "
                   "ended; reports alone have it\n");
    load_sound(*state,
               SOUND "report: {layout: paper, primary: test.hard_accuracy, interval: bootstrap,\n"
                     "  failure: {metric: test.soft_loss, above: 2}, confidence: 0.9,\n"
                     "  equivalence: {metric: test.hard_accuracy, margin: 0.005}}\n",
               NULL);
}

static void test_contrasts__against_the_cells(void **state)
{
#define VARIED                                                                                     \
    SOUND "variants: {a: {grid: {model.leaf_width: [8, 4]}}, b: {grid: {model.leaf_width: "        \
          "[2]}}}\n"
    assert_refused(
        *state,
        VARIED "contrasts:\n"
               "  - [a, a]\n"
               "  - [{model.leaf_width: 1}, b]\n"
               "  - [a, b]\n"
               "  - [{variant: b}, {model.leaf_width: 2}]\n"
               "  - [{batch_sise: 2}, {variant: c}]\n"
               "  - [{}, a]\n",
        NULL,
        "12:5: error: contrasts: a is paired with itself\n"
        "13:6: error: contrasts: no cell is like {model.leaf_width: 1}\n"
        "14:5: error: contrasts: no cell like a has a partner like b with the same value "
        "of every swept key that they do not both name\n"
        "15:5: error: contrasts: no cell like {variant: b} has a partner like "
        "{model.leaf_width: 2} with the same value of every swept key that they do not both name\n"
        "16:7: error: unknown key 'batch_sise' in the configuration; did you mean "
        "'batch_size'?\n"
        "16:33: error: unknown variant 'c'; known: a, b\n"
        "17:6: error: an empty side; name a variant, or keys such as "
        "{model.leaf_width: 8}\n");
    /* What --set has swept away is a warning. */
    const char *sets[] = {"model.leaf_width=8"};
    load_sound(*state, VARIED "contrasts: [[{model.leaf_width: 4}, {model.leaf_width: 2}]]\n",
               &(esp_study_options){.sets = sets, .n_sets = 1});
    assert_said(*state, ":11:14: warning: contrasts: no cell is like {model.leaf_width: 4}");
#undef VARIED
}

static void test_report__what_no_cell_gives(void **state)
{
    assert_refused(*state,
                   SOUND
                   "report:\n"
                   "  metrics: [test.loss.balance, test.master_leaf.k, validation.soft_loss,\n"
                   "            test.loss.cross_entropy, test.cross_entropy.anything]\n"
                   "  at: [last, selected:test.hard_accuracy]\n",
                   NULL,
                   "11:13: error: 'test.loss.balance': no cell has a term 'balance'; known: "
                   "cross_entropy\n"
                   "11:32: error: 'test.master_leaf.k': no cell has a term or head 'master_leaf'; "
                   "known: cross_entropy\n"
                   "11:52: error: 'validation.soft_loss': no cell has a validation split; set "
                   "data.validation, such as 0.1\n"
                   "13:14: error: no epoch is selected by 'test.hard_accuracy'; list it in "
                   "selection.monitor, after the first\n");
    /* One cell that has it is enough. */
#define BOTH                                                                                       \
    SOUND "report:\n"                                                                              \
          "  metrics: [validation.hard_accuracy, test.master_leaf.k, test.node_entropy]\n"         \
          "  at: selected:test.hard_accuracy\n"                                                    \
          "variants:\n"                                                                            \
          "  a: {set: {data.validation: 0.1, heads: {master_leaf: {}}}}\n"                         \
          "  b: {set: {selection.monitor: [test.soft_loss, test.hard_accuracy]}}\n"
    load_sound(*state, BOTH, NULL);
    const char *one[] = {"selection.monitor=test.hard_accuracy"};
    assert_refused(*state, BOTH, &(esp_study_options){.sets = one, .n_sets = 1},
                   "12:7: error: 'test.hard_accuracy' is the first of selection.monitor; its epoch "
                   "is called selected\n");
    const char *other[] = {"selection.monitor=[test.soft_loss, test.hard_loss]",
                           "model={kind: ff, width: 4}"};
    load(*state, BOTH, &(esp_study_options){.sets = other, .n_sets = 1});
    assert_said(*state, ":12:7: error: no epoch is selected by 'test.hard_accuracy'; list it in "
                        "selection.monitor, after the first; ");
#undef BOTH
    const char *ff[] = {"model={kind: ff, width: 4}"};
    assert_refused(*state, SOUND "report: {metrics: test.node_entropy}\n",
                   &(esp_study_options){.sets = ff, .n_sets = 1},
                   "10:19: error: 'test.node_entropy': no cell has a model with probabilities\n");
}

/* Writes a file beside the study; the folder must be empty again at the end. */
static void write_beside(const char *text)
{
    FILE *file = fopen("values.csv", "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static void test_published__against_its_file(void **state)
{
#define PUBLISHED(where, join, model)                                                              \
    SOUND "report:\n"                                                                              \
          "  published:\n"                                                                         \
          "    file: values.csv\n"                                                                 \
          "    where: " where "\n"                                                                 \
          "    join: " join "\n"                                                                   \
          "    variant: {default: " model "}\n"
    write_beside("table,dataset,leaf_width,model,split,routing,best,source\n"
                 "1,mnist,8,fff,test,hard,93.1,x\n"
                 "2,mnist,8,fff+balance,test,hard,94.1,x\n");
    load_sound(*state, PUBLISHED("{table: 1.0}", "{dataset: data.name}", "fff"), NULL);
    assert_refused(
        *state, PUBLISHED("{tabel: 1}", "{data_set: data.name, leaf: leaf_width}", "fff-b"), NULL,
        "13:13: error: ./values.csv has no column 'tabel'; did you mean 'table'?\n"
        "14:12: error: ./values.csv has no column 'data_set'; did you mean 'dataset'?\n"
        "14:33: error: ./values.csv has no column 'leaf'\n"
        "15:24: error: ./values.csv has no row of model 'fff-b'; did you mean 'fff'?\n");
    assert_refused(*state, PUBLISHED("{table: 3}", "{dataset: data.name}", "something"), NULL,
                   "13:20: error: ./values.csv has no row with table 3\n"
                   "15:24: error: ./values.csv has no row of model 'something'; known: fff, "
                   "fff+balance\n");
    assert_refused(*state, PUBLISHED("{table: 1, model: fff+balance}", "{}", "fff"), NULL,
                   "13:12: error: ./values.csv has no row with {table: 1, model: fff+balance}\n");
    static const struct {
        const char *text, *message;
    } broken[] = {
        {"\x7f"
         "ELF\x02\n",
         "12:11: error: ./values.csv is no file of published values: it has no "
         "column 'model'\n"},
        {"model,split,routing,best\nfff,test\n",
         "12:11: error: ./values.csv:2: expected 4 fields, found 2\n"},
        {"model,split,routing,best\nfff,test,hard,often\n",
         "12:11: error: ./values.csv: column best: expected a percentage, found 'often'\n"},
        {"", "12:11: error: ./values.csv: holds no line of column names\n"},
    };
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        write_beside(broken[i].text);
        assert_refused(*state, PUBLISHED("{}", "{}", "fff"), NULL, broken[i].message);
    }
#undef PUBLISHED
    assert_int_equal(remove("values.csv"), 0);
    load(*state, SOUND "report: {published: {file: /tmp, join: {}, variant: {default: fff}}}\n",
         NULL);
    assert_said(*state, ":10:28: error: /tmp: ");
}

static void test_file__absent(void **state)
{
    fixture *f = *state;
    esp_study_options none = {0};
    assert_int_equal(esp_study_load(&f->study, "/nowhere/s.yaml", &none, f->registry, stderr),
                     ESP_NOT_FOUND);
    assert_non_null(strstr(esp_message(), "/nowhere/s.yaml"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)

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
        TEST(test_report__malformed),
        TEST(test_contrasts__against_the_cells),
        TEST(test_report__what_no_cell_gives),
        TEST(test_report__statistics_malformed),
        TEST(test_published__against_its_file),
        TEST(test_file__absent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
