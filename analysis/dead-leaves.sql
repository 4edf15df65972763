-- Which trials left leaves without examples, and how evenly the rest were used.
-- :study % studies, a LIKE pattern
-- :split test train (running counts), validation or test
-- :at selected selected, selected:<metric> or last
-- :least 1 how many dead leaves a trial must have to be shown; 0 shows all
-- selected_by: what chose the epoch; with test.<metric> its test figures are optimistic.
-- training_saw: what of the test set ended a phase, changed its rate or chose the epoch it began with; figures of
-- every epoch are optimistic then.
SELECT t.study, t.cell, t.seed, t.trial_id, s.epoch, b.leaves, b.dead, b.entropy, b.cv,
       b.max_share, s.monitor AS selected_by,
       (SELECT group_concat(DISTINCT trim(k.value, '[]')) FROM cell_key k JOIN cell_key p USING (cell)
        WHERE cell = t.cell_key AND ltrim(k.value, '[') LIKE 'test.%' AND (k.key LIKE 'phases.%.monitor' OR
            k.key = 'selection.monitor' AND p.key LIKE '%.start_from' AND p.value = 'best')) AS training_saw
FROM study_trial t
JOIN selection s ON s.trial = t.trial_key
JOIN leaf_balance b ON b.trial_id = t.trial_id AND b.epoch = s.epoch
WHERE t.latest = 1 AND t.status IN ('done', 'failed', 'interrupted') AND t.study LIKE :study
  AND s.at = :at AND b.split = :split AND b.dead >= :least
ORDER BY b.dead * 1.0 / b.leaves DESC, t.study, t.cell, t.seed_init, t.seed_order, t.seed_noise;
