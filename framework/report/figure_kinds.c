/* The kinds of figures: what of the database becomes a point, and where it stands. */
#include <math.h>
#include <string.h>

#include "core/status.h"
#include "report/figure_plot.h"
#include "study/yaml_tree.h"

/* "test.hard_accuracy" as split and metric; the figure's own or what its kind usually shows. */
static void set_metric(esp_plot *plot, const esp_figure_wish *wish, const char *usual)
{
    const esp_report *report = plot->report;
    const char *name = wish->metric != NULL ? wish->metric : usual;
    if (name == NULL) { /* the test metric that the tables are about, else the first */
        name = report->metrics[0].name;
        for (int i = report->n_metrics - 1; i >= 0; i--) {
            if (strcmp(report->metrics[i].split, "test") == 0) {
                name = report->metrics[i].name;
            }
        }
    }
    const size_t split = strcspn(name, ".");
    plot->split = esp_pool_format(plot->pool, "%.*s", (int)split, name);
    plot->metric = name[split] == '.' ? name + split + 1 : "";
    plot->value_name = esp_plot_metric_label(plot->pool, plot->split, plot->metric);
}

static void set_split(esp_plot *plot, const esp_figure_wish *wish, const char *usual)
{
    plot->split = wish->split != NULL ? wish->split : usual;
}

/* The epoch that values are of, and how it was chosen. */
static int set_at(esp_plot *plot, esp_store *store, const esp_figure_wish *wish)
{
    plot->at = wish->at != NULL ? wish->at : plot->report->ats[0].name;
    return esp_plot_describe_at(plot, store);
}

static void start_curves(esp_plot *plot)
{
    plot->draw = ESP_DRAW_CURVES;
    plot->x_label = plot->x_name = "epoch";
    plot->whole_x = true;
}

/* y_label NULL: the panel is the caller's to set. */
static esp_plot_row epoch_row(esp_plot *plot, const esp_plot_value *value, const char *y_label)
{
    const int index = plot->trials[value->trial].cell;
    const esp_report_cell *cell = &plot->report->cells[index];
    return (esp_plot_row){
        .panel = y_label != NULL
                     ? esp_plot_panel_of(plot, esp_plot_grid_point(plot, cell, NULL), y_label)
                     : -1,
        .series = esp_plot_series_of(plot, cell->variant),
        .cell = index,
        .trial = value->trial,
        .epoch = value->epoch,
        .leaf = -1,
        .group = value->phase * 1000000 + value->phase_epoch,
        .x = value->epoch,
        .y = value->value,
        .low = NAN,
        .high = NAN};
}

/* ---- by epoch ---------------------------------------------------------------------------------
 */

/* A value of an epoch as a point of its trial's curve. */
static int take_epoch(esp_plot *plot, const esp_plot_value *value, void *context)
{
    (void)context;
    const esp_plot_row row = epoch_row(plot, value, plot->value_name);
    return esp_plot_add(plot, &row);
}

static int build_curve(esp_figure *figure, esp_store *store, const char *title)
{
    esp_plot *plot = figure->plot;
    start_curves(plot);
    figure->title = title;
    return esp_plot_each_epoch(plot, store, plot->split, plot->metric, take_epoch, NULL);
}

static int build_learning_curve(esp_figure *figure, esp_store *store, const esp_figure_wish *wish)
{
    set_metric(figure->plot, wish, NULL);
    return build_curve(figure, store, "Learning curves");
}

/* The difference of two metrics of an epoch: the first pass made the points, this takes from them.
 */
typedef struct subtraction {
    int next;
} subtraction;

static int take_less(esp_plot *plot, const esp_plot_value *value, void *context)
{
    subtraction *at = context;
    for (; at->next < plot->n_rows; at->next++) {
        esp_plot_row *row = &plot->rows[at->next];
        if (row->trial > value->trial ||
            (row->trial == value->trial && row->epoch > value->epoch)) {
            break;
        }
        if (row->trial == value->trial && row->epoch == value->epoch) {
            row->y -= value->value;
            row->n = 1;
            at->next++;
            break;
        }
    }
    return ESP_OK;
}

