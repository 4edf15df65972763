/* hardening: the entropy of the tree's decisions, in nats; driving it down makes soft and hard
 * routing agree.
 *
 *     H(p) = -p log p - (1-p) log(1-p),  p = sigmoid(z)       for one node and one example
 *     d H / d z = -z p (1-p)
 *
 * The term sees p clamped to [clamp, 1 - clamp], as both published codes do at 1e-6: beyond it the
 * value is the constant H(clamp) and the gradient exactly 0. That matters, though H is below 2e-5
 * there: Adam scales a gradient by its own past size, so what is left of -z p (1-p) would still
 * push a decided node on at full steps. It could then hardly turn back, and leaves that lost their
 * examples would stay dead. `clamp: 0` is the formula as printed.
 *
 * p is compared in the element type, as torch.clamp compares it. In float, p near 1 comes in steps
 * of 1.2e-7, so at 1e-6 a node is free for -13.8155 < z < 13.8023; below 6e-8, 1 - clamp is 1 and
 * only small p are clamped. One thing differs: the codes clamp 1-p by itself, and in float p just
 * below clamp, -13.832 < z < -13.8155, they have the slope of -(1-p) log(1-p), 1e-6; here it is 0.
 *
 * All is computed from z with e = exp(-|z|), which never overflows, and q = e/(1+e), the smaller
 * of p and 1-p:  H = log(1+e) + |z| q. So there is no 0 log 0, whatever clamp is.
 *
 * How the entropies of B examples and N nodes become one number is the parameter `reduction`:
 *     mean      1/(B N) sum_b sum_i H      as the published code; each node weakens as trees deepen
 *     node_sum  1/B     sum_b sum_i H
 *     sum               sum_b sum_i H      as printed in the paper; swamps cross entropy
 *     reach     1/B     sum_b sum_i r H,   r = probability of reaching node i: the entropy of c
 * The reach term is computed as the expected entropy E of what lies below a node, bottom up:
 *     E[i] = H[i] + (1-p) E[left] + p E[right],  value = E[0]
 *     d value / d z[i] = r[i] ( -z p (1-p) + p (1-p) (E[right] - E[left]) )
 * Its p is the clamped one everywhere, also as a weight of E and in r: it is the entropy of the
 * mixture that clamped decisions give, and beyond the clamp both parts of the gradient are 0.
 *
 * With a target_entropy t above 0 everything is multiplied by h, which starts at 1 and after each
 * batch of training becomes  h (H/t)^adaptation_rate,  H the mean over that batch and all nodes: it
 * grows while nodes are less decided than t and vanishes after, so that they are not pushed much
 * beyond (nothing pulls them back; the task alone may decide them further). In the gradient h is a
 * constant. t = 0.10 is what arXiv 2308.14711 takes to be safe to round. The step on log h is the
 * one by which Soft Actor-Critic adapts its temperature, of log H in place of H. In training h and
 * entropy, the H of above, are logged; evaluation measures without h, so that it depends on the
 * network alone.
 *
 * Source: arXiv 2308.14711; arXiv 2405.16836 section 3.2; adaptation: arXiv 1812.05905 section 5.
 */
#include <stdbool.h>
#include <string.h>

#include "espalier_plugin.h"

enum { MEAN, NODE_SUM, SUM, REACH };

typedef struct hardening {
    int32_t reduction;
    double target_entropy, adaptation_rate, clamp;
    double log_h; /* 0 until it adapts */
} hardening;

#define USUAL_RATE      0.01
#define PUBLISHED_CLAMP 1e-6
#define LARGEST_CLAMP   0.499999

static const double largest_log_h = 6.9; /* h stays within 0.001 and 1000 */

/* log(1 + e) for e >= 0, with what rounding 1 + e lost put back; no branch, so that loops over it
 * run as vectors. */
static inline esp_real log_one_plus(esp_real e)
{
    const esp_real u = 1 + e;
    return esp_log(u) + (e - (u - 1)) / u;
}

static inline esp_real magnitude(esp_real z)
{
    return z < 0 ? -z : z;
}

/* Where p is free, and H beyond it. least: the smallest 1 + e whose p, 1/(1 + e), is not above
 * high. */
