#!/usr/bin/env python3
"""The corpus of races, examples/races/: buggy guests are found, fixed ones survive.

    run_races.py --detent PATH --guests DIR [--full] [GUEST...]

For each guest of races.json:
- the bug is found by `detent explore` within 1000 schedules, in the median over several master seeds, and
  shows itself as the table says; where the table says that it needs no choice, the first schedule finds it
- the failure shrinks to at most 5 deviations, and replays with an equal trace each time
- the fixed version survives: natively (unless it needs a scenario), and under every schedule tried

Without --full, few seeds and schedules. Prints a table; ends with the line "N passed, N failed".
"""
import argparse
import concurrent.futures
import dataclasses
import json
import os
import pathlib
import shlex
import statistics
import subprocess
import sys
import tempfile
import time

SOURCES = pathlib.Path(__file__).resolve().parents[2] / 'examples' / 'races'
NATIVE = {'PATH': '/usr/bin:/bin'}
# Under detent a guest's clock is its own, so it may set it.
GUEST = {**NATIVE, 'RACES_MAY_STEP_CLOCK': '1'}
REFUSED = 77  # natively, a guest that sets the clock
LIMIT = 1000  # schedules in which a bug must be found
MOST_DEVIATIONS = 5
VERDICTS = {'hang': ('deadlock', 'lost-wakeup'), 'check': ('exit',), 'signal': ('signal',)}


@dataclasses.dataclass
class Effort:
    master_seeds: int
    fixed_schedules: int
    replays: int
    native_runs: int
    timeout: int  # s, of one command


QUICK = Effort(master_seeds=3, fixed_schedules=30, replays=2, native_runs=1, timeout=120)
FULL = Effort(master_seeds=20, fixed_schedules=3000, replays=100, native_runs=20, timeout=3600)


class Wrong(Exception):
    """What failed, and the command that shows it."""

    def __init__(self, why, command=()):
        super().__init__(why + (f'\n    {shlex.join(map(str, command))}' if command else ''))


class Race:
    def __init__(self, row, guests):
        self.name, self.kind, self.oracle = row['name'], row['class'], row['oracle']
        self.options, self.needs = row['options'], row['needs']
        self.known = row.get('known', {})  # what does not work yet, and why
        self.buggy, self.fixed = guests / self.name, guests / f'{self.name}-fixed'
        self.first = []  # schedules to the first failure, for each master seed; None: not found
        self.deviations = '-'  # of the shrunk failure

    def median(self):
        return statistics.median(first or float('inf') for first in self.first)

    def line(self):
        found = [first for first in self.first if first]
        numbers = (f'{self.median():g}', max(found), f'{len(found)}/{len(self.first)}') if found else ('-',) * 3
        return f'| {self.name} | {self.kind} | ' + ' | '.join(map(str, (*numbers, self.deviations))) + ' |'


