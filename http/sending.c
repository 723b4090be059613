/*
 * sending: what large answers that are on their way to their clients may hold, those of all threads together.
 * A client may take its answer as slowly as it likes while there is room. When there is none it is the slow
 * ones who pay for it, then the one that holds the most: not whoever comes, unless he wants as much. A small
 * one has an eighth more, which large ones cannot fill.
 *
 * A thread cuts off its own alone. What it cannot make room for by that it asks of the others, which look
 * with their next sweep; the one that wanted it is refused meanwhile.
 */
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/log.h"
#include "http/internal.h"

enum {
    GRACE_MS = 1000,
    SLOW_BYTES_PER_MS = 4096, /* about 4 MiB/s: below that on average, after the grace, an answer is slow */
    LARGEST_MS = 250,         /* before that not even the largest is cut off, */
    TIMES_LARGER = 8,         /* nor for one that is not so much smaller */
    LOOKS = 256,              /* at the oldest, for one that wants room */
    NEAR_PARTS = 8,           /* the last eighth: slow ones are cut off before it is wanted */
    SMALL_PARTS = 64,         /* of max_answers: what is not larger */
    BESIDE_PARTS = 8,         /* has so much more */
    PRESSED_PARTS = 2,        /* beyond: who takes how much is looked at */
};

static uint64_t all_bytes(const struct http_server *s)
{
    return atomic_load_explicit(&s->answers->bytes, memory_order_relaxed);
}

static bool is_slow(const struct http_request *r, uint64_t now_ms)
{
    return r->is_slow || now_ms - r->sent_since_ms > GRACE_MS + r->held / SLOW_BYTES_PER_MS;
}

/* How fast it has been taken since it was first looked at, so that one of which nothing is taken need not
 * grow old first. Of a unix-domain socket that cannot be told. */
