-- Which trials failed, at which epoch, and why.
-- :study % studies, a LIKE pattern
SELECT t.study, t.cell, t.seed, t.trial_id, a.number AS attempt, a.ended_at,
       (SELECT max(e.epoch) FROM epoch e WHERE e.trial = t.trial_key) AS last_epoch, a.message
FROM study_trial t
LEFT JOIN attempt a ON a.id = (SELECT max(b.id) FROM attempt b WHERE b.trial = t.trial_key)
WHERE t.latest = 1 AND t.status = 'failed' AND t.study LIKE :study
ORDER BY a.ended_at DESC;
