/*
 * sending: what large answers that are on their way to their clients may hold, those of all threads together.
 * A client may take its answer as slowly as it likes while there is room. When there is none it is the slow
 * ones who pay for it, then the one that holds the most: not whoever comes, unless he wants as much.
 */
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
};

static uint64_t all_bytes(const struct http_server *s)
{
    return atomic_load_explicit(&s->answers->bytes, memory_order_relaxed);
}

static bool is_slow(const struct http_request *r, uint64_t now_ms)
{
    return now_ms - r->sent_since_ms > GRACE_MS + r->held / SLOW_BYTES_PER_MS;
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
    uint64_t all = all_bytes(s);

    return all > 0 && all + len > s->limits.max_answers ? all + len - s->limits.max_answers : 0;
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

/* Nobody is cut off in vain. */
static bool make_room(struct http_server *s, size_t len, uint64_t now_ms)
{
    uint64_t wanted = lacking(s, len);
    struct victims v = find_victims(s, len, now_ms);

    if (v.slow + (v.largest ? v.largest->held : 0) < wanted)
        return false;
    cut_off_slow(s, wanted, now_ms);
    if (v.slow < wanted)
        cut_off(v.largest, now_ms);
    return true;
}

void http_sending_relieve(struct http_server *s, uint64_t now_ms)
{
    uint64_t near = s->limits.max_answers - s->limits.max_answers / NEAR_PARTS, all = all_bytes(s);

    if (all > near)
        cut_off_slow(s, all - near, now_ms);
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
        return false;
    }
    atomic_fetch_add_explicit(&s->answers->bytes, len, memory_order_relaxed);
    r->held = len;
    r->sent_since_ms = now_ms;
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
