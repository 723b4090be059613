/*
 * reader: the request that reads an event stream: libmicrohttpd asks it for content, and it writes frames
 * from the stream's history.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "base/log.h"
#include "http/cross_wire.h"

enum {
    BLOCK_BYTES = 4096,       /* of a response to HTTP/1.0, which is not chunked */
    CHUNK_BYTES = 4096,       /* at most: what is written stays in the connection's memory */
    UNSENT_BYTES = 64 * 1024, /* that the system may hold of what is not on its way yet */
    RESUMED_A_TURN = 64,      /* then the others of the loop have their turn */
};

uint64_t http_jitter(struct http_server *s, uint64_t ms)
{
    uint32_t random;

    http_random(s, &random, sizeof random);
    return ms / 2 + ms * random / UINT32_MAX;
}

/* ---- what is to be written next ---- */

static void begin_frame(struct http_reader *rd, enum http_piece piece)
{
    rd->frame.piece = piece;
    rd->offset = 0;
    rd->is_writing = true;
}

static bool begin_from_history(struct http_reader *rd)
{
    struct http_history *h = &rd->stream->history;

    switch (http_history_take(h, &rd->event, &rd->frame.lost)) {
    case HTTP_TAKEN_NOTHING: return false;
    case HTTP_TAKEN_GAP: begin_frame(rd, HTTP_PIECE_GAP); break;
    case HTTP_TAKEN_EVENT:
        rd->frame.event = rd->event;
        begin_frame(rd, HTTP_PIECE_EVENT);
        break;
    }
    rd->frame.seq = h->taken_seq;
    return true;
}

/* False: there is nothing. */
static bool begin_next(struct http_server *s, struct http_reader *rd)
{
    if (rd->has_to_open) {
        rd->has_to_open = false;
        rd->frame.retry_ms = http_jitter(s, s->limits.streams.retry_ms);
        begin_frame(rd, HTTP_PIECE_OPEN);
        return true;
    }
    if (rd->has_to_tell_gap) {
        rd->has_to_tell_gap = false;
        s->streams.gaps++;
        rd->frame.lost = UINT64_MAX;
        rd->frame.seq = rd->stream ? rd->stream->history.taken_seq : 0;
        begin_frame(rd, HTTP_PIECE_GAP);
        return true;
    }
    if (rd->stream && begin_from_history(rd)) {
        s->streams.gaps += rd->frame.piece == HTTP_PIECE_GAP;
        return true;
    }
    if (rd->has_to_say_bye) {
        rd->has_to_say_bye = false;
        rd->frame.retry_ms = rd->bye_retry_ms;
        begin_frame(rd, HTTP_PIECE_BYE);
        return true;
    }
    if (rd->has_to_ping) {
        rd->has_to_ping = false;
        begin_frame(rd, HTTP_PIECE_PING);
        return true;
    }
    return false;
}

static size_t write_frames(struct http_server *s, struct http_reader *rd, uint8_t *to, size_t room)
{
    size_t n = 0, copied;
    bool is_done;

    while (n < room && (rd->is_writing || begin_next(s, rd))) {
        copied = http_frame_copy(&rd->frame, rd->offset, to + n, room - n, &is_done);
        rd->offset += copied;
        n += copied;
        if (!is_done)
            continue;
        rd->is_writing = false;
        http_event_release(rd->event);
        rd->event = NULL;
    }
    return n;
}

size_t http_reader_write(struct http_request *r, uint8_t *to, size_t room)
{
    size_t n = write_frames(r->server, &r->reader, to, room);

    if (n > 0) {
        r->bytes_out += n;
        r->reader.wrote_ms = loop_now_ms(r->server->loop);
    }
    return n;
}

/* ---- libmicrohttpd asks ---- */

void http_reader_rest(struct http_request *r)
{
    struct http_server *s = r->server;

    r->phase = PHASE_RESTING;
    r->checked_ms = loop_now_ms(s->loop);
    ring_append(&s->waiting, &r->waiting);
    MHD_suspend_connection(r->mhd);
}

/* Gives nothing only when it has suspended the connection: libmicrohttpd would ask again and again. */
static ssize_t content(void *cls, uint64_t position, char *to, size_t room)
{
    struct http_request *r = cls;
    struct http_reader *rd = &r->reader;
    size_t n;

    (void)position;
    r->conn->listener->has_moved = true;
    if (rd->is_cut)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    n = http_reader_write(r, (uint8_t *)to, room < CHUNK_BYTES ? room : CHUNK_BYTES);
    if (n > 0)
        return (ssize_t)n;
    if (rd->is_ending)
        return MHD_CONTENT_READER_END_OF_STREAM;
    http_reader_rest(r);
    return 0;
}

