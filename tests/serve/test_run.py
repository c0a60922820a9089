#!/usr/bin/env python3
"""ebb run, serve, heap, allocs and threads with real programs. Usage: test_run.py EBB CONFIG_SERVICE"""
import os
import pathlib
import pty
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request

EBB, SERVICE = os.path.abspath(sys.argv.pop(1)), os.path.abspath(sys.argv.pop(1))
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # a shell cannot trap what was ignored when it began, as under nohup
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("EBB_") or name == "EBB_AGENT_PATH"}


def ebb(*arguments, **options):
    return subprocess.run([EBB, *arguments], capture_output=True, text=True, timeout=60, env=CLEAN,
                          stdin=options.pop("stdin", subprocess.DEVNULL), **options)


def has_terminals():
    try:
        for side in pty.openpty():
            os.close(side)
        return True
    except OSError:
        return False


class Run:
    """`ebb run` in the background, with its URL and the program's pid."""

    def __init__(self, *command, options=(), environment=()):
        self.directory = tempfile.TemporaryDirectory()
        self.log = open(self.directory.name + "/stderr", "w+")
        self.process = subprocess.Popen([EBB, "run", "--http", "127.0.0.1:0", *options, "--", *command],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.log,
                                        env={**CLEAN, **dict(environment)})
        self.url, self.pid = "", 0
        for _ in range(200):
            found = re.search(r"process (\d+) are on (http://\S+/debug/pprof/)\n", self.stderr())
            if found:
                self.pid, self.url = int(found[1]), found[2]
                break
            if self.process.poll() is not None:
                break
            time.sleep(0.05)

    def stderr(self):
        return pathlib.Path(self.directory.name + "/stderr").read_text()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(30)
        self.log.close()
        self.directory.cleanup()

    def get(self, page, **headers):
        request = urllib.request.Request(self.url + page, headers=headers)
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.read()


def leaf_lines(text):
    """The five heaviest of `top` output as (flat, flat%, name)."""
    rows = re.findall(r"^ *([\d.]+\w*) +([\d.]+%) +[\d.]+% +[\d.]+\w* +[\d.]+% +(.*)$", text, re.M)
    return [(flat, percent, name.strip()) for flat, percent, name in rows][:5]


class Program(unittest.TestCase):
    """The program is what it would be without Ebb."""

    def test_exit_status(self):
        self.assertEqual(ebb("run", "--http", "off", "--", "sh", "-c", "exit 7").returncode, 7)
        self.assertEqual(ebb("run", "--http", "off", "--", "sh", "-c", "kill -KILL $$").returncode, 137)
        self.assertEqual(ebb("run", "--http", "off", "--", "true").returncode, 0)

    def test_input_and_output(self):
        with tempfile.TemporaryFile("w+") as data:
            data.write("through and through\n")
            data.seek(0)
            done = ebb("run", "--http", "off", "--", "cat", stdin=data)
        self.assertEqual((done.stdout, done.stderr), ("through and through\n", ""))

    def test_options_of_the_program_are_its_own(self):
        done = ebb("run", "--http", "off", "echo", "--out", "--help", "-x")
        self.assertEqual(done.stdout, "--out --help -x\n")

    def test_signals_are_passed_on(self):
        for name in ("TERM", "INT", "HUP", "USR1"):
            with Run("sh", "-c", f"trap 'exit 5' {name}; while :; do sleep 0.05; done") as run:
                time.sleep(0.3)
                run.process.send_signal(getattr(signal, "SIG" + name))
                self.assertEqual(run.process.wait(10), 5, name)

    def test_no_such_program(self):
        done = ebb("run", "--http", "127.0.0.1:0", "--", "no-such-program-anywhere")
        self.assertEqual(done.returncode, 2)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)

    def test_misuse(self):
        for arguments in ((), ("--http",), ("--nonsense", "--", "true"), ("--sample", "x", "--", "true"),
                          ("--http", "nowhere", "--", "true"), ("--http", "0.0.0.0:0", "--", "true"),
                          ("--out", "/proc/nowhere", "--", "true")):
            done = ebb("run", *arguments)
            self.assertEqual(done.returncode, 2, arguments)
            self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertIn("--http", ebb("run", "--help").stdout)

    def test_a_taken_port_starts_nothing(self):
        with socket.create_server(("127.0.0.1", 0)) as taken, tempfile.TemporaryDirectory() as directory:
            port = taken.getsockname()[1]
            done = ebb("run", "--http", f"127.0.0.1:{port}", "--", "touch", directory + "/started")
            self.assertEqual(done.returncode, 2)
            self.assertIn(f"port {port}", done.stderr)
            self.assertFalse(os.path.exists(directory + "/started"))