typedef struct bounds {
    esp_real low, high, least, least_entropy;
} bounds;

static double entropy_of_clamp(double clamp)
{
    return clamp > 0 ? -clamp * log(clamp) - (1 - clamp) * log1p(-clamp) : 0;
}

static bounds bounds_of(double clamp)
{
    const esp_real low = (esp_real)clamp, high = (esp_real)(1 - clamp);
    const esp_real step = sizeof(esp_real) == sizeof(float) ? (esp_real)0x1p-23 : (esp_real)0x1p-52;
    esp_real least = 1 / high;
    while (1 / least > high) {
        least += step;
    }
    while (least > 1 && 1 / (least - step) <= high) {
        least -= step;
    }
    return (bounds){low, high, least, (esp_real)entropy_of_clamp(clamp)};
}

/* In all of these e = exp(-|z|). */
static inline esp_real odds(esp_real z)
{
    return esp_exp(-magnitude(z));
}

/* Whether p < low or p > high, p = e/(1 + e) or 1/(1 + e) as computed in the element type. False
 * for a p that is not a number, so that it shows in value and gradient. */
static inline bool is_clamped(esp_real z, esp_real e, bounds free)
{
    const esp_real found = z < 0 ? e / (1 + e) : 1 + e, bound = z < 0 ? free.low : free.least;
    return found < bound;
}

/* What the term takes p for, or of -z 1-p; accurate where it is small. */
static inline esp_real share(esp_real z, esp_real e, bool clamped, bounds free)
{
    const esp_real own = (z < 0 ? e : 1) / (1 + e), bound = z < 0 ? free.low : free.high;
    return clamped ? bound : own;
}

static inline esp_real entropy(esp_real z, esp_real e, bounds free)
{
    const esp_real own = log_one_plus(e) + magnitude(z) * (e / (1 + e));
    return is_clamped(z, e, free) ? free.least_entropy : own;
}

/* factor d p / d z = factor p (1-p), even in z and accurate where p rounds to 1; 0 beyond the
 * clamp, whatever the factor. */
static inline esp_real slope(esp_real factor, esp_real z, esp_real e, bounds free)
{
    return is_clamped(z, e, free) ? 0 : factor * (e / ((1 + e) * (1 + e)));
}

static double sum_row(const esp_real *row, int count)
{
    double total = 0;
    for (int b = 0; b < count; b++) {
        total += row[b];
    }
    return total;
}

/* Every node counts alike: weight 1/(B N), 1/B or 1. */
static double evaluate_plain(esp_real *restrict total, const esp_batch *batch,
                             const esp_gradients *d, double weight, bounds free)
{
    const int n_examples = batch->n_examples;
    const esp_real w = (esp_real)weight;
    for (int b = 0; b < n_examples; b++) {
        total[b] = 0;
    }
    for (int i = 0; i < batch->dims->n_nodes; i++) {
        const esp_real *restrict z = batch->scores + (size_t)i * batch->stride;
        if (!d) {
            for (int b = 0; b < n_examples; b++) {
                total[b] += entropy(z[b], odds(z[b]), free);
            }
            continue;
        }
        esp_real *restrict dz = d->scores + (size_t)i * batch->stride;
        for (int b = 0; b < n_examples; b++) {
            const esp_real e = odds(z[b]);
            total[b] += entropy(z[b], e, free);
            dz[b] -= slope(w * z[b], z[b], e, free);
        }
    }
    return weight * sum_row(total, n_examples);
}

/* expected (N, B) overwritten with E, bottom up; children of node i are 2i+1 and 2i+2. */
static void expect_entropies(esp_real *expected, const esp_batch *batch, bounds free)
{
    const int n_nodes = batch->dims->n_nodes;
    const size_t stride = (size_t)batch->stride;
    for (int i = n_nodes - 1; i >= 0; i--) {
        const esp_real *restrict z = batch->scores + (size_t)i * stride;
        esp_real *restrict own = expected + (size_t)i * stride;
        for (int b = 0; b < batch->n_examples; b++) {
            own[b] = entropy(z[b], odds(z[b]), free);
        }
        if (2 * i + 2 < n_nodes) {
            const esp_real *restrict left = expected + (size_t)(2 * i + 1) * stride;
            const esp_real *restrict right = left + stride;
            for (int b = 0; b < batch->n_examples; b++) {
                const esp_real e = odds(z[b]);
                const bool clamped = is_clamped(z[b], e, free);
                own[b] += share(-z[b], e, clamped, free) * left[b] +
                          share(z[b], e, clamped, free) * right[b];
            }
        }
    }
}

