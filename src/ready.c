/* What readiness depends on besides links and EPMD: certificates and what was loaded from files. */
#include <stdio.h>
#include <time.h>

#include "src/server.h"

enum { DAY_S = 86400 };

static void judge_days(struct gateway_check *c, int64_t days)
{
    c->health = days < 0 ? GATEWAY_FAILED : days < FILES_DAYS_TO_WARN ? GATEWAY_WARNING : GATEWAY_OK;
    snprintf(c->text, sizeof c->text, days < 0 ? "it has expired" : "%lld days left", (long long)days);
}

size_t server_checks(void *ctx, struct gateway_check *ret)
{
    const struct server *s = ctx;
    struct loop_tls_info info;
    int64_t now_s = (int64_t)time(NULL);
    size_t n = 0;

    if (s->files.https) {
        ret[n].name = "certificate";
        judge_days(&ret[n++], http_tls_days_left(s->files.https, now_s));
    }
    if (s->files.tls) {
        loop_tls_describe(s->files.tls, &info);
        ret[n].name = "dist_certificate";
        judge_days(&ret[n++], info.is_expired ? -1 : (info.expires_s - now_s) / DAY_S);
    }
    if (auth_is_on(s->files.auth))
        ret[n++] = (struct gateway_check){.name = "authentication"};
    if (s->files.policy)
        ret[n++] = (struct gateway_check){.name = "policy"};
    return n;
}
