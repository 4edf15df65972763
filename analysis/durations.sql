-- How long the trials of each cell took, and how many epochs they trained.
-- :study % studies, a LIKE pattern
-- attempts, seconds: of all attempts, those that failed too; seconds_per_epoch: over the epochs that
-- these attempts trained, with all they did beside.
WITH trials AS MATERIALIZED (
    SELECT t.study, t.cell, t.cell_key, t.status,
           (SELECT count(*) FROM attempt a WHERE a.trial = t.trial_key) AS attempts,
           (SELECT sum(a.seconds) FROM attempt a WHERE a.trial = t.trial_key) AS seconds,
           (SELECT max(e.epoch) FROM epoch e WHERE e.trial = t.trial_key) AS epochs,
           (SELECT sum(a.epochs - max(a.first_epoch - 1, 0)) FROM attempt a
            WHERE a.trial = t.trial_key AND a.seconds IS NOT NULL) AS trained
    FROM study_trial t
    WHERE t.latest = 1 AND t.study LIKE :study)
SELECT study, cell, count(*) AS planned, sum(status = 'done') AS done, sum(attempts) AS attempts,
       sum(seconds) AS seconds, avg(seconds) AS seconds_per_trial, min(epochs) AS min_epochs,
       avg(epochs) AS mean_epochs, max(epochs) AS max_epochs,
       sum(seconds) / nullif(sum(trained), 0) AS seconds_per_epoch
FROM trials
GROUP BY cell_key
ORDER BY study, cell_key;
