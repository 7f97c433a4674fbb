#!/usr/bin/env python3
"""Runs one case of cases.py natively and under detent, and compares what a user can see.

    run_real.py CASE --detent PATH [--time real|virtual] [--build DIR]

Working directory, environment and standard input are the same in both runs; each gets an empty
directory of its own for the files that it writes. Compared are standard output, exit status and,
where the case says so, standard error. Ends with the line "N passed, N failed".
"""
import argparse
import difflib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
import cases  # noqa: E402  (after the line above, or it would leave a __pycache__ in the tree)

HERE = os.path.dirname(os.path.abspath(__file__))
# What a guest may see of the caller's environment: nothing, so that both runs and all machines agree.
ENVIRONMENT = {'PATH': '/usr/local/bin:/usr/bin:/bin', 'LANG': 'C.UTF-8', 'LC_ALL': 'C.UTF-8',
               'HOME': '/nonexistent', 'PYTHONDONTWRITEBYTECODE': '1', 'PYTHONHASHSEED': '0',
               'PYTHONUNBUFFERED': '1'}  # what was printed before a fatal signal is compared too


class Run:
    """One run of a case: its exit status as text, standard output and error, seconds taken."""

    def __init__(self, case, name, prefix, build):
        self.name = name
        work = tempfile.mkdtemp(prefix='detent-real-')
        try:
            command = prefix + [part.format(guests=os.path.join(HERE, 'guests'), build=build)
                                for part in case.command]
            self.start(case, command, work)
        finally:
            shutil.rmtree(work, ignore_errors=True)
        self.stdout = cases.normalise(self.stdout.replace(work.encode(), b'WORK'), case.normalise)
        self.stderr = cases.normalise(self.stderr.replace(work.encode(), b'WORK'), case.normalise)

    def start(self, case, command, work):
        env = dict(ENVIRONMENT, TMPDIR=work, **case.env)
        # Files, not pipes: a grandchild that lives on must not keep us waiting for the end of file.
        # The guest gets a session of its own, which is killed as a whole at the end.
        with tempfile.TemporaryFile() as inp, tempfile.TemporaryFile() as out, \
             tempfile.TemporaryFile() as err:
            inp.write(case.stdin)
            inp.seek(0)
            started = time.monotonic()
            process = subprocess.Popen(command, stdin=inp, stdout=out, stderr=err, env=env, cwd=work,
                                       start_new_session=True)
            try:
                status = process.wait(case.timeout)
                self.status = f'signal {-status}' if status < 0 else f'exit {status}'
            except subprocess.TimeoutExpired:
                self.status = f'still running after {case.timeout:g} s: killed'
            self.seconds = time.monotonic() - started
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()
            out.seek(0)
            err.seek(0)
            self.stdout, self.stderr = out.read(), err.read()


def compare(what, expected, got, names):
    """The complaints about a pair of outputs."""
    if expected == got:
        return []
    lines = [text.decode(errors='replace').splitlines() for text in (expected, got)]
    diff = difflib.unified_diff(*lines, *names, lineterm='')
    return [f'{what} differs:\n' + '\n'.join(diff)]


def check(case, detent, mode, build):
    """Everything that is wrong with the case; an empty list if it passed."""
    missing = [f'{program} is missing: install the Debian package {package}'
               for program, package in case.needs.items() if not shutil.which(program)]
    if missing:
        return missing
    prefix = [detent, 'run', f'--time={mode}', '--']
    got = Run(case, f'detent --time={mode}', prefix, build)
    print(f'{got.name}: {got.status}, {got.seconds:.2f} s')
    if case.expected is not None:  # would take hours natively
        native, complaints = None, compare('stdout', case.expected, got.stdout, ('expected', got.name))
        if got.status != 'exit 0':
            complaints.append(f'status is not 0: {got.status}')
    else:
        native = Run(case, 'native', [], build)
        print(f'native: {native.status}, {native.seconds:.2f} s')
        names = (native.name, got.name)
        complaints = compare('stdout', native.stdout, got.stdout, names)
        if native.status != got.status:
            complaints.append(f'status differs: native {native.status}, {got.name} {got.status}')
        if 'still running' in native.status or native.status in ('exit 126', 'exit 127'):
            complaints.append(f'native run: {native.status}')
        if case.stderr == 'same':
            complaints += compare('stderr', native.stderr, got.stderr, names)
        elif case.stderr:
            complaints += compare('stderr', *(b'\n'.join(re.findall(case.stderr, run.stderr, re.M))
                                              for run in (native, got)), names)
            if not re.search(case.stderr, native.stderr, re.M):
                complaints.append(f'native stderr has no match for {case.stderr!r}')
        if not native.stdout and not native.stderr and not case.silent:
            complaints.append('the native run printed nothing: the case tests nothing')
    limit = case.limits.get(mode)
    if limit and got.seconds > limit:
        complaints.append(f'took {got.seconds:.2f} s under {got.name}, more than {limit:g} s')
    if complaints:
        for run in filter(None, (native, got)):
            if run.stderr:
                complaints.append(f'{run.name}, stderr:\n' + run.stderr[-4000:].decode(errors='replace'))
    return complaints


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('case')
    parser.add_argument('--detent', required=True, help='path of the detent executable')
    parser.add_argument('--time', choices=['real', 'virtual'], default='real')
    parser.add_argument('--build', help='directory of the compiled guests (default: beside detent)')
    options = parser.parse_args()

    detent = os.path.abspath(options.detent)
    build = options.build or os.path.join(os.path.dirname(detent), 'tests', 'real')
    case = cases.find(options.case)
    if case is None:
        sys.exit(f'no case {options.case!r}; there are: ' + ' '.join(c.name for c in cases.CASES))
    if options.time not in case.times:
        sys.exit(f'{case.name} runs in {" and ".join(case.times)} time only')
    complaints = check(case, detent, options.time, os.path.abspath(build))
    for complaint in complaints:
        print(f'{case.name}: {complaint}')
    why = case.known.get(options.time)
    if why and complaints:
        print(f'{case.name}: KNOWN FAILURE, neither passed nor failed: {why}')
        return 77
    if why:
        print(f'{case.name}: passes now: remove the mark "known" from its row ({why})')
    failed = int(bool(complaints or why))
    print(f'{1 - failed} passed, {failed} failed')
    return failed


if __name__ == '__main__':
    sys.exit(main())