@unittest.skipUnless(has_terminals(), "the machine has no pseudo-terminals")
class Terminal(unittest.TestCase):
    def start(self, code):
        pid, terminal = pty.fork()
        if pid == 0:
            os.execve(EBB, [EBB, "run", "--http", "off", "--", "python3", "-c", code], CLEAN)
        return pid, terminal

    def read_until(self, terminal, expected):
        seen = b""
        while expected not in seen:
            try:
                seen += os.read(terminal, 4096)
            except OSError:
                self.fail(f"no {expected!r} in {seen!r}")
        return seen

    def test_the_program_reads_the_terminal(self):
        pid, terminal = self.start("print('got', input())")
        os.write(terminal, b"words\n")
        self.read_until(terminal, b"got words")
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0)
        os.close(terminal)

    def test_ctrl_c_arrives_once(self):
        pid, terminal = self.start(
            "import signal, sys, time; hits = []; signal.signal(signal.SIGINT, lambda *_: hits.append(1))\n"
            "print('ready', flush=True)\n"
            "while not hits: time.sleep(0.01)\n"
            "time.sleep(0.6); print('hits', len(hits), flush=True); sys.exit(3)")
        self.read_until(terminal, b"ready")
        os.write(terminal, b"\x03")
        self.read_until(terminal, b"hits 1")
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 3)
        os.close(terminal)


