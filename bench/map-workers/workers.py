"""The workers of the map benchmarks: where they are, how they are run, what they inlined.

Every measurement is a process of its own, pinned to one processor. The maps take turns within a
round and the order rotates, so what else the machine does meets all of them."""
import os
import pathlib
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
PEERS = {
    "absl": "absl/container/flat_hash_map.h (libabsl-dev)",
    "boost": "boost/unordered/unordered_flat_map.hpp (libboost1.81-dev)",
    "khash": "htslib/khash.h (libhts-dev)",
    "glib": "GLib (libglib2.0-dev)",
}
KINDS = {"u64": "", "text": "-text"}


class Worker:
    def __init__(self, name, command, program):
        self.name, self.command, self.program = name, command, program


def newest_go():
    """The newest Go here: (version, path of its command), or None."""
    found = []
    places = [shutil.which("go"), "/usr/local/go/bin/go",
              *map(str, pathlib.Path("/usr/lib").glob("go-*/bin/go"))]
    for place in places:
        if place and os.access(place, os.X_OK):
            words = subprocess.run([place, "version"], capture_output=True, text=True,
                                   env={**os.environ, "GOTOOLCHAIN": "local"}).stdout.split()
            if len(words) > 2:
                version = words[2].removeprefix("go")
                found.append(([int(part) for part in re.findall(r"\d+", version)], version, place))
    return max(found)[1:] if found else None


def give_up(line):
    print(line, file=sys.stderr)
    sys.exit(2)


def find(build, kind, names):
    """The workers for a kind of keys, Ebb's first. What is not there is named on stderr, once."""
    build = pathlib.Path(build)
    unknown = set(names or []) - set(PEERS) - {"ebb", "go"}
    if unknown:
        give_up(f"no such peer: {', '.join(sorted(unknown))}; there are {', '.join(PEERS)} and go")
    done = subprocess.run(["ninja", "-C", str(build), "--quiet", "map-workers"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        give_up("the workers do not build:\n" + done.stdout)
    workers = []
    for name in ["ebb", *PEERS]:
        if names and name not in names and name != "ebb":
            continue
        program = build / "bench" / f"map-{name}{KINDS[kind]}"
        if program.exists():
            workers.append(Worker(name, [str(program)], program))
        elif name == "ebb":
            give_up(f"{program} is missing; build first")
        else:
            skip(f"{name}: without {PEERS[name]} it was not built")
    go = newest_go() if not names or "go" in names else None
    if go:
        program = build / "bench" / f"map-go-{go[0]}"
        source = HERE / "worker.go"
        if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
            subprocess.run([go[1], "build", "-o", str(program), str(source)], check=True, env={
                **os.environ, "GOTOOLCHAIN": "local", "GOROOT": "", "CGO_ENABLED": "0"})
        workers.append(Worker(f"go {go[0]}", [str(program)], None))
        workers[-1].last = ["text"] if kind == "text" else []
    elif not names or "go" in names:
        skip("go: no Go is installed")
    return workers


skipped = set()


def skip(line):
    if line not in skipped:
        skipped.add(line)
        print(f"skipped: {line}", file=sys.stderr)


def pin(processor):
    def preexec():
        os.sched_setaffinity(0, {processor})
    return preexec


def run(worker, mode, n, processor):
    """Name -> number, as the worker prints them."""
    command = [*worker.command, mode, str(n), *getattr(worker, "last", [])]
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=pin(processor))
    if done.returncode:
        give_up(f"{' '.join(command)} failed: {done.stderr.strip() or done.returncode}")
    return {name: float(value) for name, value in map(str.split, done.stdout.splitlines())}


def rotated(workers, turn):
    turn %= len(workers)
    return workers[turn:] + workers[:turn]


def last_processor():
    return max(os.sched_getaffinity(0))


# ---- what was inlined ----

# What a lookup may call and still count as inlined: comparing texts, and Ebb's overflow chains,
# which one lookup in some thousands walks.
HARMLESS = re.compile(r"memcmp|bcmp|__find_in_chain|__stack_chk_fail")


def calls_in_lookups(program):
    """The functions that the lookup loops of a worker call, read in its machine code."""
    if not shutil.which("objdump"):
        return None
    text = subprocess.run(["objdump", "-d", "--no-show-raw-insn", "--demangle", str(program)],
                          capture_output=True, text=True, check=True).stdout
    calls, inside, seen = set(), False, 0
    for line in text.splitlines():
        start = re.match(r"[0-9a-f]+ <(.*)>:$", line)
        if start:
            inside = re.match(r"run_(hit|miss)\b", start[1]) and ".cold" not in start[1]
            seen += bool(inside)
        elif inside:
            call = re.search(r"\bcall\w*\s+(?:[0-9a-f]+ <([^+>]*)|(\*.*))", line) or \
                re.search(r"\bbl\s+[0-9a-f]+ <([^+>]*)()", line)
            if call:
                calls.add((call[1] or call[2]).strip())
    if seen < 2:
        return {"(its lookup loops were not found)"}
    return {call for call in calls if not HARMLESS.search(call)}


def check_inlining(workers):
    """Prints one line per worker of a header library; True: none calls its lookup."""
    sound = True
    for worker in workers:
        if worker.program is None or worker.name == "glib":
            continue
        calls = calls_in_lookups(worker.program)
        if calls is None:
            skip("check of inlining: objdump is not installed")
            return True
        print(f"lookups inlined: {worker.program.name:16} "
              f"{'yes' if not calls else 'NO, calls ' + ', '.join(sorted(calls))}")
        sound = sound and not calls
    return sound
