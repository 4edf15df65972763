/* A report laid out for reading: tables of text, and the notes that go with them. */
#ifndef ESP_REPORT_REPORT_TABLES_H
#define ESP_REPORT_REPORT_TABLES_H

#include "report/report.h"

/* A heading over several columns, in one line above the columns' own. */
typedef struct esp_table_span {
    int first, n;
    const char *text;
} esp_table_span;

typedef struct esp_table {
    const char *name;     /* "cells", "overview", ...: what kind of table it is */
    const char *title;    /* unique on its page together with the subtitle */
    const char *subtitle; /* what its numbers mean, "" for none */
    int n_columns, n_rows;
    int n_labels; /* the first so many columns are words, the rest numbers */
    const char **headings;
    esp_words keys; /* of rows and columns: the labels are the first of them; none: not of keys */
    int n_spans;
    esp_table_span *spans;
    const char **cells;  /* [n_rows x n_columns] */
    unsigned char *gap;  /* [n_rows] 0, or what starts here: 1 a row of several lines, 2 a group */
    const char **groups; /* [n_rows] a heading above that row, NULL: none */
    bool detail;         /* beside the main thing: shown to who asks for statistics */
    const char *query;   /* SQL that gives its numbers, or what they are computed from; "" */
} esp_table;

/* One sentence of what came out: what it is about, and how it goes on. */
typedef struct esp_finding {
    const char *about; /* a variant, a cell; "": the text says it */
    const char *text;
} esp_finding;

typedef struct esp_page {
    const char *title; /* "quickstart: ..." */
    const char *status;
    const char *findings_of; /* the metric and the epoch */
    int n_findings;
    esp_finding *findings;
    int n_tables;
    esp_table *tables;
    esp_words notes;
    const char *query; /* how to get at the numbers */
} esp_page;

/* Lays a report out; the page lives in the report's pool. Errors: ESP_MEMORY. Thread: the
 * report's. */
int esp_page_make(esp_page **out, esp_report *report);

/* Its findings, where any trial is done (page_findings.c). Errors: ESP_MEMORY. Thread: the
 * report's.
 */
int esp_page_add_findings(esp_page *page, esp_report *report);

/* "Test accuracy, hard routing, percent", from a metric. */
const char *esp_report_metric_title(esp_report *report, const esp_report_metric *metric);

/* " (training looked at the test set!)" where a phase ended, changed its rate or began by it; else
 * "". For tables of every epoch. */
const char *esp_report_training_mark(const esp_report *report);

/* "at the epoch selected by test.hard_accuracy (the test set!)". */
const char *esp_report_at_phrase(esp_report *report, const esp_report_at *at);

/* ---- notes (report_notes.c) ------------------------------------------------------------------ */

/* Appends what a reader must know beside the tables. notes has room for ESP_MAX_NOTES. */
enum { ESP_MAX_NOTES = 256 };
int esp_page_add_notes(esp_page *page, esp_report *report);

/* The same about intervals and tests (notes_statistics.c). Errors: ESP_MEMORY. */
int esp_page_add_statistics_notes(esp_page *page, esp_report *report);

bool esp_page_has_note(const esp_page *page, const char *note);

/* Appends one note unless it is there already. */
void esp_page_note(esp_page *page, const char *note);

#endif
