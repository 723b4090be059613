/*
 * admission: who asks, and whether they ask too often: for each request before anything of its body is read.
 *
 * What there is to know (tokens, keys, names) is a snapshot of the layer auth that is not ours; sessions,
 * what has been verified already, and rates are. A client is told that it was refused, the log why.
 */
#include <time.h>

#include "base/log.h"
#include "base/mem.h"
#include "bridge/internal.h"

enum { SESSION_TTL_S = 3600, MS_A_S = 1000 };

enum err admission_init(struct gateway *g)
{
    g->sessions = g->config.owner ? g->config.sessions : auth_sessions_new(g->seed);
    g->verified = auth_cache_new();
    g->rates = g->config.owner ? g->config.rates : auth_rates_new(g->seed);
    if (!g->sessions || !g->verified || !g->rates)
        return ERR_NOMEM;
    auth_rates_set(g->rates, &g->config.admission.rate);
    if (!g->config.admission.session_ttl_s)
        g->config.admission.session_ttl_s = SESSION_TTL_S;
    return ERR_NONE;
}

void admission_fini(struct gateway *g)
{
    auth_cache_free(g->verified);
    if (g->config.owner)
        return;
    auth_sessions_free(g->sessions);
    auth_rates_free(g->rates);
}

struct auth_sessions *gateway_shared_sessions(struct gateway *g)
{
    return g->sessions;
}

struct auth_rates *gateway_shared_rates(struct gateway *g)
{
    return g->rates;
}

void gateway_set_admission(struct gateway *g, const struct gateway_admission *admission)
{
    g->config.admission = *admission;
    if (!g->config.admission.session_ttl_s)
        g->config.admission.session_ttl_s = SESSION_TTL_S;
    auth_rates_set(g->rates, &admission->rate);
    auth_cache_empty(g->verified);
    http_server_recheck(g->http);
}

size_t gateway_sessions(const struct gateway *g)
{
    return auth_sessions_count(g->sessions);
}

/* ---- one request ---- */

bool admission_is_on(const struct gateway *g)
{
    return g->config.admission.auth && auth_is_on(g->config.admission.auth);
}

static struct auth_question question_of(const struct http_caller *c)
{
    return (struct auth_question){.authorization = c->authorization,
                                  .authorization_count = c->authorization_count,
                                  .cookie = c->cookie,
                                  .cookie_count = c->cookie_count,
                                  .cert_subject = c->cert_subject,
                                  .uid = c->uid,
                                  .is_get = c->is_get,
                                  .is_secure = c->is_secure};
}

/* As the loop's clock has it; 0: never. */
static uint64_t loop_time_of(const struct gateway *g, int64_t at_s, const struct timespec *now)
{
    int64_t left_s = at_s == INT64_MAX ? 0 : at_s - now->tv_sec;
    int64_t left_ms = left_s * MS_A_S - now->tv_nsec / 1000000;

    if (at_s == INT64_MAX || left_s > INT32_MAX)
        return 0;
    return loop_now_ms(g->loop) + (left_ms > 0 ? (uint64_t)left_ms : 0);
}

/* RFC 6750, 3: who has shown nothing is told how to, who has shown something bad is told no more than that.
 */
static bool refuse(struct gateway *g, const struct http_request *req, const struct http_caller *caller,
                   enum auth_why why, struct http_problem *ret)
{
    static const struct http_header challenge = {"WWW-Authenticate",
                                                 "Bearer realm=\"erlgate\", error=\"invalid_token\""};
    bool is_nothing = why == AUTH_NOTHING_SHOWN || why == AUTH_OTHER_SCHEME;

