/* A client that reads an event stream, and what is said to it: for the tests of http/streams.c and what is
 * around it. */
#ifndef ERLGATE_TESTS_UNIT_HTTP_EVENTS_CLIENT_H
#define ERLGATE_TESTS_UNIT_HTTP_EVENTS_CLIENT_H

#include "harness.h"

enum { EPOCH_DIGITS = 32 };

struct listener {
    struct client c;
    struct reply head;
    struct wr text; /* what came, without the chunks around it */
    bool is_over;   /* the last chunk was there */
};

static inline void listen_head(struct listener *l, const char *request)
{
    const char *end;
    size_t len;

    *l = (struct listener){.c = dial()};
    wr_init(&l->text, SIZE_MAX);
    say(&l->c, request);
    TURN_UNTIL((poll_client(&l->c), find_bytes(&l->c, "\r\n\r\n")) || l->c.is_eof);
    end = find_bytes(&l->c, "\r\n\r\n");
    assert_non_null(end);
    len = (size_t)(end - (const char *)l->c.in.buf) + 4;
    assert_true(len < sizeof l->head.head);
    memcpy(l->head.head, l->c.in.buf, len);
    l->head.head[len] = '\0';
    assert_int_equal(sscanf(l->head.head, "HTTP/1.1 %u ", &l->head.status), 1);
    take(&l->c, len);
}

/* Moves whole chunks from what was received to the text. */
static inline void hear_chunks(struct listener *l)
{
    for (;;) {
        const char *line;
        unsigned long size;
        size_t head;

        poll_client(&l->c);
        line = find_bytes(&l->c, "\r\n");
        if (!line || l->is_over)
            return;
        size = strtoul((const char *)l->c.in.buf, NULL, 16);
        head = (size_t)(line - (const char *)l->c.in.buf) + 2;
        if (l->c.in.len < head + size + 2)
            return;
        l->is_over = size == 0;
        wr_bytes(&l->text, l->c.in.buf + head, size);
        take(&l->c, head + size + 2);
    }
}

static inline bool has_text(struct listener *l, const char *what)
{
    hear_chunks(l);
    return l->text.len && memmem(l->text.buf, l->text.len, what, strlen(what));
}

static inline bool is_over(struct listener *l)
{
    hear_chunks(l);
    return l->is_over;
}

static inline void forget_text(struct listener *l)
{
    wr_reset(&l->text);
}

static inline void leave(struct listener *l)
{
    hang_up(&l->c);
    wr_fini(&l->text);
}

#define assert_text(l, want)                                                        \
    do {                                                                            \
        hear_chunks(l);                                                             \
        if (!slice_eq_str(wr_written(&(l)->text), want))                            \
            fail_msg("got: %.*s", (int)(l)->text.len, (const char *)(l)->text.buf); \
    } while (0)

/* The epoch of the id that comes first in the text. */
static inline const char *epoch_in(struct listener *l)
{
    static char epoch[EPOCH_DIGITS + 1];
    const char *at = memmem(l->text.buf, l->text.len, "id: ", 4);

    assert_non_null(at);
    memcpy(epoch, at + 4, EPOCH_DIGITS);
    epoch[EPOCH_DIGITS] = '\0';
    return epoch;
}

static inline void emit(const char *event, const char *data)
{
    assert_int_equal(http_stream_emit(h.server, h.stream, event, slice_of_str(data)), ERR_NONE);
}

static inline void emit_numbers(unsigned from, unsigned to)
{
    char text[16];

    for (unsigned i = from; i <= to; i++) {
        snprintf(text, sizeof text, "%u", i);
        emit("message", text);
    }
}

static inline struct http_stream_info look(void)
{
    struct http_stream_info info;

    assert_true(http_stream_look(h.server, h.stream, &info));
    return info;
}

static inline void make_mailbox(void)
{
    h.stream = http_stream_new(h.server, &(struct http_stream_config){.is_kept = true, .tag = 5});
    assert_true(h.stream != 0);
}

static inline void listen_to(struct listener *l, const char *target)
{
    char request[512];

    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\n" HOST "\r\n", target);
    listen_head(l, request);
    assert_int_equal(l->head.status, 200);
}

static inline void resume(struct listener *l, const char *path, const char *epoch, unsigned seq)
{
    char request[512];

    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\n" HOST "Last-Event-ID: %s-%u\r\n\r\n", path, epoch,
             seq);
    listen_head(l, request);
}

#endif
