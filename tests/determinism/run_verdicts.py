#!/usr/bin/env python3
"""How a run ended: verdict, exit code and what is said about it.

    run_verdicts.py --detent PATH GUEST        (verdicts.c)

Ends with the line "N passed, N failed".
"""
import argparse
import json
import subprocess
import sys
import tempfile

CASES = (
    # argument, options, verdict, exit code, words on stderr
    ('', [], 'ok', 0, []),
    ('seven', [], 'exit', 7, []),
    ('abort', [], 'signal', -6, []),
    ('deadlock', [], 'deadlock', 123, ['deadlock', 'futex']),
    ('lost', [], 'lost-wakeup', 123, ['lost wake-up', 'change from 0, but it is 1 already', 'deadlock']),
    ('livelock', ['--livelock=1000'], 'livelock', 121, ['livelock: 1000 system calls', 'epoll_wait']),
    ('livelock', ['--max-steps=1000'], 'step-budget', 124, ['1000 system calls', 'epoll_wait']),
    ('sleep', ['--time-budget=60s'], 'time-budget', 124, ['time budget of 60.000000000 s']),
    ('sleep', ['--time-budget=3700s'], 'ok', 0, []),
    ('spin', ['--livelock=50000'], 'ok', 0, []),
)
STRATEGIES = ('fifo', 'random', 'pct:3', 'pos', 'surw', 'period:2', 'starve')


class Suite:
    def __init__(self, detent, guest):
        self.detent, self.guest = detent, guest
        self.passed = self.failed = 0

    def run(self, how, options):
        with tempfile.NamedTemporaryFile() as report:
            done = subprocess.run([self.detent, 'run', '--time=virtual', f'--report={report.name}', *options, '--',
                                   self.guest, how], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                  timeout=60, check=False)
            text = report.read()
        return done, json.loads(text) if text else {}

    def check(self, name, value, expected):
        if value == expected:
            self.passed += 1
        else:
            self.failed += 1
            print(f'FAILED {name}: {value!r}, expected {expected!r}', flush=True)

    def ends(self, how, options, verdict, code, words):
        done, report = self.run(how, options)
        name = f'{how} {" ".join(options)}'
        self.check(name, (report.get('verdict'), done.returncode), (verdict, code))
        self.check(f'{name}: stderr', [word for word in words if word not in done.stderr], [])
        self.check(f'{name}: status', report.get('status'), 128 - code if code < 0 else code)

    def quiet_spin(self):
        """A loop without system calls ends soon, and the run can be repeated."""
        for strategy in STRATEGIES:
            reports = [self.run('quiet', [f'--strategy={strategy}'])[1] for _ in range(2)]
            self.check(f'quiet spin, {strategy}', {(report['verdict'], report['host_preemptions'], report['virtual_ns'],
                                                    report['trace_hash']) for report in reports},
                       {('ok', 0, reports[0]['virtual_ns'], reports[0]['trace_hash'])})

    def random_bytes(self):
        """All from the seed; --random-seed moves them and not the choices."""
        outputs = [self.run('random', options)[0].stdout
                   for options in (['--seed=1'], ['--seed=1'], ['--seed=2'], ['--seed=2', '--random-seed=1'])]
        self.check('random bytes, same seed', outputs[0], outputs[1])
        self.check('random bytes, other seed', outputs[0] == outputs[2], False)
        self.check('random bytes, random seed', outputs[3], outputs[0])
        self.check('uuid version', outputs[0].split()[-1][14], '4')


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--detent', required=True)
    parser.add_argument('guest')
    options = parser.parse_args()
    suite = Suite(options.detent, options.guest)
    for case in CASES:
        suite.ends(*case)
    for strategy in STRATEGIES:
        for seed in range(5):
            suite.ends('spin', [f'--strategy={strategy}', f'--seed={seed}'], 'ok', 0, [])
    suite.quiet_spin()
    suite.random_bytes()
    print(f'{suite.passed} passed, {suite.failed} failed')
    return 1 if suite.failed else 0


if __name__ == '__main__':
    sys.exit(main())
