"""The views beside `go tool pprof`, line by line, on profiles made on the spot by a Go program, on
heap profiles of other tools and on a generated one with inlined calls.

    compare_pprof.py EBB GENERATE LEGACY...
"""

import collections
import datetime
import os
import pathlib
import re
import shutil
import sys
import tempfile

from tap import Skip, check, main, output, run, same

EBB, GENERATE, *LEGACY = map(os.path.abspath, sys.argv[1:])
HERE = pathlib.Path(__file__).resolve().parent
SCRATCH = tempfile.TemporaryDirectory(prefix="ebb-compare-")
DIRECTORY = pathlib.Path(SCRATCH.name)
ENVIRONMENT = dict(os.environ, TZ="Europe/Berlin", GOFLAGS="-mod=mod", GOTOOLCHAIN="local",
                   PPROF_TMPDIR=SCRATCH.name)
ENVIRONMENT.setdefault("HOME", SCRATCH.name)
GO_PROFILES = ["cpu", "goroutine", "heap1", "heap2"]
PPROF = []
problem = None  # why nothing can be compared

# pprof's options beside ours.
TOP_OPTIONS = [
    ([], []),
    (["-cum"], ["--cum"]),
    (["-lines"], ["--lines"]),
    (["-functions"], ["--functions"]),
    (["-nodecount=10"], ["-n", "10"]),
    (["-nodefraction=0"], ["--min-percent", "0"]),
    (["-nodefraction=0.05", "-lines"], ["--min-percent", "5%", "--lines"]),
    (["-cum", "-lines", "-nodecount=30"], ["--cum", "--lines", "--nodes", "30"]),
    (["-focus=main"], ["--focus", "main"]),
    (["-focus=work|recurse", "-lines"], ["--focus", "work|recurse", "--lines"]),
    (["-ignore=put|recurse"], ["--ignore", "put|recurse"]),
    (["-focus=main", "-ignore=recurse$", "-cum"],
     ["--focus", "main", "--ignore", "recurse$", "--cum"]),
    (["-hide=runtime"], ["--hide", "runtime"]),
    (["-show=main"], ["--show", "main"]),
    (["-hide=^main\\.(work|main)$", "-lines"], ["--hide", "^main\\.(work|main)$", "--lines"]),
    (["-focus=no such function"], ["--focus", "no such function"]),
]
SAMPLE_TYPES = {"heap": ["alloc_objects", "alloc_space", "inuse_objects", "inuse_space"],
                "cpu": ["samples", "cpu"]}


def prepare():
    """Makes the profiles."""
    global problem  # pylint: disable=global-statement
    if not shutil.which("go"):
        problem = "there is no go"
        return
    found = run(["go", "tool", "-n", "pprof"], cwd=DIRECTORY, env=ENVIRONMENT, timeout=900)
    if found.returncode:  # newer Go builds it at first use
        problem = "this go has no pprof: " + found.stderr.decode().strip()
        return
    PPROF.append(found.stdout.decode().strip())
    built = run(["go", "build", "-o", DIRECTORY / "profiled", HERE / "programs" / "profiled.go"],
                cwd=DIRECTORY, env=ENVIRONMENT, timeout=600)
    if built.returncode:
        problem = "the Go program does not build: " + built.stderr.decode().splitlines()[-1]
        return
    output([DIRECTORY / "profiled", DIRECTORY])
    output([GENERATE, DIRECTORY / "generated.pb.gz", "2000", "7"])
    for legacy in LEGACY:  # saved by us, so that both see the symbols that this machine has
        output([EBB, "top", "-o", DIRECTORY / (pathlib.Path(legacy).stem + ".pb.gz"), legacy])


def profile(name):
    if problem:
        raise Skip(problem)
    return str(DIRECTORY / (name + ".pb.gz"))


def pprof(*arguments):
    """What pprof prints; empty when it fails, as it does when nothing matches."""
    result = run([*PPROF, "-symbolize=none", *arguments], cwd=DIRECTORY,
                 env=ENVIRONMENT)
    return result.stdout.decode() if result.returncode == 0 else ""


def ebb(*arguments):
    result = run([EBB, *arguments], cwd=DIRECTORY, env=ENVIRONMENT)
    return result.stdout.decode() if result.returncode == 0 else ""


def old_time(line):
    """The time as older pprofs write it: to the minute."""
    found = re.fullmatch(r"Time: (\S+ \S+) (\S+)", line)
    if not found:
        return line
    time = datetime.datetime.fromisoformat(found[1])
    return time.strftime(f"Time: %b {time.day}, %Y at {time.hour % 12 or 12}:%M%p ({found[2]})") \
        .replace("AM (", "am (").replace("PM (", "pm (")


def timed_alike(ours, theirs):
    if re.search(r"^Time: .* at ", theirs, re.M):
        return "".join(old_time(line) + "\n" for line in ours.splitlines())
    return ours


def compare(theirs, ours, *files):
    names = [profile(file) for file in files]
    theirs = pprof(*theirs, *names)
    same(timed_alike(ebb(*ours, *names), theirs), theirs, " ".join(ours))


def compare_tops(file):
    for theirs, ours in TOP_OPTIONS:
        compare(["-top", *theirs], ["top", *ours], file)


