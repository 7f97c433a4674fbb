#!/usr/bin/env python3
"""No preemption point is missed: every atomic instruction and PAUSE that objdump sees in a file is found.

    points.py RELOCATION FILE...

And nothing is found that objdump does not see. Ends with the line "N passed, N failed".
"""
import re
import subprocess
import sys

LINE = re.compile(r'^\s*([0-9a-f]+):\t(.*)$')
XCHG = re.compile(r'^(?:data16 |cs |fs |gs )*xchg\s+.*\(|^xchg\s+.*[%][fg]s:')


def seen_by_objdump(file):
    text = subprocess.run(['objdump', '-d', '-w', '--no-show-raw-insn', file], check=True, capture_output=True,
                          text=True).stdout
    seen = {}
    for line in text.splitlines():
        match = LINE.match(line)
        if not match:
            continue
        address, instruction = int(match[1], 16), match[2]
        if instruction.startswith(('lock ', 'pause')) or XCHG.match(instruction):
            seen[address] = instruction
    return seen


def main():
    relocation, files = sys.argv[1], sys.argv[2:]
    failed = 0
    for file in files:
        listed = subprocess.run([relocation, '--points', file], check=True, capture_output=True, text=True).stdout
        found = {int(address, 16) for address in listed.split()}
        seen = seen_by_objdump(file)
        missed, extra = sorted(seen.keys() - found), sorted(found - seen.keys())
        locks = sum(instruction.startswith('lock ') for instruction in seen.values())
        pauses = sum(instruction.startswith('pause') for instruction in seen.values())
        print(f'{file}: objdump sees {locks} lock, {len(seen) - locks - pauses} xchg, {pauses} pause; {len(found)} '
              f'found, {len(missed)} missed')
        for address in missed:
            print(f'    missed {address:x}: {seen[address]}')
        for address in extra:
            print(f'    no such instruction: {address:x}')
        failed += bool(extra or missed) or not found
    print(f'{len(files) - failed} passed, {failed} failed')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
