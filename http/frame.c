#include "http/frame.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/check.h"
#include "http/text.h"

enum { HEAD_MAX = 256, ID_MAX = 2 * HTTP_EPOCH_LEN + 1 + 20 + 1, LOST_MAX = 32 };

/* What stands before and after the data, which may be large. */
struct parts {
    char head[HEAD_MAX];
    struct slice data;
    const char *tail; /* static */
};

static void write_id(char out[ID_MAX], const struct http_frame *f, uint64_t seq)
{
    for (size_t i = 0; i < HTTP_EPOCH_LEN; i++)
        out += snprintf(out, 3, "%02x", f->epoch[i]);
    snprintf(out, ID_MAX - 2 * HTTP_EPOCH_LEN, "-%" PRIu64, seq);
}

/* retry_ms 0: none. */
static void write_event(struct parts *p, const struct http_frame *f, const char *name, uint64_t seq,
                        struct slice data)
{
    char id[ID_MAX], retry[48] = "";
    int n;

    write_id(id, f, seq);
    if (f->piece == HTTP_PIECE_BYE)
        snprintf(retry, sizeof retry, f->is_ndjson ? "\"retry\":%" PRIu64 "," : "retry: %" PRIu64 "\n",
                 f->retry_ms);
    n = snprintf(p->head, sizeof p->head,
                 f->is_ndjson ? "{\"event\":\"%s\",\"id\":\"%s\",%s\"data\":" : "event: %s\nid: %s\n%sdata: ",
                 name, id, retry);
    CHECK(n > 0 && (size_t)n < sizeof p->head);
    p->data = data;
    p->tail = f->is_ndjson ? "}\n" : "\n\n";
}

static void write_open(struct parts *p, const struct http_frame *f)
{
    snprintf(p->head, sizeof p->head,
             f->is_ndjson ? "{\"event\":\"ping\",\"retry\":%" PRIu64 ",\"data\":{}}\n"
                          : ":ok\nretry: %" PRIu64 "\n\n",
             f->retry_ms);
}

static void write_gap(struct parts *p, const struct http_frame *f)
{
    char lost[LOST_MAX];
    size_t at;

    if (f->lost == UINT64_MAX)
        snprintf(lost, sizeof lost, "{\"lost\":null}");
    else
        snprintf(lost, sizeof lost, "{\"lost\":%" PRIu64 "}", f->lost);
    write_event(p, f, "gap", f->seq, (struct slice){0});
    at = strlen(p->head);
    CHECK(at + strlen(lost) < sizeof p->head);
    snprintf(p->head + at, sizeof p->head - at, "%s", lost);
}

static void write_ping(struct parts *p, const struct http_frame *f)
{
    const char *text = f->is_ndjson       ? "{\"event\":\"ping\",\"data\":{}}\n"
                       : f->is_ping_event ? "event: ping\ndata: {}\n\n"
                                          : ":\n\n";

    snprintf(p->head, sizeof p->head, "%s", text);
}

static void write_parts(struct parts *p, const struct http_frame *f)
{
    p->data = (struct slice){0};
    p->tail = "";
    switch (f->piece) {
    case HTTP_PIECE_OPEN: write_open(p, f); break;
    case HTTP_PIECE_GAP: write_gap(p, f); break;
    case HTTP_PIECE_PING: write_ping(p, f); break;
    case HTTP_PIECE_BYE: write_event(p, f, "bye", f->seq, SLICE("{}")); break;
    case HTTP_PIECE_EVENT:
        write_event(p, f, f->event->name, f->event->seq, slice_of(f->event->data, f->event->len));
        break;
    }
}

/* The part of s that lies behind *skip bytes, as far as there is room. */
static size_t copy(struct slice s, size_t *skip, uint8_t *to, size_t room)
{
    size_t n;

    if (*skip >= s.len) {
        *skip -= s.len;
        return 0;
    }
    n = s.len - *skip < room ? s.len - *skip : room;
    memcpy(to, s.ptr + *skip, n);
    *skip = 0;
    return n;
}

size_t http_frame_copy(const struct http_frame *f, size_t offset, uint8_t *to, size_t room, bool *ret_done)
{
    struct parts p;
    struct slice parts[3];
    size_t n = 0, total = 0, skip = offset;

    write_parts(&p, f);
    parts[0] = slice_of_str(p.head);
    parts[1] = p.data;
    parts[2] = slice_of_str(p.tail);
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        total += parts[i].len;
        if (n < room)
            n += copy(parts[i], &skip, to + n, room - n);
    }
    *ret_done = offset + n >= total;
    return n;
}

bool http_event_id_read(struct slice text, uint8_t ret_epoch[HTTP_EPOCH_LEN], uint64_t *ret_seq)
{
    const size_t digits = 2 * (size_t)HTTP_EPOCH_LEN;

    if (text.len <= digits + 1 || text.ptr[digits] != '-')
        return false;
    for (size_t i = 0; i < HTTP_EPOCH_LEN; i++) {
        int high = text_hex_digit(text.ptr[2 * i]), low = text_hex_digit(text.ptr[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        ret_epoch[i] = (uint8_t)(high << 4 | low);
    }
    return text_read_uint(slice_of(text.ptr + digits + 1, text.len - digits - 1), ret_seq);
}
