/*
 * shown: what a request's Authorization and Cookie hold.
 *
 * Pure; what is given is borrowed from what was taken.
 */
#ifndef ERLGATE_AUTH_SHOWN_H
#define ERLGATE_AUTH_SHOWN_H

#include "auth/why.h"
#include "base/slice.h"

enum { AUTH_SESSION_LEN = 43 }; /* characters of a session's name: 32 bytes in base64url */

/* "__Host-" binds it to this host and to HTTPS, for a browser; over plain HTTP there is no such thing. */
#define AUTH_COOKIE        "erlgate"
#define AUTH_COOKIE_SECURE "__Host-erlgate"

/* Can it be shown behind "Bearer" (RFC 6750, 2.1: token68)? */
bool auth_is_token68(struct slice s);
/* RFC 6750, 2.1: "Bearer" and a token of its alphabet (token68). AUTH_OTHER_SCHEME, AUTH_MALFORMED. */
enum auth_why auth_bearer_read(struct slice authorization, struct slice *ret);
/* The value of the cookie of that name, RFC 6265, 4.2. False: there is none, or there are two. */
bool auth_cookie_read(struct slice cookie, const char *name, struct slice *ret);

#endif
