/* Models as a study writes them: what is read, what is refused and in which words, what they cost.
 * Costs by hand for mnist: F = 784 features, O = 10 outputs. */
#include "study/study_fixture.h"

#include "study/size.h"

#define TOP                                                                                        \
    "study: s\n"                                                                                   \
    "seeds: 0\n"                                                                                   \
    "defaults:\n"                                                                                  \
    "  data: {name: mnist}\n"
#define REST                                                                                       \
    "  losses: {cross_entropy: {}}\n"                                                              \
    "  optimizer: {learning_rate: 0.1}\n"                                                          \
    "  phases: {train: {epochs: 1}}\n"                                                             \
    "  selection: {monitor: []}\n"

static const esp_cell *cell_with(fixture *f, const char *model)
{
    char text[4096];
    snprintf(text, sizeof text, TOP "  model: {%s}\n" REST, model);
    return &load_sound(f, text, NULL)->cells[0];
}

/* The only words must be this error of the model, on line 5. */
static void refused(fixture *f, const char *model, const char *words)
{
    char text[4096], expected[1024];
    snprintf(text, sizeof text, TOP "  model: {%s}\n" REST, model);
    snprintf(expected, sizeof expected, "5:%s\n", words);
    assert_refused(f, text, NULL, expected);
}

static void test_model__options_of_each_kind(void **state)
{
    fixture *f = *state;
    esp_model_config m =
        cell_with(f, "kind: fff, training_width: 16, leaf_width: 2, activation: gelu, region_leak: "
                     "0.25, train_hardened: true, dropout: 0.5, freeze: [nodes], node_scale: 3, "
                     "leaf_scale: 0.5")
            ->model;
    assert_int_equal(m.kind, ESP_MODEL_FFF);
    assert_int_equal(m.depth, 3);
    assert_int_equal(m.n_leaves, 8);
    assert_int_equal(m.activation, ESP_GELU);
    assert_true(m.region_leak == 0.25 && m.train_hardened && m.dropout == 0.5);
    assert_true(m.node_scale == 3 && m.leaf_scale == 0.5);
    assert_int_equal(m.frozen, 1u << ESP_GROUP_NODES);
    m = cell_with(f, "kind: moe, experts: 6, expert_width: 3, top_k: 2")->model;
    assert_int_equal(m.kind, ESP_MODEL_MOE);
    assert_int_equal(m.n_leaves, 6);
    assert_int_equal(m.leaf_width, 3);
    assert_int_equal(m.top_k, 2);
    assert_int_equal(m.gate, ESP_GATE_TOP_K);
    assert_int_equal(m.activation, ESP_RELU);
    assert_false(m.noise);
    assert_string_equal(param_of(&f->study->cells[0], "model.gate"), "top_k");
    m = cell_with(f, "kind: moe, experts: 6, expert_width: 3, top_k: 1, noise: true")->model;
    assert_int_equal(m.gate, ESP_GATE_SWITCH);
    assert_true(m.noise && m.noise_epsilon == 0);
    assert_string_equal(param_of(&f->study->cells[0], "model.gate"), "switch");
    m = cell_with(f, "kind: moe, experts: 6, expert_width: 3, top_k: 3, gate: switch")->model;
    assert_int_equal(m.gate, ESP_GATE_SWITCH);
    char plain[17], written[17], other[17];
    cell_with(f, "kind: moe, experts: 6, expert_width: 3, top_k: 2, noise: true");
    memcpy(plain, f->study->trials[0].id, sizeof plain);
    cell_with(f, "kind: moe, experts: 6, expert_width: 3, top_k: 2, noise: true, noise_epsilon: 0");
    memcpy(written, f->study->trials[0].id, sizeof written);
    m = cell_with(f, "kind: moe, experts: 6, expert_width: 3, top_k: 2, noise: true, "
                     "noise_epsilon: 0.01")
            ->model;
    memcpy(other, f->study->trials[0].id, sizeof other);
    assert_true(m.noise_epsilon == 0.01);
    assert_string_equal(plain, written);
    assert_string_not_equal(plain, other);
    m = cell_with(f, "kind: fff_nodes, trees: 3, depth: 2")->model;
    assert_int_equal(m.kind, ESP_MODEL_FFF_NODES);
    assert_int_equal(m.n_trees, 3);
    assert_int_equal(m.n_leaves, 12);
    assert_int_equal(m.activation, ESP_GELU);
    assert_string_equal(param_of(&f->study->cells[0], "model.activation"), "gelu");
    m = cell_with(f, "kind: fff_nodes, trees: 3, depth: 2, activation: relu")->model;
    assert_int_equal(m.activation, ESP_RELU);
    m = cell_with(f, "kind: ff, width: 7, dropout: 0.1, activation: gelu")->model;
    assert_true(m.dropout == 0.1 && m.activation == ESP_GELU && m.leaf_width == 7);
}

