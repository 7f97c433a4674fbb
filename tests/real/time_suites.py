#!/usr/bin/env python3
"""Suites from Debian that test time: what passes natively must pass under detent.

    time_suites.py --detent PATH [--time real|virtual] [SUITE...]

CPython's tests, Go's `time` and `context`, GLib's main loop and timers, systemd's event loop and time functions. Each
suite names its tests; a check is one suite, and it passes if no test is missing from those that pass natively.
DETENT_ROUNDS=20 repeats each suite under detent: a flake shows as a failure of one round.
"""
import os
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree

sys.dont_write_bytecode = True
from real_suite import Suite, run  # noqa: E402

PYTHON = '/usr/bin/python3'
GO = '/usr/lib/go-1.19/bin/go'
GLIB = '/usr/libexec/installed-tests/glib'
SYSTEMD = '/usr/lib/systemd/tests'
TIMEOUT = 900
ROUNDS = int(os.environ.get('DETENT_ROUNDS', '1'))


def python(module):
    """CPython tells results as JUnit XML: names of tests without a child that says otherwise."""
    def passed(prefix, work):
        report = os.path.join(work, 'report.xml')
        if os.path.exists(report):
            os.unlink(report)
        command = [PYTHON, '-m', 'test', f'--junit-xml={report}', module]
        status, out, _ = run(prefix + command, TIMEOUT, work)
        if not os.path.exists(report):
            return set(), f'status {status}: no report\n{out}'
        cases = ElementTree.parse(report).getroot().iter('testcase')
        # unittest adds a line of output to the name of a test that has a description.
        return {case.get('name').split('\n')[0] for case in cases
                if case.find('failure') is None and case.find('error') is None
                and case.find('skipped') is None}, out
    return passed


def lines(command, pattern, cwd=None):
    """Programs that print a line for each test that passed."""
    def passed(prefix, work):
        argv = [word.format(work=work) for word in command]
        _, out, _ = run(prefix + argv, TIMEOUT, cwd or work)
        return set(re.findall(pattern, out, re.M)), out
    return passed


def status(command):
    def passed(prefix, work):
        code, out, _ = run(prefix + command, TIMEOUT, work)
        return {command[0]} if code == 0 else set(), f'status {code}\n{out}'
    return passed


def go(package):
    return lines(['{work}/' + package + '.test', '-test.short', '-test.v'], r'^ *--- PASS: (\S+)',
                 f'/usr/lib/go-1.19/src/{package}')


SUITES = {f'test_{name}': python(f'test_{name}') for name in
          ('time', 'signal', 'sched', 'select', 'epoll', 'selectors', 'threading', 'asyncio')}
SUITES |= {f'go-{package}': go(package) for package in ('time', 'context')}
SUITES |= {f'glib-{name}': lines([f'{GLIB}/{name}', '--tap'], r'^ok \d+ (\S+)(?! # SKIP)')
           for name in ('timeout', 'timer', 'mainloop', 'cond')}
SUITES |= {f'systemd-{name}': status([f'{SYSTEMD}/{name}'])
           for name in ('test-event', 'test-time-util', 'test-sleep', 'test-clock')}


def build_go(suite, work):
    for package in ('time', 'context'):
        if not suite.wanted(f'go-{package}'):
            continue
        environment = dict(os.environ, CGO_ENABLED='0', HOME=work, GOFLAGS='', GO111MODULE='off',
                           GOCACHE=os.path.join(work, 'cache'))
        subprocess.run([GO, 'test', '-c', '-o', os.path.join(work, f'{package}.test'), package],
                       check=True, env=environment, cwd='/usr/lib/go-1.19/src')


def check(suite, name, passed, work):
    native, told = passed([], work)
    if not native:
        suite.check(name, 'nothing passes natively', told)
        return
    for number in range(ROUNDS):
        here, told = passed(suite.prefix, work)
        missing = sorted(native - here)
        complaint = f'round {number + 1}: does not pass: {" ".join(missing)}' if missing else ''
        suite.check(name, complaint, told if missing else f'{len(native)} tests')


def main():
    suite = Suite(__doc__, {PYTHON: 'libpython3.11-testsuite', GO: 'golang-1.19-go',
                            f'{GLIB}/timeout': 'libglib2.0-tests', f'{SYSTEMD}/test-event': 'systemd-tests'})
    with tempfile.TemporaryDirectory(prefix='detent-time-') as work:
        build_go(suite, work)
        for name, passed in SUITES.items():
            if suite.wanted(name):
                check(suite, name, passed, work)
    suite.finish()


if __name__ == '__main__':
    main()
