-- Every seed of every cell, from the best: which seeds are bad, and are they the same ones?
-- :study % studies, a LIKE pattern
-- :split test train, validation or test
-- :metric hard_accuracy any metric; also written test.hard_accuracy
-- :at selected selected, selected:<metric> or last
-- place: 1 is the best seed of its cell; deviation: from the mean of its cell.
-- selected_by: what chose the epoch; with test.<metric> its test figures are optimistic.
-- training_saw: what of the test set ended a phase, changed its rate or chose the epoch it began with; figures of
-- every epoch are optimistic then.
SELECT t.study, t.cell, t.seed, t.trial_id, t.epoch, t.value,
       iif(abs(t.value - avg(t.value) OVER cells) <= 1e-14 * abs(t.value), 0.0,
           t.value - avg(t.value) OVER cells) AS deviation,
       row_number() OVER (PARTITION BY t.cell_key
                          ORDER BY CASE t.better WHEN 'min' THEN t.value ELSE -t.value END,
                                   t.seed_init, t.seed_order, t.seed_noise) AS place,
       count(*) OVER cells AS n,
       (SELECT group_concat(DISTINCT e.monitor) FROM cell_trial ct JOIN selection e ON e.trial = ct.trial
        WHERE ct.cell = t.cell_key AND e.at = :at) AS selected_by,
       (SELECT group_concat(DISTINCT trim(k.value, '[]')) FROM cell_key k JOIN cell_key p USING (cell)
        WHERE cell = t.cell_key AND ltrim(k.value, '[') LIKE 'test.%' AND (k.key LIKE 'phases.%.monitor' OR
            k.key = 'selection.monitor' AND p.key LIKE '%.start_from' AND p.value = 'best')) AS training_saw
FROM trial_final_all t
WHERE t.latest = 1 AND t.status = 'done' AND t.study LIKE :study AND t.split = :split
  AND t.metric = :metric AND t.at = :at
WINDOW cells AS (PARTITION BY t.cell_key)
ORDER BY t.study, t.cell_key, place;
