"""The commands that look at profiles as a user meets them: help, errors, pipes, files.

    commands.py EBB GENERATE
"""

import gzip
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import xml.dom.minidom

from tap import Skip, check, main, output, run

EBB, GENERATE = map(os.path.abspath, sys.argv[1:])
SCRATCH = tempfile.TemporaryDirectory(prefix="ebb-commands-")
DIRECTORY = pathlib.Path(SCRATCH.name)
BEFORE, AFTER = DIRECTORY / "before.pb.gz", DIRECTORY / "after.pb.gz"
COMMANDS = ["top", "tree", "peek", "list", "diff", "flame"]


def refused(*arguments, says="", **options):
    """Status 2, one line on stderr that begins with the command's name, nothing on stdout."""
    options.setdefault("stdin", subprocess.DEVNULL)
    result = run([EBB, *arguments], cwd=DIRECTORY, **options)
    line = result.stderr.decode()
    check(result.returncode == 2, f"{arguments}: status {result.returncode}")
    check(line.count("\n") == 1 and line.startswith(f"ebb {arguments[0]}: "), f"says {line!r}")
    check(says in line, f"{arguments}: no {says!r} in {line!r}")
    check(not result.stdout, f"{arguments}: prints {result.stdout[:80]!r}")


def help_texts():
    for command in COMMANDS:
        text = output([EBB, command, "--help"])
        check("Examples" in text and f"ebb {command} " in text, f"{command}: {text}")
        check(max(map(len, text.splitlines())) <= 100, f"{command}: lines too long")
        check(output([EBB, command, "-h"]) == text, "-h says something else")


def errors():
    for command in ["top", "tree", "flame"]:
        refused(command, says="--help")
        refused(command, "no-such-file.pb.gz", says="no-such-file.pb.gz")
        refused(command, "--wrong", BEFORE, says="--wrong")
        refused(command, "--focus", "(", BEFORE, says="--focus")
        refused(command, "--sample", "wrong", BEFORE, says="inuse_space")
        refused(command, "--focus", says="needs a value")
        refused(command, "--base", "no-such-base", BEFORE, says="no-such-base")
        refused(command, "999999999", says="999999999")
        refused(command, "/dev/null")
        refused(command, "-")
    for command in ["peek", "list"]:
        refused(command)
        refused(command, "main")
        refused(command, "[", BEFORE)
        refused(command, "no such function", BEFORE, says="no such function")
    refused("top", "-n", "0", BEFORE, says="1 or more")
    refused("top", "-n", "many", BEFORE)
    refused("top", "--min-percent", "101", BEFORE)
    refused("top", "--inverted", BEFORE, says="--inverted")
    refused("diff", BEFORE, says="BEFORE AFTER")
    refused("diff", BEFORE, AFTER, AFTER)
    refused("flame", "-o", DIRECTORY / "none" / "x.html", BEFORE, says="none/x.html")
    refused("top", "-o", DIRECTORY / "none" / "x.pb.gz", BEFORE, says="none/x.pb.gz")


def full_disk():
    with open("/dev/full", "wb") as full:
        for arguments in [["top"], ["tree"], ["flame"], ["top", "--folded"], ["tree", "--json"]]:
            result = subprocess.run([EBB, *arguments, BEFORE], stdout=full, stderr=subprocess.PIPE,
                                    check=False)
            check(result.returncode == 2, f"{arguments}: status {result.returncode}")
            check(b"stdout" in result.stderr, f"{arguments}: {result.stderr}")


def pipes():
    for arguments in [["top", "--min-percent", "0"], ["peek", "."], ["tree", "--min-percent", "0"],
                      ["top", "--folded"], ["flame"]]:
        command = [EBB, *arguments, BEFORE]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            process.stdout.read(10)
            process.stdout.close()
            complaint = process.stderr.read()
            status = process.wait(timeout=60)
        check(not complaint, f"{arguments}: {complaint}")
        check(status in (0, -signal.SIGPIPE), f"{arguments}: status {status}")


def standard_input():
    expected = output([EBB, "top", BEFORE])
    data = BEFORE.read_bytes()
    for piped in [data, gzip.decompress(data)]:
        result = run([EBB, "top", "-"], input=piped)
        check(result.stdout.decode() == expected, "another answer from a pipe")
    result = run([EBB, "diff", "-", AFTER], input=data)
    check(result.stdout.decode() == output([EBB, "diff", BEFORE, AFTER]), "diff from a pipe")


def saved_files():
    saved = DIRECTORY / "sum.pb.gz"
    output([EBB, "top", "-o", saved, BEFORE, AFTER])
    check(output([EBB, "top", saved]) == output([EBB, "top", BEFORE, AFTER]), "the sum differs")
    output([EBB, "diff", "-o", saved, BEFORE, AFTER])
    check(output([EBB, "top", saved]) == output([EBB, "top", "--base", BEFORE, AFTER]),
          "the difference differs")


def trees():
    """The same numbers in `tree`, `top` and the collapsed stacks, whichever way round."""
    tree = json.loads(output([EBB, "tree", "--json", "--min-percent", "0", BEFORE]))
    turned = json.loads(output([EBB, "tree", "--json", "--inverted", "--min-percent", "0", BEFORE]))
    top = json.loads(output([EBB, "top", "--json", "--min-percent", "0", BEFORE]))
    flat = {node["function"]: node["flat"] for node in top["nodes"] if node["flat"]}
    check({call["function"]: call["total"] for call in turned["root"]["calls"]} == flat,
          "the leaves of the inverted tree are not what top calls flat")
    folded = sum(int(line.rsplit(" ", 1)[1])
                 for line in output([EBB, "top", "--folded", BEFORE]).splitlines())
    check(tree["root"]["total"] == turned["root"]["total"] == folded, "the totals differ")
    text = output([EBB, "tree", BEFORE])
    check("100%" in text and "├─" in text and "smaller)" in text, text[:400])
    compared = json.loads(output([EBB, "diff", "--tree", "--json", BEFORE, AFTER]))["root"]
    same = json.loads(output([EBB, "tree", "--json", "--base", BEFORE, AFTER]))["root"]
    check(compared == same, "diff --tree is not tree --base")
    check(compared["total_before"] == folded, "another total before")


