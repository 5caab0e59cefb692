#!/usr/bin/env bash
# `./dev gpu build` in a tree of its own, where nothing is compiled: what it leaves when it is
# interrupted, and when it is not. Exits with 77 where a tool is missing.
set -euo pipefail
source_dir=$1
for tool in xz strip ldd; do command -v "$tool" >/dev/null || exit 77; done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/bench" "$work/tools"
cp "$source_dir/dev" "$work/dev"
cp -r "$source_dir/bench/peers" "$work/bench/peers"

tool() {
    printf '#!/bin/sh\n%s\n' "$2" >"$work/tools/$1"
    chmod +x "$work/tools/$1"
}
tool dpkg-query 'echo "install ok installed"'
tool cmake 'mkdir -p build/cuda/tests build/cuda/cli build/cuda/bench
for name in tests/parity_tests tests/unit_tests tests/validation_tests cli/spikeloom \
    bench/spikeloom_gpu bench/spikeloom_gpu_language bench/spikeloom_gpu_rows \
    bench/spikeloom_gpu_parts bench/spikeloom_simulation; do
    cp /bin/true "build/cuda/$name"
done'
build() { (cd "$work" && PATH=$work/tools:$PATH SPIKELOOM_SHARED='' ./dev gpu build); }
fail() {
    echo "gpu_bundle: $*" >&2
    exit 1
}

build || fail "a build that nothing interrupts fails"
archive=$work/build/gpu.tar.xz
tar -tJf "$archive" >"$work/list"
grep -qx gpu/bin/spikeloom "$work/list" || fail "the archive lacks the command"
before=$(sha256sum <"$archive")

# Half of an archive, then the end.
tool tar 'for last; do case $last in *.tar.xz*) echo half >"$last" ;; esac; done; exit 1'
if build; then fail "a build whose archive fails says that all is well"; fi
[ "$(sha256sum <"$archive")" = "$before" ] || fail "an interrupted build changed the archive"

# The end while programs are copied.
rm "$work/tools/tar"
tool strip 'exit 1'
rm -rf "$work/build/gpu"
if build; then fail "a build without its programs says that all is well"; fi
[ ! -e "$work/build/gpu" ] || fail "an interrupted build left half of the folder"
[ "$(sha256sum <"$archive")" = "$before" ] || fail "an interrupted build changed the archive"

rm "$work/tools/strip"
build || fail "a build after interrupted ones fails"
[ -x "$work/build/gpu/bin/spikeloom" ] || fail "the folder lacks the command"
