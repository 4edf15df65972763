/* Oracle: the definition of a stratified split, counted here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdbool.h>

#include "data/dataset.h"
#include "data/scratch.h"

enum { N = 1000, N_CLASSES = 4 };

/* Classes of 600, 299, 100 and 1 examples, mixed. */
static void fill_labels(uint8_t labels[N])
{
    for (uint32_t i = 0; i < N; i++) {
        uint32_t at = i * 7 % N;
        labels[at] = i < 600 ? 0 : i < 899 ? 1 : i < 999 ? 2 : 3;
    }
}

static esp_dataset make_dataset(const uint8_t *labels, uint32_t count)
{
    return (esp_dataset){.name = "made",
                         .n_features = 1,
                         .n_classes = N_CLASSES,
                         .train = {.count = count, .labels = labels}};
}

static int make(esp_partition *out, const esp_dataset *dataset, double validation, uint64_t seed)
{
    const esp_partition_rule rule = {.validation = validation, .split_seed = seed};
    return esp_partition_make(out, dataset, &rule);
}

static void test_partition__stratified_disjoint_and_whole(void **state)
{
    (void)state;
    uint8_t labels[N];
    fill_labels(labels);
    esp_dataset dataset = make_dataset(labels, N);
    esp_partition partition;
    assert_int_equal(make(&partition, &dataset, 0.1, 0), ESP_OK);
    int seen[N] = {0}, held_out[N_CLASSES] = {0};
    for (uint32_t i = 0; i < partition.n_train; i++) {
        seen[partition.train[i]]++;
        assert_true(i == 0 || partition.train[i - 1] < partition.train[i]);
    }
    for (uint32_t i = 0; i < partition.n_validation; i++) {
        seen[partition.validation[i]]++;
        held_out[labels[partition.validation[i]]]++;
        assert_true(i == 0 || partition.validation[i - 1] < partition.validation[i]);
    }
    for (uint32_t i = 0; i < N; i++) {
        assert_int_equal(seen[i], 1);
    }
    assert_int_equal(held_out[0], 60);
    assert_int_equal(held_out[1], 30); /* 29.9 */
    assert_int_equal(held_out[2], 10);
    assert_int_equal(held_out[3], 0); /* 0.1 */
    assert_int_equal(partition.n_train + partition.n_validation, N);
    esp_partition_free(&partition);
    assert_null(partition.train);
}

static void test_partition__same_for_same_seed(void **state)
{
    (void)state;
    uint8_t labels[N];
    fill_labels(labels);
    esp_dataset dataset = make_dataset(labels, N);
    esp_partition first, again, other;
    assert_int_equal(make(&first, &dataset, 0.2, 7), ESP_OK);
    assert_int_equal(make(&again, &dataset, 0.2, 7), ESP_OK);
    assert_int_equal(make(&other, &dataset, 0.2, 8), ESP_OK);
    size_t bytes = first.n_validation * sizeof *first.validation;
    assert_int_equal(first.n_validation, again.n_validation);
    assert_memory_equal(first.validation, again.validation, bytes);
    assert_int_equal(first.n_validation, other.n_validation);
    assert_memory_not_equal(first.validation, other.validation, bytes);
    esp_partition_free(&first);
    esp_partition_free(&again);
    esp_partition_free(&other);
}

static void test_partition__greater_fraction_holds_out_more_of_the_same(void **state)
{
    (void)state;
    uint8_t labels[N];
    fill_labels(labels);
    esp_dataset dataset = make_dataset(labels, N);
    esp_partition small, large;
    assert_int_equal(make(&small, &dataset, 0.1, 3), ESP_OK);
    assert_int_equal(make(&large, &dataset, 0.3, 3), ESP_OK);
    uint32_t found = 0;
    for (uint32_t i = 0; i < large.n_validation && found < small.n_validation; i++) {
        found += large.validation[i] == small.validation[found];
    }
    assert_int_equal(found, small.n_validation);
    esp_partition_free(&small);
    esp_partition_free(&large);
}

