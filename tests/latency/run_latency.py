#!/usr/bin/env python3
"""`detent run --latency` counts each wake once, under the place where its object was made."""
import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from verdicts import Verdicts  # noqa: E402

EVENTS, TICKS, WAKES, GUEST_STATUS = 11, 7, 5, 3
# The first tick of the timer is long past when it is read, so the task does not wait for it. On a busy
# machine so may others be.
EXPECTED = {'eventfd2': ('make_event', EVENTS), 'timerfd_create': ('make_timer', TICKS - 1),
            'futex': ('wait_for_word', WAKES)}


class Checks(Verdicts):
    def expect(self, what, good, seen):
        self.case(what, '' if good else repr(seen))


def rows_of(table):
    """{(call, function): (wakes, [percentiles])} of a printed table."""
    rows = {}
    for line in table.splitlines():
        match = re.match(r'\s*(\d+)((?:\s+\d+)+)\s+(\w+) \((\w+), sleepers\.c:\d+\)$', line)
        if match:
            rows[match[3], match[4]] = int(match[1]), [int(value) for value in match[2].split()]
    return rows


def check_table(checks, label, table, exact_ns):
    rows = rows_of(table)
    for call, (function, wakes) in EXPECTED.items():
        seen = rows.get((call, function))
        least = wakes if exact_ns or call != 'timerfd_create' else 1
        checks.expect(f'{label}: {call} by {function}', seen and least <= seen[0] <= wakes, table)
        if seen:
            checks.expect(f'{label}: {call} rises', seen[1] == sorted(seen[1]), seen)
            # In virtual time a woken task runs after the calls at hand, of 1 us each.
            good = seen[1][-1] <= 5000 if exact_ns else seen[1][0] > 0
            checks.expect(f'{label}: {call} latency', good, seen)


def run(options, *arguments):
    return subprocess.run([options.detent, 'run', *arguments, '--', options.guest], capture_output=True,
                          text=True, timeout=60)


def check_all(options, checks, directory):
    for time in ('virtual', 'real'):
        done = run(options, f'--time={time}', '--latency')
        checks.expect(f'{time}: status', done.returncode == GUEST_STATUS, done)
        check_table(checks, time, done.stderr, time == 'virtual')
    files = [str(directory / name) for name in ('one.json', 'two.json')]
    for file in files:
        run(options, '--time=virtual', '--latency-json', file)
        checks.expect('JSON', json.loads(pathlib.Path(file).read_text())['version'] == 1, file)
    shown = subprocess.run([options.detent, 'latency', files[0]], capture_output=True, text=True)
    check_table(checks, 'file', shown.stdout, True)
    compared = subprocess.run([options.detent, 'latency', *files], capture_output=True, text=True)
    same = re.findall(r'^\s+(\d+)\s+\1(?:\s+1\.00)+  \w+ \(', compared.stdout, re.M)
    checks.expect('equal runs compare as equal', len(same) >= len(EXPECTED), compared.stdout)
    bad = subprocess.run([options.detent, 'latency', '/dev/null'], capture_output=True, text=True)
    checks.expect('no such file', bad.returncode == 2 and 'not a file of' in bad.stderr, bad)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--detent', required=True)
    parser.add_argument('--guest', required=True)
    options = parser.parse_args()
    checks = Checks()
    with tempfile.TemporaryDirectory() as directory:
        check_all(options, checks, pathlib.Path(directory))
    return checks.end()


if __name__ == '__main__':
    sys.exit(main())
