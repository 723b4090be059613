/*
 * A connection that is up, fed arbitrary frames. First byte: the framing and the forms that were agreed on.
 * Second byte: how many bytes are fed at once. Each message that comes is walked through, and sent on by a
 * second connection, which the first one's twin must be able to read.
 */
#include "base/check.h"
#include "dist/conn.h"
#include "etf/write.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FORMS = 6 }; /* of messages and headers, that a byte chooses from */

static const uint64_t forms[FORMS] = {DIST_FLAG_DIST_HDR_ATOM_CACHE, DIST_FLAG_FRAGMENTS,
                                      DIST_FLAG_EXIT_PAYLOAD,        DIST_FLAG_SEND_SENDER,
                                      DIST_FLAG_ALTACT_SIG,          DIST_FLAG_UNLINK_ID};

static uint64_t flags_without(unsigned choice)
{
    uint64_t flags = dist_flags_offered;

    for (size_t i = 0; i < FORMS; i++) {
        if (choice >> i & 1)
            flags &= ~forms[i];
    }
    return flags;
}

static void config_of(struct dist_conn_config *ret, struct slice name, uint64_t flags)
{
    *ret = (struct dist_conn_config){
        .name = name, .cookie = SLICE("c"), .flags = flags, .max_frame = 1 << 20, .max_message = 1 << 20};
}

static void feed(struct dist_conn *c, struct slice bytes)
{
    size_t len, n;
    uint8_t *room;

    while (bytes.len && (room = dist_conn_room(c, &len))) {
        n = bytes.len < len ? bytes.len : len;
        memcpy(room, bytes.ptr, n);
        dist_conn_received(c, n, 0);
        bytes = slice_of(bytes.ptr + n, bytes.len - n);
    }
}

/* Notes what is said in heard, which may be NULL. */
static void move(struct dist_conn *from, struct dist_conn *to, struct wr *heard)
{
    struct slice out = dist_conn_output(from);

    if (heard)
        wr_slice(heard, out);
    feed(to, out);
    dist_conn_sent(from, out.len, 0);
}

static void admit_all(struct dist_conn *c)
{
    struct dist_event ev;

    while (dist_conn_next(c, &ev) != DIST_EVENT_NONE) {
        if (ev.kind == DIST_EVENT_PEER)
            dist_conn_admit(c, DIST_STATUS_OK, (struct slice){0}, 0);
    }
}

static void meet(uint64_t flags, struct dist_conn **ret_a, struct dist_conn **ret_b, struct wr *heard)
{
    struct dist_conn_config a, b;

    config_of(&a, SLICE("aa@host"), flags);
    config_of(&b, SLICE("bb@host"), flags);
    *ret_a = dist_conn_dial(&a, b.name, 6, 0);
    *ret_b = dist_conn_accept(&b, 0);
    CHECK(*ret_a && *ret_b);
    for (int i = 0; i < 3; i++) {
        move(*ret_a, *ret_b, heard);
        admit_all(*ret_b);
        move(*ret_b, *ret_a, NULL);
        admit_all(*ret_a);
    }
    CHECK(dist_conn_deadline(*ret_a) != UINT64_MAX);
}

/* One that has met a peer. What the peer says is the same each time, so it is played only once. */
static struct dist_conn *met(unsigned choice)
{
    static struct wr said[1 << FORMS];
    struct wr *heard = &said[choice % (1 << FORMS)];
    uint64_t flags = flags_without(choice);
    struct dist_conn_config config;
    struct dist_conn *a, *b;

    if (!heard->len) {
        wr_init(heard, SIZE_MAX);
        meet(flags, &a, &b, heard);
        dist_conn_free(a);
        dist_conn_free(b);
    }
    config_of(&config, SLICE("bb@host"), flags);
    b = dist_conn_accept(&config, 0);
    CHECK(b);
    feed(b, wr_written(heard));
    admit_all(b);
    dist_conn_sent(b, dist_conn_queued(b), 0);
    return b;
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

/* Two more connections, made when there is something to send on. */
struct pair {
    struct dist_conn *a, *b;
};

static void send_on(struct pair *far, uint64_t flags, const struct dist_message *m)
{
    struct dist_ctl ctl = m->ctl;
    struct wr w[5];
    struct slice payload;
    struct dist_event ev;
    enum err e;

    if (!far->a)
        meet(flags, &far->a, &far->b, NULL);
    for (size_t i = 0; i < 5; i++)
        wr_init(&w[i], SIZE_MAX);
    ctl.reason = resolved(&w[0], ctl.reason, m->atoms);
    ctl.token = resolved(&w[1], ctl.token, m->atoms);
    ctl.mfa = resolved(&w[2], ctl.mfa, m->atoms);
    ctl.options = resolved(&w[3], ctl.options, m->atoms);
    payload = resolved(&w[4], m->payload, m->atoms);
    e = dist_conn_send(far->a, &ctl, &payload, 1);
    CHECK(e == ERR_NONE || e == ERR_PEER_UNSUPPORTED);
    if (e == ERR_NONE) {
        do {
            move(far->a, far->b, NULL);
        } while (dist_conn_next(far->b, &ev) == DIST_EVENT_NONE && dist_conn_queued(far->a) > 0);
        CHECK(ev.kind == DIST_EVENT_MESSAGE);
        if (ctl.op != DIST_CTL_UNLINK && ctl.op != DIST_CTL_UNLINK_ID)
            CHECK(ev.message.ctl.op == ctl.op);
    }
    for (size_t i = 0; i < 5; i++)
        wr_fini(&w[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pair far = {0};
    struct dist_conn *c;
    struct dist_event ev;
    size_t chunk, sent_on = 0;

    if (size < 2)
        return 0;
    chunk = data[1] ? data[1] : SIZE_MAX;
    c = met(data[0]);
    for (size_t at = 2; at < size;) {
        size_t room_len = 0, n = size - at < chunk ? size - at : chunk;
        uint8_t *room = dist_conn_room(c, &room_len);

        if (!room)
            break;
        CHECK(room_len > 0);
        if (n > room_len)
            n = room_len;
        memcpy(room, data + at, n);
        dist_conn_received(c, n, at);
        at += n;
        while (dist_conn_next(c, &ev) == DIST_EVENT_MESSAGE) {
            if (sent_on++ < 8 && ev.message.ctl.op != DIST_CTL_EXIT2)
                send_on(&far, flags_without(data[0]), &ev.message);
        }
        if (ev.kind == DIST_EVENT_DOWN) {
            CHECK(ev.err != ERR_NONE && ev.text);
            break;
        }
        dist_conn_sent(c, dist_conn_queued(c), at);
    }
    dist_conn_free(c);
    dist_conn_free(far.a);
    dist_conn_free(far.b);
    return 0;
}
