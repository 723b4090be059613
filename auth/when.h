/*
 * when: a moment as people write it: 2027-01-31, or 2027-01-31T18:00:00Z (RFC 3339, UTC).
 *
 * Pure. A date alone is its first second.
 */
#ifndef ERLGATE_AUTH_WHEN_H
#define ERLGATE_AUTH_WHEN_H

#include "base/slice.h"

enum { AUTH_WHEN_MAX = 21 };

/* Seconds since 1970. False for what is none, or no day of the calendar; the year has four digits. */
bool auth_when_read(struct slice text, int64_t *ret_s);
/* "2027-01-31T18:00:00Z"; "" for what has no four-digit year. */
void auth_when_print(int64_t s, char out[AUTH_WHEN_MAX]);

#endif
