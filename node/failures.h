/*
 * failures: why nodes could not be reached when that was last tried.
 *
 * Of the last names alone, for names come from whoever asks. No socket, no clock: time is an argument. Zeroed
 * to begin with; ended by failures_fini.
 */
#ifndef ERLGATE_NODE_FAILURES_H
#define ERLGATE_NODE_FAILURES_H

#include "base/err.h"
#include "base/slice.h"

enum { FAILURES_MAX = 128, FAILURE_TEXT_MAX = 160 };

struct failure {
    enum err err;
    uint64_t at_ms;
    char text[FAILURE_TEXT_MAX]; /* cut if it is longer; "": there is none */
    size_t name_len;
    uint8_t name[];
};

struct failures {
    struct failure *at[FAILURES_MAX]; /* owned; NULL: free */
};

void failures_fini(struct failures *f);
/* In the place of what was said of that node before, or of the one whose failure is oldest. text may be NULL.
 * Without memory it is not kept. */
void failures_note(struct failures *f, struct slice name, enum err e, const char *text, uint64_t now_ms);
/* It has been reached. */
void failures_clear(struct failures *f, struct slice name);
/* NULL: none. Borrowed until the next call that changes anything. */
const struct failure *failures_find(const struct failures *f, struct slice name);

#endif
