-- Each cell less its reference cell, seed by seed, over the seeds that both have.
-- :study % studies, a LIKE pattern
-- :split test train, validation or test
-- :metric hard_accuracy any metric; also written test.hard_accuracy
-- :at selected selected, selected:<metric> or last
-- higher: in how many pairs the cell's value is above the reference's. `report` has intervals and tests.
WITH pairs AS MATERIALIZED (
    SELECT study, cell, cell_key, reference, delta, avg(delta) OVER (PARTITION BY cell_key) AS mean_delta
    FROM paired_delta_all
    WHERE latest = 1 AND study LIKE :study AND split = :split AND metric = :metric AND at = :at)
SELECT study, cell, reference, count(*) AS pairs, mean_delta,
       CASE WHEN count(*) > 1
            THEN sqrt(sum((delta - mean_delta) * (delta - mean_delta)) / (count(*) - 1)) END AS sd_delta,
       min(delta) AS min_delta, max(delta) AS max_delta, sum(delta > 0) AS higher
FROM pairs
GROUP BY cell_key
ORDER BY study, cell_key;
