#include "run/bench_layer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/status.h"
#include "nn/activation.h"
#include "nn/blas.h"

/* ---- memory ------------------------------------------------------------------------------------
 */

static size_t padded(size_t count)
{
    return (count * sizeof(esp_real) + ESP_ALIGNMENT - 1) & ~(size_t)(ESP_ALIGNMENT - 1);
}

/* Values in +-bound that depend on their place alone (the finalizer of MurmurHash3), fast enough
 * for gigabytes. */
static void draw(esp_real *out, size_t count, double bound, uint32_t seed)
{
    const float scale = (float)(bound / 2147483648.0);
    for (size_t i = 0; i < count; i++) {
        uint32_t h = (uint32_t)i ^ (uint32_t)(i >> 32) * 0x9E3779B9u ^ seed;
        h = (h ^ h >> 16) * 0x85EBCA6Bu;
        h = (h ^ h >> 13) * 0xC2B2AE35u;
        h ^= h >> 16;
        out[i] = (esp_real)((float)(int32_t)h * scale);
    }
}

/* Takes arrays out of a block: once to measure it, once for real. */
static const esp_real *take(esp_bench_block *b, size_t *used, size_t count, double bound)
{
    esp_real *values = b->base != NULL ? (esp_real *)(void *)((char *)b->base + *used) : NULL;
    if (values != NULL) {
        draw(values, count, bound, (uint32_t)*used * 0x61C88647u);
    }
    *used += padded(count);
    return values;
}

static size_t lay_out(esp_bench_block *b)
{
    const esp_bench_layer *layer = b->layer;
    const esp_model_config *model = &layer->model;
    const size_t features = (size_t)layer->n_features, outputs = (size_t)layer->n_outputs;
    const size_t hidden = (size_t)esp_model_hidden(model), leaves = (size_t)model->n_leaves;
    const size_t dense = (size_t)layer->dense_width;
    const bool neurons = model->kind == ESP_MODEL_FFF_NODES, moe = model->kind == ESP_MODEL_MOE;
    const size_t router = neurons ? 0 : (size_t)esp_model_scores(model);
    const double in = 1 / sqrt((double)features), out = 1 / sqrt((double)model->leaf_width);
    size_t used = 0;
    b->weights = (esp_inference_weights){
        .router = router > 0 ? take(b, &used, router * features, in) : NULL,
        .router_biases = router > 0 && !moe ? take(b, &used, router, in) : NULL,
        .first = take(b, &used, hidden * features, in),
        .first_biases = take(b, &used, hidden, in),
        .second = take(b, &used, hidden * outputs, out),
        .second_biases = neurons ? NULL : take(b, &used, leaves * outputs, out)};
    const bool same = hidden == dense;
    b->dense_first = same ? b->weights.first : take(b, &used, dense * features, in);
    b->dense_second = same ? b->weights.second : take(b, &used, dense * outputs, out);
    b->x = (esp_real *)(uintptr_t)take(b, &used, (size_t)b->n_examples * features, sqrt(3));
    return used;
}

double esp_bench_layer_bytes(const esp_bench_layer *layer, int n_examples, int batch, int n_threads)
{
    esp_bench_block b = {.layer = layer, .n_examples = n_examples};
    const double worker = (double)batch * (layer->dense_width + 2.0 * layer->n_outputs);
    return (double)lay_out(&b) + worker * n_threads * (double)sizeof(esp_real);
}

/* In large pages where there are any, as whoever serves a layer would. */
static int map(void **out, size_t bytes)
{
    void *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) {
        return esp_fail(ESP_MEMORY, "no memory for %.1f GB of a layer", 1e-9 * (double)bytes);
    }
    madvise(base, bytes, MADV_HUGEPAGE);
    *out = base;
    return ESP_OK;
}

int esp_bench_block_open(esp_bench_block *out, const esp_bench_layer *layer, int n_examples)
{
    *out = (esp_bench_block){.layer = layer, .n_examples = n_examples};
    out->bytes = lay_out(out);
    ESP_TRY(map(&out->base, out->bytes));
    lay_out(out);
    return ESP_OK;
}

