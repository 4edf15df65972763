/* Distribution functions and quantiles, in double precision. NaN for parameters outside their
 * range. Thread: any. */
#ifndef ESP_STATISTICS_DISTRIBUTIONS_H
#define ESP_STATISTICS_DISTRIBUTIONS_H

#include "core/rng.h"

/* The regularized incomplete beta function I_x(a, b); a, b > 0, x in 0..1. Source: the continued
 * fraction DLMF 8.17.22 by Lentz's method. */
double esp_incomplete_beta(double x, double a, double b);

/* The first two derivatives of ln gamma at x > 0. Source: recurrence and the asymptotic series DLMF
 * 5.11.2, 5.15.8. */
double esp_digamma(double x);
double esp_trigamma(double x);

double esp_normal_density(double x);
double esp_normal_cdf(double x);
double esp_normal_quantile(double p); /* -inf at 0, inf at 1 */

/* A standard normal value, one of the two of a pair. Source: Box and Muller 1958. */
double esp_normal_draw(esp_rng *rng);

/* df > 0, not necessarily whole. P(T > t) keeps its relative precision far out. */
double esp_student_cdf(double t, double df);
double esp_student_upper(double t, double df);
double esp_student_quantile(double p, double df);

double esp_f_cdf(double f, double df1, double df2);
double esp_f_upper(double f, double df1, double df2);
double esp_f_quantile(double p, double df1, double df2);

double esp_chi_square_upper(double x, double df);

double esp_beta_quantile(double p, double a, double b);

/* P(T <= t) of Student's t with noncentrality. Source: Lenth 1989 (AS 243), its series summed until
 * no term counts; the absolute error is below 1e-12. */
double esp_noncentral_t_cdf(double t, double df, double noncentrality);

#endif
