#!/usr/bin/env python3
"""Measures detent against native runs, interleaved; prints medians and ratios, judges nothing.

    run.py [--detent PATH] [--rounds N] [--json FILE] [--only NAME[,NAME...]] [--no-pin] [--smoke]

Each round runs each guest natively and under detent, one behind the other and in turns first. Shown are
the medians over the rounds, the median of the rounds' ratios (native / detent: above 1, detent is quicker)
and their range. All runs are pinned to one processor, since native hand-offs across two cost ten times as
much. Budgets are the aims of the speed work, in ns; they hold for patched call sites.

Drift: a guest answers each byte with its CLOCK_MONOTONIC. The host's clock is read before and after each
exchange; of 200 exchanges the quickest tells the offset, known to half its round trip. Done twice, some
seconds apart, the change of the offset over that time is the drift.

With --smoke, counts are tiny and the only question is whether all figures are there and positive.
"""
import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import time

TIMEOUT = 300


class Guest:
    """A program that prints figures, the figures, and its count (and that for --smoke)."""

    def __init__(self, program, count, smoke, figures):
        self.program, self.count, self.smoke = program, count, smoke
        self.figures = figures


# Figure: (name as printed by the guest, what it is, budget in ns or None).
GUESTS = [
    Guest('bench-calls', 100000, 50, [
        ('getppid', 'host call passed on (getppid)', None),
        ('gettid', 'emulated call (gettid)', 15),
        ('futex_wake', 'futex wake, no waiter', 15),
        ('eventfd_write_read', 'eventfd write + read', 30),
        ('epoll_wait_ready', 'epoll_wait(0), one ready', 40),
        ('clock_gettime', 'clock_gettime', 27)]),
    Guest('bench-handoff', 20000, 20, [
        ('futex_handoff', 'futex hand-off, one way', 80),
        ('condvar_handoff', 'condvar hand-off, glibc', 200),
        ('eventfd_handoff', 'eventfd hand-off', 200),
        ('epoll_handoff', 'eventfd, epoll, read hand-off', 200)]),
    Guest('bench-handoff-musl', 20000, 20, [
        ('condvar_handoff', 'condvar hand-off, musl static', 200)]),
    Guest('bench-processes', 100, 3, [
        ('fork_wait', 'fork + exit + wait', None),
        ('thread_create_join', 'thread create + join', 3000)]),
    Guest('bench-lateness', 1000, 20, [
        ('late_p50', '1 ms timerfd, lateness p50', None),
        ('late_p99', '1 ms timerfd, lateness p99', 226000),
        ('late_max', '1 ms timerfd, lateness max', None)]),
]
START_UP_BUDGET = 'native + 3 ms'


class Bench:
    def __init__(self, options):
        self.detent = os.path.abspath(options.detent)
        self.guests = options.guests or os.path.join(os.path.dirname(self.detent), 'tests', 'bench')
        self.smoke = options.smoke
        self.rounds = 1 if options.smoke else options.rounds
        self.cpu = None if options.no_pin else max(os.sched_getaffinity(0))

    def path(self, program):
        return os.path.join(self.guests, program)

    def under_detent(self, command, time_mode='real'):
        return [self.detent, 'run', f'--time={time_mode}', '--', *command]

    def pin(self):
        if self.cpu is not None:
            os.sched_setaffinity(0, {self.cpu})

    def figures_of(self, command):
        """Runs a guest; a dictionary of what it printed."""
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                              timeout=TIMEOUT, preexec_fn=self.pin, check=True)
        return {name: float(value) for name, value in map(str.split, done.stdout.splitlines())}

    def wall_ns(self, command):
        start = time.monotonic_ns()
        subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=TIMEOUT,
                       preexec_fn=self.pin, check=True)
        return time.monotonic_ns() - start

    def both(self, measure, round_number):
        """(native, detent), measured in turns."""
        first, second = ('native', 'detent')[::-1 if round_number % 2 else 1]
        result = {first: measure(first), second: measure(second)}
        return result['native'], result['detent']

    def measure_guest(self, guest, samples):
        count = str(guest.smoke if self.smoke else guest.count)
        command = [self.path(guest.program), count]
        commands = {'native': command, 'detent': self.under_detent(command)}
        for number in range(self.rounds):
            native, detent = self.both(lambda who: self.figures_of(commands[who]), number)
            for name, _, _ in guest.figures:
                # A lateness may be 0; a ratio of it should not be infinite.
                samples.setdefault((guest.program, name), []).append(
                    (max(native[name], 1e-3), max(detent[name], 1e-3)))

    def measure_start_up(self, samples):
        commands = {'native': ['/bin/true'], 'detent': self.under_detent(['/bin/true'])}
        for number in range(self.rounds):
            for _ in range(1 if self.smoke else 10):
                samples.append(self.both(lambda who: self.wall_ns(commands[who]), number))

    def measure_virtual_timers(self):
        """Host time of 10,000 timers in virtual time, less that of a single one."""
        count = '100' if self.smoke else '10000'
        results = []
        for _ in range(self.rounds):
            few = self.wall_ns(self.under_detent([self.path('bench-timers'), '1'], 'virtual'))
            many = self.wall_ns(self.under_detent([self.path('bench-timers'), count], 'virtual'))
            results.append((max(many - few, 1), many))
        return results, int(count)

    def measure_drift(self):
        process = subprocess.Popen(self.under_detent([self.path('bench-clock')]), stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, bufsize=0)
        try:
            first = clock_offset(process)
            time.sleep(0.05 if self.smoke else 10)
            second = clock_offset(process)
        finally:
            process.stdin.close()
            process.stdout.close()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
        seconds = (second['at'] - first['at']) / 1e9
        change = second['offset'] - first['offset']
        return {'offset_ns': first['offset'], 'uncertainty_ns': first['uncertainty'],
                'seconds': seconds, 'change_ns': change,
                'change_uncertainty_ns': first['uncertainty'] + second['uncertainty'],
                'ppm': change / seconds / 1000}


