-- How a metric develops over the epochs: mean and sd over seeds, aligned within each phase.
-- :study % studies, a LIKE pattern
-- :cell % cells, a LIKE pattern over labels
-- :split test train, validation or test
-- :metric hard_accuracy any metric, also test.hard_accuracy, running_loss, loss.<term>, <plugin>.<key>
-- :every 1 only every so many epochs of a phase, and its first
-- training_saw: what of the test set ended a phase, changed its rate or chose the epoch it began with; figures of
-- every epoch are optimistic then.
WITH phases AS MATERIALIZED (SELECT phase, min(epoch) AS first FROM epoch GROUP BY phase)
SELECT study, cell, phase, phase_epoch, n, mean, sd, min, max,
       (SELECT group_concat(DISTINCT trim(k.value, '[]')) FROM cell_key k JOIN cell_key p USING (cell)
        WHERE k.cell = cell_key AND ltrim(k.value, '[') LIKE 'test.%' AND (k.key LIKE 'phases.%.monitor' OR
            k.key = 'selection.monitor' AND p.key LIKE '%.start_from' AND p.value = 'best')) AS training_saw
FROM epoch_seed_stats_all JOIN phases USING (phase)
WHERE latest = 1 AND study LIKE :study AND cell LIKE :cell AND split = :split AND metric = :metric
  AND (phase_epoch <= 1 OR phase_epoch % :every = 0)
ORDER BY study, cell, first, phase_epoch;
