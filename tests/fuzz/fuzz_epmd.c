/*
 * The name server's core, fed with what several connections say in pieces, while some leave, time passes and
 * probes are answered; and the readers of replies, fed with what is left of the input.
 *
 * An input is a run of steps. Each begins with a byte: its low three bits say what, the rest which
 * connection; FEED has a length byte, and that many bytes.
 */
#include <stdlib.h>

#include "base/check.h"
#include "epmd/core.h"

enum { FEED, OPEN, LEAVE, PASS_TIME, ANSWER_PROBES, REGISTER, UNREGISTER, REPLIES };
enum { CONNECTIONS = 32, MAX_NAMES = 6, LOOK_EACH = 16 /* steps, at the whole registry */ };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
    struct epmd_core *core;
    uint64_t conns[CONNECTIONS];
    uint64_t probes[CONNECTIONS]; /* who waits for an answer */
    size_t probe_count;
    uint64_t now;
};

/* What is given out is whole, and fits what stands in the registry. */
static void judge_send(const struct world *w, const struct epmd_event *e)
{
    struct epmd_alive2_reply alive2;
    struct epmd_listing l;
    struct epmd_entry entry;

    CHECK(e->bytes.len > 0);
    if (e->bytes.ptr[0] == EPMD_ALIVE2_X_RESP || e->bytes.ptr[0] == EPMD_ALIVE2_RESP) {
        CHECK(epmd_alive2_reply_read(e->bytes, &alive2) == ERR_NONE);
        if (alive2.result != 0)
            CHECK(alive2.creation == EPMD_CREATION_REFUSED);
        else if (alive2.is_extended)
            CHECK(alive2.creation >= EPMD_CREATION_MIN);
        else
            CHECK(alive2.creation >= 1 && alive2.creation <= 3);
    }
    if (e->bytes.ptr[0] == EPMD_PORT2_RESP && e->bytes.ptr[1] == 0) {
        CHECK(epmd_port2_reply_read(e->bytes, &entry) == ERR_NONE);
        CHECK(epmd_core_find(w->core, entry.name, &l));
        CHECK(l.entry.port == entry.port && slice_eq(l.entry.extra, entry.extra));
    }
}

static void pull(struct world *w)
{
    struct epmd_event e;

    while (epmd_core_next(w->core, &e) != EPMD_EVENT_NONE) {
        if (e.kind == EPMD_EVENT_SEND)
            judge_send(w, &e);
        else if (e.kind == EPMD_EVENT_CLOSE)
            w->conns[e.user] = 0;
        else if (e.kind == EPMD_EVENT_PROBE && w->probe_count < CONNECTIONS)
            w->probes[w->probe_count++] = e.conn;
    }
}

static void judge_registry(const struct world *w)
{
    const struct epmd_reg *cursor = NULL;
    struct epmd_listing l, same;
    size_t count = 0;

    while (epmd_core_list(w->core, &cursor, &l)) {
        CHECK(epmd_name_is_valid(l.entry.name));
        CHECK(epmd_core_find(w->core, l.entry.name, &same) && same.conn == l.conn);
        count++;
    }
    CHECK(count == epmd_core_count(w->core));
    CHECK(epmd_core_connections(w->core) <= CONNECTIONS);
}

/* Copied to a block of its own, so that the sanitizer sees its end. */
static void feed(struct world *w, uint64_t conn, struct slice bytes)
{
    uint8_t *copy = malloc(bytes.len ? bytes.len : 1);

    if (!copy)
        abort();
    if (bytes.len)
        memcpy(copy, bytes.ptr, bytes.len);
    epmd_core_feed(w->core, conn, slice_of(copy, bytes.len), w->now);
    free(copy);
}

