#!/usr/bin/env python3
"""stress-ng: each stressor on its own for a second, with --verify.

    stress_ng.py --detent PATH [--time real|virtual] [STRESSOR...]

A stressor passes if stress-ng ends with status 0, complains of nothing and counts bogo operations.
"""
import re
import sys
import tempfile

sys.dont_write_bytecode = True
from real_suite import Suite, run  # noqa: E402

STRESSORS = ['timerfd', 'eventfd', 'futex', 'epoll', 'poll', 'mutex', 'sem', 'timer', 'itimer',
             'clock', 'nanosleep', 'alarm', 'pthread']


def stress(prefix, name, work):
    command = ['stress-ng', f'--{name}', '1', '-t', '1', '--verify', '--metrics-brief',
               '--temp-path', work]
    status, out, seconds = run(prefix + command, 60, work)
    found = re.search(rf'\] {name} +(\d+) ', out)
    return status, out, int(found[1]) if found else 0, seconds


def main():
    suite = Suite(__doc__, {'stress-ng': 'stress-ng'})
    with tempfile.TemporaryDirectory(prefix='detent-stress-') as work:
        for name in filter(suite.wanted, STRESSORS):
            status, out, operations, seconds = stress(suite.prefix, name, work)
            complaint = ''
            if status != 0:
                complaint = f'status {status}'
            elif operations == 0:
                complaint = 'no bogo operations'
            elif re.search(r'fail|detent:', out):
                complaint = 'it complains'
            suite.check(name, complaint, out if complaint else f'{operations} in {seconds:.1f} s')
    suite.finish()


if __name__ == '__main__':
    main()
