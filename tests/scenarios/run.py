#!/usr/bin/env python3
"""The quick scenarios as a test: the doctor's verdict beside what each source says. Prints TAP.

    run.py --ebb PATH [--jobs N]

Those with a header `quick: SECONDS` run, in a window of so many seconds; the Go ones with the first go
found. More samples make up for windows shorter than those that users take; bench/doctor measures with
neither."""

import argparse
import concurrent.futures
import itertools
import os
import sys
import tempfile
import threading

sys.dont_write_bytecode = True  # the source tree stays as it is

import scenarios  # noqa: E402

SAMPLE = 64 << 10  # mean bytes between samples


def judge(one, ebb, folder, go):
    """None when all is as it should be, else what is wrong."""
    if one.language == "go" and not go:
        raise scenarios.CannotRun("go is not installed")
    program = scenarios.build(one, folder, go if one.language == "go" else None)
    result = scenarios.doctor(ebb, one, program, one.quick, sample=SAMPLE)
    if result.right and not result.accused:
        return None
    lines = [f"expected {one.expected}, found {result.found} {result.site_text()}, status {result.status}"]
    lines += [f"also {verdict['pattern']} at {result.site_text(verdict)}" for verdict in result.accused]
    return "\n".join(lines + result.error.splitlines()[-3:])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ebb", required=True, help="the command under test")
    parser.add_argument("--jobs", type=int, default=4)
    options = parser.parse_args()
    ebb = os.path.abspath(options.ebb)
    chosen = [one for one in scenarios.load_all() if one.quick]
    gos = scenarios.go_commands()
    print(f"TAP version 13\n1..{len(chosen)}", flush=True)
    lock, failed = threading.Lock(), []

    numbers = itertools.count(1)  # TAP wants results numbered as they come

    def run(one):
        words = f"{one.language} {one.name}: {one.expected}"
        try:
            wrong = judge(one, ebb, folder, gos[0][1] if gos else None)
        except scenarios.CannotRun as reason:
            with lock:
                print(f"ok {next(numbers)} {words} # SKIP {reason}", flush=True)
            return
        except Exception as error:  # a scenario that cannot be built or started
            wrong = f"{type(error).__name__}: {error}"
        with lock:
            print(f"{'not ok' if wrong else 'ok'} {next(numbers)} {words}", flush=True)
            for line in (wrong or "").splitlines():
                print(f"#   {line}", flush=True)
            failed.extend([one] if wrong else [])

    with tempfile.TemporaryDirectory(prefix="ebb-scenarios-") as folder:
        scenarios.end_with_us(folder)
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            list(pool.map(run, chosen))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