def compare_values(file):
    for kind, types in SAMPLE_TYPES.items():
        if not file.startswith(kind):
            continue
        for value in types:
            compare(["-top", "-sample_index=" + value], ["top", "--sample", value], file)


def compare_peeks(file):
    for pattern in [".", "main", "append|malloc|alloc", "no such function"]:
        compare(["-peek=" + pattern], ["peek", pattern], file)
        compare(["-peek=" + pattern, "-lines"], ["peek", "--lines", pattern], file)
    compare(["-peek=main", "-focus=work"], ["peek", "--focus", "work", "main"], file)


def compare_lists(file):
    """Where pprof finds the sources, so do we; where it does not, the numbers still agree."""

    def without_source(text):
        kept = [line for line in text.splitlines()
                if not line.startswith((" Error:", "    The source is not here"))]
        return "\n".join(kept)

    for options in [[], ["-focus=put"]]:
        theirs = pprof("-list=^main\\.", *options, profile(file))
        ours = ebb("list", *["-" + option for option in options], "^main\\.", profile(file))
        same(without_source(ours), without_source(theirs), "list")
        if file != "goroutine" and not options:
            check("ROUTINE" in ours, "list shows no function")


def compare_traces(file):
    """The same stacks with the same sums as `pprof -traces` has them."""
    stacks, stack, value = collections.Counter(), [], 0
    for line in pprof("-traces", "-unit=B", profile(file)).splitlines() + ["---"]:
        row = re.match(r"^ *(\S*)   (\S.*)$", line)
        if line.startswith("---"):
            if stack:
                stacks[";".join(reversed(stack))] += value
            stack = []
        elif row and (stack or row[1]) and not re.match(r"^ *\w+:  ", line):
            if not stack:
                value = int(row[1].rstrip("B"))
            stack.append(row[2].replace(" (inline)", ""))
    ours = collections.Counter()
    for line in ebb("top", "--folded", profile(file)).splitlines():
        path, _, value = line.rpartition(" ")
        ours[path] += int(value)
    stacks = +stacks
    check(ours == stacks, f"folded: {list((ours - stacks).items())[:3]} is not "
                          f"{list((stacks - ours).items())[:3]}")


def compare_bases():
    compare(["-top", "-base=" + profile("heap1")], ["top", "--base", profile("heap1")], "heap2")
    compare(["-top", "-cum", "-lines", "-base=" + profile("heap2")],
            ["top", "--cum", "--lines", "--base", profile("heap2")], "heap1")
    compare(["-peek=main", "-base=" + profile("heap1")],
            ["peek", "--base", profile("heap1"), "main"], "heap2")


def compare_sums():
    compare(["-top"], ["top"], "heap1", "heap2")
    compare(["-top", "-lines"], ["top", "--lines"], "heap1", "heap2", "heap1")


def compare_differences():
    """`ebb diff` has two columns and plus signs more."""

    def bare(line):
        words = line.split()
        if words[:1] == ["flat"]:
            return words[:5]
        if len(words) > 7 and words[1].endswith("%") and words[4].endswith("%"):
            return [word.lstrip("+") for word in words[:5]] + words[7:]
        return words

    for options, theirs_options in [([], []), (["--cum"], ["-cum"]), (["--lines"], ["-lines"])]:
        theirs = pprof("-top", *theirs_options, "-diff_base=" + profile("heap1"), profile("heap2"))
        ours = ebb("diff", *options, profile("heap1"), profile("heap2"))
        ours = timed_alike(ours, theirs)
        same("\n".join(" ".join(bare(line)) for line in ours.splitlines()),
             "\n".join(" ".join(line.split()) for line in theirs.splitlines()), "diff")


def compare_saved():
    """What -o writes is, to pprof, what we were shown."""
    for options, theirs in [([], []), (["--focus", "recurse"], ["-focus=recurse"]),
                            (["--hide", "runtime"], ["-hide=runtime"])]:
        saved = str(DIRECTORY / "saved.pb.gz")
        ebb("top", "-o", saved, *options, profile("heap2"))
        ours = [line for line in pprof("-top", "-nodefraction=0", "-unit=B", saved).splitlines()]
        expected = pprof("-top", "-nodefraction=0", "-unit=B", *theirs, profile("heap2"))

        def numbers(lines):
            found = {}
            for line in lines:
                words = line.split()
                if len(words) >= 6 and words[1].endswith("%"):
                    found[" ".join(words[5:])] = (words[0], words[3])
            return found

        check(numbers(ours) == numbers(expected.splitlines()), f"-o {options} lost something")


prepare()
cases = []
for each in GO_PROFILES + ["generated"] + [pathlib.Path(legacy).stem for legacy in LEGACY]:
    cases.append((f"top of {each}", lambda file=each: compare_tops(file)))
    cases.append((f"peek into {each}", lambda file=each: compare_peeks(file)))
for each in GO_PROFILES:
    cases.append((f"values of {each}", lambda file=each: compare_values(file)))
    cases.append((f"list of {each}", lambda file=each: compare_lists(file)))
for each in ["heap1", "heap2", "generated"]:
    cases.append((f"stacks of {each}", lambda file=each: compare_traces(file)))
cases += [("base", compare_bases), ("sums", compare_sums), ("differences", compare_differences),
          ("saved profiles", compare_saved)]
main(cases)
