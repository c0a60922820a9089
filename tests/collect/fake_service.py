"""A Go service as its debug port shows it, made up: what it answers is decided by the test. As a program, fake_service.py
PORT BLOCKS, it is a process of this machine that holds so many blocks already."""

import gzip
import http.server
import pathlib
import ssl
import sys
import threading
import time

STATS = """
# runtime.MemStats
# Alloc = {live}
# TotalAlloc = {total}
# Sys = {sys}
# Lookups = 0
# Mallocs = {mallocs}
# Frees = 0
# HeapAlloc = {live}
# HeapSys = {sys}
# HeapIdle = 0
# HeapInuse = {live}
# HeapReleased = 0
# HeapObjects = {mallocs}
# Stack = 1 / 2
# NextGC = {next}
# LastGC = {last}
# PauseNs = [1 2 3]
# NumGC = {cycles}
# NumForcedGC = 0
# GCCPUFraction = 0.01
# DebugGC = false
"""
BLOCK = 1 << 20
NAMES = {0x401000: "runtime.mallocgc", 0x402000: "runtime.makeBucketArray", 0x403000: "runtime.hashGrow",
         0x404000: "runtime.mapassign_faststr", 0x409000: "runtime.goexit"}


class Service:
    """Each heap is as of a collection of its own and holds `growth` more blocks than the one before."""

    def __init__(self, **answers):
        self.growth, self.collects, self.blocks, self.cycles = 4, True, 10, 0
        self.answers = {"/metrics" if name == "metrics" else "/debug/pprof/" + name: answer
                        for name, answer in answers.items()}
        self.paths, self.headers, self.lock = [], [], threading.Lock()
        self.server = None
        self.before = None  # called with the handler before anything else; True: it has answered

    def heap(self, query):
        with self.lock:
            if self.collects or "gc=1" in query:
                self.cycles += 1
                self.blocks += self.growth
            n, size = self.blocks, self.blocks * BLOCK
            numbers = {"live": size, "total": size * 2, "sys": size * 2, "mallocs": n, "next": size * 2,
                       "cycles": self.cycles, "last": time.time_ns()}
        return (f"heap profile: {n}: {size} [{n}: {size}] @ heap/1048576\n"
                f"{n}: {size} [{n}: {size}] @ 0x401001 0x402001 0x403001 0x404001 0x405001 0x409001\n"
                "#\t0x405000\tmain.remember[go.shape.string]+0x10\t/src/service/main.go:42\n\n"
                + STATS.format(**numbers)).encode()

    def symbol(self, query):
        lines = ["num_symbols: 1"]
        for word in query.split("+"):
            if int(word, 16) in NAMES:
                lines.append(f"{word} {NAMES[int(word, 16)]}")
        return "\n".join(lines).encode() + b"\n"

    def answer(self, handler):
        path, _, query = handler.path.partition("?")
        with self.lock:
            self.paths.append(handler.path)
            self.headers.append(dict(handler.headers))
        if self.before and self.before(handler):
            return
        if path in self.answers:
            made = self.answers[path](handler) if callable(self.answers[path]) else self.answers[path]
            if made is not None:
                handler.reply(*made)
        elif path == "/debug/pprof/heap" and "debug=1" in query:
            handler.reply(200, self.heap(query))
        elif path == "/debug/pprof/symbol":
            handler.reply(200, self.symbol(query))
        else:
            handler.reply(404, b"Unknown profile\n", {"X-Go-Pprof": "1"})

    def start(self, port=0, certificate=None):
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def reply(self, status, body, headers=None):
                self.send_response(status)
                for name, value in {"Content-Type": "text/plain", **(headers or {})}.items():
                    self.send_header(name, value)
                if "Content-Length" not in (headers or {}):
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                try:
                    service.answer(self)
                except OSError:
                    self.close_connection = True

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True

            def handle_error(self, *_):  # clients that hang up are what is tested
                pass

        self.server = Server(("127.0.0.1", port), Handler)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True,
                                                     do_handshake_on_connect=False)
        self.port = self.server.server_address[1]
        self.url = f"http{'s' if certificate else ''}://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def __enter__(self):
        return self if self.server else self.start()

    def __exit__(self, *_):
        self.stop()


def truncated_gzip(data):
    packed = gzip.compress(data)
    return packed[:len(packed) // 2]


if __name__ == "__main__":
    # The kernel ends the last argument with a NUL, which Go's handler does not send.
    process = Service(cmdline=(200, pathlib.Path("/proc/self/cmdline").read_bytes()[:-1]))
    process.blocks = process.cycles = int(sys.argv[2])
    print(process.start(int(sys.argv[1])).url, flush=True)
    sys.stdin.read()
