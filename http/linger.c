/*
 * linger: requests that wait for their answer, and whose connection is not suspended for the first moment.
 *
 * To suspend a connection and to resume it costs two system calls, and a third for a read that gives nothing:
 * a fifth of a short call. But a handler that has not answered may be asked again, which it is whenever
 * libmicrohttpd runs, as long as its connection was ready when it last looked; so the answer that comes soon
 * is given then. What does not come soon is suspended after all: after some runs or ms, and at once where few
 * answers have come soon of late (docs/decisions/0018). There are never many who linger, for each is looked
 * at in each run.
 *
 * While somebody lingers libmicrohttpd says that it is to run again at once. Whether there is more to it we
 * know from what it has told us in its last run.
 */
#include "base/check.h"
#include "http/cross_wire.h"

enum {
    LINGERING_MAX = 256, /* of a listener */
    LOOKS_MAX = 200, /* a short call takes two on a busy machine, and twenty on a quiet one; a long one beside
                        others of its kind, a hundred */
    LINGER_MS = 10,
    RUN_MS = 2,         /* after so long libmicrohttpd is run in any case */
    LUCK_MAX = 1 << 12, /* all came soon */
    LUCK_SHIFT = 5,     /* of some so many the last */
    LUCK_ENOUGH = LUCK_MAX / 2,
    TRIED_ANYWAY = 64, /* one of so many, to see whether things have changed */
};

void http_linger_init(struct http_listener *l)
{
    l->luck = LUCK_MAX;
}

/* What GnuTLS holds of a connection, libmicrohttpd alone knows of. */
static bool may_linger(struct http_listener *l)
{
    if (!l->server->is_library_known || l->config.is_tls || l->lingering == LINGERING_MAX)
        return false;
    return l->luck >= LUCK_ENOUGH || l->tried++ % TRIED_ANYWAY == 0;
}

static void leave(struct http_request *r, bool was_lucky)
{
    struct http_listener *l = r->conn->listener;

    r->is_lingering = false;
    l->lingering--;
    if (was_lucky)
        l->luck += (LUCK_MAX - l->luck) >> LUCK_SHIFT;
    else
        l->luck -= l->luck >> LUCK_SHIFT;
}

void http_wait_begin(struct http_request *r)
{
    struct http_listener *l = r->conn->listener;

    r->phase = PHASE_WAITING;
    r->checked_ms = http_now_us(r->server) / 1000;
    ring_append(&r->server->waiting, &r->waiting);
    r->waits_since_ms = r->checked_ms;
    http_rest_begin(&r->server->rest, r->waits_since_ms);
    r->is_lingering = may_linger(l);
    r->looks = 0;
    if (r->is_lingering)
        l->lingering++;
    else
        MHD_suspend_connection(r->mhd);
}

void http_wait_look(struct http_request *r)
{
    if (!r->is_lingering ||
        (++r->looks < LOOKS_MAX && http_now_us(r->server) / 1000 - r->waits_since_ms < LINGER_MS))
        return;
    leave(r, false);
    MHD_suspend_connection(r->mhd);
}

void http_wait_end(struct http_request *r)
{
    ring_remove(&r->waiting);
    http_rest_end(&r->server->rest, r->waits_since_ms);
    if (r->is_lingering)
        leave(r, true);
    else
        MHD_resume_connection(r->mhd);
    r->conn->listener->has_resumed = true;
}

/* Its client has reset the connection, which is over already. */
void http_wait_lost(struct http_request *r)
{
    struct http_server *s = r->server;
    uint64_t id = r->id, tag = r->tag;

    CHECK(r->is_lingering);
    leave(r, true);
    ring_remove(&r->waiting);
    http_rest_end(&s->rest, r->waits_since_ms);
    CHECK(idtab_remove(&s->requests, id) == r);
    if (r->is_lent)
        http_lend_gone(s, r);
    else if (s->config.gone)
        s->config.gone(s->config.ctx, id, tag);
}

uint64_t http_linger_timeout(const struct http_listener *l, uint64_t timeout_ms)
{
    bool is_more = l->has_moved || (l->reading > 0 && l->has_read);

    return timeout_ms == 0 && l->lingering > 0 && !is_more ? RUN_MS : timeout_ms;
}
