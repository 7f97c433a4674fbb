#!/usr/bin/env python3
"""Several processes, the same run: traces of all of them, output and trace hash are equal in every run.

    run_sessions.py --detent PATH --family GUEST [--runs N] [--only NAME]

Ends with the line "N passed, N failed".
"""
import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile

TIMEOUT = 120

PIPELINE = r"""
seq 1 300 | sort -r | head -n 5
for i in 1 2 3 4; do (sleep 0.$i; echo late $i) & done; echo first; wait
printf 'abc\ndef\n' | (read line; echo "$line" | tr a-z A-Z; cat) | sed s/B/b/ | while read l; do echo "<$l>"; done
timeout 2 sleep 100; echo $?
head -c 8 /dev/urandom | od -An -x; head -c 8 /dev/urandom | od -An -x
trap 'echo trapped' USR1; (kill -USR1 $$; sleep 1); echo done
"""

POOL = r"""
import multiprocessing, os, random, time
def work(n):
    time.sleep(n % 3 * 0.01)
    return n * n, os.urandom(4).hex()
def put(queue, n):
    for i in range(5):
        queue.put((n, i)); time.sleep(0.001 * n)
if __name__ == '__main__':
    with multiprocessing.get_context('fork').Pool(3) as pool:
        for result in pool.imap_unordered(work, range(20)):
            print(*result)
    queue = multiprocessing.Queue()
    children = [multiprocessing.Process(target=put, args=(queue, n)) for n in range(3)]
    for child in children: child.start()
    for _ in range(15): print(*queue.get())
    for child in children: child.join()
"""

SERVER = r"""
import os, selectors, signal, socket, sys, time
listener = socket.socket(socket.AF_UNIX)
listener.bind('\0detent-sessions-' + sys.argv[1])
listener.listen(8)
if os.fork() == 0:
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj is listener:
                selector.register(listener.accept()[0], selectors.EVENT_READ)
                continue
            data = key.fileobj.recv(100)
            if data == b'stop': sys.exit(0)
            if not data: selector.unregister(key.fileobj); key.fileobj.close(); continue
            print('server', data.decode(), flush=True)
            key.fileobj.sendall(data[::-1])
clients = []
for n in range(4):
    child = os.fork()
    if child: clients.append(child); continue
    client = socket.socket(socket.AF_UNIX)
    client.connect(listener.getsockname())
    for i in range(6):
        client.sendall(b'%d.%d' % (n, i))
        print('client', n, client.recv(100).decode(), flush=True)
        time.sleep(0.01 * (n + 1))
    os._exit(0)
for child in clients: os.waitpid(child, 0)
last = socket.socket(socket.AF_UNIX)
last.connect(listener.getsockname())
last.sendall(b'stop')
print('end', os.wait()[1])
"""

MAKEFILE = """
all: a b c d
a b c d:
\t@echo $@ begins; sleep 0.01; seq 1 50 | sort | md5sum; echo $@ ends
"""


class Run:
    def __init__(self, detent, guest):
        with tempfile.TemporaryDirectory(prefix='detent-sessions-') as place:
            trace, report = os.path.join(place, 'trace'), os.path.join(place, 'report')
            self.command = [detent, 'run', '--time=virtual', '--seed=5', f'--strace={trace}',
                            '--strace-deterministic', f'--report={report}', '--', *guest]
            done = subprocess.run(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, timeout=TIMEOUT, check=False, cwd='/',
                                  env={'PATH': '/usr/bin:/bin', 'LC_ALL': 'C'})
            self.status, self.stdout, self.stderr = done.returncode, done.stdout, done.stderr
            with open(trace, 'rb') as file:
                self.trace = file.read().splitlines()
            with open(report, encoding='utf-8') as file:
                self.report = json.load(file)

    def difference(self, other):
        """What differs, in words; empty if nothing does. A run that failed differs from any."""
        if self.status != 0 or not self.trace:
            return f'status {self.status}, {len(self.trace)} lines of trace, {self.stderr[-500:]!r}'
        for number, (line, line2) in enumerate(zip(self.trace, other.trace), 1):
            if line != line2:
                return f'line {number} of the traces:\n    {line.decode()}\n    {line2.decode()}'
        for name in ('status', 'stdout'):
            if getattr(self, name) != getattr(other, name):
                return f'{name}:\n    {getattr(self, name)!r}\n    {getattr(other, name)!r}'
        for name in ('trace_hash', 'virtual_ns', 'host_preemptions'):
            if self.report[name] != other.report[name]:
                return f'{name}: {self.report[name]} and {other.report[name]}'
        if len(self.trace) != len(other.trace):
            return f'{len(self.trace)} and {len(other.trace)} lines of trace'
        return ''


def compare(detent, name, guest, runs):
    """True if all runs are equal."""
    first = Run(detent, guest)
    for number in range(2, runs + 1):
        why = first.difference(Run(detent, guest))
        if why:
            print(f'FAILED {name}, run {number}: {why}\n    {shlex.join(first.command)}', flush=True)
            return False
    return True


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--detent', required=True)
    parser.add_argument('--family', required=True)
    parser.add_argument('--runs', type=int, default=100 if os.environ.get('DETENT_TEST_SLOW') else 3)
    parser.add_argument('--only')
    options = parser.parse_args()
    detent = os.path.abspath(options.detent)
    with tempfile.TemporaryDirectory(prefix='detent-sessions-') as place:
        makefile = os.path.join(place, 'Makefile')
        with open(makefile, 'w', encoding='utf-8') as file:
            file.write(MAKEFILE)
        guests = {
            'family': [os.path.abspath(options.family)],
            'sh': ['sh', '-c', PIPELINE],
            'bash': ['bash', '-c', PIPELINE + 'for i in {1..9}; do echo $i | cat | tr 1 2; done'],
            'pool': ['python3', '-c', POOL],
            'server': ['python3', '-c', SERVER, str(os.getpid())],
            'make': ['make', '-j3', '-f', makefile],
        }
        guests = {name: guest for name, guest in guests.items()
                  if shutil.which(guest[0]) and options.only in (None, name)}
        passed = sum(compare(detent, name, guest, options.runs) for name, guest in guests.items())
    print(f'{passed} passed, {len(guests) - passed} failed')
    return 0 if passed == len(guests) else 1


if __name__ == '__main__':
    sys.exit(main())
