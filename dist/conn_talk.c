/* Frames and messages of a connection that is up (erl_dist_protocol, "Protocol between Connected Nodes"). */
#include "dist/conn_state.h"

#include "base/check.h"
#include "base/mem.h"

enum {
    FRAME_LENGTH_BYTES = 4,
    TICK_ANSWER_MS = 1000, /* two ends that answer each tick would tick for ever */
    CUT_PAYLOAD = 1024,    /* what stays of a payload that is too large: whose reply it is stands there */
};

#define HEADER_FLAGS (DIST_FLAG_DIST_HDR_ATOM_CACHE | DIST_FLAG_FRAGMENTS)

enum err dist_conn_talk_start(struct dist_conn *c)
{
    c->heard = c->wrote = c->now;
    c->tick_at = c->now + dist_conn_tick_period(c);
    if (c->peer_flags & HEADER_FLAGS) {
        c->cache_in = dist_cache_in_new();
        if (!c->cache_in)
            return ERR_NOMEM;
        c->cache_in->on_new = c->config.on_atom;
        c->cache_in->ctx = c->config.ctx;
    }
    if (c->peer_flags & DIST_FLAG_DIST_HDR_ATOM_CACHE) {
        c->cache_out = dist_cache_out_new();
        if (!c->cache_out)
            return ERR_NOMEM;
    }
    return ERR_NONE;
}

/* ---- in ---- */

static enum err broken(struct dist_conn *c, enum err e, const char *text)
{
    dist_conn_fail(c, e == ERR_MORE ? ERR_MALFORMED : e, text);
    return ERR_NONE;
}

static enum err on_tick(struct dist_conn *c)
{
    c->stats.ticks_in++;
    if (dist_conn_queued(c) == 0 && c->now - c->wrote >= TICK_ANSWER_MS)
        dist_conn_write_tick(c);
    return ERR_NONE;
}

/* OTP closes on signals that have gone astray, but for messages, which are dropped, and group leaders. */
static bool is_for_us(const struct dist_conn *c, const struct dist_ctl *ctl)
{
    struct etf_atom own = {.text = dist_conn_name(c)};

    switch ((int)ctl->op) {
    case DIST_CTL_SEND:
    case DIST_CTL_REG_SEND:
    case DIST_CTL_ALIAS_SEND:
    case DIST_CTL_GROUP_LEADER:
    case DIST_CTL_SPAWN_REQUEST: return true;
    case DIST_CTL_SPAWN_REPLY:
        if (!etf_atom_eq(ctl->ref.node, own))
            return false;
        break;
    }
    return ctl->to.kind != DIST_END_PID || etf_atom_eq(ctl->to.pid.node, own);
}

/* The payload has been judged: its length. Or it has not: 0. */
static size_t judged_already(const struct dist_conn *c, const struct dist_message *m, enum dist_payload kind)
{
    if (!c->config.judge || kind != DIST_PAYLOAD_MESSAGE || m->ctl.to.kind != DIST_END_REF)
        return 0;
    return c->config.judge(c->config.ctx, &m->ctl.to.ref, m->payload, m->atoms);
}

/* What came of one that was too large. */
static void on_cut(struct dist_message *m, enum dist_payload kind)
{
    static const uint8_t reason[] = "w\20reason_too_large";

    m->is_cut = true;
    if (kind != DIST_PAYLOAD_REASON)
        return;
    m->ctl.reason = slice_of(reason, sizeof reason - 1);
    m->payload = (struct slice){0};
}

/* The control message and its payload; each stands behind a version byte where there is no header. */
static enum err on_message(struct dist_conn *c, struct slice body, const struct etf_atoms *atoms,
                           bool has_versions, bool is_cut, struct dist_event *ret)
{
    struct rd r = rd_of(body);
    const struct dist_form *form = NULL;
    struct dist_message *m = &ret->message; /* in place: it is large, and means nothing before kind says so */
    const char *text = "";
    size_t judged;
    enum err e;

    if (has_versions && rd_u8(&r) != ETF_VERSION)
        return broken(c, ERR_MALFORMED, "a control message without its version byte");
    e = dist_ctl_read(&r, atoms, dist_conn_peer_name(c), &m->ctl, &form, &text);
    if (e != ERR_NONE)
        return broken(c, e, text);
    if (!is_for_us(c, &m->ctl))
        return broken(c, ERR_MALFORMED, "a signal for a process of another node");
    m->payload = (struct slice){0};
    m->atoms = atoms;
    m->is_cut = false;
    /* Bytes after what the message consists of are ignored, as OTP does. */
    if (dist_form_payload(form) != DIST_PAYLOAD_NONE) {
        if (has_versions && rd_u8(&r) != ETF_VERSION)
            return broken(c, ERR_MALFORMED, "a message without its version byte");
        m->payload = rd_rest(&r);
        judged = is_cut ? 0 : judged_already(c, m, dist_form_payload(form));
        if (is_cut)
            on_cut(m, dist_form_payload(form));
        else if (judged)
            m->payload.len = judged;
        else if ((e = dist_term_check_prefix(m->payload, atoms, dist_form_payload(form), &m->payload.len,
                                             &text)) != ERR_NONE)
            return broken(c, e, text);
    }
    if (dist_form_payload(form) == DIST_PAYLOAD_REASON && !is_cut) {
        m->ctl.reason = m->payload;
        m->payload = (struct slice){0};
    }
    c->stats.messages_in++;
    ret->kind = DIST_EVENT_MESSAGE;
    return ERR_NONE;
}

