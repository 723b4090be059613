/*
 * canon: one term rewritten in canonical form: as term_to_binary of OTP 26 and later would write it.
 *
 * Private to etf/. Copying is this and no more; for the question whether two terms are equal maps are sorted
 * and what does not matter is left out, so that equal terms become equal bytes.
 */
#ifndef ERLGATE_ETF_CANON_H
#define ERLGATE_ETF_CANON_H

#include "base/wr.h"
#include "etf/term.h"

enum etf_canon_mode {
    ETF_CANON_COPY,
    ETF_CANON_EQUAL, /* `=:=` of OTP 27 and later */
    ETF_CANON_KEY, /* the same key for some OTP: 0.0 and -0.0 are one, and so are closures that OTP takes for
                      one */
};

/* Terms up to this length: offsets are kept in 31 bits. */
#define ETF_CANON_MAX_BYTES ((size_t)INT32_MAX)

/*
 * Each map that is sorted costs the bytes of its pairs anew, so maps within maps cost their depth times their
 * size. For terms from outside, `len` bytes of them in all, no more than this may be spent: as much as a term
 * of any size whose maps are nested 16 deep, or a small one of any depth.
 */
static inline uint64_t etf_canon_budget(uint64_t len)
{
    return 32 * len + (1 << 22);
}

/*
 * Appends the term at r, which then stands behind it. ERR_DUPLICATE_KEY (never when copying) with the offset
 * of the second key in f (may be NULL), counted as r counts; ERR_NOMEM, ERR_TOO_LARGE, w's failure;
 * ERR_MALFORMED for what validation would not have let through. r and w are as they may be then.
 *
 * budget: bytes that may be spent on maps, of which what was spent is taken; ERR_TOO_LARGE when it does not
 * do. NULL: no bound.
 */
MUST_USE enum err etf_canon(struct wr *w, struct rd *r, const struct etf_atoms *atoms,
                            enum etf_canon_mode mode, uint64_t *budget, struct fault *f);

/*
 * Ends the list whose LIST_EXT, with a length not known then, was written at `start`, and after it `count`
 * elements and, when it is improper, the tail. all_bytes: each element is a SMALL_INTEGER_EXT; such a list
 * becomes a STRING_EXT.
 */
void etf_close_list(struct wr *w, size_t start, uint64_t count, bool is_proper, bool all_bytes);

#endif
