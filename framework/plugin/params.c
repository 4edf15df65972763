#include "plugin/params.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/status.h"
#include "core/text.h"

void esp_params_default(esp_params *out, const esp_plugin *plugin)
{
    *out = (esp_params){{0}};
    for (uint32_t i = 0; i < plugin->n_params; i++) {
        out->values[i] = plugin->params[i].default_value;
    }
}

int esp_params_find(const esp_plugin *plugin, const char *name)
{
    for (uint32_t i = 0; i < plugin->n_params; i++) {
        if (strcmp(plugin->params[i].name, name) == 0) {
            return (int)i;
        }
    }
    return -1;
}

/* ---- text to value and back --------------------------------------------------------------- */

static int refuse_range(const esp_param *param, const char *text)
{
    char low[64], high[64];
    esp_params_print(low, param, param->minimum);
    esp_params_print(high, param, param->maximum);
    return esp_fail(ESP_USAGE, "%s is %s, outside %s..%s", param->name, text, low, high);
}

static int parse_real(double *out, const esp_param *param, const char *text)
{
    char *end = NULL;
    double value = strtod(text, &end);
    if (end == text || *end || !isfinite(value)) {
        return esp_fail(ESP_USAGE, "%s must be a number, not '%s'", param->name, text);
    }
    if (!(value >= param->minimum && value <= param->maximum)) {
        return refuse_range(param, text);
    }
    *out = value;
    return ESP_OK;
}

static int parse_integer(double *out, const esp_param *param, const char *text)
{
    char *end = NULL;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (end == text || *end || errno == ERANGE) {
        return esp_fail(ESP_USAGE, "%s must be a whole number, not '%s'", param->name, text);
    }
    if (!((double)value >= param->minimum && (double)value <= param->maximum)) {
        return refuse_range(param, text);
    }
    *out = (double)value;
    return ESP_OK;
}

static int parse_boolean(double *out, const esp_param *param, const char *text)
{
    bool is_true = strcasecmp(text, "true") == 0;
    if (!is_true && strcasecmp(text, "false") != 0) {
        return esp_fail(ESP_USAGE, "%s must be true or false, not '%s'", param->name, text);
    }
    *out = is_true;
    return ESP_OK;
}

static int parse_choice(double *out, const esp_param *param, const char *text)
{
    char allowed[256] = "";
    size_t used = 0, count = 0;
    for (; param->choices[count]; count++) {
        if (strcmp(param->choices[count], text) == 0) {
            *out = (double)count;
            return ESP_OK;
        }
        if (used < sizeof allowed) {
            used += (size_t)snprintf(allowed + used, sizeof allowed - used, "%s%s",
                                     count ? ", " : "", param->choices[count]);
        }
    }
    const char *meant = esp_text_suggest(text, param->choices, count);
    return esp_fail(ESP_USAGE, "%s must be one of %s, not '%s'%s%s%s", param->name, allowed, text,
                    meant ? "; did you mean '" : "", meant ? meant : "", meant ? "'?" : "");
}

int esp_params_parse(double *out, const esp_param *param, const char *text)
{
    switch (param->type) {
    case ESP_PARAM_REAL:
        return parse_real(out, param, text);
    case ESP_PARAM_INTEGER:
        return parse_integer(out, param, text);
    case ESP_PARAM_BOOLEAN:
        return parse_boolean(out, param, text);
    case ESP_PARAM_CHOICE:
        return parse_choice(out, param, text);
    }
    return esp_fail(ESP_USAGE, "%s has an unknown type", param->name);
}

/* The shortest text that reads back as the same number. */
static void print_real(char out[64], double value)
{
    char text[32];
    int digits = 1;
    do {
        snprintf(text, sizeof text, "%.*g", digits, value);
    } while (strtod(text, NULL) != value && digits++ < 17);
    memcpy(out, text, sizeof text);
}

void esp_params_print(char out[64], const esp_param *param, double value)
{
    switch (param->type) {
    case ESP_PARAM_BOOLEAN:
        snprintf(out, 64, "%s", value != 0 ? "true" : "false");
        return;
    case ESP_PARAM_CHOICE:
        snprintf(out, 64, "%s", param->choices[(int)value]);
        return;
    case ESP_PARAM_INTEGER:
        snprintf(out, 64, "%.0f", value);
        return;
    case ESP_PARAM_REAL:
        break;
    }
    print_real(out, value);
}

void esp_params_fill(void *state, const esp_plugin *plugin, const esp_params *params)
{
    for (uint32_t i = 0; i < plugin->n_params; i++) {
        const esp_param *param = &plugin->params[i];
        unsigned char *member = (unsigned char *)state + param->offset;
        double value = params->values[i];
        if (param->type == ESP_PARAM_REAL) {
            memcpy(member, &value, sizeof value);
        } else if (param->type == ESP_PARAM_INTEGER) {
            memcpy(member, &(int64_t){(int64_t)value}, sizeof(int64_t));
        } else {
            memcpy(member, &(int32_t){(int32_t)value}, sizeof(int32_t));
        }
    }
}

/* ---- inspection --------------------------------------------------------------------------- */

bool esp_name_is_sound(const char *text)
{
    if (!text || *text < 'a' || *text > 'z' || strlen(text) > ESP_MAX_NAME) {
        return false;
    }
    return text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_")] == '\0';
}

static bool refuse(char *reason, size_t count, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static bool refuse(char *reason, size_t count, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, count, format, arguments);
    va_end(arguments);
    return false;
}

