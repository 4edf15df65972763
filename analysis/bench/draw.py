#!/usr/bin/env python3
"""Draws train.json and peers.json of this folder as ratios.svg, by gnuplot.

usage: draw.py [FOLDER]
"""
import json
import os
import subprocess
import sys

FOLDER = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__))
SHAPES = [(16, leaf) for leaf in (8, 4, 2, 1)] + [(128, leaf) for leaf in (64, 32, 16, 8, 4, 2, 1)]
GAP = 1  # of a column, between the training widths

STYLE = """
set terminal svg size 860,580 font 'DejaVu Sans,13' background rgb 'white'
set output '{out}'
set multiplot layout 2,1 margins 0.09,0.98,0.11,0.93 spacing 0.02,0.19
set style fill solid 1 border rgb '#202020'
set boxwidth 0.38
set xrange [-0.7:{last}.7]
set grid ytics lc rgb '#d0d0d0'
set tics nomirror scale 0.6
set border 3
set key top right horizontal samplen 2 width 1
set xtics ({ticks})
without_color = '#606060'
with_color = '#d8d8d8'
"""

PANEL = """
set title '{title}' offset 0,-0.4
set ylabel '{ylabel}'
set yrange [0:{top}]
{widths}
plot $with{name} using ($1-0.2):2 with boxes lc rgb without_color title 'without master leaf', \\
     $with{name} using ($1+0.2):3 with boxes lc rgb with_color title 'with master leaf', \\
     $goal{name} using 1:2 with lines lw 2 dt 2 lc rgb 'black' title '{goal_title}'
"""


def load(name):
    path = os.path.join(FOLDER, name)
    try:
        with open(path) as file:
            return json.load(file)
    except OSError as error:
        sys.exit(f"error: {error}; README.md tells what writes it")


def columns():
    """Where a shape stands: its column, with a gap between training widths."""
    return {shape: i + (GAP if shape[0] == 128 else 0) for i, shape in enumerate(SHAPES)}


def data_block(name, result, figure):
    """Lines: column, value without and with master leaf."""
    found = {(s["training_width"], s["leaf_width"], s["master_leaf"] > 0): s[figure]
             for s in result["shapes"]}
    lines = []
    for shape, column in columns().items():
        values = [found.get((*shape, master)) for master in (False, True)]
        if None in values:
            sys.exit(f"error: training width {shape[0]}, leaf width {shape[1]} is missing")
        lines.append("%d %g %g" % (column, *values))
    highest = max(found.values())
    return "$with%s << EOD\n%s\nEOD\n" % (name, "\n".join(lines)), highest


def goal_block(name, narrow, wide):
    """Lines over the columns of either training width."""
    places = columns()
    spans = [[places[s] for s in SHAPES if s[0] == width] for width in (16, 128)]
    lines = []
    for span, goal in zip(spans, (narrow, wide)):
        lines += ["%g %g" % (span[0] - 0.5, goal), "%g %g" % (span[-1] + 0.5, goal), ""]
    return "$goal%s << EOD\n%s\nEOD\n" % (name, "\n".join(lines))


def panel(name, title, ylabel, top, goal_title):
    places = columns()
    widths = []
    for i, width in enumerate((16, 128)):
        span = [places[s] for s in SHAPES if s[0] == width]
        widths.append("set label %d 'leaf width, training width %d' at %g, graph -0.2 center" %
                      (i + 1, width, (span[0] + span[-1]) / 2))
    return PANEL.format(name=name, title=title, ylabel=ylabel, top=top, goal_title=goal_title,
                        widths="\n".join(widths))


def main():
    train, peers = load("train.json"), load("peers.json")
    places = columns()
    floor_data, floor_top = data_block("Floor", train, "ratio")
    peer_data, peer_top = data_block("Peer", peers, "times")
    ticks = ", ".join("'%d' %d" % (shape[1], column) for shape, column in places.items())
    script = (floor_data + goal_block("Floor", 1.3, 1.15) + peer_data + goal_block("Peer", 5, 2) +
              STYLE.format(out=os.path.join(FOLDER, "ratios.svg"), ticks=ticks,
                           last=max(places.values())) +
              panel("Floor", "An epoch of training over its floor, by BLAS (less is better)",
                    "epoch / floor", max(1.3, floor_top) * 1.3, "goal: at most") +
              panel("Peer", "PyTorch %s over espalier, an epoch, one thread (more is better)" %
                    peers["peer"]["torch"], "PyTorch / espalier",
                    max(5, peer_top) * 1.25, "goal: at least"))
    try:
        subprocess.run(["gnuplot"], input=script, text=True, check=True)
    except FileNotFoundError:
        sys.exit("error: gnuplot is not installed (gnuplot-nox)")


if __name__ == "__main__":
    main()
