/* Part of check_real.c, which is compiled once for each element type: memory with guards, and a
 * host of its own for one instance. */
#ifndef ESP_PLUGIN_CHECK_REAL_BENCH_H
#define ESP_PLUGIN_CHECK_REAL_BENCH_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "espalier_plugin.h"
#include "plugin/check_real.h"
#include "plugin/params.h"
#include "plugin/process_state.h"

enum { GUARD = 256, GUARD_BYTE = 0xA5, MAX_VARIABLES = 16, MAX_SETTINGS = 128, MAX_KEYS = 48 };

/* About 3e38 as a float, 1e306 as a double: does harm when it is used; as a class or leaf, far out
 * of range. */
enum { PADDING_BYTE = 0x7f };

/* A model a plugin is tried on. */
typedef struct model {
    const char *text;
    esp_dims dims;
    int n_examples, stride;
} model;

/* One choice of parameter values. */
typedef struct setting {
    char text[96];
    double values[32];
} setting;

/* Memory between guards. Constant blocks must come back from a call as they went in; rows of
 * others must come back with their padding untouched. */
typedef struct block {
    struct block *next;
    const char *label;
    size_t bytes, row_bytes, row_stride; /* row_stride 0: no rows */
    unsigned char *base, *payload, *copy;
    unsigned char guard, padding; /* what every byte before and after, and of the padding, is */
    bool is_scratch;
} block;

/* What is varied: an input of the plugin, kept in double (rows, columns) and written to its view.
 * The routing's is the scores z, from which p and c are derived. */
typedef struct variable {
    const char *label;
    int rows, columns, stride;
    double *values;
    esp_real *view, *gradient; /* either may be NULL */
    bool is_free;              /* whether its gradient is checked */
} variable;

typedef enum outcome { GOOD, DECLINED, BAD } outcome;

typedef struct bench {
    esp_host host;
    const esp_plugin *plugin;
    const model *model;
    const setting *setting;
    esp_check_progress *progress; /* NULL in threads */
    char reason[1024];
    block *blocks;
    unsigned char guard; /* of blocks to come */
    void *state;
    bool is_started;
    uint64_t random; /* the noise stream's position */
    char failure[512];
    char keys[MAX_KEYS][48];
    double sums[MAX_KEYS];
    int n_keys;
    variable variables[MAX_VARIABLES];
    int n_variables;
    /* of a loss */
    bool has_value; /* was not 0 in some call */
    esp_batch batch;
    esp_gradients gradients;
    esp_span spans[4];
    esp_real *span_gradients[4];
    int32_t *labels, *choices;
    esp_real *probabilities, *mixture, *d_probabilities, *d_mixture;
    variable *scores, *load; /* NULL where nothing routes; where there is none */
    int64_t *counts;
    esp_real *routing_bias;
    /* of a head */
    esp_head_decl decl;
    esp_head_batch head_batch;
    esp_head_gradients head_gradients;
    const esp_real *tensors[ESP_MAX_TENSORS];
    esp_real *tensor_gradients[ESP_MAX_TENSORS];
    esp_real *output, *d_output;
} bench;

/* ---- saying what is wrong ----------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static bool refuse(bench *b, const char *format, ...)
{
    if (!b->reason[0]) {
        va_list arguments;
        va_start(arguments, format);
        int used = vsnprintf(b->reason, sizeof b->reason, format, arguments);
        va_end(arguments);
        if (used > 0 && (size_t)used < sizeof b->reason) {
            snprintf(b->reason + used, sizeof b->reason - (size_t)used, " [%s; %s]", b->model->text,
                     b->setting->text);
        }
    }
    return false;
}

static void say_stage(bench *b, const char *what)
{
    if (b->progress) {
        snprintf(b->progress->stage, sizeof b->progress->stage, "%s [%s; %s]", what, b->model->text,
                 b->setting->text);
    }
}

/* ---- random numbers of the check (splitmix64, Steele et al., OOPSLA 2014) ------------------ */

