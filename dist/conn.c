#include "dist/conn_state.h"

#include "base/check.h"
#include "base/mem.h"
#include "etf/validate.h"

enum {
    DEFAULT_HANDSHAKE_MS = 7000,
    DEFAULT_TICK_MS = 60000,
    LONGEST_TICK_PERIOD_MS = 15000,
    DEFAULT_MAX = 128 << 20,
    MEETING_CEILING = 64 << 10, /* bytes that a stranger can make us hold */
    READ_AHEAD = 64 << 10,
};

/* ---- states ---- */

#define TO(state) (1u << DIST_ST_##state)

static const unsigned moves[DIST_ST_COUNT] = {
    [DIST_ST_DIAL_STATUS] = TO(ASKED) | TO(DIAL_CHALLENGE) | TO(DOWN),
    [DIST_ST_ASKED] = TO(DIAL_CHALLENGE) | TO(DOWN),
    [DIST_ST_DIAL_CHALLENGE] = TO(DIAL_ACK) | TO(DOWN),
    [DIST_ST_DIAL_ACK] = TO(UP) | TO(DOWN),
    [DIST_ST_ACCEPT_NAME] = TO(ADMITTING) | TO(DOWN),
    [DIST_ST_ADMITTING] = TO(ACCEPT_ANSWER) | TO(ACCEPT_COMPLEMENT) | TO(ACCEPT_REPLY) | TO(DOWN),
    [DIST_ST_ACCEPT_ANSWER] = TO(ACCEPT_COMPLEMENT) | TO(ACCEPT_REPLY) | TO(DOWN),
    [DIST_ST_ACCEPT_COMPLEMENT] = TO(ACCEPT_REPLY) | TO(DOWN),
    [DIST_ST_ACCEPT_REPLY] = TO(UP) | TO(DOWN),
    [DIST_ST_UP] = TO(DOWN),
};

void dist_conn_move(struct dist_conn *c, enum dist_state to)
{
    CHECK(moves[c->state] & 1u << to);
    c->state = to;
    c->has_news = to == DIST_ST_ASKED || to == DIST_ST_ADMITTING || to == DIST_ST_UP || to == DIST_ST_DOWN;
}

void dist_conn_fail(struct dist_conn *c, enum err e, const char *text)
{
    if (c->state == DIST_ST_DOWN)
        return;
    c->down_err = e;
    c->down_text = text ? text : "";
    dist_conn_move(c, DIST_ST_DOWN);
}

bool dist_conn_is_meeting(const struct dist_conn *c)
{
    return c->state < DIST_ST_UP;
}

/* ---- life ---- */

static struct dist_conn *new_conn(const struct dist_conn_config *config, enum dist_state state,
                                  uint64_t now_ms)
{
    struct dist_conn *c = mem_zalloc(sizeof *c);

    if (!c)
        return NULL;
    c->state = state;
    c->config = *config;
    if (!c->config.handshake_ms)
        c->config.handshake_ms = DEFAULT_HANDSHAKE_MS;
    if (!c->config.tick_ms)
        c->config.tick_ms = DEFAULT_TICK_MS;
    if (!c->config.max_frame)
        c->config.max_frame = DEFAULT_MAX;
    if (!c->config.max_message)
        c->config.max_message = DEFAULT_MAX;
    c->now = c->started = c->heard = c->wrote = now_ms;
    dist_in_init(&c->in);
    dist_out_init(&c->out);
    dist_frags_init(&c->frags, c->config.max_message, config->challenge);
    wr_init(&c->scratch, SIZE_MAX);
    return c;
}

struct dist_conn *dist_conn_dial(const struct dist_conn_config *config, struct slice peer_name,
                                 unsigned handshake_version, uint64_t now_ms)
{
    struct dist_conn *c;

    CHECK(peer_name.len <= DIST_NAME_MAX_BYTES && config->name.len <= DIST_NAME_MAX_BYTES);
    c = new_conn(config, DIST_ST_DIAL_STATUS, now_ms);
    if (!c)
        return NULL;
    memcpy(c->peer_name, peer_name.ptr, peer_name.len);
    c->peer_name_len = peer_name.len;
    dist_conn_meet_dial(c, handshake_version);
    if (c->state == DIST_ST_DOWN) {
        dist_conn_free(c);
        return NULL;
    }
    return c;
}

