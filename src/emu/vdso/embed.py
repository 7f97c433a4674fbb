#!/usr/bin/env python3
"""embed.py INPUT OUTPUT: a C++ source that holds the bytes of a file, for vdso_clock_unsafe.cc."""
import sys

with open(sys.argv[1], 'rb') as source:
    data = source.read()
with open(sys.argv[2], 'w', encoding='ascii') as target:
    target.write('extern "C" {\nextern const unsigned char detent_vdso_image[] = {\n')
    for at in range(0, len(data), 16):
        target.write(''.join(f'{byte:#04x},' for byte in data[at:at + 16]) + '\n')
    target.write('};\nextern const unsigned long detent_vdso_image_size = sizeof detent_vdso_image;\n}\n')
