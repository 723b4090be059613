/*
 * frame: how what a stream says looks on the wire, as text/event-stream (HTML, 9.2) and as NDJSON.
 *
 * Pure. A frame is not stored but written anew from any place in it, so that a large event can leave in many
 * parts without a second copy of it.
 */
#ifndef ERLGATE_HTTP_FRAME_H
#define ERLGATE_HTTP_FRAME_H

#include "http/history.h"

enum { HTTP_EPOCH_LEN = 16, HTTP_EVENT_NAME_MAX = 32 };

enum http_piece {
    HTTP_PIECE_OPEN,  /* the first: `:ok` and retry; as NDJSON a ping with retry */
    HTTP_PIECE_EVENT, /* event */
    HTTP_PIECE_GAP,   /* lost events up to seq; UINT64_MAX: nobody knows how many */
    HTTP_PIECE_PING,
    HTTP_PIECE_BYE, /* retry */
};

struct http_frame {
    enum http_piece piece;
    bool is_ndjson, is_ping_event;
    uint8_t epoch[HTTP_EPOCH_LEN];
    const struct http_event *event; /* borrowed */
    uint64_t seq, lost, retry_ms;
};

/* Copies what the frame has from offset on, at most room bytes; gives how many. *ret_done: that was its end.
 */
size_t http_frame_copy(const struct http_frame *f, size_t offset, uint8_t *to, size_t room, bool *ret_done);

/* "EPOCH-SEQ". False when text is no such id. */
MUST_USE bool http_event_id_read(struct slice text, uint8_t ret_epoch[HTTP_EPOCH_LEN], uint64_t *ret_seq);

#endif
