#!/usr/bin/env python3
"""The table of the suite "real": a row is a command that must look the same natively and under detent.

With --list it prints "NAME TIME" for each test; meson.build makes its tests from that.
"""
import dataclasses
import re
import sys

sys.dont_write_bytecode = True
import cases2  # noqa: E402  (after the line above, or it would leave a __pycache__ in the tree)

BOTH = ('real', 'virtual')


@dataclasses.dataclass
class Case:
    name: str
    command: list      # {guests}: tests/real/guests; {build}: where the compiled guests are
    needs: dict = dataclasses.field(default_factory=dict)   # program: its Debian package
    stdin: bytes = b''
    env: dict = dataclasses.field(default_factory=dict)     # added to a small fixed environment
    times: tuple = BOTH
    timeout: float = 60        # seconds; against hangs, not a measure of speed
    stderr: str = ''           # '': not compared; 'same': all of it; else a regex, the matches of it
    normalise: tuple = ()      # (regex, replacement) pairs for what no two runs have in common
    expected: bytes = None     # the output where a native run would take hours
    limits: dict = dataclasses.field(default_factory=dict)  # time: seconds, where time must not pass
    silent: bool = False       # it is right that the command prints nothing
    known: dict = dataclasses.field(default_factory=dict)   # time: why it fails still; must fail then

    def __post_init__(self):
        self.normalise = [(re.compile(pattern.encode(), re.M), text.encode())
                          for pattern, text in self.normalise]
        if self.stderr not in ('', 'same'):
            self.stderr = self.stderr.encode()



def normalise(text, pairs):
    for pattern, replacement in pairs:
        text = pattern.sub(replacement, text)
    return text


PYTHON = {'/usr/bin/python3': 'python3'}
NODE = {'node': 'nodejs'}
BASH = {'/bin/bash': 'bash'}
DASH = {'/bin/dash': 'dash'}


def python(name, **options):
    return Case(f'python-{name}', ['/usr/bin/python3', f'{{guests}}/py_{name}.py'], PYTHON, **options)


def node(name, **options):
    return Case(f'node-{name}', ['/usr/bin/env', 'node', f'{{guests}}/node_{name}.js'], NODE, **options)


def shell(name, which, **options):
    needs = {'/bin/bash': 'bash', '/bin/dash': 'dash'}
    program = f'/bin/{which}'
    return Case(f'{which}-{name}', [program, f'{{guests}}/sh_{name}.sh'], {program: needs[program]},
                **options)


def guest(name, *args, **options):
    return Case(name, [f'{{build}}/{name}', *args], **options)


