"""ebb record of services that do not do as they should, and of a machine whose clock is set: what others keep is kept
whole. Usage: recorder.py EBB"""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "render"))
from tap import Skip, check, main, output, run  # noqa: E402 pylint: disable=wrong-import-position
from fake_service import Service  # noqa: E402 pylint: disable=wrong-import-position

EBB = os.path.abspath(sys.argv[1])
SCRATCH = pathlib.Path(tempfile.mkdtemp(prefix="ebb-recorder-"))
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
# Answers everything; the start is that of the service, elsewhere.
STARTED = "process_resident_memory_bytes 1e7\nprocess_start_time_seconds {}\n"


def record(store, *words, every="200ms", window="4s"):
    return run([EBB, "record", "--store", store, "--every", every, "--for", window, *words], cwd=SCRATCH, env=ENVIRONMENT)


def held(store):
    """What the store holds: of each target its snapshots and its runs, by Ebb's own word."""
    lines = output([EBB, "record", "--list", "--store", store], cwd=SCRATCH).splitlines()[1:]
    return {line.split()[-1]: (int(line.split()[4]), int(line.split()[5])) for line in lines}


def stalls(handler):
    time.sleep(60)
    return True


def drips(handler):
    handler.reply(200, b"x", {"Content-Length": "1000000"})
    for _ in range(120):
        time.sleep(0.5)
        handler.wfile.write(b"xx")
    return True


def slow_ones_hold_nobody_up():
    """In relation to what the recorder keeps of the healthy service when it is alone."""
    with Service() as healthy:
        alone = record("alone", healthy.url, every="500ms", window="14s")
        check(alone.returncode == 0, alone.stderr.decode())
    for number, trouble in enumerate((stalls, drips)):
        with Service() as healthy, Service() as slow, Service() as slower:
            slow.before = slower.before = trouble
            started = time.monotonic()
            beside = record(f"beside-{number}", slow.url, healthy.url, slower.url, every="500ms", window="14s")
            check(time.monotonic() - started < 30, "it took longer than 30 s")
            check(beside.returncode == 0, beside.stderr.decode())
            text = beside.stderr.decode()
            for url in (slow.url, slower.url):
                check(text.count(url) == 1, f"{url} is not said once: {text}")
            check("too slow" in text or trouble is stalls, text)
        most = list(held("alone").values())[0][0]
        kept = held(f"beside-{number}")[healthy.url][0]
        check(kept > most * 0.7, f"{kept} snapshots beside slow services, {most} alone")


def slow_extras_hold_nobody_up():
    def beside_the_heap(handler):
        return not handler.path.startswith("/debug/pprof/heap") and stalls(handler)
    with Service() as healthy, Service() as slow:
        slow.before = beside_the_heap
        check(record("extras", slow.url, healthy.url, every="500ms", window="30s").returncode == 0, "status")
    kept = held("extras")
    check(kept[slow.url][0] >= 10, f"{kept}")
    check(kept[healthy.url][0] >= 20, f"{kept}")


def collections_are_asked_for():
    """In the background as well."""
    with Service() as service:
        service.collects = False
        check(record("collected", service.url, every="500ms", window="12s").returncode == 0, "status")
        forced = [path for path in service.paths if "gc=1" in path]
        kept = held("collected")[service.url][0]
        check(kept >= 3 and abs(len(forced) + 1 - kept) <= 2, f"{len(forced)} collections asked for, {kept} snapshots kept")


def ended_while_it_stalls():
    with Service() as slow:
        slow.before = stalls
        with subprocess.Popen([EBB, "record", "--store", "ended", "--every", "1s", slow.url], cwd=SCRATCH, env=ENVIRONMENT,
                              stderr=subprocess.PIPE) as recorder:
            time.sleep(2)
            started = time.monotonic()
            recorder.send_signal(signal.SIGINT)
            check(recorder.wait(60) == 2, f"status {recorder.returncode}")
        check(time.monotonic() - started < 9, "Ctrl-C was not heard")


def several_recorders():
    with Service() as service:
        recorders = [subprocess.Popen([EBB, "record", "--store", "shared", "--every", "50ms", "--for", "5s", service.url],
                                      cwd=SCRATCH, env=ENVIRONMENT, stderr=subprocess.PIPE) for _ in range(3)]
        for recorder in recorders:
            _, text = recorder.communicate(timeout=60)
            check(recorder.returncode == 0, text.decode())
        kept, runs = held("shared")[service.url]
        check(kept > 60 and runs == 1, f"{kept} snapshots in {runs} runs")


