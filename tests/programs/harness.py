"""What the end-to-end cases stand on: a registry of cases, a runner that prints TAP, and a bench
that starts programs, waits for ports and clears everything away.

A case is a function that takes a Bench and calls its check(); it is passed when it returns, failed
when a check fails or it raises, skipped when it calls skip() with the reason. Every process a case
starts runs in a session of its own, which is killed as a whole at the case's end; its files live in
one temporary directory. Light cases run a few at a time, heavy ones alone."""

import concurrent.futures
import glob
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
CASES = []


class Skip(Exception):
    pass


class Failure(Exception):
    pass


class Case:
    def __init__(self, run, heavy, long_only):
        self.run = run
        self.name = run.__name__
        self.heavy = heavy
        self.long_only = long_only
        self.outcome = None
        self.reason = ""
        self.seconds = 0.0


def case(heavy=False, long_only=False):
    """Registers a case; its name is the function's and its description the docstring."""

    def register(function):
        CASES.append(Case(function, heavy, long_only))
        return function

    return register


class Result:
    """What a run of `ebb doctor --json` said."""

    def __init__(self, status, out, err, seconds):
        self.status = status
        self.out = out
        self.err = err
        self.seconds = seconds
        try:
            self.report = json.loads(out)
        except ValueError:
            self.report = None

    @property
    def verdicts(self):
        return self.report["verdicts"] if self.report else []

    def brief(self):
        """The report in a few lines, for messages."""
        if not self.report:
            return f"status {self.status}, no report; stderr: {self.err[-600:]!r}"
        lines = [f"status {self.status}, healthy {self.report['healthy']}, "
                 f"confident {self.report.get('confident')}, window {self.report['window_s']} s, "
                 f"caution {self.report.get('caution')!r}"]
        for verdict in self.verdicts[:4]:
            site = verdict["site"]
            lines.append(f"{verdict['pattern']} {verdict['confidence']:.2f} "
                         f"[{verdict.get('container')}] {site['function']} "
                         f"{site['file']}:{site['line']} {verdict['growth_bytes_per_s']:.0f} B/s")
            lines.append("   stack: " + " < ".join(f["function"] for f in verdict["stack"][:9]))
            lines.extend("   " + sentence for sentence in verdict["evidence"][:4])
        return "\n".join(lines)


