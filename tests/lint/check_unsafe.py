#!/usr/bin/env python3
"""Danger has a file name: what the compiler cannot check stays in src/emu/arch/ and in *_unsafe.* files.

A reader who hunts a corrupted register or a wild pointer then has few files to read. The last row is a
guess, since types are not known here: a cast to a pointer counts as made from an integer if what is cast
looks like an address or is declared as an integer in the same file.
"""
import re
import sys

import tree

SOURCES = {".cc", ".h", ".c", ".S"}
RULES = [
    ("inline assembly", re.compile(r"\b(asm|__asm|__asm__)\b\s*(volatile|__volatile__|goto|inline|\s)*\(")),
    ("ucontext", re.compile(r"\bucontext(_t)?\b|\bmcontext_t\b|\buc_mcontext\b")),
    ("processor intrinsics", re.compile(
        r"\b__builtin_ia32_\w+|\b__rdtscp?\b|\b_(?:rd|wr)(?:fs|gs)base|\b_x(?:save|rstor)\w*"
        r"|\b(?:x86|imm|x86gpr)intrin\.h\b")),
]
CAST = re.compile(r"\breinterpret_cast<[^<>;]*(?:<[^<>;]*>[^<>;]*)?\*\s*(?:const)?\s*>\s*\(")
INTEGER = r"(?:std::)?u?int(?:8|16|32|64|ptr)_t|(?:std::)?size_t|(?:unsigned )?long(?: long)?|greg_t"
DECLARED = re.compile(rf"\b(?:{INTEGER})\s+(?:const\s+)?(\w+)\s*(?=[=;,){{])")
LOOKS_LIKE_ADDRESS = re.compile(r"\b0x|\b\d{3,}|\.address\(\)|\b(addr|address|base|rip|rsp|uintptr_t)\b")


def may_be_unsafe(path):
    return path.parts[:3] == ("src", "emu", "arch") or path.stem.endswith("_unsafe")


def operand(code, start):
    """The text up to the parenthesis that closes the one before `start`."""
    depth = 1
    for index in range(start, len(code)):
        depth += {"(": 1, ")": -1}.get(code[index], 0)
        if depth == 0:
            return code[start:index]
    return code[start:]


def casts_from_integer(code):
    integers = set(DECLARED.findall(code))
    for match in CAST.finditer(code):
        what = operand(code, match.end())
        if what.lstrip().startswith("&"):
            continue
        words = set(re.findall(r"(?<![\w.>])\w+(?![\w(])", what))
        if words & integers or LOOKS_LIKE_ADDRESS.search(what):
            yield match.start()


def check(path, text):
    if may_be_unsafe(path):
        return
    if path.suffix == ".S":
        yield f"{path}:1: assembly belongs in src/emu/arch/ or a file named *_unsafe.S"
        return
    code = tree.strip(text)
    found = [(m.start(), what) for what, pattern in RULES for m in pattern.finditer(code)]
    found += [(start, "a pointer made from an integer") for start in casts_from_integer(code)]
    for start, what in sorted(found):
        yield f"{path}:{tree.line_of(code, start)}: {what} belongs in src/emu/arch/ or a file named *_unsafe.*"


def main():
    root = tree.root_argument()
    paths = tree.files(root, SOURCES, under=("src", "include"))
    errors = [line for path in paths for line in check(path, tree.read(root, path))]
    return tree.report("check_unsafe", errors)


if __name__ == "__main__":
    sys.exit(main())
