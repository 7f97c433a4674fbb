#!/usr/bin/env python3
"""embed.py INPUT OUTPUT: the bytes of a file as the initialiser of a C array."""
import sys

with open(sys.argv[1], 'rb') as source:
    data = source.read()
with open(sys.argv[2], 'w', encoding='ascii') as target:
    for at in range(0, len(data), 16):
        target.write(''.join(f'{byte:#04x},' for byte in data[at:at + 16]) + '\n')