    g->admission_stats.refused[why]++;
    LOG(LOG_INFO, "unauthenticated", LOG_STR("why", auth_why_text(why)),
        LOG_STR("address", caller->address ? caller->address : ""),
        LOG_STR("certificate", caller->cert_subject ? caller->cert_subject : ""),
        LOG_STR("method", caller->route->method), LOG_STR("route", caller->route->pattern),
        LOG_SLICE("request_id", http_request_trace(req)));
    *ret = (struct http_problem){
        .code = "unauthenticated",
        .detail = is_nothing
                      ? "Say who you are, most often by a header, Authorization: Bearer TOKEN (a session's "
                        "cookie is for GET "
                        "alone). docs/authentication.md has more."
                      : "The credentials are not good. The gateway's log says why, with this request_id."};
    if (!is_nothing) {
        ret->headers = &challenge;
        ret->header_count = 1;
    }
    return false;
}

static void put_verdict(const struct gateway *g, const struct auth_verdict *v, const struct timespec *now,
                        struct http_admission *ret)
{
    memcpy(ret->principal, v->principal.name, v->principal.len + 1);
    ret->principal_len = v->principal.len;
    ret->kind = v->kind;
    ret->credential = v->credential;
    ret->expires_s = v->expires_s;
    ret->expires_ms = loop_time_of(g, v->expires_s, now);
}

static bool identify(struct gateway *g, const struct http_request *req, const struct http_caller *caller,
                     struct http_admission *ret, struct http_problem *ret_problem)
{
    struct gateway_admission_stats *stats = &g->admission_stats;
    struct auth_question q = question_of(caller);
    struct auth_verdict v = {.principal = {"anonymous", 9}, .expires_s = INT64_MAX};
    enum auth_why why = AUTH_FINE;
    struct timespec now = {0};

    if (admission_is_on(g)) {
        clock_gettime(CLOCK_REALTIME, &now);
        why = auth_judge(g->config.admission.auth, g->sessions, g->verified, &q, now.tv_sec, &v);
    }
    if (why != AUTH_FINE)
        return refuse(g, req, caller, why, ret_problem);
    stats->admitted[v.kind]++;
    if (v.kind == AUTH_BY_JWT)
        ++*(v.was_cached ? &stats->found_verified : &stats->verified);
    put_verdict(g, &v, &now, ret);
    return true;
}

/* Seconds in which a whole burst flows in, rounded up: the window that RateLimit-Policy speaks of. */
static uint32_t window_of(const struct auth_rate *rate)
{
    return (rate->burst + rate->rate - 1) / rate->rate;
}

static bool take_rate(struct gateway *g, struct http_admission *ret, struct http_problem *ret_problem)
{
    const struct auth_rate *rate = &g->config.admission.rate;
    struct auth_left left;
    bool is_within;

    if (!rate->rate)
        return true;
    is_within =
        auth_rates_take(g->rates, slice_of(ret->principal, ret->principal_len), loop_now_ms(g->loop), &left);
    ret->rate = (struct http_rate){.limit = rate->burst,
                                   .window_s = window_of(rate),
                                   .remaining = left.remaining,
                                   .reset_s = left.reset_s};
    if (is_within)
        return true;
    g->admission_stats.rate_limited++;
    *ret_problem =
        (struct http_problem){.code = "rate-limited",
                              .detail = "This principal asks more often than it may (--rate-limit).",
                              .is_retryable = true,
                              .retry_after_s = left.retry_s};
    return false;
}

bool admission_admit(void *ctx, struct http_request *req, const struct http_caller *caller,
                     struct http_admission *ret, struct http_problem *ret_problem)
{
    struct gateway *g = ctx;

    return identify(g, req, caller, ret, ret_problem) && take_rate(g, ret, ret_problem) &&
           permission_begin(g, req, caller, slice_of(ret->principal, ret->principal_len), ret_problem);
}

bool admission_is_good(void *ctx, const struct http_admission *admission)
{
    const struct gateway *g = ctx;

    if (admission->kind == AUTH_BY_NOTHING)
        return !admission_is_on(g);
    return admission_is_on(g) && auth_has(g->config.admission.auth, admission->credential);
}
