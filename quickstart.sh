#!/usr/bin/env bash
# From a fresh Debian 12 or 13 to a first report: installs what is missing, builds, trains the quickstart
# study (FFF baseline, balanced, balanced with master leaf; FashionMNIST), prints its report and
# writes it as a page. Run again, it trains nothing and prints the same report, without a network.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source=scripts/setup.sh
source scripts/setup.sh

case ${1:-} in
"") ;;
-h | --help)
    printf 'usage: ./quickstart.sh\n\n'
    sed -n '2,4s/^# //p' quickstart.sh
    exit 0 ;;
*) die "unknown argument '$1'; ./quickstart.sh takes none" ;;
esac

# shellcheck disable=SC2086  # a list of words
install_missing $ESPALIER_BUILD_NEEDS
(install_missing gnuplot) || say "going on without gnuplot: the report comes without pictures"

build=build/release
tests=(-DESPALIER_TESTS=OFF)
if grep -qs '^ESPALIER_TESTS:BOOL=ON$' "$build/CMakeCache.txt"; then
    tests=() # ./check.sh configured it: keep its tests
fi
logged "configured" build/quickstart-configure.log \
    cmake --preset release ${tests[@]+"${tests[@]}"}
logged "built" build/quickstart-build.log cmake --build "$build" --target espalier

espalier=$build/espalier
status=0
"$espalier" run experiments/quickstart.yaml || status=$?
[ "$status" -le 1 ] || exit "$status" # 1: some trials failed; the report says which
printf '\n'
"$espalier" report quickstart
figures=results/figures/quickstart
if have gnuplot; then
    "$espalier" report quickstart --figures "$figures" >/dev/null 2>&1
else
    figures="none: they need gnuplot"
fi

database=${ESPALIER_DB:-results/espalier.db}
page=$(dirname "$database")/quickstart.html
"$espalier" report quickstart --format html -o "$page"
cat <<END

Where everything lies
  program      $espalier (--help lists its verbs)
  study        experiments/quickstart.yaml
  database     $database (SQLite; its views are the public interface)
  figures      $figures
  checkpoints  $database.checkpoints/ (safetensors)
  build logs   build/quickstart-configure.log, build/quickstart-build.log
  page         $page (the report with figures and every trial, for a browser)
  documents    README.md, and a README.md in every folder

Next
  $espalier query spread                          best, worst and spread of every cell
  $espalier serve                                 everything in the browser, live while studies run
  $espalier report quickstart --format md         the same report as Markdown, csv, json, latex
  $espalier plan experiments/table1.yaml          a table of the paper, before running it
END
exit "$status"
