-- The results database, version 1. This file is the one source: the build embeds it, and later
-- versions are steps in migrations.c. Tables may change with a migration; the views (below) are the
-- public API and only grow. Times are UTC, "2026-11-21T22:25:21.123Z". Losses are in nats,
-- accuracies fractions. The words (study, revision, cell, trial, attempt) are CONTRACT's.

-- ==== tables ====================================================================================

CREATE TABLE study (
    id               INTEGER PRIMARY KEY,
    name             TEXT NOT NULL UNIQUE,
    current_revision INTEGER REFERENCES revision (id)    -- the one run last
) STRICT;

CREATE TABLE revision (
    id          INTEGER PRIMARY KEY,
    study       INTEGER NOT NULL REFERENCES study (id),
    number      INTEGER NOT NULL,     -- 1, 2, ... within the study
    hash        TEXT NOT NULL,        -- SHA-256 over text and overrides
    title       TEXT NOT NULL,
    source      TEXT NOT NULL,
    text        TEXT NOT NULL,        -- the YAML file as it was read
    overrides   TEXT NOT NULL CHECK (json_valid(overrides)),    -- the --set strings, an array
    report      TEXT NOT NULL CHECK (json_valid(report)),       -- report section, contrasts
    variants    TEXT NOT NULL CHECK (json_valid(variants)),     -- names in written order
    created_at  TEXT NOT NULL,
    last_run_at TEXT NOT NULL,
    UNIQUE (study, number),
    UNIQUE (study, hash)
) STRICT;

CREATE TABLE cell (
    id        INTEGER PRIMARY KEY,
    revision  INTEGER NOT NULL REFERENCES revision (id),
    ordinal   INTEGER NOT NULL,                  -- from 0, as the study unfolds
    variant   TEXT NOT NULL,
    label     TEXT NOT NULL,                     -- "balanced data.name=mnist"
    reference INTEGER REFERENCES cell (id),      -- the cell it is compared with
    config    TEXT NOT NULL CHECK (json_valid(config)),
    identity  TEXT NOT NULL CHECK (json_valid(identity)),
    UNIQUE (revision, ordinal),
    UNIQUE (revision, label)
) STRICT;

