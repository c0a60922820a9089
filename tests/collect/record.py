"""ebb record and ebb doctor --store as a user meets them.

    record.py EBB CONFIG_SERVICE [GO_SERVICE]
"""

import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "render"))
from tap import Skip, check, main, output, run  # pylint: disable=wrong-import-position

EBB, SERVICE = map(os.path.abspath, sys.argv[1:3])
SCRATCH = tempfile.TemporaryDirectory(prefix="ebb-record-")
DIRECTORY = pathlib.Path(SCRATCH.name)
GO_SOURCE = r"""
package main
import ("fmt"; "net"; "net/http"; _ "net/http/pprof"; "os"; "time"; "runtime")
var kept = map[int][]byte{}
func remember(i int) { kept[i] = make([]byte, 1024) }
func main() {
    listener, err := net.Listen("tcp", os.Args[1])
    if err != nil { panic(err) }
    fmt.Println(listener.Addr())
    go http.Serve(listener, nil)
    for i := 0; ; i++ {
        remember(i)
        if i % 50 == 0 { time.Sleep(5 * time.Millisecond) }
        if i % 2000 == 0 { runtime.GC() }
    }
}
"""


def refused(*arguments, says=""):
    """Status 2, one line on stderr that begins with the command's name, nothing on stdout."""
    result = run([EBB, *arguments], cwd=DIRECTORY)
    line = result.stderr.decode()
    check(result.returncode == 2, f"{arguments}: status {result.returncode}")
    check(line.count("\n") == 1 and line.startswith(f"ebb {arguments[0]}: "), f"says {line!r}")
    check(says in line, f"{arguments}: no {says!r} in {line!r}")
    check(not result.stdout, f"{arguments}: prints {result.stdout[:80]!r}")


def record(store, *words, every="0.2", window="4"):
    result = run([EBB, "record", "--store", store, "--every", every, "--for", window, *words],
                 cwd=DIRECTORY)
    check(result.returncode == 0, f"status {result.returncode}: {result.stderr.decode()[-400:]}")
    return result.stderr.decode()


def verdict(*arguments):
    result = run([EBB, "doctor", "--json", *arguments], cwd=DIRECTORY)
    check(result.returncode in (0, 1), f"status {result.returncode}: {result.stderr.decode()}")
    report = json.loads(result.stdout)
    check(report["healthy"] == (result.returncode == 0), "status and verdict differ")
    return report


def snapshots(store):
    """How many there are, by ebb's own word."""
    lines = output([EBB, "record", "--list", "--store", store], cwd=DIRECTORY).splitlines()
    return sum(int(line.split()[4]) for line in lines[1:])


