-- What a cell's network costs beside how good it is.
-- :study % studies, a LIKE pattern
-- :split test train, validation or test
-- :metric hard_accuracy any metric; also written test.hard_accuracy
-- :at selected selected, selected:<metric> or last
-- inference_macs, training_macs: multiplications with addition for one example, by hard routing and by soft.
-- selected_by: what chose the epoch; with test.<metric> its test figures are optimistic.
-- training_saw: what of the test set ended a phase, changed its rate or chose the epoch it began with; figures of
-- every epoch are optimistic then.
WITH params AS MATERIALIZED (
    SELECT cell_key, max(CASE key WHEN 'inference_width' THEN value END) AS inference_width,
           max(CASE key WHEN 'inference_macs' THEN value END) AS inference_macs,
           max(CASE key WHEN 'training_macs' THEN value END) AS training_macs,
           max(CASE key WHEN 'parameters' THEN value END) AS parameters
    FROM cell_param_all
    WHERE latest = 1 AND study LIKE :study
      AND key IN ('inference_width', 'inference_macs', 'training_macs', 'parameters')
    GROUP BY cell_key)
SELECT s.study, s.cell, CAST(p.inference_width AS INTEGER) AS inference_width,
       CAST(p.inference_macs AS INTEGER) AS inference_macs,
       CAST(p.training_macs AS INTEGER) AS training_macs,
       CAST(p.parameters AS INTEGER) AS parameters, s.n, s.mean, s.sd, s.best,
       (SELECT group_concat(DISTINCT e.monitor) FROM cell_trial ct JOIN selection e ON e.trial = ct.trial
        WHERE ct.cell = s.cell_key AND e.at = :at) AS selected_by,
       (SELECT group_concat(DISTINCT trim(k.value, '[]')) FROM cell_key k JOIN cell_key p USING (cell)
        WHERE cell = s.cell_key AND ltrim(k.value, '[') LIKE 'test.%' AND (k.key LIKE 'phases.%.monitor' OR
            k.key = 'selection.monitor' AND p.key LIKE '%.start_from' AND p.value = 'best')) AS training_saw
FROM seed_stats_all s
JOIN params p ON p.cell_key = s.cell_key
WHERE s.latest = 1 AND s.study LIKE :study AND s.split = :split AND s.metric = :metric AND s.at = :at
ORDER BY s.study, CAST(p.inference_macs AS INTEGER), s.cell;