def restarts():
    """That a service began anew tells its start, although its counts went up."""
    began = [int(time.time()) - 1000]
    with Service(metrics=lambda _: (200, STARTED.format(began[0]).encode())) as service:
        with subprocess.Popen([EBB, "record", "--store", "restarts", "--every", "200ms", "--for", "6s", service.url],
                              cwd=SCRATCH, env=ENVIRONMENT, stderr=subprocess.PIPE) as recorder:
            time.sleep(3)
            began[0] += 990
            _, text = recorder.communicate(timeout=60)
        check(recorder.returncode == 0 and b"has restarted" in text, f"status {recorder.returncode}: {text.decode()}")
        check(held("restarts")[service.url][1] == 2, f"{held('restarts')}")
        # Another recorder goes on with the newest run.
        check(record("restarts", service.url).returncode == 0, "status")
        check(held("restarts")[service.url][1] == 2, f"{held('restarts')}")


SET_CLOCK = r"""
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
/* The wall clock, an hour on once a file is there. */
int clock_gettime(clockid_t clock, struct timespec *now)
{
    int failed = (int)syscall(SYS_clock_gettime, clock, now);
    if (clock == CLOCK_REALTIME && access(getenv("CLOCK_IS_SET"), F_OK) == 0)
        now->tv_sec += 3600;
    return failed;
}
"""


def clock_that_is_set():
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not compiler:
        raise Skip("no C compiler")
    (SCRATCH / "clock.c").write_text(SET_CLOCK)
    output([compiler, "-shared", "-fPIC", "-o", SCRATCH / "clock.so", SCRATCH / "clock.c"])
    environment = {**ENVIRONMENT, "LD_PRELOAD": str(SCRATCH / "clock.so"), "CLOCK_IS_SET": str(SCRATCH / "set"),
                   "ASAN_OPTIONS": ENVIRONMENT.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"}
    program = pathlib.Path(__file__).parent / "fake_service.py"
    with subprocess.Popen([sys.executable, program, "0", "10"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as service:
        url = service.stdout.readline().strip()
        with subprocess.Popen([EBB, "record", "--store", "clock", "--every", "200ms", "--for", "6s", url], cwd=SCRATCH,
                              env=environment, stderr=subprocess.PIPE) as recorder:
            time.sleep(3)
            (SCRATCH / "set").touch()
            _, text = recorder.communicate(timeout=60)
        service.kill()
        service.communicate()
    check(recorder.returncode == 0, text.decode())
    kept, runs = held("clock")[url]
    check(kept > 10 and runs == 1, f"{kept} snapshots in {runs} runs")
    report = run([EBB, "doctor", "--json", "--store", "clock"], cwd=SCRATCH)
    check(json.loads(report.stdout)["window_s"] > 3000, "the clock was not set")


def damaged_store():
    """The first that finds it is the pruning: it does not promise to try again."""
    with Service() as service:
        check(record("damaged", service.url, every="50ms").returncode == 0, "status")
        data = bytearray((SCRATCH / "damaged").read_bytes())
        size = int.from_bytes(data[16:18], "big")
        for page in range(2 * size, len(data), size):
            data[page:page + 64] = b"\xff" * 64
        (SCRATCH / "damaged").write_bytes(data)
        for log in ("damaged-wal", "damaged-shm"):
            (SCRATCH / log).unlink(missing_ok=True)
        result = record("damaged", service.url)
    text = result.stderr.decode()
    check(result.returncode == 2 and text.count("\n") == 1, f"status {result.returncode}: {text}")
    check("damaged" in text and "trying again" not in text, text)


CASES = [
    ("slow services hold nobody up", slow_ones_hold_nobody_up),
    ("what lies beside the heap holds nobody up", slow_extras_hold_nobody_up),
    ("collections are asked for", collections_are_asked_for),
    ("Ctrl-C while it stalls", ended_while_it_stalls),
    ("several recorders of one service", several_recorders),
    ("a restart that counts more", restarts),
    ("a clock that is set", clock_that_is_set),
    ("a store that is damaged", damaged_store),
]

if __name__ == "__main__":
    wanted = sys.argv[2:]
    try:
        main([case for case in CASES if not wanted or case[0] in wanted])
    finally:
        shutil.rmtree(SCRATCH, ignore_errors=True)