/* ---- its life ---- */

bool http_reader_respond(struct http_request *r, enum http_media media,
                         ssize_t (*reads)(void *request, uint64_t position, char *to, size_t room))
{
    const struct http_header unbuffered = {"X-Accel-Buffering", "no"};
    struct http_response head = {.status = MHD_HTTP_OK,
                                 .content_type = http_media_name(media),
                                 .headers = &unbuffered,
                                 .header_count = 1};

    r->status = head.status;
    r->response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, r->is_1_0 ? BLOCK_BYTES : 1,
                                                    reads ? reads : content, r, NULL);
    if (!r->response) {
        LOG(LOG_ERROR, "no-memory-for-response");
        return false;
    }
    /* libmicrohttpd would send the end of a chunked body to HEAD too: not chunked, and the connection closed.
     */
    if (r->is_head)
        MHD_set_response_options(r->response, MHD_RF_HTTP_1_0_COMPATIBLE_STRICT, MHD_RO_END);
    http_response_dress(r->response, r, &head);
    return true;
}

void http_reader_bound_socket(const struct http_request *r)
{
    const int unsent = UNSENT_BYTES;
    const unsigned unacknowledged_ms = (unsigned)(2 * r->server->limits.idle_ms);

    setsockopt(r->conn->fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
    setsockopt(r->conn->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacknowledged_ms, sizeof unacknowledged_ms);
}

void http_reader_open(struct http_request *r, struct http_stream *st, const struct http_reading *reading,
                      bool has_gap)
{
    struct http_server *s = r->server;

    r->reader = (struct http_reader){
        .stream = st,
        .frame = {.is_ndjson = reading->media == HTTP_MEDIA_NDJSON, .is_ping_event = reading->is_ping_event},
        .is_open = true,
        .has_to_open = true,
        .has_to_tell_gap = has_gap,
        .is_ending = st->is_ended,
        .heartbeat_ms = reading->heartbeat_ms,
        .wrote_ms = loop_now_ms(s->loop),
    };
    http_stream_epoch(s, st, r->reader.frame.epoch);
    r->reader.frame.seq = st->history.taken_seq;
    s->streams.readers++;
    if (r->conn)
        http_reader_bound_socket(r);
}

void http_reader_wake(struct http_request *r)
{
    if (r->phase != PHASE_RESTING || r->reader.is_ready)
        return;
    r->reader.is_ready = true;
    ring_append(&r->server->streams.ready, &r->waiting);
}

void http_reader_beat(struct http_request *r, uint64_t now_ms)
{
    struct http_reader *rd = &r->reader;

    if (now_ms - rd->wrote_ms < rd->heartbeat_ms)
        return;
    rd->wrote_ms = now_ms;
    rd->has_to_ping = r->phase == PHASE_RESTING; /* else there is something on its way that takes its time */
    if (rd->has_to_ping)
        http_reader_wake(r);
}

void http_reader_say_bye(struct http_request *r, uint64_t retry_ms)
{
    r->reader.has_to_say_bye = true;
    r->reader.bye_retry_ms = http_jitter(r->server, retry_ms);
    r->reader.is_ending = true;
    http_reader_wake(r);
}

void http_reader_dismiss(struct http_request *r, uint64_t retry_ms)
{
    r->reader.stream = NULL;
    r->reader.is_ending = true;
    if (retry_ms)
        http_reader_say_bye(r, retry_ms);
    else
        http_reader_wake(r);
}

void http_reader_cut(struct http_request *r)
{
    r->reader.is_cut = true;
    http_reader_wake(r);
}

void http_reader_close(struct http_request *r)
{
    struct http_reader *rd = &r->reader;

    ring_remove(&r->waiting);
    http_event_release(rd->event);
    r->server->streams.readers--;
    if (rd->stream)
        http_stream_left(r->server, rd->stream);
    *rd = (struct http_reader){0};
}

bool http_readers_resume(struct http_server *s)
{
    struct http_link *ready = &s->streams.ready;

    for (size_t n = 0; n < RESUMED_A_TURN && !ring_is_empty(ready); n++) {
        struct http_request *r = LINK_OWNER(ready->next, struct http_request, waiting);

        ring_remove(&r->waiting);
        r->reader.is_ready = false;
        if (r->borrowed) {
            http_twin_pump(r);
            continue;
        }
        r->phase = PHASE_SENDING;
        MHD_resume_connection(r->mhd);
        r->conn->listener->has_resumed = true;
    }
    return !ring_is_empty(ready);
}
