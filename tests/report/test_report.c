#include "report/report_fixture.h"

#include <jansson.h>

static const char hostile_published[] =
    "# Accuracy in percent.\n"
    "# source 2405.16836: its own runs; epochs chosen by test accuracy.\n"
    "table,dataset,leaf_width,model,split,routing,best,spread,spread_is,runs,source\r\n"
    "1,mnist,8,fff,test,hard,93.1,16.6,sd,10,2308.14711\n"
    "1,mnist,8.0,\"fff+\"\"b\"\", x\",test,hard,93.5,6.1,best-worst,3,2405.16836\n"
    "1,mnist,8,\"fff+\"\"b\"\", x\",train,soft,94.6,,,10,2405.16836\n"
    "2,mnist,8,fff,test,hard,11.1,1.1,sd,10,elsewhere\n"
    "1,fashion-mnist,8,fff,test,hard,22.2,1.1,sd,10,elsewhere\n"
    "1,mnist,16,ff,test,none,95.2,0.5,sd,10,2308.14711\n";

static const char published_section[] =
    "{\"rows\": [\"data.name\", \"model.leaf_width\"], \"columns\": [\"variant\"], \"metrics\":"
    " [\"test.hard_accuracy\", \"train.hard_accuracy\"], \"baseline_rows\": [\"ff\"],"
    " \"published\": {\"file\": \"published.csv\", \"where\": {\"table\": 1}, \"join\":"
    " {\"dataset\": \"data.name\", \"leaf_width\": \"model.leaf_width\"}, \"variant\":"
    " {\"ff\": \"ff\", \"baseline\": \"fff\","
    " \"bal|anced, \\\"x\\\"\\u001b[31m*\": \"fff+\\\"b\\\", x\"}}}";

static void write_published(const fixture *db, const char *text)
{
    char path[160];
    snprintf(path, sizeof path, "%s/published.csv", db->folder);
    ASSERT_OK(esp_file_write(path, text, strlen(text)));
}

static char *render(const fixture *db, const char *format, esp_report_request request)
{
    int status = ESP_OK;
    char *text = fixture_report(&status, db, format, request);
    ASSERT_OK(status);
    assert_non_null(text);
    return text;
}

static void test_report__text(void **state)
{
    char *text = render(*state, "text", (esp_report_request){0});
    ASSERT_CONTAINS(text, "small: A small study\nsource: arXiv:2405.16836\n"
                          "revision 1, 10 of 15 trials done, overrides in force:"
                          " --set batch_size=64\n\nDoes balance help?\nIt might.\n");
    /* The numbers are worked out by hand in the fixture; 25 and 4 are variances of points. */
    ASSERT_CONTAINS(text, "85.00  5.00     25.00  90.00 ± 10.00   reference");
    ASSERT_CONTAINS(text, "90.00  2.00      4.00   92.00 ± 4.00        0.16      +5.00 (3)");
    /* The first group's baseline row comes first, whatever its cell's number. */
    const char *table = strstr(text, "Test accuracy, hard routing, percent\n");
    assert_non_null(table);
    ASSERT_CONTAINS(table, "test.hard_accuracy, at the epoch selected by test.hard_accuracy"
                           " (the test set!)\n");
    assert_true(strstr(table, "ff  ") < strstr(table, "baseline  "));
    /* n 1: no sd, no ratio; not all done: says so, with how many failed and why. */
    ASSERT_CONTAINS(table, "1/3, 1 failed  70.00     -         -          70.00");
    ASSERT_CONTAINS(text, "1 of 3 trials of 'baseline model.leaf_width=1' failed; the first said:"
                          " balance: NaN");
    ASSERT_CONTAINS(text, "4 of 15 trials are not done yet");
    ASSERT_CONTAINS(text, "fewer than 3 seeds");
    /* Rows against columns, as the section asks. */
    ASSERT_CONTAINS(text, "8                         85.00 ± 5.00          90.00 ± 2.00\n");
    ASSERT_CONTAINS(text, "0.1000 ± 0.0200");                  /* losses in nats */
    ASSERT_CONTAINS(text, "0.0         1.000         50.0 %"); /* leaves at the selected epoch */
    ASSERT_CONTAINS(text, "query: espalier query \"SELECT cell, at, split, metric, n, mean, sd,"
                          " variance, best, spread FROM seed_stats WHERE study='small'\"\n");
    /* A name cannot steer the terminal. */
    assert_null(strchr(text, '\033'));
    ASSERT_CONTAINS(text, "bal|anced, \"x\"?[31m*");
    free(text);
}

