#!/bin/bash
# scripts/make_man.sh: the page has every verb and option that --help has, and roff has nothing to
# complain about.
set -u
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failures=0
page=$scratch/man/espalier.1

fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

"$ESPALIER_SOURCE/scripts/make_man.sh" "$ESPALIER" "$page" || fail "make_man.sh exits $?"
grep -q '^\.TH ESPALIER 1' "$page" || fail "no title"
# what roff prints, plain; without roff, its source without escapes
if command -v groff >/dev/null; then
    groff -Kutf8 -man -Tutf8 -ww -P-c -P-b -P-o -P-u "$page" >"$scratch/text" 2>"$scratch/warnings"
    [ ! -s "$scratch/warnings" ] || fail "groff: $(cat "$scratch/warnings")"
else
    echo "no groff here: the page's source is read"
    sed 's/\\-/-/g; s/\\(aq/'"'"'/g; s/\\(ga/`/g; s/\\e/\\/g; s/^\.B //; s/^\.SS /   /' "$page" >"$scratch/text"
fi
if command -v mandoc >/dev/null; then
    warnings=$(mandoc -T lint -W warning "$page")
    [ -z "$warnings" ] || fail "mandoc: $warnings"
fi
if command -v man >/dev/null; then
    warnings=$(man --warnings -E UTF-8 -l "$page" 2>&1 >/dev/null)
    [ -z "$warnings" ] || fail "man: $warnings"
fi

verbs=$("$ESPALIER" --help | sed -n '/^verbs:/,/^$/s/^  \([a-z]*\) .*/\1/p')
[ "$(echo "$verbs" | wc -l)" -gt 5 ] || fail "no verbs"
for verb in $verbs; do
    section=$(awk -v verb="$verb" '/^VERBS|^\.SH VERBS/ {verbs = 1}
        verbs && /^   [a-z]+$/ {taking = $1 == verb} taking' "$scratch/text")
    [ -n "$section" ] || fail "no section $verb"
    options=$("$ESPALIER" "$verb" --help | grep -oE '^  (-., |    )--[a-z-]+' | grep -oE -- '--.*')
    for option in $options; do
        grep -qE -- "^ *(-., )?$option([ =[]|$)" <<<"$section" || fail "$verb: no $option"
    done
    grep -qi 'examples*:' <<<"$section" || ! "$ESPALIER" "$verb" --help | grep -qi '^examples*:' ||
        fail "$verb: no examples"
done

# a program that is none
"$ESPALIER_SOURCE/scripts/make_man.sh" /bin/true "$scratch/none.1" 2>"$scratch/words" && fail "/bin/true has no verbs"
grep -q "lists no verbs" "$scratch/words" || fail "words: $(cat "$scratch/words")"
[ ! -e "$scratch/none.1" ] || fail "a page of nothing was written"

[ $failures = 0 ] || exit 1
echo "man page: all as expected"
