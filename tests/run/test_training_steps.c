/* What a step is made of: several batches, clipping, localized optimizers; that each way to train
 * resumes to the same bits and allocates nothing, and that each seed draws for itself. */
#include <unistd.h>

#include "fixtures/count_allocations.h"
#include "run/training_steps_fixture.h"

static void put_in_order(esp_training *training)
{
    memcpy(training->order, training->splits[ESP_TRAIN].indices,
           sizeof(uint32_t) * training->splits[ESP_TRAIN].count);
}

static void step(esp_training *training, uint32_t first, uint32_t count)
{
    double loss = 0;
    int64_t correct = 0;
    assert_int_equal(esp_training_step(training, first, count, 1, &loss, &correct), 0);
}

static double distance(const esp_real *a, const esp_real *b, size_t count)
{
    double squares = 0;
    for (size_t i = 0; i < count; i++) {
        squares += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
    }
    return sqrt(squares);
}

/* ---- steps ------------------------------------------------------------------------------------
 */

/* The oracle is the batch four times as large: losses that are means have the same gradient. */
static void test_accumulate__is_one_large_batch(void **state)
{
    (void)state;
    use_sgd(0.1);
    phases[0].terms[2].weight = 0; /* balance is no mean over examples */
    esp_training *whole = create();
    phases[0].batch_size = 16;
    phases[0].accumulate = 4;
    phases[0].terms[1].weight = 1;
    esp_training *parts = create();
    const size_t n = whole->network->n_parameters;
    esp_real *start = malloc(sizeof *start * n);
    assert_non_null(start);
    memcpy(start, whole->network->parameters, sizeof *start * n);
    /* 540 examples: the last step of an epoch has 28, in two batches of 16 and 12 */
    put_in_order(whole);
    put_in_order(parts);
    phases[0].batch_size = 64;
    phases[0].accumulate = 1;
    for (uint32_t first = 0; first < 540; first += 64) {
        step(whole, first, first + 64 > 540 ? 540 - first : 64);
    }
    phases[0].batch_size = 16;
    phases[0].accumulate = 4;
    for (uint32_t first = 0; first < 540; first += 64) {
        step(parts, first, first + 64 > 540 ? 540 - first : 64);
    }
    const double moved = distance(whole->network->parameters, start, n);
    const double apart = distance(whole->network->parameters, parts->network->parameters, n);
    assert_true(moved > 0.1);
    assert_true(apart <= 1e-5 * moved);
    assert_int_equal(parts->step, 9);
    assert_int_equal(parts->batches, 34);
    esp_training_destroy(whole);
    whole = create();
    assert_int_equal(esp_training_epoch(whole, NULL), 0); /* an epoch makes its steps so, too */
    assert_int_equal(whole->step, 9);
    assert_int_equal(whole->batches, 34);
    free(start);
    esp_training_destroy(whole);
    esp_training_destroy(parts);
}

/* 2^12 * 2^20 examples a step are more than 32 bits count: the whole epoch is one step. */
static void test_accumulate__more_than_there_is_takes_all(void **state)
{
    (void)state;
    use_sgd(0.1);
    phases[0].batch_size = 1 << 12;
    phases[0].accumulate = 1 << 20;
    esp_training *training = create();
    alarm(60); /* it once went on forever */
    assert_int_equal(esp_training_epoch(training, NULL), 0);
    alarm(0);
    assert_int_equal(training->step, 1);
    assert_int_equal(training->batches, 1);
    esp_training_destroy(training);
}

/* 540 examples are 8 batches of 64 and 28 left over; steps of three batches: 3, 3 and 2. */
static void test_accumulate__drop_last_drops_a_batch_not_a_step(void **state)
{
    (void)state;
    phases[0].accumulate = 3;
    for (int drop = 0; drop < 2; drop++) {
        phases[0].drop_last = drop;
        esp_training *training = create();
        assert_int_equal(esp_training_epoch(training, NULL), 0);
        assert_int_equal(training->step, 3);
        assert_int_equal(training->batches, drop ? 8 : 9);
        assert_int_equal(examples_counted(training), drop ? 512 : 540);
        esp_training_destroy(training);
    }
}

