#!/usr/bin/env bash
# Issue 3 (Foundation), bar by bar: runs what shows each bar and writes a page with the results.
#
#   ./dev accept 3             everything: the bare-machine proof (root, debootstrap) and ten
#                              minutes of fuzzing for each reader included; about three hours
#   ./dev accept 3 --reduced   the bars that tests show; fuzzing and bare machine are left out
#   ./dev accept 3 --reduced --results FILE
#                              the same from what ./dev test left in build/release/tests.xml
set -euo pipefail

reduced=false results=
if [ "${1:-}" = --reduced ]; then reduced=true; fi
if [ "${2:-}" = --results ]; then results=${3:?'--results wants a file'}; fi
build=${SPIKELOOM_BUILD:?'run it through ./dev accept 3'}
report=${SPIKELOOM_REPORT:?'run it through ./dev accept 3'}
logs=$build/acceptance-logs
mkdir -p "$logs"
revision=$(git rev-parse --short HEAD)
failed=0
rows=()

# bar NAME WHAT COMMAND...: runs the command, keeps its log, adds a row.
bar() {
    local name=$1 what=$2 log started seconds result
    shift 2
    log=$logs/bar-${#rows[@]}.log
    started=$SECONDS
    printf 'accept: bar %s: %s\n' "$name" "$what" >&2
    if "$@" >"$log" 2>&1; then result=passed; else
        result='**failed**'
        failed=1
        tail -n 30 "$log" >&2
    fi
    seconds=$((SECONDS - started))
    local tests
    tests=$(sed -n 's/^100% tests passed, 0 tests failed out of \([0-9]*\)$/\1 tests/p' "$log" | tail -n 1)
    rows+=("| $name | $what | $result${tests:+, $tests} | $seconds |")
}

# cases CATEGORY [REGEX]: the test cases whose name matches, on every processor. None at all, or tests
# that skip for want of data, must not count as a pass.
# shellcheck disable=SC2317 # called through bar
cases() {
    if [ -n "$results" ]; then
        python3 tests/accept/cases_of_run.py "$results" "$1" "${2:-.}"
        return
    fi
    CI=true ctest --test-dir "$build" -L "^$1\$" -R "${2:-.}" --no-tests=error --verbose \
        --parallel "$(nproc)"
}

bar 2 '01_lif: spikes and membranes of every platform, double and float32' \
    cases validation NirLif
bar 2 'two_lif_neurons: 55 spikes at three steps, unit and Dirac spikes' \
    cases validation TwoLif
bar 2 '02_cnn: output counts under four reset rules, layer 1, operations' \
    cases validation NirCnn
bar 2 '03_rnn: hidden spikes of snnTorch, Norse and Spyx; accuracy of ds_val_0.pt' \
    cases validation NirRnn
accuracy=$(sed -n 's/^[0-9]*: \(.*of 280 right.*\)$/\1/p' "$logs"/*.log)
bar 2 '05_edge_files and 06_reference_writer' cases formats Nir
bar 2 'motion: eight directions, three speeds, with and without noise' \
    cases validation Motion
bar 3 'graphs that no file covers' cases unit 'unit\.SnnGraph\.'
bar 4 'readers: golden, truncated and corrupt files; absurd sizes' cases formats
bar 5 'command line: exit codes and messages' cases cli
bar 1 'an outside project builds against the installed tree' cases install
if ! $reduced; then
    bar 4 'every reader fuzzed for ten minutes' ./dev fuzz 600
    roots=$(mktemp -d)
    trap 'rm -rf --one-file-system "$roots"' EXIT
    bar 1 'bare Debian 12: ./dev demo and ./dev test, each alone' \
        bash tests/accept/fresh_machine.sh "$roots"
fi

{
    echo '# Acceptance: Foundation'
    echo
    if $reduced; then echo 'Reduced run: fuzzing and the bare-machine proof are left out.'; fi
    printf 'Revision %s, %s, %s processors.\n\n' "$revision" "$(uname -m)" "$(nproc)"
    echo '| bar | what | result | seconds |'
    echo '|---|---|---|---|'
    printf '%s\n' "${rows[@]}"
    if [ -n "$accuracy" ]; then
        printf '\nBraille validation set, preset snntorch, no claim attached:\n\n'
        while IFS= read -r line; do printf -- '- %s\n' "$line"; done <<<"$accuracy"
    fi
} >"$report"
exit "$failed"
