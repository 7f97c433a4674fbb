#!/usr/bin/env python3
"""rt-tests: short runs of programs that measure how late a thread wakes up.

    rt_tests.py --detent PATH [--time real|virtual] [PROGRAM...]

In real time they must end well and print their figures. In virtual time no wake-up may be late, and two
runs must print the same, byte for byte. What does not run natively (no right to real-time priorities)
is left out.
"""
import re
import shutil
import sys

sys.dont_write_bytecode = True
from real_suite import Suite, run  # noqa: E402

COMMON = ['-q', '-t2', '-p', '80', '-i', '1000']
PROGRAMS = {
    'cyclictest': [*COMMON, '-l', '200'],
    'cyclictest-mlock': [*COMMON, '-m', '-l', '200'],
    'ptsematest': [*COMMON, '-l', '100'],
    'svsematest': [*COMMON, '-l', '100'],
    'pmqtest': [*COMMON, '-l', '100'],
    'sigwaittest': [*COMMON, '-l', '100'],
    'signaltest': ['-q', '-t2', '-p', '80', '-l', '100'],
}
# Microseconds of virtual time: a few system calls of 1 us each. signaltest passes a signal round its
# threads, of which the first sleeps 10 ms now and then: its figures count that sleep.
LATEST = 100
SLEEPS = {'signaltest'}


def average_latencies(out):
    return [int(us) for us in re.findall(r'Avg:? +(\d+)', out)]


def measure(prefix, command):
    # svsematest makes its keys from the file that a shell names in $_.
    return run(prefix + command, env={'_': shutil.which(command[0])})


def check(suite, name, command):
    status, out, seconds = measure(suite.prefix, command)
    latencies = average_latencies(out)
    if status != 0:
        return f'status {status}', out
    if len(latencies) < 2:
        return 'it prints no figures', out
    # Process ids differ from run to run.
    if suite.mode == 'virtual':
        again = measure(suite.prefix, command)[1]
        pids = re.compile(r'ID\d+|\(\d+\)')
        if pids.sub('ID', out) != pids.sub('ID', again):
            return 'two runs differ', out + again
        if name not in SLEEPS and max(latencies) > LATEST:
            return 'late in virtual time', out
    return '', f'average latencies {latencies} us, {seconds:.1f} s'


def main():
    suite = Suite(__doc__, {'cyclictest': 'rt-tests'})
    for name, arguments in PROGRAMS.items():
        command = [name.split('-')[0], *arguments]
        if not suite.wanted(name):
            continue
        status, out, _ = measure([], command)
        if status != 0 or not average_latencies(out):
            print(f'skip {name}: natively status {status}: {out[-200:]}')
            continue
        suite.check(name, *check(suite, name, command))
    suite.finish()


if __name__ == '__main__':
    main()
