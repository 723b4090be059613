/* The handshake of a connection, in both roles (erl_dist_protocol, "Distribution Handshake"). */
#include "dist/conn_state.h"

#include "base/check.h"
#include "base/mem.h"

enum { LENGTH_BYTES = 2, LONG_LENGTH_BYTES = 4 };

static enum err broken(struct dist_conn *c, enum err e, const char *text)
{
    dist_conn_fail(c, e == ERR_MORE ? ERR_MALFORMED : e, text);
    return ERR_NONE;
}

static void set_peer_name(struct dist_conn *c, struct slice name)
{
    memcpy(c->peer_name, name.ptr, name.len);
    c->peer_name_len = name.len;
}

/* The peer's offer is known in full: what both have counts from now on. False when something is missing. */
static bool flags_will_do(struct dist_conn *c, uint64_t judged)
{
    uint64_t missing = dist_flags_demanded & judged & ~c->peer_flags;

    if (missing)
        dist_conn_fail(c, ERR_NOT_ALLOWED, dist_flags_missing_text(missing));
    return !missing;
}

static uint64_t own_flags(const struct dist_conn *c)
{
    bool wants_name = !memchr(c->config.name.ptr, '@', c->config.name.len);

    return wants_name ? c->config.flags | DIST_FLAG_NAME_ME : c->config.flags;
}

static struct wr *open_out(struct dist_conn *c, size_t *ret_mark)
{
    struct wr *w = dist_out_open(&c->out);

    *ret_mark = dist_out_mark(&c->out);
    return w;
}

/* Before each message: no message is longer than its own 2-byte length can say, so that these are the upper
 * half of a 4-byte one. */
static struct wr *begin(const struct dist_conn *c, struct wr *w)
{
    if (c->config.has_long_lengths)
        wr_be16(w, 0);
    return w;
}

static bool close_out(struct dist_conn *c, size_t mark)
{
    enum err e = dist_out_close(&c->out, mark);

    if (e != ERR_NONE)
        dist_conn_fail(c, e, "no memory for the handshake");
    return e == ERR_NONE;
}

static void go_up(struct dist_conn *c)
{
    c->peer_is_otp = c->peer_flags & DIST_FLAG_BIG_SEQTRACE_LABELS;
    c->peer_flags &= dist_flags_expand(c->config.flags);
    if (dist_conn_talk_start(c) == ERR_NONE)
        dist_conn_move(c, DIST_ST_UP);
    else
        dist_conn_fail(c, ERR_NOMEM, "no memory for a connection");
}

static bool send_status(struct dist_conn *c, const struct dist_hs_status *status)
{
    size_t mark;
    struct wr *w = open_out(c, &mark);

    dist_hs_write_status(begin(c, w), status);
    return close_out(c, mark);
}

/* ---- dialling ---- */

void dist_conn_meet_dial(struct dist_conn *c, unsigned version)
{
    struct dist_hs_name name = {
        .version = version == 5 ? 5 : 6,
        .flags = own_flags(c),
        .creation = c->config.creation,
        .name = c->config.name,
    };
    size_t mark;
    struct wr *w = open_out(c, &mark);

    if (name.flags & DIST_FLAG_NAME_ME) {
        /* Only version 6 has room for the wish. */
        name.version = 6;
        name.creation = 0;
    }
    c->version = name.version;
    dist_hs_write_name(begin(c, w), &name);
    close_out(c, mark);
}

static enum err take_given_name(struct dist_conn *c, const struct dist_hs_status *m)
{
    if (!(own_flags(c) & DIST_FLAG_NAME_ME) || !dist_name_is_plausible(m->name) || m->creation == 0)
        return broken(c, ERR_MALFORMED, "the peer gave us a name that we cannot take");
    memcpy(c->own_name, m->name.ptr, m->name.len);
    c->own_name_len = m->name.len;
    c->own_creation = m->creation;
    dist_conn_move(c, DIST_ST_DIAL_CHALLENGE);
    return ERR_NONE;
}

static enum err on_status(struct dist_conn *c, struct slice body)
{
    struct dist_hs_status m;
    enum err e = dist_hs_read_status(body, &m);