static int build_gap(esp_figure *figure, esp_store *store, const esp_figure_wish *wish)
{
    esp_plot *plot = figure->plot;
    set_split(plot, wish, "test");
    plot->metric = "soft_hard_gap";
    plot->value_name =
        esp_pool_format(plot->pool, "%s accuracy, soft less hard routing (fraction)", plot->split);
    subtraction at = {0};
    start_curves(plot);
    ESP_TRY(esp_plot_each_epoch(plot, store, plot->split, "soft_accuracy", take_epoch, NULL));
    ESP_TRY(esp_plot_each_epoch(plot, store, plot->split, "hard_accuracy", take_less, &at));
    int n = 0;
    for (int i = 0; i < plot->n_rows; i++) {
        if (plot->rows[i].n == 1) { /* both are there */
            plot->rows[n] = plot->rows[i];
            plot->rows[n++].n = 0;
        }
    }
    plot->n_rows = n;
    figure->title = "Soft-hard gap";
    return ESP_OK;
}

static int build_node_entropy(esp_figure *figure, esp_store *store, const esp_figure_wish *wish)
{
    esp_plot *plot = figure->plot;
    set_split(plot, wish, "test");
    set_metric(plot, wish, esp_pool_format(plot->pool, "%s.node_entropy", plot->split));
    return build_curve(figure, store, "Entropy of the nodes' decisions");
}

/* ---- by leaf ----------------------------------------------------------------------------------
 */

static int take_balance(esp_plot *plot, const esp_plot_value *value, void *context)
{
    static const char *const labels[] = {"entropy of leaf use (1: even)",
                                         "leaves never chosen (fraction)"};
    static const char *const metrics[] = {"entropy", "dead_fraction"};
    const double *values = context; /* entropy, dead fraction */
    for (int i = 0; i < 2; i++) {
        esp_plot_row row = epoch_row(plot, value, labels[i]);
        row.y = values[i];
        plot->panels[row.panel].metric = metrics[i];
        if (!isnan(row.y)) {
            ESP_TRY(esp_plot_add(plot, &row));
        }
    }
    return ESP_OK;
}

static int build_balance(esp_figure *figure, esp_store *store, const esp_figure_wish *wish)
{
    esp_plot *plot = figure->plot;
    set_split(plot, wish, "test");
    start_curves(plot);
    plot->pairs = true;
    plot->metric = "leaf_balance";
    plot->value_name =
        esp_pool_format(plot->pool, "use of leaves by %s examples, hard routing", plot->split);
    figure->title =
        esp_pool_format(plot->pool, "Leaf balance, %s split, hard routing", plot->split);
    return esp_plot_each_balance(plot, store, plot->split, take_balance);
}

/* Rows come leaf by leaf; a trial's leaves by falling count. */
typedef struct ranking {
    int trial, rank;
} ranking;

static int take_rank(esp_plot *plot, const esp_plot_value *value, double share, void *context)
{
    ranking *at = context;
    at->rank = at->trial == value->trial ? at->rank + 1 : 1;
    at->trial = value->trial;
    esp_plot_row row = epoch_row(plot, value, plot->value_name);
    row.x = row.group = at->rank;
    row.leaf = value->phase;
    row.y = share;
    return esp_plot_add(plot, &row);
}

static int build_leaf_histogram(esp_figure *figure, esp_store *store, const esp_figure_wish *wish)
{
    esp_plot *plot = figure->plot;
    ranking at = {-1, 0};
    set_split(plot, wish, "test");
    start_curves(plot);
    plot->x_label = plot->x_name = "leaf, by falling share";
    plot->metric = "leaf_share";
    plot->value_name =
        esp_pool_format(plot->pool, "share of %s examples, hard routing (fraction)", plot->split);
    ESP_TRY(set_at(plot, store, wish));
    figure->title = "Share of each leaf";
    return esp_plot_each_leaf(plot, store, plot->at, plot->split, take_rank, &at);
}

/* Of every cell one seed, the first that is done, unless the study names seeds. */
static bool stands_for_cell(const esp_plot *plot, const esp_figure_wish *wish, int trial)
{
    const int cell = plot->trials[trial].cell;
    if (wish->seeds.n > 0) {
        return true;
    }
    int chosen = -1;
    for (int i = 0; i < plot->n_trials; i++) {
        if (plot->trials[i].cell == cell &&
            (chosen < 0 || (plot->trials[i].done && !plot->trials[chosen].done))) {
            chosen = i;
        }
    }
    return chosen == trial;
}

/* The panel of the trial that rows now come of; -1: it is not shown. */
typedef struct heatmap {
    const esp_figure_wish *wish;
    int trial, panel;
} heatmap;

