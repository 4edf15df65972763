-- Each cell less its reference cell, seed by seed, over the seeds that both have.
-- :study % studies, a LIKE pattern
-- :split test train, validation or test
-- :metric hard_accuracy any metric; also written test.hard_accuracy
-- :at selected selected, selected:<metric> or last
-- sd_delta: 0 where rounding alone tells the differences apart.
-- higher: in how many pairs the cell's value is above the reference's. `report` has intervals and tests.
-- selected_by: what chose the epoch; with test.<metric> its test figures are optimistic.
-- training_saw: what of the test set ended a phase, changed its rate or chose the epoch it began with; figures of
-- every epoch are optimistic then.
WITH pairs AS MATERIALIZED (
    SELECT study, cell, cell_key, reference, delta, max(abs(value), abs(reference_value)) AS size,
           avg(delta) OVER (PARTITION BY cell_key) AS mean_delta
    FROM paired_delta_all
    WHERE latest = 1 AND study LIKE :study AND split = :split AND metric = :metric AND at = :at)
SELECT study, cell, reference, count(*) AS pairs, mean_delta,
       CASE WHEN max(delta) - min(delta) <= 1e-14 * max(size) AND count(*) > 1 THEN 0.0
            WHEN count(*) > 1
            THEN sqrt(sum((delta - mean_delta) * (delta - mean_delta)) / (count(*) - 1)) END AS sd_delta,
       min(delta) AS min_delta, max(delta) AS max_delta, sum(delta > 0) AS higher,
       (SELECT group_concat(DISTINCT e.monitor) FROM cell_trial ct JOIN selection e ON e.trial = ct.trial
        WHERE ct.cell = cell_key AND e.at = :at) AS selected_by,
       (SELECT group_concat(DISTINCT trim(k.value, '[]')) FROM cell_key k JOIN cell_key p USING (cell)
        WHERE k.cell = cell_key AND ltrim(k.value, '[') LIKE 'test.%' AND (k.key LIKE 'phases.%.monitor' OR
            k.key = 'selection.monitor' AND p.key LIKE '%.start_from' AND p.value = 'best')) AS training_saw
FROM pairs
GROUP BY cell_key
ORDER BY study, cell_key;
