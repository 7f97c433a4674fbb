"""What the stand-alone scripts of the suite "real" share: command line, counting, the last line."""
import argparse
import os
import shutil
import subprocess
import sys
import time


class Suite:
    """Counts checks; `detent(mode)` is the start of a command line."""

    def __init__(self, description, needs):
        parser = argparse.ArgumentParser(description=description,
                                         formatter_class=argparse.RawDescriptionHelpFormatter)
        parser.add_argument('--detent', required=True, help='path of the detent executable')
        parser.add_argument('--time', choices=['real', 'virtual'], default='real')
        parser.add_argument('only', nargs='*', help='names of the checks to run (default: all)')
        options = parser.parse_args()
        self.mode = options.time
        self.prefix = [os.path.abspath(options.detent), 'run', f'--time={options.time}', '--']
        self.only = options.only
        self.passed = self.failed = 0
        for program, package in needs.items():
            if not shutil.which(program):
                print(f'{program} is missing: install the Debian package {package}')
                self.failed += 1
        if self.failed:
            self.finish()

    def wanted(self, name):
        return not self.only or name in self.only

    def check(self, name, complaint, detail=''):
        """A case: it has passed if there is no complaint."""
        if complaint:
            self.failed += 1
            print(f'FAIL {name} ({self.mode} time): {complaint}\n{detail[-4000:]}', flush=True)
        else:
            self.passed += 1
            print(f'ok   {name} {detail if len(detail) < 120 else ""}', flush=True)

    def finish(self):
        print(f'{self.passed} passed, {self.failed} failed')
        sys.exit(int(self.failed != 0))


def run(command, timeout=60, cwd=None, stdin=None, env=None):
    """(exit status or "hung", output with errors, seconds). The whole session is killed at the end."""
    started = time.monotonic()
    process = subprocess.Popen(command, stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=cwd,
                               errors='replace', start_new_session=True,
                               env=dict(os.environ, **(env or {})))
    try:
        out, _ = process.communicate(stdin, timeout)
        status = process.returncode
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        out, _ = process.communicate()
        status = 'hung'
    return status, out, time.monotonic() - started
