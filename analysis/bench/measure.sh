#!/usr/bin/env bash
# Measures again what this folder keeps of speed, and draws it: training against its floor, and beside
# PyTorch. About five minutes on a machine that must do nothing else meanwhile.
#
# usage: measure.sh [ESPALIER]        default: build/release/espalier, built from a clean tree
#   PYTHON  the one that has PyTorch (default /usr/bin/python3); without PyTorch peers.json stays
#   PUBLISHED  a clone of the published code, to time it too (../peers/README.md)
#   PREFIX  a command that every measurement is run by, e.g. "taskset -c 1"
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
espalier=${1:-$here/../../build/release/espalier}
python=${PYTHON:-/usr/bin/python3}
read -ra prefix <<<"${PREFIX:-}"
export PYTHONDONTWRITEBYTECODE=1

quietly() { ${prefix[@]+"${prefix[@]}"} "$@"; }

quietly "$espalier" bench train --format json >"$here/train.json.new"
mv "$here/train.json.new" "$here/train.json"
if "$python" -c 'import torch' 2>/dev/null; then
    "$python" "$here/../peers/check.py"
    for shape in 16/8 16/4 16/2 16/1 128/64 128/32 128/16 128/8 128/4 128/2 128/1; do
        quietly "$python" "$here/../peers/measure.py" --espalier "$espalier" \
            --width "${shape%/*}" --leaf-width "${shape#*/}" ${PUBLISHED:+--published "$PUBLISHED"}
    done
else
    echo "$python has no PyTorch: peers.json stays as it is" >&2
fi
"$python" "$here/draw.py"
