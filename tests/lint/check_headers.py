#!/usr/bin/env python3
"""Headers are self-contained: each compiles alone, and included twice.

A header that passed is not compiled again until it, or a header of the project that it includes, changes
(times kept in build/lint-headers.json).
"""
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import tree

FLAGS = ["-fsyntax-only", "-std=gnu++20", "-D_GNU_SOURCE", "-DFMT_HEADER_ONLY", "-Iinclude", "-Isrc"]


def compile_alone(root, compiler, header):
    """(diagnostics, headers of ours that were read); no diagnostics if all is well."""
    name = pathlib.Path(*header.parts[1:])
    with tempfile.NamedTemporaryFile(suffix=".d") as deps:
        done = subprocess.run(
            [compiler, *FLAGS, "-MMD", "-MF", deps.name, "-MT", "x", "-x", "c++", "-"],
            input=f'#include "{name}"\n#include "{name}"\n', text=True, cwd=root,
            capture_output=True, check=False)
        words = re.sub(r"\\\n", " ", pathlib.Path(deps.name).read_text(encoding="utf-8")).split()
    read = [word for word in words if (root / word).is_file()]
    return (done.stderr if done.returncode else ""), read


def times(root, paths):
    """Modification times by path, or None if one is gone."""
    try:
        return {path: (root / path).stat().st_mtime_ns for path in paths}
    except OSError:
        return None


def load(cache, key):
    try:
        stored = json.loads(cache.read_text(encoding="utf-8"))
        return stored["headers"] if stored["key"] == key else {}
    except (OSError, ValueError, KeyError):
        return {}


def main():
    root = tree.root_argument()
    compiler = os.environ.get("CXX", "g++")
    cache, key = root / "build" / "lint-headers.json", [compiler, *FLAGS]
    known = load(cache, key)
    headers = tree.files(root, {".h"}, under=("src", "include"))
    todo = [h for h in headers if known.get(str(h)) is None or times(root, known[str(h)]) != known[str(h)]]
    errors = []
    passed = {str(h): known[str(h)] for h in headers if h not in todo}
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        before = {h: times(root, [str(h)]) for h in todo}
        results = pool.map(lambda h: compile_alone(root, compiler, h), todo)
        for header, (diagnostics, read) in zip(todo, results):
            if diagnostics:
                errors.append(f"{header}:1: does not compile on its own, included twice:\n{diagnostics}")
            elif read and times(root, [str(header)]) == before[header]:
                passed[str(header)] = times(root, read)
    if cache.parent.is_dir():
        cache.write_text(json.dumps({"key": key, "headers": passed}), encoding="utf-8")
    return tree.report("check_headers", errors)


if __name__ == "__main__":
    sys.exit(main())
