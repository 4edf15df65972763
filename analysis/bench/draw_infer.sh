#!/usr/bin/env bash
# Draws time against the number of leaves or experts, as figures 3 and 4 of arXiv 2308.14711 do, from
# what `espalier bench infer --figure --format json` wrote. Needs jq and gnuplot (gnuplot-nox).
# usage: draw_infer.sh infer_figure.json infer_figure.svg
set -euo pipefail
[ $# = 2 ] || { echo "usage: $0 FILE.json FILE.svg" >&2; exit 2; }
rows=$(mktemp)
trap 'rm -f "$rows"' EXIT
# leaves, milliseconds of a batch: dense, moe, fff
jq -r '[.layers[] | {leaves, model, ms: (.ns_an_example * .batch / 1e6),
        dense: (.dense_ns_an_example * .batch / 1e6)}] | group_by(.leaves)[] |
    [.[0].leaves, ([.[].dense] | min), (map(select(.model == "moe"))[0].ms // "nan"),
     (map(select(.model == "fff"))[0].ms // "nan")] | @tsv' "$1" >"$rows"
gnuplot <<PLOT
set terminal svg size 640,400 font "sans-serif,13" background "white"
set output "$2"
set logscale x 2
set logscale y 10
set format x "2^{%L}"
set xlabel "leaves or experts, each 32 wide"
set ylabel "milliseconds a batch of 256"
set key top left
set grid ytics lc rgb "#dddddd"
set border 3
set tics nomirror
plot "$rows" using 1:2 with linespoints lw 2 pt 5 ps 0.6 lc rgb "#7f7f7f" title "dense layer of that width", \
     "$rows" using 1:3 with linespoints lw 2 pt 7 ps 0.6 lc rgb "#d95f02" title "mixture of experts, top 1", \
     "$rows" using 1:4 with linespoints lw 2 pt 9 ps 0.6 lc rgb "#1b6ca8" title "fast feedforward"
PLOT