static int take_leaf(esp_plot *plot, const esp_plot_value *value, double share, void *context)
{
    heatmap *at = context;
    if (at->trial != value->trial) {
        const esp_plot_trial *trial = &plot->trials[value->trial];
        const esp_report_cell *cell = &plot->report->cells[trial->cell];
        const char *grid = esp_plot_grid_point(plot, cell, NULL);
        at->trial = value->trial;
        at->panel = -1;
        if (stands_for_cell(plot, at->wish, value->trial)) {
            const char *variant = esp_plot_short(plot->pool, cell->variant, 30);
            at->panel = esp_plot_panel_of(plot,
                                          esp_pool_format(plot->pool, "%s%s%s, seed %s", variant,
                                                          *grid ? " " : "", grid, trial->seed),
                                          "leaf");
        }
    }
    if (at->panel < 0) {
        return ESP_OK;
    }
    esp_plot_row row = epoch_row(plot, value, NULL);
    row.panel = at->panel;
    row.leaf = value->phase;
    row.y = share;
    return esp_plot_add(plot, &row);
}

static int build_leaf_heatmap(esp_figure *figure, esp_store *store, const esp_figure_wish *wish)
{
    esp_plot *plot = figure->plot;
    set_split(plot, wish, "test");
    start_curves(plot);
    plot->draw = ESP_DRAW_HEATMAP;
    plot->metric = "leaf_share";
    plot->value_name = esp_pool_format(
        plot->pool, "share of %s examples by leaf and epoch, hard routing (fraction)", plot->split);
    heatmap at = {wish, -1, -1};
    ESP_TRY(esp_plot_each_leaf(plot, store, NULL, plot->split, take_leaf, &at));
    ESP_TRY(esp_plot_make_regular(plot));
    figure->title =
        esp_pool_format(plot->pool, "Share of %s examples by leaf, hard routing", plot->split);
    figure->caption = wish->seeds.n > 0
                          ? "The seeds are those the study names."
                          : "Of each cell its first seed is shown: leaf 3 of one seed is not leaf 3"
                            " of another, so a mean over seeds would mean nothing.";
    return ESP_OK;
}

/* ---- at one epoch ------------------------------------------------------------------------------
 */

static bool is_key(const char *a, const char *b)
{
    a += strncmp(a, "model.", 6) == 0 ? 6 : 0;
    b += strncmp(b, "model.", 6) == 0 ? 6 : 0;
    return strcmp(a, b) == 0;
}

/* The key that runs along the x axis where the figure names none: the last row key of the tables
 * that is swept, else the last swept key, else the variant. */
static const char *usual_key(const esp_plot *plot)
{
    const esp_report *report = plot->report;
    const char *key = NULL;
    for (int c = 0; c < report->n_cells; c++) {
        for (int i = 0; i < report->cells[c].n_swept && key == NULL; i++) {
            key = report->cells[c].swept[i].key;
        }
    }
    for (int r = 0; r < report->section.rows.n; r++) {
        for (int c = 0; c < report->n_cells; c++) {
            for (int i = 0; i < report->cells[c].n_swept; i++) {
                if (is_key(report->cells[c].swept[i].key, report->section.rows.at[r])) {
                    key = report->cells[c].swept[i].key;
                }
            }
        }
    }
    return key != NULL ? key : "variant";
}

typedef struct along {
    const char *key;
    bool by_cell; /* each cell is a place of its own on a numeric axis */
} along;

/* The place of a word on an axis of words. */
static int tick_of(esp_plot *plot, const char *word)
{
    for (int i = 0; i < plot->n_ticks; i++) {
        if (strcmp(plot->ticks[i], word) == 0) {
            return i;
        }
    }
    plot->ticks[plot->n_ticks] = word;
    return plot->n_ticks++;
}

static int take_final(esp_plot *plot, const esp_plot_value *value, void *context)
{
    const along *at = context;
    const esp_report_cell *cell = &plot->report->cells[plot->trials[value->trial].cell];
    const char *word = esp_report_value(cell, at->key);
    esp_plot_row row = epoch_row(plot, value, NULL);
    double x = 0;
    if (at->by_cell) { /* all that costs differently in one panel, but data sets apart */
        const char *data = NULL;
        for (int i = 0; i < cell->n_swept; i++) {
            data = strcmp(cell->swept[i].key, "data.name") == 0 ? cell->swept[i].value : data;
        }
        if (word == NULL || !esp_text_number(&x, word)) {
            return ESP_OK;
        }
        row.panel = esp_plot_panel_of(
            plot, data != NULL ? esp_pool_format(plot->pool, "data.name=%s", data) : "",
            plot->value_name);
    } else {
        row.panel =
            esp_plot_panel_of(plot, esp_plot_grid_point(plot, cell, at->key), plot->value_name);
        x = tick_of(plot, word != NULL ? word : "none");
    }
    row.group = 0;
    row.x = x;
    return esp_plot_add(plot, &row);
}

