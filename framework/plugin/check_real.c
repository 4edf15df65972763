/* The contract test inside the child process: a plugin is tried on small models of every kind of
 * routing, with its parameters at their defaults and at each bound. Compiled twice, with ESP_REAL
 * float and double; it knows the SDK only and has a host of its own, so that a mistake in the
 * framework's host cannot hide one in a plugin. Memory that runs out ends the child, which the
 * parent reports. */
#include "core/thread.h"

#include "plugin/check_real_head.h"
#include "plugin/check_real_loss.h"

#define DIMS(kind, nodes, leaves, chosen, levels, batch)                                           \
    {                                                                                              \
        .struct_size = sizeof(esp_dims), .routing = kind, .n_features = 3, .n_outputs = 4,         \
        .n_nodes = nodes, .n_leaves = leaves, .n_choices = chosen, .depth = levels,                \
        .leaf_width = 2, .batch_size = batch                                                       \
    }

static const model models[] = {
    {"tree of depth 0, batch of 5", DIMS(ESP_ROUTING_TREE, 0, 1, 1, 0, 5), 5, 16},
    {"tree of depth 1, batch of 1", DIMS(ESP_ROUTING_TREE, 1, 2, 1, 1, 16), 1, 16},
    {"tree of depth 3, batch of 37", DIMS(ESP_ROUTING_TREE, 7, 8, 1, 3, 64), 37, 64},
    {"tree of depth 2, batch of 32", DIMS(ESP_ROUTING_TREE, 3, 4, 1, 2, 32), 32, 32},
    {"gate of 5 experts, batch of 19", DIMS(ESP_ROUTING_GATE, 0, 5, 2, 0, 32), 19, 32},
    {"2 trees of nodes, batch of 9", DIMS(ESP_ROUTING_NODES, 14, 8, 2, 2, 9), 9, 16},
    {"no routing, batch of 17", DIMS(ESP_ROUTING_NONE, 0, 1, 1, 0, 17), 17, 32},
};
enum { N_MODELS = sizeof models / sizeof *models, STEPS = 4, REPEATS = 8 };

/* ---- settings ----------------------------------------------------------------------------- */

/* Bounds that are infinite or beyond what a small model can be tried with are replaced. */
static double stand_in(const esp_param *param, double bound)
{
    double limit = param->type == ESP_PARAM_INTEGER ? 4096 : 1000;
    limit = fmax(limit, fabs(param->default_value));
    return fmax(-limit, fmin(limit, bound));
}

static void add_setting(setting *settings, int *count, const esp_plugin *plugin, int changed,
                        double value)
{
    if (*count == MAX_SETTINGS) {
        return;
    }
    setting *added = &settings[*count];
    for (uint32_t i = 0; i < plugin->n_params; i++) {
        added->values[i] = plugin->params[i].default_value;
    }
    snprintf(added->text, sizeof added->text, "default parameters");
    if (changed >= 0) {
        const esp_param *param = &plugin->params[changed];
        if (value == param->default_value) {
            return;
        }
        added->values[changed] = value;
        if (param->type == ESP_PARAM_CHOICE) {
            snprintf(added->text, sizeof added->text, "%s: %s", param->name,
                     param->choices[(int)value]);
        } else {
            snprintf(added->text, sizeof added->text, "%s: %g", param->name, value);
        }
    }
    ++*count;
}

static int make_settings(setting *settings, const esp_plugin *plugin)
{
    int count = 0;
    add_setting(settings, &count, plugin, -1, 0);
    for (int i = 0; i < (int)plugin->n_params; i++) {
        const esp_param *param = &plugin->params[i];
        if (param->type == ESP_PARAM_BOOLEAN) {
            add_setting(settings, &count, plugin, i, param->default_value == 0);
        } else if (param->type == ESP_PARAM_CHOICE) {
            for (int choice = 0; param->choices[choice]; choice++) {
                add_setting(settings, &count, plugin, i, choice);
            }
        } else {
            add_setting(settings, &count, plugin, i, stand_in(param, param->minimum));
            add_setting(settings, &count, plugin, i, stand_in(param, param->maximum));
        }
    }
    return count;
}

/* ---- loss or head ------------------------------------------------------------------------- */

static bool is_loss(const bench *b)
{
    return b->plugin->kind == ESP_LOSS;
}