class Bench:
    """One case's surroundings."""

    def __init__(self, options):
        self.ebb = options.ebb
        self.long = options.long
        self.keep_reports = options.reports
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="ebb-programs-"))
        self.started = []
        self.left = []

    # ---- judging ----

    def skip(self, reason):
        raise Skip(reason)

    def check(self, condition, message):
        if not condition:
            raise Failure(message() if callable(message) else message)

    def need(self, *programs):
        for program in programs:
            if not shutil.which(program):
                self.skip(f"{program} is not installed")

    # ---- programs ----

    def window(self, short=10):
        """Seconds to watch: the promised 30 when there is time for it."""
        return 30 if self.long else short

    def finer(self):
        """Options that make up for a window shorter than promised: more samples."""
        return () if self.long else ("--sample", "64K")

    def compile(self, source, *flags, name=None):
        """Builds one of sources/; skips when its compiler or libraries are missing."""
        compiler = "g++" if source.endswith(".cc") else "gcc"
        self.need(compiler)
        output = self.directory / (name or source.rsplit(".", 1)[0])
        command = [compiler, "-O2", "-g", str(HERE / "sources" / source), "-o", str(output), *flags]
        built = subprocess.run(command, capture_output=True, text=True)
        self.check(built.returncode == 0, f"{' '.join(command)}: {built.stderr}")
        return str(output)

    def has_header(self, name):
        self.need("gcc")
        return subprocess.run(["gcc", "-E", "-include", name, "-x", "c", "/dev/null", "-o",
                               "/dev/null"], capture_output=True).returncode == 0

    def example(self, name):
        """A program of examples/, built beside the command."""
        path = pathlib.Path(self.ebb).parents[1] / "examples" / name
        if not path.exists():
            self.skip(f"{path} is not built")
        return str(path)

    def pkg_config(self, package):
        self.need("pkg-config")
        flags = subprocess.run(["pkg-config", "--cflags", "--libs", package], capture_output=True,
                               text=True)
        if flags.returncode:
            self.skip(f"{package} has no development files here")
        return flags.stdout.split()

    def start(self, command, **options):
        """Starts a program that ends with the case."""
        options.setdefault("stdout", subprocess.DEVNULL)
        options.setdefault("stderr", subprocess.DEVNULL)
        options.setdefault("stdin", subprocess.DEVNULL)
        process = subprocess.Popen(command, start_new_session=True, **options)
        self.started.append(process)
        return process

    def adopt(self, pid):
        """A process that somebody else started and that must end with the case."""
        self.left.append(pid)

    def doctor_command(self, *words, seconds=None, options=()):
        command = [self.ebb, "doctor", "--json", *options]
        if seconds is not None:
            command += ["--for", f"{seconds}s"]
        return command + [str(word) for word in words]

    def doctor(self, *words, seconds=None, options=(), patience=60, env=None):
        """Runs the doctor to its end."""
        process = self.start_doctor(*words, seconds=seconds, options=options, env=env)
        return self.finish(process, (seconds or 30) + patience)

    def start_doctor(self, *words, seconds=None, options=(), env=None):
        """Starts the doctor; finish() waits for it. Its stderr goes to a file, because a program
        that is kept holds it open."""
        number = len(self.started)
        out = open(self.directory / f"doctor-{number}.json", "w+")
        err = open(self.directory / f"doctor-{number}.err", "w+")
        process = self.start(self.doctor_command(*words, seconds=seconds, options=options),
                             stdout=out, stderr=err,
                             env=None if env is None else {**os.environ, **env})
        process.ebb_files = (out, err)
        process.ebb_began = time.monotonic()
        return process

    def finish(self, process, patience):
        out, err = process.ebb_files
        try:
            status = process.wait(patience)
        except subprocess.TimeoutExpired:
            raise Failure(f"the doctor did not end within {patience} s") from None
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read())
            file.close()
        result = Result(status, texts[0], texts[1], time.monotonic() - process.ebb_began)
        if self.keep_reports:
            folder = pathlib.Path(self.keep_reports)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{self.name}-{process.pid}.json").write_text(result.out)
        return result

    # ---- ports ----

    def free_port(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return probe.getsockname()[1]

    def wait_for_port(self, port, patience=20):
        until = time.monotonic() + patience
        while time.monotonic() < until:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise Failure(f"nothing listens on port {port} after {patience} s")

    def wait_for(self, what, condition, patience=20):
        until = time.monotonic() + patience
        while time.monotonic() < until:
            value = condition()
            if value:
                return value
            time.sleep(0.02)
        raise Failure(f"{what}: not within {patience} s")

    # ---- the end ----

    def clear(self):
        for process in self.started:
            for number in (signal.SIGTERM, signal.SIGKILL):
                # A doctor is told first, so that it ends the program it has started.
                if process.poll() is None:
                    try:
                        os.killpg(process.pid, number)
                        process.wait(8)
                    except (ProcessLookupError, subprocess.TimeoutExpired):
                        pass
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()
            for file in getattr(process, "ebb_files", ()):
                file.close()
        for pid in self.left:
            try:
                os.kill(pid, signal.SIGKILL)
                self.wait_for("the end", lambda pid=pid: not is_running(pid), 10)
            except ProcessLookupError:
                pass
            for record in glob.glob(f"/dev/shm/ebb-{pid}-*"):  # it waits for a reader
                os.unlink(record)
        shutil.rmtree(self.directory, ignore_errors=True)


def is_running(pid):
    """Whether a process exists and is no zombie."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


# ---- running ----


def run_case(one, options):
    bench = Bench(options)
    bench.name = one.name
    began = time.monotonic()
    try:
        one.run(bench)
        one.outcome = "passed"
    except Skip as skip:
        one.outcome, one.reason = "skipped", str(skip)
    except Failure as failure:
        one.outcome, one.reason = "failed", str(failure)
    except Exception:
        one.outcome, one.reason = "failed", traceback.format_exc()
    finally:
        bench.clear()
    one.seconds = time.monotonic() - began


class Printer:
    """TAP, in the order in which cases end."""

    def __init__(self, count):
        self.lock = threading.Lock()
        self.number = 0
        print("TAP version 13", flush=True)
        print(f"1..{count}", flush=True)

    def say(self, one):
        with self.lock:
            self.number += 1
            words = f"{self.number} {one.name}"
            if one.outcome == "skipped":
                print(f"ok {words} # SKIP {one.reason}", flush=True)
                return
            print(f"{'ok' if one.outcome == 'passed' else 'not ok'} {words}", flush=True)
            print(f"# {one.seconds:.1f} s", flush=True)
            for line in one.reason.splitlines():
                print(f"#   {line}", flush=True)


def run_all(options):
    wanted = [one for one in CASES
              if (not options.cases or any(word in one.name for word in options.cases))
              and (options.long or options.cases or not one.long_only)]
    if options.list:
        for one in wanted:
            print(f"{one.name:28} {(one.run.__doc__ or '').strip().splitlines()[0]}")
        return 0
    if not wanted:
        print(f"no case matches {' '.join(options.cases)}", file=sys.stderr)
        return 2
    printer = Printer(len(wanted))

    def run_one(one):
        run_case(one, options)
        printer.say(one)

    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        list(pool.map(run_one, [one for one in wanted if not one.heavy]))
    for one in wanted:
        if one.heavy:
            run_one(one)

    counts = [sum(one.outcome == outcome for one in wanted)
              for outcome in ("passed", "failed", "skipped")]
    print(f"# {counts[0]} passed, {counts[1]} failed, {counts[2]} skipped", flush=True)
    return 1 if counts[1] else 0
