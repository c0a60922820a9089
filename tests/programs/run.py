#!/usr/bin/env python3
"""The end-to-end suite: ebb on real programs. Prints TAP.

    run.py [--ebb PATH] [--long] [--jobs N] [--reports DIR] [--list] [CASE...]

CASE is a part of a name; without any, all run. --long watches for 30 s as users do and adds the
cases that need it. --reports keeps every JSON report."""

import argparse
import pathlib
import signal
import sys

sys.dont_write_bytecode = True  # the source tree stays as it is

import harness  # noqa: E402
import cases_command  # noqa: E402, F401
import cases_growth  # noqa: E402, F401
import cases_servers  # noqa: E402, F401


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = pathlib.Path(__file__).resolve().parents[2] / "build/gcc/tool/ebb"
    parser.add_argument("--ebb", default=str(default), help="the command under test")
    parser.add_argument("--long", action="store_true", help="windows of 30 s, and more cases")
    parser.add_argument("--jobs", type=int, default=3, help="light cases at a time")
    parser.add_argument("--reports", help="keep the JSON reports in this directory")
    parser.add_argument("--list", action="store_true", help="list the cases")
    parser.add_argument("cases", nargs="*", help="parts of names")
    options = parser.parse_args()
    # A shell's background jobs ignore both, and so would everything that is started here.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    options.ebb = str(pathlib.Path(options.ebb).resolve())
    if not options.list and not pathlib.Path(options.ebb).exists():
        parser.error(f"{options.ebb} does not exist: build it first, or name it with --ebb")
    return harness.run_all(options)


if __name__ == "__main__":
    sys.exit(main())
