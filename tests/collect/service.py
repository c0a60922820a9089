"""Services over HTTP as a user meets them: every way in which one can fail is one line and status 2, and what was seen
before is reported; what a heap says of a live service it says as a file, too. Usage: service.py EBB PROGRAMS"""

import gzip
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "render"))
from tap import Skip, check, main, run  # noqa: E402 pylint: disable=wrong-import-position
from fake_service import STATS, Service, truncated_gzip  # noqa: E402 pylint: disable=wrong-import-position

EBB, PROGRAMS = os.path.abspath(sys.argv[1]), pathlib.Path(sys.argv[2]).resolve()
SCRATCH = pathlib.Path(tempfile.mkdtemp())
ENVIRONMENT = {name: value for name, value in os.environ.items()
               if name != "EBB_TOKEN" and not name.lower().endswith("_proxy")}


def ebb(*words, **environment):
    result = run([EBB, *words], env={**ENVIRONMENT, **environment}, cwd=SCRATCH, timeout=90)
    result.out, result.err = result.stdout.decode(), result.stderr.decode()
    return result


def doctor(*words, window="2s", **environment):
    return ebb("doctor", "--for", window, "--every", "100ms", *words, **environment)


def one_line(result, *parts, report=False):
    """Status 2 and one line that says all of `parts`; with `report`, what was seen is on stdout."""
    check(result.returncode == 2, f"status {result.returncode}: {result.err}{result.out[:300]}")
    check(result.err.count("\n") == 1 and result.err.startswith("ebb "), f"not one line: {result.err!r}")
    for part in parts:
        check(part in result.err, f"{part!r} is not in {result.err!r}")
    check(bool(result.out) == report, f"stdout: {result.out[:300]!r}")


def stall(_):
    time.sleep(60)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


