/* Weights and optimizers of a phase, from JSON into the structs the trainer reads. */
#include <math.h>
#include <string.h>

#include "nn/localized.h"
#include "study/build.h"

static double real_at(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static int64_t integer_at(const json_t *object, const char *key)
{
    return (int64_t)json_integer_value(json_object_get(object, key));
}

/* The place of a word in a list, or 0. */
static int index_of(const char *word, const char *const *words, int n)
{
    for (int i = 0; word != NULL && i < n; i++) {
        if (strcmp(words[i], word) == 0) {
            return i;
        }
    }
    return 0;
}

static esp_schedule_kind kind_at(const json_t *object, const char *key)
{
    static const char *const names[] = {[ESP_SCHEDULE_CONSTANT] = "constant",
                                        [ESP_SCHEDULE_LINEAR] = "linear",
                                        [ESP_SCHEDULE_COSINE] = "cosine",
                                        [ESP_SCHEDULE_STEP] = "step",
                                        [ESP_SCHEDULE_PLATEAU] = "plateau"};
    const char *name = json_string_value(json_object_get(object, key));
    return (esp_schedule_kind)index_of(name, names, sizeof names / sizeof *names);
}

static bool is_by_step(const json_t *object)
{
    const char *by = json_string_value(json_object_get(object, "by"));
    return by != NULL && strcmp(by, "step") == 0;
}

void esp_fill_weight(esp_term_config *out, const json_t *weight, double scale)
{
    if (!json_is_object(weight)) {
        out->weight = scale * json_number_value(weight);
        return;
    }
    out->ramp = (esp_ramp){.kind = kind_at(weight, "schedule"),
                           .by_step = is_by_step(weight),
                           .from = scale * real_at(weight, "from"),
                           .to = scale * real_at(weight, "to"),
                           .over = integer_at(weight, "over")};
    out->weight = fabs(out->ramp.from) > fabs(out->ramp.to) ? out->ramp.from : out->ramp.to;
}

static esp_rate_schedule schedule_of(const json_t *schedule)
{
    const json_t *until = json_object_get(schedule, "until");
    return (esp_rate_schedule){.kind = kind_at(schedule, "kind"),
                               .by_step = is_by_step(schedule),
                               .warmup = integer_at(schedule, "warmup"),
                               .final = real_at(schedule, "final"),
                               .over = integer_at(schedule, "over"),
                               .every = integer_at(schedule, "every"),
                               .factor = real_at(schedule, "factor"),
                               .patience = (int)integer_at(schedule, "patience"),
                               .min_delta = real_at(schedule, "min_delta"),
                               .minimum = real_at(schedule, "minimum"),
                               .maximum = real_at(schedule, "maximum"),
                               .until = until != NULL ? json_number_value(until) : NAN,
                               .revert = json_is_true(json_object_get(schedule, "revert"))};
}

void esp_fill_optimizer(esp_optimizer_config *out, const json_t *optimizer)
{
    static const char *const kinds[] = {[ESP_SGD] = "sgd",
                                        [ESP_ADAM] = "adam",
                                        [ESP_ADAMW] = "adamw",
                                        [ESP_LOCAL_SGD] = "local_sgd",
                                        [ESP_LOCAL_ADAM] = "local_adam"};
    const char *kind = json_string_value(json_object_get(optimizer, "kind"));
    const char *usage = json_string_value(json_object_get(optimizer, "usage"));
    const json_t *schedule = json_object_get(optimizer, "schedule");
    *out = (esp_optimizer_config){
        .kind = (esp_optimizer_kind)index_of(kind, kinds, sizeof kinds / sizeof *kinds),
        .learning_rate = real_at(optimizer, "learning_rate"),
        .beta1 = real_at(optimizer, "beta1"),
        .beta2 = real_at(optimizer, "beta2"),
        .epsilon = real_at(optimizer, "epsilon"),
        .weight_decay = real_at(optimizer, "weight_decay"),
        .momentum = real_at(optimizer, "momentum"),
        .nesterov = json_is_true(json_object_get(optimizer, "nesterov")),
        .local_batch_size = (int)integer_at(optimizer, "local_batch_size"),
        .soft_usage = usage != NULL && strcmp(usage, "soft") == 0,
        .clip_norm = real_at(optimizer, "clip_norm"),
        .clip_value = real_at(optimizer, "clip_value"),
        .schedule = schedule_of(schedule),
        .restart = json_is_true(json_object_get(schedule, "restart"))};
}

/* About how many steps an epoch of a phase has. */
static int64_t epoch_steps(const builder *b, const json_t *phase)
{
    const double size = (double)integer_at(phase, "batch_size");
    const double accumulate = (double)integer_at(phase, "accumulate");
    const double batches = esp_data_section_n_train(b) / (size > 0 ? size : 1);
    const bool drops = json_is_true(json_object_get(phase, "drop_last"));
    const double steps =
        (drops ? floor(batches) : ceil(batches)) / (accumulate > 0 ? accumulate : 1);
    return steps > 1 ? (int64_t)ceil(steps) : 1;
}

void esp_fill_budget(const builder *b, esp_phase_config *out, json_t *phase)
{
    out->accumulate = (int)integer_at(phase, "accumulate");
    out->epoch_steps = epoch_steps(b, phase);
    out->steps = integer_at(phase, "steps");
    if (out->steps > 0) {
        const double about = ceil((double)out->steps / (double)out->epoch_steps);
        json_object_set_new(phase, "epochs", json_integer((json_int_t)about));
    }
    out->epochs = (int)integer_at(phase, "epochs");
}

static void check_plateau(builder *b, const esp_phase_config *phase)
{
    const esp_optimizer_config *o = &phase->optimizer;
    const esp_rate_schedule *schedule = &o->schedule;
    esp_plateau plateau = esp_plateau_begin(o->learning_rate);
    esp_rate_schedule at_once = *schedule;
    at_once.patience = 1;
    const char *factor = esp_fill_written_at(b, phase->name, "optimizer.schedule.factor");
    if (schedule->minimum > schedule->maximum) {
        esp_fill_complain(b, esp_fill_written_at(b, phase->name, "optimizer.schedule.minimum"),
                          "optimizer.schedule.minimum is larger than maximum");
    } else if (!esp_plateau_update(&plateau, &at_once, o->learning_rate, NAN)) {
        esp_fill_complain(
            b, factor,
            esp_tree_pool_format(b->r->pool,
                                 "this plateau changes nothing: learning_rate %g, factor %g, "
                                 "minimum %g, maximum %g",
                                 o->learning_rate, schedule->factor, schedule->minimum,
                                 schedule->maximum));
    }
}

/* What `by` counts: all of a linear, cosine or step schedule, else only its warm-up. */
static void check_by(builder *b, const esp_phase_config *phase)
{
    const esp_rate_schedule *schedule = &phase->optimizer.schedule;
    const bool plateau = schedule->kind == ESP_SCHEDULE_PLATEAU;
    if (schedule->by_step && schedule->warmup == 0 &&
        (plateau || schedule->kind == ESP_SCHEDULE_CONSTANT)) {
        esp_fill_complain(
            b, esp_fill_written_at(b, phase->name, "optimizer.schedule.by"),
            esp_tree_pool_format(b->r->pool,
                                 "optimizer.schedule.by: step is of a warm-up alone where the kind "
                                 "is %s, and there is none%s",
                                 plateau ? "plateau" : "constant",
                                 plateau ? "; patience counts epochs" : ""));
    }
}

void esp_fill_check_optimizer(builder *b, const esp_phase_config *phase)
{
    const esp_optimizer_config *o = &phase->optimizer;
    const bool model_known = json_object_get(b->config, "model") != NULL;
    if (o->nesterov && o->momentum == 0) {
        esp_fill_complain(b, esp_fill_written_at(b, phase->name, "optimizer.nesterov"),
                          "optimizer.nesterov needs a momentum above 0");
    }
    if (o->local_batch_size > 0 && model_known && esp_localized_blocks(&b->cell->model) == 0) {
        esp_fill_complain(
            b, esp_fill_written_at(b, phase->name, "optimizer.kind"),
            esp_tree_pool_format(b->r->pool,
                                 "a localized optimizer waits for each leaf or expert, and model "
                                 "kind '%s' has none (fff and moe have); use %s",
                                 esp_model_kind_name(b->cell->model.kind),
                                 o->kind == ESP_LOCAL_SGD ? "sgd" : "adam"));
    }
    check_by(b, phase);
    if (o->schedule.kind == ESP_SCHEDULE_PLATEAU && b->sound) {
        check_plateau(b, phase);
    }
}
