#!/bin/sh
# Notes beside a program which source it was just built from: record_source.sh SOURCE PROGRAM PLUGIN...
# writes PROGRAM.source, lines "key value" (executable, plugin: SHA-256; commit, folder, untracked,
# diff_bytes, diff_sha256; or reason), an empty line, and the diff to the commit. The build runs it
# whenever it linked the program, which is linked again when a plugin changes; the program believes it
# only where its own SHA-256 is the one noted, so it is never stale. Kept out of the program itself:
# a commit that changes no code leaves the program's bytes, and so its trials, as they are.
source=$1 program=$2
shift 2
note=$program.source
LC_ALL=C GIT_OPTIONAL_LOCKS=0
export LC_ALL GIT_OPTIONAL_LOCKS
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE
limit=65536 # as ESP_DIFF_BYTES of run/git_state.h

hash() { sha256sum <"$1" | cut -d ' ' -f 1; }
in_source() { timeout 20 git -C "$source" -c core.fsmonitor=false "$@"; }

{
    echo "executable $(hash "$program")"
    for plugin; do
        echo "plugin $(hash "$plugin")"
    done
    if ! command -v git >/dev/null; then
        echo "reason git was not installed where it was built"
    elif ! commit=$(in_source rev-parse HEAD 2>/dev/null); then
        echo "reason built outside a git repository"
    elif ! in_source -c diff.relative=false -c diff.noprefix=false -c diff.mnemonicPrefix=false \
        diff --no-color --no-ext-diff --no-textconv --full-index HEAD >"$note.diff" 2>/dev/null; then
        echo "reason git diff failed"
    else
        echo "commit $commit"
        echo "folder $(in_source rev-parse --show-toplevel)"
        in_source ls-files --others --exclude-standard -- framework plugins CMakeLists.txt |
            sed 's/^/untracked /'
        bytes=$(wc -c <"$note.diff")
        echo "diff_bytes $bytes"
        [ "$bytes" -eq 0 ] || echo "diff_sha256 $(hash "$note.diff")"
        echo
        [ "$bytes" -gt $limit ] || cat "$note.diff"
    fi
} >"$note.new"
rm -f "$note.diff"
mv "$note.new" "$note"