static void look_at(struct http_request *r, uint64_t now_ms)
{
    struct tcp_info info;
    socklen_t len = sizeof info;

    if (getsockopt(r->conn->fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0 ||
        len < offsetof(struct tcp_info, tcpi_bytes_acked) + sizeof info.tcpi_bytes_acked)
        return;
    if (!r->looked_ms) {
        r->looked_ms = now_ms;
        r->taken = info.tcpi_bytes_acked;
    } else if (now_ms - r->looked_ms >= GRACE_MS) {
        r->is_slow = info.tcpi_bytes_acked - r->taken < (now_ms - r->looked_ms) * SLOW_BYTES_PER_MS;
    }
}

static void look_at_all(struct http_server *s, uint64_t now_ms)
{
    struct http_link *l = s->answers_by_age.next;

    for (unsigned n = 0; n < LOOKS && l != &s->answers_by_age; n++, l = l->next)
        look_at(LINK_OWNER(l, struct http_request, answers), now_ms);
}

/* Its connection ends with libmicrohttpd's next turn, and the memory with it. */
static void cut_off(struct http_request *r, uint64_t now_ms)
{
    struct http_server *s = r->server;

    s->stats.slow_answers++;
    LOG(LOG_INFO, "answer-cut-off", LOG_STR("client", r->conn->address), LOG_UINT("bytes", r->held),
        LOG_UINT("ms", now_ms - r->sent_since_ms));
    http_sending_end(r);
    shutdown(r->conn->fd, SHUT_RDWR);
}

/* Bytes too many, if len more come. One is always taken, however large. */
static uint64_t lacking(const struct http_server *s, uint64_t len)
{
    uint64_t all = all_bytes(s), most = s->limits.max_answers, beyond;

    if (len <= most / SMALL_PARTS)
        most += most / BESIDE_PARTS;
    beyond = all + len > most ? all + len - most : 0;
    return beyond < all ? beyond : all; /* one larger than all room needs the others gone, no more */
}

struct victims {
    uint64_t slow;                /* bytes of all that are slow */
    struct http_request *largest; /* borrowed; NULL: none is so much larger, or old enough */
};

static struct victims find_victims(const struct http_server *s, uint64_t len, uint64_t now_ms)
{
    struct http_link *l = s->answers_by_age.next;
    struct victims v = {0};

    for (unsigned n = 0; n < LOOKS && l != &s->answers_by_age; n++, l = l->next) {
        struct http_request *r = LINK_OWNER(l, struct http_request, answers);

        if (is_slow(r, now_ms))
            v.slow += r->held;
        else if (now_ms - r->sent_since_ms > LARGEST_MS && r->held / TIMES_LARGER >= len &&
                 (!v.largest || r->held > v.largest->held))
            v.largest = r;
    }
    return v;
}

/* The oldest first, until there are so many bytes less. */
static void cut_off_slow(struct http_server *s, uint64_t bytes, uint64_t now_ms)
{
    struct http_link *l = s->answers_by_age.next;
    uint64_t gone = 0;

    for (unsigned n = 0; n < LOOKS && l != &s->answers_by_age && gone < bytes; n++) {
        struct http_request *r = LINK_OWNER(l, struct http_request, answers);

        l = l->next;
        if (!is_slow(r, now_ms))
            continue;
        gone += r->held;
        cut_off(r, now_ms);
    }
}

static void cut_off_victims(struct http_server *s, const struct victims *v, uint64_t bytes, uint64_t now_ms)
{
    cut_off_slow(s, bytes, now_ms);
    if (v->slow < bytes && v->largest)
        cut_off(v->largest, now_ms);
}

/* Nobody is cut off in vain. */
static bool make_room(struct http_server *s, size_t len, uint64_t now_ms)
{
    uint64_t wanted = lacking(s, len);
    struct victims v = find_victims(s, len, now_ms);

    if (v.slow + (v.largest ? v.largest->held : 0) < wanted)
        return false;
    cut_off_victims(s, &v, wanted, now_ms);
    return true;
}

/* What another thread had no room for, and could not make: as much of it as can be had here. */
static void help_others(struct http_server *s, uint64_t now_ms)
{
    uint64_t len = atomic_load_explicit(&s->answers->wanted, memory_order_relaxed), missing;
    struct victims v;

    if (len == 0 || atomic_load_explicit(&s->answers->asker, memory_order_relaxed) == s ||
        atomic_load_explicit(&s->answers->asked_ms, memory_order_relaxed) + 2 * s->config.gone_ms < now_ms)
        return;
    missing = lacking(s, len);
    v = find_victims(s, len, now_ms);
    if (missing > 0 && v.slow == 0 && !v.largest)
        return; /* another may */
    if (atomic_exchange_explicit(&s->answers->wanted, 0, memory_order_relaxed) == 0)
        return; /* another does */
    cut_off_victims(s, &v, missing, now_ms);
}

void http_sending_relieve(struct http_server *s, uint64_t now_ms)
{
    uint64_t near = s->limits.max_answers - s->limits.max_answers / NEAR_PARTS, all = all_bytes(s);

    if (all > s->limits.max_answers / PRESSED_PARTS)
        look_at_all(s, now_ms);
    if (all > near)
        cut_off_slow(s, all - near, now_ms);
    help_others(s, now_ms);
}

bool http_sending_begin(struct http_request *r, size_t len)
{
    struct http_server *s = r->server;
    uint64_t now_ms;

    if (r->borrowed) {
        r->held = len;
        return true;
    }
    if (len <= HTTP_KEPT_BYTES_MAX)
        return true;
    now_ms = loop_now_ms(s->loop);
    if (lacking(s, len) && !make_room(s, len, now_ms)) {
        s->stats.over_max_answers++;
        atomic_store_explicit(&s->answers->asker, s, memory_order_relaxed);
        atomic_store_explicit(&s->answers->asked_ms, now_ms, memory_order_relaxed);
        atomic_store_explicit(&s->answers->wanted, len, memory_order_relaxed);
        return false;
    }
    atomic_fetch_add_explicit(&s->answers->bytes, len, memory_order_relaxed);
    r->held = len;
    r->sent_since_ms = now_ms;
    r->looked_ms = 0;
    r->is_slow = false;
    ring_append(&s->answers_by_age, &r->answers);
    http_sweep_arm(s);
    return true;
}

void http_sending_end(struct http_request *r)
{
    if (!ring_has(&r->answers))
        return;
    atomic_fetch_sub_explicit(&r->server->answers->bytes, r->held, memory_order_relaxed);
    r->held = 0;
    ring_remove(&r->answers);
}

void http_sending_refuse(struct http_request *r)
{
    bool is_read = strcmp(r->method, MHD_HTTP_METHOD_GET) == 0 || r->is_head;

    http_request_refuse(
        r,
        &(struct http_problem){
            .code = "overloaded",
            .detail = is_read ? "Too many large answers are being sent at once (max_answers)."
                              : "Too many large answers are being sent at once (max_answers). What was asked "
                                "for has been done; its answer is lost.",
            .was_sent = true,
            .is_retryable = is_read,
            .retry_after_s = HTTP_OVERLOAD_RETRY_S});
}