    if (e != ERR_NONE)
        return broken(c, e, "a status that does not exist");
    if (own_flags(c) & DIST_FLAG_NAME_ME &&
        (m.verdict == DIST_HS_OK || m.verdict == DIST_HS_OK_SIMULTANEOUS || m.verdict == DIST_HS_ALIVE))
        return broken(c, ERR_NOT_ALLOWED, "the peer does not give names to nodes that have none");
    switch (m.verdict) {
    case DIST_HS_OK:
    case DIST_HS_OK_SIMULTANEOUS: dist_conn_move(c, DIST_ST_DIAL_CHALLENGE); break;
    case DIST_HS_NOK:
        dist_conn_fail(c, ERR_NAME_TAKEN, "the peer answered nok: its own connection to us goes on");
        break;
    case DIST_HS_NOT_ALLOWED:
        dist_conn_fail(c, ERR_NOT_ALLOWED,
                       "the peer answered not_allowed: it misses flags, or does not allow our name");
        break;
    case DIST_HS_ALIVE: dist_conn_move(c, DIST_ST_ASKED); break;
    case DIST_HS_NAMED: return take_given_name(c, &m);
    case DIST_HS_TRUE:
    case DIST_HS_FALSE: return broken(c, ERR_MALFORMED, "a status that is an answer");
    }
    return ERR_NONE;
}

void dist_conn_replace(struct dist_conn *c, bool insist)
{
    struct dist_hs_status answer = {.verdict = insist ? DIST_HS_TRUE : DIST_HS_FALSE};

    if (c->state != DIST_ST_ASKED || !send_status(c, &answer))
        return;
    if (insist)
        dist_conn_move(c, DIST_ST_DIAL_CHALLENGE);
    else
        dist_conn_fail(c, ERR_NAME_TAKEN, "the peer has a connection under our name, and we did not insist");
}

static enum err send_reply(struct dist_conn *c, const struct dist_hs_challenge *theirs)
{
    struct dist_hs_reply reply = {.challenge = c->config.challenge};
    size_t mark;
    struct wr *w;
    enum err e = dist_digest(c->config.cookie, theirs->challenge, reply.digest);

    if (e != ERR_NONE)
        return broken(c, e, "no MD5 to answer the challenge with");
    w = open_out(c, &mark);
    if (c->version == 5 && theirs->version == 6) {
        struct dist_hs_complement rest = {(uint32_t)(own_flags(c) >> 32), c->config.creation};

        dist_hs_write_complement(begin(c, w), &rest);
    }
    dist_hs_write_reply(begin(c, w), &reply);
    mem_wipe(&reply, sizeof reply);
    if (close_out(c, mark))
        dist_conn_move(c, DIST_ST_DIAL_ACK);
    return ERR_NONE;
}

static enum err on_challenge(struct dist_conn *c, struct slice body)
{
    struct dist_hs_challenge m;
    enum err e = dist_hs_read_challenge(body, &m);

    if (e != ERR_NONE)
        return broken(c, e, "a challenge that breaks the format");
    if (c->version == 6 && m.version != 6)
        return broken(c, ERR_MALFORMED, "a challenge of version 5 in a handshake of version 6");
    if (!slice_eq(m.name, dist_conn_peer_name(c))) {
        if (dist_name_is_plausible(m.name))
            set_peer_name(c, m.name);
        return broken(c, ERR_NOT_ALLOWED, "the node that answers there has another name: node() says which");
    }
    c->peer_flags = dist_flags_expand(m.flags);
    c->peer_creation = m.creation;
    if (!flags_will_do(c, UINT64_MAX))
        return ERR_NONE;
    return send_reply(c, &m);
}

static enum err on_ack(struct dist_conn *c, struct slice body)
{
    struct dist_hs_ack m;
    bool is_right = false;
    enum err e = dist_hs_read_ack(body, &m);

    if (e != ERR_NONE)
        return broken(c, e, "an acknowledgement that breaks the format");
    e = dist_digest_check(c->config.cookie, c->config.challenge, m.digest, &is_right);
    if (e != ERR_NONE)
        return broken(c, e, "no MD5 to check the digest with");
    if (!is_right)
        return broken(c, ERR_AUTH, "the peer's digest is wrong: the cookies differ");
    go_up(c);
    return ERR_NONE;
}

/* ---- accepting ---- */