static void test_partition__fraction_0_holds_out_none(void **state)
{
    (void)state;
    uint8_t labels[N];
    fill_labels(labels);
    esp_dataset dataset = make_dataset(labels, N);
    esp_partition partition;
    assert_int_equal(make(&partition, &dataset, 0, 0), ESP_OK);
    assert_int_equal(partition.n_train, N);
    assert_int_equal(partition.n_validation, 0);
    assert_int_equal(partition.train[N - 1], N - 1);
    esp_partition_free(&partition);
}

static void test_partition__refuses_what_cannot_be(void **state)
{
    (void)state;
    uint8_t labels[N];
    fill_labels(labels);
    esp_dataset dataset = make_dataset(labels, N);
    esp_partition partition;
    /* round(0.5 * 1) takes the only example of class 3. */
    assert_fails(make(&partition, &dataset, 0.5, 0), ESP_DATA, PARTS("class 3", "hold out less"));
    assert_null(partition.train);
    assert_fails(make(&partition, &dataset, 0.0001, 0), ESP_DATA, PARTS("holds out none"));
    assert_fails(make(&partition, &dataset, 1, 0), ESP_DATA, PARTS("fraction"));
    assert_fails(make(&partition, &dataset, -0.1, 0), ESP_DATA, PARTS("fraction"));
    assert_fails(make(&partition, &dataset, (double)NAN, 0), ESP_DATA, PARTS("fraction"));
}

/* ---- a test split that is split off ---------------------------------------------------------- */

static int make_tested(esp_partition *out, const esp_dataset *dataset, double test,
                       double validation, uint64_t seed)
{
    return esp_partition_make(
        out, dataset,
        &(esp_partition_rule){.test = test, .validation = validation, .split_seed = seed});
}

/* Every example in one split; of each class a test split as near to the fraction as whole examples
 * are, but never all of it; validation the same of what is left. */
static void test_partition__test_is_stratified_disjoint_and_whole(void **state)
{
    (void)state;
    uint8_t labels[N];
    static const double sizes[N_CLASSES] = {600, 299, 100, 1};
    fill_labels(labels);
    esp_dataset dataset = make_dataset(labels, N);
    for (int percent = 1; percent <= 90; percent++) {
        const double fraction = percent / 100.0;
        esp_partition partition;
        int seen[N] = {0}, tested[N_CLASSES] = {0}, held_out[N_CLASSES] = {0};
        assert_int_equal(make_tested(&partition, &dataset, fraction, 0.25, (uint64_t)percent),
                         ESP_OK);
        for (uint32_t i = 0; i < partition.n_test; i++) {
            seen[partition.test[i]]++;
            tested[labels[partition.test[i]]]++;
            assert_true(i == 0 || partition.test[i - 1] < partition.test[i]);
        }
        for (uint32_t i = 0; i < partition.n_validation; i++) {
            seen[partition.validation[i]]++;
            held_out[labels[partition.validation[i]]]++;
        }
        for (uint32_t i = 0; i < partition.n_train; i++) {
            seen[partition.train[i]]++;
        }
        for (int i = 0; i < N; i++) {
            assert_int_equal(seen[i], 1);
        }
        for (int k = 0; k < 3; k++) {
            const double off = tested[k] - fraction * sizes[k];
            const double off_validation = held_out[k] - 0.25 * (sizes[k] - tested[k]);
            if (!(fabs(off) <= 0.5) || !(fabs(off_validation) <= 0.5)) {
                fail_msg("test %g: class %d has %d and %d", fraction, k, tested[k], held_out[k]);
            }
        }
        assert_int_equal(tested[3], 0); /* the only one stays */
        const esp_split_examples split = esp_partition_split(&dataset, &partition, ESP_TEST);
        assert_ptr_equal(split.examples, &dataset.train);
        assert_ptr_equal(split.indices, partition.test);
        assert_int_equal(split.count, partition.n_test);
        esp_partition_free(&partition);
        assert_null(partition.test);
    }
}

static bool same_indices(const uint32_t *a, uint32_t n_a, const uint32_t *b, uint32_t n_b)
{
    return n_a == n_b && memcmp(a, b, n_a * sizeof *a) == 0;
}