/* reach (N, B) overwritten, top down, while the gradient is added. */
static void add_reach_gradient(esp_real *dz, esp_real *reach, const esp_real *expected,
                               const esp_batch *batch, esp_real h, bounds free)
{
    const int n_examples = batch->n_examples, n_nodes = batch->dims->n_nodes;
    const size_t stride = (size_t)batch->stride;
    for (int b = 0; b < n_examples; b++) {
        reach[b] = h / (esp_real)n_examples; /* the mean over the batch */
    }
    for (int i = 0; i < n_nodes; i++) {
        const esp_real *restrict z = batch->scores + (size_t)i * stride;
        const esp_real *restrict r = reach + (size_t)i * stride;
        esp_real *restrict row = dz + (size_t)i * stride;
        for (int b = 0; b < n_examples; b++) {
            row[b] -= slope(r[b] * z[b], z[b], odds(z[b]), free);
        }
        if (2 * i + 2 < n_nodes) {
            const size_t below = (size_t)(2 * i + 1) * stride;
            const esp_real *restrict left = expected + below;
            esp_real *restrict reach_left = reach + below;
            for (int b = 0; b < n_examples; b++) {
                const esp_real e = odds(z[b]);
                const bool clamped = is_clamped(z[b], e, free);
                row[b] += slope(r[b] * (left[stride + b] - left[b]), z[b], e, free);
                reach_left[stride + b] = r[b] * share(z[b], e, clamped, free);
                reach_left[b] = r[b] * share(-z[b], e, clamped, free);
            }
        }
    }
}

/* Logs, and moves log_h for the next batch; h: of this one. */
static void adapt(hardening *self, const esp_host *host, const esp_batch *batch, double h)
{
    const int n_examples = batch->n_examples, n_nodes = batch->dims->n_nodes;
    const bounds free = bounds_of(self->clamp);
    double mean = 0;
    for (int i = 0; i < n_nodes; i++) {
        const esp_real *z = batch->scores + (size_t)i * batch->stride;
        for (int b = 0; b < n_examples; b++) {
            mean += entropy(z[b], odds(z[b]), free);
        }
    }
    mean /= (double)n_examples * n_nodes;
    host->log(host, "h", h * n_examples, n_examples);
    host->log(host, "entropy", mean * n_examples, n_examples);
    const double ratio = fmax(mean, 1e-6) / self->target_entropy;
    const double next = self->log_h + self->adaptation_rate * log(ratio);
    self->log_h = fmax(-largest_log_h, fmin(largest_log_h, next));
}

static int evaluate(void *state, const esp_host *host, const esp_batch *batch,
                    const esp_gradients *d, double *value)
{
    hardening *self = (hardening *)state;
    const int n_examples = batch->n_examples, n_nodes = batch->dims->n_nodes;
    const size_t bytes = sizeof(esp_real) * (size_t)batch->stride * (size_t)n_nodes;
    *value = 0;
    if (n_nodes == 0) {
        return 0; /* depth 0: nothing is decided */
    }
    const bounds free = bounds_of(self->clamp);
    const bool adapts = self->target_entropy > 0 && batch->mode == ESP_TRAINING;
    const double h = adapts ? exp(self->log_h) : 1;
    if (adapts) {
        adapt(self, host, batch, h);
    }
    if (self->reduction == REACH) {
        esp_real *expected = (esp_real *)host->scratch(host, bytes);
        expect_entropies(expected, batch, free);
        *value = h * sum_row(expected, n_examples) / n_examples;
        if (d) {
            esp_real *reach = (esp_real *)host->scratch(host, bytes);
            add_reach_gradient(d->scores, reach, expected, batch, (esp_real)h, free);
        }
        return 0;
    }
    const double weight = self->reduction == SUM        ? 1.0
                          : self->reduction == NODE_SUM ? 1.0 / n_examples
                                                        : 1.0 / ((double)n_examples * n_nodes);
    esp_real *total = (esp_real *)host->scratch(host, sizeof(esp_real) * (size_t)n_examples);
    *value = evaluate_plain(total, batch, d, h * weight, free);
    return 0;
}