static void test_model__keys_that_a_kind_lacks(void **state)
{
    refused(*state, "kind: fff, depth: 1, leaf_width: 2, experts: 2",
            "47: error: model.experts is not a key of model kind 'fff' (moe has it); to change the "
            "kind replace the whole map, model: {kind: fff, ..}");
    refused(*state, "kind: moe, experts: 2, expert_width: 2, top_k: 1, depth: 1",
            "61: error: model.depth is not a key of model kind 'moe' (fff, fff_nodes have it); to "
            "change the kind replace the whole map, model: {kind: moe, ..}");
    refused(
        *state, "kind: moe, experts: 4, expert_width: 2, top_k: 2, noise_epsilon: 0.01",
        "76: error: model.noise_epsilon does nothing without model.noise; set that too, or leave "
        "both out");
    refused(*state, "kind: ff, width: 2, region_leak: 0.1",
            "31: error: model.region_leak is not a key of model kind 'ff' (fff has it); to change "
            "the kind replace the whole map, model: {kind: ff, ..}");
    refused(
        *state, "kind: fff_nodes, trees: 1, depth: 1, node_scale: 2",
        "48: error: model.node_scale is not a key of model kind 'fff_nodes' (fff, moe have it); "
        "to change the kind replace the whole map, model: {kind: fff_nodes, ..}");
}

static void test_model__values_out_of_bounds(void **state)
{
    refused(*state, "kind: moe, experts: 2, expert_width: 2, top_k: 3",
            "58: error: top_k 3 is more than the 2 experts");
    refused(*state, "kind: moe, experts: 2, expert_width: 2, top_k: 0",
            "58: error: model.top_k must be at least 1 and at most 1048576, not 0");
    refused(*state, "kind: moe, experts: 2048, expert_width: 1024, top_k: 1",
            "31: error: 2048 experts of width 1024 are a training width of 2097152, which is more "
            "than 1048576");
    refused(*state, "kind: fff_nodes, trees: 1024, depth: 10",
            "35: error: 1024 trees of depth 10 have 2096128 neurons, which is more than 1048576");
    refused(*state, "kind: fff, depth: 1, leaf_width: 2, dropout: 1",
            "56: error: model.dropout must be at least 0 and at most 0.9999999, not 1");
    refused(*state, "kind: fff, depth: 1, leaf_width: 2, activation: gleu",
            "59: error: model.activation has no choice 'gleu'; did you mean 'gelu'?");
    refused(*state, "kind: moe, experts: 2, expert_width: 2, top_k: 1, gate: swich",
            "67: error: model.gate has no choice 'swich'; did you mean 'switch'?");
    refused(*state, "kind: mof, experts: 2",
            "17: error: model.kind has no choice 'mof'; did you "
            "mean 'moe'?");
}

static void test_model__memory_of_absurd_sizes(void **state)
{
    /* 784 * 2^20 and more weights and three arrays like them are 13 GB: large, but somebody's. */
    cell_with(*state, "kind: ff, width: 1048576");
    const char *set[] = {"batch_size=1048576"};
    fixture *f = *state;
    load(f, TOP "  model: {kind: fff, depth: 12, leaf_width: 8}\n" REST,
         &(esp_study_options){.sets = set, .n_sets = 1});
    assert_int_equal(f->status, ESP_STUDY);
    assert_said(f, ":5:10: error: a trial of this model would take about 1");
    assert_said(f, " GB of memory (");
    assert_said(f, "more than 69 GB is refused");
}

