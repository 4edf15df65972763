/* Figures: data against values worked out by hand in report_fixture.h; scripts and snippets with a
 * hostile name; the svg that goes into a page. Pictures themselves: tests/cli/test_figures.sh. */
#include "report/figure_plot.h"
#include "report_fixture.h"

/* The one figure of a section. */
static esp_figure *make(const fixture *db, esp_store **store, esp_report **report,
                        const char *section)
{
    esp_figure *figure = NULL;
    ASSERT_OK(esp_store_open(store, db->path, ESP_STORE_READ));
    ASSERT_OK(esp_report_load(report, *store,
                              &(esp_report_request){.study = "small", .section = section}));
    assert_int_equal((*report)->section.figures.n, 1);
    ASSERT_OK(esp_figure_make(&figure, *store, *report, &(*report)->section.figures.at[0]));
    return figure;
}

static void drop(esp_figure *figure, esp_report *report, esp_store *store)
{
    esp_figure_free(figure);
    esp_report_free(report);
    esp_store_close(store);
}

typedef int write_part(FILE *out, const esp_figure *figure);

static char *written(const esp_figure *figure, write_part *write)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    assert_non_null(out);
    ASSERT_OK(write(out, figure));
    fclose(out);
    return text;
}

static const esp_plot_row *mean_of(const esp_plot *plot, const char *cell, double x)
{
    for (int i = 0; i < plot->n_rows; i++) {
        const esp_plot_row *row = &plot->rows[i];
        if (row->trial < 0 && row->x == x &&
            strcmp(plot->report->cells[row->cell].label, cell) == 0) {
            return row;
        }
    }
    return NULL;
}