void esp_bench_block_close(esp_bench_block *block)
{
    if (block->base != NULL) {
        munmap(block->base, block->bytes);
    }
    block->base = NULL;
}

static size_t worker_arrays(esp_bench_worker *w, char *base)
{
    const esp_bench_layer *layer = w->block->layer;
    const size_t n = (size_t)w->batch, outputs = padded(n * (size_t)layer->n_outputs);
    const size_t hidden = padded(n * (size_t)layer->dense_width);
    if (base != NULL) {
        w->outputs = (esp_real *)(void *)base;
        w->dense_outputs = (esp_real *)(void *)(base + outputs);
        w->hidden = (esp_real *)(void *)(base + 2 * outputs);
        w->choices = (int32_t *)(void *)(base + 2 * outputs + hidden);
    }
    return 2 * outputs + hidden +
           sizeof(int32_t) * n * (size_t)(1 + esp_model_choices(&layer->model));
}

int esp_bench_worker_open(esp_bench_worker *out, const esp_bench_block *block, int batch)
{
    const esp_bench_layer *layer = block->layer;
    void *base = NULL;
    *out = (esp_bench_worker){.block = block, .batch = batch};
    ESP_TRY(map(&base, worker_arrays(out, NULL)));
    worker_arrays(out, base);
    return esp_inference_create(&out->inference, &layer->model, layer->n_features, layer->n_outputs,
                                batch, &block->weights);
}

void esp_bench_worker_close(esp_bench_worker *worker)
{
    esp_inference_destroy(worker->inference);
    if (worker->outputs != NULL) {
        munmap(worker->outputs, worker_arrays(worker, NULL));
    }
    *worker = (esp_bench_worker){0};
}

/* ---- what is timed -----------------------------------------------------------------------------
 */

static const esp_real *examples(const esp_bench_worker *w, int first)
{
    return w->block->x + (ptrdiff_t)first * w->block->layer->n_features;
}

void esp_bench_layer_infer(esp_bench_worker *worker, int first)
{
    esp_infer(worker->outputs, worker->choices, worker->inference, examples(worker, first),
              worker->batch);
}

void esp_bench_layer_multiply(esp_bench_worker *w, int first)
{
    const esp_bench_layer *layer = w->block->layer;
    const int features = layer->n_features, outputs = layer->n_outputs, width = layer->dense_width;
    const esp_real *x = examples(w, first), *in = w->block->dense_first;
    const esp_real *out = w->block->dense_second;
    if (w->batch == 1) {
        esp_matvec(w->hidden, false, in, x, width, features);
        esp_matvec(w->dense_outputs, true, out, w->hidden, width, outputs);
    } else if (w->by_column) {
        esp_matmul(w->hidden, w->batch, false, in, features, true, x, features, 0, width, w->batch,
                   features);
        esp_matmul(w->dense_outputs, w->batch, true, out, outputs, false, w->hidden, w->batch, 0,
                   outputs, w->batch, width);
    } else {
        esp_matmul(w->hidden, width, false, x, features, true, in, features, 0, w->batch, width,
                   features);
        esp_matmul(w->dense_outputs, outputs, false, w->hidden, width, false, out, outputs, 0,
                   w->batch, outputs, width);
    }
}

/* ---- the masked evaluation ---------------------------------------------------------------------
 */

typedef struct masked {
    const esp_bench_worker *worker;
    int n, step;                             /* examples 0, step, 2 step, ... */
    int n_scores, n_hidden, n_choices;       /* columns below */
    esp_real *x, *scores, *hidden, *outputs; /* [n x F], [n x N], [n x H], [n x O] */
    bool differs[ESP_BENCH_CHECKED];         /* went another way, within rounding */
} masked;

