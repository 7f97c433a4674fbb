#!/usr/bin/env python3
"""The lints' own test: each is fed small bad trees, which it must reject for the reason given, and good
ones, which it must let pass. A rule whose check does not bite is a wish."""
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
LONG_BODY = "  work();\n" * 81
RACE = "//   task A            task B\n"

# (check, what is wrong; None: nothing, files, words that the report must hold)
CASES = [
    ("layers", "an include that points up", {
        "src/timebase/a.cc": '#include "emu/fd/b.h"\n', "src/emu/fd/b.h": ""}, "a.cc:1: timebase must not"),
    ("layers", "siblings", {
        "src/waitq/a.cc": '\n#include "timebase/b.h"\n', "src/timebase/b.h": ""}, "a.cc:2: waitq must not"),
    ("layers", "siblings among objects", {
        "src/emu/fd/a.cc": '#include "emu/signal/b.h"\n', "src/emu/signal/b.h": ""}, "siblings"),
    ("layers", "a path from the file's own directory", {
        "src/timebase/a.cc": '#include "b.h"\n', "src/timebase/b.h": ""}, "not a path from src/"),
    ("layers", "angle brackets around ours", {
        "src/base/a.cc": "#include <detent/b.h>\n", "include/detent/b.h": ""}, "in quotes"),
    ("layers", "angle brackets that point up", {
        "include/detent/a.h": "#include <timebase/b.h>\n", "src/timebase/b.h": ""}, "layer above"),
    ("layers", "an include from assembly", {
        "src/emu/arch/x86_64/a_unsafe.S": '#include "cli/b.h"\n', "src/cli/b.h": ""}, "layer above"),
    ("layers", "an unknown directory", {"src/utils/a.cc": ""}, "no layer is known"),
    ("layers", "a long file", {"src/base/a.cc": "int x;\n" * 601}, "601 lines"),
    ("layers", "a wide line", {"src/base/a.cc": "// " + "x" * 120 + "\n"}, "123 columns"),
    ("layers", "a long function", {
        "src/base/a.cc": "namespace n {\nvoid f(int x) const {\n" + LONG_BODY + "}\n}\n"}, "a.cc:2: function"),
    ("layers", "a long constructor", {
        "src/base/a.cc": "A::A() : a_{1}, b_(2), c_{3} {\n" + LONG_BODY + "}\n"}, "function of 83"),
    ("layers", "a long method, template and operator", {
        "src/base/a.h": "template <class T>\nclass A : B<T> {\n public:\n  bool operator==(const A& o) const {\n"
                        + LONG_BODY + "  }\n};\n"}, "a.h:4: function"),
    ("layers", "a long lambda", {
        "src/base/a.cc": "const auto kF = [](int x) {\n" + LONG_BODY + "};\n"}, "function of"),
    ("layers", None, {
        "src/emu/sched/a.cc": '#include <vector>\n#include "emu/task/b.h"\n#include "timebase/c.h"\n'
                              '// #include "cli/d.h"\n',
        "src/emu/task/b.h": '#include "emu/arch/x86_64/e.h"\n#include "detent/f.h"\n',
        "src/timebase/c.h": "", "src/cli/d.h": '#include "explore/g.h"\n', "src/explore/g.h": "",
        "src/emu/arch/x86_64/e.h": '#include "waitq/h.h"\n', "src/waitq/h.h": "", "include/detent/f.h": "",
        "src/main.cc": '#include "cli/d.h"\n'}, ""),
    ("layers", None, {
        "src/base/a.cc": "struct A {\n" + "  int f();\n" * 90 + "};\nconst int kTable[] = {\n" + "  1,\n" * 90
                         + '};\nconst char* s = R"(void f() {)";\nvoid f() { char c = \'{\'; /* { */ }\n'
                         + "long n = 1'000'000;\nnamespace {\n" + "void g() {\n  work();\n}\n" * 40 + "}\n"}, ""),
    ("headers", "a missing include", {"src/base/a.h": "#pragma once\nstd::vector<int> x();\n"}, "a.h:1: does not"),
    ("headers", "no guard", {"include/detent/a.h": "struct A {};\n"}, "redefinition"),
    ("headers", None, {
        "src/base/a.h": '#pragma once\n#include <vector>\n#include "detent/b.h"\nstd::vector<B> x();\n',
        "include/detent/b.h": "#pragma once\nstruct B {};\n"}, ""),
    ("unsafe", "inline assembly", {"src/emu/mem/a.cc": 'void f() {\n  asm volatile("syscall");\n}\n'}, "a.cc:2: inline"),
    ("unsafe", "assembly by its other name", {"src/base/a.h": 'void f() { __asm__("nop"); }\n'}, "inline assembly"),
    ("unsafe", "ucontext", {"src/cli/a.cc": "#include <ucontext.h>\n"}, "ucontext"),
    ("unsafe", "a machine context", {"src/cli/a.cc": "int f(void* p) { return uc(p)->uc_mcontext; }\n"}, "ucontext"),
    ("unsafe", "an intrinsic", {"src/timebase/a.cc": "long f() { return __builtin_ia32_rdtsc(); }\n"}, "intrinsics"),
    ("unsafe", "a pointer from a declared integer", {
        "src/emu/fd/a.cc": "char* f(std::uint64_t where) { return reinterpret_cast<char*>(where); }\n"}, "integer"),
    ("unsafe", "a pointer from an address", {
        "src/emu/fd/a.cc": "auto f(P p) { return reinterpret_cast<const Foo*>(p.address()); }\n"}, "integer"),
    ("unsafe", "a pointer from a literal", {
        "src/emu/fd/a.cc": "auto p = reinterpret_cast<std::vector<int>*>(0x1000);\n"}, "integer"),
    ("unsafe", "an assembly file", {"src/emu/mem/a.S": "syscall\n"}, "assembly"),
    ("unsafe", None, {
        "src/emu/mem/a_unsafe.cc": 'void f() { asm("syscall"); }\n', "src/emu/arch/x86_64/b.h": "#include <ucontext.h>\n",
        "src/emu/mem/c.cc": '// asm("x") and ucontext_t\nconst char* s = "asm(ucontext_t)";\n'
                            "void* f(int value) { return reinterpret_cast<void*>(&value); }\n"
                            "auto g(Node* n) { return reinterpret_cast<char*>(n->data()); }\n"}, ""),
    ("docs", "a link to nowhere", {"README.md": "see [this](docs/gone.md)\n"}, "README.md:1: the link leads nowhere"),
    ("docs", "a link out of the tree", {"README.md": "\n[x](../outside.md)\n"}, "README.md:2"),
    ("docs", "a reference to nowhere", {"a.md": "[x][y]\n\n[y]: gone.md\n"}, "a.md:3"),
    ("docs", "a heading that is not there", {"a.md": "[x](b.md#three)\n", "b.md": "# Two\n"}, "no such heading"),
    ("docs", "a record without options", {
        "docs/adr/0001-x.md": "# 1. X\n## Context\n## Decision\n"}, "heading Options"),
    ("docs", "a record's name", {"docs/adr/x.md": "## Context\n## Options\n## Decision\n"}, "is named NNNN"),
    ("docs", "a number taken twice", {
        "docs/adr/0001-x.md": "## Context\n## Options\n## Decision\n",
        "docs/adr/0001-y.md": "## Context\n## Options\n## Decision\n"}, "number is taken"),
    ("docs", None, {
        "a.md": "[x](docs/b.md#the-two-of-us) [y](https://example.org) `[z](gone.md)`\n```\n[z](gone.md)\n```\n[d](docs)\n",
        "docs/b.md": "# The *two* of us\n[up](../a.md)\n",
        "docs/adr/0001-x.md": "# 1. X\n## Context\n## Options considered\n## Decision\n"}, ""),
    ("format", "a crooked line", {"src/a.cc": "int   f( ) {return 1 ;}\n"}, "clang-format-violations"),
    ("format", "unsorted includes", {"src/a.cc": "#include <vector>\n#include <map>\n"}, "clang-format-violations"),
    ("format", None, {"src/a.cc": "int f() { return 1; }\n" + RACE}, ""),
]


