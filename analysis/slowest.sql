-- Which trials took longest, all attempts together, and how long an epoch takes them.
-- :study % studies, a LIKE pattern
-- :limit 20 how many trials
-- seconds_per_epoch: of all that these attempts did, over the epochs that they trained
SELECT t.study, t.cell, t.seed, t.trial_id, t.status,
       (SELECT count(*) FROM attempt a WHERE a.trial = t.trial_key) AS attempts,
       (SELECT sum(a.seconds) FROM attempt a WHERE a.trial = t.trial_key) AS seconds,
       (SELECT max(e.epoch) FROM epoch e WHERE e.trial = t.trial_key) AS epochs,
       (SELECT sum(a.seconds) / nullif(sum(a.epochs - max(a.first_epoch - 1, 0)), 0)
        FROM attempt a WHERE a.trial = t.trial_key AND a.seconds IS NOT NULL) AS seconds_per_epoch,
       (SELECT max(a.peak_memory) / 1000000 FROM attempt a WHERE a.trial = t.trial_key)
           AS peak_megabytes
FROM study_trial t
WHERE t.latest = 1 AND t.study LIKE :study
  AND EXISTS (SELECT 1 FROM attempt a WHERE a.trial = t.trial_key)
ORDER BY seconds DESC NULLS LAST
LIMIT :limit;
