/*
 * units: numbers as people write them: times with their unit, and sizes.
 */
#ifndef ERLGATE_SRC_UNITS_H
#define ERLGATE_SRC_UNITS_H

#include <stdbool.h>
#include <stdint.h>

enum units {
    UNITS_NONE,    /* "16" */
    UNITS_MS,      /* in ms: "500", "500ms", "30s", "2m", "1h" */
    UNITS_SECONDS, /* in s: "60", "60s", "2m", "1h" */
    UNITS_BYTES,   /* "1048576", "64KiB", "8MiB", "1GiB" */
};

/* Decimal, without a sign. False: it is none, or does not fit. */
bool units_parse(const char *text, enum units units, uint64_t *ret);
/* How the option table names them: "MS", "SECONDS", "BYTES"; anything else is UNITS_NONE. */
enum units units_of_argument(const char *argument);
/* " of milliseconds (or as in 500ms, 30s, 2m)": what stands behind "a number". Static. */
const char *units_in_words(enum units units);

#endif