def command(check, tree, files):
    if check == "format":
        shutil.copy(ROOT / ".clang-format", tree)
        return ["clang-format", "--dry-run", "-Werror", *(str(tree / name) for name in files)]
    return [sys.executable, str(HERE / f"check_{check}.py"), "--root", str(tree)]


def lint_case(check, wrong, files, words):
    """None if the lint said what it should; else why not."""
    with tempfile.TemporaryDirectory() as directory:
        tree = pathlib.Path(directory)
        for name, text in files.items():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).write_text(text, encoding="utf-8")
        done = subprocess.run(command(check, tree, files), capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    if wrong is None:
        return None if done.returncode == 0 else f"a good tree was rejected:\n{said}"
    if done.returncode == 0:
        return "it was let pass"
    return None if words in said else f"rejected, but not with {words!r}:\n{said}"


def header_cache_case():
    """A header that passed is compiled again when a header that it includes changes."""
    with tempfile.TemporaryDirectory() as directory:
        tree = pathlib.Path(directory)
        for name in ("src/base", "build"):
            (tree / name).mkdir(parents=True)
        (tree / "src/base/a.h").write_text('#pragma once\n#include "base/b.h"\nB f();\n', encoding="utf-8")
        (tree / "src/base/b.h").write_text("#pragma once\nstruct B {};\n", encoding="utf-8")
        run = [sys.executable, str(HERE / "check_headers.py"), "--root", str(tree)]
        first = subprocess.run(run, capture_output=True, check=False).returncode
        (tree / "src/base/b.h").write_text("#pragma once\nstruct C {};\n", encoding="utf-8")
        second = subprocess.run(run, capture_output=True, check=False).returncode
    return None if (first, second) == (0, 1) else f"statuses {(first, second)}, not (0, 1)"


COUNTS = [  # an entry of meson's log, and what it counts as
    ({"result": "OK", "stdout": "noise\n4 passed, 0 failed\n"}, (4, 0)),
    ({"result": "FAIL", "stdout": "4 passed, 2 failed\n"}, (4, 2)),
    ({"result": "FAIL", "stdout": "4 passed, 0 failed\n"}, (4, 1)),
    ({"result": "OK", "stdout": "4 passed, 1 failed\n"}, (4, 1)),
    ({"result": "OK", "stdout": "fine"}, (1, 0)),
    ({"result": "OK"}, (1, 0)),
    ({"result": "TIMEOUT", "stdout": "3 pass"}, (0, 1)),
    ({"result": "SKIP"}, (0, 0)),
]


def count_case():
    """`./dev test` adds up what the programs report."""
    want = (sum(good for _, (good, _) in COUNTS), sum(bad for _, (_, bad) in COUNTS))
    with tempfile.NamedTemporaryFile("w", suffix=".json") as log:
        log.writelines(json.dumps({"name": "t", **entry}) + "\n" for entry, _ in COUNTS)
        log.flush()
        run = [sys.executable, str(ROOT / "tests/count_cases.py"), log.name]
        done = subprocess.run(run, capture_output=True, text=True, check=False)
    last = done.stdout.splitlines()[-1]
    good = last == f"{want[0]} passed, {want[1]} failed" and done.returncode == 1
    return None if good else f"{last!r}, status {done.returncode}; wanted {want}"


CATCH = [  # what a Catch2 program printed, its status, and the line wanted
    ("All tests passed (8 assertions in 3 test cases)\n", 0, "3 passed, 0 failed"),
    ("All tests passed (1 assertion in 1 test case)\n", 0, "1 passed, 0 failed"),
    ("test cases: 3 | 2 passed | 1 failed\nassertions: 4 | 3 passed | 1 failed\n", 1, "2 passed, 1 failed"),
    ("test cases:  3 |  1 passed |  1 failed | 1 failed as expected\n", 1, "2 passed, 1 failed"),
    ("test cases: 2 | 2 passed\nassertions: - none -\n", 0, "2 passed, 0 failed"),
    ("", 134, "0 passed, 1 failed"),
    ("No tests ran\n", 0, "0 passed, 1 failed"),
]


def catch_case():
    """run_catch.py understands what a Catch2 program reports, and what it does not report."""
    for text, status, want in CATCH:
        script = f"printf %s {json.dumps(text)}; exit {status}".replace("\\n", "\n")
        run = [sys.executable, str(ROOT / "tests/run_catch.py"), "sh", "-c", script]
        done = subprocess.run(run, capture_output=True, text=True, check=False)
        last = done.stdout.splitlines()[-1]
        if last != want or (done.returncode == 0) != want.endswith(" 0 failed"):
            return f"{text!r}: {last!r}, status {done.returncode}"
    return None


def main():
    failures = []
    for check, wrong, files, words in CASES:
        why = lint_case(check, wrong, files, words)
        if why:
            failures.append(f"{check}: {wrong or 'good'}: {why}")
    for case in (header_cache_case, count_case, catch_case):
        why = case()
        if why:
            failures.append(f"{case.__name__}: {why}")
    print(*failures, sep="\n", end="\n" if failures else "")
    print(f"{len(CASES) + 3 - len(failures)} passed, {len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