def wait_for(what, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if what():
            return
        time.sleep(0.05)
    raise AssertionError("waited in vain")


def help_and_errors():
    text = output([EBB, "record", "--help"])
    for option in ["--store", "--every", "--for", "--keep", "--prune", "--list", "--no-gc"]:
        check(option in text, f"no {option} in the help")
    check(max(map(len, text.splitlines())) <= 100, "lines too long")
    refused("record", says="--store")
    refused("record", "--store", "x", says="name what to record")
    refused("record", "--store", "x", "--every", "now", "1", says="--every now")
    refused("record", "--store", "x", "profile.pb.gz", says="neither a process id")
    refused("record", "--store", "x", "--prune", "1", says="no target")
    refused("record", "--store", "none/x", "--", "true", says="none/x")
    refused("record", "--store", "missing", "--list", says="missing")
    refused("record", "--store", "missing", "--prune", says="missing")
    refused("record", "--store", "y", "999999999", says="999999999")
    refused("record", "--store", EBB, "--", "true", says="not a store")
    refused("doctor", "--store", "missing", says="missing")
    refused("doctor", "--store", "missing", "a", "b", says="one of its targets")
    refused("doctor", "--since", "3h", "1", says="--store")


def same_verdict(mode, pattern):
    """The history of a program is judged as saved profiles of it are."""
    store, files = DIRECTORY / f"{mode}.store", []
    process = subprocess.Popen([EBB, "run", "--http", "off", "--sample", "64K", "--", SERVICE, mode],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        child = []

        def started():
            listed = run([EBB, "ps"]).stdout.decode().splitlines()
            child[:] = [int(line.split()[0]) for line in listed
                        if SERVICE in line and pathlib.Path(f"/proc/{line.split()[0]}").exists()]
            return child
        wait_for(started)
        if not pattern:
            time.sleep(6)  # it fills up to its bounds first
        recorder = subprocess.Popen(
            [EBB, "record", "--store", store, "--every", "0.5", "--for", "8", str(child[0])],
            stderr=subprocess.PIPE)
        for number in range(17):
            files.append(DIRECTORY / f"{mode}-{number}.pb.gz")
            output([EBB, "heap", str(child[0]), "-o", files[-1]])
            time.sleep(0.45)
        check(recorder.wait(30) == 0, f"recorder: {recorder.stderr.read()}")
    finally:
        process.terminate()
        process.wait()
    stored, saved = verdict("--store", store), verdict(*files)
    check([v["pattern"] for v in stored["verdicts"]][:1] == [v["pattern"] for v in saved["verdicts"]][:1],
          f"stored {stored['verdicts']}, saved {saved['verdicts']}")
    check(stored["healthy"] == (pattern is None), f"{mode}: {stored['verdicts']}")
    if pattern:
        mine, theirs = stored["verdicts"][0], saved["verdicts"][0]
        check(mine["pattern"] == pattern, mine["pattern"])
        # An insert allocates on several lines, and chance decides which has more samples.
        check([mine["site"][key] == theirs["site"][key] for key in ("function", "file")] == [True] * 2,
              f"{mine['site']} {theirs['site']}")
        ratio = mine["growth_bytes_per_s"] / theirs["growth_bytes_per_s"]
        check(0.5 < ratio < 2, f"growth {ratio} times the other")
    check(stored["target"] == "config-service", stored["target"])


def several_targets():
    store = DIRECTORY / "several"
    for mode in ["leaky", "bounded"]:
        record(store, "--sample", "64K", "--", SERVICE, mode)
    result = run([EBB, "doctor", "--store", store])
    check(result.returncode == 1, f"status {result.returncode}")
    text = result.stdout.decode()
    check(text.index("bounded") < text.index("unbounded-nested-map"), "not one after the other")
    refused("doctor", "--json", "--store", store, says="several targets")
    check(verdict("--store", store, "bounded")["healthy"], "the bounded one is accused")
    check(not verdict("--store", store, "leaky")["healthy"], "the leaky one is not")
    check(not verdict("--store", store, "leaky", "--since", "3s")["healthy"], "--since 3s")
    refused("doctor", "--store", store, "service", says="several targets match")
    refused("doctor", "--store", store, "nobody", says="leaky")


def a_program_that_ends():
    store = DIRECTORY / "ends"
    text = record(store, "--sample", "1", "--", "sh", "-c", "sleep 1; exit 3", window="30")
    check("exited with status 3" in text, text)
    check(snapshots(store) >= 2, "fewer than two snapshots")


def ended_by_ctrl_c():
    store = DIRECTORY / "ended"
    recorder = subprocess.Popen([EBB, "record", "--store", store, "--every", "0.2", "--", SERVICE,
                                 "leaky"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    wait_for(lambda: store.exists() and run([EBB, "record", "--list", "--store", store])
             .returncode == 0 and snapshots(store) >= 3)
    recorder.send_signal(signal.SIGINT)
    _, text = recorder.communicate(timeout=30)
    check(recorder.returncode == 0, f"status {recorder.returncode}: {text}")
    check(b"snapshots stored" in text, text)


def killed():
    """kill -9 at random moments: the store is readable each time and loses nothing."""
    store, seed = DIRECTORY / "killed", random.randrange(1 << 32)
    print(f"# seed {seed}")
    moments = random.Random(seed)
    before = 0
    for _ in range(12):
        recorder = subprocess.Popen(
            [EBB, "record", "--store", store, "--every", "0.05", "--", SERVICE, "leaky"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        time.sleep(0.3 + moments.random())
        children = pathlib.Path(f"/proc/{recorder.pid}/task/{recorder.pid}/children")
        orphans = children.read_text().split() if children.exists() else []
        recorder.kill()
        recorder.wait()
        for orphan in orphans:
            os.kill(int(orphan), signal.SIGKILL)
        if not store.exists():
            continue
        result = run([EBB, "record", "--list", "--store", store])
        check(result.returncode == 0 or b"nothing was recorded" in result.stderr,
              result.stderr.decode())
        if result.returncode == 0:
            now = snapshots(store)
            check(now >= before, f"{before} snapshots became {now}")
            before = now
    check(before > 20, f"only {before} snapshots")
    verdict("--store", store)
    output([EBB, "ps", "--clear"])


def pruning():
    store = DIRECTORY / "pruned"
    record(store, "--", SERVICE, "bounded", window="2")
    text = output([EBB, "record", "--store", store, "--prune"])
    check("removed 0 snapshots" in text, text)
    time.sleep(0.1)
    text = output([EBB, "record", "--store", store, "--prune", "--keep", "50ms"])
    check("removed 0" not in text, text)
    check("Nothing is stored" in output([EBB, "record", "--store", store, "--list"]), "not empty")
    refused("doctor", "--store", store, says="nothing was recorded")


def go_service():
    go = shutil.which("go") or "/usr/lib/go-1.19/bin/go"
    if not os.path.exists(go):
        raise Skip("Go is not installed")
    source = DIRECTORY / "service.go"
    source.write_text(GO_SOURCE)
    program, store = DIRECTORY / "service", DIRECTORY / "go.store"
    output([go, "build", "-o", program, source], timeout=500,
           env={"GOCACHE": str(DIRECTORY / "cache"), **os.environ, "GOFLAGS": "-mod=mod"})

    def start(address):
        service = subprocess.Popen([program, address], stdout=subprocess.PIPE)
        return service, service.stdout.readline().decode().strip()
    service, address = start("127.0.0.1:0")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nobody = "http://%s:%d" % unused.getsockname()
        recorder = subprocess.Popen(
            [EBB, "record", "--store", store, "--every", "0.3", f"http://me:secret@{address}",
             nobody], stderr=subprocess.PIPE)
        try:
            wait_for(lambda: store.exists() and run([EBB, "record", "--list", "--store", store])
                     .returncode == 0 and snapshots(store) >= 12)
            service.kill()
            service.wait()
            time.sleep(1)
            service, _ = start(address)
            before = snapshots(store)
            wait_for(lambda: snapshots(store) >= before + 12)
        finally:
            recorder.send_signal(signal.SIGTERM)
            _, text = recorder.communicate(timeout=60)
            service.kill()
            service.wait()
    check(recorder.returncode == 0, f"status {recorder.returncode}: {text}")
    check(text.count(nobody.encode()) == 1, f"{nobody} is said more than once: {text}")
    check(b"is back" in text, f"the restart is not said: {text}")
    listed = output([EBB, "record", "--list", "--store", store]).splitlines()
    check(listed[1].split()[5] == "2", f"not two runs: {listed}")
    check(b"secret" not in store.read_bytes(), "the password is in the store")
    report = verdict("--store", store)
    check(report["kind"] == "go" and report["target"] == f"http://{address}", str(report))


main([
    ("help and errors", help_and_errors),
    ("a growing program: same verdict as from files",
     lambda: same_verdict("leaky", "unbounded-nested-map")),
    ("a healthy program: same verdict as from files", lambda: same_verdict("bounded", None)),
    ("several targets", several_targets),
    ("a program that ends", a_program_that_ends),
    ("ended by Ctrl-C", ended_by_ctrl_c),
    ("killed at random moments", killed),
    ("pruning", pruning),
    ("a Go service that restarts", go_service),
])
