"""ebb lab as a user meets it.

    lab.py EBB
"""

import json
import os
import pathlib
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "render"))
from tap import Skip, check, main, output, run  # pylint: disable=wrong-import-position

EBB = os.path.abspath(sys.argv[1])
ALL = ["L7", "L10", "L13", "L15", "L17"]


def rows(*options, **keywords):
    """Row name -> row, of every experiment by its id."""
    report = json.loads(output([EBB, "lab", "--json", *options], timeout=400, **keywords))
    return {one["id"]: {row["what"]: row for row in one["rows"]} for one in report["experiments"]}


def measures():
    found = rows("--no-go")
    check(list(found) == ALL, f"{list(found)}")
    for name, table in found.items():
        check(table and all(row["ebb"] >= 0 and row["go"] is None for row in table.values()), f"{name}: {table}")
    # What the library promises, and no machine's speed decides.
    deleted = found["L17"]
    check(deleted["99 % deleted, shrunk (Go: rebuilt by hand)"]["ebb"] < 0.15 * deleted["at the peak"]["ebb"],
          f"{deleted}")
    check(deleted["99 % deleted, table kept"]["ebb"] > 0.8 * deleted["at the peak"]["ebb"], f"{deleted}")
    bounded = found["L13"]
    check(bounded["at most 1000 per tenant, 64 MB in all: peak memory"]["ebb"] < 80, f"{bounded}")
    check(found["L10"]["made once: memory taken"]["ebb"] < 0.01, f"{found['L10']}")


def on_go_too():
    if not shutil.which("go"):
        raise Skip("Go is not installed")
    table = rows("L10", "l15")
    for name in ("L10", "L15"):
        check(all(row["go"] is not None for row in table[name].values()), f"{table[name]}")


def as_text():
    text = output([EBB, "lab", "--no-go", "L15"])
    check("L15" in text and "claimed" in text and "grown from nothing" in text, text)
    listed = output([EBB, "lab", "--list"]).splitlines()
    check([line.split()[0] for line in listed] == ALL, f"{listed}")


def refuses():
    for words in (["L99"], ["--what"]):
        result = run([EBB, "lab", *words])
        check(result.returncode == 2 and result.stderr.count(b"\n") == 1 and not result.stdout, f"{words}: {result}")
    check(run([EBB, "lab", "--help"]).returncode == 0, "no help")


main([
    ("all experiments", measures),
    ("the same in Go", on_go_too),
    ("text and list", as_text),
    ("what is refused", refuses),
])
