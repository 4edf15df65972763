/* Many tests, one error rate. */
#ifndef ESP_STATISTICS_HOLM_H
#define ESP_STATISTICS_HOLM_H

/* p values corrected for being n: reject those <= alpha and the chance of any false rejection is at
 * most alpha. adjusted [n] and p [n] may be the same array. NaN: a test that was not made; it is
 * not counted and stays NaN. Given the smallest p that each test can reach, it tells which of them
 * no data could reject. Everything NaN where there is no memory. Thread: any. Source: Holm 1979. */
void esp_holm(double *adjusted, const double *p, int n);

#endif
