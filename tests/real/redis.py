#!/usr/bin/env python3
"""redis: a server under detent asked by native clients, and clients under detent asking a native server.

    redis.py --detent PATH [--time real|virtual] [CHECK...]

What the clients print must be what they print between native programs.
"""
import os
import re
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
from real_suite import Suite, run  # noqa: E402

# Each is one redis-cli: its arguments, or the text of a session.
SESSION = [
    ['PING'],
    ['SET', 'a', '1'], ['GET', 'a'],
    # Not asked for before it is gone: in virtual time a second may pass between two clients.
    ['SET', 'short', 'lived', 'EX', '1'], ['SET', 'long', 'x', 'EX', '1000000'], ['PERSIST', 'long'],
    ['TTL', 'a'],
    ['BLPOP', 'nothing', '1'],
    'MULTI\nINCR a\nINCR a\nEXEC\n',
    ['RPUSH', 'list', 'x', 'y'], ['BLPOP', 'list', '1'],
    ['EVAL', 'return redis.call("INCRBY", KEYS[1], 40)', '1', 'a'],
    ['PUBLISH', 'news', 'nobody listens'],
    ['WAIT', '0', '10'],
]
BENCHMARK = ['-q', '-t', 'ping,set,get,lpush,lpop', '-n', '5000', '-c', '20']


class Server:
    def __init__(self, prefix, work, name):
        self.socket = os.path.join(work, name + '.sock')
        self.log = open(os.path.join(work, name + '.log'), 'w+', encoding='utf-8')
        self.process = subprocess.Popen(
            [*prefix, 'redis-server', '--port', '0', '--unixsocket', self.socket, '--save', '',
             '--dir', work, '--dbfilename', name + '.rdb'],
            stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL, start_new_session=True)
        give_up = time.monotonic() + 30
        while not os.path.exists(self.socket) and time.monotonic() < give_up:
            time.sleep(0.02)

    def cli(self, *command, prefix=(), stdin=None):
        return run([*prefix, 'redis-cli', '-s', self.socket, *command], 30, None, stdin)[1]

    def stop(self):
        """Its exit status after SHUTDOWN."""
        self.cli('SHUTDOWN', 'NOSAVE')
        try:
            return self.process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, 9)
            self.process.wait()
            return 'hung'

    def complaints(self):
        self.log.seek(0)
        return self.log.read()


def talk(server, prefix=()):
    """The transcript of SESSION, and of a key that expires."""
    lines = []
    for command in SESSION:
        text = isinstance(command, str)
        answer = server.cli(*([] if text else command), prefix=prefix, stdin=command if text else None)
        lines.append(f'{command}: {answer}')
    give_up = time.monotonic() + 20
    while server.cli('EXISTS', 'short').strip() != '0' and time.monotonic() < give_up:
        time.sleep(0.1)
    lines.append('expired: ' + server.cli('EXISTS', 'short'))
    return ''.join(lines)


def benchmark(server, prefix=()):
    status, out, _ = run([*prefix, 'redis-benchmark', '-s', server.socket, *BENCHMARK], 100)
    rates = [f'{name} {float(rate):.0f}/s' for name, rate in
             re.findall(r'([A-Z]+[A-Z_]*): ([\d.]+) requests per second', out)]
    return ('' if status == 0 and len(rates) == 6 else f'status {status}, {len(rates)} of 6 figures',
            ' '.join(rates) if status == 0 else out)


def save(server):
    """BGSAVE forks: the child writes what the parent holds."""
    answer = server.cli('BGSAVE')
    give_up = time.monotonic() + 20
    info = ''
    while time.monotonic() < give_up:
        info = server.cli('INFO', 'persistence')
        if 'rdb_bgsave_in_progress:0' in info:
            break
        time.sleep(0.05)
    good = 'started' in answer and 'rdb_last_bgsave_status:ok' in info and 'rdb_saves:1' in info
    return '' if good else 'not saved', answer + info


def main():
    suite = Suite(__doc__, {'redis-server': 'redis-server', 'redis-cli': 'redis-tools',
                            'redis-benchmark': 'redis-tools'})
    with tempfile.TemporaryDirectory(prefix='detent-redis-') as work:
        native = Server([], work, 'native')
        expected = talk(native)
        # A script's effects stay: the second session starts from nothing, as the first did.
        native.cli('FLUSHALL')
        ours = Server(suite.prefix, work, 'ours')
        try:
            answers = talk(ours)
            suite.check('server-session', '' if answers == expected else 'answers differ',
                        f'native:\n{expected}\ndetent:\n{answers}')
            suite.check('server-bgsave', *save(ours))
            print('     native', benchmark(native)[1])
            suite.check('server-benchmark', *benchmark(ours))
            status = ours.stop()
            suite.check('server-shutdown', '' if status == 0 else f'status {status}', ours.complaints())
            native.cli('FLUSHALL')
            answers = talk(native, suite.prefix)
            suite.check('client-session', '' if answers == expected else 'answers differ',
                        f'native:\n{expected}\ndetent:\n{answers}')
            suite.check('client-benchmark', *benchmark(native, suite.prefix))
        finally:
            native.stop()
            if ours.process.poll() is None:
                os.killpg(ours.process.pid, 9)
    suite.finish()


if __name__ == '__main__':
    main()