static void test_model__freeze(void **state)
{
    fixture *f = *state;
    refused(f, "kind: fff, depth: 1, leaf_width: 2, freeze: [nods]",
            "55: error: model.freeze has no choice 'nods'; did you mean 'nodes'?");
    refused(f, "kind: fff, depth: 1, leaf_width: 2, freeze: [leaves, nodes]",
            "55: error: model.freeze leaves nothing to train");
    refused(f, "kind: fff, depth: 1, leaf_width: 2, freeze: heads",
            "55: error: this model of kind 'fff' has no heads to freeze");
    load(f, TOP "  model: {kind: ff, width: 2, freeze: [nodes]}\n" REST, NULL);
    assert_said(f, "this model of kind 'ff' has no nodes to freeze");
    /* order is nothing */
    const char *heads[] = {"heads={master_leaf: {}}", "model.freeze=[heads, nodes]"};
    const char *other[] = {"heads={master_leaf: {}}", "model.freeze=[nodes, heads]"};
    char id[17];
    const char text[] = TOP "  model: {kind: fff, depth: 1, leaf_width: 2}\n" REST;
    esp_study *study = load_sound(f, text, &(esp_study_options){.sets = heads, .n_sets = 2});
    assert_int_equal(study->cells[0].model.frozen, 1u << ESP_GROUP_NODES | 1u << ESP_GROUP_HEADS);
    memcpy(id, study->trials[0].id, sizeof id);
    study = load_sound(f, text, &(esp_study_options){.sets = other, .n_sets = 2});
    assert_string_equal(id, study->trials[0].id);
}

static void test_losses__views_that_the_model_lacks(void **state)
{
    static const struct {
        const char *model, *term, *words;
    } cases[] = {
        {"kind: ff, width: 2", "balance",
         "6:21: error: balance needs mixture and choices, and model kind 'ff' has none; give it "
         "weight 0 or leave it out\n"},
        {"kind: fff_nodes, trees: 2, depth: 1", "balance",
         "6:21: error: balance needs mixture, and model kind 'fff_nodes' has none; give it weight "
         "0 or leave it out\n"},
        {"kind: fff, depth: 1, leaf_width: 2", "load",
         "6:18: error: load needs load, and model kind 'fff' has none; give it weight 0 or leave "
         "it out\n"},
    };
    fixture *f = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[4096];
        snprintf(text, sizeof text,
                 TOP "  model: {%s}\n"
                     "  losses: {%s: {}, cross_entropy: {}}\n"
                     "  optimizer: {learning_rate: 0.1}\n"
                     "  phases: {train: {epochs: 1}}\n"
                     "  selection: {monitor: []}\n",
                 cases[i].model, cases[i].term);
        assert_refused(f, text, NULL, cases[i].words);
        char set[64];
        const char *sets[] = {set};
        snprintf(set, sizeof set, "losses.%s.weight=0", cases[i].term);
        load_sound(f, text, &(esp_study_options){.sets = sets, .n_sets = 1});
    }
    /* What is watched must be measured. */
    load(f,
         TOP "  model: {kind: moe, experts: 2, expert_width: 1, top_k: 1}\n"
             "  losses: {cross_entropy: {}}\n"
             "  optimizer: {learning_rate: 0.1}\n"
             "  phases: {train: {epochs: 1}}\n"
             "  selection: {monitor: test.node_entropy}\n",
         NULL);
    assert_said(f, ":9:24: error: 'test.node_entropy' is never measured: it needs probabilities, "
                   "and model kind 'moe' has none\n");
}

/* Legal, and said. */
static void test_moe__gates_without_a_gradient(void **state)
{
    fixture *f = *state;
    cell_with(f, "kind: moe, experts: 4, expert_width: 2, top_k: 1, gate: top_k");
    assert_said(f, ":5:67: warning: a top_k gate gives its one expert the weight 1: no gradient of "
                   "a task reaches it; gate: switch does not have that trouble\n");
    cell_with(f, "kind: moe, experts: 4, expert_width: 2, top_k: 1");
    assert_null(strstr(f->words, "warning"));
    const char *load_term[] = {"losses.load.weight=1"};
    const char *noisy[] = {"losses.load.weight=1", "model.noise=true"};
    const char text[] = TOP "  model: {kind: moe, experts: 4, expert_width: 2, top_k: 2}\n" REST;
    load_sound(f, text, &(esp_study_options){.sets = load_term, .n_sets = 1});
    assert_said(f, "--set:1: warning: load looks at the gate's load, which without noise is a "
                   "count that no gradient passes; see model.noise\n");
    load_sound(f, text, &(esp_study_options){.sets = noisy, .n_sets = 2});
    assert_null(strstr(f->words, "warning"));
}

