-- How a metric develops over the epochs: mean and sd over seeds, aligned within each phase.
-- :study % studies, a LIKE pattern
-- :cell % cells, a LIKE pattern over labels
-- :split test train, validation or test
-- :metric hard_accuracy any metric, also test.hard_accuracy, running_loss, loss.<term>, <plugin>.<key>
-- :every 1 only every so many epochs of a phase, and its first
WITH phases AS MATERIALIZED (SELECT phase, min(epoch) AS first FROM epoch GROUP BY phase)
SELECT study, cell, phase, phase_epoch, n, mean, sd, min, max
FROM epoch_seed_stats JOIN phases USING (phase)
WHERE study LIKE :study AND cell LIKE :cell AND split = :split AND metric = :metric
  AND (phase_epoch <= 1 OR phase_epoch % :every = 0)
ORDER BY study, cell, first, phase_epoch;
