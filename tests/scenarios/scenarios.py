"""What the diagnosis benchmark and the test of the scenarios share: reading the scenarios' headers,
building them, having the doctor look at them, and judging what it says. README.md describes the
headers."""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
MARK = re.compile(r"(?://|/\*) <- keeps")
WINDOW = 25  # seconds, unless a scenario's header asks for others


class CannotRun(Exception):
    """A scenario that cannot run here, with the reason."""


class Scenario:
    """One program and what its source says of it."""

    def __init__(self, language, name, source):
        self.language, self.name, self.source = language, name, source
        lines = source.read_text(encoding="utf-8").splitlines()
        head = "\n".join(lines[:next((i for i, line in enumerate(lines)
                                      if line.startswith(("#include", "package "))), 0)])
        self.expected = self.header(head, "expect")
        self.window = float(self.header(head, "window") or WINDOW)
        self.quick = float(self.header(head, "quick") or 0)
        self.also = (self.header(head, "also") or "").split()
        self.links = (self.header(head, "links") or "").split()
        self.needs = (self.header(head, "needs") or "").split()
        self.environment = dict(word.split("=", 1)
                                for word in (self.header(head, "env") or "").split())
        self.marks = {}  # line -> the function that it stands in
        function = ""
        for number, line in enumerate(lines, 1):
            function = self.function_at(line) or function
            if MARK.search(line):
                self.marks[number] = function
        self.limit, self.under = self.header(head, "limit"), self.header(head, "under")
        if not self.expected and not self.limit:
            raise ValueError(f"{source}: the first comment has no line `expect:` or `limit:`")

    @staticmethod
    def header(head, key):
        found = re.search(rf"^[/* ]*{key}: *(.*?)[ */]*$", head, re.M)
        return found and found.group(1)

    def function_at(self, line):
        """The name of the function whose definition begins on this line."""
        if self.language == "go":
            found = re.match(r"func (?:\([^)]*\) )?(\w+)", line)
        else:  # a line that is a signature: no `;`, no `=`, not indented beyond a class's body
            found = re.match(r" {0,4}[A-Za-z_][^;=]*?[ *&](\w+)\((?:[^;=]|= 0)*$", line)
            if found and re.match(r"\s*(?:if|for|while|switch|return|else|namespace|#)\b", line):
                found = None
        return found and found.group(1)

    @property
    def healthy(self):
        return self.expected == "healthy"


def load_all(language=None):
    """All scenarios in the order of their names."""
    found = [Scenario("c", path.stem, path)
             for path in [*HERE.glob("c/*.c"), *HERE.glob("c/*.cc")]]
    found += [Scenario("go", path.parent.name, path) for path in HERE.glob("go/*/main.go")]
    return [one for one in sorted(found, key=lambda one: (one.language, one.name))
            if language in (None, one.language)]


def load_forecasts():
    """The programs that grow into a limit, those in C first."""
    found = [Scenario("c", path.stem, path) for path in HERE.glob("c/forecast/*.c")]
    found += [Scenario("go", path.parent.name, path) for path in HERE.glob("go/forecast/*/main.go")]
    return sorted(found, key=lambda one: (one.language, one.name))


def go_commands():
    """Every Go here, as (version, path of the go command), oldest first."""
    places = [shutil.which("go"), "/usr/local/go/bin/go", *map(str, pathlib.Path("/usr/lib").glob("go-*/bin/go"))]
    found = {}
    for place in places:
        if place and os.access(place, os.X_OK):
            words = subprocess.run([place, "version"], capture_output=True, text=True,
                                   env={**os.environ, "GOTOOLCHAIN": "local"}).stdout.split()
            if len(words) > 2:
                found.setdefault(words[2].removeprefix("go"), place)
    return sorted(found.items(), key=lambda item: [int(part) for part in re.findall(r"\d+", item[0])])


# ---- building ----

def build(scenario, folder, go=None):
    """Builds a scenario in a folder; the program's path."""
    output = pathlib.Path(folder) / (f"{scenario.name}-{pathlib.Path(go).parts[-3]}" if go
                                     else scenario.name)
    if scenario.language == "go":
        command = [go, "build", "-o", str(output), "./" + str(scenario.source.parent.relative_to(HERE / "go"))]
        environment = {**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=mod -buildvcs=false",
                       "GOROOT": "", "CGO_ENABLED": "0"}
    else:
        compiler = "g++" if scenario.source.suffix == ".cc" else "gcc"
        if not shutil.which(compiler):
            raise CannotRun(f"{compiler} is not installed")
        for header in scenario.needs:
            if subprocess.run([compiler, "-E", "-include", header, "-x", "c", os.devnull, "-o",
                               os.devnull], capture_output=True).returncode:
                raise CannotRun(f"{header} is not installed")
        command = [compiler, "-O2", "-g", "-pthread", str(scenario.source), "-o", str(output), "-lm"]
        for library in scenario.links:
            flags = subprocess.run(["pkg-config", "--cflags", "--libs", library],
                                   capture_output=True, text=True)
            if flags.returncode:
                raise CannotRun(f"{library} has no development files here")
            command += flags.stdout.split()
        environment = os.environ
    done = subprocess.run(command, cwd=HERE / scenario.language,
                          env=environment, capture_output=True, text=True)
    if done.returncode:
        raise ValueError(f"{' '.join(command)}: {done.stderr.strip()}")
    return str(output)


