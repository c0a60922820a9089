#!/bin/sh
# The containers on another machine: builds libebb and its tests for aarch64, where fingerprints are
# compared with NEON, and runs them through qemu's user mode. `./dev test aarch64` installs what that
# needs; without it this is skipped.
#
#     run.sh SOURCE_ROOT TEST.c... -- LIBRARY_SOURCE.c...
set -eu
for command in aarch64-linux-gnu-gcc qemu-aarch64; do
    command -v "$command" >/dev/null || {
        echo "skipped: $command is not installed (./dev test aarch64 does that)"
        exit 77
    }
done
root=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tests=
while [ "$1" != -- ]; do tests="$tests $1"; shift; done
shift
for test in $tests; do
    for variant in neon portable; do
        # The portable code is the same everywhere: one test shows that it runs here too.
        define=
        if [ $variant = portable ]; then
            case $test in */test_map.c) define=-DEBB_PORTABLE ;; *) continue ;; esac
        fi
        echo "aarch64: $(basename "$test" .c) ($variant)"
        # shellcheck disable=SC2086 # one word or none
        aarch64-linux-gnu-gcc -std=gnu17 -O2 -Wall -Wextra -Werror -Wno-unused-parameter \
            -Wno-missing-field-initializers -D_GNU_SOURCE $define -static -I"$root/include" -I"$root" \
            -I"$root/tests/containers/aarch64" "$test" "$@" -o "$work/test"
        qemu-aarch64 "$work/test"
    done
done
