#!/usr/bin/env bash
# Issue 9 (Energy), bar by bar: runs what shows each bar and writes a page with the results.
#
#   ./dev accept 9             everything; installs PyPI's neurobench and torch (some GB) and, where
#                              Debian answers, chromium for the pictures in build/acceptance/9
#   ./dev accept 9 --reduced   without these two
set -euo pipefail

reduced=false
if [ "${1:-}" = --reduced ]; then reduced=true; fi
build=${SPIKELOOM_BUILD:?'run it through ./dev accept 9'}
binary=${SPIKELOOM_BINARY:?'run it through ./dev accept 9'}
report=${SPIKELOOM_REPORT:?'run it through ./dev accept 9'}
shared=${SPIKELOOM_SHARED:-../shared}
work=build/acceptance/9
mkdir -p "$work"
failed=0
rows=()

# bar NUMBER WHAT COMMAND...: runs the command, keeps its output, adds a row.
bar() {
    local number=$1 what=$2 log result=passed
    shift 2
    log=$work/bar-${#rows[@]}.log
    printf 'accept: bar %s: %s\n' "$number" "$what" >&2
    if ! "$@" >"$log" 2>&1; then
        result='**failed**'
        failed=1
        tail -n 30 "$log" >&2
    fi
    rows+=("| $number | $what | $result |")
}

# A filter that matches nothing must not count as a pass.
# shellcheck disable=SC2317 # called through bar
gtest() {
    "$build/tests/$1" --gtest_filter="$2" --gtest_list_tests | grep -c '^  ' >/dev/null &&
        CI=true "$build/tests/$1" --gtest_filter="$2"
}

bar 1 'the example by hand, sums' gtest unit_tests 'Energy*'
bar 1 'dynamic energy: monotone in events, zero for none' gtest property_tests 'DynamicEnergy*'
bar 2 'NeuroBench: three networks and two examples, as the harness said' \
    gtest validation_tests 'NeuroBench*'
if ! $reduced; then bar 2 'NeuroBench: the harness itself beside ours' ./dev neurobench; fi
bar 3 'cnn_sinabs: operations of expected_test100_ops.csv' gtest cli_tests '*DigitNetwork*'
bar 4 'the in-sensor study' gtest unit_tests 'InSensor*'
bar 5 'the page: valid, numbers of run.json' gtest cli_tests '*ThePage*'
bar 5 'bench: every task that is here, every layer of a language model priced' \
    gtest cli_tests 'CliEnergy.Bench*'
bar 6 'tables refused with file, line and column' gtest unit_tests '*CostTable*'

digits=$shared/acceptance/nir/02_cnn
"$binary" energy "$digits/cnn_sinabs.nir" --dt 1e-3 --input "$digits"/nmnist_test100/*.bs2 \
    --quiet >"$work/digits.txt"
"$binary" energy --in-sensor --page "$work/in_sensor.html" --quiet >"$work/in_sensor.txt"
rm -rf "$work/run"
"$binary" run "$digits/cnn_sinabs.nir" --dt 1e-3 --input "$digits"/nmnist_test100/*.bs2 \
    --labels "$digits/nmnist_test100/test100.txt" --record 1 3 --out "$work/run" --quiet >/dev/null
"$binary" report "$work/run" -o "$work/digits.html" --quiet >/dev/null
if ! $reduced && command -v chromium >/dev/null; then
    for page in digits in_sensor; do
        for size in 1400,5200 390,8600; do
            for scheme in dark light; do
                # Chromium numbers the schemes: 0 is dark.
                number=1
                if [ "$scheme" = dark ]; then number=0; fi
                chromium --headless=new --no-sandbox --disable-gpu --hide-scrollbars \
                    --window-size="$size" --blink-settings=preferredColorScheme="$number" \
                    --screenshot="$work/$page-${size%,*}-$scheme.png" \
                    "file://$PWD/$work/$page.html" 2>/dev/null
            done
        done
    done
fi

{
    printf '# Acceptance: Energy\n\n'
    if $reduced; then echo 'Reduced run: the live harness and the pictures are left out.'; fi
    printf 'Revision %s.\n\n' "$(git rev-parse --short HEAD)"
    printf '| bar | what | result |\n|---|---|---|\n'
    printf '%s\n' "${rows[@]}"
    printf '\ncnn_sinabs on 100 N-MNIST recordings:\n\n```\n%s\n```\n' "$(cat "$work/digits.txt")"
    printf '\nThe in-sensor study:\n\n```\n%s\n```\n' "$(cat "$work/in_sensor.txt")"
} >"$report"
exit "$failed"