class Served(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.run_ = Run(SERVICE, "leaky", "--seconds", "60")
        cls.addClassCleanup(cls.run_.__exit__)
        time.sleep(2)

    def test_heap_names_the_insert(self):
        text = self.run_.get("heap?debug=1").decode()
        self.assertRegex(text, r"^heap profile: \d+: \d+ \[\d+: \d+\] @ heap/1048576\n")
        self.assertIn("settings_insert", text)
        self.assertIn("config-service.c:", text)

    def test_threads_and_command_line(self):
        self.assertIn("threadcreate profile: total 2\n", self.run_.get("threadcreate?debug=1").decode())
        self.assertEqual(self.run_.get("cmdline"), b"\0".join([SERVICE.encode(), b"leaky", b"--seconds", b"60"]))

    def test_symbols_of_the_stacks(self):
        text = self.run_.get("heap?debug=1").decode()
        stack = re.search(r"^\d+: \d+ \[.*\] @ (.*)$", text, re.M)[1]
        answer = self.run_.get("symbol?" + stack.replace(" ", "+")).decode()
        self.assertIn(" handle_request\n", answer)

    def test_delta_is_less_than_all(self):
        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory)
            (path / "delta").write_bytes(self.run_.get("heap?seconds=1"))
            (path / "all").write_bytes(self.run_.get("heap"))
            def total(name):
                text = ebb("top", str(path / name)).stdout
                amount, unit = re.search(r"([\d.]+)(kB|MB) total", text).groups()
                return float(amount) * {"kB": 1, "MB": 1024}[unit]
            self.assertLess(total("delta"), total("all") / 1.5)

    def test_go_tool_pprof_sees_what_top_sees(self):
        go = shutil.which("go")
        if not go:
            self.skipTest("go is not installed")
        with tempfile.TemporaryDirectory() as directory:
            environment = {**CLEAN, "PPROF_TMPDIR": directory}
            fetched = subprocess.run([go, "tool", "pprof", "-top", self.run_.url + "heap"], capture_output=True,
                                     text=True, timeout=120, env=environment)
            self.assertEqual(fetched.returncode, 0, fetched.stderr)
            saved = [str(path) for path in pathlib.Path(directory).iterdir() if path.suffix == ".gz"]
            self.assertEqual(len(saved), 1, fetched.stderr)
            ours = ebb("top", saved[0])
            self.assertEqual(ours.returncode, 0, ours.stderr)
        self.assertGreater(len(leaf_lines(fetched.stdout)), 3, fetched.stdout)
        self.assertEqual(leaf_lines(ours.stdout), leaf_lines(fetched.stdout))

    def test_profiles_to_files(self):
        pid = str(self.run_.pid)
        with tempfile.TemporaryDirectory() as directory:
            for command in ("heap", "allocs", "threads"):
                done = ebb(command, pid, cwd=directory)
                self.assertEqual(done.returncode, 0, done.stderr)
                written = pathlib.Path(directory, f"{command}-{pid}.pb.gz")
                self.assertEqual(written.read_bytes()[:2], b"\x1f\x8b")
                done = ebb(command, pid, "-o", "x.pb.gz", cwd=directory)
                self.assertEqual(done.returncode, 0, done.stderr)
                out = subprocess.run([EBB, command, "-o", "-", pid], capture_output=True, env=CLEAN, timeout=60)
                self.assertEqual((out.returncode, out.stdout[:2], out.stderr), (0, b"\x1f\x8b", b""))
            done = ebb("heap", pid, "-o", "/proc/nowhere/x", cwd=directory)
            self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done.stderr)

    def test_a_full_disk_is_said(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("no /dev/full")
        with open("/dev/full", "w") as full:
            done = subprocess.run([EBB, "heap", "-o", "-", str(self.run_.pid)], stdout=full, stderr=subprocess.PIPE,
                                  text=True, env=CLEAN, timeout=60)
        self.assertEqual(done.returncode, 2)
        self.assertIn("No space left", done.stderr)

    @unittest.skipUnless(has_terminals(), "the machine has no pseudo-terminals")
    def test_no_binary_to_a_terminal(self):
        leader, terminal = pty.openpty()
        done = subprocess.run([EBB, "heap", "-o", "-", str(self.run_.pid)], stdout=terminal, stderr=subprocess.PIPE,
                              text=True, env=CLEAN, timeout=60)
        os.close(terminal)
        os.close(leader)
        self.assertEqual(done.returncode, 2)
        self.assertIn("binary", done.stderr)

    def test_serve_beside_run(self):
        server = subprocess.Popen([EBB, "serve", "--http", "127.0.0.1:0", str(self.run_.pid)], stderr=subprocess.PIPE,
                                  text=True, env=CLEAN)
        url = re.search(r"http://\S+", server.stderr.readline())[0]
        with urllib.request.urlopen(url + "heap?debug=1", timeout=30) as response:
            self.assertIn(b"settings_insert", response.read())
        server.send_signal(signal.SIGINT)
        self.assertEqual(server.wait(10), 0)
        server.stderr.close()
        self.assertIsNone(self.run_.process.poll())

    def test_unknown_processes(self):
        for command in ("heap", "allocs", "threads", "serve"):
            for word in ("1", "x", "-3", "", "99999999999999999999"):
                done = ebb(command, word)
                self.assertEqual(done.returncode, 2, (command, word))
                self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
            self.assertEqual(ebb(command).returncode, 2)
            self.assertEqual(ebb(command, "1", "2").returncode, 2)


class Token(unittest.TestCase):
    def test_token_from_the_environment_stays_ours(self):
        with Run("sh", "-c", "test -z \"$EBB_TOKEN\" && exec sleep 20", environment={"EBB_TOKEN": "s3cret"}.items()) as run:
            with self.assertRaises(urllib.error.HTTPError) as refused:
                run.get("cmdline")
            self.assertEqual(refused.exception.code, 401)
            refused.exception.close()
            self.assertIn(b"sleep", run.get("cmdline", Authorization="Bearer s3cret"))
            self.assertNotIn("s3cret", run.stderr())


class AfterTheEnd(unittest.TestCase):
    def last_profile(self, command, status, sample="4K"):
        with tempfile.TemporaryDirectory() as directory:
            out = directory + "/made/"
            os.mkdir(out)
            done = ebb("run", "--http", "off", "--sample", sample, "--out", out, "--", *command)
            self.assertEqual(done.returncode, status, done.stderr)
            top = ebb("top", "--sample", "alloc_space", out + "heap.pb.gz")
            self.assertEqual(top.returncode, 0, top.stderr)
            return top.stdout

    def test_after_a_normal_end(self):
        self.assertIn("handle_request", self.last_profile([SERVICE, "leaky", "--seconds", "1"], 0))

    def test_after_a_crash(self):
        for name, number in (("SEGV", 11), ("KILL", 9), ("ABRT", 6)):
            script = f"import os, signal\nkeep = [bytes(1000) for _ in range(9999)]\nos.kill(os.getpid(), signal.SIG{name})"
            text = self.last_profile(["python3", "-c", script], 128 + number)
            self.assertIn("PyEval", text, name)

    def records(self, program):
        """The records whose executable is this copy of a program."""
        return [path for path in pathlib.Path("/dev/shm").glob("ebb-*") if program.encode() in path.read_bytes()[:4096]]

    def test_one_record_outlives_a_crash(self):
        with tempfile.TemporaryDirectory() as directory:
            program = shutil.copy(SERVICE, directory + "/service-of-this-test")
            ebb("run", "--http", "off", "--", program, "leaky", "--seconds", "1")
            self.assertEqual(self.records(program), [])
            for _ in range(2):
                with Run(program, "leaky", "--seconds", "60") as run:
                    time.sleep(3)
                    os.kill(run.pid, signal.SIGKILL)
                    self.assertEqual(run.process.wait(10), 137)
                    self.assertIn(f"`ebb doctor {run.pid}`", run.stderr())
            left = self.records(program)
            self.assertEqual([path.name.split("-")[1] for path in left], [str(run.pid)])
            done = ebb("heap", str(run.pid), "-o", directory + "/last.pb.gz")
            self.assertEqual(done.returncode, 0, done.stderr)
            done = ebb("doctor", str(run.pid))
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertIn("settings_insert", done.stdout)
            left[0].unlink()

    def test_a_waiting_delta_is_answered(self):
        with Run(SERVICE, "leaky", "--seconds", "2") as run:
            self.assertEqual(run.get("heap?seconds=600")[:2], b"\x1f\x8b")
            self.assertEqual(run.process.wait(10), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
