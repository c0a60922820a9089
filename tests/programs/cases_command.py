"""The command's manners: how it starts, stops, forwards and refuses; records of the dead; forecasts
that come true; the same numbers as go tool pprof."""

import glob
import json
import os
import re
import signal
import subprocess
import time

from cases_growth import check_found
from harness import case, is_running


def refusal(bench, *words, says):
    """The doctor could not look: status 2, one line that says why, nothing on stdout."""
    result = bench.doctor(*words, seconds=None, patience=20)
    bench.check(result.status == 2, lambda: f"expected status 2\n{result.brief()}")
    bench.check(result.out == "", lambda: f"expected no output: {result.out!r}")
    lines = result.err.strip().splitlines()
    bench.check(len(lines) == 1 and lines[0].startswith("ebb doctor: "),
                lambda: f"expected one line of error: {result.err!r}")
    bench.check(re.search(says, lines[0]), lambda: f"expected /{says}/ in {lines[0]!r}")


@case()
def mistyped(bench):
    """Mistyped options and targets are refused with what to do"""
    refusal(bench, "--fro", "10s", "--", "true", says=r"--fro.*--help")
    refusal(bench, "--for", "10x", "--", "true", says=r"--for 10x.*30s")
    refusal(bench, "--for", "0", "--", "true", says=r"--for")
    refusal(bench, "--every", "20s", "--for", "10s", "--", "true", says=r"--every")
    refusal(bench, "--sample", "big", "--", "true", says=r"--sample.*512K")
    refusal(bench, "--for", says=r"--for needs a value")
    refusal(bench, says=r"name a target")
    refusal(bench, "--", says=r"name a target")
    refusal(bench, "sleep", says=r"ebb doctor -- sleep")
    refusal(bench, "12", "--", "true", says=r"one target")
    refusal(bench, "--keep", str(os.getpid()), says=r"--keep")


@case()
def missing_program(bench):
    """Programs that cannot be started are named with the reason"""
    refusal(bench, "--", "/no/such/program", says=r"/no/such/program")
    refusal(bench, "--", "no-such-program-anywhere", says=r"no-such-program-anywhere")
    plain = bench.directory / "plain"
    plain.write_text("not a program")
    refusal(bench, "--", plain, says=r"not executable")


@case()
def unpublished_process(bench):
    """A process that does not publish: how to start it so that it does"""
    process = bench.start(["sleep", "60"])
    refusal(bench, str(process.pid), says=r"ebb (doctor|run)")


@case()
def static_program(bench):
    """A static binary cannot be preloaded, and that is said"""
    program = bench.compile("mixture.c", "-static", name="static")
    refusal(bench, "--", program, says=r"static")


def wait_until_started(bench, process, text):
    """Until a doctor's program has said `text`."""
    bench.wait_for(f"'{text}' on the doctor's stderr",
                   lambda: text in open(process.ebb_files[1].name).read())


TALKER = """
import signal, sys, time
def leave(number, frame):
    print("got", signal.Signals(number).name, flush=True)
    sys.exit(0)
for number in ({signals}):
    signal.signal(number, {handler})
hoard = []
print("started", flush=True)
while True:
    hoard.append("x" * 1000 + str(len(hoard)))
    time.sleep(0.001)
"""


def talker(signals, handler="leave"):
    return ["python3", "-c", TALKER.format(signals=signals, handler=handler)]


def ends_on(bench, number):
    bench.need("python3")
    process = bench.start_doctor("--", *talker("signal.SIGINT, signal.SIGTERM, signal.SIGHUP"),
                                 seconds=60)
    wait_until_started(bench, process, "started")
    time.sleep(4)
    os.kill(process.pid, number)
    result = bench.finish(process, 15)
    bench.check(result.report, lambda: f"expected the verdict so far\n{result.brief()}")
    bench.check(3 < result.report["window_s"] < 12, lambda: f"expected about 4 s\n{result.brief()}")
    bench.check(result.status in (0, 1), lambda: f"expected a verdict\n{result.brief()}")
    bench.check(f"got {signal.Signals(number).name}" in result.err,
                lambda: f"the signal was not forwarded: {result.err!r}")


@case()
def ctrl_c(bench):
    """Ctrl-C: the verdict so far, and the program is ended by the same signal"""
    ends_on(bench, signal.SIGINT)


@case()
def terminated(bench):
    """SIGTERM to the doctor: likewise"""
    ends_on(bench, signal.SIGTERM)


