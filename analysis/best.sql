-- The best trial of each cell, from the best cell: its epoch, and how many seeds it is the best of.
-- :study % studies, a LIKE pattern
-- :split validation train, validation or test; of a study without a validation split validation means test
-- :metric hard_accuracy any metric with a better direction; also written test.hard_accuracy
-- :at selected selected, selected:<metric> or last
-- split: what was chosen by; a best by the test split is optimistic.
-- The best of more seeds is better by luck alone: compare cells of the same n.
-- selected_by: what chose the epoch; with test.<metric> its test figures are optimistic.
-- training_saw: what of the test set ended a phase, changed its rate or chose the epoch it began with; figures of
-- every epoch are optimistic then.
WITH validated AS MATERIALIZED (
    SELECT DISTINCT study FROM trial_final_all
    WHERE latest = 1 AND status = 'done' AND study LIKE :study AND split = 'validation' AND metric = :metric AND at = :at),
done AS MATERIALIZED (
    SELECT study, cell, cell_key, seed, trial_id, epoch, value, better, split, count(*) OVER cells AS n,
           row_number() OVER (PARTITION BY cell_key
                              ORDER BY CASE better WHEN 'min' THEN value ELSE -value END,
                                       seed_init, seed_order, seed_noise) AS place
    FROM trial_final_all
    WHERE latest = 1 AND status = 'done' AND study LIKE :study
      AND split = iif(:split = 'validation' AND study NOT IN validated, 'test', :split)
      AND metric = :metric AND at = :at AND (better IS NOT NULL OR metric LIKE '%.accuracy%')
    WINDOW cells AS (PARTITION BY cell_key))
SELECT d.study, d.cell, d.n, d.seed, d.trial_id, d.epoch, d.value,
       (SELECT s.monitor FROM selection s JOIN trial t ON t.id = s.trial
        WHERE t.trial_id = d.trial_id AND s.at = :at) AS selected_by,
       (SELECT group_concat(DISTINCT trim(k.value, '[]')) FROM cell_key k JOIN cell_key p USING (cell)
        WHERE cell = d.cell_key AND ltrim(k.value, '[') LIKE 'test.%' AND (k.key LIKE 'phases.%.monitor' OR
            k.key = 'selection.monitor' AND p.key LIKE '%.start_from' AND p.value = 'best')) AS training_saw,
       d.split
FROM done d
JOIN cell c ON c.id = d.cell_key
WHERE d.place = 1
ORDER BY d.study, CASE d.better WHEN 'min' THEN d.value ELSE -d.value END, c.ordinal;
