-- How far soft and hard routing lie apart: accuracy with all leaves mixed less accuracy with one leaf by descent.
-- :study % studies, a LIKE pattern
-- :split test train, validation or test
-- :at selected selected, selected:<metric> or last
-- gap: soft - hard, of each trial at one epoch, then over the seeds.
-- selected_by: what chose the epoch; with test.<metric> its test figures are optimistic.
-- training_saw: what of the test set ended a phase, changed its rate or chose the epoch it began with; figures of
-- every epoch are optimistic then.
WITH pairs AS MATERIALIZED (
    SELECT s.study, s.cell, s.cell_key, s.value AS soft, h.value AS hard, s.value - h.value AS gap
    FROM trial_final_all s
    JOIN trial_final_all h ON h.study = s.study AND h.revision = s.revision AND h.cell_key = s.cell_key
         AND h.trial_id = s.trial_id AND h.at = s.at AND h.split = s.split
    WHERE s.latest = 1 AND s.status = 'done' AND s.study LIKE :study AND s.split = :split
      AND s.at = :at AND s.metric = 'soft_accuracy' AND h.metric = 'hard_accuracy'),
middle AS (SELECT *, avg(gap) OVER (PARTITION BY cell_key) AS mean_gap FROM pairs)
SELECT study, cell, count(*) AS n, avg(soft) AS soft_accuracy, avg(hard) AS hard_accuracy, mean_gap,
       CASE WHEN max(gap) - min(gap) <= 1e-14 * max(max(abs(soft), abs(hard))) AND count(*) > 1 THEN 0.0
            WHEN count(*) > 1
            THEN sqrt(sum((gap - mean_gap) * (gap - mean_gap)) / (count(*) - 1)) END AS sd_gap,
       min(gap) AS min_gap, max(gap) AS max_gap,
       (SELECT group_concat(DISTINCT e.monitor) FROM cell_trial ct JOIN selection e ON e.trial = ct.trial
        WHERE ct.cell = cell_key AND e.at = :at) AS selected_by,
       (SELECT group_concat(DISTINCT trim(k.value, '[]')) FROM cell_key k JOIN cell_key p USING (cell)
        WHERE k.cell = cell_key AND ltrim(k.value, '[') LIKE 'test.%' AND (k.key LIKE 'phases.%.monitor' OR
            k.key = 'selection.monitor' AND p.key LIKE '%.start_from' AND p.value = 'best')) AS training_saw
FROM middle
GROUP BY cell_key
ORDER BY study, cell_key;