struct dist_conn *dist_conn_accept(const struct dist_conn_config *config, uint64_t now_ms)
{
    CHECK(config->name.len <= DIST_NAME_MAX_BYTES);
    return new_conn(config, DIST_ST_ACCEPT_NAME, now_ms);
}

void dist_conn_free(struct dist_conn *c)
{
    if (!c)
        return;
    dist_in_fini(&c->in);
    dist_out_fini(&c->out);
    dist_cache_in_free(c->cache_in);
    dist_cache_out_free(c->cache_out);
    dist_frags_fini(&c->frags);
    dist_seq_free(c->seq);
    wr_fini(&c->scratch);
    mem_free(c);
}

/* ---- bytes in ---- */

/* What the last event borrowed is void. */
static void drop_borrowed(struct dist_conn *c)
{
    dist_seq_free(c->seq);
    c->seq = NULL;
}

uint8_t *dist_conn_room(struct dist_conn *c, size_t *ret_len)
{
    size_t ceiling = dist_conn_is_meeting(c) ? MEETING_CEILING : c->config.max_frame + READ_AHEAD;
    enum err e = ERR_NONE;
    uint8_t *room;

    drop_borrowed(c);
    if (c->state == DIST_ST_DOWN)
        c->in.start = c->in.end; /* what still comes while the last output is flushed is for nobody */
    room = dist_in_room(&c->in, ceiling, ret_len, &e);
    if (!room)
        dist_conn_fail(c, e, e == ERR_NOMEM ? "no memory to receive" : "more than the handshake can hold");
    return room;
}

void dist_conn_received(struct dist_conn *c, size_t n, uint64_t now_ms)
{
    c->now = now_ms;
    if (n > 0)
        c->heard = now_ms;
    c->stats.bytes_in += n;
    dist_in_received(&c->in, n);
}

static enum dist_event_kind news(const struct dist_conn *c, struct dist_event *ret)
{
    switch (c->state) {
    case DIST_ST_ASKED: return ret->kind = DIST_EVENT_ALIVE;
    case DIST_ST_ADMITTING: return ret->kind = DIST_EVENT_PEER;
    case DIST_ST_UP: return ret->kind = DIST_EVENT_UP;
    case DIST_ST_DOWN:
        ret->err = c->down_err;
        ret->text = c->down_text;
        return ret->kind = DIST_EVENT_DOWN;
    default: CHECK(!"a state that is no event");
    }
    return DIST_EVENT_NONE;
}

enum dist_event_kind dist_conn_next(struct dist_conn *c, struct dist_event *ret)
{
    drop_borrowed(c);
    ret->kind = DIST_EVENT_NONE;
    ret->err = ERR_NONE;
    ret->text = NULL;
    for (;;) {
        enum err e;

        if (c->has_news) {
            c->has_news = false;
            return news(c, ret);
        }
        if (c->state == DIST_ST_DOWN)
            return DIST_EVENT_NONE;
        e = c->state == DIST_ST_UP ? dist_conn_talk(c, ret) : dist_conn_meet(c);
        if (e == ERR_MORE || ret->kind != DIST_EVENT_NONE)
            return ret->kind;
    }
}

/* ---- the peer ---- */

struct slice dist_conn_peer_name(const struct dist_conn *c)
{
    return slice_of(c->peer_name, c->peer_name_len);
}

uint64_t dist_conn_peer_flags(const struct dist_conn *c)
{
    return c->peer_flags;
}

uint32_t dist_conn_peer_creation(const struct dist_conn *c)
{
    return c->peer_creation;
}

bool dist_conn_peer_is_hidden(const struct dist_conn *c)
{
    /* Both must be published for either to see the other as visible. */
    return !(c->peer_flags & c->config.flags & DIST_FLAG_PUBLISHED);
}