class Raw:
    """A server that is no HTTP server: `talk` gets every connection."""

    def __init__(self, talk):
        self.listening, self.talk = socket.create_server(("127.0.0.1", 0)), talk
        self.url = f"http://127.0.0.1:{self.listening.getsockname()[1]}"
        self.open = []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection = self.listening.accept()[0]
            except OSError:
                return
            self.open.append(connection)
            threading.Thread(target=self.talk, args=(connection,), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listening.close()
        for connection in self.open:
            connection.close()


# ---- wrong addresses ----

def nobody_listens():
    one_line(doctor(f"http://127.0.0.1:{free_port()}"), "cannot connect", "Connection refused", "debug port")


def unknown_host():
    one_line(doctor("http://no-such-host.invalid:6060"), "no host of that name")


def malformed_url():
    one_line(doctor("http://127.0.0.1:port"), "write http://HOST:PORT")
    for scheme in ("ftp://", "HTTP:/", "gopher://", " http://"):
        for words in (["doctor"], ["top"], ["heap"], ["record", "--store", "unused.store"]):
            refused = ebb(*words, scheme + "me:secret@127.0.0.1:port/://")
            one_line(refused)
            check("secret" not in refused.err, refused.err)
        one_line(ebb(*words, "http://me:secret%00@127.0.0.1:1"), "user or password", "%00")
    # Waiting makes no URL right.
    one_line(ebb("record", "--store", "unused.store", "http://127.0.0.1:port"), "write http://HOST:PORT")
    with Service() as service:
        check(doctor(service.url.replace("http", "HTTP")).returncode == 1, "HTTP:// is not http://")


def zone_of_an_address():
    one_line(ebb("top", f"http://[fe80::1%25lo]:{free_port()}"), "[fe80::1%25lo]")


def escapes_in_answers():
    with Service(heap=(200, b"heap profile: 1: 1 [1: 1] @ heap/2\n\x1b]0;title\x07\n# runtime.MemStats\n")) as service:
        result = doctor(service.url)
        one_line(result, "is damaged", "\\x1b]0;title\\x07")
        check(result.err.rstrip("\n").isprintable(), f"{result.err!r}")


def secrets_are_not_in_the_command_line():
    with Service() as service:
        url = service.url.replace("//", "//me:secret@")
        process = subprocess.Popen([EBB, "doctor", "--for", "20s", "--tok", "sesame", "--token=sesame", url], env=ENVIRONMENT,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while len(service.paths) < 3 and process.poll() is None:
            time.sleep(0.05)
        line = pathlib.Path(f"/proc/{process.pid}/cmdline").read_bytes()
        process.send_signal(signal.SIGINT)
        process.wait()
        check(line and b"secret" not in line and b"sesame" not in line, f"{line}")
        check(b"127.0.0.1" in line and b"--token=" in line, f"{line}")
        check(any(headers.get("Authorization") == "Bearer sesame" for headers in service.headers), "the token was not sent")


def busy_goroutines_are_asked_again():
    asked = []

    def answer(_):
        asked.append(1)
        return (503, b"busy\n") if len(asked) == 2 else (
            200, b"goroutine profile: total 5\n5 @ 0x405001 0x409001\n#\t0x405000\tmain.wait+0x1\t/src/service/main.go:1\n")
    with Service(goroutine=answer) as service:
        doctor(service.url)
        check(len(asked) > 4, f"goroutines were asked for {len(asked)} times")


def without_pprof():
    with Service() as service:
        service.before = lambda handler: handler.reply(404, b"404 page not found\n") or True
        one_line(doctor(service.url), "not at /debug/pprof/", 'import _ "net/http/pprof"', "base path")


def web_page_everywhere():
    with Service() as service:
        service.before = lambda handler: handler.reply(200, b"<!doctype html><p>hello", {"Content-Type": "text/html"}) or True
        one_line(doctor(service.url), "web page", 'import _ "net/http/pprof"')


def another_protocol():
    with Raw(lambda connection: (connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n"), connection.recv(4096))) as server:
        one_line(doctor(server.url), "does not speak HTTP")
    with Raw(lambda connection: connection.close()) as server:
        one_line(doctor(server.url), "closed without an answer")


def redirects():
    with Service() as service:
        service.before = lambda handler: "/base/" not in handler.path and handler.reply(
            302, b"", {"Location": "http://127.0.0.1:%d/base%s" % (service.port, handler.path)}) is None
        one_line(doctor(service.url), "has no heap profile")  # followed to where there is nothing
        service.before = lambda handler: handler.reply(302, b"", {"Location": handler.path}) or True
        one_line(doctor(service.url), "redirects in circles")
        service.before = lambda handler: handler.reply(302, b"", {"Location": "http://no host/"}) or True
        one_line(doctor(service.url), "redirects to an address that cannot be read")
        service.before = lambda handler: handler.reply(302, b"", {"Location": "file:///etc/passwd"}) or True
        result = doctor(service.url)
        one_line(result)
        check("root:" not in result.err, result.err)


# ---- TLS ----

def certificate():
    path = SCRATCH / "certificate.pem"
    if not path.exists():
        if not shutil.which("openssl"):
            raise Skip("no openssl to make a certificate with")
        run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
             "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", path, "-out", SCRATCH / "public.pem"])
        path.write_bytes(path.read_bytes() + (SCRATCH / "public.pem").read_bytes())
    return path


def tls():
    with Service().start(certificate=certificate()) as service:
        one_line(doctor(service.url), "not trusted", "--ca FILE", "--insecure")
        one_line(doctor("--ca", "missing.pem", service.url), "--ca missing.pem")
        for words in (["--insecure"], ["--ca", SCRATCH / "public.pem"]):
            result = doctor(*words, service.url)
            check(result.returncode == 1, f"{words}: status {result.returncode}: {result.err}")
        one_line(doctor(service.url.replace("https", "http")), "")
    with Service() as service:
        one_line(doctor("--insecure", service.url.replace("http", "https")), "no TLS connection", "http://")


# ---- answers that fail ----

def stall_at_once():
    with Raw(lambda connection: time.sleep(60)) as server:
        started = time.monotonic()
        one_line(doctor(server.url), "silent for 10 s")
        check(time.monotonic() - started < 25, "it waited longer than 25 s")


def stall_midway():
    with Service() as service:
        started = time.monotonic()
        service.before = lambda handler: time.monotonic() - started > 2 and time.sleep(60) is None
        result = doctor("--json", service.url, window="20s")
        one_line(result, "silent for 10 s", "seen before is reported", report=True)
        report = json.loads(result.out)
        check(report["snapshots"] >= 5, f"{report['snapshots']} snapshots")
        check(report["verdicts"] and report["caution"], "no verdict on what was seen, or no caution")


def drip(handler):
    handler.reply(200, b"x", {"Content-Length": "1000000"})
    for _ in range(120):
        time.sleep(0.5)
        handler.wfile.write(b"xx")


def too_slow():
    with Service(heap=drip) as service:
        started = time.monotonic()
        one_line(doctor(service.url), "too slow", "bytes in 1")
        check(time.monotonic() - started < 25, "it waited longer than 25 s")


def fast_enough_for_ever():
    """One that is slow, but not so slow that it counts as silent: in time the whole is too slow."""
    def trickle(handler):
        handler.reply(200, b"x", {"Content-Length": "10000000"})
        for _ in range(600):
            time.sleep(0.1)
            handler.wfile.write(bytes(1000))
    with Service(heap=trickle) as service:
        started = time.monotonic()
        one_line(doctor(service.url), "too slow", "bytes in 30 s")
        check(time.monotonic() - started < 50, "it waited longer than 50 s")


def interrupted_stall():
    with Raw(lambda connection: time.sleep(60)) as server:
        started = time.monotonic()
        with subprocess.Popen([EBB, "doctor", server.url], env=ENVIRONMENT, stderr=subprocess.PIPE) as process:
            time.sleep(1)
            process.send_signal(signal.SIGINT)
            error = process.stderr.read().decode()
            check(process.wait() == 2 and "interrupted" in error, f"status {process.returncode}: {error}")
        check(time.monotonic() - started < 8, "Ctrl-C was not heard")


def cut_off():
    def half(handler):
        handler.reply(200, b"heap profile: 1: 2", {"Content-Length": "5000"})
        handler.close_connection = True
    with Service(heap=half) as service:
        one_line(doctor(service.url), "closed in the middle")
        one_line(ebb("heap", service.url), "closed in the middle")


def truncated():
    data = b"heap profile: 1: 2 [3: 4] @ heap/1048576\n" * 200
    with Service(heap=(200, truncated_gzip(data), {"Content-Type": "application/octet-stream"})) as service:
        one_line(doctor(service.url), "heap", "damaged")
        one_line(ebb("heap", service.url), "heap", "damaged")
        one_line(ebb("top", service.url), "heap", "damaged")
    with Service(heap=(200, truncated_gzip(data), {"Content-Encoding": "gzip"})) as service:
        one_line(doctor(service.url), "")


def too_large():
    with Service(heap=(200, b"x", {"Content-Length": str(1 << 30)})) as service:
        one_line(doctor(service.url), "larger than 256 MiB")


def many_headers():
    for headers in ({"X": "y" * (5 << 20)}, {f"X-{i}": "y" * 1000 for i in range(5000)}):
        with Service(heap=(200, b"x", headers)) as service:
            one_line(doctor(service.url), "headers")


def server_errors():
    with Service(heap=(500, b"out of order\nsecond line\n")) as service:
        one_line(doctor(service.url), "status 500", "out of order")


def long_failure_midway():
    with Service() as service:
        started = time.monotonic()
        service.before = lambda handler: time.monotonic() - started > 2 and handler.reply(503, b"busy\n") is None
        result = doctor("--json", service.url, window="4s")
        one_line(result, "status 503", "seen before is reported", report=True)


def short_failure_is_forgiven():
    with Service() as service:
        started = time.monotonic()
        service.before = lambda handler: 1 < time.monotonic() - started < 2 and handler.reply(503, b"busy\n") is None
        result = doctor(service.url, window="4s")
        check(result.returncode == 1, f"status {result.returncode}: {result.err}")


# ---- restarts and ends ----

def restart():
    service = Service().start()
    again = Service()

    def change():
        time.sleep(2.5)
        service.stop()
        time.sleep(1)
        again.start(service.port)
    threading.Thread(target=change, daemon=True).start()
    # What is open outlives the server of the first service: it must not go on answering.
    service.before = lambda handler: setattr(handler, "close_connection", True)
    result = doctor("--json", service.url, window="8s")
    again.stop()
    one_line(result, "restarted after", "seen before is reported", report=True)
    report = json.loads(result.out)
    check(report["snapshots"] >= 5 and report["ended"] == "restarted", f"{report['snapshots']}, {report['ended']}")
    check("restarted" in report["caution"], report["caution"])


def early_restart():
    with Service() as service:
        def anew(handler):
            with service.lock:
                if service.cycles == 1:
                    service.cycles, service.blocks = -1, 1
        service.before = anew
        one_line(doctor(service.url), "restarted", "look again")


METRICS = "process_resident_memory_bytes 1e7\nprocess_start_time_seconds {:.2f}\n"


def restart_that_counts_more_elsewhere():
    """The new process counts on where the old one ended: only its start tells."""
    started = time.monotonic()
    began = time.time()

    def metrics(_):
        return 200, METRICS.format(began - 100 if time.monotonic() - started < 2 else began + 5).encode()
    with Service(metrics=metrics) as service:
        result = doctor("--json", service.url, window="6s")
    one_line(result, "restarted after", "seen before is reported", report=True)
    check(json.loads(result.out)["ended"] == "restarted", result.out)


def restart_that_counts_more_here():
    port = free_port()

    def start(blocks):
        process = subprocess.Popen([sys.executable, pathlib.Path(__file__).parent / "fake_service.py", str(port), blocks],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        check(process.stdout.readline().startswith("http"), "no service")
        return process
    processes = [start("10")]

    def change():
        time.sleep(3.5)
        processes[0].kill()
        processes[0].wait()
        processes.append(start("10000"))
    changing = threading.Thread(target=change)
    changing.start()
    try:
        result = doctor("--json", f"http://127.0.0.1:{port}", window="9s")
    finally:
        changing.join()
        for process in processes:
            process.kill()
            process.communicate()
    one_line(result, "restarted after", "seen before is reported", report=True)
    check(json.loads(result.out)["pid"] == processes[0].pid, "the process was not found")


def death():
    service = Service().start()
    service.before = lambda handler: setattr(handler, "close_connection", True)
    threading.Timer(2, service.stop).start()
    result = doctor("--json", service.url, window="6s")
    check(result.returncode == 1, f"status {result.returncode}: {result.err}")
    report = json.loads(result.out)
    check(report["ended"].startswith("stopped answering") and report["verdicts"], f"{report['ended']}")


# ---- credentials ----

def credentials():
    with Service() as service:
        def guard(handler):
            if handler.headers.get("Authorization") in ("Bearer sesame", "Basic bWU6c2VjcmV0"):
                return False
            handler.reply(401, b"who are you?\n")
            return True
        service.before = guard
        with_user = service.url.replace("//", "//me:secret@")
        one_line(doctor(service.url), "credentials", "--token", "USER:PASSWORD@")
        one_line(doctor("--token", "wrong", service.url), "credentials")
        for result in (doctor("--token", "sesame", service.url), doctor(with_user),
                       doctor(service.url, EBB_TOKEN="sesame"), doctor(with_user, EBB_TOKEN="other")):
            check(result.returncode == 1, f"status {result.returncode}: {result.err}")
            check("secret" not in result.out + result.err and "sesame" not in result.out + result.err,
                  "a secret was printed")
        refused = doctor(with_user.replace("secret", "hush"))
        one_line(refused, "credentials")
        check("hush" not in refused.err, refused.err)


def credentials_stay_with_their_host():
    with Service() as other, Service() as service:
        service.before = lambda handler: handler.reply(
            302, b"", {"Location": other.url.replace("127.0.0.1", "localhost") + handler.path}) or True
        for words in (["--token", "sesame", service.url], [service.url.replace("//", "//me:secret@")]):
            doctor(*words)
        check(other.headers, "the redirect was not followed")
        check(not any("Authorization" in headers for headers in other.headers), "credentials leaked")


# ---- Go ----

def verdict(result, status=1):
    check(result.returncode == status, f"status {result.returncode}: {result.err}{result.out}")
    return json.loads(result.out)


def names_come_from_the_service():
    with Service() as service:
        report = verdict(doctor("--json", service.url))
        first = report["verdicts"][0]
        functions = [frame["function"] for frame in first["stack"]]
        check(functions == ["runtime.mallocgc", "runtime.makeBucketArray", "runtime.hashGrow",
                            "runtime.mapassign_faststr", "main.remember[...]"], f"{functions}")
        check(report["kind"] == "go" and first["site"]["line"] == 42, f"{first['site']}")
        asked = [path for path in service.paths if path.startswith("/debug/pprof/symbol")]
        check(len(asked) == 1, f"names were asked for {len(asked)} times")


def without_symbol():
    with Service(symbol=(404, b"404 page not found\n")) as service:
        report = verdict(doctor("--json", service.url))
        check("/debug/pprof/symbol" in report["caution"], f"{report['caution']}")
        check(report["verdicts"][0]["site"]["line"] == 42, f"{report['verdicts'][0]['site']}")


def busy_symbols_are_asked_again():
    asked = []

    def answer(handler):
        asked.append(1)
        handler.reply(*((503, b"busy\n") if len(asked) == 1 else (200, service.symbol(handler.path.partition("?")[2]))))
    with Service(symbol=answer) as service:
        report = verdict(doctor("--json", service.url))
        check(report["verdicts"][0]["stack"][0]["function"] == "runtime.mallocgc", f"{report['verdicts'][0]['stack']}")
        check(len(asked) == 2 and not report["caution"], f"asked {len(asked)} times, {report['caution']}")


def symbols_that_fail():
    for answer, most in (((503, b"busy\n"), 3), (stall, 1)):
        with Service(symbol=answer) as service:
            report = verdict(doctor("--json", service.url))
            check("did not name all its addresses" in report["caution"] and "missing" not in report["caution"],
                  report["caution"])
            check(report["verdicts"][0]["site"]["line"] == 42, f"{report['verdicts'][0]['site']}")
            asked = [path for path in service.paths if "/symbol" in path]
            check(len(asked) <= most, f"asked {len(asked)} times")


def symbols_without_end():
    """Ever new addresses: names are asked for up to a number, and for a time."""
    looks = []

    def heap(_):
        looks.append(1)
        first, count, live = 0x500000 + (len(looks) << 24), 60000, len(looks) << 20
        numbers = {"live": live, "total": live, "sys": live, "mallocs": live, "next": live, "cycles": len(looks),
                   "last": time.time_ns()}
        return 200, ("heap profile: 1: 2 [3: 4] @ heap/1048576\n"
                     + "".join(f"1: 8 [1: 8] @ {first + i:#x}\n" for i in range(count)) + STATS.format(**numbers)).encode()
    with Service(heap=heap) as service:
        result = doctor("--json", service.url, window="4s")
        check(result.returncode in (0, 1), f"status {result.returncode}: {result.err}")
        asked = [path for path in service.paths if "/symbol" in path]
        check(len(asked) <= (1 << 17) // 150 + 1, f"names were asked for {len(asked)} times")
        check("did not name all its addresses" in json.loads(result.out)["caution"], json.loads(result.out)["caution"])

    def slow(handler):
        time.sleep(2)
        handler.reply(200, b"num_symbols: 1\n")
    with Service(heap=heap, symbol=slow) as service:
        started = time.monotonic()
        check(ebb("heap", service.url, "-o", "slow.pb.gz").returncode == 0, "ebb heap")
        check(time.monotonic() - started < 30, "names took longer than 30 s")


def extras_that_fail():
    """Whatever is wrong with what lies beside the heap: the heap is judged."""
    names = ("goroutine", "mutex", "block", "profile", "cmdline", "metrics")
    heap = b"heap profile: 1: 2 [3: 4] @ heap/1048576\n"
    for answer in ((200, b"\x1f\x8b\x08nonsense"), (200, b"\xff" * 100), (200, heap), (500, b"out of order\n"),
                   (404, b"none\n"), (200, truncated_gzip(heap), {"Content-Encoding": "gzip"}), (200, b"")):
        with Service(**{name: answer for name in names}) as service:
            report = verdict(doctor("--json", service.url, window="2s"))
            check(report["verdicts"][0]["site"]["line"] == 42, f"{report['verdicts'][0]['site']}")
            if answer[1] == b"":
                check("goroutines could not be read" in report["caution"], report["caution"])


def extras_that_stall():
    with Service(**{name: stall for name in ("mutex", "block", "profile")}) as service:
        started = time.monotonic()
        report = verdict(doctor("--json", service.url))
        check("what waited for locks is unknown" in report["caution"], report["caution"])
        check(time.monotonic() - started < 15, "it took longer than 15 s")
    names = ("goroutine", "mutex", "block", "profile", "cmdline", "metrics")
    with Service(**{name: stall for name in names}) as service:
        started = time.monotonic()
        # It grows by the clock, whether it is asked or not.
        service.growth = 0
        service.before = lambda _: setattr(service, "blocks", 10 + int(20 * (time.monotonic() - started)))
        report = verdict(doctor("--json", service.url, window="8s"))
        check("goroutines could not be read" in report["caution"], report["caution"])
        check(time.monotonic() - started < 40, "it took longer than 40 s")
    with Service(**{name: stall for name in ("mutex", "block")}) as service:
        with subprocess.Popen([EBB, "doctor", "--json", service.url], env=ENVIRONMENT, stdout=subprocess.PIPE) as process:
            time.sleep(4)
            started = time.monotonic()
            process.send_signal(signal.SIGINT)
            report = json.loads(process.stdout.read())
            process.wait()
        check(time.monotonic() - started < 10, "Ctrl-C took longer than 10 s")
        check(report["snapshots"] >= 2, "nothing was seen")


def collections_are_asked_for():
    for words in ([], ["--no-gc"]):
        with Service() as service:
            service.collects = False
            report = verdict(doctor("--json", *words, service.url, window="4s"), 0 if words else 1)
            forced = [path for path in service.paths if "gc=1" in path]
            check(bool(forced) == (not words), f"{words}: gc=1 was asked for {len(forced)} times")
            check(("--no-gc" if words else "collections were asked for") in report["caution"], f"{report['caution']}")


def collections_that_come_are_enough():
    with Service() as service:
        verdict(doctor("--json", service.url))
        check(not any("gc=1" in path for path in service.paths), "a collection was asked for")


def cpu_profile(seconds):
    """A processor profile without samples, as profile.proto has it."""
    def field(number, content):
        return bytes([number << 3 | 2, len(content)]) + content
    strings = [b"", b"samples", b"count", b"cpu", b"nanoseconds"]
    duration, rest = b"", int(seconds * 1e9)
    while rest:
        duration += bytes([rest & 127 | (128 if rest > 127 else 0)])
        rest >>= 7
    return gzip.compress(field(1, b"\x08\x01\x10\x02") + field(1, b"\x08\x03\x10\x04")
                         + b"".join(field(6, text) for text in strings) + b"\x50" + duration)


def processor_profiles_fill_the_window():
    def gather(handler):
        seconds = int(handler.path.partition("seconds=")[2])
        time.sleep(seconds)
        return 200, cpu_profile(seconds)
    for answer, least, most in ((gather, 3, 4), ((500, b"cpu profiling already in use\n"), 1, 1)):
        with Service(profile=answer) as service:
            report = verdict(doctor("--json", service.url, window="4s"))
            asked = [path for path in service.paths if path.startswith("/debug/pprof/profile?")]
            check(least <= len(asked) <= most, f"{len(asked)} processor profiles in 4 s: {asked}")
            check(all(path.endswith("seconds=1") for path in asked), f"{asked}")
            check(("processor profile" in (report["caution"] or "")) == (answer is not gather), f"{report['caution']}")


def addresses():
    with Service() as service:
        for suffix in ("", "/", "/debug/pprof", "/debug/pprof/", "/debug/pprof/heap?debug=1", "/debug/pprof/goroutine"):
            check(doctor("--json", service.url + suffix, window="1s").returncode in (0, 1), suffix)
    with Service() as service:
        def below(handler):
            if not handler.path.startswith("/base/"):
                handler.reply(404, b"nothing\n")
                return True
            handler.path = handler.path[5:]
            return False
        service.before = below
        one_line(doctor(service.url), "base path")
        service.answer = lambda handler, answer=service.answer: (
            below(handler) or (setattr(service, "before", None), answer(handler)))
        check(doctor(service.url + "/base", window="1s").returncode in (0, 1), "the base path")


def profiles_of_its_own():
    with Service(mine=(200, b"mine profile: total 3\n2 @ 0x405001\n#\t0x405000\tmain.keep+0x1\t/src/main.go:7\n\n"
                            b"1 @ 0x406001\n#\t0x406000\tmain.hold+0x1\t/src/main.go:9\n")) as service:
        one_line(ebb("top", service.url + "/debug/pprof/nonesuch"), "has no nonesuch profile")
        one_line(ebb("top", service.url + "/debug/pprof/trace?seconds=1"), "is no profile")
        top = ebb("top", service.url + "/debug/pprof/mine?debug=1")
        check(top.returncode == 0 and "main.keep" in top.out, top.err)


def several():
    with Service() as service:
        one_line(doctor(service.url, service.url), "one service at a time")
        result = ebb("top", service.url, service.url)
        check(result.returncode == 0 and "main.remember" in result.out, result.err)
        check("runtime.MemStats" not in result.out, "the runtime's numbers are in the header")


def options_are_checked():
    one_line(doctor("--no-gc", "1"), "--no-gc", "service")
    one_line(ebb("cpu", "1234"), "not a URL")
    one_line(ebb("heap", "--for", "3s", "http://127.0.0.1:1"), "--for")
    one_line(ebb("heap", "--token", "x", "1"), "service")


def saved_series():
    """Heaps that `ebb heap` saved, and texts that anything else did, are judged as the service is."""
    with Service() as service:
        files, texts = [], []
        for i in range(10):
            files.append(f"{i}.pb.gz")
            check(ebb("heap", service.url, "-o", files[-1]).returncode == 0, "ebb heap")
            texts.append(f"{i}.txt")
            (SCRATCH / texts[-1]).write_bytes(service.heap(""))
            time.sleep(0.1)
        live = verdict(doctor("--json", service.url))["verdicts"][0]
    for names in (files, texts, texts[::-1]):
        saved = verdict(ebb("doctor", "--json", *names))
        check(saved["kind"] == "go", saved["kind"])
        check((saved["verdicts"][0]["site"], ) == (live["site"], ) or names is not files,
              f"{saved['verdicts'][0]['site']} is not {live['site']}")
        check(saved["verdicts"][0]["site"]["line"] == 42, f"{saved['verdicts'][0]['site']}")
        if names is files:
            check(saved["verdicts"][0]["pattern"] == live["pattern"], saved["verdicts"][0]["pattern"])
    same = [SCRATCH / "a.txt", SCRATCH / "b.txt"]
    for path in same:
        path.write_bytes((SCRATCH / texts[0]).read_bytes())
    one_line(ebb("doctor", *same), "same garbage collection", "gc=1")


# ---- real services ----

def compilers():
    found = {}
    for path in ("/usr/local/go/bin/go", shutil.which("go"), "/usr/lib/go-1.19/bin/go"):
        if path and os.access(path, os.X_OK):
            version = run([path, "version"]).stdout.decode().split()[2]
            found.setdefault(version, path)
    return found


def build(version, compiler):
    """As a module of that version: what a handler takes depends on the version the module asks for."""
    folder = SCRATCH / version
    folder.mkdir()
    (folder / "go.mod").write_text(f"module service\n\ngo {'.'.join(version[2:].split('.')[:2])}\n")
    shutil.copy(PROGRAMS / "leaking_service.go", folder)
    result = run([compiler, "build", "-o", "service", "."], cwd=folder, timeout=300,
                 env={**ENVIRONMENT, "GOTOOLCHAIN": "local", "GOFLAGS": "", "GO111MODULE": "on", "GOWORK": "off",
                      "GOCACHE": ENVIRONMENT.get("GOCACHE", str(SCRATCH / "cache"))})
    if result.returncode != 0:
        raise Skip(f"{version} does not build it: {result.stderr.decode()[:200]}")
    return folder / "service"


def real(version, compiler):
    program = build(version, compiler)
    with subprocess.Popen([program], stdout=subprocess.PIPE, text=True,
                          env={**ENVIRONMENT, "GOMEMLIMIT": "3GiB"}) as process:
        try:
            url = "http://" + process.stdout.readline().strip()
            report = verdict(ebb("doctor", "--json", "--for", "10s", url))
            first = report["verdicts"][0]
            check(report["kind"] == "go" and report["pid"] == process.pid, f"{report['kind']}, pid {report['pid']}")
            line = next(number for number, text in enumerate((PROGRAMS / "leaking_service.go").read_text().splitlines(), 1)
                        if "THE LEAK" in text)
            check(first["site"]["line"] == line and first["site"]["file"].endswith("leaking_service.go"), f"{first['site']}")
            check("symbol" not in (report["caution"] or ""), f"{report['caution']}")
            top = ebb("top", url).out
            # What the runtime allocates for itself stays; what it allocates for others is theirs.
            check(re.search(r"sum%.*\n.*main\.remember$", top, re.M), f"the allocator is in sight: {top}")
            for name in ("heap", "allocs", "mutex", "block", "goroutine", "threads"):
                taken = ebb(name, url, "-o", f"{name}.pb.gz")
                check(taken.returncode == 0, f"ebb {name}: {taken.err}")
            check(ebb("cpu", "--for", "1s", url, "-o", "cpu.pb.gz").returncode == 0, "ebb cpu")
            raw = gzip.decompress((SCRATCH / "heap.pb.gz").read_bytes())
            check(re.search(rb"runtime\.mapassign|internal/runtime/maps", raw), "the map's own frames are not in the file")
            top = ebb("top", "heap.pb.gz")
            check("main.remember" in top.out and version in top.out, top.out[:500])
            check("main.wait" in ebb("top", "--cum", url + "/debug/pprof/goroutine").out, "no main.wait among the goroutines")
        finally:
            process.kill()


CASES = [
    ("nobody listens", nobody_listens),
    ("an unknown host", unknown_host),
    ("a malformed URL", malformed_url),
    ("the zone of an address", zone_of_an_address),
    ("what a server sends does not act on the terminal", escapes_in_answers),
    ("a server without pprof", without_pprof),
    ("a server that answers everything with a web page", web_page_everywhere),
    ("a server of another protocol", another_protocol),
    ("redirects", redirects),
    ("TLS", tls),
    ("a stall at once", stall_at_once),
    ("a stall midway: what was seen is reported", stall_midway),
    ("an answer that drips", too_slow),
    ("an answer that trickles", fast_enough_for_ever),
    ("Ctrl-C while it stalls", interrupted_stall),
    ("an answer that is cut off", cut_off),
    ("a truncated gzip", truncated),
    ("an answer that is too large", too_large),
    ("headers without end", many_headers),
    ("an error of the server", server_errors),
    ("a failure that lasts: what was seen is reported", long_failure_midway),
    ("a failure that passes is forgiven", short_failure_is_forgiven),
    ("a restart: what was seen is reported", restart),
    ("a restart that comes early", early_restart),
    ("a restart elsewhere that counts more", restart_that_counts_more_elsewhere),
    ("a restart here that counts more", restart_that_counts_more_here),
    ("a service that dies is judged", death),
    ("credentials", credentials),
    ("credentials stay with their host", credentials_stay_with_their_host),
    ("credentials are hidden from ps", secrets_are_not_in_the_command_line),
    ("a service that was busy is asked for goroutines again", busy_goroutines_are_asked_again),
    ("the service names its addresses, once", names_come_from_the_service),
    ("a service that names no addresses", without_symbol),
    ("a service that was busy is asked for names again", busy_symbols_are_asked_again),
    ("names that do not come", symbols_that_fail),
    ("names without end", symbols_without_end),
    ("what lies beside the heap fails", extras_that_fail),
    ("what lies beside the heap stalls", extras_that_stall),
    ("collections are asked for, or not", collections_are_asked_for),
    ("collections that come are enough", collections_that_come_are_enough),
    ("processor profiles fill the window", processor_profiles_fill_the_window),
    ("every address of a service will do", addresses),
    ("profiles of its own", profiles_of_its_own),
    ("several services", several),
    ("options are checked", options_are_checked),
    ("saved heaps are judged like live ones", saved_series),
]

if __name__ == "__main__":
    found = compilers()
    for one_version, one_compiler in found.items():
        CASES.append((f"a real service of {one_version}",
                      lambda version=one_version, compiler=one_compiler: real(version, compiler)))
    if not found:
        def no_go():
            raise Skip("no Go compiler")
        CASES.append(("a real service", no_go))
    wanted = sys.argv[3:]
    try:
        main([case for case in CASES if not wanted or case[0] in wanted])
    finally:
        shutil.rmtree(SCRATCH, ignore_errors=True)