static void test_report__last_epoch_and_chosen_metric(void **state)
{
    const char *const ats[] = {"last"}, *const metrics[] = {"test.hard_accuracy"};
    char *text =
        render(*state, "text",
               (esp_report_request){.n_ats = 1, .ats = ats, .n_metrics = 1, .metrics = metrics});
    ASSERT_CONTAINS(text, "at the last epoch");
    ASSERT_LACKS(text, "the test set");
    ASSERT_CONTAINS(text, "75.00  5.00     25.00");
    ASSERT_LACKS(text, "Train accuracy");
    ASSERT_CONTAINS(text, "1.0         0.000        100.0 %"); /* one dead leaf by then */
    free(text);
}

static void test_report__markdown_escapes(void **state)
{
    char *text = render(*state, "md", (esp_report_request){0});
    ASSERT_CONTAINS(text, "# small: A small study\n");
    ASSERT_CONTAINS(text, "| leaf_width | variant | n | mean | sd | variance | best ± spread |"
                          " var. ratio | delta (pairs) |\n|---|---|---:|---:|---:|---:|---:|---:|"
                          "---:|\n");
    ASSERT_CONTAINS(text, "| 8 | bal\\|anced, \"x\" \\[31m\\* | 3 | 90.00 | 2.00 | 4.00 |"
                          " 92.00 ± 4.00 | 0.16 | +5.00 (3) |\n");
    assert_null(strchr(text, '\033'));
    /* Every line of a table has the same number of unescaped pipes as the line before. */
    int before = 0;
    for (const char *line = text; *line; line += strcspn(line, "\n") + 1) {
        int pipes = 0;
        for (const char *c = line; *c && *c != '\n'; c++) {
            pipes += *c == '|' && (c == line || c[-1] != '\\');
        }
        assert_true(*line != '|' || before == 0 || pipes == before);
        before = *line == '|' ? pipes : 0;
    }
    free(text);
}

/* A field of a CSV line, unquoted by RFC 4180; out [200]. */
static void csv_field(char *out, const char *line, int field)
{
    for (bool quoted = false; *line && (quoted || *line != '\n'); line++) {
        if (*line == '"' && quoted && line[1] == '"') {
            line++;
        } else if (*line == '"') {
            quoted = !quoted;
            continue;
        } else if (*line == ',' && !quoted) {
            field--;
            continue;
        }
        if (field == 0) {
            *out++ = *line;
        }
    }
    *out = '\0';
}

static void test_report__csv_reads_back(void **state)
{
    char *text = render(*state, "csv", (esp_report_request){0}), field[200];
    ASSERT_CONTAINS(text, "study,revision,variant,cell,model.leaf_width,at,selected_by,split,"
                          "metric,n,planned,failed,mean,sd,variance,");
    /* The fourth cell's first line: lines are cells x metrics, in order. */
    const char *line = text;
    for (int i = 0; i < 1 + 3 * 3; i++) {
        line = strchr(line, '\n') + 1;
    }
    csv_field(field, line, 2);
    assert_string_equal(field, HOSTILE);
    csv_field(field, line, 3);
    assert_string_equal(field, HOSTILE " model.leaf_width=8");
    csv_field(field, line, 4);
    assert_string_equal(field, "8");
    csv_field(field, line, 6);
    assert_string_equal(field, "test.hard_accuracy");
    csv_field(field, line, 12);
    ASSERT_CLOSE(strtod(field, NULL), 0.9);
    csv_field(field, line, 14);
    ASSERT_CLOSE(strtod(field, NULL), 0.0004);
    csv_field(field, line, 21);
    ASSERT_CLOSE(strtod(field, NULL), 0.16);
    csv_field(field, line, 23);
    ASSERT_CLOSE(strtod(field, NULL), 0.05);
    /* A cell without a trial done has a line too, with empty numbers. */
    ASSERT_CONTAINS(text, ",test,hard_accuracy,0,3,0,,,,,,,,,");
    free(text);
}

