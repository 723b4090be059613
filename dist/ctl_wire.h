/*
 * ctl_wire: control messages between their folded struct (dist/ctl.h) and their tuples on the wire, by one
 * table that reads and writes.
 */
#ifndef ERLGATE_DIST_CTL_WIRE_H
#define ERLGATE_DIST_CTL_WIRE_H

#include "base/rd.h"
#include "dist/ctl.h"
#include "dist/header.h"

enum dist_payload {
    DIST_PAYLOAD_NONE,
    DIST_PAYLOAD_MESSAGE,
    DIST_PAYLOAD_REASON, /* the reason of an exit or a monitor stands as payload */
};

/* One form of a control message: its number and what its tuple holds. */
struct dist_form;
enum dist_payload dist_form_payload(const struct dist_form *form);

/*
 * Reads the tuple at r, which then stands behind it. peer: the full name of the node at the other end, which
 * signals between processes must come from. ERR_MALFORMED, ERR_DEPTH or ERR_NOMEM with *ret_text (static)
 * saying why.
 */
MUST_USE enum err dist_ctl_read(struct rd *r, const struct etf_atoms *atoms, struct slice peer,
                                struct dist_ctl *ret, const struct dist_form **ret_form,
                                const char **ret_text);

/*
 * The first term of input, of which ret_len gets the length: as strict as OTP is. The keys of a message's
 * maps are not compared (that is most of the work): whoever passes one on checks it then. Reasons are, for
 * they go from link to link by themselves.
 */
MUST_USE enum err dist_term_check_prefix(struct slice input, const struct etf_atoms *atoms,
                                         enum dist_payload kind, size_t *ret_len, const char **ret_text);

/* The form for a peer with these flags. ERR_PEER_UNSUPPORTED when there is none. */
MUST_USE enum err dist_ctl_form(const struct dist_ctl *ctl, uint64_t flags, const struct dist_form **ret);
/* Writes the tuple; its atoms go through the cache (NULL: none). */
void dist_ctl_write(struct wr *w, const struct dist_form *form, const struct dist_ctl *ctl,
                    struct dist_cache_out *cache);

#endif
