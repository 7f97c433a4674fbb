#!/usr/bin/env python3
"""How much processor time an idle program takes by --idle.

    idle.py --detent PATH [--seconds N]

The program sleeps; a second one does not, and its processor time is taken off. Ends with "N passed, N failed".
"""
import argparse
import os
import subprocess


def processor_seconds(detent, mode, seconds):
    """User and system time of a run that sleeps for so long."""
    before = os.times()
    subprocess.run([detent, 'run', f'--idle={mode}', '--', '/bin/sleep', str(seconds)], check=True, timeout=60)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--detent', required=True)
    parser.add_argument('--seconds', type=float, default=3)
    options = parser.parse_args()
    base = min(processor_seconds(options.detent, 'block', 0) for _ in range(3))
    idle = {mode: processor_seconds(options.detent, mode, options.seconds) - base
            for mode in ('block', 'adaptive')}
    # On a busy machine it gets but a share of the processor.
    idle['spin'] = processor_seconds(options.detent, 'spin', 1) - base
    good = [idle['block'] <= 0.03, idle['adaptive'] <= 0.05, idle['spin'] >= 0.1]
    bad = subprocess.run([options.detent, 'run', '--idle=never', '--', '/bin/true'], stderr=subprocess.DEVNULL,
                         timeout=60)
    good.append(bad.returncode != 0)
    if not all(good):
        print(f'processor seconds: {idle}, exit of --idle=never: {bad.returncode}')
    print(f'{sum(good)} passed, {len(good) - sum(good)} failed')
    return 0 if all(good) else 1


if __name__ == '__main__':
    raise SystemExit(main())
