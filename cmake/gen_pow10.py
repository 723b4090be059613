#!/usr/bin/env python3
"""Writes base/pow10.c: the powers of ten that base/flt.c multiplies by, 128 bits each.

Usage: cmake/gen_pow10.py > base/pow10.c

Entry q is 10^q scaled by a power of two so that its highest bit is bit 127. Reading (Eisel-Lemire) wants it rounded
down, and up for -27 <= q < 0; printing (Schubfach) wants it rounded up, and adds the one where it is missing: the
assertion below says that this never carries into the upper half.
"""
FIRST, LAST = -342, 324


def scaled(q):
    if q >= 0:
        n = 5**q
        shift = n.bit_length() - 128
        return n >> shift if shift > 0 else n << -shift
    d = 5**-q
    n = (1 << (d.bit_length() + 127)) // d
    if n >> 128:
        n >>= 1
    return n + 1 if q >= -27 else n


print("/* Written by cmake/gen_pow10.py. */")
print('#include "base/pow10.h"')
print()
print("/* clang-format off */")
print("const uint64_t pow10_table[POW10_LAST - POW10_FIRST + 1][2] = {")
for q in range(FIRST, LAST + 1):
    n = scaled(q)
    assert n >> 127 == 1
    assert n & (2**64 - 1) != 2**64 - 1
    print("    {0x%016xu, 0x%016xu}, /* %d */" % (n >> 64, n & (2**64 - 1), q))
print("};")