static void test_report__json_reads_back(void **state)
{
    char *text = render(*state, "json", (esp_report_request){0});
    json_error_t error;
    json_t *root = json_loads(text, 0, &error);
    assert_non_null(root);
    json_t *cells = json_object_get(root, "cells");
    assert_int_equal(json_array_size(cells), N_CELLS);
    const json_t *cell = json_array_get(cells, 3);
    assert_string_equal(json_string_value(json_object_get(cell, "variant")), HOSTILE);
    assert_string_equal(json_string_value(json_object_get(cell, "reference")),
                        "baseline model.leaf_width=8");
    const json_t *first = json_array_get(json_object_get(cell, "metrics"), 0);
    ASSERT_CLOSE(json_real_value(json_object_get(first, "mean")), 0.9);
    ASSERT_CLOSE(json_real_value(json_object_get(first, "variance_ratio")), 0.16);
    ASSERT_CLOSE(json_real_value(json_object_get(first, "sd_delta")),
                 sqrt((0.05 * 0.05 + 0.03 * 0.03 + 0.02 * 0.02) / 2));
    const json_t *seeds = json_object_get(first, "seeds");
    assert_int_equal(json_array_size(seeds), 3);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(seeds, 2), "init")), 2);
    const json_t *empty = json_array_get(json_object_get(json_array_get(cells, 4), "metrics"), 0);
    assert_true(json_is_null(json_object_get(empty, "mean")));
    const json_t *one = json_array_get(json_object_get(json_array_get(cells, 2), "metrics"), 0);
    assert_true(json_is_null(json_object_get(one, "sd")));
    assert_true(json_is_true(
        json_object_get(json_array_get(json_object_get(root, "at"), 0), "chosen_by_test")));
    json_decref(root);
    free(text);
}

static void test_report__published_beside_ours(void **state)
{
    const fixture *db = *state;
    write_published(db, hostile_published);
    char *text = render(
        db, "text", (esp_report_request){.section = published_section, .study_folder = db->folder});
    ASSERT_CONTAINS(text, "Test accuracy, hard routing, percent: published beside ours\n");
    ASSERT_CONTAINS(text, "95.2 ± 0.5          sd     none    10  2308.14711");
    ASSERT_CONTAINS(text, "93.1 ± 16.6          sd     hard    10  2308.14711");
    ASSERT_CONTAINS(text, "93.5 ± 6.1  best-worst     hard     3  2405.16836");
    ASSERT_CONTAINS(text, "94.6"); /* best without a spread */
    ASSERT_LACKS(text, "11.1");    /* another table */
    ASSERT_LACKS(text, "22.2");    /* another data set */
    ASSERT_CONTAINS(text, "published, 2308.14711: its ± is a standard deviation; ours is best -"
                          " worst.");
    ASSERT_CONTAINS(text, "best of 10 runs, ours best of 3: the best of 10 beats the best of 3");
    /* Their train accuracy is soft; ours beside it is hard: the report says so. */
    ASSERT_CONTAINS(text, "published, 2405.16836: train accuracy there is with soft routing;");
    ASSERT_CONTAINS(text, "published, 2405.16836: its own runs; epochs chosen by test accuracy.");
    free(text);
}

static void test_report__published_goes_where_its_routing_is(void **state)
{
    const fixture *db = *state;
    write_published(db, hostile_published);
    const char *const metrics[] = {"test.hard_accuracy", "train.soft_accuracy"};
    char *text = render(db, "text",
                        (esp_report_request){.section = published_section,
                                             .study_folder = db->folder,
                                             .n_metrics = 2,
                                             .metrics = metrics});
    ASSERT_CONTAINS(text, "Train accuracy, soft routing, percent: published beside ours\n");
    ASSERT_LACKS(text, "there is with soft routing");
    free(text);
}

static void test_report__published_into_the_view(void **state)
{
    const fixture *db = *state;
    esp_store *store = NULL;
    esp_report *report = NULL;
    esp_store_published *rows = NULL;
    esp_rows *found = NULL;
    bool more = false;
    int n = 0;
    write_published(db, hostile_published);
    ASSERT_OK(esp_store_open(&store, db->path, ESP_STORE_WRITE));
    ASSERT_OK(esp_report_load(&report, store,
                              &(esp_report_request){.study = "small",
                                                    .section = published_section,
                                                    .study_folder = db->folder}));
    ASSERT_OK(esp_report_published_rows(&rows, &n, report));
    assert_int_equal(n, 4);
    ASSERT_OK(esp_store_set_published(store, "small", rows, n));
    ASSERT_OK(esp_rows_open(&found, store,
                            "SELECT variant, n, best, published_best, published_spread, spread_is,"
                            " runs, routing FROM versus_published WHERE study = 'small' AND"
                            " at = 'selected' AND source = '2405.16836' AND split = 'test'"));
    ASSERT_OK(esp_rows_step(found, &more));
    assert_true(more);
    assert_string_equal(esp_rows_text(found, 0), HOSTILE);
    assert_int_equal(esp_rows_integer(found, 1), 3);
    ASSERT_CLOSE(esp_rows_real(found, 2), 0.92);
    ASSERT_CLOSE(esp_rows_real(found, 3), 0.935);
    ASSERT_CLOSE(esp_rows_real(found, 4), 0.061);
    assert_string_equal(esp_rows_text(found, 5), "best-worst");
    esp_rows_close(found);
    esp_report_free(report);
    esp_store_close(store);
}

