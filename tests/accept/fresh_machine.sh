#!/usr/bin/env bash
# Proves the first promise of README: on a bare Debian 12, with nothing but git and apt, `./dev demo`
# works alone and `./dev test` works alone.
#
#   tests/accept/fresh_machine.sh DIR [--shared DATA] [demo] [test]
#
# DIR receives one minimal root made by debootstrap (DIR/base, kept for the next time) and a copy of
# it per command (DIR/demo, DIR/test), each with a fresh clone of HEAD. Needs root, debootstrap and
# a Debian mirror; the copy uses this machine's apt sources, proxies and name resolution. Without
# --shared the tests that need acceptance data are skipped, as on a stranger's machine.
set -euo pipefail

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
roots=${1:?'usage: fresh_machine.sh DIR [--shared DATA] [demo] [test]'}
shift
shared=''
commands=()
while [ $# -gt 0 ]; do
    case $1 in
    --shared)
        shared=$(cd "${2:?'--shared needs a folder'}" && pwd)
        shift
        ;;
    demo | test) commands+=("$1") ;;
    *)
        echo "fresh_machine: unknown argument '$1'" >&2
        exit 2
        ;;
    esac
    shift
done
if [ "${#commands[@]}" -eq 0 ]; then commands=(demo test); fi

mkdir -p "$roots"
roots=$(cd "$roots" && pwd)
say() { printf 'fresh_machine: %s\n' "$*"; }

# Debian's own sources, proxies and keys, so that apt inside reaches what apt outside reaches.
copy_apt_settings() {
    local root=$1 file
    for file in /etc/apt/sources.list.d/debian.sources /etc/resolv.conf /etc/hosts; do
        if [ -f "$file" ]; then
            mkdir -p "$root$(dirname "$file")"
            cp --dereference "$file" "$root$file"
        fi
    done
    if [ -f "$root/etc/apt/sources.list.d/debian.sources" ]; then : >"$root/etc/apt/sources.list"; fi
    apt-config dump | grep -E '^Acquire::.*Proxy' >"$root/etc/apt/apt.conf.d/99proxy" || true
}

make_base() {
    if [ -f "$roots/base/etc/debian_version" ]; then return; fi
    say "making a minimal bookworm in $roots/base"
    debootstrap --variant=minbase --include=git bookworm "$roots/base" >"$roots/debootstrap.log"
}

unmount_all() {
    local root
    for root in "$roots"/demo "$roots"/test; do
        for place in proc dev/shm root/shared; do
            if mountpoint -q "$root/$place"; then umount "$root/$place"; fi
        done
    done
}
trap unmount_all EXIT

# run_alone COMMAND: a pristine root, a clone, one command.
run_alone() {
    local command=$1 root=$roots/$1 started
    unmount_all
    rm -rf "$root"
    cp -a "$roots/base" "$root"
    copy_apt_settings "$root"
    mount -t proc proc "$root/proc"
    mkdir -p "$root/dev/shm" && mount -t tmpfs tmpfs "$root/dev/shm"
    if [ -n "$shared" ]; then
        mkdir -p "$root/root/shared"
        mount --bind -o ro "$shared" "$root/root/shared"
    fi
    git -C "$repository" bundle create "$root/root/spikeloom.bundle" HEAD 2>/dev/null
    say "bare machine has: $(chroot "$root" dpkg-query -W | wc -l) packages;" \
        "compilers: $(chroot "$root" sh -c 'command -v c++ g++ clang++ cmake || echo none')"
    started=$SECONDS
    chroot "$root" /usr/bin/env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
        ${JOBS:+JOBS="$JOBS"} bash -euc \
        "cd /root && git -c advice.detachedHead=false clone -q spikeloom.bundle spikeloom && cd spikeloom && ./dev $command" \
        >"$roots/$command.log" 2>&1 || {
        tail -n 60 "$roots/$command.log"
        say "FAILED: ./dev $command after $((SECONDS - started)) s; log in $roots/$command.log"
        return 1
    }
    tail -n 25 "$roots/$command.log"
    say "ok: ./dev $command alone, $((SECONDS - started)) s from a bare system"
}

make_base
for command in "${commands[@]}"; do run_alone "$command"; done
