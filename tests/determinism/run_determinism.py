#!/usr/bin/env python3
"""The same seed gives the same run: trace and stdout of two runs are compared as bytes.

    run_determinism.py --detent PATH GUEST...

A GUEST is a program, or a .py file for python3. Each runs in virtual time, with either strategy and several
seeds, twice each; then from another directory and with another environment; then it must differ between
seeds. Ends with the line "N passed, N failed".
"""
import argparse
import os
import pathlib
import shlex
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from verdicts import Verdicts  # noqa: E402

TIMEOUT = 120
SEEDS = (0, 1, 2, 2**64 - 1)


class Run:
    def __init__(self, detent, command, strategy, seed, **options):
        options.setdefault('env', {'PATH': '/usr/bin:/bin', 'LC_ALL': 'C'})
        options.setdefault('cwd', '/')
        with tempfile.NamedTemporaryFile(prefix='detent-trace-') as trace:
            self.command = [detent, 'run', '--time=virtual', f'--strategy={strategy}', f'--seed={seed}',
                            f'--strace={trace.name}', '--strace-deterministic', '--', *command]
            done = subprocess.run(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, timeout=TIMEOUT, check=False, **options)
            trace.seek(0)
            self.trace = trace.read().splitlines()
        self.status, self.stdout, self.stderr = done.returncode, done.stdout, done.stderr

    def difference(self, other, stdout=True):
        """What differs, in words; empty if nothing does. A run that failed differs from any."""
        if self.status != 0 or not self.trace:
            return f'status {self.status}, {len(self.trace)} lines of trace, {self.stderr[-500:]!r}'
        if self.status != other.status:
            return f'status {self.status} and {other.status}, {other.stderr[-500:]!r}'
        for number, (line, line2) in enumerate(zip(self.trace, other.trace), 1):
            if line != line2:
                return f'line {number} of the traces:\n    {line.decode()}\n    {line2.decode()}'
        if len(self.trace) != len(other.trace):
            return f'{len(self.trace)} and {len(other.trace)} lines of trace'
        if stdout and self.stdout != other.stdout:
            return f'stdout:\n    {self.stdout!r}\n    {other.stdout!r}'
        return ''


class Suite:
    def __init__(self, detent):
        self.detent = os.path.abspath(detent)
        self.verdicts = Verdicts()

    def verdict(self, name, why, run):
        self.verdicts.case(name, why and f'{why}\n    {shlex.join(run.command)}')

    def test(self, name, command, environment_sizes):
        first = {}
        for strategy in ('fifo', 'random'):
            for seed in SEEDS:
                run = Run(self.detent, command, strategy, seed)
                again = Run(self.detent, command, strategy, seed)
                first[strategy, seed] = run
                self.verdict(f'{name}, {strategy}, seed {seed}', run.difference(again), run)
        self.other_place(name, command, first['random', 1], environment_sizes)
        distinct = {(b'\n'.join(first['random', seed].trace)) for seed in SEEDS}
        why = '' if len(distinct) == len(SEEDS) else f'{len(distinct)} traces of {len(SEEDS)} seeds'
        self.verdict(f'{name}, seeds differ', why, first['random', 1])

    def other_place(self, name, command, run, environment_sizes):
        """Addresses on the stack follow the size of the environment, so stdout may show them."""
        moved = Run(self.detent, command, 'random', 1, cwd=tempfile.gettempdir())
        self.verdict(f'{name}, another directory', run.difference(moved), moved)
        for size in environment_sizes:
            environment = {'PATH': '/usr/bin:/bin', 'LC_ALL': 'C', 'PADDING': 'x' * size}
            padded = Run(self.detent, command, 'random', 1, env=environment)
            self.verdict(f'{name}, environment of {size} bytes', run.difference(padded, stdout=False), padded)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--detent', required=True)
    parser.add_argument('guests', nargs='+')
    options = parser.parse_args()
    suite = Suite(options.detent)
    for guest in options.guests:
        path = os.path.abspath(guest)
        # Python copies its environment, and asks for more memory if that is big.
        if path.endswith('.py'):
            suite.test(os.path.basename(guest), ['/usr/bin/python3', '-S', path], (1, 1000))
        else:
            suite.test(os.path.basename(guest), [path, 'addresses'], (1, 1000, 100000))
    return suite.verdicts.end()


if __name__ == '__main__':
    sys.exit(main())