static void read_replies(struct slice bytes)
{
    struct epmd_alive2_reply alive2;
    struct epmd_request req;
    struct epmd_entry entry;
    struct epmd_name name;
    struct rd r = rd_of(bytes);
    uint32_t port;
    struct wr w;

    wr_init(&w, SIZE_MAX);
    /* What reads writes the same bytes again. */
    if (epmd_alive2_reply_read(bytes, &alive2) == ERR_NONE) {
        epmd_alive2_reply_write(&w, &alive2);
        CHECK(slice_eq(wr_written(&w), bytes));
    }
    wr_reset(&w);
    if (epmd_port2_reply_read(bytes, &entry) == ERR_NONE) {
        epmd_port2_reply_write(&w, &entry);
        CHECK(slice_eq(wr_written(&w), bytes));
    }
    wr_reset(&w);
    if (epmd_names_reply_read(&r, &port) == ERR_NONE)
        while (epmd_names_reply_next(&r, &name))
            CHECK(name.name.ptr >= bytes.ptr && name.name.ptr + name.name.len <= bytes.ptr + bytes.len);
    if (epmd_request_read(bytes, &req, NULL) == ERR_NONE)
        epmd_request_write(&w, &req);
    wr_fini(&w);
}

static void register_own(struct world *w, unsigned which, bool is_begin)
{
    static const struct slice names[] = {SLICE_LIT("a"),    SLICE_LIT("kv"), SLICE_LIT("gate"),
                                         SLICE_LIT("\xff"), SLICE_LIT(""),   SLICE_LIT("\xf0\x9f\x98\x88")};
    struct epmd_entry entry = {.name = names[which % ARRAY_LEN(names)], .highest = (uint16_t)which};
    uint32_t creation;

    if (!is_begin)
        epmd_core_unregister(w->core, entry.name);
    else if (epmd_core_register(w->core, &entry, w->now, &creation) == ERR_NONE)
        CHECK(creation > 0);
}

static void step(struct world *w, struct rd *r)
{
    uint8_t head = rd_u8(r);
    unsigned which = head >> 3;

    switch (head & 7) {
    case FEED: {
        size_t len = rd_u8(r);

        feed(w, w->conns[which], rd_slice(r, len < rd_left(r) ? len : rd_left(r)));
        break;
    }
    case OPEN:
        if (!w->conns[which])
            w->conns[which] = epmd_core_open(w->core, which % 4 != 0, which, w->now);
        break;
    case LEAVE:
        epmd_core_closed(w->core, w->conns[which]);
        w->conns[which] = 0;
        break;
    case PASS_TIME:
        w->now += (uint64_t)which * 3000;
        epmd_core_advance(w->core, w->now);
        CHECK(epmd_core_deadline(w->core) > w->now);
        break;
    case ANSWER_PROBES:
        while (w->probe_count > 0)
            epmd_core_probed(w->core, w->probes[--w->probe_count]);
        break;
    case REGISTER: register_own(w, which, true); break;
    case UNREGISTER: register_own(w, which, false); break;
    case REPLIES:
        read_replies(rd_rest(r));
        if (which == 0) /* else they are steps too */
            rd_skip(r, rd_left(r));
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rd r = rd_of(slice_of(data, size));
    uint8_t setting = rd_u8(&r);
    struct epmd_core_config config = {.port = EPMD_PORT_NO,
                                      .is_relaxed = setting & 1,
                                      .is_killable = setting & 2,
                                      .max_connections = setting & 4 ? 3 : CONNECTIONS,
                                      .max_old = setting & 8 ? 1 : MAX_NAMES,
                                      .wall_s = setting & 16 ? UINT32_MAX - 2 : 1700000000};
    struct world w = {.core = epmd_core_new(&config)};

    if (!w.core)
        abort();
    for (unsigned steps = 1; rd_left(&r) > 0; steps++) {
        step(&w, &r);
        pull(&w);
        if (steps % LOOK_EACH == 0)
            judge_registry(&w);
    }
    judge_registry(&w);
    epmd_core_free(w.core);
    return 0;
}