static void test_fff__hardened_training_rounds_the_mixture(void **state)
{
    fixture *f = *state;
    static const struct {
        const char *set;
        bool warned;
    } cases[] = {
        {"losses.balance={}", true},         {"losses.importance={}", true},
        {"losses.mixture_entropy={}", true}, {"losses.balance.weight=0", false},
        {"losses.hardening={}", false},
    };
    const char text[] =
        TOP "  model: {kind: fff, depth: 2, leaf_width: 2, train_hardened: true}\n" REST;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        load_sound(f, text, &(esp_study_options){.sets = &cases[i].set, .n_sets = 1});
        assert_true((strstr(f->words, "warning") != NULL) == cases[i].warned);
        const char *soft[] = {cases[i].set, "model.train_hardened=false"};
        load_sound(f, text, &(esp_study_options){.sets = soft, .n_sets = 2});
        assert_null(strstr(f->words, "warning"));
    }
    load_sound(f, text, &(esp_study_options){.sets = &cases[0].set, .n_sets = 1});
    assert_said(f, "--set:1: warning: balance looks at the mixture, which model.train_hardened "
                   "rounds: no gradient passes it, and nodes learn nothing from it\n");
}

/* What shapes routing alone reaches nothing where nodes are frozen; a routing bias needs no
 * gradient. */
static void test_losses__that_frozen_nodes_cannot_follow(void **state)
{
    static const char tree[] = "kind: fff, depth: 2, leaf_width: 2, freeze: [nodes]";
    static const char leaves[] = "kind: fff, depth: 2, leaf_width: 2, freeze: [leaves]";
    static const char gate[] = "kind: moe, experts: 4, expert_width: 2, top_k: 2, freeze: [nodes]";
    static const struct {
        const char *model, *term;
        bool warned;
    } cases[] = {
        {tree, "balance", true},    {tree, "hardening", true}, {tree, "l2", false},
        {leaves, "balance", false}, {gate, "balance", true},   {gate, "router_z", true},
        {gate, "load_bias", false},
    };
    fixture *f = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[4096], set[64], words[256];
        const char *sets[] = {set};
        snprintf(text, sizeof text, TOP "  model: {%s}\n" REST, cases[i].model);
        snprintf(set, sizeof set, "losses.%s={}", cases[i].term);
        load_sound(f, text, &(esp_study_options){.sets = sets, .n_sets = 1});
        if (!cases[i].warned) {
            assert_null(strstr(f->words, "warning"));
            continue;
        }
        snprintf(words, sizeof words,
                 "--set:1: warning: %s shapes routing alone, and model.freeze holds the nodes: "
                 "nothing learns from it\n",
                 cases[i].term);
        assert_said(f, words);
        snprintf(set, sizeof set, "losses.%s.weight=0", cases[i].term);
        load_sound(f, text, &(esp_study_options){.sets = sets, .n_sets = 1});
        assert_null(strstr(f->words, "warning"));
    }
}

/* ---- cost ----------------------------------------------------------------------------------- */

static void costs(fixture *f, const char *model, const char *parameters, const char *inference,
                  const char *training, const char *training_width, const char *inference_width)
{
    const esp_cell *cell = cell_with(f, model);
    assert_string_equal(param_of(cell, "parameters"), parameters);
    assert_string_equal(param_of(cell, "inference_macs"), inference);
    assert_string_equal(param_of(cell, "training_macs"), training);
    assert_string_equal(param_of(cell, "training_width"), training_width);
    assert_string_equal(param_of(cell, "inference_width"), inference_width);
}

