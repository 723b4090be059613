#include "base/check.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "http/cross_wire.h"
#include "http/text.h"

enum { RELIEVED_AT_ONCE = 8 };   /* streams */
enum { OVER_LINGER_MS = 10000 }; /* at least: EventSource comes back once more to be told 204 */

/* ---- by id ---- */

static struct http_stream *live(const struct http_server *s, uint64_t id)
{
    struct http_stream *st = idtab_get(&s->streams.table, id);

    return st && !st->is_ended ? st : NULL;
}

/* The first half of an epoch finds the stream, the second proves that the client had it from us. */
void http_stream_epoch(const struct http_server *s, const struct http_stream *st, uint8_t ret[HTTP_EPOCH_LEN])
{
    uint64_t masked = st->id ^ s->streams.mask;

    memcpy(ret, &masked, sizeof masked);
    memcpy(ret + sizeof masked, st->secret, sizeof st->secret);
}

static bool has_epoch(const struct http_server *s, const struct http_stream *st,
                      const uint8_t epoch[HTTP_EPOCH_LEN])
{
    uint8_t own[HTTP_EPOCH_LEN];

    http_stream_epoch(s, st, own);
    return mem_equal_secret(own, epoch, HTTP_EPOCH_LEN);
}

static struct http_stream *find_epoch(const struct http_server *s, const uint8_t epoch[HTTP_EPOCH_LEN])
{
    struct http_stream *st;
    uint64_t masked;

    memcpy(&masked, epoch, sizeof masked);
    st = idtab_get(&s->streams.table, masked ^ s->streams.mask);
    return st && has_epoch(s, st, epoch) ? st : NULL;
}

static uint64_t key_hash(const struct http_server *s, struct slice key)
{
    return map_hash(s->streams.seed, key);
}

/* ---- what it costs ---- */

static size_t live_count(const struct http_server *s)
{
    return s->streams.table.count - s->streams.ended_count;
}

static bool is_too_much(const struct http_server *s)
{
    return s->streams.bytes >= s->limits.streams.max_total_bytes;
}

static struct http_history_limits limits_of(const struct http_server *s)
{
    const struct http_stream_limits *c = &s->limits.streams;
    uint64_t share = c->max_total_bytes / s->streams.table.count;
    size_t bytes = is_too_much(s) && share < c->max_bytes ? (size_t)share : c->max_bytes;

    return (struct http_history_limits){.events = c->max_events, .bytes = bytes, .age_ms = c->max_age_ms};
}

static void account(struct http_server *s, const struct http_history *h, size_t bytes_before,
                    uint64_t missed_before)
{
    s->streams.bytes += h->bytes;
    s->streams.bytes -= bytes_before;
    s->streams.lost += h->missed - missed_before;
}

static void trim(struct http_server *s, struct http_stream *st, uint64_t now_ms)
{
    struct http_history_limits limits = limits_of(s);
    size_t bytes = st->history.bytes;
    uint64_t missed = st->history.missed;

    http_history_trim(&st->history, &limits, now_ms);
    account(s, &st->history, bytes, missed);
}

/* When all together keep too much, each is brought down to its share: some with each event that comes, so
 * that no event has to wait for all. */
static void relieve(struct http_server *s, uint64_t now_ms)
{
    for (int n = 0; n < RELIEVED_AT_ONCE && is_too_much(s); n++) {
        struct http_stream *st = idtab_next(&s->streams.table, &s->streams.relief);

        if (st)
            trim(s, st, now_ms);
        else
            s->streams.relief = 0;
    }
}

static void forget(struct http_server *s, struct http_stream *st)
{
    if (st->reader) {
        http_reader_dismiss(st->reader, 0);
        st->reader = NULL;
    }
    http_due_never(s, st);
    s->streams.ended_count -= st->is_ended;
    s->streams.over_count -= ring_has(&st->over);
    ring_remove(&st->over);
    idtab_remove(&s->streams.table, st->id);
    s->streams.bytes -= st->history.bytes;
    http_history_fini(&st->history);
    mem_free(st);
}

/* ---- time ---- */

static bool is_to_be_given_up(const struct http_stream *st)
{
    return !st->reader && (st->is_ended || (st->was_read && !st->is_kept));
}

static uint64_t given_up_ms(const struct http_stream *st)
{
    uint64_t linger_ms = st->linger_ms;

    if (st->is_ended && linger_ms < OVER_LINGER_MS)
        linger_ms = OVER_LINGER_MS;
    return st->left_ms + linger_ms;
}

void http_stream_time(struct http_server *s, struct http_stream *st)
{
    if (st->reader)
        http_due_by(s, st, st->reader->reader.wrote_ms + st->reader->reader.heartbeat_ms);
    if (st->reader && st->reader->admission.expires_ms)
        http_due_by(s, st, st->reader->admission.expires_ms);
    if (is_to_be_given_up(st))
        http_due_by(s, st, given_up_ms(st));
    if (!st->reader && st->history.oldest)
        http_due_by(s, st, st->history.oldest->at_ms + s->limits.streams.max_age_ms + 1);
}

