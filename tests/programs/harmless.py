#!/usr/bin/env python3
"""The agent does no harm: programs of Debian say and do the same with it and without. Prints TAP.

    harmless.py [--ebb PATH] [--quick] [--jobs N] [--packages] [PROGRAM...]

Every command of harmless_programs.txt runs four times in the same fresh directory: twice without
the agent, then under `ebb run` with --sample 64K and with --sample 1 (which records every block).
What it writes to stdout and stderr, its exit status and the files it leaves behind must be equal.

Programs that differ between two runs of their own (times, process ids, random names) are compared
as far as they agree with themselves: whole, then with every number replaced by one, then as a set of
lines, then not at all. A difference counts when it shows twice: the same again, with the
two runs without the agent still agreeing.

--quick takes the starred programs with --sample 64K only. --packages lists the Debian packages that
hold all programs, for apt-get."""

import argparse
import concurrent.futures
import glob
import hashlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading

HERE = pathlib.Path(__file__).resolve().parent
PATIENCE = 180


class Program:
    def __init__(self, line):
        name, self.package, self.command = line.split(None, 2)
        self.quick = name.startswith("*")
        self.name = name.lstrip("*")

    def is_installed(self):
        return shutil.which(self.name, path=search_path()) is not None


def search_path():
    extra = "/usr/sbin:/sbin:/usr/games:/usr/lib/postgresql/15/bin"
    return f"{os.environ.get('PATH', '/usr/bin:/bin')}:{extra}"


def programs():
    lines = (HERE / "harmless_programs.txt").read_text().splitlines()
    return [Program(line) for line in lines if line and not line.startswith("#")]


# ---- fixtures ----


def make_fixtures(folder):
    """Files that the commands work on; the same on every machine."""
    state = 12345

    def number(below):
        nonlocal state
        state = (state * 1103515245 + 12345) & 0x7fffffff
        return (state >> 8) % below

    syllables = "ba co di fu ge ha ing jo ku le mo ni pa ra so ti".split()
    words = ["".join(syllables[number(16)] for _ in range(1 + number(4))) for _ in range(4000)]
    pairs = zip(words[::2], words[1::2])
    text = "".join(f"{a} {b}\n" for a, b in pairs)
    rows = [f'{{"name": "{words[i]}", "value": {number(1000)}}}' for i in range(300)]
    (folder / "words.txt").write_text(text)
    (folder / "numbers.txt").write_text("".join(f"{number(500)}\n" for _ in range(2000)))
    (folder / "table.csv").write_text("".join(f"{'abc'[number(3)]},{number(99)},{w}\n"
                                              for w in words[:200]))
    (folder / "data.json").write_text('{"rows": [' + ",\n".join(rows) + "]}\n")
    (folder / "broken.json").write_text('{"rows": [')
    (folder / "page.html").write_text("<title>t</title><p>one <b>two</b><p>three &amp; four\n")
    (folder / "page.xml").write_text("<a><b>one</b><b>two</b></a>\n")
    (folder / "hello.c").write_text('#include <stdio.h>\n\nint main(void)\n{\n\tint answer = 42;\n'
                                    '\tputs("hello, world");\n\treturn answer - 42;\n}\n')
    (folder / "broken.c").write_text("int main(void) { return missing; }\n")
    (folder / "hello.cc").write_text(
        "#include <iostream>\n#include <map>\n#include <stdexcept>\n#include <string>\n"
        "int main() {\n  std::map<std::string, int> m;\n"
        "  for (int i = 0; i < 5000; i++) m[std::to_string(i * 7919 % 5000)] = i;\n"
        "  try { throw std::runtime_error(\"thrown\"); }\n"
        "  catch (const std::exception &e) { std::cout << e.what() << ' ' << m.size() << '\\n'; }\n"
        "  return 3;\n}\n")
    (folder / "image.ppm").write_bytes(b"P6\n64 48\n255\n" + bytes(number(256)
                                                                  for _ in range(64 * 48 * 3)))
    (folder / "tone.raw").write_bytes(b"".join(((i * i) % 4000).to_bytes(2, "little")
                                               for i in range(8000)))
    for path in folder.iterdir():
        os.utime(path, (1000000000, 1000000000))