static void test_report__published_file_broken_or_absent(void **state)
{
    const fixture *db = *state;
    const esp_report_request request = {.section = published_section, .study_folder = db->folder};
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"table,dataset,leaf_width,model\n1,mnist\n", "published.csv:2: expected 4 fields"},
        {"table,dataset,leaf_width,model\n1,\"mnist\n", "published.csv:2: a quoted field does not"},
        {"table,data_set,leaf_width,model\n", "no column 'dataset'; did you mean 'data_set'?"},
        {"# nothing\n", "no line of column names"},
        {"table,dataset,leaf_width,model,split,best\n1,mnist,8,fff,test,often\n", "found 'often'"},
        {"table,dataset,leaf_width,model,split,best\n1,mnist,8,fff,test,931\n", "found '931'"},
    };
    int status = ESP_OK;
    char *text = fixture_report(&status, db, "text", request);
    ASSERT_OK(status); /* no file: the report says so and goes on */
    ASSERT_CONTAINS(text, "published values: no file");
    free(text);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_published(db, cases[i].text);
        assert_null(fixture_report(&status, db, "text", request));
        assert_int_equal(status, ESP_DATA);
        ASSERT_CONTAINS(esp_message(), cases[i].message);
    }
}

/* Two variants; two partial assignments; a variant without the swept key; a pair that is not there.
 */
static const char contrasts_section[] =
    "{\"rows\": [\"model.leaf_width\"], \"metrics\": [\"test.hard_accuracy\"], \"contrasts\":"
    " [[{\"variant\": \"bal|anced, \\\"x\\\"\\u001b[31m*\"}, \"baseline\"],"
    " [{\"model.leaf_width\": \"8\"}, {\"model.leaf_width\": \"1\"}],"
    " [{\"model.leaf_width\": \"8\", \"variant\": \"baseline\"}, {\"variant\": \"ff\"}],"
    " [\"gone\", \"ff\"],"
    " [{\"model.leaf_width\": \"1\", \"variant\": \"bal|anced, \\\"x\\\"\\u001b[31m*\"}, "
    "\"baseline\"]]}";

static const char equivalence_section[] =
    "{\"metrics\": [\"test.hard_accuracy\"], \"contrasts\": [[\"baseline\", \"ff\"],"
    " [{\"variant\": \"bal|anced, \\\"x\\\"\\u001b[31m*\"}, \"baseline\"]],"
    " \"equivalence\": {\"metric\": \"test.hard_accuracy\", \"margin\": 0.2}}";

static void test_report__contrasts(void **state)
{
    char *text = render(*state, "text", (esp_report_request){.section = contrasts_section});
    ASSERT_CONTAINS(text, "Test accuracy, hard routing, percent: contrasts\n"
                          "test.hard_accuracy, at the epoch selected by test.hard_accuracy");
    const char *table = strstr(text, ": contrasts\n");
    /* By hand from the fixture: .10 .02 .03 of mean .05 and sd .0435890, so t 1.98680 with 2
     * degrees of freedom: p = 1 - t / sqrt(t^2 + 2), interval .05 -+ 4.302653 sd / sqrt 3. Of 9
     * pairs 7.5 are better. sds .02 and .05; F(2, 2) has its 97.5 % point at 39. */
    ASSERT_CONTAINS(table, "+5.00 (3)  [-5.83, 15.83]  0.185   0.185      0.83    0.40"
                           "       [0.064, 2.5]\n");
    /* Seed 0 alone is done at width 1: .80 - .70; too few seeds for a p value. */
    ASSERT_CONTAINS(table, "+10.00 (1)               -  n < 3");
    /* -.15 -.06 -.09 of mean -.10; the smaller of two p values is doubled. */
    ASSERT_CONTAINS(table, "-10.00 (3)  [-21.38, 1.38]  0.063   0.127      0.00    5.00"
                           "          [0.8, 31]\n");
    ASSERT_CONTAINS(text, "contrast of gone with ff: no two cells of this revision are of it.");
    free(text);
    /* Rows of Markdown have a heading and the same cells. */
    text = render(*state, "md", (esp_report_request){.section = contrasts_section});
    ASSERT_CONTAINS(text,
                    "| where | A | B | n A | n B | A - B (pairs) |"
                    " 95 % interval | p | p Holm | A better | sd A/B | its 95 % interval |\n");
    ASSERT_CONTAINS(
        text, "|  | baseline model.leaf_width=8 | ff | 3 | 3 | -10.00 (3) | \\[-21.38, 1.38\\] "
              "| 0.063 | 0.127 |");
    /* One of three has no p value: .063 to .127 is a correction for two. */
    ASSERT_CONTAINS(text, "p Holm: corrected for 2 comparisons of the table that have a p.");
    free(text);
    /* A margin is answered: width 8 against ff is within .2 (test_html.c), balanced against
     * baseline too, by t = .15 / (.0435890 / sqrt 3) = 5.96, one-sided p .0135. */
    text = render(*state, "md", (esp_report_request){.section = equivalence_section});
    ASSERT_CONTAINS(text, "is below 0.2, as the study states, in 2 of 2 (two one-sided tests");
    free(text);
    /* None listed: no table. */
    text = render(*state, "text", (esp_report_request){0});
    ASSERT_LACKS(text, "contrast");
    free(text);
}

