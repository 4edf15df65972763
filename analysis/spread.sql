-- How far the seeds of each cell lie apart, and the variance against the reference's.
-- :study % studies, a LIKE pattern
-- :split test train, validation or test
-- :metric hard_accuracy any metric
-- :at selected selected, selected:<metric> or last
-- variance_ratio: of a cell's variance to that of its reference cell; below 1 is steadier.
SELECT s.study, s.cell, s.n, s.planned, s.mean, s.sd, s.best, s.spread, s.variance,
       s.variance / r.variance AS variance_ratio
FROM seed_stats_all s
JOIN cell c ON c.id = s.cell_key
LEFT JOIN seed_stats_all r ON r.cell_key = c.reference AND r.at = s.at AND r.split = s.split
          AND r.metric = s.metric AND r.variance > 0
WHERE s.latest = 1 AND s.study LIKE :study AND s.split = :split AND s.metric = :metric
  AND s.at = :at
ORDER BY s.study, c.ordinal;