static void give_up(struct http_server *s, struct http_stream *st)
{
    uint64_t id = st->id, tag = st->tag;
    bool was_ended = st->is_ended;

    forget(s, st);
    if (!was_ended && s->config.stream_gone)
        s->config.stream_gone(s->config.ctx, id, tag);
}

/* Whoever reads it has to say again who that is. */
static void dismiss_reader(struct http_server *s, struct http_stream *st)
{
    struct http_request *r = st->reader;

    r->admission.expires_ms = 0;
    if (!r->reader.is_ending)
        http_reader_say_bye(r, s->limits.streams.retry_ms);
}

static void recheck(struct http_server *s, struct http_stream *st)
{
    if (s->config.is_admitted && !s->config.is_admitted(s->config.ctx, &st->reader->admission))
        dismiss_reader(s, st);
}

void http_server_recheck(struct http_server *s)
{
    struct http_stream *st;
    uint32_t cursor = 0;

    while ((st = idtab_next(&s->streams.table, &cursor)) != NULL) {
        if (st->reader)
            recheck(s, st);
    }
}

void http_stream_due(struct http_server *s, struct http_stream *st, uint64_t now_ms)
{
    if (is_to_be_given_up(st) && now_ms >= given_up_ms(st)) {
        give_up(s, st);
        return;
    }
    trim(s, st, now_ms);
    if (st->reader && st->reader->admission.expires_ms && now_ms >= st->reader->admission.expires_ms)
        dismiss_reader(s, st);
    if (st->reader)
        http_reader_beat(st->reader, now_ms);
    http_stream_time(s, st);
}

/* It has ended and is read by nobody. Such streams are a courtesy and never many. */
static void be_over(struct http_server *s, struct http_stream *st)
{
    ring_append(&s->streams.over, &st->over);
    if (++s->streams.over_count > s->limits.streams.max_streams)
        forget(s, LINK_OWNER(s->streams.over.next, struct http_stream, over));
}

void http_stream_left(struct http_server *s, struct http_stream *st)
{
    st->reader = NULL;
    st->left_ms = loop_now_ms(s->loop);
    http_stream_time(s, st);
    if (st->is_ended)
        be_over(s, st);
}

/* ---- made, fed, ended ---- */

uint64_t http_stream_new(struct http_server *s, const struct http_stream_config *config)
{
    struct http_stream *st;

    if (live_count(s) >= s->limits.streams.max_streams) {
        s->stats.over_max_streams++;
        return 0;
    }
    st = mem_zalloc(sizeof *st);
    if (!st)
        return 0;
    st->id = idtab_add(&s->streams.table, st);
    if (!st->id) {
        mem_free(st);
        return 0;
    }
    st->tag = config->tag;
    st->is_kept = config->is_kept;
    st->key = key_hash(s, config->key);
    st->linger_ms = s->limits.streams.linger_ms;
    st->left_ms = loop_now_ms(s->loop);
    http_random(s, st->secret, sizeof st->secret);
    http_history_init(&st->history);
    return st->id;
}

enum err http_stream_emit(struct http_server *s, uint64_t stream, const char *event, struct slice data)
{
    struct http_stream *st = live(s, stream);
    uint64_t missed, now_ms = loop_now_ms(s->loop);
    struct http_history_limits limits;
    size_t bytes;
    enum err e;

    if (!st)
        return ERR_NOT_FOUND;
    CHECK(text_is_token(slice_of_str(event)) && strlen(event) <= HTTP_EVENT_NAME_MAX);
    CHECK(data.len > 0 && !memchr(data.ptr, '\n', data.len) && !memchr(data.ptr, '\r', data.len));
    relieve(s, now_ms);
    limits = limits_of(s);
    bytes = st->history.bytes;
    missed = st->history.missed;
    e = http_history_add(&st->history, &limits, event, data, now_ms);
    account(s, &st->history, bytes, missed);
    s->streams.emitted++;
    if (st->reader)
        http_reader_wake(st->reader);
    else
        http_stream_time(s, st);
    return e;
}

void http_stream_end(struct http_server *s, uint64_t stream)
{
    struct http_stream *st = live(s, stream);

    if (!st)
        return;
    st->is_ended = true;
    s->streams.ended_count++;
    if (!st->reader) {
        http_stream_left(s, st);
        return;
    }
    st->reader->reader.is_ending = true;
    http_reader_wake(st->reader);
}

void http_stream_drop(struct http_server *s, uint64_t stream)
{
    struct http_stream *st = live(s, stream);

    if (st)
        forget(s, st);
}

/* ---- read ---- */

/* Where a client wants to begin. */
struct start {
    uint64_t after_seq;
    bool has_gap; /* of nobody knows how many */
};

static struct start start_of(const struct http_server *s, const struct http_stream *st,
                             const struct http_reading *reading)
{
    struct start start = {.after_seq = http_history_floor(&st->history)};

    switch (reading->resume) {
    case HTTP_RESUME_NOT: start.after_seq = st->history.read_seq; break;
    case HTTP_RESUME_EARLIEST: break;
    case HTTP_RESUME_UNKNOWN: start.has_gap = true; break;
    case HTTP_RESUME_AFTER:
        start.has_gap = !has_epoch(s, st, reading->epoch) || reading->seq > st->history.last_seq;
        if (!start.has_gap)
            start.after_seq = reading->seq;
        break;
    }
    return start;
}

