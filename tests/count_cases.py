#!/usr/bin/env python3
"""Sums test cases over the JSON logs of `meson test`; prints `N passed, N failed` as its last line.

Each of our test programs ends with such a line of its own. A test without one counts as one case, by
meson's verdict. A test that meson calls failed counts at least one failed case. Status 1 if any failed.
"""
import json
import re
import sys

SUMMARY = re.compile(r"^(\d+) passed, (\d+) failed\b", re.M)
GOOD = {"OK", "EXPECTEDFAIL"}
NOT_RUN = {"SKIP"}


def count(entry):
    """(passed, failed) of one test of the log."""
    lines = SUMMARY.findall(entry.get("stdout") or "")
    verdict = entry["result"]
    if verdict in NOT_RUN:
        return 0, 0
    if not lines:
        return (1, 0) if verdict in GOOD else (0, 1)
    passed, failed = map(int, lines[-1])
    if verdict not in GOOD:
        failed = max(failed, 1)
    return passed, failed


def main(paths):
    passed = failed = 0
    not_run, bad = [], []
    for path in paths:
        try:
            with open(path, encoding="utf-8", errors="replace") as log:
                entries = [json.loads(line) for line in log if line.strip()]
        except (OSError, ValueError) as error:
            print(f"count_cases: {path}: {error}")
            failed += 1
            continue
        for entry in entries:
            good_here, bad_here = count(entry)
            passed += good_here
            failed += bad_here
            if entry["result"] in NOT_RUN:
                not_run.append(entry["name"])
            if bad_here:
                bad.append(f"{entry['name']}: {bad_here} failed ({entry['result']})")
    for line in bad:
        print(line)
    if not_run:
        print(f"not run here: {', '.join(not_run)}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
