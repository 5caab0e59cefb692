#!/usr/bin/env bash
# Issue 3 (Foundation), bar by bar: runs what shows each bar and writes a page with the results.
#
#   ./dev accept 3             everything: the bare-machine proof (root, debootstrap) and ten
#                              minutes of fuzzing for each reader included; about three hours
#   ./dev accept 3 --reduced   the bars that tests show; fuzzing and bare machine are left out
set -euo pipefail

reduced=false
if [ "${1:-}" = --reduced ]; then reduced=true; fi
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
    tests=$(sed -n 's/^\[  PASSED  \] \([0-9]*\) tests*\.$/\1 tests/p; s/^\(100% tests passed.*\)$/\1/p' "$log" | tail -n 1)
    rows+=("| $name | $what | $result${tests:+, $tests} | $seconds |")
}

# A filter that matches nothing, or tests that skip for want of data, must not count as a pass.
# shellcheck disable=SC2317 # called through bar
gtest() {
    # Not grep -q: it would leave at the first test, and the list would die of its broken pipe.
    "$build/tests/$1" --gtest_filter="$2" --gtest_list_tests | grep -c '^  ' >/dev/null &&
        CI=true "$build/tests/$1" --gtest_filter="$2"
}

bar 2 '01_lif: spikes and membranes of every platform, double and float32' \
    gtest validation_tests '*NirLif*'
bar 2 'two_lif_neurons: 55 spikes at three steps, unit and Dirac spikes' \
    gtest validation_tests '*TwoLif*'
bar 2 '02_cnn: output counts under four reset rules, layer 1, operations' \
    gtest validation_tests '*NirCnn*'
bar 2 '03_rnn: hidden spikes of snnTorch, Norse and Spyx; accuracy of ds_val_0.pt' \
    gtest validation_tests '*NirRnn*'
accuracy=$(grep -h 'of 280 right' "$logs"/*.log || true)
bar 2 '05_edge_files and 06_reference_writer' gtest formats_tests '*Nir*'
bar 2 'motion: eight directions, three speeds, with and without noise' \
    gtest validation_tests '*Motion*'
bar 3 'graphs that no file covers' gtest unit_tests 'SnnGraph.*'
bar 4 'readers: golden, truncated and corrupt files; absurd sizes' gtest formats_tests '*'
bar 5 'command line: exit codes and messages' ctest --test-dir "$build" -L cli --output-on-failure
bar 1 'an outside project builds against the installed tree' \
    ctest --test-dir "$build" -L install --output-on-failure
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