@case()
def stubborn_program(bench):
    """A program that ignores SIGTERM is killed when the window is over"""
    bench.need("python3")
    result = bench.doctor("--", *talker("signal.SIGTERM,", "signal.SIG_IGN"), seconds=3)
    bench.check(result.report, lambda: f"expected a report\n{result.brief()}")
    bench.check(result.seconds < 15, lambda: f"took {result.seconds:.1f} s")
    pid = result.report["pid"]
    bench.check(not is_running(pid), lambda: f"process {pid} still runs")


@case()
def output_goes_to_stderr(bench):
    """The program's stdout becomes stderr: stdout holds one JSON object and nothing else"""
    result = bench.doctor("--", "sh", "-c", "echo to-out; echo to-err >&2; sleep 4", seconds=3)
    bench.check(result.report, lambda: f"expected one JSON object\n{result.out[:300]!r}")
    bench.check("to-out" in result.err and "to-err" in result.err, lambda: repr(result.err))


@case()
def ends_by_itself(bench):
    """A program that ends inside the window: reported at once, with how it ended"""
    bench.need("python3")
    code = ("import time\nhoard = []\n"
            "for i in range(4000):\n hoard.append('x' * 1000 + str(i))\n time.sleep(0.001)\n"
            "raise SystemExit(7)")
    result = bench.doctor("--", "python3", "-c", code, seconds=60)
    bench.check(result.seconds < 20, lambda: f"took {result.seconds:.1f} s\n{result.brief()}")
    bench.check(result.report, lambda: f"expected a report\n{result.brief()}")
    bench.check("7" in (result.report["ended"] or ""),
                lambda: f"ended: {result.report['ended']!r}\n{result.brief()}")


@case()
def crashes(bench):
    """A program that crashes: the verdict on what was seen, and the signal's name"""
    program = bench.compile("growth.cc")
    result = bench.doctor("--", "sh", "-c",
                          f"(sleep 6; kill -SEGV $$) & exec {program} lost 20000000", seconds=40)
    bench.check(result.seconds < 25, lambda: f"took {result.seconds:.1f} s")
    check_found(bench, result, "leak", "lose")
    bench.check("SEGV" in (result.report["ended"] or "").upper(),
                lambda: f"ended: {result.report['ended']!r}")


@case()
def too_short_to_judge(bench):
    """A program that is over at once: could not look, in one line"""
    result = bench.doctor("--", "true", seconds=5)
    bench.check(result.status in (0, 2), lambda: result.brief())
    if result.status == 0:
        bench.check(not result.report["confident"], lambda: result.brief())
    else:
        bench.check(result.err.startswith("ebb doctor: "), lambda: result.err)


@case()
def hazards(bench):
    """Programs that live on what a careless profiler would break run as without us"""
    program = bench.compile("hazards.cc", "-pthread")
    host = bench.compile("plugin_host.c", "-ldl")
    plugin = bench.compile("plugin.cc", "-shared", "-fPIC", "-static-libstdc++", name="plugin.so")
    for command in ([program, "detached"], [program, "exhausted"], [host, plugin]):
        plain = subprocess.run(command, capture_output=True, text=True, timeout=60)
        watched = subprocess.run([bench.ebb, "run", "--http", "off", "--", *command],
                                 capture_output=True, text=True, timeout=60)
        bench.check(plain.returncode == 0, lambda: f"{command}: {plain}")
        bench.check((watched.returncode, watched.stdout) == (0, plain.stdout),
                    lambda: f"{command}: {watched}")


@case()
def outputs_keep_their_kind(bench):
    """A pipe or a link is written through, not replaced; a limit on file sizes is an error"""
    program = bench.compile("growth.cc")
    profile, page = str(bench.directory / "p.pb.gz"), bench.directory / "page.html"
    running = bench.start([bench.ebb, "run", "--http", "off", "--out", bench.directory / "out", "--",
                           program, "lost", "2000000"])
    time.sleep(1.5)
    running.terminate()
    running.wait(10)
    profile = str(next((bench.directory / "out").glob("*heap*")))
    link = bench.directory / "link.html"
    page.write_text("old")
    link.symlink_to(page)
    done = subprocess.run([bench.ebb, "flame", "-o", link, profile], capture_output=True, text=True)
    bench.check(done.returncode == 0 and link.is_symlink() and "<svg" in page.read_text() or "<html" in page.read_text(),
                lambda: f"{done}")
    pipe = bench.directory / "pipe"
    os.mkfifo(pipe)
    reader = subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE)
    done = subprocess.run([bench.ebb, "flame", "-o", pipe, profile], capture_output=True, text=True, timeout=30)
    bench.check(done.returncode == 0 and pipe.is_fifo() and len(reader.communicate(timeout=30)[0]) > 1000,
                lambda: f"{done}")
    done = subprocess.run(["sh", "-c", f"ulimit -f 1; exec {bench.ebb} flame -o {bench.directory}/big.html {profile}"],
                          capture_output=True, text=True)
    bench.check(done.returncode == 2 and "File too large" in done.stderr, lambda: f"{done}")
    bench.check(not list(bench.directory.glob("big.html*")), "a partial file was left behind")


