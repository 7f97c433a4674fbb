#!/usr/bin/env python3
"""Suites from Debian that wait: what passes natively must pass under detent.

    wait_suites.py --detent PATH [--time real|virtual] [SUITE...]

CPython's tests of threads, queues, executors, eventfd, select and epoll; Go's `sync` and `runtime`; GLib's threads and
queues; perf's futex benchmarks; more of stress-ng; pip_stress and pi_stress of rt-tests, of which the latter never
runs natively: it starves a machine of few processors.
"""
import os
import re
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
from real_suite import Suite, run  # noqa: E402

PYTHON = '/usr/bin/python3'
GO = '/usr/lib/go-1.19/bin/go'
GLIB = '/usr/libexec/installed-tests/glib'
TIMEOUT = 900


def lines(command, pattern, cwd=None):
    """The names that `pattern` finds in what the command prints, a line for each test that passed."""
    def passed(prefix, work):
        argv = [word.format(work=work) for word in command]
        status, out, _ = run(prefix + argv, TIMEOUT, cwd or work)
        return set(re.findall(pattern, out, re.M)), f'status {status}\n{out}'
    return passed


def status(*command):
    """Passes if the command ends well and detent says nothing."""
    def passed(prefix, work):
        code, out, _ = run(prefix + list(command), TIMEOUT, work)
        good = code == 0 and not re.search(r'detent:|verify fail', out)
        return {command[0]} if good else set(), f'status {code}\n{out}'
    return passed


def python(module, *options):
    return lines([PYTHON, '-m', 'test', '-v', *options, module], r'^(test\w+) .*?\.\.\. .*\bok$')


def go(package):
    return lines(['{work}/' + package + '.test', '-test.short', '-test.v'], r'^ *--- PASS: (\S+)',
                 f'/usr/lib/go-1.19/src/{package}')


def stress(name):
    # By operations: in virtual time a second is a million calls.
    return status('stress-ng', f'--{name}', '1', f'--{name}-ops', '500', '--verify', '--temp-path', '.')


SUITES = {f'test_{name}': python(f'test_{name}') for name in
          ('threading', 'queue', 'concurrent_futures', 'select', 'epoll')}
SUITES['test_os_eventfd'] = python('test_os', '-m', 'EventfdTests')
SUITES |= {f'go-{package}': go(package) for package in ('sync', 'runtime')}
SUITES |= {f'glib-{name}': lines([f'{GLIB}/{name}', '--tap'], r'^ok \d+ (\S+)(?! # SKIP)')
           for name in ('thread', 'thread-pool', 'asyncqueue', 'cond', 'once', 'onceinit')}
SUITES |= {f'perf-{name}': status('perf', 'bench', 'futex', name, *options) for name, options in {
    'hash': ['-t', '4', '-r', '1'], 'wake': ['-t', '8'], 'wake-parallel': ['-t', '8'],
    'requeue': ['-t', '8'], 'lock-pi': ['-t', '4', '-r', '1']}.items()}
SUITES |= {f'stress-{name}': stress(name)
           for name in ('pipe', 'sem-sysv', 'sigfd', 'sockpair', 'switch', 'rseq')}
SUITES['pip_stress'] = status('pip_stress')
NEVER_NATIVELY = {'pi_stress': status('pi_stress', '--duration=2', '--quiet')}


def build_go(suite, work):
    for package in ('sync', 'runtime'):
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
    here, told = passed(suite.prefix, work)
    missing = sorted(native - here)
    suite.check(name, f'does not pass: {" ".join(missing)}' if missing else '',
                told if missing else f'{len(native)} tests')


def main():
    suite = Suite(__doc__, {PYTHON: 'libpython3.11-testsuite', GO: 'golang-1.19-go',
                            f'{GLIB}/thread': 'libglib2.0-tests', 'perf': 'linux-perf',
                            'stress-ng': 'stress-ng', 'pip_stress': 'rt-tests'})
    with tempfile.TemporaryDirectory(prefix='detent-wait-') as work:
        build_go(suite, work)
        for name, passed in SUITES.items():
            if suite.wanted(name):
                check(suite, name, passed, work)
        for name, passed in NEVER_NATIVELY.items():
            if suite.wanted(name):
                done, told = passed(suite.prefix, work)
                suite.check(name, '' if done else 'does not pass', '' if done else told)
    suite.finish()


if __name__ == '__main__':
    main()
