/*
 * The handshake in both roles. First byte: bit 0 the role, bit 1 the version we dial with, bit 2 whether we
 * ask for a name, bits 3 to 5 the status we answer with. Second byte: how many bytes are fed at once. The
 * rest is what the other end says; challenges and the cookie are fixed, so that a whole handshake is a file.
 */
#include "base/check.h"
#include "dist/conn.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void pull(struct dist_conn *c, unsigned status)
{
    struct dist_event ev;

    while (dist_conn_next(c, &ev) != DIST_EVENT_NONE) {
        if (ev.kind == DIST_EVENT_PEER)
            dist_conn_admit(c, (enum dist_status)(status % 6), SLICE("given@host"), 5);
        else if (ev.kind == DIST_EVENT_ALIVE)
            dist_conn_replace(c, status & 1);
        else if (ev.kind == DIST_EVENT_DOWN)
            CHECK(ev.err != ERR_NONE && ev.text);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dist_conn_config config = {.name = SLICE("bb@host"),
                                      .cookie = SLICE("cookie"),
                                      .creation = 1,
                                      .challenge = 7,
                                      .flags = dist_flags_offered};
    struct dist_conn *c;
    uint64_t now = 0;
    size_t chunk;

    if (size < 2)
        return 0;
    chunk = data[1] ? data[1] : SIZE_MAX;
    if (data[0] & 4)
        config.name = SLICE("host");
    c = data[0] & 1 ? dist_conn_dial(&config, SLICE("aa@host"), data[0] & 2 ? 5 : 6, now)
                    : dist_conn_accept(&config, now);
    CHECK(c);
    for (size_t at = 2; at < size;) {
        size_t room_len = 0, n = size - at < chunk ? size - at : chunk;
        uint8_t *room = dist_conn_room(c, &room_len);

        if (!room)
            break;
        CHECK(room_len > 0);
        if (n > room_len)
            n = room_len;
        memcpy(room, data + at, n);
        dist_conn_received(c, n, ++now);
        pull(c, data[0] >> 3);
        dist_conn_sent(c, dist_conn_queued(c), now);
        at += n;
    }
    dist_conn_advance(c, dist_conn_deadline(c) == UINT64_MAX ? now : dist_conn_deadline(c));
    pull(c, data[0] >> 3);
    dist_conn_close(c, ERR_CLOSED, "the end");
    pull(c, 0);
    dist_conn_free(c);
    return 0;
}
