/*
 * why: what became of a credential. For our log alone: a client learns no more than that it was refused.
 */
#ifndef ERLGATE_AUTH_WHY_H
#define ERLGATE_AUTH_WHY_H

#define AUTH_WHY_TABLE(X)                                                         \
    X(AUTH_FINE, "it is good")                                                    \
    X(AUTH_NOTHING_SHOWN, "there is no credential")                               \
    X(AUTH_REPEATED, "there are two Authorization headers")                       \
    X(AUTH_OTHER_SCHEME, "Authorization has another scheme than Bearer")          \
    X(AUTH_MALFORMED, "the token is malformed")                                   \
    X(AUTH_UNKNOWN_TOKEN, "the token is in no file")                              \
    X(AUTH_EXPIRED, "it has expired")                                             \
    X(AUTH_NO_KEYS, "a JWT was shown, and there are no keys to verify it with")   \
    X(AUTH_BAD_ALG, "the JWT's alg is none of RS256, ES256, EdDSA and HS256")     \
    X(AUTH_BAD_HEADER, "the JWT's header has crit, zip or b64")                   \
    X(AUTH_UNKNOWN_KEY, "no key has the JWT's kid and alg")                       \
    X(AUTH_BAD_SIGNATURE, "the JWT's signature is wrong")                         \
    X(AUTH_BAD_CLAIMS, "the JWT lacks exp, or a claim is of the wrong type")      \
    X(AUTH_NOT_YET, "the JWT is not valid yet (nbf, iat)")                        \
    X(AUTH_WRONG_ISSUER, "the JWT is of another issuer")                          \
    X(AUTH_WRONG_AUDIENCE, "the JWT is for another audience")                     \
    X(AUTH_NO_PRINCIPAL, "the JWT's claim for the principal is no name")          \
    X(AUTH_UNKNOWN_SESSION, "the session of the cookie has ended")                \
    X(AUTH_CONTRADICTION, "two credentials on one request are of two principals") \
    X(AUTH_NO_MEMORY, "out of memory")

enum auth_why {
#define X(sym, text) sym,
    AUTH_WHY_TABLE(X)
#undef X
        AUTH_WHY_COUNT
};

const char *auth_why_text(enum auth_why why); /* without a full stop */

#endif
