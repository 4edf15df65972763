-- Which trials left leaves without examples, and how evenly the rest were used.
-- :study % studies, a LIKE pattern
-- :split test train (running counts), validation or test
-- :at selected selected, selected:<metric> or last
-- :least 1 how many dead leaves a trial must have to be shown; 0 shows all
SELECT t.study, t.cell, t.seed, t.trial_id, s.epoch, b.leaves, b.dead, b.entropy, b.cv,
       b.max_share, s.monitor AS selected_by
FROM study_trial t
JOIN selection s ON s.trial = t.trial_key
JOIN leaf_balance b ON b.trial_id = t.trial_id AND b.epoch = s.epoch
WHERE t.latest = 1 AND t.status IN ('done', 'failed', 'interrupted') AND t.study LIKE :study
  AND s.at = :at AND b.split = :split AND b.dead >= :least
ORDER BY b.dead * 1.0 / b.leaves DESC, t.study, t.cell, t.seed_init, t.seed_order, t.seed_noise;