/* Words that are all numbers stand in their order, and where there are many of them at their
 * values. */
static void order_ticks(esp_plot *plot, bool connect)
{
    enum { MOST_WORDS = 12 };
    double *numbers = esp_pool_take(plot->pool, (size_t)(plot->n_ticks + 1) * sizeof *numbers);
    int *places = esp_pool_take(plot->pool, (size_t)(plot->n_ticks + 1) * sizeof *places);
    const char **words = esp_pool_take(plot->pool, (size_t)(plot->n_ticks + 1) * sizeof *words);
    bool all = numbers != NULL && places != NULL && words != NULL && plot->n_ticks > 0;
    for (int i = 0; all && i < plot->n_ticks; i++) {
        all = esp_text_number(&numbers[i], plot->ticks[i]);
    }
    if (!all) {
        return;
    }
    plot->connect = connect;
    for (int i = 0; i < plot->n_ticks; i++) {
        for (int k = 0; k < plot->n_ticks; k++) {
            places[i] += numbers[k] < numbers[i];
        }
        words[places[i]] = plot->ticks[i];
    }
    for (int i = 0; i < plot->n_rows; i++) {
        const int tick = (int)plot->rows[i].x;
        plot->rows[i].x = plot->n_ticks > MOST_WORDS ? numbers[tick] : places[tick];
    }
    plot->ticks = words;
    plot->n_ticks = plot->n_ticks > MOST_WORDS ? 0 : plot->n_ticks;
}

static int build_dots(esp_figure *figure, esp_store *store, const esp_figure_wish *wish,
                      bool connect)
{
    esp_plot *plot = figure->plot;
    const along at = {.key = wish->x != NULL ? wish->x : usual_key(plot)};
    plot->draw = ESP_DRAW_DOTS;
    set_metric(plot, wish, NULL);
    ESP_TRY(set_at(plot, store, wish));
    plot->x_label = plot->x_name = at.key;
    plot->dodge = strcmp(at.key, "variant") != 0;
    plot->ticks =
        esp_pool_take(plot->pool, (size_t)(plot->report->n_cells + 1) * sizeof *plot->ticks);
    ESP_TRY(esp_pool_status(plot->pool));
    ESP_TRY(esp_plot_each_final(plot, store, plot->at, plot->split, plot->metric, take_final,
                                (void *)(uintptr_t)&at));
    order_ticks(plot, connect);
    return ESP_OK;
}

static int build_sweep(esp_figure *figure, esp_store *store, const esp_figure_wish *wish)
{
    ESP_TRY(build_dots(figure, store, wish, true));
    figure->title = esp_pool_format(&figure->pool, "%s.%s by %s", figure->plot->split,
                                    figure->plot->metric, figure->plot->x_label);
    return ESP_OK;
}

static int build_seed_dots(esp_figure *figure, esp_store *store, const esp_figure_wish *wish)
{
    ESP_TRY(build_dots(figure, store, wish, false));
    figure->title = esp_pool_format(&figure->pool, "%s.%s, every seed", figure->plot->split,
                                    figure->plot->metric);
    return ESP_OK;
}

/* Each seed's distance from the mean of its cell: spreads of cells side by side, whatever their
 * means. */
static int build_spread(esp_figure *figure, esp_store *store, const esp_figure_wish *wish)
{
    ESP_TRY(build_dots(figure, store, wish, false));
    esp_plot *plot = figure->plot;
    const char *label = esp_pool_format(plot->pool, "%s, less its cell's mean", plot->value_name);
    for (int c = 0; c < plot->report->n_cells; c++) {
        double sum = 0;
        int n = 0;
        for (int i = 0; i < plot->n_rows; i++) {
            sum += plot->rows[i].cell == c ? plot->rows[i].y : 0;
            n += plot->rows[i].cell == c;
        }
        for (int i = 0; i < plot->n_rows; i++) {
            plot->rows[i].y -= plot->rows[i].cell == c ? sum / n : 0;
        }
    }
    for (int i = 0; i < plot->n_panels; i++) {
        plot->panels[i].y_label = label;
    }
    plot->value_name = label;
    figure->title =
        esp_pool_format(plot->pool, "Spread of %s.%s over seeds", plot->split, plot->metric);
    return ESP_OK;
}

