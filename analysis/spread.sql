-- How far the seeds of each cell lie apart, and the variance against the reference's.
-- :study % studies, a LIKE pattern
-- :split test train, validation or test
-- :metric hard_accuracy any metric; also written test.hard_accuracy
-- :at selected selected, selected:<metric> or last
-- selected_by: what chose the epoch; with test.<metric> its test figures are optimistic.
-- variance_ratio: of a cell's variance to that of its reference cell; below 1 is steadier. From 3 seeds on.
-- training_saw: what of the test set ended a phase, changed its rate or chose the epoch it began with; figures of
-- every epoch are optimistic then.
WITH wanted AS MATERIALIZED (
    SELECT * FROM seed_stats_all
    WHERE latest = 1 AND study LIKE :study AND split = :split AND metric = :metric AND at = :at)
SELECT s.study, s.cell, s.n, s.planned, s.mean, s.sd, s.best, s.spread, s.variance,
       CASE WHEN s.n > 2 AND r.n > 2 AND r.spread > 1e-14 * max(abs(r.min), abs(r.max))
            THEN s.variance / r.variance END AS variance_ratio,
       (SELECT group_concat(DISTINCT e.monitor) FROM cell_trial ct JOIN selection e ON e.trial = ct.trial
        WHERE ct.cell = s.cell_key AND e.at = :at) AS selected_by,
       CASE WHEN s.n < 3 THEN 'n < 3: says little of spread'
            WHEN r.n < 3 THEN 'reference has n < 3: no ratio'
            WHEN r.spread <= 1e-14 * max(abs(r.min), abs(r.max)) THEN 'reference has no variance: no ratio' END AS note,
       (SELECT group_concat(DISTINCT trim(k.value, '[]')) FROM cell_key k JOIN cell_key p USING (cell)
        WHERE cell = s.cell_key AND ltrim(k.value, '[') LIKE 'test.%' AND (k.key LIKE 'phases.%.monitor' OR
            k.key = 'selection.monitor' AND p.key LIKE '%.start_from' AND p.value = 'best')) AS training_saw
FROM wanted s
JOIN cell c ON c.id = s.cell_key
LEFT JOIN wanted r ON r.cell_key = c.reference
ORDER BY s.study, c.ordinal;
