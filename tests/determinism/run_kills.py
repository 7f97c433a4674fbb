#!/usr/bin/env python3
"""Members of a session are killed by SIGKILL at any moment: the others go on to their end.

    run_kills.py --detent PATH --members GUEST [--kills N] [--seed N] [--time virtual|real]

Each run kills one process of the session. It must end within a minute, all members but the killed one must come to
their end, and no process may be left behind. Ends with the line "N passed, N failed".
"""
import argparse
import os
import random
import signal
import subprocess
import sys
import time

PATIENCE = 60


def members_of(group):
    """Pids in the process group, zombies left out."""
    found = []
    for name in os.listdir('/proc'):
        if not name.isdigit():
            continue
        try:
            with open(f'/proc/{name}/stat', encoding='latin-1') as file:
                fields = file.read().rpartition(')')[2].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] not in 'ZX':
            found.append(int(name))
    return found


def one_run(command, delay, choose):
    """What went wrong, in words; empty if nothing did."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, start_new_session=True)
    time.sleep(delay)
    candidates = members_of(process.pid)
    victim = choose(candidates) if candidates else None
    if victim is not None:
        try:
            os.kill(victim, signal.SIGKILL)
        except ProcessLookupError:
            victim = None
    try:
        out, err = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        left = members_of(process.pid)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return f'no end after {victim} was killed; left: {left}'
    # The first member may have been the victim, and the others end after it.
    deadline = time.monotonic() + PATIENCE
    while members_of(process.pid):
        if time.monotonic() > deadline:
            os.killpg(process.pid, signal.SIGKILL)
            return f'strays after {victim} was killed'
        time.sleep(0.01)
    lost = out.count(b'begin ') - out.count(b'end ')
    if lost > (victim is not None):
        return f'{lost} members without an end after {victim} was killed: {out!r} {err!r}'
    if process.returncode not in (0, -signal.SIGKILL):
        return f'status {process.returncode}: {out!r} {err!r}'
    return ''


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--detent', required=True)
    parser.add_argument('--members', required=True)
    parser.add_argument('--kills', type=int, default=1000 if os.environ.get('DETENT_TEST_SLOW') else 15)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--time', default='virtual')
    options = parser.parse_args()
    draw = random.Random(options.seed)
    command = [os.path.abspath(options.detent), 'run', f'--time={options.time}', '--',
               os.path.abspath(options.members)]
    began = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=PATIENCE)
    length = time.monotonic() - began
    passed = failed = 0
    for number in range(options.kills):
        why = one_run(command, draw.uniform(0, length), draw.choice)
        if why:
            failed += 1
            print(f'FAILED kill {number}, --seed {options.seed}: {why}', flush=True)
        else:
            passed += 1
    print(f'{passed} passed, {failed} failed')
    return 0 if failed == 0 else 1


if __name__ == '__main__':
    sys.exit(main())
