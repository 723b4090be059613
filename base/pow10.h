/*
 * pow10: powers of ten to 128 bits, for reading and printing doubles (base/flt.c). Written by
 * cmake/gen_pow10.py, which says how each is rounded.
 */
#ifndef ERLGATE_BASE_POW10_H
#define ERLGATE_BASE_POW10_H

#include <stdint.h>

enum { POW10_FIRST = -342, POW10_LAST = 324 };

/* [q - POW10_FIRST]: the upper and the lower half of 10^q, its highest bit moved to bit 127. */
extern const uint64_t pow10_table[POW10_LAST - POW10_FIRST + 1][2];

#endif