static int build_cost(esp_figure *figure, esp_store *store, const esp_figure_wish *wish)
{
    esp_plot *plot = figure->plot;
    const along at = {.key = wish->x != NULL ? wish->x : "inference_macs", .by_cell = true};
    plot->draw = ESP_DRAW_DOTS;
    set_metric(plot, wish, NULL);
    ESP_TRY(set_at(plot, store, wish));
    plot->x_name = at.key;
    plot->x_label = strcmp(at.key, "inference_macs") == 0  ? "multiply-adds an example, inference"
                    : strcmp(at.key, "training_macs") == 0 ? "multiply-adds an example, training"
                                                           : at.key;
    ESP_TRY(esp_plot_each_final(plot, store, plot->at, plot->split, plot->metric, take_final,
                                (void *)(uintptr_t)&at));
    double low = INFINITY, high = 0;
    for (int i = 0; i < plot->n_rows; i++) {
        low = plot->rows[i].x < low ? plot->rows[i].x : low;
        high = plot->rows[i].x > high ? plot->rows[i].x : high;
    }
    plot->log_x = low > 0 && high > 4 * low;
    plot->connect = true;
    figure->title = esp_pool_format(plot->pool, "%s.%s against cost", plot->split, plot->metric);
    return ESP_OK;
}

/* ---- early exits ------------------------------------------------------------------------------
 */

/* Which threshold a value is of; the accuracies come first, their costs then find them. */
typedef struct exits {
    int threshold;
    bool cost;
} exits;

static int take_exit(esp_plot *plot, const esp_plot_value *value, void *context)
{
    const exits *at = context;
    if (!at->cost) {
        esp_plot_row row = epoch_row(plot, value, plot->value_name);
        row.group = at->threshold;
        row.x = NAN;
        return esp_plot_add(plot, &row);
    }
    for (int i = 0; i < plot->n_rows; i++) {
        if (plot->rows[i].trial == value->trial && plot->rows[i].group == at->threshold) {
            plot->rows[i].x = value->value;
        }
    }
    return ESP_OK;
}

static int build_early_exit(esp_figure *figure, esp_store *store, const esp_figure_wish *wish)
{
    static const int thresholds[] = {50, 60, 70, 80, 90, 95, 99};
    esp_plot *plot = figure->plot;
    set_split(plot, wish, "test");
    start_curves(plot);
    ESP_TRY(set_at(plot, store, wish));
    plot->metric = "early_exit.accuracy";
    plot->x_label = "mean multiply-adds an example";
    plot->x_name = "early_exit.cost";
    plot->whole_x = false;
    plot->value_name = esp_pool_format(
        plot->pool, "%s accuracy with early exits, hard routing (fraction)", plot->split);
    for (size_t i = 0; i < sizeof thresholds / sizeof *thresholds; i++) {
        for (int cost = 0; cost < 2; cost++) {
            exits at = {thresholds[i], cost == 1};
            ESP_TRY(esp_plot_each_final(plot, store, plot->at, plot->split,
                                        esp_pool_format(plot->pool, "early_exit.%s_at_%d",
                                                        cost ? "cost" : "accuracy", thresholds[i]),
                                        take_exit, &at));
        }
    }
    figure->title = "Early exits: accuracy against cost";
    figure->caption = "The points of a line are the thresholds .5, .6, .7, .8, .9, .95 and .99 on"
                      " the exit's greatest probability; a higher one exits less and costs more.";
    return ESP_OK;
}

esp_figure_build *esp_figure_kind(const char *kind)
{
    static const struct {
        const char *name;
        esp_figure_build *build;
    } kinds[] = {
        {"learning_curve", build_learning_curve},
        {"leaf_heatmap", build_leaf_heatmap},
        {"leaf_histogram", build_leaf_histogram},
        {"balance", build_balance},
        {"soft_hard_gap", build_gap},
        {"node_entropy", build_node_entropy},
        {"sweep", build_sweep},
        {"seed_dots", build_seed_dots},
        {"spread", build_spread},
        {"cost", build_cost},
        {"early_exit", build_early_exit},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(kinds[i].name, kind) == 0) {
            return kinds[i].build;
        }
    }
    return NULL;
}