bool dist_conn_peer_is_otp(const struct dist_conn *c)
{
    return c->peer_is_otp;
}

uint32_t dist_conn_peer_refuses(const struct dist_conn *c)
{
    uint32_t refuses = ETF_USES_NEVER_FROM_OUTSIDE;

    if (!(c->peer_flags & DIST_FLAG_V4_NC))
        refuses |= ETF_USES_V4_PORT | ETF_USES_LONG_REF | ETF_USES_BIG_PID;
    if (!(c->peer_flags & DIST_FLAG_NATIVE_RECORDS))
        refuses |= ETF_USES_RECORD;
    return refuses;
}

struct slice dist_conn_name(const struct dist_conn *c)
{
    return c->own_name_len ? slice_of(c->own_name, c->own_name_len) : c->config.name;
}

struct slice dist_conn_own_name(const struct dist_conn *c)
{
    return dist_conn_name(c);
}

uint32_t dist_conn_own_creation(const struct dist_conn *c)
{
    return c->own_name_len ? c->own_creation : c->config.creation;
}

/* ---- bytes out ---- */

struct slice dist_conn_output(const struct dist_conn *c)
{
    return dist_out_pending(&c->out);
}

size_t dist_conn_queued(const struct dist_conn *c)
{
    return dist_out_pending(&c->out).len;
}

/* OTP ticks at a quarter of net_ticktime; 15 s suit a peer whose net_ticktime is the default, whatever ours
 * is. */
uint64_t dist_conn_tick_period(const struct dist_conn *c)
{
    uint64_t period = c->config.tick_ms / 4;

    if (period > LONGEST_TICK_PERIOD_MS)
        return LONGEST_TICK_PERIOD_MS;
    return period ? period : 1;
}

void dist_conn_sent(struct dist_conn *c, size_t n, uint64_t now_ms)
{
    c->now = now_ms;
    if (n > 0) {
        c->wrote = now_ms;
        c->tick_at = now_ms + dist_conn_tick_period(c);
    }
    c->stats.bytes_out += n;
    dist_out_sent(&c->out, n);
}

/* ---- time ---- */

static uint64_t silence_deadline(const struct dist_conn *c)
{
    return c->heard + c->config.tick_ms + c->config.tick_ms / 4;
}

uint64_t dist_conn_deadline(const struct dist_conn *c)
{
    uint64_t silence = silence_deadline(c);

    if (c->state == DIST_ST_DOWN)
        return UINT64_MAX;
    if (dist_conn_is_meeting(c))
        return c->started + c->config.handshake_ms;
    return silence < c->tick_at ? silence : c->tick_at;
}

void dist_conn_advance(struct dist_conn *c, uint64_t now_ms)
{
    c->now = now_ms;
    if (c->state == DIST_ST_DOWN)
        return;
    if (dist_conn_is_meeting(c)) {
        if (now_ms >= c->started + c->config.handshake_ms)
            dist_conn_fail(c, ERR_TIMEOUT, "the handshake took too long");
        return;
    }
    if (now_ms >= silence_deadline(c)) {
        dist_conn_fail(c, ERR_TIMEOUT, "the peer was silent for longer than net_ticktime");
        return;
    }
    if (now_ms >= c->tick_at) {
        /* With something queued a tick would tell nothing that it does not, and a peer that takes nothing
         * gets no more. */
        if (dist_conn_queued(c) == 0)
            dist_conn_write_tick(c);
        c->tick_at = now_ms + dist_conn_tick_period(c);
    }
}

void dist_conn_close(struct dist_conn *c, enum err why, const char *text)
{
    /* A node that does not like our digest just closes. */
    if (c->state == DIST_ST_DIAL_ACK && why == ERR_CLOSED)
        dist_conn_fail(
            c, ERR_AUTH,
            "the peer closed the link when it saw our answer to its challenge: the cookies differ");
    else
        dist_conn_fail(c, why, text);
}

struct dist_conn_stats dist_conn_stats(const struct dist_conn *c)
{
    return c->stats;
}
