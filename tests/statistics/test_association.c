/* Rank correlation and variance components against R 4.2.2, on literal data; the R lines stand
 * beside the numbers. */
#include "statistics/statistics_fixture.h"

#include "fixtures/asserts.h"
#include "statistics/association.h"
#include "statistics/components.h"

static void test_spearman__agrees_with_r(void **state)
{
    (void)state;
    /* cor.test(x, y, method = "spearman", exact = TRUE) */
    const double x[] = {.80, .90, .85, .70, .95, .60}, y[] = {.82, .88, .91, .72, .85, .65};
    const esp_rank_correlation six = esp_spearman(x, y, 6);
    ASSERT_R(six.rho, 0.77142857142857);
    ASSERT_R(six.p, 0.10277777777778);
    assert_true(six.exact);
    /* Ties, more than are permuted: rho of R, 2 * pt(-|t|, 8) */
    const double a[] = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3}, b[] = {2, 7, 1, 8, 2, 8, 1, 8, 2, 8};
    const esp_rank_correlation ten = esp_spearman(a, b, 10);
    ASSERT_R(ten.rho, 0.13471506281091);
    ASSERT_R(ten.p, 0.71060088052238);
    assert_false(ten.exact);
}

static void test_spearman__undefined(void **state)
{
    (void)state;
    const double x[] = {1, 2, 3}, same[] = {2, 2, 2}, lacks[] = {1, NAN, 2};
    assert_true(isnan(esp_spearman(x, x, 2).rho));
    assert_true(isnan(esp_spearman(x, same, 3).rho));
    assert_true(isnan(esp_spearman(x, same, 3).p));
    assert_true(isnan(esp_spearman(x, lacks, 3).rho));
    /* Of three, two of the six orders are as far out. */
    ASSERT_CLOSE(esp_spearman(x, x, 3).rho, 1);
    ASSERT_CLOSE(esp_spearman(x, x, 3).p, 2.0 / 6);
}

static void test_components__agree_with_r(void **state)
{
    (void)state;
    /* summary(aov(v ~ i + o)): (MS_i - MS_rest) / 3, (MS_o - MS_rest) / 4, MS_rest, Pr(>F) */
    const double v[] = {.80, .82, .85, .70, .71, .78, .90, .93, .91, .60, .66, .69};
    const int levels[] = {0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2};
    const esp_components found = esp_variance_components(v, levels, 2, 12);
    assert_int_equal(found.factors[0].levels, 4);
    assert_int_equal(found.residual_df, 6);
    ASSERT_R(found.factors[0].variance, 1.2844444444444e-02);
    ASSERT_R(found.factors[1].variance, 6.9722222222222e-04);
    ASSERT_R(found.residual, 5.1944444444445e-04);
    ASSERT_R(found.factors[0].p, 3.7690325734403e-05);
    ASSERT_R(found.factors[1].p, 3.2831163829281e-02);
    /* One combination less, or one factor that does not vary: not crossed. */
    assert_true(isnan(esp_variance_components(v, levels, 2, 11).residual));
    const int one[] = {0, 1, 2, 0, 0, 0};
    assert_true(isnan(esp_variance_components(v, one, 2, 3).residual));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spearman__agrees_with_r),
        cmocka_unit_test(test_spearman__undefined),
        cmocka_unit_test(test_components__agree_with_r),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
