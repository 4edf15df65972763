/* SQL that several readers share: what runs, and how far everything is. */
#ifndef ESP_REPORT_STATUS_SQL_H
#define ESP_REPORT_STATUS_SQL_H

/* A trial runs while a run holds it: what else the database calls running was cut off, and counts
 * as interrupted. Columns over rows `t` of study_trial. */
#define ESP_TRIAL_LIVES_SQL "trial_is_held(t.trial_key)"
#define ESP_STATES_SQL                                                                             \
    " count(*) AS trials, sum(t.status = 'done') AS done, sum(t.status = 'failed') AS failed,"     \
    " sum(t.status = 'running' AND " ESP_TRIAL_LIVES_SQL ") AS running,"                           \
    " sum(t.status = 'interrupted' OR t.status = 'running' AND NOT " ESP_TRIAL_LIVES_SQL ")"       \
    " AS interrupted, sum(t.status = 'planned') AS planned"

/* Every study, the one run last first. */
#define ESP_STUDIES_SQL                                                                            \
    "SELECT t.study," ESP_STATES_SQL ", r.last_run_at AS last_run, r.title FROM study_trial t"     \
    " JOIN study s ON s.name = t.study JOIN revision r ON r.id = s.current_revision"               \
    " WHERE t.latest = 1 GROUP BY t.study ORDER BY r.last_run_at DESC"

/* The table left_over: what runs or was cut off. A trial of several studies shows once, by the one
 * run last. Epochs past the attempt's own are of an earlier one that was cut off. The rate is of
 * the attempt's latest epochs; early stopping may end a trial before the time left. */
#define ESP_RUNNING_SQL                                                                            \
    "WITH running AS (SELECT CASE WHEN trial_is_held(b.id) THEN 'running' ELSE 'cut off' END AS "  \
    "state,"                                                                                       \
    "  t.study, t.cell, t.seed, t.trial_id, t.trial_key, t.cell_key, max(r.last_run_at) AS run_at" \
    "  FROM trial b CROSS JOIN cell_trial ct ON ct.trial = b.id"                                   \
    "  CROSS JOIN cell c ON c.id = ct.cell CROSS JOIN revision r ON r.id = c.revision"             \
    "  CROSS JOIN study_trial t ON t.trial_key = b.id AND t.cell_key = c.id"                       \
    "  WHERE b.status = 'running' GROUP BY b.id),"                                                 \
    " attempted AS (SELECT x.*, a.host, a.process, a.started_at, a.first_epoch,"                   \
    "  coalesce((SELECT e.epoch FROM epoch e WHERE e.trial = x.trial_key AND e.attempt = a.id"     \
    "   ORDER BY e.epoch DESC LIMIT 1), max(a.first_epoch - 1, 0)) AS epoch,"                      \
    "  (SELECT sum(json_extract(p.value, '$.epochs')) FROM cell c,"                                \
    "   json_each(c.config, '$.phases') p WHERE c.id = x.cell_key) AS epochs"                      \
    "  FROM running x JOIN attempt a ON a.id ="                                                    \
    "  (SELECT max(b.id) FROM attempt b WHERE b.trial = x.trial_key)),"                            \
    " timed AS (SELECT *, (SELECT nullif(e.phase, '') FROM epoch e"                                \
    "   WHERE e.trial = trial_key AND e.epoch = attempted.epoch) AS phase,"                        \
    "  CASE WHEN state = 'running' THEN (SELECT 1 / nullif(avg(e.seconds), 0) FROM epoch e"        \
    "   WHERE e.trial = trial_key AND e.epoch > max(attempted.epoch - 50, 0)"                      \
    "   AND e.epoch BETWEEN first_epoch AND attempted.epoch) END AS rate"                          \
    "  FROM attempted),"                                                                           \
    " left_over AS (SELECT *, CASE WHEN epoch <= epochs THEN (epochs - epoch) / rate END"          \
    "  AS seconds_left FROM timed) "

/* The table listed: every study, and the time left to those of which something runs: epochs of all
 * that runs, or waits in a run that was asked for it, by the rate of what runs. */
#define ESP_STUDIES_LEFT_SQL                                                                       \
    ESP_RUNNING_SQL                                                                                \
    ", pace AS (SELECT study, sum(rate) AS rate, sum(epochs - epoch) AS epochs FROM left_over"     \
    "  WHERE state = 'running' GROUP BY study),"                                                   \
    " waiting AS (SELECT t.study, sum((SELECT sum(json_extract(p.value, '$.epochs'))"              \
    "   FROM json_each(c.config, '$.phases') p) - coalesce((SELECT max(e.epoch) FROM epoch e"      \
    "   WHERE e.trial = t.trial_key), 0)) AS epochs"                                               \
    "  FROM pace CROSS JOIN study_trial t ON t.study = pace.study AND t.latest = 1"                \
    "  CROSS JOIN cell c ON c.id = t.cell_key WHERE (t.status IN ('planned', 'interrupted')"       \
    "  OR t.status = 'running' AND NOT " ESP_TRIAL_LIVES_SQL ")"                                   \
    "  AND trial_is_wanted(t.trial_key) GROUP BY t.study),"                                        \
    " listed AS (SELECT x.*, (p.epochs + coalesce(w.epochs, 0)) / p.rate AS seconds_left"          \
    "  FROM (" ESP_STUDIES_SQL ") x LEFT JOIN pace p USING (study)"                                \
    "  LEFT JOIN waiting w USING (study)) "

#endif
