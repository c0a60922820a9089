"""The doctor on servers under load."""

import os
import shutil
import subprocess

from cases_growth import check_found, check_healthy
from harness import case


def exported_functions(path):
    """Names of the functions a program exports, as the dynamic linker sees them."""
    listing = subprocess.run(["nm", "-D", "--defined-only", path], capture_output=True, text=True)
    return {line.split()[2].split("@")[0] for line in listing.stdout.splitlines()
            if len(line.split()) == 3 and line.split()[1] in "tTiW"}


def redis(bench, keys, seconds):
    """The doctor on redis-server while redis-benchmark sets `keys` different keys."""
    bench.need("redis-server", "redis-benchmark")
    port = bench.free_port()
    process = bench.start_doctor("--", "redis-server", "--port", port, "--save", "", "--bind",
                                 "127.0.0.1", "--dir", bench.directory, seconds=seconds,
                                 options=bench.finer())
    bench.wait_for_port(port)
    bench.start(["redis-benchmark", "-p", str(port), "-t", "set", "-r", str(keys), "-n",
                 "100000000", "-c", "8", "-q"])
    return bench.finish(process, seconds + 60)


@case(heavy=True)
def redis_growing(bench):
    """redis-server under SETs of ever new keys: a map that only grows, in Redis's own code"""
    result = redis(bench, 100000000, bench.window(12))
    check_found(bench, result, "unbounded-map")
    function = result.verdicts[0]["site"]["function"]
    program = os.path.realpath(shutil.which("redis-server"))
    if not shutil.which("nm"):
        bench.skip("nm is not installed, so Redis's functions are not known")
    bench.check(function in exported_functions(program) or
                result.verdicts[0]["site"]["file"].endswith((".c", ".h")),
                lambda: f"{function} is no function of Redis\n{result.brief()}")


@case(heavy=True)
def redis_steady(bench):
    """redis-server under SETs of a thousand keys: healthy"""
    check_healthy(bench, redis(bench, 1000, bench.window(12)))


@case(heavy=True)
def nginx_steady(bench):
    """nginx under wrk: healthy"""
    bench.need("nginx", "wrk")
    port = bench.free_port()
    folder = bench.directory
    (folder / "index.html").write_text("hello " * 200)
    os.chmod(folder, 0o755)
    (folder / "nginx.conf").write_text(f"""
        daemon off; master_process on; worker_processes 1; pid {folder}/nginx.pid;
        {'user root;' if os.getuid() == 0 else ''}
        error_log {folder}/error.log;
        events {{ worker_connections 512; }}
        http {{
            access_log off;
            client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
            fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi;
            scgi_temp_path {folder}/scgi;
            server {{ listen 127.0.0.1:{port}; root {folder}; }}
        }}""")
    seconds = bench.window(12)
    process = bench.start_doctor("--", "nginx", "-p", folder, "-c", folder / "nginx.conf",
                                 "-e", folder / "error.log", seconds=seconds)
    bench.wait_for_port(port)
    bench.start(["wrk", "-t1", "-c32", f"-d{seconds + 30}s", f"http://127.0.0.1:{port}/"])
    check_healthy(bench, bench.finish(process, seconds + 60))


@case(heavy=True)
def memcached_full(bench):
    """memcached that fills up to its limit and then churns: healthy"""
    bench.need("memcached", "python3")
    port = bench.free_port()
    seconds = bench.window(15)
    user = ["-u", "root"] if os.getuid() == 0 else []
    process = bench.start_doctor("--", "memcached", "-l", "127.0.0.1", "-p", port, "-U", "0", "-m",
                                 "32", "-t", "2", *user, seconds=seconds)
    bench.wait_for_port(port)
    bench.start(["python3", "-c", FILL, str(port)])
    check_healthy(bench, bench.finish(process, seconds + 60))


# 50 MB of values per second or so, so that the 32 MB are full in the window's first second or two.
FILL = """
import socket, sys
link = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
value = b"v" * 1000
number = 0
while True:
    lines = []
    for _ in range(200):
        number += 1
        lines.append(b"set key-%d 0 0 1000 noreply\\r\\n%s\\r\\n" % (number, value))
    link.sendall(b"".join(lines))
"""
