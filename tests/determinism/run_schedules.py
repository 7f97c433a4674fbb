#!/usr/bin/env python3
"""A run is a function of its schedule: with every strategy the same seed gives the same trace hash, and the
deviation list that a report names gives the same run again.

    run_schedules.py --detent PATH GUEST...

Ends with the line "N passed, N failed".
"""
import argparse
import json
import os
import pathlib
import shlex
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from verdicts import Verdicts  # noqa: E402

TIMEOUT = 120
STRATEGIES = ('fifo', 'random', 'pct:2', 'pct:5', 'pos', 'surw', 'period:1', 'period:3', 'starve',
              'random+atomics', 'pct:3+atomics', 'pos+atomics', 'surw+atomics')
SEEDS = (1, 2**64 - 1)


class Run:
    def __init__(self, detent, command, options):
        with tempfile.NamedTemporaryFile(prefix='detent-report-') as report:
            self.command = [detent, 'run', f'--report={report.name}', *options, '--', *command]
            done = subprocess.run(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, timeout=TIMEOUT, check=False,
                                  env={'PATH': '/usr/bin:/bin', 'LC_ALL': 'C'})
            text = report.read()
        self.report = json.loads(text) if text else {}
        self.status, self.stdout, self.stderr = done.returncode, done.stdout, done.stderr

    def difference(self, other):
        for field in ('verdict', 'status', 'choices', 'event_count', 'deviations', 'trace_hash', 'virtual_ns'):
            if self.report.get(field) != other.report.get(field):
                return f'{field}: {self.report.get(field)} and {other.report.get(field)}, {other.stderr[-300:]!r}'
        if self.stdout != other.stdout:
            return f'stdout: {self.stdout!r} and {other.stdout!r}'
        return ''


class Suite:
    def __init__(self, detent):
        self.detent = os.path.abspath(detent)
        self.verdicts = Verdicts()

    def verdict(self, name, why, run):
        self.verdicts.case(name, why and f'{why}\n    {shlex.join(run.command)}')

    def test(self, name, command):
        hashes = set()
        for strategy in STRATEGIES:
            for seed in SEEDS:
                options = ['--time=virtual', f'--strategy={strategy}', f'--seed={seed}']
                run = Run(self.detent, command, options)
                why = '' if run.report.get('verdict') == 'ok' else f'{run.report.get("verdict")}, {run.stderr!r}'
                self.verdict(f'{name}, {strategy}, seed {seed} ends well', why, run)
                again = Run(self.detent, command, options)
                self.verdict(f'{name}, {strategy}, seed {seed}, again', run.difference(again), again)
                if not run.report:
                    continue
                replay = Run(self.detent, command, [f'--schedule={run.report["schedule"]}'])
                self.verdict(f'{name}, {strategy}, seed {seed}, replayed', run.difference(replay), replay)
                hashes.add(run.report['trace_hash'])
        wanted = (len(STRATEGIES) - 1) * len(SEEDS)
        why = '' if len(hashes) > wanted / 2 else f'{len(hashes)} different runs of {wanted}'
        self.verdict(f'{name}, strategies differ', why, run)
        self.other_program(name, run)

    def other_program(self, name, run):
        """The schedule of another program names choices that this one does not ask."""
        other = Run(self.detent, ['/bin/sh', '-c', 'true'], [f'--schedule={run.report["schedule"]}'])
        why = '' if other.report['choices'] == 0 and b'another build' in other.stderr else f'{other.stderr!r}'
        self.verdict(f'{name}, another build', why, other)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--detent', required=True)
    parser.add_argument('guests', nargs='+')
    options = parser.parse_args()
    suite = Suite(options.detent)
    for guest in options.guests:
        suite.test(os.path.basename(guest), [os.path.abspath(guest)])
    return suite.verdicts.end()


if __name__ == '__main__':
    sys.exit(main())
