/* What a study asks of its reports: mistakes in `report:` and `contrasts:` are found before
 * anything runs, and located. */
#include "study/study_fixture.h"

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

/* A report would be empty, count every sound run as failed, or draw nothing. */
static void test_report__what_says_nothing(void **state)
{
    assert_refused(*state,
                   SOUND "report:\n"
                         "  at: []\n"
                         "  metrics: []\n"
                         "  failure: {metric: test.hard_accuracy, above: 0.5}\n"
                         "  figures: [{kind: leaf_heatmap, seeds: 0..99}]\n",
                   NULL,
                   "11:7: error: report.at is an empty list; leave the key out for the built-in\n"
                   "12:12: error: report.metrics is an empty list; leave the key out for the "
                   "built-in\n"
                   "13:48: error: test.hard_accuracy fails where it is low; write below\n"
                   "14:41: error: the study has no seed 1\n");
    assert_refused(*state, SOUND "report: {failure: {metric: test.soft_loss, below: 0.5}}\n", NULL,
                   "10:51: error: test.soft_loss fails where it is high; write above\n");
    assert_refused(
        *state, SOUND "report: {failure: {metric: test.epochs_to_hard_accuracy, below: 3}}\n", NULL,
        "10:65: error: test.epochs_to_hard_accuracy fails where it is high; write above\n");
    /* A seed that joins by --seeds alone is one of the study's. */
    load_sound(*state, SOUND "report: {figures: [{kind: leaf_heatmap, seeds: [77]}]}\n",
               &(esp_study_options){.seeds = "77"});
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
                 " \t\r\n\n"
                 "1,mnist,8,fff,test,hard,93.1,x\n"
                 "  \n"
                 "2,mnist,8,fff+balance,test,hard,94.1,x\n \t");
    load_sound(*state, PUBLISHED("{table: 1.0}", "{dataset: data.name}", "fff"), NULL);
    assert_refused(
        *state, PUBLISHED("{tabel: 1}", "{data_set: data.name, leaf: leaf_width}", "fff-b"), NULL,
        "13:13: error: ./values.csv has no column 'tabel'; did you mean 'table'?\n"
        "14:12: error: ./values.csv has no column 'data_set'; did you mean 'dataset'?\n"
        "14:33: error: ./values.csv has no column 'leaf'; did you mean 'leaf_width'?\n"
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_report__malformed),           TEST(test_contrasts__against_the_cells),
        TEST(test_report__what_no_cell_gives),  TEST(test_report__statistics_malformed),
        TEST(test_published__against_its_file), TEST(test_report__what_says_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