static void test_report__contrasts_for_programs(void **state)
{
    char *text = render(*state, "csv", (esp_report_request){.section = contrasts_section});
    ASSERT_CONTAINS(text,
                    "published_source,reference_mean,contrast_a,contrast_b,chosen_by_test,median,");
    char field[200];
    const char *line = text;
    for (int i = 0; i < 1 + N_CELLS + 4; i++) { /* heading, cells, 2 + 2 pairs, then the last */
        line = strchr(line, '\n') + 1;
    }
    csv_field(field, line, 3);
    assert_string_equal(field, "baseline model.leaf_width=8");
    csv_field(field, line, 20);
    assert_string_equal(field, "ff");
    csv_field(field, line, 21);
    ASSERT_CLOSE(strtod(field, NULL), 25);
    csv_field(field, line, 23);
    ASSERT_CLOSE(strtod(field, NULL), -0.1);
    csv_field(field, line, 31);
    ASSERT_CLOSE(strtod(field, NULL), 0.95);
    csv_field(field, line, 32);
    assert_string_equal(field, "model.leaf_width=8 baseline");
    csv_field(field, line, 33);
    assert_string_equal(field, "ff");
    free(text);
    text = render(*state, "json", (esp_report_request){.section = contrasts_section});
    json_t *root = json_loads(text, 0, NULL);
    json_t *contrasts = json_object_get(root, "contrasts");
    assert_int_equal(json_array_size(contrasts), 5);
    json_t *pairs = json_object_get(json_array_get(contrasts, 1), "pairs");
    assert_int_equal(json_array_size(pairs), 2); /* of baseline, of the hostile one */
    json_t *first = json_array_get(pairs, 0);
    assert_string_equal(json_string_value(json_object_get(first, "cell_b")),
                        "baseline model.leaf_width=1");
    json_t *metric = json_array_get(json_object_get(first, "metrics"), 0);
    ASSERT_CLOSE(json_real_value(json_object_get(metric, "mean_a")), 0.85);
    ASSERT_CLOSE(json_real_value(json_object_get(metric, "mean_b")), 0.7);
    ASSERT_CLOSE(json_real_value(json_object_get(metric, "mean_delta")), 0.1);
    assert_int_equal(json_integer_value(json_object_get(metric, "pairs")), 1);
    assert_true(json_is_null(json_object_get(metric, "variance_ratio")));
    assert_int_equal(json_array_size(json_object_get(json_array_get(contrasts, 3), "pairs")), 0);
    /* A key that one side alone names holds for both. */
    pairs = json_object_get(json_array_get(contrasts, 4), "pairs");
    assert_int_equal(json_array_size(pairs), 1);
    assert_string_equal(json_string_value(json_object_get(json_array_get(pairs, 0), "cell_b")),
                        "baseline model.leaf_width=1");
    json_decref(root);
    free(text);
    int status = ESP_OK;
    assert_null(fixture_report(&status, *state, "json",
                               (esp_report_request){.section = "{\"contrasts\": [[\"a\"]]}"}));
    assert_int_equal(status, ESP_STUDY);
}

