/*
 * why: what became of a credential. For our log alone: a client learns no more than that it was refused.
 */
#ifndef ERLGATE_AUTH_WHY_H
#define ERLGATE_AUTH_WHY_H

#define AUTH_WHY_TABLE(X)                                                                          \
    X(AUTH_FINE, "fine", "it is good")                                                             \
    X(AUTH_NOTHING_SHOWN, "nothing-shown", "there is no credential")                               \
    X(AUTH_REPEATED, "repeated", "there are two Authorization headers")                            \
    X(AUTH_OTHER_SCHEME, "other-scheme", "Authorization has another scheme than Bearer")           \
    X(AUTH_MALFORMED, "malformed", "the token is malformed")                                       \
    X(AUTH_UNKNOWN_TOKEN, "unknown-token", "no line of the token file has it")                     \
    X(AUTH_EXPIRED, "expired", "it has expired")                                                   \
    X(AUTH_NO_KEYS, "no-keys", "a JWT was shown, and there are no keys to verify it with")         \
    X(AUTH_BAD_ALG, "bad-alg", "the JWT's alg is none of RS256, ES256, EdDSA and HS256")           \
    X(AUTH_BAD_HEADER, "bad-header", "the JWT's header has crit, zip or b64")                      \
    X(AUTH_UNKNOWN_KEY, "unknown-key", "no key has the JWT's kid and alg")                         \
    X(AUTH_BAD_SIGNATURE, "bad-signature", "the JWT's signature is wrong")                         \
    X(AUTH_BAD_CLAIMS, "bad-claims", "the JWT lacks exp, or a claim is of the wrong type")         \
    X(AUTH_NOT_YET, "not-yet", "the JWT is not valid yet (nbf, iat)")                              \
    X(AUTH_WRONG_ISSUER, "wrong-issuer", "the JWT is of another issuer")                           \
    X(AUTH_WRONG_AUDIENCE, "wrong-audience", "the JWT is for another audience")                    \
    X(AUTH_NO_PRINCIPAL, "no-principal", "the JWT's claim for the principal is no name")           \
    X(AUTH_UNKNOWN_SESSION, "unknown-session", "the session of the cookie has ended")              \
    X(AUTH_CONTRADICTION, "contradiction", "two credentials on one request are of two principals") \
    X(AUTH_NO_MEMORY, "no-memory", "out of memory")

enum auth_why {
#define X(sym, name, text) sym,
    AUTH_WHY_TABLE(X)
#undef X
        AUTH_WHY_COUNT
};

/* Static. */
const char *auth_why_name(enum auth_why why); /* a label: "bad-signature" */
const char *auth_why_text(enum auth_why why); /* without a full stop */

#endif