/* SGD at rate 1 moves by the gradient: the way gone is as long as the clipped gradient. */
static void test_clip__bounds_the_step(void **state)
{
    (void)state;
    use_sgd(1);
    esp_training *training = create();
    const size_t n = training->network->n_parameters;
    esp_real *start = malloc(sizeof *start * n);
    assert_non_null(start);
    memcpy(start, training->network->parameters, sizeof *start * n);
    put_in_order(training);
    phases[0].optimizer.clip_norm = 0.01;
    step(training, 0, 64);
    assert_true(fabs(distance(training->network->parameters, start, n) - 0.01) <= 1e-5);
    memcpy(training->network->parameters, start, sizeof *start * n);
    phases[0].optimizer.clip_norm = 0;
    phases[0].optimizer.clip_value = 0.001;
    step(training, 0, 64);
    double largest = 0;
    for (size_t i = 0; i < n; i++) {
        largest = fmax(largest, fabs((double)training->network->parameters[i] - (double)start[i]));
    }
    assert_true(fabs(largest - 0.001) <= 1e-6);
    /* both: elements first, then what they leave has the length asked for */
    const double clipped = distance(training->network->parameters, start, n);
    memcpy(training->network->parameters, start, sizeof *start * n);
    phases[0].optimizer.clip_norm = clipped / 2;
    step(training, 0, 64);
    assert_true(fabs(distance(training->network->parameters, start, n) - clipped / 2) <= 1e-5);
    free(start);
    esp_training_destroy(training);
}

static double moved_of(const esp_training *training, const esp_real *start, const char *prefix)
{
    double moved = 0;
    for (int t = 0; t < training->network->n_tensors; t++) {
        const esp_tensor *tensor = &training->network->tensors[t];
        if (strncmp(tensor->name, prefix, strlen(prefix)) == 0) {
            moved += distance(training->network->parameters + tensor->offset,
                              start + tensor->offset, tensor->count);
        }
    }
    return moved;
}

/* 64 examples a step, each in one leaf: no leaf has seen 65 after one, the root has after two. */
static void test_localized__leaves_wait_and_heads_do_not(void **state)
{
    (void)state;
    use_sgd(0.1);
    phases[0].optimizer.kind = ESP_LOCAL_SGD;
    phases[0].optimizer.local_batch_size = 65;
    esp_training *training = create();
    const size_t n = training->network->n_parameters;
    esp_real *start = malloc(sizeof *start * n);
    assert_non_null(start);
    memcpy(start, training->network->parameters, sizeof *start * n);
    put_in_order(training);
    step(training, 0, 64);
    assert_true(moved_of(training, start, "magic_") > 0);
    assert_true(moved_of(training, start, "node_") == 0);
    assert_true(moved_of(training, start, "w1s") + moved_of(training, start, "b2s") == 0);
    assert_true(training->localized.usage[0] == 64);
    step(training, 64, 64);
    assert_true(moved_of(training, start, "node_") > 0);
    assert_true(training->localized.usage[0] == 0 && training->localized.steps[0] == 1);
    free(start);
    esp_training_destroy(training);
}

/* All batches of a step count, and a restart forgets what waits. */
static void test_localized__counts_every_batch_and_restarts(void **state)
{
    (void)state;
    use_sgd(0.1);
    phases[0].optimizer.kind = ESP_LOCAL_SGD;
    phases[0].optimizer.local_batch_size = 65;
    phases[0].batch_size = 16;
    phases[0].accumulate = 4;
    esp_training *training = create();
    put_in_order(training);
    step(training, 0, 64);
    assert_true(training->localized.usage[0] == 64);
    double waiting = 0;
    for (size_t i = 0; i < training->network->n_trainable; i++) {
        waiting += fabs((double)training->localized.pending[i]);
    }
    assert_true(waiting > 0);
    esp_training_restart_optimizer(training);
    assert_true(training->localized.usage[0] == 0);
    for (size_t i = 0; i < training->network->n_trainable; i++) {
        assert_true(training->localized.pending[i] == 0);
    }
    esp_training_destroy(training);
}

/* ---- every feature: the same bits after an interruption, no allocation -------------------------
 */

static void accumulate(void)
{
    phases[0].batch_size = 16;
    phases[0].accumulate = 3;
    phases[0].drop_last = true;
}

