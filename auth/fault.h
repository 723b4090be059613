/*
 * fault: why a file of tokens, keys or rules was refused, for the one who wrote it.
 *
 * Filled by the functions that load such a file, on the caller's stack; nothing to free. It never holds a
 * secret: where a value is one, `what` says which it is and not what it is.
 */
#ifndef ERLGATE_AUTH_FAULT_H
#define ERLGATE_AUTH_FAULT_H

#include <stdarg.h>
#include <stddef.h>

#include "base/slice.h"

struct auth_fault {
    char file[256];        /* its path, cut if it is longer */
    unsigned line, column; /* from 1; 0: the file as a whole */
    char what[256];        /* a sentence without a full stop */
    const char *hint;      /* static: what to do about it; NULL: none */
};

/* What is wrong with a file: at most one fault of each of its items, and the first so many. */
enum { AUTH_FAULTS_MAX = 8 };
struct auth_faults {
    struct auth_fault at[AUTH_FAULTS_MAX];
    unsigned count;
};

/* Fills f (which may be NULL), and gives false, for `return auth_fault_set(…);`. */
__attribute__((format(printf, 6, 7))) bool auth_fault_set(struct auth_fault *f, const char *file,
                                                          unsigned line, unsigned column, const char *hint,
                                                          const char *fmt, ...);
bool auth_fault_setv(struct auth_fault *f, const char *file, unsigned line, unsigned column, const char *hint,
                     const char *fmt, va_list ap) __attribute__((format(printf, 6, 0)));
/* "tokens.yaml:3:5: what; hint", cut to cap - 1 bytes. */
void auth_fault_print(const struct auth_fault *f, char *out, size_t cap);

#endif
