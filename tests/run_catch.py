#!/usr/bin/env python3
"""Runs a Catch2 (v2) program and prints `N passed, N failed` (test cases) as the last line.

usage: run_catch.py PROGRAM [ARGS]

The console reporter is used because it stays readable, and still ends with its summary, when a test
crashes. Status 0 only if the program ended with 0 and ran at least one test case, all of them well.
"""
import re
import subprocess
import sys

ALL_PASSED = re.compile(r"^All tests passed \(\d+ assertions? in (\d+) test cases?\)", re.M)
MIXED = re.compile(r"^test cases: +\d+( \|.*)$", re.M)
PART = re.compile(r"(\d+) (passed|failed as expected|failed)")


def parse(output):
    """(passed, failed) by the last summary in the output, or None if there is none."""
    last = None
    for match in ALL_PASSED.finditer(output):
        last = (match.start(), int(match[1]), 0)
    for match in MIXED.finditer(output):
        if last is None or match.start() > last[0]:
            parts = {what: int(number) for number, what in PART.findall(match[1])}
            good = parts.get("passed", 0) + parts.get("failed as expected", 0)
            last = (match.start(), good, parts.get("failed", 0))
    return last and last[1:]


def main(argv):
    if not argv:
        print(__doc__, file=sys.stderr)
        return 2
    done = subprocess.run(argv + ["-r", "console"], stdout=subprocess.PIPE, check=False)
    output = done.stdout.decode("utf-8", "replace")
    sys.stdout.write(output if output.endswith("\n") or not output else output + "\n")
    passed, failed = parse(output) or (0, 0)
    if done.returncode < 0:
        print(f"{argv[0]}: ended by signal {-done.returncode}")
    if failed == 0 and (done.returncode != 0 or passed == 0):
        failed = 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
