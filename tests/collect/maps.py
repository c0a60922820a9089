"""ebb maps, and maps that show themselves, as a user meets them.

    maps.py EBB PROGRAM     PROGRAM: tests/collect/programs/maps.c
"""

import json
import os
import pathlib
import subprocess
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "render"))
from tap import check, main, run  # pylint: disable=wrong-import-position

EBB, PROGRAM = map(os.path.abspath, sys.argv[1:3])
SOURCE = pathlib.Path(__file__).parent / "programs" / "maps.c"
CREATED = next(number for number, text in enumerate(SOURCE.read_text().splitlines(), 1)
               if "CREATED HERE" in text)


class Program:
    """The program, which takes orders."""

    def __init__(self, *before, **environment):
        self.process = subprocess.Popen([*before, PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True, env={**os.environ, **environment})
        self.pid = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()

    def told(self, *orders):
        for order in orders:
            self.process.stdin.write(order + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline().split()
            check(answer and answer[0] == "ok", f"{order}: {answer}")
            self.pid = int(answer[1])
        return self

    def records(self):
        return [name for name in os.listdir("/dev/shm") if name.startswith(f"ebb-{self.pid}-")]


def listed(pid, *options):
    result = run([EBB, "maps", "--json", *options, pid])
    check(result.returncode == 0, f"status {result.returncode}: {result.stderr.decode()}")
    return json.loads(result.stdout)["maps"]


def near(value, wanted, share=0.13, least=64):
    check(abs(value - wanted) <= max(share * wanted, least), f"{value} is not near {wanted}")


def follows():
    with Program().told("put 1000") as program:
        only, = listed(program.pid)
        check(only["name"] == "sessions" and only["key_bytes"] == 8 and only["value_bytes"] == 8, f"{only}")
        check(only["site"]["function"] == "create" and only["site"]["line"] == CREATED, f"{only['site']}")
        near(only["len"], 1000)
        program.told("put 999000")
        only, = listed(program.pid)
        near(only["len"], 1000000)
        check(10e6 < only["bytes"] < 60e6, f"{only['bytes']} bytes")
        program.told("delete 990000")
        after, = listed(program.pid)
        near(after["len"], 10000)
        near(after["deletes"], 990000, 0.01)
        near(after["added"], 1000000, 0.02)
        check(after["bytes"] < only["bytes"] / 10, f"{after['bytes']} bytes after {only['bytes']}")
        near(after["high_water"], 1000000)
        check(after["id"] == only["id"], "it became another map")
        program.told("clear")
        only, = listed(program.pid)
        check(only["len"] == 0 and only["clears"] == 1, f"{only}")
        program.told("release")
        check(listed(program.pid) == [], "a map without memory is listed")
        program.told("put 10")
        only, = listed(program.pid)
        check(only["clears"] == 2, f"{only['clears']} clears")


def without_a_name():
    with Program().told("other 60000") as program:
        check(not program.records(), "a small map without a name makes a record")
        program.told("other 60000")
        only, = listed(program.pid)
        check(only["name"] == "" and only["site"]["line"] == CREATED + 1, f"{only}")


def many():
    with Program().told("put 5000", "many", "other 100000") as program:
        maps = listed(program.pid)
        check(len(maps) == 1002, f"{len(maps)} maps")
        check(maps[0]["len"] > 80000 and maps[1]["name"] == "sessions", f"{maps[:2]}")
        by_name = listed(program.pid, "--sort", "name", "-n", "3")
        check([one["name"] for one in by_name] == ["one of many"] * 3, f"{by_name}")
        table = run([EBB, "maps", program.pid, "-n", "2"]).stdout.decode()
        check("1000 more" in table and f"create maps.c:{CREATED}" in table, table)


def nested():
    with Program().told("nested 1000", "nested 99000") as program:
        only, = listed(program.pid)
        check(only["name"] == "tenants" and only["site"]["function"] == "create", f"{only}")
        near(only["len"], 100000)
        check(only["bytes"] > 16 * 100000, f"{only['bytes']} bytes for two levels")


def under_the_agent():
    with Program(EBB, "run", "--http", "off", "--sample", "64K", "--").told("put 300000") as program:
        check(len(program.records()) == 1, f"records: {program.records()}")
        only, = listed(program.pid)
        near(only["len"], 300000)
        heap = run([EBB, "ps", "--json"])
        mine, = [one for one in json.loads(heap.stdout)["processes"] if one["pid"] == program.pid]
        # The table is in pages that were reserved generously: no memory until they are used.
        check(mine["live_bytes"] < 100e6, f"{mine['live_bytes']} bytes live")


def after_fork():
    with Program().told("put 1000") as program:
        parent = program.pid
        program.told("put 1000", "fork", "put 5000")
        check(program.pid != parent, "no child")
        near(listed(program.pid)[0]["len"], 7000)
        near(listed(parent)[0]["len"], 2000)


def keeps_to_itself():
    with Program(EBB_PUBLISH="0").told("put 1000") as program:
        check(not program.records(), "it publishes")
        result = run([EBB, "maps", program.pid])
        check(result.returncode == 2 and result.stderr.count(b"\n") == 1, f"{result.stderr}")


def killed():
    with Program().told("put 100000") as program:
        program.process.kill()
        program.process.wait()
        near(listed(program.pid)[0]["len"], 100000)
        run([EBB, "ps", "--clear"])
        check(not program.records(), "the record stays")


def left_behind():
    with Program().told("put 1000") as living, Program().told("put 1000") as killed:
        path = pathlib.Path("/dev/shm", *killed.records())
        check(path.stat().st_blocks * 512 < 100e3, f"{path.stat().st_blocks * 512} bytes for two maps")
        killed.process.kill()
        killed.process.wait()
        check(killed.records(), "nothing is left to clear away")
        with Program().told("put 1000") as third:
            check(not killed.records(), "the record of a killed program stays")
            check(living.records() and third.records(), "a record of a program that runs is gone")


def ends():
    with Program().told("put 100000") as program:
        program.process.communicate()
        check(not program.records(), "a record that nobody reads is left behind")


def doctor(program, orders, pause=0.05, window="8s"):
    """What the doctor says of it while it gets these orders again and again."""
    stop = threading.Event()

    def give():
        while not stop.wait(pause):
            program.told(*orders)
    giver = threading.Thread(target=give)
    giver.start()
    try:
        result = run([EBB, "doctor", "--json", "--for", window, program.pid])
    finally:
        stop.set()
        giver.join()
    check(result.returncode in (0, 1), f"status {result.returncode}: {result.stderr.decode()}")
    return json.loads(result.stdout)


def doctor_names_it():
    for before in ((), (EBB, "run", "--http", "off", "--")):
        with Program(*before).told("put 1000") as program:
            report = doctor(program, ["put 3000"])
            first, = report["verdicts"]
            check(first["pattern"] == "unbounded-map" and first["map"] == "sessions", f"{first}")
            check(first["site"]["function"] == "create" and first["site"]["line"] == CREATED, f"{first['site']}")
            check('"sessions"' in first["summary"], first["summary"])
            check(len(report["verdicts"]) == 1, f"{report['verdicts']}")
            check(report["memory"]["growth_bytes_per_s"] > 0.5 * first["growth_bytes_per_s"], f"{report['memory']}")


def doctor_names_nested():
    with Program(EBB, "run", "--http", "off", "--sample", "64K", "--").told("nested 1000") as program:
        first, *others = doctor(program, ["nested 3000"])["verdicts"]
        check(first["pattern"] == "unbounded-nested-map" and first["map"] == "tenants", f"{first}")
        check(not others, f"{others}")


def doctor_lets_churn_be():
    with Program().told("put 300000") as program:
        report = doctor(program, ["put 3000", "delete 3000"])
        check(report["healthy"], f"{report['verdicts']}")


def refuses():
    for words in ([], ["x"], ["0"], ["1", "2"], ["--sort", "colour", "1"], ["-n", "-1", "1"], ["--all", "1"],
                  ["99999999"]):
        result = run([EBB, "maps", *words])
        check(result.returncode == 2 and result.stderr.count(b"\n") == 1 and not result.stdout, f"{words}: {result}")
    check(run([EBB, "maps", "--help"]).returncode == 0, "no help")


main([
    ("a map is followed up and down", follows),
    ("large maps without a name", without_a_name),
    ("many maps", many),
    ("a nested map", nested),
    ("under the agent there is one record", under_the_agent),
    ("a child by fork has a record of its own", after_fork),
    ("EBB_PUBLISH=0", keeps_to_itself),
    ("a killed program's maps", killed),
    ("what a killed program left goes with the next", left_behind),
    ("a program that ends leaves nothing behind", ends),
    ("the doctor names the map that grows", doctor_names_it),
    ("the doctor names a nested map, and its entries nowhere else", doctor_names_nested),
    ("the doctor lets churn be", doctor_lets_churn_be),
    ("what is refused", refuses),
])
