#!/usr/bin/env python3
"""`detent bench` runs: with tiny counts, are all its figures there, and positive? Speed is not judged."""
import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from verdicts import Verdicts  # noqa: E402

DETENT_ALONE = ('virtual_timer', 'timer_rearm_', 'timer_expire_', 'futex_wake_1')


def listed(detent):
    done = subprocess.run([detent, 'bench', '--list'], capture_output=True, text=True, check=True)
    return [line.split()[0] for line in done.stdout.splitlines()]


def problems_of(figure):
    """What is wrong with one figure of the JSON form."""
    subjects = figure.get('subjects', {})
    expected = {'detent'} if figure['name'].startswith(DETENT_ALONE) else {'native', 'detent'}
    if set(subjects) != expected:
        yield f'measured for {sorted(subjects)}, not for {sorted(expected)}'
    for name, result in subjects.items():
        spread = [result[key] for key in ('p50', 'p90', 'p99', 'p99.9', 'max')]
        if result['samples'] < 1 or spread != sorted(spread) or spread[-1] <= 0:
            yield f'{name}: {result}'


def checks(options, directory):
    """(what, problem or None) of each check."""
    plot, data = directory / 'bench.svg', directory / 'bench.json'
    done = subprocess.run([options.detent, 'bench', '--quick', '--guests', options.guests,
                           '--json', data, '--plot', plot], capture_output=True, text=True)
    yield 'exit status', None if done.returncode == 0 else f'{done.returncode}: {done.stdout}{done.stderr}'
    if not data.exists():
        return
    report = json.loads(data.read_text())
    figures = {figure['name']: figure for figure in report['figures']}
    for name in listed(options.detent):
        problems = list(problems_of(figures[name])) if name in figures else ['not in the JSON form']
        yield name, '; '.join(problems) or None
        what = figures.get(name, {}).get('what', name)
        yield f'{name} is shown', None if what in done.stdout else 'not in the table'
    drawn = len(re.findall('<circle', plot.read_text()))
    yield 'plot', None if drawn > len(figures) else f'only {drawn} dots'
    bad = subprocess.run([options.detent, 'bench', '--only', 'nonsense'], capture_output=True, text=True)
    yield 'unknown figure', None if bad.returncode == 2 and 'nonsense' in bad.stderr else bad.stderr


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--detent', required=True)
    parser.add_argument('--guests', required=True)
    options = parser.parse_args()
    verdicts = Verdicts()
    with tempfile.TemporaryDirectory() as directory:
        for what, problem in checks(options, pathlib.Path(directory)):
            verdicts.case(what, problem)
    return verdicts.end()


if __name__ == '__main__':
    sys.exit(main())
