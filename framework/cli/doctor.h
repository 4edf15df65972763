/* What espalier doctor finds, a line each. */
#ifndef ESP_CLI_DOCTOR_H
#define ESP_CLI_DOCTOR_H

#include "core/text_pool.h"

typedef enum doctor_verdict { DOCTOR_FINE, DOCTOR_WARNING, DOCTOR_ERROR } doctor_verdict;

typedef struct doctor_finding {
    doctor_verdict state;
    const char *what, *text, *advice; /* advice "" where there is nothing to do */
} doctor_finding;

enum { DOCTOR_MAX_FINDINGS = 128 };

typedef struct doctor_findings {
    esp_text_pool pool;
    doctor_finding list[DOCTOR_MAX_FINDINGS];
    int count;
} doctor_findings;

/* Adds one line; what is found goes on by format. ERROR: a run would fail. */
__attribute__((format(printf, 5, 6))) void esp_doctor_found(doctor_findings *all,
                                                            doctor_verdict how, const char *what,
                                                            const char *advice, const char *format,
                                                            ...);

/* BLAS, cores and their quota, load, clock frequency, power, memory, limits of the process. */
void esp_doctor_machine(doctor_findings *all);

/* How the program was built, from what, its plugins, git. */
void esp_doctor_program(doctor_findings *all);

/* Data sets, and the place of the results database. */
void esp_doctor_place(doctor_findings *all, const char *database);

#endif
