-- Which source of randomness makes the seeds of each cell differ: initial weights, order of examples, or both together.
-- :study % studies, a LIKE pattern
-- :split test train, validation or test
-- :metric hard_accuracy any metric; also written test.hard_accuracy
-- :at selected selected, selected:<metric> or last
-- Cells whose seeds cross init with order, such as {init: 0..3, order: 0..3}, one noise seed. Two-way analysis of variance without
-- replicates: sd_init, sd_order are components of variance (their root; 0 where the mean square is below the rest's), sd_rest what
-- only the pair of the two explains.
WITH trial AS MATERIALIZED (
    SELECT study, cell, seed_init AS i, seed_order AS o, value AS v FROM trial_final
    WHERE study LIKE :study AND split = :split AND metric = :metric AND at = :at AND status = 'done'),
size AS (
    SELECT study, cell, count(DISTINCT i) AS a, count(DISTINCT o) AS b, avg(v) AS mean, 1e-14 * max(abs(v)) AS noise FROM trial
    GROUP BY study, cell HAVING a > 1 AND b > 1 AND count(*) = a * b),
by_init AS (SELECT study, cell, i, avg(v) AS m FROM trial GROUP BY study, cell, i),
by_order AS (SELECT study, cell, o, avg(v) AS m FROM trial GROUP BY study, cell, o),
square AS (
    SELECT s.*,
        (SELECT s.b * sum((x.m - s.mean) * (x.m - s.mean)) / (s.a - 1) FROM by_init x
         WHERE x.study = s.study AND x.cell = s.cell) AS ms_init,
        (SELECT s.a * sum((x.m - s.mean) * (x.m - s.mean)) / (s.b - 1) FROM by_order x
         WHERE x.study = s.study AND x.cell = s.cell) AS ms_order,
        (SELECT sum((t.v - x.m - y.m + s.mean) * (t.v - x.m - y.m + s.mean)) / ((s.a - 1) * (s.b - 1))
         FROM trial t JOIN by_init x ON x.study = t.study AND x.cell = t.cell AND x.i = t.i
         JOIN by_order y ON y.study = t.study AND y.cell = t.cell AND y.o = t.o
         WHERE t.study = s.study AND t.cell = s.cell) AS ms_rest
    FROM size s)
SELECT study, cell, a AS inits, b AS orders, mean,
       iif((ms_init - ms_rest) / b <= noise * noise, 0.0, sqrt((ms_init - ms_rest) / b)) AS sd_init,
       iif((ms_order - ms_rest) / a <= noise * noise, 0.0, sqrt((ms_order - ms_rest) / a)) AS sd_order,
       iif(ms_rest <= noise * noise, 0.0, sqrt(ms_rest)) AS sd_rest
FROM square ORDER BY study, cell;