static int open_masked(masked *m, const esp_bench_worker *worker, int first)
{
    const esp_bench_layer *layer = worker->block->layer;
    *m = (masked){.worker = worker,
                  .n = worker->batch < ESP_BENCH_CHECKED ? worker->batch : ESP_BENCH_CHECKED,
                  .n_scores = esp_model_scores(&layer->model),
                  .n_hidden = esp_model_hidden(&layer->model),
                  .n_choices = esp_model_choices(&layer->model)};
    m->step = worker->batch / m->n;
    const size_t n = (size_t)m->n, features = (size_t)layer->n_features;
    m->x = malloc(sizeof *m->x * n * features);
    m->scores = malloc(sizeof *m->scores * (n * (size_t)m->n_scores + 1));
    m->hidden = malloc(sizeof *m->hidden * n * (size_t)m->n_hidden);
    m->outputs = calloc(n * (size_t)layer->n_outputs, sizeof *m->outputs);
    if (!m->x || !m->scores || !m->hidden || !m->outputs) {
        return esp_fail(ESP_MEMORY, "no memory to check outputs");
    }
    for (size_t i = 0; i < n; i++) {
        memcpy(m->x + i * features, examples(worker, first + (int)i * m->step),
               sizeof *m->x * features);
    }
    return ESP_OK;
}

static void close_masked(masked *m)
{
    free(m->x);
    free(m->scores);
    free(m->hidden);
    free(m->outputs);
}

/* All scores and hidden units, with their biases. */
static void project_all(masked *m)
{
    const esp_bench_layer *layer = m->worker->block->layer;
    const esp_inference_weights *w = &m->worker->block->weights;
    const int features = layer->n_features, hidden = m->n_hidden;
    esp_matmul(m->hidden, hidden, false, m->x, features, true, w->first, features, 0, m->n, hidden,
               features);
    for (int i = 0; i < m->n * hidden; i++) {
        m->hidden[i] += w->first_biases[i % hidden];
    }
    if (w->router == NULL) { /* neurons are their own scores */
        memcpy(m->scores, m->hidden, sizeof *m->scores * (size_t)m->n * (size_t)m->n_scores);
    } else {
        esp_matmul(m->scores, m->n_scores, false, m->x, features, true, w->router, features, 0,
                   m->n, m->n_scores, features);
        for (int i = 0; w->router_biases != NULL && i < m->n * m->n_scores; i++) {
            m->scores[i] += w->router_biases[i % m->n_scores];
        }
    }
    for (int i = 0; i < m->n * hidden; i++) {
        const esp_real h = m->hidden[i];
        m->hidden[i] = layer->model.activation == ESP_GELU ? h * esp_normal_cdf(h) : h > 0 ? h : 0;
    }
}

/* Where a tree sends an example, by its scores. *margin: how near the nearest of them is to 0. */
static int descend(const esp_real *scores, int depth, bool neurons, double *margin)
{
    int node = 0;
    for (int level = 0; level < depth; level++) {
        const esp_real z = scores[node];
        *margin = fmin(*margin, fabs((double)z));
        node = 2 * node + 1 + (neurons ? z > 0 : z >= 0);
    }
    return node - ((1 << depth) - 1);
}

static int greatest(const esp_real *scores, int n, double *margin)
{
    int best = 0;
    for (int i = 1; i < n; i++) {
        best = scores[i] > scores[best] ? i : best;
    }
    for (int i = 0; i < n; i++) {
        *margin = i != best ? fmin(*margin, (double)(scores[best] - scores[i])) : *margin;
    }
    return best;
}

/* Zeroes what is not on the path of tree `tree`, or not of the one leaf. */
static void mask(const masked *m, esp_real *hidden, int tree, int leaf)
{
    const esp_model_config *model = &m->worker->block->layer->model;
    if (model->kind == ESP_MODEL_FFF_NODES) {
        const int depth = model->depth, nodes = (2 << depth) - 1;
        for (int level = 0; level <= depth; level++) {
            for (int i = 0; i < 1 << level; i++) {
                if (i != leaf >> (depth - level)) {
                    hidden[tree * nodes + (1 << level) - 1 + i] = 0;
                }
            }
        }
        return;
    }
    for (int unit = 0; unit < m->n_hidden; unit++) {
        hidden[unit] = unit / model->leaf_width == leaf ? hidden[unit] : 0;
    }
}