static enum err on_header(struct dist_conn *c, struct rd *r, struct dist_event *ret)
{
    enum err e = dist_header_read(c->cache_in, r);

    if (e != ERR_NONE)
        return broken(c, e, "a distribution header that breaks the format");
    return on_message(c, rd_rest(r), &c->cache_in->view, false, false, ret);
}

/* The control message, which stands whole in the first fragment, and the beginning of the payload. */
static size_t beginning(const struct dist_conn *c, struct slice first)
{
    struct rd r = rd_of(first);
    const struct dist_form *form = NULL;
    const char *text = "";
    struct dist_ctl ctl;

    if (dist_ctl_read(&r, &c->cache_in->view, dist_conn_peer_name(c), &ctl, &form, &text) != ERR_NONE)
        return first.len; /* what is wrong with it is said when the whole is read */
    return rd_rest(&r).len > CUT_PAYLOAD ? first.len - rd_rest(&r).len + CUT_PAYLOAD : first.len;
}

static enum err on_first_fragment(struct dist_conn *c, struct rd *r, struct dist_event *ret)
{
    uint64_t id = rd_be64(r), count = rd_be64(r);
    enum err e;

    if (!rd_ok(r) || count == 0)
        return broken(c, ERR_MALFORMED, "a fragment that breaks the format");
    if (count == 1)
        return on_header(c, r, ret);
    e = dist_header_read(c->cache_in, r);
    if (e != ERR_NONE)
        return broken(c, e, "a distribution header that breaks the format");
    e = dist_frags_first(&c->frags, id, count, &c->cache_in->view, rd_rest(r), beginning(c, rd_rest(r)));
    if (e != ERR_NONE)
        return broken(c, e, "a sequence of fragments that cannot be taken");
    return ERR_NONE;
}

static enum err on_next_fragment(struct dist_conn *c, struct rd *r, struct dist_event *ret)
{
    uint64_t id = rd_be64(r), number = rd_be64(r);
    enum err e;

    if (!rd_ok(r))
        return broken(c, ERR_MALFORMED, "a fragment that breaks the format");
    e = dist_frags_next(&c->frags, id, number, rd_rest(r), &c->seq);
    if (e != ERR_NONE)
        return broken(c, e, "a fragment out of turn");
    if (!c->seq)
        return ERR_NONE;
    return on_message(c, wr_written(&c->seq->data), &c->seq->view, false, c->seq->is_cut, ret);
}

static enum err on_frame(struct dist_conn *c, struct slice frame, struct dist_event *ret)
{
    struct rd r = rd_of(frame);
    uint8_t first = rd_u8(&r);

    if (first == DIST_TAG_PASS_THROUGH && !c->cache_in)
        return on_message(c, rd_rest(&r), NULL, true, false, ret);
    if (first != ETF_VERSION || !c->cache_in)
        return broken(c, ERR_MALFORMED, "a frame of a kind that was not agreed on");
    switch (rd_u8(&r)) {
    case DIST_TAG_HEADER: return on_header(c, &r, ret);
    case DIST_TAG_FRAG_HEADER:
        if (c->peer_flags & DIST_FLAG_FRAGMENTS)
            return on_first_fragment(c, &r, ret);
        break;
    case DIST_TAG_FRAG:
        if (c->peer_flags & DIST_FLAG_FRAGMENTS)
            return on_next_fragment(c, &r, ret);
        break;
    }
    return broken(c, ERR_MALFORMED, "a frame of a kind that was not agreed on");
}

enum err dist_conn_talk(struct dist_conn *c, struct dist_event *ret)
{
    struct slice frame;
    enum err e = dist_in_frame(&c->in, FRAME_LENGTH_BYTES, c->config.max_frame, &frame);

    if (e == ERR_MORE)
        return e;
    if (e != ERR_NONE)
        return broken(c, e, "a frame larger than allowed");
    return frame.len == 0 ? on_tick(c) : on_frame(c, frame, ret);
}

/* ---- out ---- */