static void clip(void)
{
    phases[0].optimizer.clip_norm = 0.5;
    phases[1].optimizer.clip_value = 0.01;
}

static void local_adam(void)
{
    phases[0].optimizer.kind = ESP_LOCAL_ADAM;
    phases[0].optimizer.local_batch_size = 200;
}

static void local_sgd(void)
{
    use_sgd(0.05);
    for (int i = 0; i < 2; i++) {
        phases[i].optimizer.kind = ESP_LOCAL_SGD;
        phases[i].optimizer.momentum = 0.9;
        phases[i].optimizer.nesterov = true;
        phases[i].optimizer.soft_usage = true;
        phases[i].optimizer.local_batch_size = 150;
    }
}

static void local_moe(void)
{
    cell.model = esp_model_moe(4, 3, 2);
    cell.model.noise = true;
    phases[0].terms[1].weight = phases[1].terms[1].weight = 0; /* hardening: a tree's */
    local_adam();
    accumulate();
}

static void scheduled(void)
{
    phases[0].optimizer.schedule =
        (esp_rate_schedule){.kind = ESP_SCHEDULE_COSINE, .by_step = true, .warmup = 5, .over = 20};
    phases[0].terms[1].ramp =
        (esp_ramp){.kind = ESP_SCHEDULE_COSINE, .by_step = true, .from = 0, .to = 3, .over = 25};
    phases[1].terms[1].ramp =
        (esp_ramp){.kind = ESP_SCHEDULE_LINEAR, .from = 3, .to = 1, .over = 2};
}

static void by_steps(void)
{
    phases[0].steps = 22;
    phases[1].steps = 3;
    phases[1].start_from = ESP_START_BEST;
}

static void drawn(void)
{
    cell.model.dropout = 0.2;
    cell.model.region_leak = 0.1;
    accumulate();
}

static const struct {
    const char *name;
    void (*set)(void);
} features[] = {
    {"accumulate", accumulate}, {"clip", clip},           {"local_adam", local_adam},
    {"local_sgd", local_sgd},   {"local_moe", local_moe}, {"scheduled", scheduled},
    {"by_steps", by_steps},     {"drawn", drawn},         {"plateau", watch_plateau},
};
enum { N_FEATURES = sizeof features / sizeof *features };

static void test_features__continue_to_the_same_bits(void **state)
{
    for (int f = 0; f < N_FEATURES; f++) {
        char whole[65], resumed[65], path[128];
        put_back(state);
        features[f].set();
        snprintf(path, sizeof path, "%s/state.safetensors", folder);
        for (int at = 1; at <= 5; at++) { /* after each epoch, the last of a phase among them */
            esp_training *training = create();
            for (int i = 0; i < at; i++) {
                advance(training);
            }
            assert_int_equal(esp_checkpoint_write_state(path, training), 0);
            const int epoch = training->epoch;
            while (advance(training)) {
            }
            assert_int_equal(esp_training_digest(whole, training), 0);
            const double rate = training->optimizer.learning_rate;
            esp_training_destroy(training);
            training = create();
            if (esp_checkpoint_read_state(training, path) != ESP_OK) {
                fail_msg("%s: %s", features[f].name, esp_message());
            }
            assert_int_equal(training->epoch, epoch);
            while (advance(training)) {
            }
            assert_int_equal(esp_training_digest(resumed, training), 0);
            if (strcmp(whole, resumed) != 0 ||
                (epoch < training->epoch && rate != training->optimizer.learning_rate)) {
                fail_msg("%s: continued after epoch %d it comes out differently", features[f].name,
                         epoch);
            }
            esp_training_destroy(training);
        }
    }
}

static void test_features__change_what_is_learned(void **state)
{
    char digests[N_FEATURES + 1][65];
    for (int f = 0; f <= N_FEATURES; f++) {
        put_back(state);
        if (f < N_FEATURES) {
            features[f].set();
        }
        esp_training *training = create();
        while (advance(training)) {
        }
        assert_true(training->evaluations[ESP_TEST].metrics[ESP_SOFT_ACCURACY] > 0.4);
        assert_int_equal(esp_training_digest(digests[f], training), 0);
        esp_training_destroy(training);
        for (int k = 0; k < f; k++) {
            assert_string_not_equal(digests[f], digests[k]);
        }
    }
}