@case()
def quits(bench):
    """Ctrl-\\ ends the program too"""
    program = bench.compile("growth.cc")
    process = bench.start_doctor("--", program, "lost", "2000000", seconds=30)
    time.sleep(3)
    process.send_signal(signal.SIGQUIT)
    result = bench.finish(process, 20)
    left = subprocess.run(["pgrep", "-f", program + " lost"], capture_output=True, text=True)
    bench.check(left.returncode == 1, lambda: f"left behind: {left.stdout}")
    bench.check(result.report, lambda: f"expected a report\n{result.brief()}")


@case()
def closed_standard_files(bench):
    """Without stdout there is an error, not a silent loss"""
    program = bench.compile("growth.cc")
    done = subprocess.run(["sh", "-c", f"exec {bench.ebb} doctor --for 2s -- {program} lost 2000000 <&- >&-"],
                          capture_output=True, text=True, timeout=30)
    bench.check(done.returncode == 2 and "cannot write" in done.stderr, lambda: f"{done}")


def records(pid):
    return glob.glob(f"/dev/shm/ebb-{pid}-*")


@case()
def kept_and_killed(bench):
    """--keep lets the program go on; killed by SIGKILL later, its record still tells"""
    program = bench.compile("growth.cc")
    process = bench.start_doctor("--keep", "--", program, "lost", "20000000", seconds=4)
    first = bench.finish(process, 30)
    bench.check(first.report, lambda: f"expected a report\n{first.brief()}")
    pid = first.report["pid"]
    bench.adopt(pid)
    bench.check(is_running(pid), "the program did not go on")
    time.sleep(5)
    os.kill(pid, signal.SIGKILL)
    bench.wait_for("the program's end", lambda: not is_running(pid))
    bench.check(records(pid), "the record is gone with the process")
    result = bench.doctor(str(pid), seconds=5)
    check_found(bench, result, "leak", "lose", "growth.cc")
    bench.check(result.report["ended"], lambda: f"expected how it ended\n{result.brief()}")
    bench.check(records(pid), "the record should stay until ebb ps clears it")
    subprocess.run([bench.ebb, "ps"], capture_output=True)
    bench.check(not records(pid), "the record was read and should be gone")


@case()
def watched_by_pid(bench):
    """A process that publishes is watched by its PID and left alone"""
    program = bench.compile("growth.cc")
    first = bench.finish(bench.start_doctor("--keep", "--", program, "unordered_map", "20000000",
                                            seconds=2, options=bench.finer()), 30)
    pid = first.report["pid"] if first.report else 0
    bench.check(pid, lambda: f"expected a report\n{first.brief()}")
    bench.adopt(pid)
    result = bench.doctor(str(pid), seconds=bench.window(8))
    check_found(bench, result, "unbounded-map", "remember", "growth.cc")
    bench.check(is_running(pid), "the process was ended")


@case()
def saved_profiles(bench):
    """Profiles that were taken one after the other are as good as a process; one is refused"""
    program = bench.compile("growth.cc")
    first = bench.finish(bench.start_doctor("--keep", "--", program, "unordered_map", "8000000",
                                            seconds=2), 30)
    pid = first.report["pid"] if first.report else 0
    bench.check(pid, lambda: f"expected a report\n{first.brief()}")
    bench.adopt(pid)
    files = [str(bench.directory / f"heap-{number}.pb.gz") for number in range(6)]
    for file in files:
        taken = subprocess.run([bench.ebb, "heap", str(pid), "-o", file], capture_output=True,
                               text=True)
        bench.check(taken.returncode == 0, lambda: taken.stderr)
        time.sleep(1)
    check_found(bench, bench.doctor(*files), "unbounded-map", "remember", "growth.cc")
    refusal(bench, files[0], says="two or more")
    refusal(bench, files[0], program, says=r"profile")


