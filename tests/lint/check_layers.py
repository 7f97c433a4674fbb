#!/usr/bin/env python3
"""Layers and sizes: includes of ours point down only, and files and functions stay small.

A file may include its own directory and every layer in a row below its own. Layers in one row are
siblings, blind to each other. This table is the rule; docs/architecture.md explains it.
"""
import pathlib
import re
import sys

import tree

ROWS = [  # bottom to top
    ("detent",),  # include/detent
    ("base",),
    ("timebase", "waitq"),
    ("emu/arch", "emu/trace"),
    ("emu/mem",),
    ("emu/task",),
    ("emu/sched",),
    ("emu/fd", "emu/signal", "emu/loader", "emu/vdso"),
    ("emu/process",),
    ("emu/kernel",),  # and files directly in src/emu/
    ("syscalls",),
    ("explore", "bench"),
    ("cli",),
    ("root",),  # files directly in src/: the composition root
]
HEIGHT = {layer: row for row, layers in enumerate(ROWS) for layer in layers}
# Includes of ours that exist only after a build, with the layer they belong to.
GENERATED = {}

FILE_MAX, FILE_WARN, FUNCTION_MAX, WIDTH_MAX = 600, 400, 80, 110
SOURCES = {".cc", ".h", ".c", ".S"}
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(["<])([^">\n]+)[">]', re.M)


def layer_of(path):
    """The layer that a file of ours belongs to; None where no row names its directory."""
    parts = path.parts
    if parts[0] == "include":
        return "detent" if parts[1:2] == ("detent",) and len(parts) > 2 else None
    if len(parts) == 2:
        return "root"
    name = parts[1]
    if name == "emu":
        name = "emu/kernel" if len(parts) == 3 else f"emu/{parts[2]}"
    return name if name in HEIGHT else None


def target_of(root, name):
    """The file of ours that `#include name` means, seen from src/ or include/; None if it is not ours."""
    for base in ("src", "include"):
        if (root / base / name).is_file():
            return pathlib.Path(base) / name
    return None


def check_includes(root, path, text):
    layer = layer_of(path)
    if layer is None:
        yield f"{path}:1: no layer is known for this directory: add it to ROWS in check_layers.py"
        return
    code = tree.strip(text, keep_strings=True)
    for match in INCLUDE.finditer(code):
        where, quote, name = f"{path}:{tree.line_of(code, match.start())}", match[1], match[2]
        target = target_of(root, name)
        if target is None and name not in GENERATED:
            if quote == '"':
                yield f'{where}: "{name}" is not a path from src/ or include/'
            continue
        if quote == "<":
            yield f'{where}: ours is included in quotes: "{name}"'
        other = GENERATED.get(name) or layer_of(target)
        if other is None or other == layer:
            continue
        if HEIGHT[other] > HEIGHT[layer]:
            yield f'{where}: {layer} must not include "{name}": {other} is a layer above'
        elif HEIGHT[other] == HEIGHT[layer]:
            yield f'{where}: {layer} must not include "{name}": the two are siblings'


QUALIFIED_END = re.compile(r"\)[\s\w&:]*$")
TYPE_WORD = re.compile(r"\b(namespace|class|struct|union|enum|extern|concept)\b")


def without_nesting(head, opening, closing):
    """`head` with everything between the (outermost) brackets removed, the brackets kept."""
    result, depth = [], 0
    for char in head:
        if char == closing:
            depth = max(0, depth - 1)
        if depth == 0:
            result.append(char)
        if char == opening:
            depth += 1
    return "".join(result)


def opens_function(head):
    """Does a brace after `head` (the text since the last statement) open a function's body?"""
    head = head.strip()
    if not head:
        return True  # at this level only the body behind a braced member initialiser: `: a_{1} {`
    head = re.sub(r"\btemplate\s*<.*?>\s*(?=[\w\[:~])", "", head, flags=re.S)
    head = re.sub(r"\boperator\s*(\(\)|[^\s\w(]+)", "operator_", head)
    head = without_nesting(head, "(", ")")
    if TYPE_WORD.search(head) and not QUALIFIED_END.search(head):
        return False
    if "=" in head:
        return "](" in head  # a lambda at namespace scope, else an initialiser
    return "(" in head


def function_spans(text):
    """(first line, last line) of each outermost function body, by a scan of braces."""
    code = tree.strip(text)
    code = re.sub(r"^[ \t]*#(?:\\\n|[^\n])*", lambda m: re.sub(r"[^\n]", " ", m[0]), code, flags=re.M)
    code = re.sub(r"\b(public|private|protected)\s*:", lambda m: " " * len(m[0]), code)
    stack, head_start = [], 0
    for match in re.finditer(r"[{};]", code):
        if match[0] == "{":
            inside = any(is_function for is_function, _ in stack)
            is_function = not inside and opens_function(code[head_start : match.start()])
            stack.append((is_function, match.start()))
        elif match[0] == "}" and stack:
            is_function, start = stack.pop()
            if is_function:
                yield tree.line_of(code, start), tree.line_of(code, match.start())
        head_start = match.end()


def check_sizes(path, text):
    """(errors, warnings) of one file."""
    errors, warnings = [], []
    lines = text.splitlines()
    if len(lines) > FILE_MAX:
        errors.append(f"{path}:{FILE_MAX + 1}: {len(lines)} lines; the most is {FILE_MAX}: split it")
    elif len(lines) > FILE_WARN:
        warnings.append(f"{path}:{FILE_WARN + 1}: {len(lines)} lines; aim for {FILE_WARN} at most")
    for number, line in enumerate(lines, 1):
        if len(line) > WIDTH_MAX:
            errors.append(f"{path}:{number}: {len(line)} columns; the most is {WIDTH_MAX}")
    if path.suffix != ".S":
        for first, last in function_spans(text):
            if last - first + 1 > FUNCTION_MAX:
                errors.append(
                    f"{path}:{first}: function of {last - first + 1} lines; the most is {FUNCTION_MAX}")
    return errors, warnings


def main():
    root = tree.root_argument()
    errors, warnings = [], []
    for path in tree.files(root, SOURCES, under=("src", "include")):
        text = tree.read(root, path)
        errors += check_includes(root, path, text)
        more_errors, more_warnings = check_sizes(path, text)
        errors += more_errors
        warnings += more_warnings
    return tree.report("check_layers", errors, warnings)


if __name__ == "__main__":
    sys.exit(main())