static void test_features__allocate_nothing(void **state)
{
#ifdef SANITIZED
    (void)state;
    skip(); /* sanitizers bring their own malloc */
#else
    for (int f = 0; f < N_FEATURES; f++) {
        put_back(state);
        features[f].set();
        esp_training *training = create();
        put_in_order(training);
        for (int i = 0; i < 10; i++) { /* plugins' scratch finds its size */
            step(training, 0, 48);
        }
        const long before = atomic_load(&n_allocations);
        for (int i = 0; i < 60; i++) {
            step(training, (uint32_t)(i % 8) * 48, i % 3 ? 48 : 37);
        }
        esp_rate_update(training);
        esp_training_restart_optimizer(training);
        if (atomic_load(&n_allocations) != before) {
            fail_msg("%s allocates in a step", features[f].name);
        }
        esp_training_destroy(training);
    }
#endif
}

/* ---- seeds ------------------------------------------------------------------------------------
 */

/* What one step draws, by what it is drawn from. */
typedef struct draws {
    char init[65];
    uint32_t order[540];
    esp_real kept[12 * 64], leaked[3 * 64], normals[4 * 64];
} draws;

static void copy_rows(esp_real *out, const esp_real *rows, int n, const esp_network *network)
{
    for (int row = 0; rows != NULL && row < n; row++) {
        memcpy(out + row * 64, rows + (ptrdiff_t)row * network->stride, sizeof *out * 64);
    }
}

static void draw(draws *out)
{
    memset(out, 0, sizeof *out);
    esp_training *training = create();
    const esp_network *network = training->network;
    assert_int_equal(esp_training_digest(out->init, training), 0);
    assert_int_equal(esp_training_epoch(training, NULL), 0);
    memcpy(out->order, training->order, sizeof out->order);
    step(training, 0, 64);
    copy_rows(out->kept, network->kept, network->n_hidden, network);
    copy_rows(out->leaked, network->leaked, network->n_nodes, network);
    copy_rows(out->normals, network->normals, network->n_nodes, network);
    esp_training_destroy(training);
}

/* Each seed changes what it is the seed of and nothing else: dropout, region leak and the gate's
 * noise are of the noise seed alone. */
static void test_seeds__each_draws_for_itself(void **state)
{
    static draws base, other;
    for (int moe = 0; moe < 2; moe++) {
        put_back(state);
        cell.model = moe ? esp_model_moe(4, 3, 2) : esp_model_fff(2, 3);
        cell.model.noise = moe;
        cell.model.dropout = 0.3;
        cell.model.region_leak = moe ? 0 : 0.2;
        phases[0].terms[1].weight = phases[1].terms[1].weight = moe ? 0 : 1;
        draw(&base);
        for (int seed = 0; seed < 3; seed++) {
            trial = held_trial;
            *(seed == 0   ? &trial.seed_init
              : seed == 1 ? &trial.seed_order
                          : &trial.seed_noise) = 77;
            draw(&other);
            assert_int_equal(strcmp(base.init, other.init) != 0, seed == 0);
            assert_int_equal(memcmp(base.order, other.order, sizeof base.order) != 0, seed == 1);
            assert_int_equal(memcmp(base.kept, other.kept, sizeof base.kept) != 0, seed == 2);
            assert_int_equal(memcmp(base.leaked, other.leaked, sizeof base.leaked) != 0,
                             seed == 2 && !moe);
            assert_int_equal(memcmp(base.normals, other.normals, sizeof base.normals) != 0,
                             seed == 2 && moe);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_accumulate__is_one_large_batch),
        TEST(test_accumulate__more_than_there_is_takes_all),
        TEST(test_accumulate__drop_last_drops_a_batch_not_a_step),
        TEST(test_clip__bounds_the_step),
        TEST(test_localized__leaves_wait_and_heads_do_not),
        TEST(test_localized__counts_every_batch_and_restarts),
        TEST(test_features__continue_to_the_same_bits),
        TEST(test_features__change_what_is_learned),
        TEST(test_features__allocate_nothing),
        TEST(test_seeds__each_draws_for_itself),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
