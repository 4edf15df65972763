"""espalier export --what leaf_load --format npy -o loads
python3 analysis/examples/arrays.py loads: dead leaves of each cell at the last epoch, test split"""
import csv
import pathlib
import sys

import numpy

folder = pathlib.Path(sys.argv[1])
for row in csv.DictReader(open(folder / "index.csv", newline="", encoding="utf-8")):
    if row["split"] == "test" and row["file"]:
        load = numpy.load(folder / row["file"])  # [trials, epochs, leaves]
        last = load[int(row["trial"]), int(row["epochs"])]
        print(row["cell"], "seed", row["seed"], (last == 0).sum(), "of", last.size, "leaves dead")
