#!/usr/bin/env python3
"""The corpus of races, examples/races/: table, guests and what becomes of them.

    run_races.py --detent PATH --guests DIR [--table FILE] [GUEST...]

A guest that needs no choice, as the table says, fails in Linux's usual order. Fixed versions never fail, be it
natively (where they need no scenario), in the usual order or in random ones. Ends with the line
"N passed, N failed".
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import shlex
import subprocess
import sys

SOURCES = pathlib.Path(__file__).resolve().parents[2] / 'examples' / 'races'
TIMEOUT = 60
NATIVE = {'PATH': '/usr/bin:/bin'}
# Under detent a guest's clock is its own, so it may set it.
GUEST = {**NATIVE, 'RACES_MAY_STEP_CLOCK': '1'}
REFUSED = 77  # natively, a guest that sets the clock
RANDOM_SEEDS = 20


class Race:
    def __init__(self, row, guests):
        self.name, self.kind = row['name'], row['class']
        self.oracle, self.options, self.needs = row['oracle'], row['options'], row['needs']
        self.buggy, self.fixed = guests / self.name, guests / f'{self.name}-fixed'


class Suite:
    def __init__(self, detent):
        self.detent = detent
        self.passed = self.failed = 0

    def verdict(self, name, why, command=()):
        if not why:
            self.passed += 1
            return
        self.failed += 1
        print(f'FAILED {name}: {why}' + (f'\n    {shlex.join(map(str, command))}' if command else ''), flush=True)

    def run(self, race, program, *options):
        """(command, how it failed in words or '')"""
        command = [self.detent, 'run', '--time=virtual', *options, *race.options, '--', program]
        return command, outcome(command, GUEST)

    def fixed_natively(self, race):
        command = [race.fixed]
        why = outcome(command, NATIVE)
        self.verdict(f'{race.name}, fixed, natively', '' if why == f'exit code {REFUSED}' else why, command)

    def usual_order(self, race):
        if not race.needs:
            command, why = self.run(race, race.buggy)
            self.verdict(f'{race.name}, buggy, in the usual order', '' if why else 'does not fail', command)
        command, why = self.run(race, race.fixed)
        self.verdict(f'{race.name}, fixed, in the usual order', why, command)

    def random_orders(self, race):
        for seed in range(RANDOM_SEEDS):
            command, why = self.run(race, race.fixed, '--strategy=random', f'--seed={seed}')
            if why:
                break
        self.verdict(f'{race.name}, fixed, in random orders', why, command)

    def test(self, race):
        if not race.options:
            self.fixed_natively(race)
        self.usual_order(race)
        self.random_orders(race)


def outcome(command, environment):
    """How a program failed, in words; '' if it did not."""
    try:
        done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        return f'not over after {TIMEOUT} s'
    if done.returncode == 0:
        return ''
    text = done.stderr.decode(errors='replace').strip().splitlines()
    how = f'signal {-done.returncode}' if done.returncode < 0 else f'exit code {done.returncode}'
    return how + (f': {text[0]}' if text and done.returncode != REFUSED else '')


def read_table(path, guests):
    """The races, and what is wrong with the table."""
    races = [Race(row, guests) for row in json.loads(path.read_text(encoding='utf-8'))]
    listed = [race.name for race in races]
    written = sorted(file.stem for file in SOURCES.glob('*.c'))
    if listed != written:
        return races, f'races.json and the sources differ in: {sorted(set(listed) ^ set(written)) or "order"}'
    unbuilt = [race.name for race in races if not race.buggy.exists() or not race.fixed.exists()]
    return races, f'not built: {unbuilt}' if unbuilt else ''


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--detent', required=True)
    parser.add_argument('--guests', required=True, type=pathlib.Path)
    parser.add_argument('--table', type=pathlib.Path, default=SOURCES / 'races.json')
    parser.add_argument('names', nargs='*', help='guests, or how their names begin (default: all)')
    options = parser.parse_args()
    suite = Suite(os.path.abspath(options.detent))
    races, wrong = read_table(options.table, options.guests.resolve())
    suite.verdict('table', wrong)
    chosen = [race for race in races if not options.names or race.name.startswith(tuple(options.names))]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(suite.test, chosen))
    print(f'{suite.passed} passed, {suite.failed} failed')
    return 1 if suite.failed else 0


if __name__ == '__main__':
    sys.exit(main())