static int create(void *state, const esp_host *host, const esp_dims *dims)
{
    const hardening *self = (const hardening *)state;
    if (dims->routing != ESP_ROUTING_TREE) {
        return host->fail(host, "needs a model whose nodes decide softly (kind: fff); give it "
                                "weight 0 or leave it out for others");
    }
    if (self->target_entropy == 0 && self->adaptation_rate != USUAL_RATE) {
        return host->fail(host,
                          "adaptation_rate does nothing without target_entropy; set that too, "
                          "or leave both out");
    }
    if (self->target_entropy > 0 && self->target_entropy < entropy_of_clamp(self->clamp)) {
        return host->fail(
            host,
            "target_entropy is below %.3g nats, the entropy that clamp leaves a node; "
            "lower clamp or raise target_entropy",
            entropy_of_clamp(self->clamp));
    }
    return 0;
}

/* Nothing where h never adapted: such states are what they were before there was a target. */
static size_t save(const void *state, void *bytes)
{
    const hardening *self = (const hardening *)state;
    if (self->log_h == 0) {
        return 0;
    }
    if (bytes) {
        memcpy(bytes, &self->log_h, sizeof self->log_h);
    }
    return sizeof self->log_h;
}

static int load(void *state, const esp_host *host, const void *bytes, size_t size)
{
    hardening *self = (hardening *)state;
    if (size != sizeof self->log_h) {
        return host->fail(host, "%zu bytes of saved state in place of %zu", size,
                          sizeof self->log_h);
    }
    memcpy(&self->log_h, bytes, size);
    return 0;
}

static const char *const reductions[] = {"mean", "node_sum", "sum", "reach", NULL};

static const esp_param params[] = {
    {.name = "reduction",
     .help = "how node entropies become one number: over batch and nodes, or weighted by reach",
     .type = ESP_PARAM_CHOICE,
     .offset = offsetof(hardening, reduction),
     .default_value = MEAN,
     .choices = reductions},
    {.name = "target_entropy",
     .help = "mean node entropy in nats; a factor h adapts until it is reached; 0: no factor",
     .type = ESP_PARAM_REAL,
     .offset = offsetof(hardening, target_entropy),
     .default_value = 0,
     .minimum = 0,
     .maximum = 0.6931471805599453},
    {.name = "adaptation_rate",
     .help = "each batch multiplies h by (entropy / target) to this power",
     .type = ESP_PARAM_REAL,
     .offset = offsetof(hardening, adaptation_rate),
     .default_value = USUAL_RATE,
     .minimum = 0,
     .maximum = 1},
    {.name = "clamp",
     .help = "no gradient where p is outside clamp..1-clamp, as in the published codes; 0: as "
             "printed",
     .type = ESP_PARAM_REAL,
     .offset = offsetof(hardening, clamp),
     .default_value = PUBLISHED_CLAMP,
     .minimum = 0,
     .maximum = LARGEST_CLAMP},
};

static const esp_loss_ops ops = {
    .struct_size = sizeof ops,
    .needs = ESP_SCORES,
    .evaluate = evaluate,
};

ESP_EXPORT const esp_plugin espalier_plugin = {
    ESP_PLUGIN_HEADER,
    .kind = ESP_LOSS,
    .role = ESP_ROUTING,
    .name = "hardening",
    .version = "2",
    .summary = "entropy of the tree's decisions, in nats; 0 when soft and hard routing agree",
    .source =
        "arXiv:2308.14711; arXiv:2405.16836, section 3.2; adaptation: arXiv:1812.05905, section 5",
    .cost = "O(B N), two exps and one log an element",
    .state_size = sizeof(hardening),
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .loss = &ops,
    .create = create,
    .save = save,
    .load = load,
};
