/*
 * A connection that is up, fed arbitrary frames. First byte: the framing and the forms that were agreed on.
 * Second byte: how many bytes are fed at once. Each message that comes is walked through, and sent on by a
 * second connection, which the first one's twin must be able to read.
 */
#include "base/check.h"
#include "dist/conn.h"
#include "etf/write.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void move(struct dist_conn *from, struct dist_conn *to)
{
    while (dist_conn_queued(from) > 0) {
        struct slice out = dist_conn_output(from);
        size_t len, n;
        uint8_t *room = dist_conn_room(to, &len);

        if (!room)
            return;
        n = out.len < len ? out.len : len;
        memcpy(room, out.ptr, n);
        dist_conn_received(to, n, 0);
        dist_conn_sent(from, n, 0);
    }
}

static void meet(uint64_t flags, struct dist_conn **ret_a, struct dist_conn **ret_b)
{
    static const struct dist_conn_config base = {
        .cookie = SLICE_LIT("c"), .max_frame = 1 << 20, .max_message = 1 << 20};
    struct dist_conn_config config_a = base, config_b = base;
    struct dist_event ev;

    config_a.name = SLICE("aa@host");
    config_b.name = SLICE("bb@host");
    config_a.flags = config_b.flags = flags;
    *ret_a = dist_conn_dial(&config_a, config_b.name, 6, 0);
    *ret_b = dist_conn_accept(&config_b, 0);
    CHECK(*ret_a && *ret_b);
    for (int i = 0; i < 3; i++) {
        move(*ret_a, *ret_b);
        while (dist_conn_next(*ret_b, &ev) != DIST_EVENT_NONE) {
            if (ev.kind == DIST_EVENT_PEER)
                dist_conn_admit(*ret_b, DIST_STATUS_OK, (struct slice){0}, 0);
        }
        move(*ret_b, *ret_a);
        while (dist_conn_next(*ret_a, &ev) != DIST_EVENT_NONE) {
        }
    }
    CHECK(dist_conn_deadline(*ret_a) != UINT64_MAX);
}

/* Cache references resolved, as whoever sends a received term on has to. */
static struct slice resolved(struct wr *w, struct slice term, const struct etf_atoms *atoms)
{
    struct etf_rd r = etf_rd_of(term, atoms);

    if (term.len == 0)
        return term;
    CHECK(etf_copy(w, &r) == ERR_NONE);
    return wr_written(w);
}

static void send_on(struct dist_conn *a, struct dist_conn *b, const struct dist_message *m)
{
    struct dist_ctl ctl = m->ctl;
    struct wr w[5];
    struct slice payload;
    struct dist_event ev;
    enum err e;

    for (size_t i = 0; i < 5; i++)
        wr_init(&w[i], SIZE_MAX);
    ctl.reason = resolved(&w[0], ctl.reason, m->atoms);
    ctl.token = resolved(&w[1], ctl.token, m->atoms);
    ctl.mfa = resolved(&w[2], ctl.mfa, m->atoms);
    ctl.options = resolved(&w[3], ctl.options, m->atoms);
    payload = resolved(&w[4], m->payload, m->atoms);
    e = dist_conn_send(a, &ctl, &payload, 1);
    CHECK(e == ERR_NONE || e == ERR_PEER_UNSUPPORTED);
    if (e == ERR_NONE) {
        do {
            move(a, b);
        } while (dist_conn_next(b, &ev) == DIST_EVENT_NONE && dist_conn_queued(a) > 0);
        CHECK(ev.kind == DIST_EVENT_MESSAGE);
        if (ctl.op != DIST_CTL_UNLINK && ctl.op != DIST_CTL_UNLINK_ID)
            CHECK(ev.message.ctl.op == ctl.op);
    }
    for (size_t i = 0; i < 5; i++)
        wr_fini(&w[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint64_t choices[] = {DIST_FLAG_DIST_HDR_ATOM_CACHE, DIST_FLAG_FRAGMENTS,
                                       DIST_FLAG_EXIT_PAYLOAD,        DIST_FLAG_SEND_SENDER,
                                       DIST_FLAG_ALTACT_SIG,          DIST_FLAG_UNLINK_ID};
    uint64_t flags = dist_flags_offered;
    struct dist_conn *a, *b, *far_a, *far_b;
    struct dist_event ev;
    size_t chunk, sent_on = 0;

    if (size < 2)
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(choices); i++) {
        if (data[0] >> i & 1)
            flags &= ~choices[i];
    }
    chunk = data[1] ? data[1] : SIZE_MAX;
    meet(flags, &a, &b);
    meet(flags, &far_a, &far_b);
    for (size_t at = 2; at < size;) {
        size_t room_len = 0, n = size - at < chunk ? size - at : chunk;
        uint8_t *room = dist_conn_room(b, &room_len);

        if (!room)
            break;
        CHECK(room_len > 0);
        if (n > room_len)
            n = room_len;
        memcpy(room, data + at, n);
        dist_conn_received(b, n, at);
        at += n;
        while (dist_conn_next(b, &ev) == DIST_EVENT_MESSAGE) {
            if (sent_on++ < 8 && ev.message.ctl.op != DIST_CTL_EXIT2)
                send_on(far_a, far_b, &ev.message);
        }
        if (ev.kind == DIST_EVENT_DOWN) {
            CHECK(ev.err != ERR_NONE && ev.text);
            break;
        }
        dist_conn_sent(b, dist_conn_queued(b), at);
    }
    dist_conn_free(a);
    dist_conn_free(b);
    dist_conn_free(far_a);
    dist_conn_free(far_b);
    return 0;
}
