/* Failures counted: fails_a of n against fails_b of m. Thread: any. */
#ifndef ESP_STATISTICS_FAILURES_H
#define ESP_STATISTICS_FAILURES_H

/* Two-sided: the tables with the same margins that are no likelier than this one. 1 where nothing
 * failed or everything did; NaN for counts that are none. Source: Fisher 1935, two-sided as R. */
double esp_fisher_p(int fails_a, int n, int fails_b, int m);

/* The smallest p that n and m can reach: all of the one fail and none of the other. */
double esp_fisher_smallest_p(int n, int m);

#endif
