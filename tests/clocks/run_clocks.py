#!/usr/bin/env python3
"""Changed clocks: each test of the guests runs under detent, with the options that its name calls for.

    run_clocks.py --detent PATH GUEST...

The guests set clocks, so they are never run natively: they end at once unless DETENT_CLOCKS is set, which only
this script does, for runs under detent. Also: what malformed options and scenario files are told. Ends with the line
"N passed, N failed"; the exit status is 0 if none failed.
"""
import argparse
import os
import subprocess
import sys
import tempfile

TIMEOUT = 60
USAGE = 2

BEFORE_MIDNIGHT = ['--epoch', '2016-12-31T23:59:50Z']

# Test of a guest -> options of detent. Those that are not named here run with --time=virtual alone.
OPTIONS = {
    'step_moves_realtime_and_tai_only': ['--step', 'at=1s,by=-1h'],
    'step_at_a_date': ['--epoch', '2026-03-29T01:59:50+01:00', '--step', 'at=2026-03-29T02:00:00+01:00,by=1h'],
    'absolute_waits_follow_a_step_and_relative_ones_do_not': ['--step', 'at=1s,by=1h'],
    'steps_cancel_timerfds': ['--step', 'at=1s,by=1ns', '--step', 'at=2s,by=-1ns'],
    'suspend_moves_boottime_and_realtime': ['--suspend', 'at=3s,for=8h'],
    'suspend_fires_alarms_in_their_order': ['--suspend', 'at=3s,for=8h'],
    'suspend_cancels_timerfds': ['--suspend', 'at=3s,for=8h'],
    'alarms_of_a_busy_program_end_the_suspend': ['--suspend', 'at=3s,for=8h'],
    'slew_bends_all_clocks_but_raw': ['--slew', 'at=0s,ppm=500', '--slew', 'at=1000s,ppm=0'],
    'epoch_is_where_realtime_starts': ['--epoch', '1999-12-31T23:59:59.5Z'],
    'events_survive_exec': ['--step', 'at=1s,by=1h', '--step', 'at=3s,by=1h', '--slew', 'at=4s,ppm=100'],
    'events_reach_forked_processes': ['--step', 'at=1s,by=1h', '--suspend', 'at=2s,for=1h'],
    'scaled_time_goes_on_over_exec': ['--time=scaled:100'],
    'step_in_real_time': ['--time=real', '--step', 'at=300ms,by=-1h'],
    'suspend_in_real_time': ['--time=real', '--suspend', 'at=300ms,for=2h'],
    'slew_in_real_time': ['--time=real', '--slew', 'at=0s,ppm=100000'],
    'a_leap_second_is_inserted': BEFORE_MIDNIGHT,
    'a_leap_second_is_deleted': BEFORE_MIDNIGHT,
    'a_leap_second_may_be_called_off': BEFORE_MIDNIGHT,
    'a_clock_that_is_set_has_no_leap_second': BEFORE_MIDNIGHT,
    'a_leap_second_survives_exec_and_fork': BEFORE_MIDNIGHT,
    'a_step_from_outside_ends_it_too': ['--step', 'at=1s,by=1h'],
    'a_suspend_is_no_step': ['--suspend', 'at=1s,for=1h'],
    'epoch_in_real_time': ['--time=real', '--epoch', '@86400000'],
}

FILE = """# a machine that travels
epoch 2026-03-29T00:00:00Z

step at=1s,by=1h      # one hour east
  step  at=2026-03-29T02:00:00+01:00 by=-1h
suspend at=2s,for=1.5h\r
"""

