/* espalier_plugin.h: everything a plugin sees of espalier, and all it needs.
 *
 * A plugin is one shared object that exports one constant,
 *
 *     const esp_plugin espalier_plugin = {ESP_PLUGIN_HEADER, .kind = ESP_LOSS, .name = "mine",
 * ...};
 *
 * It is a loss term or a head. Plugins MUST NOT keep mutable globals, link the framework or start
 * threads, and MUST leave the process and the thread as they found them: locale, rounding, folder,
 * umask, signals. One instance belongs to one trial and is only ever called by that trial's thread.
 *
 * Dimensions: B examples in this batch, F input features, O outputs (classes), N tree nodes,
 * L leaves, K choices an example (1 for a tree), H hidden units of a head.
 * Every batch array is stored with the EXAMPLE INDEX FASTEST: element (j, b) of an array "(N, B)"
 * is at [j * stride + b], 0 <= b < B <= stride, so that the inner loop of a term is a plain loop
 * over examples. stride is a multiple of 16 and arrays are 64-byte aligned; MUST NOT touch b >= B.
 * Losses are in nats; probabilities and shares are fractions.
 *
 * Growth: structs start with their size and only ever gain members at the end; a plugin reads a
 * member that is newer than version 1 only where struct_size covers it.
 */
#ifndef ESPALIER_PLUGIN_H
#define ESPALIER_PLUGIN_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The element type of every array: float, or double when built with -DESP_REAL=double (used to
 * check gradients). Host and plugin MUST agree; the tag below makes sure of it. */
#ifndef ESP_REAL
#define ESP_REAL float
#endif
typedef ESP_REAL esp_real;

#define ESP_ABI_VERSION   1u
#define ESP_ABI_TAG       (0x45530000u | (ESP_ABI_VERSION << 8) | (uint32_t)sizeof(esp_real))
#define ESP_PLUGIN_HEADER .abi = ESP_ABI_TAG, .struct_size = (uint32_t)sizeof(esp_plugin)
#define ESP_PLUGIN_SYMBOL "espalier_plugin"

#if defined(__GNUC__) || defined(__clang__)
#define ESP_EXPORT __attribute__((visibility("default")))
#else
#define ESP_EXPORT
#endif

/* glibc's libmvec holds vector versions of these: saying so lets the compiler use them in a loop
 * over examples, without -ffast-math (which would silence the checks for NaN). */
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__) &&       \
    !defined(__cplusplus)
__attribute__((simd("notinbranch"))) float expf(float);
__attribute__((simd("notinbranch"))) float logf(float);
__attribute__((simd("notinbranch"))) double exp(double);
__attribute__((simd("notinbranch"))) double log(double);
#endif
static inline esp_real esp_exp(esp_real x)
{
    return sizeof(esp_real) == sizeof(float) ? (esp_real)expf((float)x) : (esp_real)exp((double)x);
}
static inline esp_real esp_log(esp_real x)
{
    return sizeof(esp_real) == sizeof(float) ? (esp_real)logf((float)x) : (esp_real)log((double)x);
}

typedef enum esp_kind { ESP_LOSS = 1, ESP_HEAD = 2 } esp_kind;

/* What a loss term is for. Task terms make up soft_loss and hard_loss; routing terms only shape how
 * examples are sent to leaves; penalties only keep parameters in bounds. */
typedef enum esp_role { ESP_TASK = 1, ESP_ROUTING = 2, ESP_PENALTY = 3 } esp_role;

typedef enum esp_mode { ESP_TRAINING = 1, ESP_EVALUATION = 2 } esp_mode;

/* How the model routes. TREE: z, p [N], c [L]. GATE: z = clean logits [L], p NULL, c [L].
 * NODES: z [N], p and c NULL. NONE: no routing view at all. */
typedef enum esp_routing {
    ESP_ROUTING_NONE = 0,
    ESP_ROUTING_TREE = 1,
    ESP_ROUTING_GATE = 2,
    ESP_ROUTING_NODES = 3
} esp_routing;

/* ---- parameters: a table is the schema; the host fills the state from the study ------------- */

typedef enum esp_param_type {
    ESP_PARAM_REAL = 1,    /* double at offset */
    ESP_PARAM_INTEGER = 2, /* int64_t at offset */
    ESP_PARAM_BOOLEAN = 3, /* int32_t at offset, 0 or 1 */
    ESP_PARAM_CHOICE = 4   /* int32_t at offset, an index into choices */
} esp_param_type;

typedef struct esp_param {
    const char *name;           /* as written in a study: lower case, a-z 0-9 _ */
    const char *help;           /* one line, with the unit where there is one */
    esp_param_type type;        /* */
    uint32_t offset;            /* offsetof(state, member) */
    double default_value;       /* choice: the index */
    double minimum, maximum;    /* both included; ignored for booleans and choices */
    const char *const *choices; /* NULL-terminated; choices only */
} esp_param;

