/*
 * session: /v1/session: a token becomes a cookie, for a browser's EventSource, which can send no header.
 *
 * The cookie is good for GET alone, so that no page can do anything by it that its token's holder did not; it
 * ends with the token, by DELETE, and with the gateway.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <time.h>

#include "auth/when.h"
#include "base/log.h"
#include "bridge/internal.h"

enum { COOKIE_MAX = 256 };

static void write_cookie(const struct http_request *req, const char *value, int64_t age_s,
                         char out[COOKIE_MAX])
{
    bool is_secure = http_request_is_secure(req);

    snprintf(out, COOKIE_MAX, "%s=%s; Path=/; Max-Age=%" PRId64 "; HttpOnly; SameSite=Strict%s",
             is_secure ? AUTH_COOKIE_SECURE : AUTH_COOKIE, value, age_s, is_secure ? "; Secure" : "");
}

static json_t *describe(const char *name, size_t len, unsigned kind, int64_t expires_s)
{
    json_t *o = json_pack("{s:s%, s:s}", "principal", name, len, "by", auth_kind_name((enum auth_kind)kind));
    char when[AUTH_WHEN_MAX];

    auth_when_print(expires_s, when);
    if (o && when[0])
        json_object_set_new(o, "expires", json_string(when));
    return o;
}

/* ---- POST ---- */

static void refuse(struct gateway *g, struct http_request *req, unsigned kind)
{
    errors_answer_parameter(g, http_request_id(req), "header:Authorization",
                            kind == AUTH_BY_NOTHING
                                ? "nobody is asked who they are here: no session is needed"
                                : "a session is made of a bearer token: show one");
}

void session_open(void *ctx, struct http_request *req)
{
    struct gateway *g = ctx;
    const struct http_admission *a = http_request_admission(req);
    struct auth_session s = {.credential = a->credential, .expires_s = a->expires_s};
    struct http_header header = {.name = "Set-Cookie"};
    char name[AUTH_SESSION_LEN + 1], cookie[COOKIE_MAX];
    uint8_t random[AUTH_SESSION_RANDOM];
    int64_t now_s = time(NULL), ttl_s = (int64_t)g->config.admission.session_ttl_s;

    if (a->kind != AUTH_BY_TOKEN && a->kind != AUTH_BY_JWT) {
        refuse(g, req, a->kind);
        return;
    }
    if (s.expires_s > now_s + ttl_s)
        s.expires_s = now_s + ttl_s;
    loop_random(random, sizeof random);
    if (!auth_principal_set(&s.principal, http_request_principal(req)) ||
        !auth_sessions_open(g->sessions, &s, random, name)) {
        errors_answer(g, http_request_id(req), ERR_NOMEM, (struct slice){0});
        return;
    }
    g->admission_stats.sessions_opened++;
    LOG(LOG_INFO, "session-opened", LOG_SLICE("principal", http_request_principal(req)),
        LOG_INT("seconds", s.expires_s - now_s), LOG_SLICE("request_id", http_request_trace(req)));
    write_cookie(req, name, s.expires_s - now_s, cookie);
    header.value = cookie;
    answer_object_with(g, http_request_id(req), 201,
                       describe(a->principal, a->principal_len, AUTH_BY_SESSION, s.expires_s), &header, 1);
}

/* ---- GET ---- */

void session_look(void *ctx, struct http_request *req)
{
    const struct http_admission *a = http_request_admission(req);

    answer_object(ctx, http_request_id(req), 200,
                  describe(a->principal, a->principal_len, a->kind, a->expires_s));
}

/* ---- DELETE ---- */

/* Whoever has the cookie may end it, and nobody else is asked: there is nothing to be found out here. */
void session_end(void *ctx, struct http_request *req)
{
    struct gateway *g = ctx;
    struct auth_question q = {.is_secure = http_request_is_secure(req)};
    struct http_header header = {.name = "Set-Cookie"};
    char cookie[COOKIE_MAX];
    struct slice name;

    q.cookie_count = http_request_header(req, "cookie", &q.cookie);
    if (auth_session_name(&q, &name) && auth_sessions_end(g->sessions, name))
        g->admission_stats.sessions_ended++;
    write_cookie(req, "", 0, cookie);
    header.value = cookie;
    http_answer(g->http, http_request_id(req),
                &(struct http_response){.status = 204, .headers = &header, .header_count = 1});
}