# Option -> what stderr says.
BAD_OPTIONS = [
    (['--step', 'at=5x,by=1h'], "--step 'at=5x,by=1h': column 4: expected a time since the start such as 5s"),
    (['--step', 'at=5s'], 'column 6: expected by=..., found nothing'),
    (['--step', 'by=1h'], 'column 6: expected at=TIME, found nothing'),
    (['--step', 'at=5s,by=1'], "column 10: expected a span such as 1h or -30s, found '1'"),
    (['--step', 'at=5s,by='], 'column 10: expected a span such as 1h or -30s, found nothing'),
    (['--step', 'at=-5s,by=1h'], 'column 4: expected a time'),
    (['--step', 'at=5s,at=6s,by=1h'], "column 7: expected at=TIME and by=..., each once, found 'at=6s'"),
    (['--step', 'at=5s,ppm=1'], "column 7: expected at=TIME and by=..., each once, found 'ppm=1'"),
    (['--step', 'at=2026-02-29T00:00:00Z,by=1h'], 'column 4: expected a time'),
    (['--step', 'at=2026-03-29T24:00:00Z,by=1h'], 'column 4: expected a time'),
    (['--slew', 'at=5s,ppm=100000.5'], 'column 11: expected parts per million from -100000 to 100000'),
    (['--slew', 'at=5s,ppm=1.0001'], 'column 11: expected parts per million'),
    (['--suspend', 'at=3s,for=0s'], 'column 11: expected a span of more than 0'),
    (['--suspend', 'at=3s,for=-8h'], 'column 11: expected a span of more than 0'),
    (['--suspend', 'at=3s,for=300000000h'], 'column 11: expected a span'),
    (['--epoch', 'yesterday'], '--epoch: expected a date such as 2026-03-29'),
    (['--epoch', '2300-01-01'], '--epoch: expected a date'),
    (['--step', 'at=1s,by=1s'] * 257, 'column 1: expected at most 256 events in all'),
    (['--scenario', '/no/such/file'], '--scenario /no/such/file: No such file or directory'),
    (['--scenario', '/'], '--scenario /: Is a directory'),
]
BAD_FILES = [
    ('step at=1s,by=1h\n\njump at=1s,by=1h\n', ":3:1: expected epoch, step, slew or suspend, found 'jump'"),
    ('step at=1s,by=1h\n step at=1s,to=1h\n', ":2:13: expected at=TIME and by=..., each once, found 'to=1h'"),
    ('epoch 2026-13-01\n', ":1:7: expected a date such as 2026-03-29"),
    ('epoch 2026-12-01 now\n', ":1:18: expected the end of the line, found 'now'"),
    ('suspend at=1s\n', ':1:14: expected for=..., found nothing'),
    ('\0\n', ':1:1: expected epoch, step, slew or suspend'),
]

failures = 0
passes = 0


def report(name, problem):
    global failures, passes
    if problem is None:
        passes += 1
        return
    failures += 1
    print(f'FAILED {name}\n{problem}')


def run(command, environment=None):
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT,
                              env={**os.environ, **(environment or {})})
    except subprocess.TimeoutExpired as stuck:
        return None, f'still running after {TIMEOUT} s\n{stuck.stdout}'
    return done.returncode, (done.stdout + done.stderr).decode(errors='replace')


def check_guest(detent, guest, test):
    options = OPTIONS.get(test, [])
    if not any(option.startswith('--time') for option in options):
        options = ['--time=virtual', *options]
    command = [detent, 'run', *options, '--', guest, test]
    status, output = run(command, {'DETENT_CLOCKS': '1'})
    report(test, None if status == 0 else f'status {status}: {" ".join(command)}\n{output}')


def check_refused(name, detent, options, expected):
    status, output = run([detent, 'run', *options, '--', '/bin/echo', 'started'])
    wrong = status != USAGE or expected not in output or 'started' in output
    report(name, f'expected {expected!r} and status 2; status {status}:\n{output}' if wrong else None)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--detent', required=True)
    parser.add_argument('guests', nargs='+')
    options = parser.parse_args()
    detent = os.path.abspath(options.detent)
    with tempfile.TemporaryDirectory() as directory:
        good = os.path.join(directory, 'travel')
        with open(good, 'w', newline='') as file:
            file.write(FILE)
        OPTIONS['a_scenario_file'] = ['--scenario', good]
        seen = set()
        for guest in map(os.path.abspath, options.guests):
            tests = run([guest, '--list'])[1].split()
            seen.update(tests)
            for test in tests:
                check_guest(detent, guest, test)
        unknown = sorted(set(OPTIONS) - seen)
        report('every option names a test', f'no such tests: {unknown}' if unknown else None)
        for arguments, expected in BAD_OPTIONS:
            check_refused(' '.join(arguments[:2]), detent, arguments, expected)
        for text, expected in BAD_FILES:
            bad = os.path.join(directory, 'bad')
            with open(bad, 'w') as file:
                file.write(text)
            check_refused(repr(text), detent, ['--scenario', bad], bad + expected)
    print(f'{passes} passed, {failures} failed')
    return 1 if failures else 0


if __name__ == '__main__':
    sys.exit(main())