class Suite:
    def __init__(self, detent, effort):
        self.detent, self.effort = detent, effort
        self.passed = self.failed = 0

    def case(self, name, test, *arguments, known=None):
        try:
            test(*arguments)
        except Wrong as wrong:
            if known:
                print(f'KNOWN FAILURE {name}: {known}', flush=True)
                return False
            self.failed += 1
            print(f'FAILED {name}: {wrong}', flush=True)
            return False
        self.passed += 1
        return True

    def run(self, command, environment):
        try:
            return subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True,
                                  timeout=self.effort.timeout, check=False)
        except subprocess.TimeoutExpired:
            raise Wrong(f'not over after {self.effort.timeout} s', command) from None

    def explore(self, race, program, schedules, master_seed, *options):
        """(command, what it found)"""
        with tempfile.TemporaryDirectory(prefix='detent-races-') as directory:
            results = pathlib.Path(directory, 'results.json')
            command = [self.detent, 'explore', '-n', str(schedules), '--strategy=auto', f'--seed={master_seed}',
                       '-j', '1', '--quiet', f'--json={results}', *options,
                       *(f'--run-option={option}' for option in race.options), '--', str(program)]
            done = self.run(command, GUEST)
            if not results.exists():
                raise Wrong(f'exit code {done.returncode}: {last_line(done.stderr)}', command)
            text = results.read_text(encoding='utf-8')
        found = json.loads(text)
        if found['broken'] or found['nondeterministic']:
            raise Wrong(f"not repeatable: {found['complaint'] or found['nondeterministic']}", command)
        return command, found

    def native(self, race):
        for _ in range(self.effort.native_runs):
            done = self.run([race.fixed], NATIVE)
            if done.returncode not in (0, REFUSED):
                raise Wrong(f'status {done.returncode}: {last_line(done.stderr)}', [race.fixed])

    def hunt(self, race):
        for seed in range(self.effort.master_seeds):
            command, found = self.explore(race, race.buggy, LIMIT, seed, '--until-failure', '--no-shrink')
            for failure in found['failures']:
                expect_verdict(race, failure, command)
            race.first.append(min((failure['index'] + 1 for failure in found['failures']), default=None))
        if race.median() > LIMIT:
            raise Wrong(f'not found within {LIMIT} schedules: {race.first}', command)
        if not race.needs and race.first.count(1) != len(race.first):
            raise Wrong(f'needs no choice, but was found at {race.first}', command)

    def replay(self, race):
        seed = next(seed for seed, first in enumerate(race.first) if first)
        command, found = self.explore(race, race.buggy, LIMIT, seed, '--until-failure')
        failure = found['failures'][0]
        expect_verdict(race, failure, command)
        race.deviations = len(failure['deviations'])
        if race.deviations > MOST_DEVIATIONS:
            raise Wrong(f'{race.deviations} deviations are left after shrinking', command)
        traces = set()
        for _ in range(self.effort.replays):
            with tempfile.TemporaryDirectory(prefix='detent-races-') as directory:
                file = pathlib.Path(directory, 'report.json')
                command = [self.detent, 'run', f"--schedule={failure['schedule']}", f'--report={file}',
                           *race.options, '--', str(race.buggy)]
                self.run(command, GUEST)
                report = json.loads(file.read_text(encoding='utf-8'))
            expect_verdict(race, report, command)
            traces.add(report['trace_hash'])
        if traces != {failure['trace_hash']}:
            raise Wrong(f"{len(traces)} different traces, and {failure['trace_hash']} expected", command)

    def survive(self, race):
        command, found = self.explore(race, race.fixed, self.effort.fixed_schedules, 1)
        if found['failing'] or found['schedules'] != self.effort.fixed_schedules:
            why = ''.join(f"\n    {failure['why']}: {failure['replay']}" for failure in found['failures'])
            raise Wrong(f"{found['failing']} of {found['schedules']} schedules fail{why}", command)

    def test(self, race):
        if not race.options:
            self.case(f'{race.name}, fixed, natively', self.native, race)
        if self.case(f'{race.name}, buggy, is found', self.hunt, race, known=race.known.get('found')):
            known = race.known.get('shrunk')
            self.case(f'{race.name}, buggy, is shrunk and replayed', self.replay, race, known=known)
        self.case(f'{race.name}, fixed, survives', self.survive, race, known=race.known.get('survives'))


def last_line(text):
    lines = text.decode(errors='replace').strip().splitlines()
    return lines[-1] if lines else ''


def expect_verdict(race, found, command):
    if found['verdict'] not in VERDICTS[race.oracle] or found['verdict'] == 'exit' and found['status'] != 1:
        raise Wrong(f"expected a {race.oracle}, found: {found['verdict']}, status {found['status']}", command)


def read_table(races):
    listed, written = [race.name for race in races], sorted(file.stem for file in SOURCES.glob('*.c'))
    if listed != written:
        raise Wrong(f'races.json and the sources differ in: {sorted(set(listed) ^ set(written)) or "order"}')
    unbuilt = [race.name for race in races if not race.buggy.exists() or not race.fixed.exists()]
    if unbuilt:
        raise Wrong(f'not built: {unbuilt}')


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--detent', required=True)
    parser.add_argument('--guests', required=True, type=pathlib.Path)
    parser.add_argument('--full', action='store_true', help='20 master seeds, 100 replays, 10000 schedules')
    parser.add_argument('names', nargs='*', help='guests, or how their names begin (default: all)')
    options = parser.parse_args()
    begin = time.monotonic()
    suite = Suite(os.path.abspath(options.detent), FULL if options.full else QUICK)
    rows = json.loads((SOURCES / 'races.json').read_text(encoding='utf-8'))
    races = [Race(row, options.guests.resolve()) for row in rows]
    suite.case('table', read_table, races)
    chosen = [race for race in races if not options.names or race.name.startswith(tuple(options.names))]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(suite.test, chosen))
    print('| guest | class | median | most | found | deviations |\n|---|---|---|---|---|---|')
    for race in chosen:
        print(race.line())
    print(f'{time.monotonic() - begin:.0f} s')
    print(f'{suite.passed} passed, {suite.failed} failed')
    return 1 if suite.failed else 0


if __name__ == '__main__':
    sys.exit(main())