static enum err on_name(struct dist_conn *c, struct slice body)
{
    static const struct dist_hs_status not_allowed = {.verdict = DIST_HS_NOT_ALLOWED};
    static const struct dist_hs_status nok = {.verdict = DIST_HS_NOK};
    struct dist_hs_name m;
    uint64_t judged;
    enum err e = dist_hs_read_name(body, &m);

    if (e != ERR_NONE)
        return broken(c, e, "a first message that is no name");
    c->version = m.version;
    c->peer_flags = dist_flags_expand(m.flags);
    c->peer_creation = m.creation;
    if (c->peer_flags & DIST_FLAG_NAME_ME ? !dist_host_is_plausible(m.name) : !dist_name_is_plausible(m.name))
        return broken(c, ERR_MALFORMED, "a name that is no node's");
    set_peer_name(c, m.name);
    if (slice_eq(m.name, c->config.name)) {
        send_status(c, &nok);
        return broken(c, ERR_NAME_TAKEN, "the peer bears our own name");
    }
    /* What a complement may still bring is judged after it. */
    judged = m.version == 5 ? UINT32_MAX : UINT64_MAX;
    if (dist_flags_demanded & judged & ~c->peer_flags)
        send_status(c, &not_allowed);
    if (flags_will_do(c, judged))
        dist_conn_move(c, DIST_ST_ADMITTING);
    return ERR_NONE;
}

static void send_challenge(struct dist_conn *c)
{
    bool is_mixed =
        c->version == 5 && c->peer_flags & dist_flags_expand(c->config.flags) & DIST_FLAG_HANDSHAKE_23;
    struct dist_hs_challenge m = {
        .version = c->version == 6 || is_mixed ? 6 : 5,
        /* OTP takes its new name only from who says that it gives names. */
        .flags = c->config.flags | (c->peer_flags & DIST_FLAG_NAME_ME),
        .challenge = c->config.challenge,
        .creation = c->config.creation,
        .name = c->config.name,
    };
    size_t mark;
    struct wr *w = open_out(c, &mark);

    dist_hs_write_challenge(begin(c, w), &m);
    if (close_out(c, mark))
        dist_conn_move(c, is_mixed ? DIST_ST_ACCEPT_COMPLEMENT : DIST_ST_ACCEPT_REPLY);
}

static enum dist_hs_verdict verdict_of(enum dist_status status)
{
    switch (status) {
    case DIST_STATUS_OK: return DIST_HS_OK;
    case DIST_STATUS_OK_SIMULTANEOUS: return DIST_HS_OK_SIMULTANEOUS;
    case DIST_STATUS_NOK: return DIST_HS_NOK;
    case DIST_STATUS_ALIVE: return DIST_HS_ALIVE;
    case DIST_STATUS_NAMED: return DIST_HS_NAMED;
    case DIST_STATUS_NOT_ALLOWED: break;
    }
    return DIST_HS_NOT_ALLOWED;
}

void dist_conn_admit(struct dist_conn *c, enum dist_status status, struct slice given_name,
                     uint32_t given_creation)
{
    struct dist_hs_status m = {.verdict = verdict_of(status), .name = given_name, .creation = given_creation};
    bool wants_name = c->peer_flags & DIST_FLAG_NAME_ME;

    if (c->state != DIST_ST_ADMITTING)
        return;
    /* A node without a name can only be named, and one with a name cannot. */
    if (wants_name != (m.verdict == DIST_HS_NAMED) && m.verdict != DIST_HS_NOK)
        m.verdict = DIST_HS_NOT_ALLOWED;
    if (m.verdict == DIST_HS_NAMED)
        CHECK(dist_name_is_plausible(given_name));
    if (!send_status(c, &m))
        return;
    switch (m.verdict) {
    case DIST_HS_NOK: dist_conn_fail(c, ERR_NAME_TAKEN, "refused by nok: our own connection goes on"); break;
    case DIST_HS_NOT_ALLOWED:
        dist_conn_fail(c, ERR_NOT_ALLOWED,
                       "it refuses us by not_allowed: net_kernel:allow/1 there says whom it lets in");
        break;
    case DIST_HS_ALIVE: dist_conn_move(c, DIST_ST_ACCEPT_ANSWER); break;
    default:
        if (m.verdict == DIST_HS_NAMED) {
            set_peer_name(c, given_name);
            c->peer_creation = given_creation;
        }
        send_challenge(c);
    }
}

