-- How many trials of each cell failed, are missing, or ended below a threshold.
-- :study % studies, a LIKE pattern
-- :split test train, validation or test
-- :metric hard_accuracy any metric, higher is better; also written test.hard_accuracy
-- :at selected selected, selected:<metric> or last
-- :below - a done trial whose value is below it counts as failed too; - counts none
-- share: of failed and below among failed and done. A study's report.failure is its report's limit;
-- here one is given as below. `failed` lists the trials with their messages.
-- selected_by: what chose the epoch; with test.<metric> its test figures are optimistic.
-- training_saw: what of the test set ended a phase, changed its rate or chose the epoch it began with; figures of
-- every epoch are optimistic then.
WITH trials AS MATERIALIZED (
    SELECT t.study, t.cell, t.cell_key, t.status, v.value
    FROM study_trial t
    LEFT JOIN trial_final_all v ON v.trial_id = t.trial_id AND v.cell_key = t.cell_key
         AND v.study = t.study AND v.revision = t.revision AND v.split = :split
         AND v.metric = :metric AND v.at = :at
    WHERE t.latest = 1 AND t.study LIKE :study)
SELECT study, cell, count(*) AS planned, sum(status = 'done') AS done,
       sum(status = 'failed') AS failed, sum(status NOT IN ('done', 'failed')) AS missing,
       total(status = 'done' AND value < :below) AS below,
       (sum(status = 'failed') + total(status = 'done' AND value < :below))
       / nullif(sum(status IN ('done', 'failed')), 0) AS share,
       (SELECT group_concat(DISTINCT e.monitor) FROM cell_trial ct JOIN selection e ON e.trial = ct.trial
        WHERE ct.cell = cell_key AND e.at = :at) AS selected_by,
       (SELECT group_concat(DISTINCT trim(k.value, '[]')) FROM cell_key k JOIN cell_key p USING (cell)
        WHERE k.cell = cell_key AND ltrim(k.value, '[') LIKE 'test.%' AND (k.key LIKE 'phases.%.monitor' OR
            k.key = 'selection.monitor' AND p.key LIKE '%.start_from' AND p.value = 'best')) AS training_saw
FROM trials
GROUP BY cell_key
ORDER BY study, cell_key;