static outcome open_bench(bench **out, const esp_plugin *plugin, const model *on,
                          const setting *with, esp_check_progress *progress)
{
    if (plugin->kind == ESP_HEAD) {
        return make_head_bench(out, plugin, on, with, progress);
    }
    *out = make_loss_bench(plugin, on, with, progress);
    return start_instance(*out);
}

static bool restart(bench *b)
{
    b->n_keys = 0;
    memset(b->sums, 0, sizeof b->sums);
    if (b->routing_bias) {
        memset(b->routing_bias, 0, sizeof(esp_real) * (size_t)b->model->dims.n_leaves);
    }
    return (is_loss(b) ? start_instance(b) : start_head(b)) == GOOD;
}

static bool take_steps(bench *b, int from, int to, uint64_t *digest)
{
    for (int step = from; step < to; step++) {
        if (!(is_loss(b) ? step_loss(b, step, digest) : step_head(b, step, digest))) {
            return false;
        }
    }
    return true;
}

static bool evaluate_once(bench *b)
{
    return is_loss(b) ? evaluate_loss(b) : evaluate_head(b);
}

/* ---- reads outside of arrays -------------------------------------------------------------- */

/* Harmless where they are used, as floats 0.75 and 3.0: what a sum takes in shows. */
enum { ONE_BYTE = 0x3f, OTHER_BYTE = 0x40 };

static bool digest_of(bench *b, uint64_t *digest)
{
    *digest = 0;
    return restart(b) && take_steps(b, 0, STEPS, digest);
}

static void surround_all(bench *b, unsigned char with)
{
    b->guard = with;
    for (block *each = b->blocks; each; each = each->next) {
        surround(each, with, with);
    }
}

/* Which array it is: one after the other is surrounded with other bytes. What is left is memory
 * taken during a call. */
static bool refuse_reads(bench *b, uint64_t first)
{
    uint64_t digest;
    surround_all(b, ONE_BYTE);
    for (block *each = b->blocks; each; each = each->next) {
        surround(each, ONE_BYTE, OTHER_BYTE);
        if (!digest_of(b, &digest)) {
            return false;
        }
        if (digest != first) {
            return refuse(b, "reads past the last example of a row of %s", each->label);
        }
        surround(each, OTHER_BYTE, ONE_BYTE);
        if (!digest_of(b, &digest)) {
            return false;
        }
        if (digest != first) {
            return refuse(b, "reads before the start or past the end of %s%s", each->label,
                          each->payload == b->state && each->bytes == 0 ? ": state_size is 0" : "");
        }
        surround(each, ONE_BYTE, ONE_BYTE);
    }
    return refuse(b, "reads before the start or past the end of its scratch memory");
}

static bool check_reads(bench *b)
{
    uint64_t first, second, again;
    surround_all(b, ONE_BYTE);
    if (!digest_of(b, &first)) {
        return false;
    }
    surround_all(b, OTHER_BYTE);
    if (!digest_of(b, &second) || first == second) {
        return first == second;
    }
    surround_all(b, ONE_BYTE);
    if (!digest_of(b, &again)) {
        return false;
    }
    return first != again /* never the same: for the next checks to say */ ||
           refuse_reads(b, first);
}

/* ---- determinism and state ---------------------------------------------------------------- */

static bool check_same_twice(bench *b)
{
    uint64_t first = 0, second = 0;
    if (!restart(b) || !take_steps(b, 0, STEPS, &first) || !restart(b) ||
        !take_steps(b, 0, STEPS, &second)) {
        return false;
    }
    return first == second ||
           refuse(b, "two instances given the same batches do not return the same bits");
}

static void *copy_bytes(const void *bytes, size_t count)
{
    void *copy = malloc(count ? count : 1);
    if (!copy) {
        abort();
    }
    memcpy(copy, bytes, count);
    return copy;
}

static bool check_evaluation_keeps_state(bench *b)
{
    uint64_t digest = 0;
    if (!restart(b) || !take_steps(b, 0, STEPS, &digest)) {
        return false;
    }
    void *before = copy_bytes(b->state, b->plugin->state_size);
    bool good = evaluate_once(b);
    if (good && memcmp(before, b->state, b->plugin->state_size) != 0) {
        good = refuse(b, "its state changes in evaluation");
    }
    free(before);
    return good;
}

