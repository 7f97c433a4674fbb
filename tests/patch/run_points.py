#!/usr/bin/env python3
"""Preemption points change nothing but the order of tasks, and a run with them is a function of its seed.

    run_points.py --detent PATH --forms GUEST --race GUEST [--static GUEST]...

--forms prints what every form of atomic instruction does to all registers: the same natively and with points, with
many seeds. --race is a guest whose order shows: one seed gives one trace, 50 times, whatever the environment
(the host's ASLR is on), and its schedule replays. Static programs have points, too.
Ends with the line "N passed, N failed".
"""
import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile

TIMEOUT = 120
STRATEGIES = ('random', 'pct:3', 'pos', 'surw', 'period:2', 'starve')
REPEATS = 50


class Suite:
    def __init__(self, detent):
        self.detent = os.path.abspath(detent)
        self.passed = self.failed = 0

    def case(self, name, why, command=()):
        if not why:
            self.passed += 1
            return
        self.failed += 1
        print(f'FAILED {name}: {why}\n    {shlex.join(map(str, command))}', flush=True)

    def run(self, guest, *options, padding=0):
        """(command, completed process, report)"""
        with tempfile.NamedTemporaryFile(prefix='detent-report-') as report:
            command = [self.detent, 'run', '--stats', f'--report={report.name}', *options, '--', guest]
            environment = {'PATH': '/usr/bin:/bin', 'PADDING': 'x' * padding}
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT,
                                  check=False, env=environment)
            text = report.read()
        return command, done, json.loads(text) if text else {}

    def forms(self, guest):
        native = subprocess.run([guest], capture_output=True, timeout=TIMEOUT, check=True).stdout
        asked = 0
        for strategy in STRATEGIES:
            for seed in range(3):
                command, done, report = self.run(guest, f'--strategy={strategy}', '--points=atomics',
                                                 f'--seed={seed}')
                different = [(a, b) for a, b in zip(native.splitlines(), done.stdout.splitlines()) if a != b]
                why = '' if done.returncode == 0 and done.stdout == native else \
                    f'status {done.returncode}, {len(different)} lines differ: {different[:3]}, {done.stderr[-400:]!r}'
                self.case(f'forms, {strategy}, seed {seed}', why, command)
                asked += sum(switch['kind'] == 'kSwitchPoint' for switch in report.get('switches', ()))
        self.case('forms were interrupted', '' if asked > 100 else f'only {asked} times')

    def repeats(self, guest):
        traces = set()
        for i in range(REPEATS):
            command, _, report = self.run(guest, '--strategy=pos', '--points=atomics', '--seed=5', padding=37 * i)
            traces.add((report.get('trace_hash'), report.get('verdict')))
        self.case('one seed, one trace', '' if len(traces) == 1 else f'{traces}', command)
        for strategy in STRATEGIES:
            command, done, report = self.run(guest, f'--strategy={strategy}+atomics', '--seed=7')
            wanted = f'{strategy}+atomics'
            self.case(f'{strategy} names its points', '' if report['strategy'] == wanted else report['strategy'], command)
            command, again, second = self.run(guest, f'--schedule={report["schedule"]}')
            same = all(report[field] == second[field] for field in ('trace_hash', 'verdict', 'deviations', 'choices'))
            self.case(f'{strategy} is replayed from its string', '' if same else again.stderr[-300:], command)
        command, _, calls = self.run(guest, '--strategy=pos', '--seed=5')
        events = {event['call'] for event in calls['events']}
        self.case('no points without --points', '' if not events & {'atomic', 'pause'} else f'{events}', command)

    def static(self, guest):
        command, done, report = self.run(guest, '--strategy=pos', '--points=atomics', '--seed=1')
        events = {event['call'] for event in report.get('events', ())}
        self.case(f'{os.path.basename(guest)} has points', '' if 'atomic' in events else f'{events}, {done.stderr!r}',
                  command)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--detent', required=True)
    parser.add_argument('--forms', required=True)
    parser.add_argument('--race', required=True)
    parser.add_argument('--static', action='append', default=[])
    options = parser.parse_args()
    suite = Suite(options.detent)
    suite.forms(os.path.abspath(options.forms))
    suite.repeats(os.path.abspath(options.race))
    for guest in options.static:
        suite.static(os.path.abspath(guest))
    print(f'{suite.passed} passed, {suite.failed} failed')
    return 1 if suite.failed else 0


if __name__ == '__main__':
    sys.exit(main())