/* The test split depends on data, fraction and seed alone. */
static void test_partition__test_stays_whatever_trains(void **state)
{
    (void)state;
    uint8_t labels[N];
    double keep[ESP_MAX_CLASSES];
    fill_labels(labels);
    for (int i = 0; i < ESP_MAX_CLASSES; i++) {
        keep[i] = i == 1 ? 0.5 : 1;
    }
    esp_dataset dataset = make_dataset(labels, N);
    esp_partition first, again, validated, kept, other, larger;
    assert_int_equal(make_tested(&first, &dataset, 0.2, 0, 7), ESP_OK);
    assert_int_equal(make_tested(&again, &dataset, 0.2, 0, 7), ESP_OK);
    assert_int_equal(make_tested(&validated, &dataset, 0.2, 0.3, 7), ESP_OK);
    assert_int_equal(make_tested(&other, &dataset, 0.2, 0, 8), ESP_OK);
    assert_int_equal(make_tested(&larger, &dataset, 0.4, 0, 7), ESP_OK);
    assert_int_equal(
        esp_partition_make(&kept, &dataset,
                           &(esp_partition_rule){.test = 0.2, .split_seed = 7, .keep = keep}),
        ESP_OK);
    assert_true(same_indices(first.test, first.n_test, again.test, again.n_test));
    assert_true(same_indices(first.test, first.n_test, validated.test, validated.n_test));
    assert_true(same_indices(first.test, first.n_test, kept.test, kept.n_test));
    assert_true(!same_indices(first.test, first.n_test, other.test, other.n_test));
    uint32_t found = 0;
    for (uint32_t i = 0; i < larger.n_test && found < first.n_test; i++) {
        found += larger.test[i] == first.test[found];
    }
    assert_int_equal(found, first.n_test); /* a greater fraction takes the same and more */
    esp_partition_free(&first);
    esp_partition_free(&again);
    esp_partition_free(&validated);
    esp_partition_free(&kept);
    esp_partition_free(&other);
    esp_partition_free(&larger);
}

static void test_partition__test_of_its_own_or_split_off(void **state)
{
    (void)state;
    uint8_t labels[N];
    fill_labels(labels);
    esp_dataset dataset = make_dataset(labels, N);
    esp_partition partition;
    assert_fails(make_tested(&partition, &dataset, 0.0001, 0, 0), ESP_DATA,
                 PARTS("data.test 0.0001 of 1000 examples", "splits off none; split off more"));
    assert_fails(make_tested(&partition, &dataset, 1, 0, 0), ESP_DATA, PARTS("fractions"));
    assert_fails(make_tested(&partition, &dataset, (double)NAN, 0, 0), ESP_DATA,
                 PARTS("fractions"));
    assert_fails(esp_partition_check_test("made", 0, 0), ESP_DATA,
                 PARTS("made has no test split", "data.test: 0.2"));
    assert_int_equal(esp_partition_check_test("made", 0, 0.2), ESP_OK);
    assert_int_equal(esp_partition_check_test("made", 10, 0), ESP_OK);
    dataset.test = (esp_examples){.count = 10, .labels = labels};
    assert_fails(make_tested(&partition, &dataset, 0.2, 0, 0), ESP_DATA,
                 PARTS("made has a test split of 10 examples", "leave data.test out"));
    assert_int_equal(make_tested(&partition, &dataset, 0, 0.2, 0), ESP_OK);
    const esp_split_examples split = esp_partition_split(&dataset, &partition, ESP_TEST);
    assert_ptr_equal(split.examples, &dataset.test);
    assert_null(split.indices);
    assert_int_equal(split.count, 10);
    esp_partition_free(&partition);
}

/* ---- keep ------------------------------------------------------------------------------------ */

static int make_kept(esp_partition *out, const esp_dataset *dataset, double validation,
                     uint64_t seed, double of_first, double of_second)
{
    double keep[ESP_MAX_CLASSES];
    for (int i = 0; i < ESP_MAX_CLASSES; i++) {
        keep[i] = i == 0 ? of_first : i == 1 ? of_second : 1;
    }
    return esp_partition_make(
        out, dataset,
        &(esp_partition_rule){.validation = validation, .split_seed = seed, .keep = keep});
}

static bool holds(const esp_partition *partition, uint32_t index)
{
    for (uint32_t i = 0; i < partition->n_train; i++) {
        if (partition->train[i] == index) {
            return true;
        }
    }
    return false;
}