static void *save_state(bench *b, size_t *count)
{
    before_call(b, "save");
    *count = b->plugin->save(b->state, NULL);
    block *bytes = take_block(b, "the bytes of its saved state", *count);
    bytes->is_scratch = true;
    size_t written = b->plugin->save(b->state, bytes->payload);
    void *copy = copy_bytes(bytes->payload, *count);
    if (written != *count) {
        refuse(b, "save announced %zu bytes and wrote %zu", *count, written);
    }
    after_call(b, 0, "save");
    return copy;
}

/* A copy made from saved bytes must go on as the original does; where nothing is saved, a fresh
 * instance must, and no byte of the state may have changed. */
static bool check_resume(bench *b)
{
    uint64_t before = 0, after = 0, resumed = 0;
    size_t count = 0;
    void *saved = NULL;
    if (!restart(b)) {
        return false;
    }
    void *fresh = copy_bytes(b->state, b->plugin->state_size);
    bool good = take_steps(b, 0, STEPS, &before);
    uint64_t random = b->random;
    void *bias = b->routing_bias ? copy_bytes(b->routing_bias,
                                              sizeof(esp_real) * (size_t)b->model->dims.n_leaves)
                                 : NULL;
    if (good && b->plugin->save) {
        saved = save_state(b, &count);
        good = b->reason[0] == '\0';
    } else if (good && memcmp(fresh, b->state, b->plugin->state_size) != 0) {
        good = refuse(b, "its state changes in training, but it has no save and load: a resumed "
                         "trial would differ");
    }
    memset(b->sums, 0, sizeof b->sums);
    good = good && take_steps(b, STEPS, 2 * STEPS, &after) && restart(b);
    if (good && count > 0) {
        before_call(b, "load");
        good = after_call(b, b->plugin->load(b->state, &b->host, saved, count), "load");
    }
    if (good && bias) {
        memcpy(b->routing_bias, bias, sizeof(esp_real) * (size_t)b->model->dims.n_leaves);
    }
    b->random = random;
    good = good && take_steps(b, STEPS, 2 * STEPS, &resumed);
    if (good && after != resumed) {
        good = refuse(b, "its state is lost by save and load: a resumed instance does not go on as "
                         "the original");
    }
    free(fresh);
    free(saved);
    free(bias);
    return good;
}

/* ---- two threads -------------------------------------------------------------------------- */

typedef struct worker {
    bench *own;
    uint64_t digest;
    bool is_good;
} worker;

static void *work(void *argument)
{
    worker *w = argument;
    w->is_good = true;
    for (int i = 0; i < REPEATS && w->is_good; i++) {
        w->is_good = restart(w->own) && take_steps(w->own, 0, STEPS, &w->digest);
    }
    return NULL;
}