@case()
def limit_is_hit_as_forecast(bench):
    """ulimit -v: the program dies within the interval that was forecast"""
    program = bench.compile("growth.cc")
    window = bench.window(8)
    kilobytes = 8000 * (window + 22)  # so that it lasts for some 20 s after the window
    process = bench.start_doctor(
        "--keep", "--", "sh", "-c", f"ulimit -v {kilobytes}; exec {program} lost 8000000",
        seconds=window)
    result = bench.finish(process, window + 30)
    said = time.monotonic()
    bench.check(result.report, lambda: f"expected a report\n{result.brief()}")
    bench.adopt(result.report["pid"])
    forecast = result.report["forecast"]
    bench.check(forecast["limit_source"] == "ulimit" and forecast["seconds"],
                lambda: f"expected a forecast against the ulimit: {forecast}\n{result.brief()}")
    low, high = forecast["seconds"]
    bench.check(high is not None, lambda: f"expected an interval: {forecast}")
    bench.wait_for("the program's death", lambda: not is_running(result.report["pid"]), high + 30)
    lasted = time.monotonic() - said
    bench.check(low - 1 <= lasted <= high + 1,
                lambda: f"it lasted {lasted:.1f} s; forecast {low:.1f} to {high:.1f} s")


def top_rows(text):
    """The rows of a `top` table: (flat, cum, name)."""
    rows = [re.split(r"\s+", line.strip(), maxsplit=5) for line in text.splitlines()]
    return [(row[0], row[3], row[5]) for row in rows
            if len(row) == 6 and row[1].endswith("%") and row[2].endswith("%")]


@case()
def same_top_as_pprof(bench):
    """go tool pprof -top on the HTTP endpoint: the same five first, with the same bytes"""
    bench.need("go")
    program = bench.compile("mixture.c")
    port = bench.free_port()
    running = bench.start([bench.ebb, "run", "--http", f"127.0.0.1:{port}", "--", program],
                          stdout=subprocess.PIPE, text=True)
    bench.check(running.stdout.readline() == "ready\n", "the program did not start")
    bench.wait_for_port(port)
    environment = {**os.environ, "PPROF_TMPDIR": str(bench.directory)}
    theirs = subprocess.run(["go", "tool", "pprof", "-top", "-nodecount=5",
                             f"http://127.0.0.1:{port}/debug/pprof/heap"],
                            capture_output=True, text=True, timeout=60, env=environment)
    bench.check(theirs.returncode == 0, lambda: theirs.stderr)
    child = subprocess.run(["ps", "-o", "pid=", "--ppid", str(running.pid)], capture_output=True,
                           text=True).stdout.strip()
    ours = subprocess.run([bench.ebb, "top", "-n", "5", child], capture_output=True, text=True,
                          timeout=60)
    bench.check(ours.returncode == 0, lambda: ours.stderr)
    running.stdout.close()
    bench.check(len(top_rows(ours.stdout)) == 5 and
                top_rows(ours.stdout) == top_rows(theirs.stdout),
                lambda: f"pprof:\n{theirs.stdout}\nebb:\n{ours.stdout}")


@case()
def html_report(bench):
    """--report writes one page that holds the verdict"""
    page = bench.directory / "report.html"
    program = bench.compile("growth.cc")
    result = bench.doctor("--report", page, "--", program, "lost", "20000000", seconds=6)
    bench.check(result.report, lambda: result.brief())
    text = page.read_text()
    bench.check(text.startswith("<!doctype html>") and "lose" in text and "<svg" in text,
                "the page lacks the verdict")
    refused = bench.doctor("--report", "/no/such/folder/report.html", "--", program, "lost",
                           seconds=2)
    bench.check(refused.status == 2 and "/no/such/folder" in refused.err, lambda: refused.err)


@case()
def terminal_report(bench):
    """The report for people: verdict first, within 100 columns, no colours into a pipe"""
    program = bench.compile("growth.cc")
    command = [bench.ebb, "doctor", "--for", "6s", "--", program, "unordered_map", "20000000"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60,
                         env={**os.environ, "LC_ALL": "C.UTF-8"})
    bench.check(run.returncode == 1, lambda: run.stdout + run.stderr)
    lines = run.stdout.splitlines()
    bench.check("remember" in " ".join(lines[:3]), lambda: run.stdout)
    bench.check("\033" not in run.stdout and max(map(len, lines)) <= 100, lambda: run.stdout)
    for part in ("Evidence", "What to change", "Memory", "Forecast", "growth.cc"):
        bench.check(part in run.stdout, lambda: f"{part} is missing in\n{run.stdout}")


@case()
def nothing_is_left_behind(bench):
    """After a run neither the program nor its record is there"""
    result = bench.doctor("--", "sleep", "60", seconds=3)
    bench.check(result.report, lambda: result.brief())
    pid = result.report["pid"]
    bench.check(not is_running(pid), f"process {pid} still runs")
    bench.check(not records(pid), f"{records(pid)} is left")
    json.loads(result.out)
