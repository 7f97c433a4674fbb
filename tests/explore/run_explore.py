#!/usr/bin/env python3
"""The commands explore, replay, shrink, verify, explain and merge, with guests that race and guests that
misbehave.

    run_explore.py --detent PATH --races DIR --hostile PATH

Ends with the line "N passed, N failed".
"""
import argparse
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree

TIMEOUT = 120
# Races that need no more than a switch at a system call, and how they show.
RACES = {'x13a-lock-order': 'deadlock', 'e07-queue-vs-eventfd-order': 'exit', 'x03-if-instead-of-while': None}
SLOW = bool(os.environ.get('DETENT_TEST_SLOW'))
REPLAYS = 100 if SLOW else 10
SURVIVES = 10000 if SLOW else 60
ENVIRONMENT = {'PATH': '/usr/bin:/bin', 'RACES_MAY_STEP_CLOCK': '1'}


class Suite:
    def __init__(self, options):
        self.detent, self.races, self.hostile = (os.path.abspath(path) for path in
                                                 (options.detent, options.races, options.hostile))
        self.work = pathlib.Path(tempfile.mkdtemp(prefix='detent-explore-'))
        self.passed = self.failed = 0

    def check(self, name, good, done=None):
        if good:
            self.passed += 1
            return
        self.failed += 1
        print(f'FAILED {name}', flush=True)
        if done is not None:
            print(f'    {shlex.join(done.args)}\n    status {done.returncode}\n{done.stdout[-3000:]}'
                  f'{done.stderr[-1000:]}', flush=True)

    def run(self, *arguments, **environment):
        return subprocess.run([self.detent, *map(str, arguments)], stdin=subprocess.DEVNULL, timeout=TIMEOUT,
                              capture_output=True, text=True, errors='replace', check=False,
                              env={**ENVIRONMENT, **environment})

    def explore(self, name, *options, command, **environment):
        """(the finished process, its results)"""
        file = self.work / f'{name}.json'
        done = self.run('explore', '--json', file, *options, '--', *command, **environment)
        return done, json.loads(file.read_text()) if file.exists() else {}

    # ---- races ----

    def race(self, name, verdict):
        buggy, fixed = f'{self.races}/{name}', f'{self.races}/{name}-fixed'
        done, results = self.explore(name, '-n', 1000, '--until-failure', command=[buggy])
        self.check(f'{name}: found', done.returncode == 1 and len(results['failures']) == 1, done)
        if not results.get('failures'):
            return
        failure = results['failures'][0]
        self.check(f'{name}: verdict', verdict is None or failure['verdict'] == verdict, done)
        self.check(f'{name}: small', len(failure['deviations']) <= 5, done)
        self.check(f'{name}: short', len(failure['schedule']) <= 64, done)
        self.check(f'{name}: repeatable', not results['nondeterministic'], done)
        self.check(f'{name}: story', f"replay: detent replay '{failure['schedule']}' -- {buggy}" in done.stdout
                   and 'tasks at the end' in done.stdout and re.search(rf'({name}\.c|race\.h):\d+', done.stdout), done)
        self.replays(name, failure['schedule'], buggy)
        done, results = self.explore(f'{name}-fixed', '-n', SURVIVES, command=[fixed])
        self.check(f'{name}: the fixed one survives', done.returncode == 0 and not results['failures'], done)

    def replays(self, name, schedule, buggy):
        done = self.run('verify', '-n', REPLAYS, '--schedule', schedule, '--', buggy)
        self.check(f'{name}: replays', done.returncode == 0 and 'all the same' in done.stdout
                   and ', ok, ' not in done.stdout, done)
        done = self.run('replay', schedule, '--', buggy)
        self.check(f'{name}: replay', done.returncode == 1 and 'tasks at the end' in done.stderr, done)
        done = self.run('shrink', schedule, '--', buggy)
        self.check(f'{name}: shrink', done.returncode == 1 and 'none can be left out' in done.stdout, done)

    def explained(self):
        buggy = f'{self.races}/x13a-lock-order'
        done, results = self.explore('explained', '-n', 1000, '--until-failure', '--out', self.work / 'out',
                                     command=[buggy])
        failure = results['failures'][0]
        # A file that --out wrote serves as well as the schedule.
        file = self.work / 'out' / f"failure-{failure['key']}.txt"
        done = self.run('explain', '--samples', 20, file, '--', buggy)
        self.check('explain', done.returncode == 1 and '<- here' in done.stdout, done)
        typo = failure['schedule'][:-1] + ('2' if failure['schedule'][-1] != '2' else '3')
        done = self.run('replay', typo, '--', buggy)
        self.check('a mistyped schedule', done.returncode == 2 and 'checksum' in done.stderr, done)

    def sharded(self):
        command = [f'{self.races}/x13a-lock-order']
        whole, _ = self.explore('whole', '-n', 60, '--seed', 3, '-j', 3, command=command)
        files = []
        for shard in range(3):
            variables = {'SLURM_ARRAY_TASK_ID': str(shard + 1), 'SLURM_ARRAY_TASK_COUNT': '3',
                         'SLURM_ARRAY_TASK_MIN': '1'}
            done, results = self.explore(f'shard{shard}', '-n', 60, '--seed', 3, '-j', 1, command=command, **variables)
            self.check(f'shard {shard}', results.get('shard') == f'{shard}/3' and results['schedules'] == 20, done)
            files.append(self.work / f'shard{shard}.json')
        junit, sarif = self.work / 'merged.xml', self.work / 'merged.sarif'
        done = self.run('merge', '--json', self.work / 'merged.json', '--junit', junit, '--sarif', sarif,
                        '--github', *files)
        same = (self.work / 'merged.json').read_bytes() == (self.work / 'whole.json').read_bytes()
        self.check('merged shards are the whole, byte for byte', same, done)
        self.check('merged report', done.stdout.startswith(whole.stdout) and done.returncode == whole.returncode, done)
        self.check('annotations', '::error file=' in done.stdout, done)
        suite = ElementTree.parse(junit).getroot().find('testsuite')
        self.check('JUnit', suite.get('failures') == '1' and len(suite) == 2)
        self.check('SARIF', json.loads(sarif.read_text())['runs'][0]['results'])
        done = self.run('merge', *files[:2])
        self.check('a missing shard', done.returncode == 2 and 'shard 2 is missing' in done.stderr, done)

    # ---- guests that misbehave ----

    def misbehaving(self):
        expected = {'spin': 'hang', 'flood': 'output-limit', 'kill': 'signal', 'segv': 'signal', 'binary': 'exit',
                    'daemon': None, 'close': None}
        for mode, verdict in expected.items():
            started = time.monotonic()
            junit = self.work / f'{mode}.xml'
            done, results = self.explore(mode, '-n', 2, '--timeout', '2s', '--no-shrink', '--junit', junit,
                                         command=[self.hostile, mode])
            found = [failure['verdict'] for failure in results.get('failures', [])]
            self.check(f'{mode}: {verdict}', found == ([verdict] if verdict else []), done)
            self.check(f'{mode}: ends', time.monotonic() - started < 60, done)
            self.check(f'{mode}: JUnit can be read', ElementTree.parse(junit).getroot() is not None)
        left = subprocess.run(['pgrep', '-f', f'{self.hostile} daemon'], capture_output=True, check=False).stdout
        self.check('no daemon is left behind', not left)

    def conditions(self):
        done, _ = self.explore('pass-if', '-n', 2, '--pass-if', 'exit == 3', command=[self.hostile, 'binary'])
        self.check('--pass-if', done.returncode == 0, done)
        done, results = self.explore('fail-if', '-n', 2, '--pass-if', 'exit == 3', '--fail-if', 'stderr ~ ::error',
                                     command=[self.hostile, 'binary'])
        self.check('--fail-if', done.returncode == 1 and results['failures'][0]['why'] == 'stderr ~ ::error', done)

    def usage(self):
        good = [self.hostile]
        for status, arguments in (
                (2, ['explore']), (2, ['explore', '--']), (2, ['explore', '--fail-if', 'x', '--', *good]),
                (2, ['explore', '--shard', '3/3', '--', *good]), (2, ['explore', '--strategy', 'x', '--', *good]),
                (2, ['explore', '--time-budget', 'x', '--', *good]), (2, ['replay', '--', *good]),
                (2, ['replay', 'nonsense', '--', *good]), (2, ['merge', '/nonexistent']), (2, ['merge', self.hostile]),
                (4, ['explore', '--', '/nonexistent/program']), (0, ['explore', '-n', '1', '--', *good]),
                (124, ['explore', '-n', '1000000', '--time-budget', '1s', '--', *good]),
                (0, ['explore', '--time-budget', '1s', '--', *good])):
            done = self.run(*arguments)
            self.check(f'exit status {status}', done.returncode == status, done)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--detent', required=True)
    parser.add_argument('--races', required=True)
    parser.add_argument('--hostile', required=True)
    suite = Suite(parser.parse_args())
    for name, verdict in RACES.items():
        suite.race(name, verdict)
    suite.explained()
    suite.sharded()
    suite.misbehaving()
    suite.conditions()
    suite.usage()
    print(f'{suite.passed} passed, {suite.failed} failed')
    return 1 if suite.failed else 0


if __name__ == '__main__':
    sys.exit(main())