/* ---- what the host offers; every function: thread: the trial's, only during a call ---------- */

typedef struct esp_host esp_host;
struct esp_host {
    uint32_t struct_size;
    /* Adds to this epoch's metric <plugin>.<key>; the report divides sum by weight once, at the
     * epoch's end. key: lower case, a-z 0-9 _; at most 48 keys. */
    void (*log)(const esp_host *host, const char *key, double sum, double weight);
    /* Ends the trial as failed with a message; returns non-zero, so: return host->fail(...). */
    int (*fail)(const esp_host *host, const char *format, ...);
    /* 64-byte aligned memory, contents undefined, valid until this call of the plugin returns. */
    void *(*scratch)(const esp_host *host, size_t bytes);
    /* Uniform in [0, 1) from this trial's noise stream. */
    double (*uniform)(const esp_host *host);
};

/* The model around the plugin; fixed for the life of an instance, but for batch_size, which a study
 * may change from phase to phase: read it where it is used. */
typedef struct esp_dims {
    uint32_t struct_size;
    esp_routing routing;
    int32_t n_features; /* F */
    int32_t n_outputs;  /* O */
    int32_t n_nodes;    /* N */
    int32_t n_leaves;   /* L; 1 where nothing routes */
    int32_t n_choices;  /* K */
    int32_t depth;
    int32_t leaf_width; /* hidden units of one leaf */
    int32_t batch_size; /* B as configured; the last batch of an epoch may be shorter */
} esp_dims;

/* ---- loss terms ----------------------------------------------------------------------------- */

/* The views a term reads. The host computes and carries back gradients only of these. */
enum {
    ESP_LOGITS = 1u << 0,
    ESP_SCORES = 1u << 1,
    ESP_PROBABILITIES = 1u << 2,
    ESP_MIXTURE = 1u << 3,
    ESP_CHOICES = 1u << 4, /* always constants: no gradient flows through them */
    ESP_LOAD = 1u << 5,
    ESP_PARAMETERS = 1u << 6
};

typedef enum esp_group { ESP_GROUP_NODES = 1, ESP_GROUP_LEAVES = 2, ESP_GROUP_HEADS = 3 } esp_group;

/* A run of trainable parameters of one group, for penalties. */
typedef struct esp_span {
    esp_group group;
    int32_t is_bias;
    int64_t count;
    const esp_real *values; /* [count] */
} esp_span;

typedef struct esp_batch {
    uint32_t struct_size;
    esp_mode mode;      /* state MUST change in ESP_TRAINING only */
    int32_t n_examples; /* B */
    int32_t stride;     /* between rows, in elements */
    int32_t epoch;      /* from 1 through all phases; 0: the untrained network */
    int64_t step;       /* optimizer steps done so far in this trial */
    const esp_dims *dims;
    const int32_t *labels;         /* (B) in [0, O) */
    const esp_real *logits;        /* y (O, B) */
    const esp_real *scores;        /* z (N, B) */
    const esp_real *probabilities; /* p (N, B), the weight of the right child; NULL: see routing */
    const esp_real *mixture;       /* c (L, B), sums to 1 over L; NULL: see routing */
    const int32_t *choices;        /* (K, B) hard choices, each in [0, L) */
    const esp_real *load;          /* (L) differentiable load estimate of a gate, else NULL */
    int32_t n_spans;               /* with ESP_PARAMETERS */
    const esp_span *spans;
} esp_batch;

/* Partial derivatives of the term's value, same shapes as the views; zero on entry. A term ADDS to
 * those it needs (others are NULL) and leaves weight and schedule to the host. */
typedef struct esp_gradients {
    uint32_t struct_size;
    esp_real *logits, *scores, *probabilities, *mixture, *load;
    esp_real *const *spans; /* one array per span */
} esp_gradients;

typedef struct esp_loss_ops {
    uint32_t struct_size;
    uint32_t needs;      /* which views, ESP_LOGITS | ... */
    uint32_t held_fixed; /* views that the term reads but stops the gradient of on purpose */
    /* The unweighted value of this batch, usually a mean over examples. d is NULL when only the
     * value is wanted. Returns 0, or what host->fail returned. */
    int (*evaluate)(void *state, const esp_host *host, const esp_batch *batch,
                    const esp_gradients *d, double *value);
    /* Optional. After each optimizer step in which the term has a weight: counts [L] of the step's
     * hard choices; may move the routing bias [L], which is used for choosing only (balancing
     * without gradients). L is what create was told. Only a gate has such a bias: a study is told
     * so for other models. */
    int (*after_step)(void *state, const esp_host *host, const int64_t *counts,
                      esp_real *routing_bias);
} esp_loss_ops;

