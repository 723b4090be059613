/* spelling: how far two short words are from each other, for "did you mean". Pure. */
#ifndef ERLGATE_BASE_SPELLING_H
#define ERLGATE_BASE_SPELLING_H

#include "base/slice.h"

enum {
    SPELLING_WORD_MAX = 40,
    SPELLING_FAR = 3, /* from here on a word is another one, and not this one written wrong */
};

/* Levenshtein's distance: how many letters are to be put in, left out or changed. SPELLING_FAR, whatever it
 * is, when one of them is longer than SPELLING_WORD_MAX bytes. */
size_t spelling_distance(struct slice a, struct slice b);

#endif