void dist_conn_write_tick(struct dist_conn *c)
{
    struct wr *w = dist_out_open(&c->out);
    size_t mark = dist_out_mark(&c->out);

    wr_be32(w, 0);
    if (dist_out_close(&c->out, mark) == ERR_NONE)
        c->stats.ticks_out++;
}

static void write_pass_through(struct wr *w, struct slice ctl, struct dist_pieces *payload, size_t len)
{
    size_t version = len ? 1 : 0;

    wr_be32(w, (uint32_t)(2 + ctl.len + version + len));
    wr_u8(w, DIST_TAG_PASS_THROUGH);
    wr_u8(w, ETF_VERSION);
    wr_slice(w, ctl);
    if (len)
        wr_u8(w, ETF_VERSION);
    dist_pieces_write(payload, w, len);
}

static void write_headed(struct dist_conn *c, struct wr *w, struct slice ctl, struct dist_pieces *payload,
                         size_t len)
{
    wr_be32(w, (uint32_t)(2 + dist_header_len(c->cache_out) + ctl.len + len));
    wr_u8(w, ETF_VERSION);
    wr_u8(w, DIST_TAG_HEADER);
    dist_header_write(c->cache_out, w);
    wr_slice(w, ctl);
    if (len)
        dist_pieces_write(payload, w, len);
}

/* The control message stands whole in the first fragment; the payload fills that one up and goes on in the
 * others. */
static void write_fragments(struct dist_conn *c, struct wr *w, struct slice ctl, struct dist_pieces *payload,
                            size_t len)
{
    size_t first = ctl.len < DIST_FRAG_SIZE ? DIST_FRAG_SIZE - ctl.len : 0, at;
    uint64_t id = ++c->next_seq, number;

    if (first > len)
        first = len;
    number = 1 + (len - first + DIST_FRAG_SIZE - 1) / DIST_FRAG_SIZE;
    at = wr_reserve(w, FRAME_LENGTH_BYTES);
    wr_u8(w, ETF_VERSION);
    wr_u8(w, DIST_TAG_FRAG_HEADER);
    wr_be64(w, id);
    wr_be64(w, number);
    dist_header_write(c->cache_out, w);
    wr_slice(w, ctl);
    dist_pieces_write(payload, w, first);
    wr_patch_be32(w, at, (uint32_t)(w->len - at - FRAME_LENGTH_BYTES));
    len -= first;
    while (--number > 0) {
        size_t part = len < DIST_FRAG_SIZE ? len : DIST_FRAG_SIZE;

        wr_be32(w, (uint32_t)(2 + 8 + 8 + part));
        wr_u8(w, ETF_VERSION);
        wr_u8(w, DIST_TAG_FRAG);
        wr_be64(w, id);
        wr_be64(w, number);
        dist_pieces_write(payload, w, part);
        len -= part;
    }
}

static enum err write_message(struct dist_conn *c, struct slice ctl, struct dist_pieces *payload)
{
    size_t len = dist_pieces_len(payload), mark;
    bool is_fragmented = c->peer_flags & DIST_FLAG_FRAGMENTS && ctl.len + len > DIST_FRAG_SIZE;
    struct wr *w;

    if (!is_fragmented && (len > UINT32_MAX / 2 || ctl.len > UINT32_MAX / 4))
        return ERR_TOO_LARGE;
    w = dist_out_open(&c->out);
    mark = dist_out_mark(&c->out);
    if (is_fragmented)
        write_fragments(c, w, ctl, payload, len);
    else if (c->peer_flags & HEADER_FLAGS)
        write_headed(c, w, ctl, payload, len);
    else
        write_pass_through(w, ctl, payload, len);
    return dist_out_close(&c->out, mark);
}

enum err dist_conn_send(struct dist_conn *c, const struct dist_ctl *ctl, const struct slice *payload,
                        size_t count)
{
    const struct dist_form *form;
    struct dist_pieces pieces = {.at = payload, .count = count};
    enum err e;

    if (c->state != DIST_ST_UP)
        return ERR_NO_CONNECTION;
    e = dist_ctl_form(ctl, c->peer_flags, &form);
    if (e != ERR_NONE)
        return e;
    if (dist_form_payload(form) == DIST_PAYLOAD_REASON)
        pieces = (struct dist_pieces){.at = &ctl->reason, .count = 1};
    else if (dist_form_payload(form) == DIST_PAYLOAD_NONE)
        pieces = (struct dist_pieces){0};
    wr_reset(&c->scratch);
    dist_ctl_write(&c->scratch, form, ctl, c->cache_out);
    e = c->scratch.err;
    if (e == ERR_NONE)
        e = write_message(c, wr_written(&c->scratch), &pieces);
    if (e != ERR_NONE) {
        dist_cache_abort(c->cache_out);
        return e;
    }
    dist_cache_commit(c->cache_out);
    c->stats.messages_out++;
    return ERR_NONE;
}
