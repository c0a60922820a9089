#!/bin/sh
# Proves that a bare Debian 12 is enough: makes a minimal root with debootstrap, clones the last
# commit into it and runs `./dev demo` and `./dev test` there. Needs root, network, 3 GB and time.
#
#     tests/bare.sh [ROOT [COMMAND]]      ROOT: kept between runs (default: build/bare-root)
set -eu
cd "$(dirname "$0")/.."
root=${1:-$PWD/build/bare-root}
command=${2:-./dev demo && ./dev test}
[ "$(id -u)" = 0 ] || { echo "tests/bare.sh: chroot needs root" >&2; exit 2; }

if [ ! -x "$root/usr/bin/apt-get" ]; then
    command -v debootstrap >/dev/null || apt-get -qq install -y --no-install-recommends debootstrap
    mkdir -p "$root"
    debootstrap --variant=minbase bookworm "$root"
fi

unmount() {
    for mounted in dev/shm dev/pts dev proc; do
        mountpoint -q "$root/$mounted" && umount "$root/$mounted"
    done
    return 0
}
trap unmount EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
unmount
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
mount --bind /dev/pts "$root/dev/pts" 2>/dev/null || true
mount -t tmpfs tmpfs "$root/dev/shm"
cp /etc/resolv.conf "$root/etc/resolv.conf"

rm -rf "$root/root/ebb"
git clone -q --no-hardlinks . "$root/root/ebb"
# The environment starts empty, as a new machine's does; a proxy is the network's, not the root's.
# shellcheck disable=SC2046 # the proxy settings are words
env -i HOME=/root TERM=dumb LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    $(env | grep -i '^[a-z]*_proxy=' || true) \
    chroot "$root" /bin/sh -c "cd && cd ebb && $command" </dev/null
