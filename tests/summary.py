#!/usr/bin/env python3
"""Sums up a meson test log: what was skipped and why, then one plain line.

Counts single cases where a test reports them (cmocka, Python's unittest, TAP), otherwise the test as
a whole. A cmocka case says why it is skipped with a line `skipped: REASON` before it calls skip(); a
whole test prints the same line and exits with status 77. Exit status: 1 when anything failed or
nothing ran.
"""
import json
import re
import sys

CASE = re.compile(r"^\[\s*(OK|FAILED|SKIPPED|ERROR)\s*\] (\w+)\s*$", re.M)
PYTHON_CASE = re.compile(r"^(\w+) \([\w.]+\)(?:\n.*)? \.\.\. (?:.*\n)*?(ok|FAIL|ERROR|skipped '(.*)')$", re.M)
TAP_CASE = re.compile(r"^(ok|not ok) \d+ -? ?(.*?)(?: # (?i:skip)\S* ?(.*))?$", re.M)
REASON = re.compile(r"^\s*skipped: (.*)$", re.M)
KINDS = {"OK": "passed", "EXPECTEDFAIL": "passed", "SKIP": "skipped"}


def main() -> int:
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for line in open(sys.argv[1], encoding="utf-8", errors="replace"):
        test = json.loads(line)
        output = (test.get("stdout") or "") + "\n" + (test.get("stderr") or "")
        kind = KINDS.get(test["result"], "failed")
        cases = {}
        for result, name in CASE.findall(output):
            if result in ("FAILED", "ERROR") or cases.get(name) != "failed":
                cases[name] = {"OK": "passed", "SKIPPED": "skipped"}.get(result, "failed")
        reasons = REASON.findall(output)
        for name, result, reason in PYTHON_CASE.findall(output):
            cases[name] = "passed" if result == "ok" else "skipped" if reason else "failed"
            reasons += [reason] if reason else []
        for result, name, reason in TAP_CASE.findall(output):
            cases[name] = "failed" if result == "not ok" else "skipped" if reason else "passed"
            reasons += [f"{name}: {reason}"] if reason else []
        if kind == "failed" and "failed" not in cases.values():
            cases[test["name"]] = "failed"
        for result in cases.values() or [kind]:
            counts[result] += 1
        if kind == "skipped" or "skipped" in cases.values():
            names = [n for n, r in cases.items() if r == "skipped"] or [test["name"]]
            print(f"skipped: {test['name']}: {', '.join(names)}: {'; '.join(reasons) or 'no reason given'}")
    print("{passed} passed, {failed} failed, {skipped} skipped".format(**counts))
    return 1 if counts["failed"] or not counts["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
