#!/usr/bin/env python3
"""No fast call (src/emu/kernel/fast_calls_unsafe.h) touches vector registers or thread-local memory.

    check_general_registers.py DETENT

Disassembles the executable, follows the direct calls and jumps from each fast_* function, and looks at every
instruction on the way. Indirect calls are not allowed. Ends with "N passed, N failed", a case a root.
"""
import re
import subprocess
import sys

FUNCTION = re.compile(r'^[0-9a-f]+ <(.+)>:$')
TARGET = re.compile(r'(?:call|jmp|j\w+)\s+[0-9a-f]+ <([^>+]+)(\+0x[0-9a-f]+)?>')
FORBIDDEN = re.compile(r'%(?:[xyz]mm|mm\d|st\b|k\d|fs:|gs:)|\bsyscall\b|\b(?:call|jmp)\s+\*')
ROOT = re.compile(r'\b(fast_(?:gettid|futex))\b')


def functions(executable):
    """Name to its instructions, as objdump prints them."""
    text = subprocess.run(['objdump', '-d', '-C', '--no-show-raw-insn', executable], check=True,
                          stdout=subprocess.PIPE, text=True).stdout
    result, name = {}, None
    for line in text.splitlines():
        found = FUNCTION.match(line)
        if found:
            name = found[1]
            result.setdefault(name, [])
        elif name and '\t' in line:
            result[name].append(line.split('\t', 1)[1])
    return result


def problems(code, root):
    seen, todo, found = set(), [root], []
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        if not code.get(name):
            found.append(f'{root}: calls {name}, which is not to be seen')
        for instruction in code.get(name, []):
            if FORBIDDEN.search(instruction):
                found.append(f'{root}: in {name}: {instruction}')
            # Without -C's arguments a label inside a function has an offset: the function is on the list.
            target = TARGET.search(instruction)
            if target:
                todo.append(target[1] if target[1] in code else
                            next((n for n in code if n.startswith(target[1])), target[1]))
    return found


def main():
    code = functions(sys.argv[1])
    roots = [name for name in code if ROOT.search(name) and '(' in name]
    failed = 0
    for root in roots:
        wrong = problems(code, root)
        failed += bool(wrong)
        for line in wrong[:10]:
            print(line)
    if len(roots) < 2:
        failed += 1
        print(f'found only {roots}')
    print(f'{len(roots) - failed} passed, {failed} failed')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
