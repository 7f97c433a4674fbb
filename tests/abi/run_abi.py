#!/usr/bin/env python3
"""Runs a guest natively and under detent, and compares exit status and stdout byte for byte.

    run_abi.py GUEST [--detent PATH] [--time real|virtual] [--patch on|off|random] [--timeout SECONDS]
               [--never-natively] [TEST...]

Without --detent the guest is run natively only. With --never-natively it is run under detent only (it sets
the clock), and must pass. Ends with the line "N passed, N failed", where each
test of the guest counts once: it failed if the guest says so in either run, or if its lines differ.
The exit status is 0 if none failed.
"""
import argparse
import difflib
import os
import re
import signal
import subprocess
import sys
import tempfile

SUMMARY = re.compile(rb'^(\d+) passed, (\d+) failed$')


class Run:
    """One run of a command: its exit status as text, stdout, stderr."""

    def __init__(self, name, command, timeout):
        self.name = name
        # Files, not pipes: a grandchild that lives on must not keep us waiting for the end of file.
        # The guest gets a session of its own, which is killed as a whole at the end.
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                                       close_fds=True, start_new_session=True)
            try:
                status = process.wait(timeout)
                self.status = f'signal {-status}' if status < 0 else f'exit {status}'
            except subprocess.TimeoutExpired:
                self.status = f'still running after {timeout:g} s: killed'
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()
            out.seek(0)
            err.seek(0)
            self.stdout = out.read()
            self.stderr = err.read()

    def lines(self):
        return self.stdout.decode(errors='replace').splitlines()

    def last_test(self):
        """The test that was running when the output ended."""
        names = [line for line in self.stdout.splitlines() if line and not line.startswith(b' ')]
        return names[-1].decode(errors='replace') if names else '(none)'

    def complete(self):
        lines = self.stdout.splitlines()
        return bool(lines) and SUMMARY.match(lines[-1]) is not None

    def tests(self):
        """Name of each test to its lines, in order."""
        result, name = {}, None
        for line in self.stdout.splitlines():
            if SUMMARY.match(line):
                continue
            if line and not line.startswith(b' '):
                name = line
                result[name] = []
            elif name is not None:
                result[name].append(line)
        return result

    def describe(self):
        if not self.complete():
            print(f'{self.name}: {self.status}, in or after the test {self.last_test()}')
        if self.stderr:
            print(f'{self.name}, stderr:')
            print(self.stderr.decode(errors='replace'), end='')


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('guest')
    parser.add_argument('args', nargs='*', help='names of tests to run')
    parser.add_argument('--detent', help='path of the detent executable')
    parser.add_argument('--time', choices=['real', 'virtual'], default='real')
    parser.add_argument('--patch', choices=['on', 'off', 'random'], default='on')
    parser.add_argument('--timeout', type=float, default=60, help='seconds for each run')
    parser.add_argument('--never-natively', action='store_true')
    options = parser.parse_args()
    if options.never_natively and not options.detent:
        parser.error('--never-natively needs --detent')

    guest = [os.path.abspath(options.guest), *options.args]
    runs = [] if options.never_natively else [Run('native', guest, options.timeout)]
    if options.detent:
        command = [os.path.abspath(options.detent), 'run', f'--time={options.time}',
                   f'--patch={options.patch}', '--', *guest]
        runs.append(Run(f'detent --time={options.time}', command, options.timeout))

    failed = set()
    for run in runs:
        run.describe()
        for name, lines in run.tests().items():
            for line in lines:
                if line.startswith(b'  FAILED '):
                    failed.add(name)
                    print(f'{run.name}: {name.decode()}: {line.strip().decode(errors="replace")}')
        if not run.complete():
            failed.add(run.last_test().encode())

    native, emulated = runs[0], runs[-1]
    if options.detent and not options.never_natively:
        if native.status != emulated.status:
            failed.add(b'(exit status)')
            print(f'exit status differs: native {native.status}, {emulated.name} {emulated.status}')
        if native.stdout != emulated.stdout:
            expected, got = native.tests(), emulated.tests()
            differing = {name for name in expected if expected[name] != got.get(name)}
            failed |= differing or {b'(stdout)'}
            print(*difflib.unified_diff(native.lines(), emulated.lines(), 'native', emulated.name,
                                        lineterm=''), sep='\n')
    elif native.status != 'exit 0':
        failed.add(b'(exit status)')
        print(f'{native.name}: {native.status}')

    total = set(native.tests())
    print(f'{len(total - failed)} passed, {len(failed)} failed')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