/* Of 600 and 299 examples 60 and 30 are held out; 540 / 4 and round(269 * 0.1) of the rest stay. */
static void test_partition__keep_by_class(void **state)
{
    (void)state;
    uint8_t labels[N];
    fill_labels(labels);
    esp_dataset dataset = make_dataset(labels, N);
    esp_partition whole, kept;
    assert_int_equal(make(&whole, &dataset, 0.1, 3), ESP_OK);
    assert_int_equal(make_kept(&kept, &dataset, 0.1, 3, 0.25, 0.1), ESP_OK);
    int counts[N_CLASSES] = {0};
    for (uint32_t i = 0; i < kept.n_train; i++) {
        counts[labels[kept.train[i]]]++;
        assert_true(i == 0 || kept.train[i - 1] < kept.train[i]);
        assert_true(holds(&whole, kept.train[i]));
    }
    assert_int_equal(counts[0], 135);
    assert_int_equal(counts[1], 27);
    assert_int_equal(counts[2], 90);
    assert_int_equal(counts[3], 1);
    assert_int_equal(kept.n_validation, whole.n_validation);
    assert_memory_equal(kept.validation, whole.validation,
                        whole.n_validation * sizeof *whole.validation);
    esp_partition_free(&whole);
    esp_partition_free(&kept);
}

static void test_partition__keep_is_drawn_by_the_seed_and_nested(void **state)
{
    (void)state;
    uint8_t labels[N];
    fill_labels(labels);
    esp_dataset dataset = make_dataset(labels, N);
    esp_partition small, again, large, other;
    assert_int_equal(make_kept(&small, &dataset, 0, 3, 0.1, 1), ESP_OK);
    assert_int_equal(make_kept(&again, &dataset, 0, 3, 0.1, 1), ESP_OK);
    assert_int_equal(make_kept(&large, &dataset, 0, 3, 0.3, 1), ESP_OK);
    assert_int_equal(make_kept(&other, &dataset, 0, 4, 0.1, 1), ESP_OK);
    assert_int_equal(small.n_train, 60 + 400);
    assert_int_equal(again.n_train, small.n_train);
    assert_memory_equal(again.train, small.train, small.n_train * sizeof *small.train);
    assert_memory_not_equal(other.train, small.train, small.n_train * sizeof *small.train);
    for (uint32_t i = 0; i < small.n_train; i++) {
        assert_true(holds(&large, small.train[i]));
    }
    esp_partition_free(&small);
    esp_partition_free(&again);
    esp_partition_free(&large);
    esp_partition_free(&other);
}

static void test_partition__keep_leaves_no_class_empty(void **state)
{
    (void)state;
    uint8_t labels[N];
    fill_labels(labels);
    esp_dataset dataset = make_dataset(labels, N);
    esp_partition partition;
    assert_fails(make_kept(&partition, &dataset, 0, 0, 0.0001, 1), ESP_DATA,
                 PARTS("keep 0.0001 of the 600 training examples of class 0 leaves none"));
    assert_null(partition.train);
    assert_fails(make_kept(&partition, &dataset, 0, 0, 0, 1), ESP_DATA, PARTS("class 0"));
    assert_fails(make_kept(&partition, &dataset, 0, 0, 1, 1.5), ESP_DATA, PARTS("class 1"));
    assert_fails(make_kept(&partition, &dataset, 0, 0, 1, (double)NAN), ESP_DATA, PARTS("class 1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_partition__test_is_stratified_disjoint_and_whole),
        cmocka_unit_test(test_partition__test_stays_whatever_trains),
        cmocka_unit_test(test_partition__test_of_its_own_or_split_off),
        cmocka_unit_test(test_partition__stratified_disjoint_and_whole),
        cmocka_unit_test(test_partition__same_for_same_seed),
        cmocka_unit_test(test_partition__greater_fraction_holds_out_more_of_the_same),
        cmocka_unit_test(test_partition__fraction_0_holds_out_none),
        cmocka_unit_test(test_partition__refuses_what_cannot_be),
        cmocka_unit_test(test_partition__keep_by_class),
        cmocka_unit_test(test_partition__keep_is_drawn_by_the_seed_and_nested),
        cmocka_unit_test(test_partition__keep_leaves_no_class_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
