-- sqlite3 -readonly results/espalier.db < analysis/examples/read.sql
.mode csv
.headers on
SELECT study, cell, n, mean, sd, best, spread
FROM seed_stats
WHERE at = 'last' AND split = 'test' AND metric = 'hard_accuracy'
ORDER BY study, cell;

-- the newest trial, epoch by epoch
SELECT epoch, value
FROM learning_curve
WHERE trial_id = (SELECT trial_id FROM trial ORDER BY id DESC LIMIT 1)
  AND split = 'train' AND metric = 'running_loss'
ORDER BY epoch;
