/*
 * policy_glob: a pattern of a rule: `*` is any run of characters, `?` is one character of UTF-8, and all else
 * is itself, byte by byte: case counts, and nothing is an escape.
 *
 * Pure. Made by policy_glob_set over a text that it borrows. A match costs at most the length of one times
 * that of the other, and no more than one comparison for what has neither `*` nor `?`.
 */
#ifndef ERLGATE_AUTH_POLICY_GLOB_H
#define ERLGATE_AUTH_POLICY_GLOB_H

#include "base/slice.h"

struct policy_glob {
    struct slice text; /* borrowed */
    bool is_all;       /* it is "*" */
    bool is_plain;     /* neither `*` nor `?` is in it */
};

void policy_glob_set(struct policy_glob *g, struct slice text);
bool policy_glob_match(const struct policy_glob *g, struct slice s);

#endif