# ---- one run ----


class Run:
    """What a command did: streams, status, files."""

    def __init__(self, out, err, status, files):
        self.streams = {"stdout": out, "stderr": err, "files": files}
        self.status = status


def describe_files(folder):
    lines = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_symlink():
            lines.append(f"{name} -> {os.readlink(path)}")
        elif path.is_file():
            digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
            lines.append(f"{name} {path.stat().st_size} {digest}")
        else:
            lines.append(f"{name}/")
    return "\n".join(lines).encode()


def environment(folder):
    return {"PATH": search_path(), "HOME": str(folder.parent / "home"), "TZ": "UTC",
            "LC_ALL": "C.UTF-8", "TERM": "dumb", "TMPDIR": str(folder.parent / "tmp"),
            "SOURCE_DATE_EPOCH": "1000000000", "USER": "somebody", "EDITOR": "true",
            "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.org",
            "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@example.org",
            "GIT_AUTHOR_DATE": "1000000000 +0000", "GIT_COMMITTER_DATE": "1000000000 +0000"}


def run_once(program, place, fixtures, prefix):
    folder = place / "work"
    for name in ("work", "home", "tmp"):
        shutil.rmtree(place / name, ignore_errors=True)
    place.chmod(0o755)
    shutil.copytree(fixtures, folder)
    (place / "home").mkdir()
    (place / "tmp").mkdir()
    (place / "tmp").chmod(0o777)
    with open(place / "out", "w+b") as out, open(place / "err", "w+b") as err:
        process = subprocess.Popen([*prefix, "sh", "-c", program.command], stdout=out, stderr=err,
                                   stdin=subprocess.DEVNULL, cwd=folder, env=environment(folder),
                                   start_new_session=True)
        try:
            status = process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            status = f"still running after {PATIENCE} s"
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()
        out.seek(0)
        err.seek(0)
        return Run(out.read(), err.read(), as_shell(status), describe_files(folder))


def as_shell(status):
    """As a shell counts it: `ebb run` exits with 128 + N where its program was killed by N."""
    return 128 - status if isinstance(status, int) and status < 0 else status


# ---- comparing ----


def numbers_out(text):
    return re.sub(rb"0x[0-9a-f]+|\d+(\.\d+)?", b"N", text)


def names_only(text):
    return b"\n".join(sorted(re.sub(rb"[0-9a-f]{16}$", b"", line).rsplit(b" ", 2)[0]
                             for line in text.splitlines()))


LEVELS = [("exactly", lambda text: text), ("but for numbers", numbers_out),
          ("as a set of lines", lambda text: b"\n".join(sorted(numbers_out(text).splitlines()))),
          ("by name", names_only), ("not", lambda text: b"")]


def agreement(first, second):
    """For each stream the first level at which two runs agree."""
    levels = {}
    for name in first.streams:
        for number, (_, reduce) in enumerate(LEVELS):
            if name != "files" and number == 3:
                continue
            if reduce(first.streams[name]) == reduce(second.streams[name]):
                levels[name] = number
                break
    return levels


def difference(plain, watched, levels):
    """None, or what is different."""
    if plain.status != watched.status:
        return (f"exit status {plain.status} became {watched.status}; "
                f"stderr: {watched.streams['stderr'][-300:]!r}")
    for name, level in levels.items():
        reduce = LEVELS[level][1]
        before, after = reduce(plain.streams[name]), reduce(watched.streams[name])
        if before != after:
            lines = [(a, b) for a, b in zip(before.splitlines() + [b""] * 9999, after.splitlines()
                                            + [b""] * 9999) if a != b]
            return f"{name}: {lines[0][0][:200]!r} became {lines[0][1][:200]!r}"
    return None


