"""python3 analysis/examples/read.py results/espalier.db"""
import pathlib
import sqlite3
import sys

path = pathlib.Path(sys.argv[1]).resolve()
db = sqlite3.connect(path.as_uri() + "?mode=ro", uri=True)

STATS = """SELECT study, cell, n, mean, sd, best, spread FROM seed_stats
           WHERE at = 'last' AND split = 'test' AND metric = 'hard_accuracy' ORDER BY study, cell"""
for study, cell, n, mean, sd, best, spread in db.execute(STATS):
    print(f"{study}: {cell}: n {n}, mean {mean:.4f}, sd {sd if sd is None else round(sd, 4)}, "
          f"best {best:.4f} - {spread:.4f}")

CURVE = """SELECT epoch, value FROM learning_curve
           WHERE trial_id = (SELECT trial_id FROM trial ORDER BY id DESC LIMIT 1)
             AND split = 'train' AND metric = 'running_loss' ORDER BY epoch"""
try:
    import pandas
except ImportError:
    for epoch, value in db.execute(CURVE):
        print(epoch, value)
else:
    print(pandas.read_sql(CURVE, db, index_col="epoch").to_string())
