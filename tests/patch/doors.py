#!/usr/bin/env python3
"""Which door a program's system calls take, by what `detent run --stats` says; --patch and --patch-skip.

    doors.py --detent PATH GUEST

GUEST is patch-calls, which makes all its calls in a loop. Ends with "N passed, N failed".
"""
import argparse
import re
import subprocess

STATS = re.compile(r'by patched sites (\d+) \(([\d.]+) %\), by trap (\d+); (\d+) sites patched')


def doors(options, arguments, count):
    """(calls by patched sites, their share in percent, calls by trap, sites)"""
    command = [options.detent, 'run', '--stats', *arguments, '--', options.guest, str(count)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=60, check=True)
    found = STATS.search(done.stderr)
    return int(found[1]), float(found[2]), int(found[3]), int(found[4])


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--detent', required=True)
    parser.add_argument('guest')
    options = parser.parse_args()
    results = []

    def check(what, good, seen):
        results.append(good)
        if not good:
            print(f'{what}: {seen}')

    default = doors(options, [], 20000)
    check('by default, 99.9 % of the calls are patched', default[1] >= 99.9, default)
    off = doors(options, ['--patch=off'], 20)
    check('with --patch=off none is', off[0] == 0 and off[2] > 100 and off[3] == 0, off)
    skip = doors(options, ['--patch-skip=libm.so.6,libc.so.6'], 20)
    check('--patch-skip leaves libc alone', skip[0] < skip[2], skip)
    seeds = [doors(options, ['--patch=random', f'--seed={seed}'], 20) for seed in (1, 1, 2, 3, 4)]
    check('random is repeatable', seeds[0][3] == seeds[1][3], seeds)
    check('random depends on the seed', len({seed[3] for seed in seeds}) > 1, seeds)
    check('random patches some and leaves some',
          all(0 < seed[3] < default[3] for seed in seeds), (default, seeds))
    print(f'{sum(results)} passed, {len(results) - sum(results)} failed')
    return 0 if all(results) else 1


if __name__ == '__main__':
    raise SystemExit(main())