def differences():
    rows = json.loads(output([EBB, "diff", "--json", "--min-percent", "0", BEFORE, AFTER]))["nodes"]
    check(rows, "nothing changed")
    for row in rows:
        check(row["flat"] == row["flat_now"] - row["flat_before"], f"{row}")
        check(row["cum"] == row["cum_now"] - row["cum_before"], f"{row}")
    none = json.loads(output([EBB, "diff", "--json", BEFORE, BEFORE]))
    check(none["nodes"] == [] and none["shown"] == 0, "a profile differs from itself")
    check("+" in output([EBB, "diff", BEFORE, AFTER]), "nothing grew")


def sources():
    """list finds a source by the end of its path, and says so when there is none."""
    text = output([EBB, "list", "Method0$", BEFORE])
    path = re.search(r"ROUTINE =+ \S+ in (\S+)", text)[1]
    check("--source-path" in text, f"does not say what to do: {text}")
    copy = DIRECTORY / "sources" / pathlib.Path(path).name
    copy.parent.mkdir()
    copy.write_text("".join(f"line {n}\t\x1b[31m\n" for n in range(1, 9000)), encoding="utf-8")
    text = output([EBB, "list", "--source-path", copy.parent, "Method0$", BEFORE])
    check(re.search(r" \d+:line \d+\t\\x1b\[31m\n", text), text[:600])


def images():
    for options in [[], ["--inverted"], ["--base", BEFORE]]:
        image = output([EBB, "flame", "--svg", *options, AFTER])
        document = xml.dom.minidom.parseString(image)
        check(len(document.getElementsByTagName("rect")) > 20, "hardly any frames")
        check("everything" in image, "no root")
    check(output([EBB, "flame", AFTER]).startswith("<!DOCTYPE html>"), "no page on a pipe")


def flame_files():
    """A page replaces the old one whole, with the permissions that new files get."""
    page = DIRECTORY / "page.html"
    page.write_text("old", encoding="utf-8")
    umask = os.umask(0o027)
    try:
        output([EBB, "flame", "-o", page, BEFORE])
    finally:
        os.umask(umask)
    check(page.stat().st_mode & 0o777 == 0o640, oct(page.stat().st_mode))
    check(page.read_text(encoding="utf-8").rstrip().endswith("</html>"), "cut off")
    left = [entry.name for entry in DIRECTORY.iterdir() if entry.name.startswith("page.html.")]
    check(not left, f"left behind: {left}")


def browser():
    """The page in a real browser: what its script works out is what we know to be true."""
    chromium = next(filter(None, map(shutil.which, ["chromium", "chromium-browser",
                                                    "google-chrome"])), None)
    if not chromium:
        raise Skip("there is no chromium")
    page = DIRECTORY / "shown.html"
    output([EBB, "flame", "-o", page, BEFORE])

    def dom(fragment):
        command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
                   "--disable-background-networking", "--enable-logging=stderr", "--v=0",
                   f"--user-data-dir={DIRECTORY / 'browser'}", "--dump-dom",
                   f"file://{page}{fragment}"]
        result = run(command, timeout=120)
        if result.returncode:
            raise Skip("chromium does not run here: " + result.stderr.decode()[-200:])
        complaints = [line for line in result.stderr.decode().splitlines() if "CONSOLE" in line]
        check(not complaints, f"the page's script: {complaints}")
        return result.stdout.decode()

    def element(text, name):
        return re.search(rf'id="{name}"[^>]*>([^<]*)<', text)[1]

    text = dom("")
    check(element(text, "title").startswith("inuse_space"), "no title")
    check("in all" in element(text, "facts"), "no total")
    check(element(text, "found") == "", "found without searching")
    text = dom("#q=method0$")
    check(re.match(r"^100% · .* · \d+ frames?$", element(text, "found")), element(text, "found"))
    check(element(dom("#q=no.such.function"), "found") == "no match", "found nothing there is")
    check("not a valid" in element(dom("#q=("), "found"), "took a broken pattern")
    text = dom("#zoom=5&inverted=1")
    check('aria-pressed="true"' in text, "not inverted")
    check("everything</button>" in text, "no way back")
    output([EBB, "diff", "--flame", page, BEFORE, AFTER])
    text = dom("")
    check("before" in element(text, "facts") and element(text, "most").startswith("+"), "no legend")


def process_ids():
    """All digits name a process, even where a file is named so; ./ makes it a file."""
    shutil.copy(BEFORE, DIRECTORY / "999999999")
    refused("top", "999999999")
    check(output([EBB, "top", "./999999999"], cwd=DIRECTORY) == output([EBB, "top", BEFORE]),
          "not the file")


output([GENERATE, BEFORE, "3000", "1"])
output([GENERATE, AFTER, "3500", "1"])
main([("help", help_texts), ("errors", errors), ("full disk", full_disk), ("pipes", pipes),
      ("standard input", standard_input), ("saved files", saved_files), ("trees", trees),
      ("differences", differences), ("sources", sources), ("images", images),
      ("flame files", flame_files), ("process ids", process_ids), ("in a browser", browser)])
