/* Status codes and the message that goes with the last failure of this thread. */
#ifndef ESP_CORE_STATUS_H
#define ESP_CORE_STATUS_H

/* code, exit code of the program, meaning */
#define ESP_STATUS_LIST(X)                                                                         \
    X(OK, 0, "done")                                                                               \
    X(FAILED, 1, "failed")                                                                         \
    X(USAGE, 2, "usage error")                                                                     \
    X(STUDY, 2, "study error")                                                                     \
    X(STORE, 3, "results database error")                                                          \
    X(NOT_FOUND, 4, "not found")                                                                   \
    X(DATA, 2, "malformed file")                                                                   \
    X(PLUGIN, 2, "plugin refused")                                                                 \
    X(IO, 1, "input or output error")                                                              \
    X(MEMORY, 1, "out of memory")                                                                  \
    X(INTERRUPTED, 130, "interrupted")

typedef enum esp_status {
#define X(name, exit_code, text) ESP_##name##_RAW,
    ESP_STATUS_LIST(X)
#undef X
} esp_status_index;

/* Statuses are 0 or negative. */
enum {
#define X(name, exit_code, text) ESP_##name = -(int)ESP_##name##_RAW,
    ESP_STATUS_LIST(X)
#undef X
};

/* Forwards a failure. */
#define ESP_TRY(expression)                                                                        \
    do {                                                                                           \
        int esp_try_status_ = (expression);                                                        \
        if (esp_try_status_ != ESP_OK) {                                                           \
            return esp_try_status_;                                                                \
        }                                                                                          \
    } while (0)

/* The same where something must be released: sets `status` and goes to `out`. */
#define ESP_TRY_OUT(expression)                                                                    \
    do {                                                                                           \
        status = (expression);                                                                     \
        if (status != ESP_OK) {                                                                    \
            goto out;                                                                              \
        }                                                                                          \
    } while (0)

/* Keeps the message for this thread and returns status. Called where a failure arises; callers
 * only forward, so the first and most precise message is the one that is shown. Thread: any. */
int esp_fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts "prefix: " before the current message and returns status. Thread: any. */
int esp_fail_prefix(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The last message of this thread, never NULL; valid until the next esp_fail. Thread: any. */
const char *esp_message(void);

/* The program's exit code for a status, and its meaning in words. Thread: any. */
int esp_exit_code(int status);
const char *esp_status_text(int status);

#endif