static void test_report__not_there(void **state)
{
    int status = ESP_OK;
    assert_null(fixture_report(&status, *state, "text", (esp_report_request){.study = "smal"}));
    assert_int_equal(status, ESP_NOT_FOUND);
    ASSERT_CONTAINS(esp_message(), "no study 'smal' in /tmp/");
    assert_null(fixture_report(&status, *state, "text", (esp_report_request){.revision = 7}));
    assert_int_equal(status, ESP_NOT_FOUND);
    ASSERT_CONTAINS(esp_message(), "study 'small' has no revision 7; it has 1 to 1");
    const char *const metrics[] = {"test.hard_acuracy"}, *const ats[] = {"selected:x"};
    assert_null(fixture_report(&status, *state, "text",
                               (esp_report_request){.n_metrics = 1, .metrics = metrics}));
    assert_int_equal(status, ESP_USAGE);
    ASSERT_CONTAINS(esp_message(), "did you mean 'test.hard_accuracy'?");
    assert_null(
        fixture_report(&status, *state, "text", (esp_report_request){.n_ats = 1, .ats = ats}));
    assert_int_equal(status, ESP_USAGE);
    assert_null(fixture_report(&status, *state, "text", (esp_report_request){.section = "{"}));
    assert_int_equal(status, ESP_STUDY);
    assert_null(
        fixture_report(&status, *state, "text", (esp_report_request){.section = "{\"rows\": 3}"}));
    assert_int_equal(status, ESP_STUDY);
    ASSERT_CONTAINS(esp_message(), "report.rows is not a list");
    const esp_report_format *format = NULL;
    assert_int_equal(esp_report_format_find(&format, "jsn"), ESP_USAGE);
    ASSERT_CONTAINS(esp_message(), "did you mean json?");
}

static void test_report__keys_that_tell_nothing_apart(void **state)
{
    /* Rows by variant alone: two cells of a variant get their labels, not one line of both. */
    char *text =
        render(*state, "text", (esp_report_request){.section = "{\"rows\": [\"variant\"]}"});
    ASSERT_CONTAINS(text, "baseline model.leaf_width=8");
    ASSERT_CONTAINS(text, "baseline model.leaf_width=1");
    ASSERT_CONTAINS(text, "Train accuracy, hard routing, percent\n"); /* the usual metrics */
    free(text);
    /* An empty section is a report too; its lines are cells. */
    text = render(*state, "text", (esp_report_request){.section = "{}"});
    ASSERT_CONTAINS(text, "  cell  ");
    free(text);
}

static void test_report__names_its_figures(void **state)
{
    static const char section[] = "{\"figures\": [\"learning_curve\", \"seed_dots\"]}";
    char *text = render(*state, "text", (esp_report_request){.section = section});
    ASSERT_CONTAINS(text, "- figures, drawn by --figures DIR: learning_curve, seed_dots.\n");
    free(text);
    text = render(*state, "text", (esp_report_request){.section = "{\"figures\": []}"});
    ASSERT_LACKS(text, "--figures DIR");
    free(text);
}

static void test_report__revisions(void **state)
{
    const fixture *db = *state;
    esp_store_study study;
    fixture_register(&study, db->path, "{}", "[]"); /* other overrides: revision 2, run last */
    char *text = render(db, "text", (esp_report_request){0});
    ASSERT_CONTAINS(text, "revision 2, 10 of 15 trials done\n");
    ASSERT_LACKS(text, "batch_size");
    free(text);
    text = render(db, "text", (esp_report_request){.revision = 1, .text = "study: changed\n"});
    ASSERT_CONTAINS(text, "revision 1 (not the one run last)");
    ASSERT_CONTAINS(text, "--set batch_size=64");
    ASSERT_CONTAINS(text, "the study's file has changed since revision 1 was run");
    ASSERT_CONTAINS(text, "FROM seed_stats_all WHERE study='small' AND revision=1\"");
    free(text);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_report__text),
        CASE(test_report__last_epoch_and_chosen_metric),
        CASE(test_report__markdown_escapes),
        CASE(test_report__csv_reads_back),
        CASE(test_report__json_reads_back),
        CASE(test_report__published_beside_ours),
        CASE(test_report__published_goes_where_its_routing_is),
        CASE(test_report__published_into_the_view),
        CASE(test_report__published_file_broken_or_absent),
        CASE(test_report__contrasts),
        CASE(test_report__contrasts_for_programs),
        CASE(test_report__not_there),
        CASE(test_report__keys_that_tell_nothing_apart),
        CASE(test_report__names_its_figures),
        CASE(test_report__revisions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