def clock_offset(process):
    """Guest's clock minus host's, from the quickest of many exchanges."""
    best = None
    for _ in range(200):
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        process.stdin.write(b'x')
        line = process.stdout.readline()
        after = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        if best is None or after - before < 2 * best['uncertainty']:
            middle = (before + after) // 2
            best = {'offset': int(line) - middle, 'uncertainty': (after - before) / 2, 'at': middle}
    return best


def row(label, pairs, budget):
    ratios = [native / detent for native, detent in pairs]
    return {'what': label, 'native_ns': statistics.median(native for native, _ in pairs),
            'detent_ns': statistics.median(detent for _, detent in pairs),
            'ratio': statistics.median(ratios), 'ratio_min': min(ratios), 'ratio_max': max(ratios),
            'budget_ns': budget}


def number(value):
    return f'{value:,.1f}' if value < 100 else f'{value:,.0f}'


def print_rows(rows):
    print(f'{"ns":<32} {"native":>12} {"detent":>12} {"native/detent":>14} {"range":>16} {"budget":>14}')
    for entry in rows:
        budget = entry['budget_ns']
        budget = budget if isinstance(budget, str) else '-' if budget is None else number(budget)
        spread = f'{entry["ratio_min"]:.2f}..{entry["ratio_max"]:.2f}'
        print(f'{entry["what"]:<32} {number(entry["native_ns"]):>12} {number(entry["detent_ns"]):>12} '
              f'{entry["ratio"]:>14.2f} {spread:>16} {budget:>14}')


def measure(bench, only):
    rows, report = [], {}
    for guest in GUESTS:
        wanted = [figure for figure in guest.figures if not only or figure[0] in only]
        if not wanted or not os.path.exists(bench.path(guest.program)):
            continue
        samples = {}
        bench.measure_guest(guest, samples)
        rows += [row(label, samples[guest.program, name], budget) for name, label, budget in wanted]
    if not only or 'start_up' in only:
        samples = []
        bench.measure_start_up(samples)
        rows.append(row('start-up of /bin/true', samples, START_UP_BUDGET))
    report['rows'] = rows
    if not only or 'virtual_timers' in only:
        results, count = bench.measure_virtual_timers()
        report['virtual_timers'] = {
            'count': count, 'host_ns_each': statistics.median(rest for rest, _ in results) / count,
            'host_ms_whole_run': statistics.median(whole for _, whole in results) / 1e6}
    if not only or 'drift' in only:
        report['drift'] = bench.measure_drift()
    return report


def print_report(report, bench):
    print(f'{bench.rounds} rounds, native and detent in turns, '
          f'{"not pinned" if bench.cpu is None else f"pinned to processor {bench.cpu}"}; medians')
    print_rows(report['rows'])
    timers = report.get('virtual_timers')
    if timers:
        print(f'{timers["count"]:,} timerfds armed, waited for and read in virtual time: '
              f'{timers["host_ns_each"]:,.0f} ns of host time each, whole run '
              f'{timers["host_ms_whole_run"]:,.1f} ms (natively they need 1.1 s to expire)')
    drift = report.get('drift')
    if drift:
        print(f'real time against the host\'s CLOCK_MONOTONIC: offset {drift["offset_ns"]:,.0f} ns '
              f'(+-{drift["uncertainty_ns"]:,.0f}), after {drift["seconds"]:.1f} s changed by '
              f'{drift["change_ns"]:,.0f} ns (+-{drift["change_uncertainty_ns"]:,.0f}): '
              f'{drift["ppm"]:.3f} ppm')


def check(report):
    """What --smoke asserts: every figure is there and positive."""
    good = [entry['native_ns'] > 0 and entry['detent_ns'] > 0 and entry['ratio'] > 0
            for entry in report['rows']]
    good.append(report['virtual_timers']['host_ns_each'] > 0)
    good.append(report['drift']['seconds'] > 0 and report['drift']['uncertainty_ns'] > 0)
    print(f'{sum(good)} passed, {len(good) - sum(good)} failed')
    return 0 if all(good) else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--detent', default=os.environ.get('DETENT'))
    parser.add_argument('--guests', help='directory of the guests; default: tests/bench beside detent')
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--json', metavar='FILE')
    parser.add_argument('--only', type=lambda text: text.split(','), default=[],
                        help='figures by name, and start_up, virtual_timers, drift')
    parser.add_argument('--no-pin', action='store_true')
    parser.add_argument('--smoke', action='store_true')
    options = parser.parse_args()
    if not options.detent:
        parser.error('where is detent? give --detent or set DETENT')
    bench = Bench(options)
    report = measure(bench, options.only)
    print_report(report, bench)
    if options.json:
        with open(options.json, 'w', encoding='utf-8') as file:
            json.dump(report, file, indent=2)
            file.write('\n')
    return check(report) if options.smoke else 0


if __name__ == '__main__':
    sys.exit(main())