static enum err on_answer(struct dist_conn *c, struct slice body)
{
    struct dist_hs_status m;
    enum err e = dist_hs_read_status(body, &m);

    if (e != ERR_NONE || (m.verdict != DIST_HS_TRUE && m.verdict != DIST_HS_FALSE))
        return broken(c, ERR_MALFORMED, "neither true nor false after alive");
    if (m.verdict == DIST_HS_FALSE)
        return broken(c, ERR_NAME_TAKEN, "the peer did not insist on a new connection");
    send_challenge(c);
    return ERR_NONE;
}

static enum err on_complement(struct dist_conn *c, struct slice body)
{
    struct dist_hs_complement m;
    enum err e = dist_hs_read_complement(body, &m);

    if (e != ERR_NONE)
        return broken(c, e, "no complement where one is due");
    c->peer_flags = dist_flags_expand((uint64_t)m.flags_high << 32 | (c->peer_flags & UINT32_MAX));
    c->peer_creation = m.creation;
    if (flags_will_do(c, UINT64_MAX))
        dist_conn_move(c, DIST_ST_ACCEPT_REPLY);
    return ERR_NONE;
}

static enum err send_ack(struct dist_conn *c, uint32_t challenge)
{
    struct dist_hs_ack ack;
    size_t mark;
    struct wr *w;
    enum err e = dist_digest(c->config.cookie, challenge, ack.digest);

    if (e != ERR_NONE)
        return broken(c, e, "no MD5 to answer the challenge with");
    w = open_out(c, &mark);
    dist_hs_write_ack(begin(c, w), &ack);
    mem_wipe(&ack, sizeof ack);
    if (close_out(c, mark))
        go_up(c);
    return ERR_NONE;
}

static enum err on_reply(struct dist_conn *c, struct slice body)
{
    struct dist_hs_reply m;
    bool is_right = false;
    enum err e = dist_hs_read_reply(body, &m);

    if (e != ERR_NONE)
        return broken(c, e, "a reply that breaks the format");
    e = dist_digest_check(c->config.cookie, c->config.challenge, m.digest, &is_right);
    if (e != ERR_NONE)
        return broken(c, e, "no MD5 to check the digest with");
    if (!is_right) /* without an answer: it has not shown that it may have one */
        return broken(c, ERR_AUTH, "the peer's digest is wrong: the cookies differ");
    return send_ack(c, m.challenge);
}

/* ---- what is awaited in each state, and how long it may be ---- */

static const struct {
    size_t max;
    enum err (*take)(struct dist_conn *c, struct slice body);
} awaited[DIST_ST_COUNT] = {
    [DIST_ST_DIAL_STATUS] = {DIST_HS_STATUS_MAX, on_status},
    [DIST_ST_DIAL_CHALLENGE] = {DIST_HS_CHALLENGE_MAX, on_challenge},
    [DIST_ST_DIAL_ACK] = {DIST_HS_ACK_MAX, on_ack},
    [DIST_ST_ACCEPT_NAME] = {DIST_HS_NAME_MAX, on_name},
    [DIST_ST_ACCEPT_ANSWER] = {DIST_HS_STATUS_MAX, on_answer},
    [DIST_ST_ACCEPT_COMPLEMENT] = {DIST_HS_COMPLEMENT_MAX, on_complement},
    [DIST_ST_ACCEPT_REPLY] = {DIST_HS_REPLY_MAX, on_reply},
};

enum err dist_conn_meet(struct dist_conn *c)
{
    struct slice body;
    enum err e;

    if (!awaited[c->state].take)
        return ERR_MORE; /* it is our caller's turn */
    e = dist_in_frame(&c->in, c->config.has_long_lengths ? LONG_LENGTH_BYTES : LENGTH_BYTES,
                      awaited[c->state].max, &body);
    if (e == ERR_MORE)
        return e;
    if (e != ERR_NONE)
        return broken(c, ERR_MALFORMED,
                      "what comes is no handshake: it is no node, or a node that speaks TLS");
    return awaited[c->state].take(c, body);
}