CASES = [
    # --- Python ---
    python('threads'),
    python('asyncio'),
    python('selectors'),
    python('subprocess'),
    python('signals'),
    python('long_sleep', times=('virtual',), limits={'virtual': 5}, timeout=30,
           expected=b'sleeper 0\nsleeper 1\nsleeper 2\nslept at least an hour each: True\n'),
    # --- node ---
    node('timers'),
    node('workers'),
    node('fs'),
    node('child'),
    # --- SQLite ---
    Case('sqlite', ['/usr/bin/env', 'sqlite3', 'test.db'], {'sqlite3': 'sqlite3'}, stderr='same',
         stdin=b"""
PRAGMA journal_mode=WAL;
CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, n INTEGER);
WITH RECURSIVE c(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM c WHERE i<20000)
  INSERT INTO t SELECT i, 'row ' || (i*7919 % 20011), i*i % 1009 FROM c;
CREATE INDEX by_n ON t(n);
SELECT count(*), sum(n), min(name), max(name) FROM t;
BEGIN; DELETE FROM t WHERE n % 2; SELECT changes(); ROLLBACK;
SELECT n, count(*) AS k FROM t GROUP BY n ORDER BY k DESC, n LIMIT 5;
UPDATE t SET name = upper(name) WHERE id % 100 = 0;
SELECT name FROM t WHERE id IN (100, 200, 201) ORDER BY id;
SELECT nothing FROM nowhere;
VACUUM;
PRAGMA wal_checkpoint(TRUNCATE);
PRAGMA integrity_check;
.dump nosuch
"""),
    # --- shells ---
    shell('script', 'bash'),
    shell('sleep_loop', 'bash', limits={'virtual': 20}),
    shell('script', 'dash'),
    shell('sleep_loop', 'dash', limits={'virtual': 20}),
    shell('jobs', 'bash'),
    shell('jobs', 'dash'),
    shell('sleeps', 'bash'),
    shell('sleeps', 'dash'),
    shell('bashisms', 'bash', stderr='same'),
    Case('nice', ['/usr/bin/nice', '-n', '3', '/bin/sh', '-c', 'nice; nice -n 2 nice; nice'], DASH),
    Case('hash-bang', ['{guests}/hash_bang.sh', 'one', 'two words'], DASH),
    Case('shell-stdin', ['/bin/sh'], DASH, stdin=b'read x\nfrom stdin\necho "got: $x"\nexit 7\n'),
    # --- threads, five kinds of executables ---
    guest('pthreads-glibc-dynamic'),
    guest('pthreads-glibc-static'),
    guest('pthreads-glibc-static-pie'),
    guest('pthreads-musl-dynamic', needs={'musl-gcc': 'musl-tools'}),
    guest('pthreads-musl-static', needs={'musl-gcc': 'musl-tools'}),
    Case('pthreads-priority-inheritance', ['{build}/pthreads-glibc-dynamic', 'pi']),
    # --- C++ ---
    guest('cxx-threads'),
    guest('cxx-threads-static'),
    # --- AddressSanitizer ---
    guest('asan-clean'),
    guest('asan-leak', stderr=r'^==\d+==ERROR: LeakSanitizer: [\w ]+|^Direct leak of .*:$|^SUMMARY.*',
          normalise=((r'==\d+==', '==PID=='),)),
    guest('asan-overflow', stderr=r'^=+\n==\d+==ERROR: AddressSanitizer: [\w-]+|^(?:READ|WRITE) of size \d+',
          normalise=((r'==\d+==', '==PID=='),)),
    # --- what a program sees of its start, and its caller of its end ---
    guest('basics', 'first', '', 'third arg', env={'SOME': 'value', 'EMPTY': ''}, stdin=b'typed\n'),
    Case('argv0', ['/bin/bash', '-c', 'exec -a another-name {build}/basics x'], BASH),
    guest('ending', '0', silent=True),
    Case('ending-42', ['{build}/ending', '42'], silent=True),
    Case('ending-segv', ['{build}/ending', 'segv'], silent=True),
    Case('ending-abort', ['{build}/ending', 'abort'], silent=True),
    Case('ending-fpe', ['{build}/ending', 'fpe'], silent=True),
    Case('ending-ill', ['{build}/ending', 'ill'], silent=True),
    Case('ending-term', ['{build}/ending', 'term'], silent=True),
    Case('ending-kill', ['{build}/ending', 'kill'], silent=True),
    Case('ending-thread-exits-group', ['{build}/ending', 'thread'], silent=True),
    Case('ending-last-thread', ['{build}/ending', 'last-thread'], silent=True),
    Case('ending-children', ['{build}/ending', 'children']),
    # --- bugs that were found on the way: tests/regress ---
    guest('fifo_open_waits_for_writer'),
    guest('sysv_hand_off'),
    guest('write_without_operation'),
    guest('nonblock_during_a_read'),
    guest('poll_of_nothing'),
    guest('sigev_none_counts_on'),
    guest('read_of_nothing_after_fork'),
    guest('empty_datagram'),
    guest('close_during_a_wait'),
    guest('sigqueue_at_the_end_of_a_page'),
    guest('held_back_segment'),
    guest('timer_faster_than_its_handler'),
    guest('busy_thread_and_a_pipe'),
    guest('fork_without_a_free_fd'),
    guest('signals_without_a_pause'),
    guest('closed_pipe_stays_while_polled'),
    guest('readers_of_one_pipe_by_two_numbers'),
]

CASES += cases2.rows(Case)


def find(name):
    return next((case for case in CASES if case.name == name), None)


if __name__ == '__main__':
    if sys.argv[1:] != ['--list']:
        sys.exit(__doc__)
    for row in CASES:
        for mode in row.times:
            print(row.name, mode)
