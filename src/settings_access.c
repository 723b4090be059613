/* Who is let in, and how often. */
#include <stdio.h>
#include <string.h>

#include "src/settings_read.h"

enum { SESSION_TTL_MAX_S = 30 * 86400, PLACE_MAX = 512 };

bool settings_asks_who(const struct settings *s)
{
    return s->auth.token_file || s->auth.jwks_file || s->auth.principals;
}

static bool is_empty(const char *text)
{
    return !text || !*text;
}

static void read_jwt(struct settings *s, struct options *o)
{
    struct auth_config *c = &s->auth;

    c->jwks_file = options_get(o, OPT_JWKS_FILE);
    c->jwt_issuer = options_get(o, OPT_JWT_ISSUER);
    c->jwt_audience = options_get(o, OPT_JWT_AUDIENCE);
    c->jwt_claim = options_get(o, OPT_JWT_PRINCIPAL_CLAIM);
    if (is_empty(c->jwt_claim))
        options_fault(o, OPT_JWT_PRINCIPAL_CLAIM, "is to be a claim's name, as in sub");
    if (!c->jwks_file && (c->jwt_issuer || c->jwt_audience))
        options_fault(o, OPT_JWKS_FILE, "without keys no JWT can be verified: give their file");
    if (c->jwks_file && is_empty(c->jwt_issuer))
        options_fault(o, OPT_JWT_ISSUER, "is to say whose JWTs are taken: what their claim iss is");
    if (c->jwks_file && is_empty(c->jwt_audience))
        options_fault(
            o, OPT_JWT_AUDIENCE,
            "is to say whom JWTs are for: else one that was made for another service would be good here");
}

/* "none", "100", "100/500". */
static void read_rate(struct auth_rate *r, struct options *o)
{
    const char *text = options_get(o, OPT_RATE_LIMIT), *slash = strchr(text, '/');
    char first[16];
    uint64_t rate, burst;

    if (strcmp(text, "none") == 0)
        return;
    snprintf(first, sizeof first, "%.*s", slash && slash - text < 15 ? (int)(slash - text) : 15, text);
    if (!settings_parse_number(first, 1, AUTH_RATE_MAX, &rate) ||
        !settings_parse_number(slash ? slash + 1 : first, 1, AUTH_RATE_MAX, &burst)) {
        options_fault(
            o, OPT_RATE_LIMIT,
            "is to be requests a second, and perhaps how many at once, as in 100 or 100/500; or none");
        return;
    }
    r->rate = (uint32_t)rate;
    r->burst = (uint32_t)burst;
}

void settings_read_access(struct settings *s, struct options *o)
{
    const char *const *principals = options_list(o, OPT_PRINCIPAL);

    s->auth.token_file = options_get(o, OPT_TOKEN_FILE);
    s->policy_file = options_get(o, OPT_POLICY_FILE);
    s->audit_file = options_get(o, OPT_AUDIT_FILE);
    if (s->audit_file && !s->policy_file)
        options_fault(o, OPT_AUDIT_FILE, "goes with --policy-file: without rules there is no audit");
    s->auth.principals = principals[0] ? principals : NULL;
    s->gateway.admission.session_ttl_s = settings_number(o, OPT_SESSION_TTL, 1, SESSION_TTL_MAX_S);
    read_jwt(s, o);
    read_rate(&s->gateway.admission.rate, o);
}

static bool has_identity(const struct settings *s, const char *kind)
{
    for (const char *const *p = s->auth.principals; p && *p; p++)
        if (strstr(*p, kind))
            return true;
    return false;
}

void settings_warn(const struct settings *s, struct options *o)
{
    char place[PLACE_MAX];

    if (has_identity(s, "=cert:") && s->https.client_cert == HTTP_CLIENT_CERT_NONE)
        options_warn_at(o, options_place(o, OPT_PRINCIPAL, 0, place, sizeof place),
                        "no certificate is asked for (--tls-client-cert): nobody is known by one");
    if (has_identity(s, "=uid:") && !options_get(o, OPT_SOCKET))
        options_warn_at(o, options_place(o, OPT_PRINCIPAL, 0, place, sizeof place),
                        "there is no --socket: nobody is known by their user");
    if (s->policy_file && !settings_asks_who(s))
        options_warn_at(o, options_place(o, OPT_POLICY_FILE, 0, place, sizeof place),
                        "nobody is asked who they are, so that everybody is the principal \"anonymous\" "
                        "(docs/authentication.md)");
}
