#!/usr/bin/env python3
"""The fork server: many schedules from one loaded program, each as it would be on its own.

    run_server.py --detent PATH GUEST SNAPSHOT      (racy.c, verdicts.c)
    run_server.py --detent PATH --measure N GUEST

Schedules are sent to a server; verdict, trace hash and stdout have to be those of `detent run` with the same
strategy and seeds. Then a pipe that was made before the snapshot must not carry bytes from one copy to the
next. Ends with the line "N passed, N failed"; with --measure prints schedules per second instead.
"""
import argparse
import array
import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import time

STRATEGIES = ('fifo', 'random', 'pct:3', 'pos', 'surw', 'period:2', 'starve', 'random+atomics', 'pct:3+atomics',
              'pos+atomics')
ENV = {'PATH': '/usr/bin:/bin', 'LC_ALL': 'C'}


class Server:
    def __init__(self, detent, guest):
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.process = subprocess.Popen([detent, 'run', f'--server={theirs.fileno()}', '--random-seed=5', '--points=atomics',
                                         '--', *guest],
                                        pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, env=ENV)
        theirs.close()
        self.socket.settimeout(60)

    def run(self, strategy, seed, deviations=(), budget=0, fds=None):
        """(report, stdout, wait status) of one schedule."""
        with tempfile.TemporaryFile() as report, tempfile.TemporaryFile() as out:
            packet = struct.pack('=IIQ24sqQII', 3, len(deviations), seed, strategy.encode(), budget, 0, 0, 0)
            packet += b''.join(struct.pack('=II', *pair) for pair in deviations)
            rights = array.array('i', [report.fileno(), out.fileno(), 2])
            self.socket.sendmsg([packet], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
            answer = self.socket.recv(4)
            if len(answer) != 4:
                return {}, b'', None
            report.seek(0)
            out.seek(0)
            text = report.read()
            return json.loads(text) if text else {}, out.read(), struct.unpack('=i', answer)[0]

    def close(self):
        self.socket.close()
        return self.process.wait(60)


def alone(detent, guest, strategy, seed):
    with tempfile.NamedTemporaryFile() as report:
        done = subprocess.run([detent, 'run', f'--report={report.name}', '--time=virtual', f'--strategy={strategy}',
                               f'--seed={seed}', '--random-seed=5', '--', *guest], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, timeout=60, check=False, env=ENV)
        return json.loads(report.read()), done.stdout, done.returncode


class Suite:
    def __init__(self):
        self.passed = self.failed = 0

    def check(self, name, value, expected):
        if value == expected:
            self.passed += 1
        else:
            self.failed += 1
            print(f'FAILED {name}: {value!r}, expected {expected!r}', flush=True)


def compare(suite, detent, guest):
    server = Server(detent, guest)
    reports = []
    for strategy in STRATEGIES:
        for seed in (1, 2):
            name = f'{strategy}, seed {seed}'
            report, out, status = server.run(strategy, seed)
            wanted, wanted_out, code = alone(detent, guest, strategy, seed)
            for field in ('verdict', 'trace_hash', 'choices', 'virtual_ns', 'schedule'):
                suite.check(f'{name}: {field}', report.get(field), wanted[field])
            suite.check(f'{name}: stdout', out, wanted_out)
            suite.check(f'{name}: status', status, code << 8)
            reports.append(report)
    for report in reports[2:4]:
        again, _, _ = server.run('replay', 0, report['deviations'])
        suite.check('deviations replayed', again.get('trace_hash'), report['trace_hash'])
    report, _, status = server.run('fifo', 1, budget=1)
    suite.check('time budget', (report.get('verdict'), status), ('time-budget', 124 << 8))
    suite.check('server ends', server.close(), 0)


def isolate(suite, detent, guest):
    """What one copy leaves in pipes and files made before the snapshot is not there for the next."""
    server = Server(detent, [guest, 'snapshot'])
    for seed in range(3):
        report, out, _ = server.run('random', seed)
        suite.check('copies are alone', (report.get('verdict'), out), ('ok', b'1 unread, 1 ready, read EL, at 3\n'))
    suite.check('server ends', server.close(), 0)
    server = Server(detent, [guest, 'seven'])
    report, _, status = server.run('random', 1)
    suite.check('no choice at all', (report.get('verdict'), status), ('exit', 7 << 8))
    suite.check('server ends', server.close(), 0)


def measure(detent, guest, count):
    server = Server(detent, guest)
    server.run('fifo', 0)
    null = os.open('/dev/null', os.O_RDWR)
    rights = array.array('i', [null, null, null])
    start, cpu = time.monotonic(), os.times()
    for seed in range(count):
        packet = struct.pack('=IIQ24sqQII', 3, 0, seed, b'random', 0, 0, 0, 1)
        server.socket.sendmsg([packet], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        server.socket.recv(4)
    wall = time.monotonic() - start
    server.close()
    used = os.times()
    cpu_time = used.children_user + used.children_system - cpu.children_user - cpu.children_system
    print(f'{count / wall:.0f} schedules/s of wall time, {count / cpu_time:.0f} per second of CPU time')


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--detent', required=True)
    parser.add_argument('--measure', type=int)
    parser.add_argument('guest', nargs='+')
    options = parser.parse_args()
    detent = os.path.abspath(options.detent)
    guest = [os.path.abspath(options.guest[0]), *options.guest[1:]]
    if options.measure:
        return measure(detent, guest, options.measure)
    suite = Suite()
    compare(suite, detent, guest[:1])
    isolate(suite, detent, os.path.abspath(guest[1]))
    print(f'{suite.passed} passed, {suite.failed} failed')
    return 1 if suite.failed else 0


if __name__ == '__main__':
    sys.exit(main())