# ---- running ----

LIVE = set()  # everything that was started in a session of its own and has not been waited for
STARTING = threading.RLock()  # held while something is started, and for good once we end


def start(command, **options):
    with STARTING:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True,
                                   text=True, **options)
        LIVE.add(process)
        return process


def end_with_us(folder=None):
    """From here on SIGINT and SIGTERM end what was started too, and remove the folder."""

    def end(number, _):
        STARTING.acquire()  # other threads, whose programs are about to end, start no more
        for process in list(LIVE):  # a doctor ends the program that it has started
            try:
                os.killpg(process.pid, signal.SIGTERM)
            except ProcessLookupError:
                pass
        if folder:
            shutil.rmtree(folder, ignore_errors=True)
        os._exit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Service:
    """A Go scenario that serves; use with `with`."""

    def __init__(self, program, environment=None, wrap=()):
        self.port = free_port()
        self.process = start([*wrap, program, str(self.port)], stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, env={**os.environ, **(environment or {})})
        timer = threading.Timer(20, self.stop)
        timer.start()
        line = self.process.stdout.readline()
        timer.cancel()
        if line.strip() != "ready":
            self.stop()
            raise ValueError(f"{program} did not say that it is ready")
        self.began = time.monotonic()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def stop(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        LIVE.discard(self.process)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        self.process.stdout.close()


class Result:
    """What one run of the doctor said of a scenario."""

    def __init__(self, scenario, window, report, error, status):
        self.scenario, self.window, self.status, self.error = scenario, window, status, error
        self.report = report
        self.verdicts = report["verdicts"] if report else []
        first = self.verdicts[0] if self.verdicts else None
        self.found = first["pattern"] if first else ("healthy" if report else "no report")
        self.confidence = first["confidence"] if first else None
        self.site_right = None  # unless there is a site to check
        if first and scenario.marks and self.found == scenario.expected:
            self.site_right = self.at_mark(first)
        self.right = bool(report) and self.found == scenario.expected and self.site_right is not False
        # What counts against precision: a first verdict that is wrong in anything, further ones that
        # accuse what is healthy.
        self.accused = [verdict for i, verdict in enumerate(self.verdicts)
                        if (not self.right if i == 0 else self.accuses_wrongly(verdict))]

    def at_mark(self, verdict):
        site = verdict["site"]
        function = self.scenario.marks.get(site["line"])
        return (function is not None and function in site["function"]
                and site["file"].endswith(f"{self.scenario.source.parent.name}/{self.scenario.source.name}"))

    def accuses_wrongly(self, verdict):
        """A further verdict on what is marked, or on what the header admits, accuses nobody."""
        return self.scenario.healthy or (not self.at_mark(verdict)
                                         and verdict["pattern"] not in self.scenario.also)

    def site_text(self, verdict=None):
        verdict = verdict or (self.verdicts[0] if self.verdicts else None)
        if not verdict:
            return ""
        site = verdict["site"]
        return f"{site['function']} {os.path.basename(site['file'])}:{site['line']}"


def doctor(ebb, scenario, program, window, sample=None):
    """The doctor on a scenario that was built, over a window of so many seconds. `sample`: mean bytes
    between samples, instead of the 512 KiB that both agent and Go take by themselves."""
    options = ["--json", "--for", f"{window:g}s"]
    if scenario.language == "go":
        finer = {"GODEBUG": f"memprofilerate={sample}"} if sample else {}
        with Service(program, {**finer, **scenario.environment}) as service:
            return run_doctor(ebb, scenario, window, [*options, service.url])
    options += ["--sample", str(sample)] if sample else []
    return run_doctor(ebb, scenario, window, [*options, "--", program], scenario.environment)


def run_doctor(ebb, scenario, window, words, environment=None):
    process = start([ebb, "doctor", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                    env={**os.environ, **(environment or {})})
    try:
        out, error = process.communicate(timeout=window + 60)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, error = process.communicate()
        error = f"the doctor did not end within {window + 60:g} s\n{error}"
    LIVE.discard(process)
    try:
        report = json.loads(out)
    except ValueError:
        report = None
    return Result(scenario, window, report, error.strip(), process.returncode)
