/*
 * write: terms in the canonical form that OTP 26 and later emit (term_to_binary with minor_version 2): the
 * shortest integer form, UTF-8 atoms, STRING_EXT for lists of bytes where the caller says so, NEW_PID_EXT,
 * NEWER_REFERENCE_EXT, NEW_PORT_EXT, or V4_PORT_EXT when the id needs it.
 *
 * All write into a wr, whose failure is sticky: ask it once at the end. A container's header is followed by
 * its elements, written by the caller; LIST_EXT's by its tail too.
 */
#ifndef ERLGATE_ETF_WRITE_H
#define ERLGATE_ETF_WRITE_H

#include "base/wr.h"
#include "etf/term.h"

void etf_write_version(struct wr *w);
/* utf8: at most ETF_ATOM_MAX_CHARS characters, valid UTF-8 (the caller has checked). */
void etf_write_atom(struct wr *w, struct slice utf8);
void etf_write_atom_str(struct wr *w, const char *utf8);
/* An atom as it was read: Latin-1 is turned into UTF-8. */
void etf_write_atom_as(struct wr *w, struct etf_atom atom);
void etf_write_int64(struct wr *w, int64_t v);
void etf_write_uint64(struct wr *w, uint64_t v);
/* magnitude: little-endian, may have leading (high) zero bytes; the shortest form is chosen. */
void etf_write_big(struct wr *w, bool negative, struct slice magnitude);
void etf_write_float(struct wr *w, double v);
void etf_write_binary(struct wr *w, struct slice bytes);
void etf_write_bitstring(struct wr *w, struct slice bytes,
                         unsigned bits_in_last); /* 1..8; 8 gives a binary */
void etf_write_nil(struct wr *w);
void etf_write_tuple(struct wr *w, uint32_t arity);
void etf_write_list(struct wr *w, uint32_t len); /* len > 0; the tail is the caller's to write */
void etf_write_string(struct wr *w,
                      struct slice bytes); /* a list of bytes; NIL when empty, LIST_EXT past 65535 */
void etf_write_map(struct wr *w, uint32_t pairs);
void etf_write_pid(struct wr *w, const struct etf_pid *pid);
void etf_write_port(struct wr *w, const struct etf_port *port);
void etf_write_ref(struct wr *w, const struct etf_ref *ref);
void etf_write_export(struct wr *w, struct slice module, struct slice function, uint8_t arity);

/*
 * Copies one term in canonical form: cache references are resolved, old tags become new ones, integers
 * shrink. Closures (NEW_FUN_EXT), RECORD_EXT and LOCAL_EXT keep their form. The term has been validated.
 * Gives wr's failure, ERR_NOMEM or ERR_TOO_LARGE past its ceiling; r has not moved then.
 */
MUST_USE enum err etf_copy(struct wr *w, struct etf_rd *r);

#endif