static uint64_t draw_bits(uint64_t *position)
{
    uint64_t z = (*position += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static double draw(uint64_t *position)
{
    return (double)(draw_bits(position) >> 11) * 0x1p-53;
}

/* ---- memory ------------------------------------------------------------------------------- */

static size_t whole_bytes(size_t bytes)
{
    return (bytes + 2 * GUARD + 63) / 64 * 64;
}

/* Fills all of a block that is not its payload. */
static void surround(block *b, unsigned char guard, unsigned char padding)
{
    b->guard = guard;
    b->padding = padding;
    memset(b->base, guard, GUARD);
    memset(b->payload + b->bytes, guard, whole_bytes(b->bytes) - GUARD - b->bytes);
    for (size_t row = 0; b->row_stride && row < b->bytes; row += b->row_stride) {
        memset(b->payload + row + b->row_bytes, padding, b->row_stride - b->row_bytes);
    }
}

static block *take_block(bench *b, const char *label, size_t bytes)
{
    size_t whole = whole_bytes(bytes);
    block *made = calloc(1, sizeof *made);
    unsigned char *base = aligned_alloc(64, whole);
    if (!made || !base) {
        abort(); /* the parent reports it */
    }
    memset(base, b->guard, whole);
    *made = (block){.next = b->blocks,
                    .label = label,
                    .bytes = bytes,
                    .base = base,
                    .payload = base + GUARD,
                    .guard = b->guard,
                    .padding = b->guard};
    b->blocks = made;
    return made;
}

/* Zeroed values whose padding keeps the guard's pattern. */
static void *take_rows(bench *b, const char *label, size_t element, int rows, int columns,
                       int stride)
{
    block *made = take_block(b, label, element * (size_t)rows * (size_t)stride);
    made->row_bytes = element * (size_t)columns;
    made->row_stride = element * (size_t)stride;
    for (int row = 0; row < rows; row++) {
        memset(made->payload + (size_t)row * made->row_stride, 0, made->row_bytes);
    }
    return made->payload;
}

/* Input of the plugin. */
static void *take_constant(bench *b, const char *label, size_t element, int rows, int columns,
                           int stride)
{
    void *payload = take_rows(b, label, element, rows, columns, stride);
    block *made = b->blocks;
    made->copy = malloc(made->bytes ? made->bytes : 1);
    if (!made->copy) {
        abort();
    }
    surround(made, made->guard, PADDING_BYTE);
    return payload;
}

static void free_block(block *doomed)
{
    free(doomed->base);
    free(doomed->copy);
    free(doomed);
}

/* All bytes are alike when each equals the next: one memcmp, since much is verified. */
static bool is_filled(const unsigned char *bytes, size_t count, unsigned char with)
{
    return count == 0 || (bytes[0] == with && memcmp(bytes, bytes + 1, count - 1) == 0);
}

static bool verify_block(bench *b, const block *checked, const char *what)
{
    size_t whole = whole_bytes(checked->bytes);
    if (!is_filled(checked->base, GUARD, checked->guard)) {
        return refuse(b, "%s wrote before the start of %s", what, checked->label);
    }
    if (!is_filled(checked->payload + checked->bytes, whole - GUARD - checked->bytes,
                   checked->guard)) {
        return refuse(b, "%s wrote past the end of %s", what, checked->label);
    }
    if (checked->copy) {
        return memcmp(checked->payload, checked->copy, checked->bytes) == 0 ||
               refuse(b, "%s changed its input %s", what, checked->label);
    }
    for (size_t row = 0; checked->row_stride && row < checked->bytes; row += checked->row_stride) {
        if (!is_filled(checked->payload + row + checked->row_bytes,
                       checked->row_stride - checked->row_bytes, checked->padding)) {
            return refuse(b, "%s wrote past the last example of a row of %s", what, checked->label);
        }
    }
    return true;
}

/* ---- around each call --------------------------------------------------------------------- */

static void before_call(bench *b, const char *what)
{
    say_stage(b, what);
    b->failure[0] = '\0';
    for (block *each = b->blocks; each; each = each->next) {
        if (each->copy) {
            memcpy(each->copy, each->payload, each->bytes);
        }
    }
}

static bool after_call(bench *b, int result, const char *what)
{
    bool good = true;
    for (const block *each = b->blocks; each && good; each = each->next) {
        good = verify_block(b, each, what);
    }
    for (block **link = &b->blocks; *link;) {
        block *each = *link;
        if (each->is_scratch) {
            *link = each->next;
            free_block(each);
        } else {
            link = &each->next;
        }
    }
    const char *changed = good ? esp_thread_state_change() : NULL;
    if (changed) {
        good = refuse(b, "%s %s", what, changed);
    }
    if (good && (result != 0 || b->failure[0])) {
        good = refuse(b, "%s failed: %s", what, b->failure[0] ? b->failure : "without a message");
    }
    return good;
}

/* ---- the host's services ------------------------------------------------------------------ */

static bench *bench_of(const esp_host *host)
{
    return (bench *)((uintptr_t)host - offsetof(bench, host));
}

__attribute__((format(printf, 2, 3))) static int bench_fail(const esp_host *host,
                                                            const char *format, ...)
{
    bench *b = bench_of(host);
    va_list arguments;
    va_start(arguments, format);
    if (!b->failure[0]) {
        vsnprintf(b->failure, sizeof b->failure, format, arguments);
    }
    va_end(arguments);
    return 1;
}

static bool is_name(const char *text)
{
    return text && *text >= 'a' && *text <= 'z' && strlen(text) <= 40 &&
           text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_")] == '\0';
}

static void bench_log(const esp_host *host, const char *key, double sum, double weight)
{
    bench *b = bench_of(host);
    int found = 0;
    while (found < b->n_keys && strcmp(b->keys[found], key) != 0) {
        found++;
    }
    if (!is_name(key)) {
        bench_fail(host, "logged key '%s' is not " ESP_NAME_RULE, key ? key : "");
    } else if (found == MAX_KEYS) {
        bench_fail(host, "logged more than %d keys", (int)MAX_KEYS);
    } else if (!isfinite(sum) || !isfinite(weight)) {
        bench_fail(host, "logged a value of '%s' that is not finite", key);
    } else {
        snprintf(b->keys[found], sizeof b->keys[found], "%s", key);
        b->sums[found] += sum;
        b->n_keys += found == b->n_keys;
    }
}

static void *bench_scratch(const esp_host *host, size_t bytes)
{
    block *made = take_block(bench_of(host), "its scratch memory", bytes);
    made->is_scratch = true;
    memset(made->payload, 0xff, bytes); /* contents are undefined: NaN */
    return made->payload;
}

static double bench_uniform(const esp_host *host)
{
    return draw(&bench_of(host)->random);
}

/* ---- an instance -------------------------------------------------------------------------- */

static void fill_params(void *state, const esp_plugin *plugin, const double *values)
{
    for (uint32_t i = 0; i < plugin->n_params; i++) {
        unsigned char *member = (unsigned char *)state + plugin->params[i].offset;
        if (plugin->params[i].type == ESP_PARAM_REAL) {
            memcpy(member, &values[i], sizeof(double));
        } else if (plugin->params[i].type == ESP_PARAM_INTEGER) {
            memcpy(member, &(int64_t){(int64_t)values[i]}, sizeof(int64_t));
        } else {
            memcpy(member, &(int32_t){(int32_t)values[i]}, sizeof(int32_t));
        }
    }
}

static void stop_instance(bench *b)
{
    if (b->is_started && b->plugin->destroy) {
        b->plugin->destroy(b->state);
        const char *changed = esp_thread_state_change();
        if (changed) {
            refuse(b, "destroy %s", changed);
        }
    }
    b->is_started = false;
}

/* A fresh instance on the same arrays. DECLINED: create() refused this model or setting, with a
 * message; it may. */
static outcome start_instance(bench *b)
{
    stop_instance(b);
    if (b->reason[0]) {
        return BAD;
    }
    b->random = 1;
    memset(b->state, 0, b->plugin->state_size);
    fill_params(b->state, b->plugin, b->setting->values);
    if (b->plugin->create) {
        before_call(b, "create");
        int result = b->plugin->create(b->state, &b->host, &b->model->dims);
        if (result != 0 && b->failure[0]) {
            b->failure[0] = '\0';
            return after_call(b, 0, "create") ? DECLINED : BAD;
        }
        if (!after_call(b, result, "create")) {
            return BAD;
        }
    }
    b->is_started = true;
    return GOOD;
}

static bench *make_bench(const esp_plugin *plugin, const model *on, const setting *with,
                         esp_check_progress *progress)
{
    bench *b = calloc(1, sizeof *b);
    if (!b) {
        abort();
    }
    b->host = (esp_host){sizeof(esp_host), bench_log, bench_fail, bench_scratch, bench_uniform};
    b->plugin = plugin;
    b->model = on;
    b->setting = with;
    b->progress = progress;
    b->guard = GUARD_BYTE;
    b->state = take_block(b, "its state", plugin->state_size)->payload;
    return b;
}

static void free_bench(bench *b)
{
    stop_instance(b);
    for (int i = 0; i < b->n_variables; i++) {
        free(b->variables[i].values);
    }
    while (b->blocks) {
        block *next = b->blocks->next;
        free_block(b->blocks);
        b->blocks = next;
    }
    free(b);
}

/* ---- variables ---------------------------------------------------------------------------- */

static variable *add_variable(bench *b, const char *label, int rows, int columns, int stride)
{
    variable *added = &b->variables[b->n_variables++];
    size_t count = (size_t)rows * (size_t)columns;
    *added = (variable){.label = label,
                        .rows = rows,
                        .columns = columns,
                        .stride = stride,
                        .values = calloc(count ? count : 1, sizeof(double))};
    if (!added->values) {
        abort();
    }
    return added;
}

static void write_view(const variable *v)
{
    for (int row = 0; v->view && row < v->rows; row++) {
        for (int column = 0; column < v->columns; column++) {
            v->view[(size_t)row * v->stride + column] =
                (esp_real)v->values[(size_t)row * v->columns + column];
        }
    }
}

static void zero_gradient(const variable *v)
{
    for (int row = 0; v->gradient && row < v->rows; row++) {
        memset(v->gradient + (size_t)row * v->stride, 0, sizeof(esp_real) * (size_t)v->columns);
    }
}

/* Values of magnitude 0.25 to 2 and either sign: off the kinks at 0 that relu and its like have. */
static void randomize(variable *v, uint64_t *random)
{
    for (size_t i = 0; i < (size_t)v->rows * (size_t)v->columns; i++) {
        double size = 0.25 + 1.75 * draw(random);
        v->values[i] = draw(random) < 0.5 ? -size : size;
    }
}

/* 64 bits of FNV-1a over everything a call gave back. */
static uint64_t mix_bytes(uint64_t digest, const void *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        digest = (digest ^ ((const unsigned char *)bytes)[i]) * 0x100000001b3u;
    }
    return digest;
}

static uint64_t mix_rows(uint64_t digest, const esp_real *data, int rows, int columns, int stride)
{
    for (int row = 0; data && row < rows; row++) {
        digest = mix_bytes(digest, data + (size_t)row * stride, sizeof(esp_real) * (size_t)columns);
    }
    return digest;
}

static bool rows_are_finite(const esp_real *data, int rows, int columns, int stride)
{
    for (int row = 0; data && row < rows; row++) {
        for (int column = 0; column < columns; column++) {
            if (!isfinite(data[(size_t)row * stride + column])) {
                return false;
            }
        }
    }
    return true;
}

#endif