static void test_cost__by_hand(void **state)
{
    fixture *f = *state;
    /* 7 nodes of 785, 8 leaves of 2 * 785 + 10 * 3. One path: 3 * 784 + 2 * 794. Training: 2 * 784
     * * (7 + 16) for projections both ways, 3 * 16 * 10 and, for biases, 3 * 8 * 10. */
    costs(f, "kind: fff, depth: 3, leaf_width: 2", "18295", "3940", "36784", "16", "5");
    /* 785 * 16 + 10 * 17; 16 * 794; 2 * 784 * 16 + 3 * 160 + 3 * 10. */
    costs(f, "kind: ff, width: 16", "12730", "12704", "25598", "16", "16");
    /* Gate 4 * 784, experts 4 * (3 * 785 + 10 * 4). One example: the gate, 2 * 3 * 794, and 2 * 10
     * to weigh outputs. Training: 2 * 784 * (4 + 12) + 3 * 12 * 10 + 3 * 4 * 10. */
    costs(f, "kind: moe, experts: 4, expert_width: 3, top_k: 2", "12716", "7920", "25568", "12",
          "10");
    /* Noise: 4 * 784 weights more, in training alone. */
    costs(f, "kind: moe, experts: 4, expert_width: 3, top_k: 2, noise: true", "15852", "7920",
          "31840", "12", "10");
    /* 3 trees of 7 neurons: 21 * (785 + 10); 3 paths of 3: 9 * 794; 2 * 784 * 21 + 3 * 21 * 10. */
    costs(f, "kind: fff_nodes, trees: 3, depth: 2", "16695", "7146", "33558", "21", "9");
    assert_string_equal(param_of(&f->study->cells[0], "leaf_width"), "1");
    assert_string_equal(param_of(&f->study->cells[0], "depth"), "2");
}

static void test_moe__width_matches_an_fff(void **state)
{
    fixture *f = *state;
    static const struct {
        const char *what;
        int width;
    } cases[] = {
        /* fff d = 3, l = 32: w = 256, l + d = 35, 209095 parameters (7 * 785 + 8 * 25450), one
         * path 3 * 784 + 32 * 794 = 27760. moe of 8 experts, 2 chosen: 256 / 8; (35 - 8) / 2
         * = 13.5; (209095 - 8 * 784 - 80) / (8 * 795) = 31.88; (27760 - 6272 - 20) / (2 * 794)
         * = 13.52. */
        {"training_width", 32},
        {"inference_width", 14},
        {"parameters", 32},
        {"inference_cost", 14},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char model[256];
        snprintf(model, sizeof model,
                 "kind: moe, experts: 8, top_k: 2, expert_width: {match: %s, of: {depth: 3, "
                 "leaf_width: 32}}",
                 cases[i].what);
        const esp_cell *cell = cell_with(f, model);
        assert_int_equal(cell->model.leaf_width, cases[i].width);
        assert_int_equal(cell->model.n_leaves, 8);
    }
    assert_string_equal(param_of(&f->study->cells[0], "model.expert_width"), "14");
    /* The gate of 64 experts alone costs more than that fff. */
    refused(
        f,
        "kind: moe, experts: 64, top_k: 1, expert_width: {match: inference_cost, of: {depth: "
        "3, leaf_width: 2}}",
        "59: error: no expert_width from 1 to 1048576 gives this moe the inference_cost of that "
        "fff: it would be -58");
    refused(f,
            "kind: moe, experts: 4, top_k: 1, expert_width: {match: cost, of: {depth: 3, "
            "leaf_width: 2}}",
            "66: error: model.expert_width.match has no choice 'cost'; known: training_width, "
            "inference_width, parameters, inference_cost");
    refused(f, "kind: moe, expert_width: 2, top_k: 1",
            "3: error: model.experts is required for model kind 'moe'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_model__options_of_each_kind),
        TEST(test_model__keys_that_a_kind_lacks),
        TEST(test_model__values_out_of_bounds),
        TEST(test_model__memory_of_absurd_sizes),
        TEST(test_model__freeze),
        TEST(test_losses__views_that_the_model_lacks),
        TEST(test_moe__gates_without_a_gradient),
        TEST(test_fff__hardened_training_rounds_the_mixture),
        TEST(test_losses__that_frozen_nodes_cannot_follow),
        TEST(test_cost__by_hand),
        TEST(test_moe__width_matches_an_fff),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
