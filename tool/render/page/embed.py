"""Writes text files as C string constants: embed.py OUTPUT NAME=FILE..."""
import sys


def literal(line):
    escaped = line.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return '    "' + escaped.replace("??", "?\\?") + '"\n'  # no trigraphs


output, *pairs = sys.argv[1:]
with open(output, "w", encoding="utf-8") as header:
    header.write("/* Made at build time. */\n")
    for pair in pairs:
        name, path = pair.split("=", 1)
        header.write(f"static const char {name}[] =\n")
        with open(path, encoding="utf-8") as text:
            header.writelines(map(literal, text))
        header.write('    "";\n')
