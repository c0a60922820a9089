"""Cases that print TAP: what the scripts of this folder stand on."""

import subprocess
import sys
import traceback


class Skip(Exception):
    """The case cannot run here; says why."""


def check(truth, message):
    if not truth:
        raise AssertionError(message)


def same(ours, theirs, what):
    """Fails with the first lines that differ."""
    if ours == theirs:
        return
    left, right = ours.splitlines(), theirs.splitlines()
    for number in range(max(len(left), len(right))):
        a = left[number] if number < len(left) else "(nothing)"
        b = right[number] if number < len(right) else "(nothing)"
        if a != b:
            raise AssertionError(f"{what}, line {number + 1}:\n  ours:   {a}\n  theirs: {b}")


def run(command, **options):
    options.setdefault("timeout", 120)
    return subprocess.run([str(word) for word in command], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=False, **options)


def output(command, **options):
    """What a command that must succeed prints."""
    result = run(command, **options)
    check(result.returncode == 0, f"{command}: status {result.returncode}: {result.stderr.decode()}")
    return result.stdout.decode()


def main(cases):
    """Runs (name, function) pairs; the exit status says whether all passed."""
    failed = 0
    print(f"1..{len(cases)}")
    for number, (name, case) in enumerate(cases, 1):
        try:
            case()
            print(f"ok {number} - {name}", flush=True)
        except Skip as reason:
            print(f"ok {number} - {name} # SKIP {reason}", flush=True)
        except Exception as problem:  # pylint: disable=broad-except
            failed += 1
            print(f"not ok {number} - {name}", flush=True)
            detail = str(problem) if isinstance(problem, AssertionError) else traceback.format_exc()
            for line in detail.splitlines():
                print(f"# {line}", flush=True)
    sys.exit(1 if failed else 0)