def compare(program, place, fixtures, prefixes):
    """(outcome, words) of one program."""
    plain = run_once(program, place, fixtures, [])
    if plain.status == 127:
        return "failed", f"the command itself does not run: {plain.streams['stderr'][:200]!r}"
    second = run_once(program, place, fixtures, [])
    if plain.status != second.status:
        return "skipped", f"ends with {plain.status} or {second.status} by itself"
    levels = agreement(plain, second)
    for words, prefix in prefixes:
        for _ in range(3):
            found = difference(plain, run_once(program, place, fixtures, prefix), levels)
            if not found:
                break
            third = run_once(program, place, fixtures, [])
            for name, level in agreement(plain, third).items():
                levels[name] = max(levels[name], level)
            if third.status != plain.status:
                return "skipped", f"ends with {plain.status} or {third.status} by itself"
        if found:
            return "failed", f"{words}: {found}"
    loosest = max(levels, key=levels.get)
    return "passed", f"{loosest} compared {LEVELS[levels[loosest]][0]}" if levels[loosest] else ""


# ---- all ----


def is_preloaded(prefix):
    """Whether programs really run with the agent; otherwise every comparison would succeed."""
    run = subprocess.run([*prefix, "cat", "/proc/self/maps"], capture_output=True)
    return b"libebb-agent.so" in run.stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ebb", default=str(HERE.parents[1] / "build/gcc/tool/ebb"))
    parser.add_argument("--quick", action="store_true", help="the starred ones, one sampling rate")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--packages", action="store_true", help="list the packages and leave")
    parser.add_argument("names", nargs="*", metavar="PROGRAM")
    options = parser.parse_args()
    wanted = [one for one in programs()
              if (one.name in options.names if options.names else one.quick or not options.quick)]
    if options.packages:
        print("\n".join(sorted({one.package for one in wanted})))
        return 0
    if not wanted:
        parser.error(f"no such program in harmless_programs.txt: {' '.join(options.names)}")
    ebb = pathlib.Path(options.ebb).resolve()
    if not ebb.exists():
        parser.error(f"{ebb} does not exist: build it first, or name it with --ebb")
    rates = ["64K"] if options.quick else ["64K", "1"]
    prefixes = [(f"with --sample {rate}", [str(ebb), "run", "--http", "off", "--sample", rate, "--"])
                for rate in rates]
    if not is_preloaded(prefixes[0][1]):
        print(f"Bail out! {' '.join(prefixes[0][1])} does not load the agent", flush=True)
        return 1
    records = set(glob.glob("/dev/shm/ebb-*"))

    print("TAP version 13", flush=True)
    print(f"1..{len(wanted)}", flush=True)
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    lock = threading.Lock()
    with tempfile.TemporaryDirectory(prefix="ebb-harmless-") as place:
        place = pathlib.Path(place)
        place.chmod(0o755)
        fixtures = place / "fixtures"
        fixtures.mkdir()
        make_fixtures(fixtures)

        def run_one(program):
            own = place / program.name
            own.mkdir()
            if not program.is_installed():
                outcome, words = "skipped", f"not installed; it is in {program.package}"
            else:
                outcome, words = compare(program, own, fixtures, prefixes)
            shutil.rmtree(own, ignore_errors=True)
            with lock:
                counts[outcome] += 1
                number = sum(counts.values())
                if outcome == "skipped":
                    print(f"ok {number} {program.name} # SKIP {words}", flush=True)
                else:
                    print(f"{'ok' if outcome == 'passed' else 'not ok'} {number} {program.name}",
                          flush=True)
                    if words:
                        print(f"#   {words}", flush=True)

        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            list(pool.map(run_one, wanted))

    left = set(glob.glob("/dev/shm/ebb-*")) - records
    if left:
        print(f"# left in /dev/shm by this or another run: {len(left)} records", flush=True)
    print(f"# {counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped",
          flush=True)
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
