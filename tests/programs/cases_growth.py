"""The doctor on small programs that use memory in one known way."""

from harness import HERE, case


def find(result, *patterns):
    """The first verdict when it is of one of the patterns."""
    first = result.verdicts[0] if result.verdicts else None
    return first if first and first["pattern"] in patterns else None


def check_found(bench, result, pattern, function=None, file=None, container=None):
    """Something was found, and the first verdict is the right one at the right place."""
    verdict = find(result, pattern)
    bench.check(result.status == 1, lambda: f"expected status 1\n{result.brief()}")
    bench.check(verdict, lambda: f"expected {pattern} first\n{result.brief()}")
    site = verdict["site"]
    if function:
        bench.check(function in site["function"],
                    lambda: f"expected the site in {function}\n{result.brief()}")
    if file:
        bench.check(site["file"].endswith(file) and site["line"] > 0,
                    lambda: f"expected the site in {file}\n{result.brief()}")
    if container:
        bench.check(container in (verdict["container"] or ""),
                    lambda: f"expected the container {container}\n{result.brief()}")
    bench.check(verdict["advice"] and verdict["evidence"],
                lambda: f"expected evidence and advice\n{result.brief()}")


def check_growth(bench, result, low, high):
    growth = result.verdicts[0]["growth_bytes_per_s"]
    bench.check(low <= growth <= high,
                lambda: f"expected growth of {low:.0f} to {high:.0f} B/s\n{result.brief()}")


def check_healthy(bench, result):
    bench.check(result.report, lambda: f"expected a report\n{result.brief()}")
    bench.check(result.status == 0 and result.report["healthy"] and not result.verdicts,
                lambda: f"expected healthy\n{result.brief()}")


# With a sample every 512 KiB a window of 10 s at this rate makes some 400 of them: enough for figures
# within a quarter.
RATE = 20e6


def growth(bench, kind, rate=RATE, short=10, options=()):
    program = bench.compile("growth.cc")
    return bench.doctor("--", program, kind, f"{rate:.0f}", seconds=bench.window(short),
                        options=options)


@case()
def cxx_unordered_map(bench):
    """std::unordered_map<std::string, std::string> that only grows"""
    result = growth(bench, "unordered_map")
    check_found(bench, result, "unbounded-map", "remember", "growth.cc", "unordered_map")
    check_growth(bench, result, 14e6, 32e6)


@case()
def cxx_map(bench):
    """std::map that only grows"""
    result = growth(bench, "map")
    check_found(bench, result, "unbounded-map", "remember_ordered", "growth.cc", "std::map")


@case()
def cxx_nested_map(bench):
    """std::unordered_map of std::unordered_map, the inner ones only grow"""
    result = growth(bench, "nested")
    check_found(bench, result, "unbounded-nested-map", "remember_tenant", "growth.cc")


@case()
def cxx_vector(bench):
    """std::vector that only grows"""
    result = growth(bench, "vector")
    check_found(bench, result, "growing-slice", "append", "growth.cc", "vector")


@case()
def cxx_lost_pointer(bench):
    """A pointer that is overwritten: a leak without a container"""
    result = growth(bench, "lost")
    check_found(bench, result, "leak", "lose", "growth.cc")
    check_growth(bench, result, 15e6, 25e6)


@case()
def cxx_slow_leak(bench):
    """200 KB/s in a window of 30 s is found as promised; in a short one it is not called healthy
    with confidence"""
    result = growth(bench, "lost", rate=2e5, short=8)
    if bench.long:
        check_found(bench, result, "leak", "lose", "growth.cc")
    else:
        bench.check(result.status == 1 or not result.report["confident"],
                    lambda: f"expected it found or no confidence\n{result.brief()}")


@case()
def cxx_churn(bench):
    """Blocks replaced at random: healthy"""
    check_healthy(bench, growth(bench, "churn"))


@case()
def cxx_saw(bench):
    """A cache filled and dropped whole, again and again: healthy"""
    check_healthy(bench, growth(bench, "saw"))


@case()
def cxx_warm_up(bench):
    """A cache that is full after two seconds: healthy"""
    check_healthy(bench, growth(bench, "warm_up", rate=4e6, short=12))


@case()
def cxx_queue(bench):
    """A queue worked off as fast as it fills: healthy"""
    check_healthy(bench, growth(bench, "queue"))


@case()
def every_block(bench):
    """--sample 1 records every block and finds the same"""
    result = growth(bench, "unordered_map", rate=1e6, short=8, options=("--sample", "1"))
    check_found(bench, result, "unbounded-map", "remember", "growth.cc")
    check_growth(bench, result, 4e5, 2e6)


@case()
def glib_hash_table(bench):
    """GHashTable that only grows"""
    program = bench.compile("glib_map.c", *bench.pkg_config("glib-2.0"))
    result = bench.doctor("--", program, "10000000", seconds=bench.window())
    check_found(bench, result, "unbounded-map", "add_route", "glib_map.c", "GHashTable")


@case()
def glib_hash_table_jump(bench):
    """The same with an insert that the compiler made a jump: the values' site names it"""
    program = bench.compile("glib_map.c", *bench.pkg_config("glib-2.0"))
    result = bench.doctor("--", program, "10000000", "tail", seconds=bench.window())
    check_found(bench, result, "unbounded-map", "add_route_last", "glib_map.c", "GHashTable")


@case()
def uthash(bench):
    """A uthash table that only grows"""
    if not bench.has_header("uthash.h"):
        bench.skip("uthash.h is not installed")
    program = bench.compile("uthash_map.c")
    result = bench.doctor("--", program, "10000000", seconds=bench.window())
    check_found(bench, result, "unbounded-map", "add_user", "uthash_map.c")


@case()
def python_dict(bench):
    """A CPython dict that only grows"""
    bench.need("python3")
    result = bench.doctor("--", "python3", HERE / "sources/dict.py", "grow",
                          seconds=bench.window(12))
    check_found(bench, result, "unbounded-map")


@case()
def python_dict_bounded(bench):
    """The same dict kept at a thousand entries: healthy"""
    bench.need("python3")
    result = bench.doctor("--", "python3", HERE / "sources/dict.py", "bound",
                          seconds=bench.window(12))
    check_healthy(bench, result)


@case()
def config_service(bench):
    """The example: its two-level cache, leaking"""
    result = bench.doctor("--", bench.example("config-service"), "leaky",
                          seconds=bench.window(10), options=bench.finer())
    check_found(bench, result, "unbounded-nested-map", "", "config-service.c")
    check_growth(bench, result, 3e6, 30e6)
    bench.check(result.report["forecast"]["seconds"],
                lambda: f"expected a forecast: {result.report['forecast']}\n{result.brief()}")


@case()
def config_service_bounded(bench):
    """The example: its two-level cache, bounded: healthy"""
    check_healthy(bench, bench.doctor("--", bench.example("config-service"), "bounded",
                                      seconds=bench.window(12)))


@case()
def config_service_ebb(bench):
    """The example: its two-level cache, on ebb/nested_map.h: healthy"""
    check_healthy(bench, bench.doctor("--", bench.example("config-service"), "ebb",
                                      seconds=bench.window(12)))
