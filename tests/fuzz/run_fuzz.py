#!/usr/bin/env python3
"""Runs random sequences of system calls natively and under detent, and compares what they answered.

    run_fuzz.py GUEST --detent PATH --area time --sequences 1000 --seed 1 --time virtual

Hashes of whole sequences are compared first. A sequence that differs is run again on its own, natively
several times: what Linux itself answers now this way, now that way is legal, and counted as such. Any
other difference is made as small as it goes (operations are left out as long as it stays) and printed
with the command that repeats it. A sequence that hangs or crashes differs as well.

Ends with the line "N passed, N failed", N being sequences; the status is 1 if any failed.
"""
import argparse
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time

CHUNK = 1000          # sequences of one process
PATIENCE = 30         # seconds without a finished sequence
NATIVE_ROUNDS = 40    # runs that may show an answer of detent's to be one of Linux's


class Side:
    """How one of the two sides is started."""

    def __init__(self, name, prefix, options, cpu=None):
        self.name, self.prefix, self.options, self.cpu = name, prefix, options, cpu

    def command(self, guest, area, seed, first, count, *more):
        return [*self.prefix, guest, area, str(seed), str(first), str(count), *self.options, *more]

    def start(self, command, **pipes):
        def pin():
            if self.cpu is not None:  # on one processor threads take turns, as they do under detent
                os.sched_setaffinity(0, {self.cpu})
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True,
                                preexec_fn=pin, **pipes)