/* ---- heads: add to or change the logits, with weights of their own -------------------------- */

#define ESP_MAX_TENSORS 8

/* A tensor of the head besides its projections of the input. */
typedef struct esp_tensor_decl {
    const char *name; /* in checkpoints */
    int32_t rank;     /* 0 for a scalar */
    int32_t shape[4];
    double center; /* initial values: uniform in [center - bound, center + bound) */
    double bound;
    int32_t trainable;
} esp_tensor_decl;

/* Filled by declare(). The head's H projections of the input, w [H x F] and b [H], are fused by the
 * host into the model's one product; they start uniform within 1/sqrt(F) and are stored in
 * checkpoints as [1 x F x H] and [1 x H] under the two names. */
typedef struct esp_head_decl {
    uint32_t struct_size;
    int32_t n_hidden; /* H */
    const char *projection_weight_name, *projection_bias_name;
    int32_t n_tensors;
    esp_tensor_decl tensors[ESP_MAX_TENSORS];
    double inference_macs; /* multiply-adds an example, projections included */
    /* Bit i: tensors[i] is a bias, which penalties on parameters leave out unless asked for. Newer
     * than the first release: set it where struct_size covers it. */
    uint32_t biases;
} esp_head_decl;

typedef struct esp_head_batch {
    uint32_t struct_size;
    esp_mode mode;
    int32_t n_examples, stride;
    const esp_dims *dims;
    const int32_t *labels;          /* (B) */
    const esp_real *hidden;         /* (H, B) projections of the input, bias added, no activation */
    const esp_real *input;          /* (O, B) logits of the model or of the head before */
    const esp_real *const *tensors; /* as declared */
    /* What `input` costs at inference, in multiply-adds an example: one path through the model, and
     * the heads before. Newer than the first release: read it where struct_size covers it. */
    double input_macs;
} esp_head_batch;

typedef struct esp_head_gradients {
    uint32_t struct_size;
    const esp_real *output;   /* (O, B) gradient at the head's output */
    esp_real *input;          /* (O, B) overwrite */
    esp_real *hidden;         /* (H, B) overwrite */
    esp_real *const *tensors; /* add */
} esp_head_gradients;

typedef struct esp_head_ops {
    uint32_t struct_size;
    /* Called once, before memory is laid out. Depends on state and dims alone. */
    int (*declare)(void *state, const esp_host *host, const esp_dims *dims, esp_head_decl *decl);
    /* output (O, B) overwrite. Called on soft and on hard logits alike. */
    int (*forward)(void *state, const esp_host *host, const esp_head_batch *batch,
                   esp_real *output);
    /* Follows forward on the same batch. */
    int (*backward)(void *state, const esp_host *host, const esp_head_batch *batch,
                    const esp_head_gradients *d);
    /* Optional. In evaluation, on hard logits, after forward: may log. */
    int (*evaluate)(void *state, const esp_host *host, const esp_head_batch *batch,
                    const esp_real *output);
} esp_head_ops;

/* ---- the descriptor ------------------------------------------------------------------------- */

typedef struct esp_plugin {
    uint32_t abi;         /* ESP_ABI_TAG */
    uint32_t struct_size; /* sizeof(esp_plugin) */
    esp_kind kind;
    esp_role role;       /* losses; ESP_TASK for heads */
    const char *name;    /* lower case, a-z 0-9 _ */
    const char *version; /* part of a trial's identity: raise it when results change */
    const char *summary; /* one line */
    const char *source;  /* paper and equation, or "none" */
    const char *cost;    /* in words, e.g. "O(B N), one exp an element" */
    size_t state_size;   /* bytes the host allocates, zeroed, before it fills the parameters */
    const esp_param *params;
    uint32_t n_params;
    const esp_loss_ops *loss; /* one of these two */
    const esp_head_ops *head;
    /* Optional. After the parameters are filled: checks them together, prepares the state. Called
     * once; a phase of a study may fill in other parameters later, so operations MUST read
     * parameters where they use them. */
    int (*create)(void *state, const esp_host *host, const esp_dims *dims);
    void (*destroy)(void *state);
    /* Both or none. Needed where training changes the state, so that a resumed trial is exact.
     * save returns the size in bytes and writes them where bytes is not NULL. */
    size_t (*save)(const void *state, void *bytes);
    int (*load)(void *state, const esp_host *host, const void *bytes, size_t size);
} esp_plugin;

/* Plugins define this. */
extern ESP_EXPORT const esp_plugin espalier_plugin;

#ifdef __cplusplus
}
#endif
#endif