#define ASSERT_NEAR(value, wanted)                                                                 \
    do {                                                                                           \
        if (!(fabs((value) - (wanted)) <= 1e-12)) {                                                \
            fail_msg("%s is %.17g, not %.17g", #value, (double)(value), (double)(wanted));         \
        }                                                                                          \
    } while (0)

/* baseline at width 8, epoch 1: .80 .90 .85, mean .85, sd .05; epoch 2 is .1 lower. */
static void test_figure__means_are_over_done_trials(void **state)
{
    esp_store *store = NULL;
    esp_report *report = NULL;
    esp_figure *figure = make(*state, &store, &report, "{\"figures\": \"learning_curve\"}");
    const esp_plot *plot = figure->plot;
    const esp_plot_row *mean = mean_of(plot, "baseline model.leaf_width=8", 1);
    assert_non_null(mean);
    assert_int_equal(mean->n, 3);
    ASSERT_NEAR(mean->y, 0.85);
    ASSERT_NEAR(mean->low, 0.80);
    ASSERT_NEAR(mean->high, 0.90);
    mean = mean_of(plot, "baseline model.leaf_width=8", 2);
    assert_non_null(mean);
    ASSERT_NEAR(mean->y, 0.75);
    mean = mean_of(plot, "baseline model.leaf_width=1", 1); /* one seed: no spread */
    assert_non_null(mean);
    assert_int_equal(mean->n, 1);
    assert_true(isnan(mean->low) && isnan(mean->high));
    assert_null(mean_of(plot, HOSTILE " model.leaf_width=1", 1));
    ASSERT_CONTAINS(figure->caption, "Of 15 trials 1 failed and 4 are not done");
    ASSERT_CONTAINS(figure->caption, "n = 0 to 3 seeds a cell");
    drop(figure, report, store);
}

static void test_figure__values_at_an_epoch(void **state)
{
    esp_store *store = NULL;
    esp_report *report = NULL;
    esp_figure *figure = make(*state, &store, &report,
                              "{\"figures\": [{\"kind\": \"sweep\", \"x\": \"model.leaf_width\","
                              " \"metric\": \"test.hard_accuracy\", \"at\": \"last\"}]}");
    const esp_plot *plot = figure->plot;
    /* ff's width is 16: places 0, 1, 2 are the words 1, 8, 16 */
    assert_int_equal(plot->n_ticks, 3);
    assert_string_equal(plot->ticks[0], "1");
    assert_string_equal(plot->ticks[1], "8");
    assert_string_equal(plot->ticks[2], "16");
    const esp_plot_row *mean = mean_of(plot, "baseline model.leaf_width=8", 1);
    assert_non_null(mean);
    ASSERT_NEAR(mean->y, 0.75);
    ASSERT_CONTAINS(figure->caption, "at the last epoch");
    drop(figure, report, store);
    figure = make(*state, &store, &report, "{\"figures\": [\"spread\"]}");
    ASSERT_CONTAINS(figure->caption, "selected by test.hard_accuracy (the test set!)");
    ASSERT_CONTAINS(esp_plot_subtitle(figure->plot), "(the test set!)");
    double sum = 0;
    for (int i = 0; i < figure->plot->n_rows; i++) {
        sum += figure->plot->rows[i].y;
    }
    ASSERT_NEAR(sum, 0);
    drop(figure, report, store);
}

/* Every trial of the fixture sends its 10 test examples evenly in epoch 1, to one leaf in 2. */
static void test_figure__leaves(void **state)
{
    esp_store *store = NULL;
    esp_report *report = NULL;
    esp_figure *figure = make(*state, &store, &report, "{\"figures\": [\"leaf_heatmap\"]}");
    const esp_plot *plot = figure->plot;
    assert_int_equal(plot->n_panels, 4); /* cells with a trial that has leaf counts */
    assert_int_equal(plot->n_rows, 4 * 2 * 2);
    ASSERT_NEAR(plot->rows[0].y, 0.5);
    ASSERT_NEAR(plot->rows[2].y, 1);
    ASSERT_NEAR(plot->rows[3].y, 0);
    assert_int_equal(plot->rows[3].leaf, 1);
    drop(figure, report, store);
    figure = make(*state, &store, &report, "{\"figures\": [\"balance\"]}");
    const esp_plot_row *mean = mean_of(figure->plot, "ff", 1);
    assert_non_null(mean);
    ASSERT_NEAR(mean->y, 1); /* the first panel: entropy, even */
    mean = mean_of(figure->plot, "ff", 2);
    assert_non_null(mean);
    ASSERT_NEAR(mean->y, 0);
    drop(figure, report, store);
}

static void test_figure__wishes_choose_cells(void **state)
{
    esp_store *store = NULL;
    esp_report *report = NULL;
    esp_figure *figure =
        make(*state, &store, &report,
             "{\"figures\": [{\"kind\": \"learning_curve\", \"variants\": [\"baseline\"],"
             " \"where\": {\"model.leaf_width\": \"8\"}, \"seeds\": [\"0\", \"2\"],"
             " \"name\": \"../../x\", \"title\": \"<b>\"}]}");
    assert_int_equal(figure->plot->n_trials, 2);
    const esp_plot_row *mean = mean_of(figure->plot, "baseline model.leaf_width=8", 1);
    assert_non_null(mean);
    ASSERT_NEAR(mean->y, 0.825);
    assert_string_equal(figure->name, "______x"); /* the name of a file, not a path */
    ASSERT_CONTAINS(figure->caption, "Only of seeds 0, 2.");
    drop(figure, report, store);
    figure = make(*state, &store, &report, "{\"figures\": [\"early_exit\"]}");
    assert_non_null(figure->empty);
    char *svg = NULL;
    assert_int_equal(esp_figure_svg(&svg, figure, "a"), ESP_USAGE);
    drop(figure, report, store);
}

/* HOSTILE: bal|anced, "x"ESC[31m* */
static void test_figure__hostile_names_are_quoted(void **state)
{
    esp_store *store = NULL;
    esp_report *report = NULL;
    esp_figure *figure =
        make(*state, &store, &report,
             "{\"figures\": [{\"kind\": \"seed_dots\", \"title\": \"it's '; `id` \\\\ \\\" %\"}]}");
    char *text = written(figure, esp_figure_gnuplot);
    ASSERT_CONTAINS(text, "'it''s ''; `id` \\ \" %'");
    ASSERT_CONTAINS(text, "'bal|anced, \"x\"?[31m*, n = 0 to 3'");
    ASSERT_LACKS(text, "\033");
    free(text);
    text = written(figure, esp_figure_python);
    ASSERT_CONTAINS(text, "title = \"it's '; `id` \\\\ \\\" %\"");
    ASSERT_CONTAINS(text, "\"bal|anced, \\\"x\\\"?[31m*, n = 0 to 3\"");
    free(text);
    text = written(figure, esp_figure_r);
    ASSERT_CONTAINS(text, "title <- \"it's '; `id` \\\\ \\\" %\"");
    free(text);
    text = written(figure, esp_figure_csv);
    ASSERT_CONTAINS(text, ",\"bal|anced, \"\"x\"\"?[31m*\",");
    ASSERT_LACKS(text, "\033");
    free(text);
    drop(figure, report, store);
}

static void test_figure__svg_is_named_and_its_ids_are_its_own(void **state)
{
    (void)state;
    static const char drawn[] =
        "<?xml version=\"1.0\"?>\n<svg \n viewBox=\"0 0 6 3\">\n<title>Gnuplot</title>\n"
        "<desc>Produced by</desc>\n<g id=\"canvas\"><path id='p0' d='M0'/>"
        "<use xlink:href='#p0' filter=\"url(#f)\"/><title>plot 1</title><text>a &lt;b&gt; id=\"x\""
        "</text></g>\n</svg>\n";
    const esp_figure figure = {.name = "n", .title = "a <b> & \"c\"", .caption = "d\001e"};
    char *svg = NULL;
    ASSERT_OK(esp_svg_finish(&svg, drawn, &figure, "k", false));
    assert_string_equal(
        svg, "<svg role=\"img\" aria-labelledby=\"k-title k-desc\" \n viewBox=\"0 0 6 3\">\n\n"
             "<title id=\"k-title\">a &lt;b&gt; &amp; \"c\"</title>\n<desc id=\"k-desc\">d?e</desc>"
             "\n\n\n<g id=\"k-canvas\"><path id='k-p0' d='M0'/>"
             "<use xlink:href='#k-p0' filter=\"url(#k-f)\"/><text>a &lt;b&gt; id=\"x\"</text></g>\n"
             "</svg>\n");
    free(svg);
}

static void test_figure__styles_differ(void **state)
{
    (void)state;
    for (int i = 0; i < 35; i++) {
        const esp_style a = esp_palette_style(i);
        for (int k = 0; k < i; k++) {
            const esp_style b = esp_palette_style(k);
            const bool alike =
                strcmp(a.color, b.color) == 0 && a.dash == b.dash && a.marker == b.marker;
            assert_false(alike);
            if (i - k < 5) { /* where color is lost */
                assert_true(a.marker != b.marker && a.dash != b.dash);
            }
        }
    }
}

static void test_figure__formats(void **state)
{
    (void)state;
    unsigned formats = 0;
    ASSERT_OK(esp_figure_formats(&formats, "svg,png"));
    assert_int_equal(formats, ESP_FIGURE_SVG | ESP_FIGURE_PNG);
    assert_int_equal(esp_figure_formats(&formats, "svg,"), ESP_USAGE);
    assert_int_equal(esp_figure_formats(&formats, ""), ESP_USAGE);
    assert_int_equal(esp_figure_formats(&formats, "pdfx"), ESP_USAGE);
}

static void test_figure__names_are_unique(void **state)
{
    (void)state;
    esp_text_pool pool = {0};
    esp_report_section section;
    ASSERT_OK(esp_report_section_parse(
        &section,
        "{\"figures\": [\"sweep\", {\"kind\": \"sweep\"}, {\"kind\": \"cost\","
        " \"name\": \"sweep\"}]}",
        &pool));
    assert_int_equal(section.figures.n, 3);
    assert_string_equal(section.figures.at[1].name, "sweep_2");
    assert_string_equal(section.figures.at[2].name, "sweep_3");
    assert_int_equal(esp_report_section_parse(&section, "{\"figures\": 3}", &pool), ESP_STUDY);
    assert_int_equal(esp_report_section_parse(&section, "{\"figures\": [3]}", &pool), ESP_STUDY);
    assert_int_equal(esp_report_section_parse(&section, "{\"figures\": [{}]}", &pool), ESP_STUDY);
    esp_pool_free(&pool);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_figure__means_are_over_done_trials),
        CASE(test_figure__values_at_an_epoch),
        CASE(test_figure__leaves),
        CASE(test_figure__wishes_choose_cells),
        CASE(test_figure__hostile_names_are_quoted),
        cmocka_unit_test(test_figure__svg_is_named_and_its_ids_are_its_own),
        cmocka_unit_test(test_figure__styles_differ),
        cmocka_unit_test(test_figure__formats),
        cmocka_unit_test(test_figure__names_are_unique),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