-- All keys of a cell's configuration, flattened, and the derived widths; the swept ones apart.
CREATE TABLE cell_key (
    cell  INTEGER NOT NULL REFERENCES cell (id),
    key   TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (cell, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE cell_swept (
    cell  INTEGER NOT NULL REFERENCES cell (id),
    key   TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (cell, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE trial (
    id         INTEGER PRIMARY KEY,
    trial_id   TEXT NOT NULL UNIQUE,  -- 16 hex digits, what people and folders call it
    status     TEXT NOT NULL
               CHECK (status IN ('planned', 'running', 'done', 'failed', 'interrupted')),
    seed_init  INTEGER NOT NULL,
    seed_order INTEGER NOT NULL,
    seed_noise INTEGER NOT NULL,
    created_at TEXT NOT NULL
) STRICT;

-- A trial belongs to every cell that plans it, in any study. The seed's label is the study's.
CREATE TABLE cell_trial (
    cell    INTEGER NOT NULL REFERENCES cell (id),
    ordinal INTEGER NOT NULL,
    trial   INTEGER NOT NULL REFERENCES trial (id),
    seed    TEXT NOT NULL,            -- "3" or "init=3,order=0,noise=0"
    PRIMARY KEY (cell, ordinal),
    UNIQUE (cell, trial)
) STRICT, WITHOUT ROWID;
CREATE INDEX cell_trial_by_trial ON cell_trial (trial);

-- Provenance, once per content. The view stale_trials reads $.executable_sha256 and
-- $.plugins.<name>.sha256.
CREATE TABLE environment (
    id      INTEGER PRIMARY KEY,
    hash    TEXT NOT NULL UNIQUE,
    content TEXT NOT NULL CHECK (json_valid(content))
) STRICT;

CREATE TABLE attempt (
    id                INTEGER PRIMARY KEY,     -- ascending in time
    trial             INTEGER NOT NULL REFERENCES trial (id),
    number            INTEGER NOT NULL,        -- 1, 2, ... of the trial
    status            TEXT NOT NULL CHECK (status IN ('running', 'done', 'failed', 'interrupted')),
    environment       INTEGER NOT NULL REFERENCES environment (id),
    host              TEXT NOT NULL,
    process           INTEGER NOT NULL,
    first_epoch       INTEGER NOT NULL,        -- 0, or the one after the checkpoint
    started_at        TEXT NOT NULL,
    ended_at          TEXT,
    seconds           REAL,
    epochs            INTEGER,
    message           TEXT,                    -- why it failed
    peak_memory       INTEGER,                 -- bytes, of the process
    checkpoint_digest TEXT,                    -- SHA-256 of the last checkpoint's file
    UNIQUE (trial, number)
) STRICT;

-- Metrics by id. 1 to 14 are columns of table epoch, the rest rows of epoch_metric.
CREATE TABLE metric (
    id     INTEGER PRIMARY KEY,
    split  TEXT NOT NULL CHECK (split IN ('train', 'validation', 'test')),
    name   TEXT NOT NULL,
    better TEXT GENERATED ALWAYS AS      -- which direction is better, NULL where neither is
           (CASE WHEN name LIKE '%accuracy' THEN 'max'
                 WHEN name LIKE '%loss' OR name LIKE 'loss.%' THEN 'min' END) STORED,
    UNIQUE (split, name)
) STRICT;
INSERT INTO metric (id, split, name) VALUES
    (1, 'train', 'running_loss'), (2, 'train', 'running_soft_accuracy'),
    (3, 'train', 'soft_loss'), (4, 'train', 'hard_loss'),
    (5, 'train', 'soft_accuracy'), (6, 'train', 'hard_accuracy'),
    (7, 'validation', 'soft_loss'), (8, 'validation', 'hard_loss'),
    (9, 'validation', 'soft_accuracy'), (10, 'validation', 'hard_accuracy'),
    (11, 'test', 'soft_loss'), (12, 'test', 'hard_loss'),
    (13, 'test', 'soft_accuracy'), (14, 'test', 'hard_accuracy');

CREATE TABLE epoch (
    trial                    INTEGER NOT NULL REFERENCES trial (id),
    epoch                    INTEGER NOT NULL,      -- from 1 through all phases; 0: untrained
    phase                    TEXT NOT NULL,         -- '' for epoch 0
    phase_epoch              INTEGER NOT NULL,
    attempt                  INTEGER NOT NULL REFERENCES attempt (id),
    learning_rate            REAL,
    seconds                  REAL,
    digest                   TEXT,                  -- of all parameters at the epoch's end
    train_running_loss       REAL, train_running_soft_accuracy REAL,
    train_soft_loss          REAL, train_hard_loss             REAL,
    train_soft_accuracy      REAL, train_hard_accuracy         REAL,
    validation_soft_loss     REAL, validation_hard_loss        REAL,
    validation_soft_accuracy REAL, validation_hard_accuracy    REAL,
    test_soft_loss           REAL, test_hard_loss              REAL,
    test_soft_accuracy       REAL, test_hard_accuracy          REAL,
    train_leaf_counts        TEXT,                  -- JSON array, one count a leaf
    validation_leaf_counts   TEXT,
    test_leaf_counts         TEXT,
    PRIMARY KEY (trial, epoch)
) STRICT, WITHOUT ROWID;

CREATE TABLE epoch_metric (
    trial  INTEGER NOT NULL,
    epoch  INTEGER NOT NULL,
    metric INTEGER NOT NULL REFERENCES metric (id),
    value  REAL NOT NULL,
    PRIMARY KEY (trial, epoch, metric),
    FOREIGN KEY (trial, epoch) REFERENCES epoch (trial, epoch)
) STRICT, WITHOUT ROWID;

-- Which epoch "selected", "selected:<metric>" and "last" name.
CREATE TABLE selection (
    trial   INTEGER NOT NULL REFERENCES trial (id),
    at      TEXT NOT NULL,
    epoch   INTEGER NOT NULL,
    monitor TEXT NOT NULL,            -- the metric it was chosen by, '' for last
    PRIMARY KEY (trial, at)
) STRICT, WITHOUT ROWID;

-- An epoch trained again that did not come out the same.
CREATE TABLE digest_mismatch (
    id      INTEGER PRIMARY KEY,
    trial   INTEGER NOT NULL REFERENCES trial (id),
    epoch   INTEGER NOT NULL,
    stored  TEXT NOT NULL,
    found   TEXT NOT NULL,
    attempt INTEGER NOT NULL REFERENCES attempt (id),
    at      TEXT NOT NULL
) STRICT;

-- Published figures beside a revision's cells; fractions, as everything here.
CREATE TABLE published (
    revision         INTEGER NOT NULL REFERENCES revision (id),
    cell             INTEGER NOT NULL REFERENCES cell (id),
    split            TEXT NOT NULL,
    metric           TEXT NOT NULL,   -- ours that comes closest: "hard_accuracy"
    routing          TEXT NOT NULL,   -- theirs: "soft", "hard" or "none"
    published_best   REAL,
    published_spread REAL,
    spread_is        TEXT,            -- "sd" or "best-worst"
    runs             INTEGER,
    source           TEXT NOT NULL,
    PRIMARY KEY (revision, cell, split, metric, routing, source)
) STRICT, WITHOUT ROWID;

-- ==== helpers of the views ======================================================================
-- CROSS JOIN fixes the order study, revision, cell, trial, epoch: every filter on the left is
-- applied before epochs are touched. All of these flatten into what uses them.

CREATE VIEW study_cell AS
SELECT s.name AS study, r.number AS revision, (r.id = s.current_revision) AS latest, c.variant,
       c.label AS cell, c.id AS cell_key, c.reference AS reference_key, c.ordinal
FROM study s
CROSS JOIN revision r ON r.study = s.id
CROSS JOIN cell c ON c.revision = r.id;

CREATE VIEW study_trial AS
SELECT s.name AS study, r.number AS revision, (r.id = s.current_revision) AS latest, c.variant,
       c.label AS cell, c.id AS cell_key, c.reference AS reference_key, ct.seed, t.seed_init,
       t.seed_order, t.seed_noise, t.trial_id, t.id AS trial_key, t.status
FROM study s
CROSS JOIN revision r ON r.study = s.id
CROSS JOIN cell c ON c.revision = r.id
CROSS JOIN cell_trial ct ON ct.cell = c.id
CROSS JOIN trial t ON t.id = ct.trial;

-- The 14 metric columns of an epoch as rows.
CREATE VIEW wide_value AS
SELECT e.trial, e.epoch, e.phase, e.phase_epoch, m.split, m.name AS metric, m.better,
       CASE m.id WHEN 1 THEN e.train_running_loss WHEN 2 THEN e.train_running_soft_accuracy
                 WHEN 3 THEN e.train_soft_loss WHEN 4 THEN e.train_hard_loss
                 WHEN 5 THEN e.train_soft_accuracy WHEN 6 THEN e.train_hard_accuracy
                 WHEN 7 THEN e.validation_soft_loss WHEN 8 THEN e.validation_hard_loss
                 WHEN 9 THEN e.validation_soft_accuracy WHEN 10 THEN e.validation_hard_accuracy
                 WHEN 11 THEN e.test_soft_loss WHEN 12 THEN e.test_hard_loss
                 WHEN 13 THEN e.test_soft_accuracy WHEN 14 THEN e.test_hard_accuracy END AS value
FROM epoch e CROSS JOIN metric m
WHERE m.id <= 14;

-- The other metrics, in the same columns. A plugin's accuracy may stand before more words
-- (early_exit.accuracy_at_90).
CREATE VIEW tall_value AS
SELECT e.trial, e.epoch, e.phase, e.phase_epoch, m.split, m.name AS metric,
       CASE WHEN m.name LIKE '%.accuracy%' THEN 'max' ELSE m.better END AS better, x.value
FROM epoch e
CROSS JOIN epoch_metric x ON x.trial = e.trial AND x.epoch = e.epoch
CROSS JOIN metric m ON m.id = x.metric;

-- ==== views: the public API =====================================================================
-- <view>_all holds every revision, with the columns revision (number) and latest (0 or 1); <view>
-- shows the revision run last.

CREATE VIEW trial_final_all AS
-- The metrics of every ended trial at its selected and its last epoch.
-- at: selected, selected:<metric> (further monitors) or last; status: done, failed or interrupted.
SELECT t.study, t.revision, t.variant, t.cell, t.seed, t.trial_id, t.status, s.at, s.epoch,
       v.split, v.metric, v.value, t.seed_init, t.seed_order, t.seed_noise, v.better, t.latest,
       t.cell_key
FROM study_trial t
CROSS JOIN selection s ON s.trial = t.trial_key
CROSS JOIN wide_value v ON v.trial = s.trial AND v.epoch = s.epoch
WHERE t.status IN ('done', 'failed', 'interrupted') AND v.value IS NOT NULL
UNION ALL
SELECT t.study, t.revision, t.variant, t.cell, t.seed, t.trial_id, t.status, s.at, s.epoch,
       v.split, v.metric, v.value, t.seed_init, t.seed_order, t.seed_noise, v.better, t.latest,
       t.cell_key
FROM study_trial t
CROSS JOIN selection s ON s.trial = t.trial_key
CROSS JOIN tall_value v ON v.trial = s.trial AND v.epoch = s.epoch
WHERE t.status IN ('done', 'failed', 'interrupted');

CREATE VIEW trial_final AS
SELECT study, variant, cell, seed, trial_id, status, at, epoch, split, metric, value, seed_init,
       seed_order, seed_noise
FROM trial_final_all
WHERE latest = 1;

CREATE VIEW seed_stats_all AS
-- Statistics over the seeds of a cell, done trials only.
-- variance, sd: of the sample (n - 1), NULL for n = 1; best: max of accuracies, min of losses, NULL
-- for other metrics; spread: the distance from best to worst; planned, failed: trials of the cell.
-- The variance is the corrected two-pass one (Chan, Golub, LeVeque 1983). Windows in place of
-- GROUP BY: SQLite carries a filter on their keys down to the tables, and not past a GROUP BY.
SELECT study, revision, variant, cell, at, split, metric, n, mean, sqrt(variance) AS sd, variance,
       min, max, CASE better WHEN 'max' THEN max WHEN 'min' THEN min END AS best,
       max - min AS spread,
       (SELECT count(*) FROM cell_trial ct WHERE ct.cell = cell_key) AS planned,
       (SELECT count(*) FROM cell_trial ct JOIN trial t ON t.id = ct.trial
        WHERE ct.cell = cell_key AND t.status = 'failed') AS failed,
       latest, cell_key
FROM (SELECT study, revision, variant, cell, at, split, metric, better, latest, cell_key, mean,
             count(*) OVER w AS n, min(value) OVER w AS min, max(value) OVER w AS max,
             CASE WHEN count(*) OVER w > 1
                  THEN max(0.0, (sum(d * d) OVER w - sum(d) OVER w * sum(d) OVER w
                                 / count(*) OVER w) / (count(*) OVER w - 1)) END AS variance,
             row_number() OVER w AS place
      FROM (SELECT study, revision, variant, cell, at, split, metric, better, latest, cell_key,
                   value, avg(value) OVER w AS mean, value - avg(value) OVER w AS d
            FROM trial_final_all
            WHERE status = 'done'
            WINDOW w AS (PARTITION BY cell_key, at, metric, split, study, revision, variant, cell,
                         better, latest))
      WINDOW w AS (PARTITION BY cell_key, at, metric, split, study, revision, variant, cell,
                   better, latest))
WHERE place = 1;

CREATE VIEW seed_stats AS
SELECT study, variant, cell, at, split, metric, n, mean, sd, variance, min, max, best, spread,
       planned, failed
FROM seed_stats_all
WHERE latest = 1;

CREATE VIEW learning_curve_all AS
-- Every metric of every epoch of every trial, running ones too; epoch 0 is the untrained network.
SELECT t.study, t.revision, t.variant, t.cell, t.seed, t.trial_id, v.epoch, v.phase,
       v.phase_epoch, v.split, v.metric, v.value, t.seed_init, t.seed_order, t.seed_noise,
       t.status, t.latest, t.cell_key
FROM study_trial t
CROSS JOIN wide_value v ON v.trial = t.trial_key
WHERE v.value IS NOT NULL
UNION ALL
SELECT t.study, t.revision, t.variant, t.cell, t.seed, t.trial_id, v.epoch, v.phase,
       v.phase_epoch, v.split, v.metric, v.value, t.seed_init, t.seed_order, t.seed_noise,
       t.status, t.latest, t.cell_key
FROM study_trial t
CROSS JOIN tall_value v ON v.trial = t.trial_key;

CREATE VIEW learning_curve AS
SELECT study, variant, cell, seed, trial_id, epoch, phase, phase_epoch, split, metric, value,
       seed_init, seed_order, seed_noise, status
FROM learning_curve_all
WHERE latest = 1;

CREATE VIEW epoch_seed_stats_all AS
-- The same statistics at every epoch. Early stopping ends phases at different epochs, so seeds are
-- aligned by phase and the epoch within it; n falls where some seeds have stopped. Done trials
-- only. Name a study and a metric: over all of them this is a lot of work.
SELECT study, revision, variant, cell, phase, phase_epoch, split, metric, n, mean,
       sqrt(variance) AS sd, variance, min, max,
       (SELECT count(*) FROM cell_trial ct WHERE ct.cell = cell_key) AS planned,
       (SELECT count(*) FROM cell_trial ct JOIN trial t ON t.id = ct.trial
        WHERE ct.cell = cell_key AND t.status = 'failed') AS failed,
       latest, cell_key
FROM (SELECT study, revision, variant, cell, phase, phase_epoch, split, metric, latest, cell_key,
             mean, count(*) OVER w AS n, min(value) OVER w AS min, max(value) OVER w AS max,
             CASE WHEN count(*) OVER w > 1
                  THEN max(0.0, (sum(d * d) OVER w - sum(d) OVER w * sum(d) OVER w
                                 / count(*) OVER w) / (count(*) OVER w - 1)) END AS variance,
             row_number() OVER w AS place
      FROM (SELECT study, revision, variant, cell, phase, phase_epoch, split, metric, latest,
                   cell_key, value, avg(value) OVER w AS mean, value - avg(value) OVER w AS d
            FROM learning_curve_all
            WHERE status = 'done'
            WINDOW w AS (PARTITION BY cell_key, phase_epoch, metric, split, phase, study, revision,
                         variant, cell, latest))
      WINDOW w AS (PARTITION BY cell_key, phase_epoch, metric, split, phase, study, revision,
                   variant, cell, latest))
WHERE place = 1;

CREATE VIEW epoch_seed_stats AS
SELECT study, variant, cell, phase, phase_epoch, split, metric, n, mean, sd, variance, min, max,
       planned, failed
FROM epoch_seed_stats_all
WHERE latest = 1;

CREATE VIEW paired_delta_all AS
-- A trial minus the trial of the reference cell with the same seeds; both done.
-- reference: the label of the reference variant's cell that shares its grid keys; none, no row.
SELECT t.study, t.revision, t.variant, t.cell, rc.label AS reference, t.seed, s.at, v.split,
       v.metric, v.value, rv.value AS reference_value, v.value - rv.value AS delta, t.seed_init,
       t.seed_order, t.seed_noise, t.latest, t.cell_key
FROM study_trial t
CROSS JOIN cell rc ON rc.id = t.reference_key
CROSS JOIN cell_trial rct ON rct.cell = rc.id
CROSS JOIN trial rt ON rt.id = rct.trial AND rt.seed_init = t.seed_init
       AND rt.seed_order = t.seed_order AND rt.seed_noise = t.seed_noise AND rt.status = 'done'
CROSS JOIN selection s ON s.trial = t.trial_key
CROSS JOIN selection rs ON rs.trial = rt.id AND rs.at = s.at
CROSS JOIN wide_value v ON v.trial = s.trial AND v.epoch = s.epoch
CROSS JOIN wide_value rv ON rv.trial = rs.trial AND rv.epoch = rs.epoch AND rv.split = v.split
       AND rv.metric = v.metric
WHERE t.status = 'done' AND v.value IS NOT NULL AND rv.value IS NOT NULL
UNION ALL
SELECT t.study, t.revision, t.variant, t.cell, rc.label, t.seed, s.at, m.split, m.name, x.value,
       rx.value, x.value - rx.value, t.seed_init, t.seed_order, t.seed_noise, t.latest, t.cell_key
FROM study_trial t
CROSS JOIN cell rc ON rc.id = t.reference_key
CROSS JOIN cell_trial rct ON rct.cell = rc.id
CROSS JOIN trial rt ON rt.id = rct.trial AND rt.seed_init = t.seed_init
       AND rt.seed_order = t.seed_order AND rt.seed_noise = t.seed_noise AND rt.status = 'done'
CROSS JOIN selection s ON s.trial = t.trial_key
CROSS JOIN selection rs ON rs.trial = rt.id AND rs.at = s.at
CROSS JOIN epoch_metric x ON x.trial = s.trial AND x.epoch = s.epoch
CROSS JOIN epoch_metric rx ON rx.trial = rs.trial AND rx.epoch = rs.epoch AND rx.metric = x.metric
CROSS JOIN metric m ON m.id = x.metric
WHERE t.status = 'done';

CREATE VIEW paired_delta AS
SELECT study, variant, cell, reference, seed, at, split, metric, value, reference_value, delta,
       seed_init, seed_order, seed_noise
FROM paired_delta_all
WHERE latest = 1;

CREATE VIEW leaf_counts AS
-- The counts as stored: one JSON array for each epoch and split that has them.
SELECT t.trial_id, e.epoch, s.column2 AS split,
       CASE s.column1 WHEN 1 THEN e.train_leaf_counts WHEN 2 THEN e.validation_leaf_counts
                      ELSE e.test_leaf_counts END AS counts
FROM trial t
CROSS JOIN epoch e ON e.trial = t.id
CROSS JOIN (VALUES (1, 'train'), (2, 'validation'), (3, 'test')) s;

CREATE VIEW leaf_load AS
-- How many examples each leaf got by hard routing. Train counts are running (over the epoch's
-- batches), the others evaluated at the epoch's end.
SELECT c.trial_id, c.epoch, c.split, j.key AS leaf, j.value AS count
FROM leaf_counts c, json_each(c.counts) j
WHERE c.counts IS NOT NULL;

CREATE VIEW leaf_balance AS
-- How evenly leaves are used. dead: leaves never chosen; entropy: of the shares over log(leaves),
-- 1 for a single leaf; cv: population sd of the counts over their mean; max_share: of the fullest.
SELECT trial_id, epoch, split, json_array_length(counts) AS leaves,
       (SELECT count(*) FROM json_each(counts) WHERE value = 0) AS dead,
       CASE WHEN json_array_length(counts) = 1 THEN 1.0
            ELSE (SELECT max(0.0, ln(sum(value)) - sum(CASE WHEN value > 0 THEN value * ln(value)
                                                       ELSE 0.0 END) / sum(value))
                  FROM json_each(counts) HAVING sum(value) > 0) / ln(json_array_length(counts))
       END AS entropy,
       (SELECT sqrt(count(*) * sum(value * value) - sum(value) * sum(value)) / sum(value)
        FROM json_each(counts) HAVING sum(value) > 0) AS cv,
       (SELECT 1.0 * max(value) / sum(value) FROM json_each(counts) HAVING sum(value) > 0)
           AS max_share
FROM leaf_counts
WHERE counts IS NOT NULL;

CREATE VIEW cell_param_all AS
-- The whole configuration of each cell, with training_width, leaf_width, depth, inference_width for
-- every model.
SELECT c.study, c.revision, c.variant, c.cell, k.key, k.value, c.latest, c.cell_key
FROM study_cell c
CROSS JOIN cell_key k ON k.cell = c.cell_key;

CREATE VIEW cell_param AS
SELECT study, variant, cell, key, value FROM cell_param_all WHERE latest = 1;

CREATE VIEW versus_published_all AS
-- Published figures beside ours. routing and spread_is tell what the published ones measure: they
-- need not be what our metric and spread are.
SELECT s.study, s.revision, s.variant, s.cell, s.at, s.split, s.metric, p.routing, s.n, s.best,
       s.spread, s.sd, p.published_best, p.published_spread, p.spread_is, p.runs, p.source,
       s.latest
FROM seed_stats_all s
JOIN published p ON p.cell = s.cell_key AND p.split = s.split AND p.metric = s.metric;

CREATE VIEW versus_published AS
SELECT study, variant, cell, at, split, metric, routing, n, best, spread, sd, published_best,
       published_spread, spread_is, runs, source
FROM versus_published_all
WHERE latest = 1;

CREATE VIEW missing_trials_all AS
-- What a revision plans and does not have: trials that are not done.
SELECT study, revision, variant, cell, seed, trial_id, status, seed_init, seed_order, seed_noise,
       latest
FROM study_trial
WHERE status <> 'done';

CREATE VIEW missing_trials AS
SELECT study, variant, cell, seed, trial_id, status, seed_init, seed_order, seed_noise
FROM missing_trials_all
WHERE latest = 1;

CREATE VIEW stale_trials_all AS
-- Done trials whose last attempt ran another executable, or another build of one of its plugins,
-- than the latest attempt in this database did. They stay done; run --strict-code trains them
-- again. An environment lists the plugins of the whole study; those of the cell's losses and heads
-- count.
SELECT t.study, t.revision, t.variant, t.cell, t.seed, t.trial_id, t.status,
       json_extract(e.content, '$.executable_sha256') AS executable,
       json_extract(n.content, '$.executable_sha256') AS latest_executable,
       t.seed_init, t.seed_order, t.seed_noise, t.latest
FROM study_trial t
CROSS JOIN attempt a ON a.trial = t.trial_key
       AND a.number = (SELECT max(number) FROM attempt b WHERE b.trial = t.trial_key)
CROSS JOIN cell c ON c.id = t.cell_key
CROSS JOIN environment e ON e.id = a.environment
CROSS JOIN environment n
        ON n.id = (SELECT environment FROM attempt ORDER BY id DESC LIMIT 1) AND n.id <> e.id
WHERE t.status = 'done'
  AND (json_extract(e.content, '$.executable_sha256')
       IS NOT json_extract(n.content, '$.executable_sha256')
       OR EXISTS (SELECT 1 FROM json_each(e.content, '$.plugins') p
                  JOIN json_each(n.content, '$.plugins') q ON q.key = p.key
                  WHERE (json_type(c.config, '$.losses."' || p.key || '"') IS NOT NULL
                         OR json_type(c.config, '$.heads."' || p.key || '"') IS NOT NULL)
                    AND CASE q.type WHEN 'object' THEN json_extract(q.value, '$.sha256') END
                        IS NOT CASE p.type WHEN 'object' THEN json_extract(p.value, '$.sha256')
                               END));

CREATE VIEW stale_trials AS
SELECT study, variant, cell, seed, trial_id, status, executable, latest_executable, seed_init,
       seed_order, seed_noise
FROM stale_trials_all
WHERE latest = 1;