def end(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def status_text(code):
    return f'ended by signal {-code}' if code < 0 else f'ended with status {code}'


def last_words(told):
    """What detent said at the end, for a crash that may not come again."""
    told.seek(0)
    lines = told.read().decode(errors='replace').splitlines()
    return ''.join(f'\n  {line}' for line in lines[-5:])


class Stream:
    """Hashes of the sequences [first, first + count), read from one process after the other."""

    def __init__(self, fuzz, side, first, count):
        self.fuzz, self.side = fuzz, side
        self.first, self.count = first, count
        self.hashes = {}
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        index, last = self.first, self.first + self.count
        while index < last:
            index = self.run_from(index, last)

    def run_from(self, index, last):
        """Runs until the process ends; returns where to go on."""
        command = self.side.command(self.fuzz.guest, self.fuzz.area, self.fuzz.seed, index, last - index)
        told = tempfile.TemporaryFile()
        process = self.side.start(command, stdout=subprocess.PIPE, stderr=told)
        lines = queue.Queue()

        def read():
            for line in process.stdout:
                lines.put(line)
            lines.put(None)
        reader = threading.Thread(target=read)
        reader.start()
        problem = None
        while True:
            try:
                line = lines.get(timeout=PATIENCE)
            except queue.Empty:
                problem = 'hangs'
                break
            if line is None:
                break
            number, value = line.split()
            self.hashes[int(number)] = value
            index = int(number) + 1
        if problem is None and index < last:
            problem = status_text(process.wait()) + last_words(told)
        end(process)
        reader.join()
        process.stdout.close()
        if problem is not None:
            self.hashes[index] = problem
            index += 1
        return index


class Fuzz:
    def __init__(self, options):
        self.guest = os.path.abspath(options.guest)
        self.detent = os.path.abspath(options.detent)
        self.area, self.seed, self.time = options.area, options.seed, options.time
        cpus = sorted(os.sched_getaffinity(0))
        self.native = Side('native', [], [], cpus[options.seed % len(cpus)])
        self.free = Side('native', [], [])
        self.emulated = Side(f'detent --time={self.time}',
                             [self.detent, 'run', f'--time={self.time}', '--io-grace=0ns', '--'],
                             ['--settle=sleep'])

    # ---- one sequence ----

    def text(self, side, index, only=None):
        """The lines of one sequence; a hang or crash is a last line of its own."""
        more = ['--text']
        if only is not None:
            more.append('--only=' + ','.join(map(str, only or [63])))
        command = side.command(self.guest, self.area, self.seed, index, 1, *more)
        process = side.start(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            out, err = process.communicate(timeout=10)
            problem = '' if process.returncode == 0 else status_text(process.returncode)
        except subprocess.TimeoutExpired:
            end(process)
            out, err = process.communicate()
            problem = 'hangs'
        end(process)
        lines = out.decode(errors='replace').splitlines()[1:]
        if problem:
            told = err.decode(errors='replace').splitlines()
            lines.append(f'  {problem}; last begun: {told[-1].strip() if told else "nothing"}')
            lines += [f'  {line}' for line in told if line.startswith('detent:')]
        return tuple(lines)

    def differs(self, index, only=None, rounds=3):
        """None if what detent answers is an answer of Linux's, else (a native text, detent's)."""
        got = self.text(self.emulated, index, only)
        texts = []
        for i in range(rounds):
            texts.append(self.text(self.free if i % 4 == 3 else self.native, index, only))
            if texts[-1] == got:
                return None
        # Each line may have been seen in another run: races that have nothing to do with each other.
        seen = set().union(*texts)
        if all(line in seen for line in got) and len(got) in {len(text) for text in texts}:
            return None
        return max(set(texts), key=texts.count), got

    def minimise(self, index):
        kept = sorted({int(line.split()[0]) for side in (self.native, self.emulated)
                       for line in self.text(side, index) if line.split()[0].isdigit()})
        size = max(1, len(kept) // 2)
        while size >= 1:
            at = 0
            while at < len(kept):
                fewer = kept[:at] + kept[at + size:]
                if fewer and self.differs(index, fewer):
                    kept = fewer
                else:
                    at += size
            size //= 2
        return kept

    # ---- many ----

    def explain(self, index, found):
        """'legal', or a report of the difference."""
        if self.differs(index, rounds=2) is None:
            return self.explain_passing(index, found)
        if self.differs(index, rounds=NATIVE_ROUNDS) is None:
            return 'legal'
        kept = self.minimise(index)
        difference = self.differs(index, kept, NATIVE_ROUNDS)
        if difference is None:
            return 'legal'
        return self.report(index, kept, *difference)

    def explain_passing(self, index, found):
        """Alone it does not differ: does it ever, natively or under detent?"""
        native, emulated = found
        for side, value in ((self.native, native), (self.emulated, emulated)):
            if ' ' in value or value == 'hangs':
                return (f'sequence {index}: {side.name} {value}, but not alone\n'
                        + self.command_for(index, None))
        texts = {self.text(self.native, index) for _ in range(10)}
        return 'legal' if len(texts) > 1 else 'passing'

    def command_for(self, index, kept):
        only = '' if kept is None else ' --only=' + ','.join(map(str, kept))
        guest = f'{self.guest} {self.area} {self.seed} {index} 1 --text{only}'
        return (f'  natively:     {guest}\n  under detent: {self.detent} run --time={self.time} '
                f'--io-grace=0ns -- {guest} --settle=sleep\n')

    def report(self, index, kept, native, emulated):
        rows = [f'sequence {index} of area {self.area}, seed {self.seed}: '
                f'Linux (-) and detent --time={self.time} (+) differ']
        for i in range(max(len(native), len(emulated))):
            left = native[i] if i < len(native) else None
            right = emulated[i] if i < len(emulated) else None
            if left == right:
                rows.append(f' {left}')
                continue
            rows += [f'-{left}'] if left is not None else []
            rows += [f'+{right}'] if right is not None else []
        return '\n'.join(rows) + '\n' + self.command_for(index, kept)


def progress(text, done=False):
    if sys.stderr.isatty() or done:
        print(f'\r\033[K{text}' if sys.stderr.isatty() else text, end='\n' if done else '',
              file=sys.stderr, flush=True)


def campaign(fuzz, first, count, limit):
    begun, failed, legal, passing = time.monotonic(), [], 0, 0
    done = 0
    while done < count and len(failed) < limit:
        size = min(CHUNK, count - done)
        streams = [Stream(fuzz, side, first + done, size) for side in (fuzz.native, fuzz.emulated)]
        for stream in streams:
            stream.thread.join()
        for index in range(first + done, first + done + size):
            values = [stream.hashes.get(index, b'missing') for stream in streams]
            if values[0] == values[1] and isinstance(values[0], bytes):
                continue
            found = fuzz.explain(index, [v if isinstance(v, str) else '' for v in values])
            if found == 'legal':
                legal += 1
            elif found == 'passing':
                passing += 1
            else:
                failed.append(index)
                print(found, flush=True)
            if len(failed) >= limit:
                print(f'stopping at {limit} differences')
                break
        done += size
        rate = done / (time.monotonic() - begun)
        progress(f'{fuzz.area} {fuzz.time}: {done} of {count} sequences, {rate:.0f}/s, '
                 f'{len(failed)} differ, {legal} legally')
    progress('', done=sys.stderr.isatty())
    print(f'area {fuzz.area}, --time={fuzz.time}, seed {fuzz.seed}: {done} sequences from {first} in '
          f'{time.monotonic() - begun:.0f} s; {legal} differed as Linux differs from itself, '
          f'{passing} once and never again')
    print(f'{done - len(failed)} passed, {len(failed)} failed')
    return 1 if failed else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('guest', help='the compiled fuzzer')
    parser.add_argument('--detent', required=True, help='path of the detent executable')
    parser.add_argument('--area', default='time', help='time, wait, fd, futex, signal or process')
    parser.add_argument('--sequences', type=int, default=1000)
    parser.add_argument('--first', type=int, default=0, help='index of the first sequence')
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--time', choices=['real', 'virtual'], default='real')
    parser.add_argument('--max-differences', type=int, default=20, help='stop after so many')
    options = parser.parse_args()
    return campaign(Fuzz(options), options.first, options.sequences, options.max_differences)


if __name__ == '__main__':
    sys.exit(main())
