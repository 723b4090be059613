/*
 * sending: what large answers that are on their way to their clients may hold together. A client may take its
 * answer as slowly as it likes while there is room; when there is none, it is the slow ones who pay for it,
 * and not whoever comes.
 */
#include <sys/socket.h>

#include "base/log.h"
#include "http/internal.h"

enum {
    GRACE_MS = 1000,
    SLOW_BYTES_PER_MS = 4096, /* about 4 MiB/s: below that on average, after the grace, an answer is slow */
    LOOKS = 64,               /* at the oldest, for one that wants room */
};

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

/* One is always taken, however large. */
static bool has_room(const struct http_server *s, size_t len)
{
    return s->answer_bytes == 0 || s->answer_bytes + len <= s->limits.max_answers;
}

static void make_room(struct http_server *s, size_t len, uint64_t now_ms)
{
    struct http_link *l = s->answers.next;

    for (unsigned n = 0; n < LOOKS && l != &s->answers && !has_room(s, len); n++) {
        struct http_request *r = LINK_OWNER(l, struct http_request, answers);

        l = l->next;
        if (is_slow(r, now_ms))
            cut_off(r, now_ms);
    }
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
    if (!has_room(s, len))
        make_room(s, len, now_ms);
    if (!has_room(s, len)) {
        s->stats.over_max_answers++;
        return false;
    }
    s->answer_bytes += len;
    r->held = len;
    r->sent_since_ms = now_ms;
    ring_append(&s->answers, &r->answers);
    return true;
}

void http_sending_end(struct http_request *r)
{
    r->server->answer_bytes -= r->held;
    r->held = 0;
    ring_remove(&r->answers);
}

void http_sending_refuse(struct http_request *r)
{
    http_request_refuse(r, &(struct http_problem){
                               .code = "overloaded",
                               .detail = "Too many large answers are being sent at once (max_answers). What "
                                         "was asked for has been done; its answer is lost.",
                               .was_sent = true,
                               .retry_after_s = HTTP_OVERLOAD_RETRY_S});
}
