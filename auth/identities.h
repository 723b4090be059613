/*
 * identities: who a connection itself is from: the subject of a client certificate, or the user at the other
 * end of a unix-domain socket; and which principal that is.
 *
 * Each is written NAME=cert:SUBJECT or NAME=uid:USER. NAME ends at the first '='; SUBJECT is the
 * certificate's whole subject as RFC 4514 has it, `CN=billing,O=Example`, and is compared as it is; USER is a
 * number or a user's name. One identity is one principal; a principal may have many. Made by
 * auth_identities_read, whole or not at all; immutable; ended by auth_identities_free.
 */
#ifndef ERLGATE_AUTH_IDENTITIES_H
#define ERLGATE_AUTH_IDENTITIES_H

#include "auth/fault.h"
#include "auth/principal.h"
#include "base/err.h"

struct auth_identity {
    struct auth_principal principal;
    char *subject; /* owned; NULL: it is a user */
    int64_t uid;
    uint64_t credential;
};

struct auth_identities {
    struct auth_identity *list; /* owned */
    size_t count;
};

/* list: NULL-terminated; NULL: none. Users' names are looked up in the system's database. A fault's file is
 * "--principal". */
MUST_USE struct auth_identities *auth_identities_read(const char *const *list, struct auth_fault *fault);
void auth_identities_free(struct auth_identities *i); /* takes NULL */

/* By the subject of a certificate, by the uid of who has connected to a unix-domain socket. Borrowed; NULL:
 * none is known. */
const struct auth_identity *auth_identities_of_cert(const struct auth_identities *i, const char *subject);
const struct auth_identity *auth_identities_of_uid(const struct auth_identities *i, int64_t uid);

#endif