static bool check_threads(bench *b)
{
    worker alone = {.own = b}, pair[2] = {{0}};
    pthread_t threads[2];
    work(&alone);
    if (!alone.is_good) {
        return false;
    }
    bool good = true;
    say_stage(b, "two instances in two threads");
    for (int i = 0; i < 2; i++) {
        good = open_bench(&pair[i].own, b->plugin, b->model, b->setting, NULL) == GOOD && good;
    }
    for (int i = 0; good && i < 2; i++) {
        if (esp_thread_start(&threads[i], work, &pair[i]) != 0) {
            abort();
        }
    }
    for (int i = 0; good && i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
    for (int i = 0; i < 2; i++) {
        if (good && (!pair[i].is_good || pair[i].digest != alone.digest)) {
            good = refuse(b, "two instances in two threads do not do the same as one alone%s%s",
                          pair[i].is_good ? "" : ": ", pair[i].own->reason);
        }
        free_bench(pair[i].own);
    }
    return good;
}

/* ---- all of it ---------------------------------------------------------------------------- */

static bool check_gradients(bench *b, double *worst)
{
    return is_loss(b) ? check_loss_gradients(b, worst) : check_head_gradients(b, worst);
}

typedef bool (*check_function)(bench *b, double *worst);

static bool extremes(bench *b, double *worst)
{
    (void)worst;
    return (is_loss(b) ? check_loss_extremes(b) : check_head_extremes(b)) && restart(b) &&
           evaluate_once(b);
}

static bool reads(bench *b, double *worst)
{
    (void)worst;
    return check_reads(b);
}

static bool same_twice(bench *b, double *worst)
{
    (void)worst;
    return check_same_twice(b);
}

static bool states(bench *b, double *worst)
{
    (void)worst;
    return check_evaluation_keeps_state(b) && check_resume(b);
}

static bool in_threads(bench *b, double *worst)
{
    (void)worst;
    return check_threads(b);
}

static const struct {
    const char *text;
    check_function run;
    bool only_defaults;
} checks[] = {
    {"the same bits whatever lies around its arrays", reads, false},
    {"finite values, also at logits and scores of +-1000 and at ties", extremes, false},
    {"gradients", check_gradients, false},
    {"the same bits twice", same_twice, false},
    {"state kept in evaluation, saved and loaded exactly", states, false},
    {"two instances in two threads", in_threads, true},
};
enum { N_CHECKS = sizeof checks / sizeof *checks };

/* A term that is 0 may still log, or move the routing bias. */
static bool does_something(const bench *b)
{
    return !is_loss(b) || b->has_value || b->n_keys > 0 || b->plugin->loss->after_step;
}

/* The end of one case: what its calls did to the process. */
static bool end_bench(bench *b, bool good, const esp_process_state *before)
{
    esp_process_state now;
    stop_instance(b);
    esp_process_state_take(&now);
    const char *change = esp_process_state_change(before, &now);
    if (good && change) {
        refuse(b, "it %s", change);
    }
    return good && b->reason[0] == '\0';
}

/* Runs one check on every model and setting. Guards are verified around every call of all. */
static bool run_check(esp_check_progress *progress, FILE *out, const esp_plugin *plugin,
                      const setting *settings, int n_settings, int index,
                      const esp_process_state *before)
{
    double worst = 0;
    int tried = 0, declined = 0;
    bool good = true, does_nothing = true;
    for (int s = 0; good && s < (checks[index].only_defaults ? 1 : n_settings); s++) {
        for (int m = 0; good && m < N_MODELS; m++) {
            bench *b = NULL;
            outcome opened = open_bench(&b, plugin, &models[m], &settings[s], progress);
            if (opened == GOOD) {
                tried++;
                good = checks[index].run(b, &worst);
                does_nothing = does_nothing && !does_something(b);
            } else {
                declined++;
                good = opened == DECLINED;
            }
            good = end_bench(b, good, before);
            if (!good) {
                snprintf(progress->reason, sizeof progress->reason, "%s",
                         b->reason[0] ? b->reason : "create declines what it took before");
            }
            free_bench(b);
        }
    }
    if (good && tried == 0) {
        snprintf(progress->reason, sizeof progress->reason,
                 "create declines every model, with default parameters too");
        return false;
    }
    if (good) {
        fprintf(out, "ok %s", checks[index].text);
        if (checks[index].run == check_gradients) {
            fprintf(out, ": worst error %.1e of the norm (%.0e allowed)", worst, TOLERANCE);
            progress->verdict.n_gradients = tried;
            progress->verdict.worst = worst;
            progress->verdict.tolerance = TOLERANCE;
        }
        fprintf(out, ", %d case%s", tried, tried == 1 ? "" : "s");
        if (declined > 0) {
            fprintf(out, ", %d declined by create", declined);
        }
        fputc('\n', out);
        if (checks[index].run == check_gradients && does_nothing) {
            fprintf(out, "note: its value is 0 in every case; a member of its state that params "
                         "does not name stays 0\n");
        }
        fflush(out);
    }
    return good;
}

#define JOIN_(a, b) a##b
#define JOIN(a, b)  JOIN_(a, b)

int JOIN(esp_check_real_, ESP_REAL)(esp_check_progress *progress, FILE *out, const void *descriptor)
{
    const esp_plugin *plugin = descriptor;
    setting *settings = calloc(MAX_SETTINGS, sizeof *settings);
    if (!settings) {
        abort();
    }
    esp_process_state before;
    esp_process_state_take(&before);
    int n_settings = make_settings(settings, plugin);
    bool good = true;
    for (int i = 0; good && i < N_CHECKS; i++) {
        good = run_check(progress, out, plugin, settings, n_settings, i, &before);
    }
    free(settings);
    if (good) {
        fprintf(out, "ok guards around every array intact, inputs unchanged, in every call\n");
        fprintf(out, "ok thread and process left as they were: locale, rounding, traps, folder, "
                     "umask, signals, limits\n");
    }
    return good ? 0 : 1;
}
