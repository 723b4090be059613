/*
 * sessions: what stands behind a browser's cookie: a random name, of which the SHA-256 is kept, for a
 * credential that has been found good.
 *
 * A bounded table, not a signed cookie: what has been ended is over, and the credential is asked about at
 * each use, so that a token that is removed from its file ends its sessions with it. Of a principal the
 * oldest one makes room for a new one, and of all of them likewise. Pure: time and randomness are arguments.
 * Any thread may use it: a session that one worker has opened is good at each of them, from that moment. Made
 * by auth_sessions_new, ended by auth_sessions_free.
 */
#ifndef ERLGATE_AUTH_SESSIONS_H
#define ERLGATE_AUTH_SESSIONS_H

#include "auth/principal.h"
#include "auth/shown.h"
#include "base/err.h"

enum { AUTH_SESSION_RANDOM = 32, AUTH_SESSIONS_MAX = 10000, AUTH_SESSIONS_A_PRINCIPAL = 100 };

struct auth_sessions;

struct auth_session {
    struct auth_principal principal;
    uint64_t credential; /* by which it was opened */
    int64_t expires_s;
};

MUST_USE struct auth_sessions *auth_sessions_new(uint64_t seed);
void auth_sessions_free(struct auth_sessions *t); /* takes NULL */
size_t auth_sessions_count(struct auth_sessions *t);
/* Writes its name, 43 characters and a NUL. False: no memory. */
MUST_USE bool auth_sessions_open(struct auth_sessions *t, const struct auth_session *s,
                                 const uint8_t random[AUTH_SESSION_RANDOM], char name[AUTH_SESSION_LEN + 1]);
/* False: there is none of that name, or it has expired (and is forgotten). */
MUST_USE bool auth_sessions_find(struct auth_sessions *t, struct slice name, int64_t now_s,
                                 struct auth_session *ret);
/* False when there was none. */
bool auth_sessions_end(struct auth_sessions *t, struct slice name);

#endif
