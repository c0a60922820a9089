#!/usr/bin/env python3
"""libebb as a stranger meets it: what the shared library exports, and public headers that every
compiler takes at its strictest, alone and together, in C and in C++.

    library.py LIBRARY INCLUDE_DIR PROGRAM.cc
"""
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "render"))
from tap import Skip, check, main, output  # noqa: E402

LIBRARY, INCLUDE, PROGRAM = sys.argv[1:4]
STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Werror", "-I", INCLUDE]


def need(command):
    if not shutil.which(command):
        raise Skip(f"{command} is not installed")


def exported():
    """Names and versions that the dynamic linker sees."""
    need("nm")
    lines = output(["nm", "-D", "--defined-only", LIBRARY]).splitlines()
    return [line.split()[-1].split("@")[0] for line in lines]


def only_ebb_names():
    names = exported()
    check(len(names) > 30, f"only {len(names)} names are exported")
    foreign = [name for name in names if not name.startswith("ebb_")]
    check(not foreign, f"exported besides ebb_ names: {' '.join(foreign)}")


def nothing_internal():
    """Names that no public header mentions are nobody's business."""
    text = ""
    for folder, _, files in os.walk(INCLUDE):
        for name in files:
            with open(os.path.join(folder, name), encoding="utf-8") as header:
                text += header.read()
    hidden = [name for name in exported() if name not in text]
    check(not hidden, f"exported, but in no public header: {' '.join(hidden)}")


def soname_has_a_version():
    need("readelf")
    dynamic = output(["readelf", "-d", LIBRARY])
    check("soname: [libebb.so.0]" in dynamic, dynamic)


def headers_stand_alone(compiler, standard, suffix):
    def case():
        need(compiler)
        with tempfile.TemporaryDirectory() as folder:
            for name in sorted(os.listdir(os.path.join(INCLUDE, "ebb"))):
                if not name.endswith(".h"):
                    continue
                source = os.path.join(folder, "one" + suffix)
                with open(source, "w", encoding="utf-8") as file:
                    file.write(f"#include <ebb/{name}>\n#include <ebb/{name}>\nint main(void) {{ return 0; }}\n")
                result = subprocess.run([compiler, f"-std={standard}", *STRICT, "-fsyntax-only", source],
                                        stderr=subprocess.PIPE, check=False)
                check(result.returncode == 0, f"{name}: {result.stderr.decode()}")
    return case


def program_runs(compiler, standard):
    def case():
        need(compiler)
        with tempfile.TemporaryDirectory() as folder:
            program = os.path.join(folder, "program")
            output([compiler, f"-std={standard}", "-O1", *STRICT, PROGRAM, "-o", program, LIBRARY,
                    f"-Wl,-rpath,{os.path.dirname(os.path.abspath(LIBRARY))}"])
            result = subprocess.run([program], stderr=subprocess.PIPE, check=False, timeout=60)
            check(result.returncode == 0,
                  f"check number {result.returncode} failed {result.stderr.decode()}")
    return case


def without_macros():
    """Including everything must not take short names from the program."""
    need("cc")
    with tempfile.TemporaryDirectory() as folder:
        source = os.path.join(folder, "all.c")
        headers = sorted(name for name in os.listdir(os.path.join(INCLUDE, "ebb")) if name.endswith(".h"))
        with open(source, "w", encoding="utf-8") as file:
            file.writelines(f"#include <ebb/{name}>\n" for name in headers)
            file.write("#define EBB_MAP_NAME m\n#define EBB_MAP_KEY int\n#define EBB_MAP_VALUE int\n"
                       "#include <ebb/map.h>\n")
            file.write("#define EBB_NESTED_NAME n\n#define EBB_NESTED_OUTER_KEY int\n"
                       "#define EBB_NESTED_INNER_KEY int\n#define EBB_NESTED_VALUE int\n"
                       "#include <ebb/nested_map.h>\n")
        macros = output(["cc", "-dM", "-E", "-I", INCLUDE, source])
    system = output(["cc", "-dM", "-E", "-x", "c", "-include", "stdlib.h", "-include", "string.h",
                     "-include", "errno.h", "-include", "stdbool.h", "-include", "stdint.h",
                     "-include", "stddef.h", "-include", "emmintrin.h" if "__SSE2__" in macros
                     else "stdint.h", "/dev/null"])
    known = {line.split()[1].split("(")[0] for line in system.splitlines()}
    ours = {line.split()[1].split("(")[0] for line in macros.splitlines()} - known
    foreign = sorted(name for name in ours if not name.upper().startswith("EBB_")
                     and not name.startswith(("_", "vst", "vld")))
    check(not foreign, f"macros left behind: {' '.join(foreign)}")


CASES = [("only_ebb_names", only_ebb_names), ("nothing_internal", nothing_internal),
         ("soname_has_a_version", soname_has_a_version), ("macros_are_prefixed", without_macros)]
for compiler_, standard_, suffix_ in (("gcc", "c11", ".c"), ("clang", "c11", ".c"), ("gcc", "gnu17", ".c"),
                                      ("clang", "gnu17", ".c"), ("g++", "c++11", ".cc"),
                                      ("clang++", "c++11", ".cc")):
    CASES.append((f"headers_alone_{compiler_}_{standard_}",
                  headers_stand_alone(compiler_, standard_, suffix_)))
for compiler_ in ("g++", "clang++"):
    for standard_ in ("c++11", "c++20"):
        CASES.append((f"program_{compiler_}_{standard_}", program_runs(compiler_, standard_)))

if __name__ == "__main__":
    main(CASES)
