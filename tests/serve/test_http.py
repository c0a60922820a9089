#!/usr/bin/env python3
"""The server over real sockets: who may ask, hostile clients, the end. Usage: test_http.py FAKE_SERVER"""
import http.client
import random
import re
import socket
import subprocess
import sys
import time
import unittest

FAKE_SERVER = sys.argv.pop(1)


class Server:
    """The fake server as a process; `with Server(...) as server` ends it."""

    def __init__(self, address="127.0.0.1:0", *token):
        self.process = subprocess.Popen([FAKE_SERVER, address, *token], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().strip()
        self.host, self.port = re.match(r"http://\[?([^\]/]*?)\]?:(\d+)/", self.url).groups()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        started = time.monotonic()
        self.process.stdin.close()
        self.status = self.process.wait(30)
        self.process.stdout.close()
        self.stop_seconds = time.monotonic() - started

    def connect(self, timeout=20):
        host = "127.0.0.1" if self.host in ("0.0.0.0", "localhost") else self.host
        return socket.create_connection((host, int(self.port)), timeout)

    def get(self, path, method="GET", body=None, headers=None):
        host = "127.0.0.1" if self.host in ("0.0.0.0", "localhost") else self.host
        connection = http.client.HTTPConnection(host, int(self.port), timeout=20)
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        response.content = response.read()
        connection.close()
        return response

    def raw(self, data):
        """Sends bytes and returns all that comes until the server closes."""
        with self.connect() as connection:
            received = b""
            try:
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
                while chunk := connection.recv(65536):
                    received += chunk
            except OSError:  # the server may close at any moment
                pass
            return received


class Answers(unittest.TestCase):
    def setUp(self):
        self.server = self.enterContext(Server())

    def test_headers_of_a_profile(self):
        response = self.server.get("/debug/pprof/heap?gc=1")
        self.assertEqual(response.status, 200)
        self.assertEqual(response.getheader("Content-Type"), "application/octet-stream")
        self.assertEqual(response.getheader("Content-Disposition"), 'attachment; filename="heap"')
        self.assertEqual(response.getheader("X-Content-Type-Options"), "nosniff")
        self.assertIsNone(response.getheader("X-Go-Pprof"))
        self.assertEqual(response.content[:2], b"\x1f\x8b")

    def test_headers_of_an_error(self):
        response = self.server.get("/debug/pprof/heap?seconds=x")
        self.assertEqual(response.status, 400)
        self.assertEqual(response.getheader("X-Go-Pprof"), "1")
        self.assertEqual(response.getheader("Content-Type"), "text/plain; charset=utf-8")
        self.assertIsNone(response.getheader("Content-Disposition"))
        self.assertEqual(self.server.get("/debug/pprof/goroutine").status, 404)

    def test_head_has_no_body(self):
        response = self.server.get("/debug/pprof/heap", "HEAD")
        self.assertEqual((response.status, response.content), (200, b""))
        self.assertGreater(int(response.getheader("Content-Length")), 50)

    def test_other_methods(self):
        response = self.server.get("/debug/pprof/heap", "POST", b"x")
        self.assertEqual((response.status, response.getheader("Allow")), (405, "GET, HEAD"))
        self.assertEqual(self.server.get("/debug/pprof/", "BREW").status, 405)

    def test_redirect(self):
        response = self.server.get("/")
        self.assertEqual((response.status, response.getheader("Location")), (302, "/debug/pprof/"))

    def test_symbol(self):
        expected = b"num_symbols: 1\n0x401000 cache_insert\n0x402000 parse\n"
        self.assertEqual(self.server.get("/debug/pprof/symbol?0x401000+0x402000").content, expected)
        posted = self.server.get("/debug/pprof/symbol", "POST", "0x401000+0x402000")
        self.assertEqual(posted.content, expected)

    def test_large_symbol_body(self):
        body = "+".join(["0x401000"] * 50000)
        response = self.server.get("/debug/pprof/symbol", "POST", body)
        self.assertEqual(response.content.count(b"cache_insert"), 50000)

    def test_delta_takes_its_time(self):
        started = time.monotonic()
        response = self.server.get("/debug/pprof/heap?seconds=1")
        self.assertEqual(response.status, 200)
        self.assertIn("heap-delta", response.getheader("Content-Disposition"))
        self.assertGreaterEqual(time.monotonic() - started, 1)


class Access(unittest.TestCase):
    def test_loopback_names(self):
        with Server() as server:
            for host in ("localhost", "LOCALHOST:1", "127.0.0.1", "127.8.8.8:80", "[::1]", "[::1]:99"):
                self.assertEqual(server.get("/debug/pprof/", headers={"Host": host}).status, 200, host)

    def test_dns_rebinding(self):
        with Server() as server:
            for host in ("evil.example", "localhost.evil.example", "10.0.0.1", "[::2]", "127.0.0.1.evil.example",
                         "[", "", ":80", "x" * 5000, "evil.example#localhost", "localhost@evil.example"):
                response = server.get("/debug/pprof/heap", headers={"Host": host})
                self.assertEqual(response.status, 403, host)

    def test_token(self):
        with Server("127.0.0.1:0", "open sesame") as server:
            def status(path="/debug/pprof/", **headers):
                return server.get(path, headers=headers).status
            self.assertEqual(status(), 401)
            self.assertEqual(status(Authorization="Bearer open sesame"), 200)
            self.assertEqual(status(Authorization="bearer open sesame"), 200)
            self.assertEqual(status("/debug/pprof/?token=open%20sesame"), 200)
            self.assertEqual(status("/debug/pprof/symbol?token=open%20sesame&0x401000"), 200)
            for wrong in ("", "open", "open sesame ", "open sesame!", "open sesamf", "x" * 3000):
                self.assertEqual(status(Authorization="Bearer " + wrong + "."), 401, wrong)
            for wrong in ("", "open", "pen+sesame", "open+sesame+", "%00"):
                self.assertEqual(status("/debug/pprof/heap?token=" + wrong), 401, wrong)
            self.assertEqual(status("/debug/pprof/?token"), 401)
            self.assertEqual(status(Authorization="Basic b3Blbg=="), 401)

    def test_other_addresses_need_a_token(self):
        refused = subprocess.run([FAKE_SERVER, "0.0.0.0:0"], capture_output=True, text=True, stdin=subprocess.DEVNULL)
        self.assertEqual(refused.returncode, 2)
        self.assertIn("--token", refused.stderr)
        with Server("0.0.0.0:0", "t") as server:
            self.assertEqual(server.get("/debug/pprof/").status, 401)
            headers = {"Authorization": "Bearer t", "Host": "myhost.example:80"}
            self.assertEqual(server.get("/debug/pprof/", headers=headers).status, 200)

    def test_addresses(self):
        for address in ("", ":", "nonsense", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:70000", "::1:80",
                        "[::1", "[::1:80", "127.0.0.1:-1", "x" * 300 + ":80", "no-such-host.invalid:80"):
            refused = subprocess.run([FAKE_SERVER, address], capture_output=True, text=True,
                                     stdin=subprocess.DEVNULL)
            self.assertEqual(refused.returncode, 2, address)
            self.assertEqual(refused.stderr.count("\n"), 1, refused.stderr)
        for address in (":0", "0", "localhost:0"):
            with Server(address) as server:
                try:
                    socket.getaddrinfo(server.host, None)
                except socket.gaierror:  # a bare machine has no /etc/hosts for the client's look-up
                    server.host = "127.0.0.1"
                self.assertEqual(server.get("/debug/pprof/").status, 200)

    def test_ipv6(self):
        try:
            socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        except OSError:
            self.skipTest("no IPv6 loopback here")
        with Server("[::1]:0") as server:
            self.assertEqual(server.get("/debug/pprof/").status, 200)

    def test_taken_port(self):
        with Server() as server:
            address = "127.0.0.1:" + server.port
            refused = subprocess.run([FAKE_SERVER, address], capture_output=True, text=True, stdin=subprocess.DEVNULL)
            self.assertEqual(refused.returncode, 2)
            self.assertIn(f"port {server.port} of 127.0.0.1 is in use", refused.stderr)


class Hostile(unittest.TestCase):
    def setUp(self):
        self.server = self.enterContext(Server())

    def assert_alive(self):
        self.assertEqual(self.server.get("/debug/pprof/cmdline").status, 200)
        self.assertIsNone(self.server.process.poll())

    def test_long_urls_and_headers(self):
        for size in (1000, 30000, 40000, 1000000):
            answer = self.server.raw(b"GET /debug/pprof/heap?x=" + b"a" * size + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.assertTrue(answer == b"" or answer.startswith(b"HTTP/1.1 "), answer[:100])
            self.server.raw(b"GET /debug/pprof/cmdline HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * size + b"\r\n\r\n")
        many = "&".join(f"p{i}=1" for i in range(3000))
        self.server.raw(f"GET /debug/pprof/cmdline?{many} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        self.assert_alive()

    def test_huge_body(self):
        body = b"POST /debug/pprof/symbol HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4000000\r\n\r\n" + b"0x401000+" * 400000
        answer = self.server.raw(body)
        self.assertTrue(answer == b"" or answer.startswith(b"HTTP/1.1 413"), answer[:100])
        self.server.raw(b"POST /debug/pprof/symbol HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999999\r\n\r\n")
        self.server.raw(b"POST /debug/pprof/symbol HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx")
        self.assert_alive()

    def test_pipelining(self):
        one = b"GET /debug/pprof/symbol?0x401000 HTTP/1.1\r\nHost: localhost\r\n\r\n"
        last = one.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        answer = self.server.raw(one * 20 + last)
        self.assertEqual(answer.count(b"HTTP/1.1 200 OK"), 21)
        self.assertEqual(answer.count(b"0x401000 cache_insert"), 21)

    def test_any_bytes(self):
        seed = random.randrange(1 << 32)
        print("seed", seed)
        source = random.Random(seed)
        valid = b"POST /debug/pprof/symbol?debug=1&seconds=2 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n0x401000+"
        for _ in range(150):
            data = bytearray(valid)
            for _ in range(source.randrange(1, 8)):
                data[source.randrange(len(data))] = source.choice(b"\0\r\n: %?&=/\xff1aH")
            self.server.raw(bytes(data[:source.randrange(len(data)) if source.random() < 0.2 else len(data)]))
        self.assert_alive()

    def test_paths(self):
        for path in ("/debug/pprof/../../etc/passwd", "/debug/pprof/%2e%2e/heap", "//debug/pprof/heap",
                     "/debug/pprof/%s%n", "/debug/pprof/heap%2f", "*", "http://evil.example/"):
            self.assertIn(self.server.get(path).status, (400, 403, 404), path)

    def test_a_delta_blocks_nobody(self):
        waiting = [self.server.connect() for _ in range(10)]
        for connection in waiting:
            connection.sendall(b"GET /debug/pprof/heap?seconds=60 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        started = time.monotonic()
        self.assert_alive()
        self.assertLess(time.monotonic() - started, 5)
        for connection in waiting:
            connection.close()

    def test_clients_that_left_free_their_place(self):
        for _ in range(3):
            for _ in range(32):
                with self.server.connect() as connection:
                    connection.sendall(b"GET /debug/pprof/heap?seconds=600 HTTP/1.1\r\nHost: localhost\r\n\r\n")
            time.sleep(0.2)
        self.assert_alive()

    def test_more_clients_than_places(self):
        """While all places are taken by silent clients, others are turned away; then all is well."""
        silent = [self.server.connect() for _ in range(32)]
        time.sleep(0.3)
        with self.assertRaises((ConnectionError, http.client.BadStatusLine)):
            self.server.get("/debug/pprof/cmdline")
        for connection in silent:
            connection.close()
        time.sleep(0.3)
        self.assert_alive()

    def test_silence_is_dropped(self):
        with self.server.connect() as connection:
            connection.sendall(b"GET /debug/pprof/ HTT")
            started = time.monotonic()
            self.assertIn(connection.recv(100)[:9], (b"", b"HTTP/1.1 "))
            self.assertLess(time.monotonic() - started, 15)


class End(unittest.TestCase):
    def test_waiting_deltas_are_answered(self):
        with Server() as server:
            connection = server.connect()
            connection.sendall(b"GET /debug/pprof/heap?seconds=600 HTTP/1.1\r\nHost: localhost\r\n\r\n")
            time.sleep(0.3)
        self.assertEqual(server.status, 0)
        self.assertLess(server.stop_seconds, 5)
        self.assertTrue(connection.recv(65536).startswith(b"HTTP/1.1 200"))
        connection.close()

    def test_idle_connections_do_not_hold_it(self):
        with Server() as server:
            idle = [server.connect() for _ in range(5)]
            self.assertEqual(server.get("/debug/pprof/").status, 200)
        self.assertEqual(server.status, 0)
        self.assertLess(server.stop_seconds, 5)
        for connection in idle:
            connection.close()


if __name__ == "__main__":
    unittest.main(verbosity=2)
