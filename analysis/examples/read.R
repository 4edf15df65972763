# Rscript analysis/examples/read.R results/espalier.db
library(DBI)
db <- dbConnect(RSQLite::SQLite(), commandArgs(TRUE)[1], flags = RSQLite::SQLITE_RO)

print(dbGetQuery(db, "SELECT study, cell, n, mean, sd, best, spread FROM seed_stats
                      WHERE at = 'last' AND split = 'test' AND metric = 'hard_accuracy'
                      ORDER BY study, cell"))

curve <- dbGetQuery(db, "SELECT epoch, value FROM learning_curve
                         WHERE trial_id = (SELECT trial_id FROM trial ORDER BY id DESC LIMIT 1)
                           AND split = 'train' AND metric = 'running_loss' ORDER BY epoch")
print(curve, row.names = FALSE)

invisible(dbDisconnect(db))
