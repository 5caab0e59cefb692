#!/usr/bin/env bash
# What `./dev setup` asks for on a Debian without a package: MPI only where it is named.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() {
    echo "setup: $*" >&2
    exit 1
}

printf '#!/bin/sh\nexit 1\n' >"$work/dpkg-query"
printf '#!/bin/sh\necho "$@" >>"%s"\n' "$work/asked" >"$work/apt-get"
printf '#!/bin/sh\nexec "$@"\n' >"$work/sudo"
chmod +x "$work"/*
setup() {
    rm -f "$work/asked"
    PATH=$work:$PATH "$1/dev" setup "${@:2}" 2>"$work/said"
}

setup "$1"
grep -q ' libhdf5-dev ' "$work/asked" || fail "no libraries: $(cat "$work/asked")"
if grep -q mpi "$work/asked"; then fail "MPI, which nobody named"; fi
setup "$1" mpi
grep -q ' libopenmpi-dev openmpi-bin$' "$work/asked" || fail "no MPI: $(cat "$work/asked")"
if setup "$1" everything; then fail "an argument that is none is taken"; fi
[ ! -e "$work/asked" ] || fail "something is installed for an argument that is none"
