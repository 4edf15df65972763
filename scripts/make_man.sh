#!/bin/bash
# make_man.sh PROGRAM FILE: writes the man page espalier(1) from the --help texts of PROGRAM and of
# each of its verbs, so that the page says what the program says. Needs awk only.
set -euo pipefail
if [ $# != 2 ]; then
    echo "usage: $0 build/release/espalier build/release/man/espalier.1" >&2
    exit 2
fi
program=$1 page=$2
export ARGP_HELP_FMT=rmargin=1000 # no line breaks inside paragraphs
overview=$("$program" --help)
version=$("$program" --version)
date=$(date -u -d "@${SOURCE_DATE_EPOCH:-$(stat -c %Y "$program")}" +%F)
verbs=$(sed -n '/^verbs:/,/^$/s/^  \([a-z]*\) .*/\1/p' <<<"$overview")
[ -n "$verbs" ] || { echo "$0: '$program --help' lists no verbs" >&2; exit 1; }

# Text that roff takes as it is.
plain='function plain(text) {
    gsub(/\\/, "\\e", text); gsub(/-/, "\\-", text); gsub(/\047/, "\\(aq", text); gsub(/`/, "\\(ga", text)
    return text ~ /^\./ ? "\\&" text : text
}'

# One verb: usage lines, options as a list, all other lines as they stand.
verb_to_roff() {
    awk "$plain"'
    function filled(on) {
        if (on != is_filled) print on ? ".fi" : ".nf"
        is_filled = on
    }
    function paragraph() {
        if (is_new) print ".PP"
        is_new = 0
    }
    # Text that is filled, in lines of less than 80 bytes.
    function print_wrapped(text,    words, n, i, line) {
        n = split(text, words, " ")
        for (i = 1; i <= n; i++) {
            if (line != "" && length(plain(line " " words[i])) > 79) {
                print plain(line)
                line = ""
            }
            line = line == "" ? words[i] : line " " words[i]
        }
        if (line != "") print plain(line)
    }
    BEGIN { is_filled = 1 }
    /^Usage: |^  or: / {
        sub(/^(Usage|  or): /, "")
        paragraph()
        print ".B " plain($0)
        is_new = 1
        next
    }
    /^  (-.,|   ) --[a-z]/ {
        filled(1)
        option = $0; about = ""
        sub(/^ +/, "", option)
        if (match(option, /  +/)) {
            about = substr(option, RSTART + RLENGTH)
            option = substr(option, 1, RSTART - 1)
        }
        is_new = 0
        print ".TP\n.B " plain(option)
        print_wrapped(about)
        next
    }
    /^$/ { filled(1); is_new = 1; next }
    /^Mandatory or optional arguments/ { next }
    /^  |^[a-z]+  / { paragraph(); filled(0); print plain($0); next }
    { filled(1); paragraph(); print_wrapped($0) }
    END { filled(1) }'
}

mkdir -p "$(dirname "$page")"
{
    printf '.\\" made by scripts/make_man.sh from --help; changes go there\n'
    printf '.TH ESPALIER 1 "%s" "%s" "User Commands"\n' "$date" "$version"
    printf '.nh\n.ad l\n.SH NAME\n'
    head -n 1 <<<"$overview" | sed 's/^espalier: /espalier \\- /; s/\([a-z]\)-\([a-z]\)/\1\\-\2/g'
    printf '.SH SYNOPSIS\n.B espalier\n.I VERB\n[\\fIARGUMENT\\fR...]\n.SH DESCRIPTION\n.nf\n'
    sed '1,/^usage:/d' <<<"$overview" | awk "$plain"'{ print $0 == "" ? ".sp" : plain($0) }' | sed '1{/^\.sp$/d}'
    printf '.fi\n.SH VERBS\n'
    for verb in $verbs; do
        printf '.SS %s\n' "$verb"
        "$program" "$verb" --help | verb_to_roff
    done
} >"$page.part"
mv "$page.part" "$page"