/* One choice of one example. Returns whether the layer made it too, or may have not. */
static int route(masked *m, int i, int k)
{
    const esp_model_config *model = &m->worker->block->layer->model;
    const esp_inference_weights *w = &m->worker->block->weights;
    const esp_real *scores = m->scores + (ptrdiff_t)i * m->n_scores;
    esp_real *hidden = m->hidden + (ptrdiff_t)i * m->n_hidden;
    const int n_outputs = m->worker->block->layer->n_outputs;
    const int32_t found = m->worker->choices[(ptrdiff_t)i * m->step * m->n_choices + k];
    const bool neurons = model->kind == ESP_MODEL_FFF_NODES;
    double margin = INFINITY;
    const int leaf = model->kind == ESP_MODEL_MOE
                         ? greatest(scores, m->n_scores, &margin)
                         : descend(scores + (neurons ? k * ((2 << model->depth) - 1) : 0),
                                   model->depth, neurons, &margin);
    m->differs[i] = m->differs[i] || found != (neurons ? (k << model->depth) + leaf : leaf);
    if (m->differs[i] && !(margin < 1e-4)) {
        return esp_fail(ESP_FAILED, "example %d of a batch of %d chooses %d, not %d", i * m->step,
                        m->worker->batch, (int)found, leaf);
    }
    mask(m, hidden, k, leaf);
    double weight = 1;
    if (model->kind == ESP_MODEL_MOE && model->gate == ESP_GATE_SWITCH) {
        double sum = 0;
        for (int e = 0; e < m->n_scores; e++) {
            sum += exp((double)(scores[e] - scores[leaf]));
        }
        weight = 1 / sum;
        for (int unit = leaf * model->leaf_width; unit < (leaf + 1) * model->leaf_width; unit++) {
            hidden[unit] *= (esp_real)weight;
        }
    }
    for (int o = 0; !neurons && o < n_outputs; o++) {
        m->outputs[(ptrdiff_t)i * n_outputs + o] =
            (esp_real)weight * w->second_biases[(ptrdiff_t)leaf * n_outputs + o];
    }
    return ESP_OK;
}

int esp_bench_layer_check(double *error, const esp_bench_worker *worker, int first)
{
    const int n_outputs = worker->block->layer->n_outputs;
    double difference = 0, norm = 0;
    masked m;
    int status = ESP_OK;
    ESP_TRY_OUT(open_masked(&m, worker, first));
    project_all(&m);
    for (int i = 0; i < m.n; i++) {
        for (int k = 0; k < m.n_choices; k++) {
            ESP_TRY_OUT(route(&m, i, k));
        }
        if (m.n_choices == 0) { /* dense: its one leaf */
            memcpy(m.outputs + (ptrdiff_t)i * n_outputs, worker->block->weights.second_biases,
                   sizeof *m.outputs * (size_t)n_outputs);
        }
    }
    esp_matmul(m.outputs, n_outputs, false, m.hidden, m.n_hidden, false,
               worker->block->weights.second, n_outputs, 1, m.n, n_outputs, m.n_hidden);
    for (int i = 0; i < m.n; i++) {
        const esp_real *y = worker->outputs + (ptrdiff_t)i * m.step * n_outputs;
        for (int o = 0; !m.differs[i] && o < n_outputs; o++) {
            const double expected = (double)m.outputs[(ptrdiff_t)i * n_outputs + o];
            difference += pow((double)y[o] - expected, 2);
            norm += expected * expected;
        }
    }
    *error = norm > 0 ? sqrt(difference / norm) : 0;
    if (!(*error <= 1e-5)) {
        status = esp_fail(ESP_FAILED,
                          "%s: outputs of a batch of %d differ from the masked dense evaluation by "
                          "%.2g of their norm",
                          worker->block->layer->name, worker->batch, *error);
    }
out:
    close_masked(&m);
    return status;
}