static size_t size_of_type(esp_param_type type)
{
    return type == ESP_PARAM_REAL || type == ESP_PARAM_INTEGER ? 8 : 4;
}

/* weight and monitor are the host's own keys of a term in a study. */
static bool inspect_name(char *reason, size_t count, const esp_plugin *plugin, uint32_t index)
{
    const char *name = plugin->params[index].name;
    if (!esp_name_is_sound(name)) {
        return refuse(reason, count, "parameter %u: name '%s' is not " ESP_NAME_RULE,
                      (unsigned)index, name ? name : "(null)");
    }
    if (strcmp(name, "weight") == 0 || strcmp(name, "monitor") == 0) {
        return refuse(reason, count, "parameter '%s': the name belongs to the host", name);
    }
    for (uint32_t i = 0; i < index; i++) {
        if (strcmp(plugin->params[i].name, name) == 0) {
            return refuse(reason, count, "parameter '%s' appears twice", name);
        }
    }
    return true;
}

static bool inspect_place(char *reason, size_t count, const esp_plugin *plugin, uint32_t index)
{
    const esp_param *param = &plugin->params[index];
    size_t size = size_of_type(param->type);
    if ((size_t)param->offset + size > plugin->state_size) {
        return refuse(reason, count,
                      "parameter '%s': offset %u and %zu bytes lie outside the state of %zu bytes",
                      param->name, (unsigned)param->offset, size, plugin->state_size);
    }
    if (param->offset % size != 0) {
        return refuse(reason, count, "parameter '%s': offset %u is not aligned to %zu", param->name,
                      (unsigned)param->offset, size);
    }
    for (uint32_t i = 0; i < index; i++) {
        const esp_param *other = &plugin->params[i];
        if (param->offset < other->offset + size_of_type(other->type) &&
            other->offset < param->offset + size) {
            return refuse(reason, count, "parameters '%s' and '%s' overlap in the state",
                          other->name, param->name);
        }
    }
    return true;
}

static bool inspect_choices(char *reason, size_t count, const esp_param *param)
{
    if (!param->choices || !param->choices[0]) {
        return refuse(reason, count, "parameter '%s': a choice without choices", param->name);
    }
    int n = 0;
    for (; param->choices[n]; n++) {
        if (!esp_name_is_sound(param->choices[n])) {
            return refuse(reason, count, "parameter '%s': choice '%s' is not " ESP_NAME_RULE,
                          param->name, param->choices[n]);
        }
        for (int i = 0; i < n; i++) {
            if (strcmp(param->choices[i], param->choices[n]) == 0) {
                return refuse(reason, count, "parameter '%s': choice '%s' appears twice",
                              param->name, param->choices[n]);
            }
        }
    }
    double value = param->default_value;
    if (!(value >= 0 && value < n && floor(value) == value)) {
        return refuse(reason, count, "parameter '%s': default %g is not one of its %d choices",
                      param->name, value, n);
    }
    return true;
}

static bool inspect_range(char *reason, size_t count, const esp_param *param)
{
    double value = param->default_value, low = param->minimum, high = param->maximum;
    if (!isfinite(value)) {
        return refuse(reason, count, "parameter '%s': the default is not finite", param->name);
    }
    if (param->type == ESP_PARAM_BOOLEAN) {
        return value == 0 || value == 1 ||
               refuse(reason, count, "parameter '%s': default %g is not 0 or 1", param->name,
                      value);
    }
    if (!(low <= value && value <= high)) {
        return refuse(reason, count, "parameter '%s': default %g is outside %g..%g", param->name,
                      value, low, high);
    }
    bool whole = floor(value) == value && (!isfinite(low) || floor(low) == low) &&
                 (!isfinite(high) || floor(high) == high);
    bool exact = fabs(value) <= 0x1p53 && (!isfinite(low) || fabs(low) <= 0x1p53) &&
                 (!isfinite(high) || fabs(high) <= 0x1p53);
    if (param->type == ESP_PARAM_INTEGER && !(whole && exact)) {
        return refuse(reason, count,
                      "parameter '%s': default and bounds of an integer must be whole numbers "
                      "within 2^53",
                      param->name);
    }
    return true;
}

bool esp_params_inspect(char *reason, size_t count, const esp_plugin *plugin)
{
    if (plugin->n_params > ESP_MAX_PARAMS) {
        return refuse(reason, count, "%u parameters; at most %d are allowed",
                      (unsigned)plugin->n_params, (int)ESP_MAX_PARAMS);
    }
    if (plugin->n_params > 0 && !plugin->params) {
        return refuse(reason, count, "n_params is %u but params is NULL",
                      (unsigned)plugin->n_params);
    }
    for (uint32_t i = 0; i < plugin->n_params; i++) {
        const esp_param *param = &plugin->params[i];
        if (!inspect_name(reason, count, plugin, i)) {
            return false;
        }
        if (!param->help || !*param->help || strchr(param->help, '\n')) {
            return refuse(reason, count, "parameter '%s': help must be one line%s", param->name,
                          param->help && *param->help ? "" : ", and there is none");
        }
        if (param->type < ESP_PARAM_REAL || param->type > ESP_PARAM_CHOICE) {
            return refuse(reason, count, "parameter '%s': unknown type %d", param->name,
                          (int)param->type);
        }
        bool sound = param->type == ESP_PARAM_CHOICE ? inspect_choices(reason, count, param)
                                                     : inspect_range(reason, count, param);
        if (!sound || !inspect_place(reason, count, plugin, i)) {
            return false;
        }
    }
    return true;
}