static bool read_on(struct http_server *s, uint64_t request, struct http_stream *st,
                    const struct http_reading *reading)
{
    struct start start = start_of(s, st, reading);
    struct http_request *r = idtab_get(&s->requests, request);

    if (!r)
        return false;
    if (st->is_ended && !start.has_gap && start.after_seq == st->history.last_seq) {
        http_answer(s, request, &(struct http_response){.status = MHD_HTTP_NO_CONTENT});
        return true;
    }
    if (r->is_head) {
        http_stream_answer_head(s, request, reading);
        return true;
    }
    idtab_remove(&s->requests, request);
    if (r->borrowed)
        http_twin_stream(r, reading->media);
    if (r->borrowed || http_reader_respond(r, reading->media, NULL)) {
        if (st->reader)
            http_reader_dismiss(st->reader, HTTP_TAKEOVER_RETRIES * s->limits.streams.retry_ms);
        s->streams.over_count -= ring_has(&st->over);
        ring_remove(&st->over);
        CHECK(http_history_seek(&st->history, start.after_seq));
        st->linger_ms = reading->linger_ms;
        st->was_read = true;
        st->reader = r;
        http_reader_open(r, st, reading, start.has_gap);
        recheck(s, st); /* it may have waited since it was admitted */
        http_stream_time(s, st);
    }
    http_request_finish(r);
    return true;
}

bool http_stream_attach(struct http_server *s, uint64_t request, uint64_t stream,
                        const struct http_reading *reading)
{
    struct http_stream *st = idtab_get(&s->streams.table, stream);

    if (st)
        return read_on(s, request, st, reading);
    if (!idtab_get(&s->requests, request))
        return false;
    http_answer_problem(s, request,
                        &(struct http_problem){.code = "gone", .detail = "The stream has ended."});
    return true;
}

bool http_stream_resume(struct http_server *s, struct http_request *req, struct slice key,
                        const struct http_reading *reading)
{
    struct http_stream *st;

    if (reading->resume != HTTP_RESUME_AFTER)
        return false;
    st = find_epoch(s, reading->epoch);
    if (!st || st->key != key_hash(s, key) || reading->seq > st->history.last_seq)
        return false;
    return read_on(s, req->id, st, reading);
}

void http_stream_answer_head(struct http_server *s, uint64_t request, const struct http_reading *reading)
{
    struct http_request *r = idtab_remove(&s->requests, request);

    if (!r)
        return;
    if (r->borrowed) {
        http_twin_stream(r, reading->media);
        return;
    }
    http_reader_respond(r, reading->media, NULL);
    http_request_finish(r);
}

/* ---- looked at ---- */

bool http_stream_look(const struct http_server *s, uint64_t stream, struct http_stream_info *ret)
{
    const struct http_stream *st = live(s, stream);

    if (!st)
        return false;
    *ret = (struct http_stream_info){
        .has_reader = st->reader != NULL,
        .idle_ms = st->reader ? 0 : loop_now_ms(s->loop) - st->left_ms,
        .emitted = st->history.last_seq,
        .unread = st->history.unread,
        .lost = st->history.missed,
        .events = st->history.count,
        .bytes = st->history.bytes,
    };
    return true;
}

void http_streams_look(const struct http_server *s, struct http_streams_info *ret)
{
    *ret = (struct http_streams_info){
        .streams = live_count(s),
        .readers = s->streams.readers,
        .bytes = s->streams.bytes,
        .emitted = s->streams.emitted,
        .lost = s->streams.lost,
        .gaps = s->streams.gaps,
    };
}

/* ---- all of them ---- */

enum err http_streams_init(struct http_server *s)
{
    struct http_streams *t = &s->streams;

    idtab_init(&t->table);
    ring_init(&t->over);
    ring_init(&t->ready);
    http_due_init(s);
    loop_random(&t->seed, sizeof t->seed);
    loop_random(&t->mask, sizeof t->mask);
    t->timer = loop_timer_new(s->loop, http_due_fired, s, 0);
    return t->timer ? ERR_NONE : ERR_NOMEM;
}

void http_streams_say_bye(struct http_server *s)
{
    struct http_stream *st;
    uint32_t cursor = 0;

    while ((st = idtab_next(&s->streams.table, &cursor)) != NULL) {
        if (st->reader)
            http_reader_say_bye(st->reader, HTTP_BYE_RETRIES * s->limits.streams.retry_ms);
    }
}

void http_streams_fini(struct http_server *s)
{
    struct http_stream *st;
    uint32_t cursor = 0;

    CHECK(s->streams.readers == 0);
    while ((st = idtab_next(&s->streams.table, &cursor)) != NULL)
        forget(s, st);
    CHECK(s->streams.bytes == 0 && s->streams.timed == 0);
    idtab_fini(&s->streams.table);
    loop_timer_free(s->streams.timer);
}
