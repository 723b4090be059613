/* How a link comes about: it is looked up and dialled, or accepted; and two nodes say who they are, and whose
 * connection goes on when both have dialled (erl_dist_protocol, "Distribution Handshake"). */
#include "base/mem.h"
#include "loop/tls.h"
#include "node/internal.h"
#include "node/link_parts.h"
#include "node/request.h"

enum {
    GIVEN_NAME_LEN = 13, /* of 36 letters each: 67 bits */
    UNPROVEN_MAX = 1024, /* connections at once that have not shown the cookie yet */
    UNPROVEN_BUCKET_BITS = 10,
    CROWDED_TELL_MS = 10000,
    BESIDE_MS = 500, /* that one may take to show the cookie before we dial ourselves as well */
    /* That the peer's own connection may take to come before we ask again for ours: at first, and at last. */
    YIELD_FIRST_MS = 50,
    YIELD_MS = 500,
};

/* ---- connecting ---- */

/* What waits for one link waits for another to the same node. */
static void hand_over(struct link *from, struct link *to)
{
    request_move_all(from, to);
    signals_append(&to->waiting, &from->waiting);
}

/* Through the node, for who listens there may end before the link does. */
static void atom_came(void *ctx, struct slice utf8)
{
    const struct node *n = ctx;

    if (n->on_atom)
        n->on_atom(n->on_atom_ctx, utf8);
}

static size_t judge(void *ctx, const struct etf_ref *to, struct slice payload, const struct etf_atoms *atoms)
{
    const struct node *n = ctx;
    struct request *r = n->judge ? request_of_ref(n, to) : NULL;

    return r ? request_judge(r, payload, atoms) : 0;
}

static void config_of(struct node *n, struct dist_conn_config *ret)
{
    *ret = (struct dist_conn_config){
        .name = n->name_slice,
        .cookie = slice_of(n->cookie, n->cookie_len),
        .creation = n->creation,
        .flags = dist_flags_offered | (n->is_visible ? DIST_FLAG_PUBLISHED : 0),
        .has_long_lengths = n->tls != NULL, /* as OTP's inet_tls_dist */
        .handshake_ms = n->connect_ms,
        .tick_ms = n->tick_ms,
        .max_frame = n->max_message,
        .max_message = n->max_message,
        .on_atom = atom_came,
        .judge = judge,
        .ctx = n,
    };
    loop_random(&ret->challenge, sizeof ret->challenge);
}

static struct slice host_of(const struct link *l)
{
    const char *at = strchr(l->name, '@');

    return slice_of_str(at ? at + 1 : "");
}

/* The deadline of the distribution's handshake is running already: it bounds that of TLS as well. */
static enum err secure(const struct link *l, const char *host)
{
    return l->node->tls ? loop_stream_secure(l->stream, l->node->tls, host) : ERR_NONE;
}

/* Why a port could not be connected to. */
static const char *undialled(const struct link *l, enum err e)
{
    if (e == ERR_NO_HOST)
        return err_text(e);
    if (e == ERR_TIMEOUT)
        return "its port does not answer in time";
    return l->is_memory ? "EPMD on its host knows no node of that name, and it is not where it was"
                        : "its port does not accept a connection: does it run?";
}

/* Of connecting and of the handshake, each: a whole one at first, and what is left of it after a nok. */
static uint32_t time_left(const struct link *l)
{
    const struct node *n = l->node;
    uint64_t now = loop_now_ms(n->loop);

    if (!l->yields_until)
        return n->connect_ms;
    return now < l->yields_until ? (uint32_t)(l->yields_until - now) : 1;
}

static void connected(void *ctx, uint64_t id, struct loop_stream *s, enum err e)
{
    struct node *n = ctx;
    struct link *l = idtab_get(&n->links, id);
    struct dist_conn_config config;

    if (!l) {
        loop_stream_close(s);
        return;
    }
    l->dial = 0;
    if (!s) {
        if (l->is_memory && e != ERR_TIMEOUT)
            epmd_forget(n, slice_of_str(l->name));
        link_close(l, e == ERR_TIMEOUT ? e : ERR_NO_CONNECTION, undialled(l, e));
        return;
    }
    config_of(n, &config);
    config.handshake_ms = time_left(l);
    l->stream = s;
    l->conn = dist_conn_dial(&config, slice_of_str(l->name), l->handshake_version, loop_now_ms(n->loop));
    if (!l->conn || secure(l, (const char *)host_of(l).ptr) != ERR_NONE) {
        link_close(l, ERR_NOMEM, err_text(ERR_NOMEM));
        return;
    }
    l->state = LINK_HANDSHAKE;
    loop_stream_start(s, &link_stream_ops, l);
    link_mark_dirty(l);
    link_arm(l, dist_conn_deadline(l->conn));
}

static void dial(struct link *l, unsigned version)
{
    struct node *n = l->node;

    l->state = LINK_DIALLING;
    l->handshake_version = version;
    l->dial = loop_dial(n->loop, l->at_host, l->at_port, time_left(l), connected, n, l->id);
    if (!l->dial)
        link_close(l, ERR_NOMEM, err_text(ERR_NOMEM));
}

void link_found(struct node *n, uint64_t link_id, const char *host, uint16_t port, unsigned highest,
                bool is_memory)
{
    struct link *l = idtab_get(&n->links, link_id);

    if (!l)
        return;
    l->lookup = 0;
    l->at_host = mem_strndup(host, strlen(host));
    l->at_port = port;
    l->is_version_sure = highest > 0;
    l->is_memory = is_memory;
    if (l->at_host)
        dial(l, highest == 0 || highest >= 6 ? 6 : 5);
    else
        link_close(l, ERR_NOMEM, err_text(ERR_NOMEM));
}

/* Why EPMD did not say where a node is. */
static const char *unfound(enum err e)
{
    switch (e) {
    case ERR_NO_NODE: return "EPMD on its host knows no node of that name";
    case ERR_NO_HOST: return err_text(e);
    case ERR_TIMEOUT: return "EPMD on its host does not answer in time";
    case ERR_MALFORMED: return "what answers on its host is no EPMD";
    default: return "EPMD on its host cannot be reached";
    }
}

void link_not_found(struct node *n, uint64_t link_id, enum err e)
{
    struct link *l = idtab_get(&n->links, link_id);

    if (!l)
        return;
    l->lookup = 0;
    /* What is wrong with an EPMD is no fault of what was asked: to a request the node cannot be reached. */
    link_close(l, e == ERR_NO_HOST || e == ERR_MALFORMED ? ERR_NO_CONNECTION : e, unfound(e));
}

const char *link_stage(const struct link *l)
{
    switch (l->state) {
    case LINK_RESOLVING: return "DNS, or EPMD on its host, has not answered yet";
    case LINK_DIALLING: return "its port has not answered yet";
    case LINK_HANDSHAKE:
        return l->node->tls && !loop_stream_tls_version(l->stream)
                   ? "it has not answered the TLS handshake yet: does it speak TLS?"
                   : "it has not answered the handshake yet";
    case LINK_YIELDED: return "its own connection to us has not come yet";
    case LINK_UP:
    case LINK_CLOSED: break;
    }
    return NULL;
}

/* OTP before 23 hangs up on a name of version 6, without a word. */
static bool wants_older_version(const struct link *l, enum err e)
{
    return e == ERR_CLOSED && l->state == LINK_HANDSHAKE && l->was_dialled && !l->is_version_sure &&
           l->handshake_version == 6 && dist_conn_stats(l->conn).bytes_in == 0 &&
           (!l->node->tls || loop_stream_tls_version(l->stream));
}

static void drop_connection(struct link *l)
{
    loop_stream_close(l->stream);
    l->stream = NULL;
    node_totals_add(&l->node->totals, l);
    dist_conn_free(l->conn);
    l->conn = NULL;
}

static void give_up(struct link *l)
{
    idtab_remove(&l->node->links, l->id);
    loop_timer_free(l->timer);
    link_drop_name(l);
    mem_free(l->at_host);
    mem_free(l->name);
    mem_free(l);
}

bool link_may_be(struct node *n, struct slice name, bool is_incoming)
{
    if (!n->gate || n->gate(n->gate_ctx, name, is_incoming))
        return true;
    n->links_refused++;
    LOG(LOG_WARN, "link-refused", LOG_SLICE("node", name), LOG_STR("by", is_incoming ? "them" : "us"),
        LOG_STR("why", is_incoming ? "the policy admits no node of that name (nodes.admit)"
                                   : "the policy connects to no node of that name (nodes.connect)"));
    return false;
}

struct link *link_dial(struct node *n, struct slice name)
{
    struct link *l = !n->gate || n->gate(n->gate_ctx, name, false) ? link_new(n, LINK_RESOLVING) : NULL;

    if (!l)
        return NULL;
    l->was_dialled = true;
    if (link_take_name(l, name) != ERR_NONE || !epmd_find(n, l)) {
        give_up(l);
        return NULL;
    }
    return l->state == LINK_CLOSED ? NULL : l;
}

/* Has it been accepted, and has not shown the cookie yet? */
static bool is_unproven(const struct link *l)
{
    return !l->was_dialled && l->state == LINK_HANDSHAKE;
}

/* One that has said the name of this one, which another had. */
static struct link *find_second(const struct node *n, const char *name)
{
    struct link *l;

    for (uint32_t cursor = 0; n->seconds > 0 && (l = idtab_next(&n->links, &cursor));)
        if (l->is_second && strcmp(l->name, name) == 0)
            return l;
    return NULL;
}

/* Our own attempt, for what waits for an accepted one; NULL: none can be made. */
static struct link *dial_for(struct link *l)
{
    struct link *again;

    link_drop_name(l);
    again = link_dial(l->node, slice_of_str(l->name));
    if (!again) {
        if (link_take_name(l, slice_of_str(l->name)) != ERR_NONE)
            LOG(LOG_WARN, "link-lost", LOG_STR("node", l->name), LOG_STR("error", err_name(ERR_NOMEM)));
        return NULL;
    }
    again->is_again = true;
    hand_over(l, again);
    return again;
}

static bool is_slow_to_prove(const struct link *l)
{
    uint64_t handshake_ends = loop_now_ms(l->node->loop) + l->node->connect_ms; /* had it begun now */

    return is_unproven(l) && l->is_named && !l->node->is_quiet &&
           handshake_ends >= dist_conn_deadline(l->conn) &&
           handshake_ends - dist_conn_deadline(l->conn) >= BESIDE_MS;
}

/* l, unless it is slow to prove itself: then our own attempt, and l goes on beside it. */
static struct link *or_beside(struct link *l)
{
    struct link *again;

    if (!is_slow_to_prove(l))
        return l;
    again = dial_for(l);
    if (!again)
        return l;
    link_set_second(l, true);
    return again;
}

struct link *link_for(struct node *n, struct slice name)
{
    struct link *l = link_find(n, name);

    return l ? or_beside(l) : NULL;
}

void link_look_beside(struct link *l)
{
    if (l->state == LINK_HANDSHAKE && (l->requests || l->waiting.first))
        (void)or_beside(l);
}

/*
 * Who has not shown the cookie may bear a name that is not his. What waits for him is tried by ourselves once
 * he has come to nothing; and what has waited for our own attempt may come by him, unless the node itself has
 * refused us.
 */
void link_pass_on(struct link *l, enum err why)
{
    struct node *n = l->node;
    struct link *to;

    if (!l->is_named || (!l->requests && !l->waiting.first) || why == ERR_CANCELLED || n->is_quiet)
        return;
    if (!l->was_dialled) {
        (void)dial_for(l);
        return;
    }
    to = why == ERR_AUTH || why == ERR_NOT_ALLOWED ? NULL : find_second(n, l->name);
    if (!to)
        return;
    link_drop_name(l);
    link_set_second(to, false);
    if (link_take_name(to, slice_of_str(l->name)) == ERR_NONE)
        hand_over(l, to);
}

/* Fibonacci hashing, of which the high bits are good; twice, and with a seed, so that nobody falls into
 * another's bucket on purpose. */
static size_t bucket_of(const struct link *l)
{
    uint64_t h = (l->net ^ l->node->hash_seed) * 0x9E3779B97F4A7C15u;

    h = (h ^ h >> 32) * 0x9E3779B97F4A7C15u;
    return (size_t)(h >> (64 - UNPROVEN_BUCKET_BITS));
}

static bool is_silent(const struct link *l)
{
    return dist_conn_stats(l->conn).bytes_in == 0;
}

/* Those of one kind: that have said nothing, or something. */
struct unproven {
    unsigned count, most; /* of one bucket */
    uint16_t buckets[1 << UNPROVEN_BUCKET_BITS];
};

static void count_unproven(const struct node *n, struct unproven ret[2])
{
    const struct link *l;

    for (uint32_t cursor = 0; (l = idtab_next(&n->links, &cursor));) {
        struct unproven *u;
        uint16_t *of;

        if (!is_unproven(l))
            continue;
        u = &ret[is_silent(l)];
        of = &u->buckets[bucket_of(l)];
        u->count++;
        u->most = ++*of > u->most ? *of : u->most;
    }
}

/* The oldest of that kind, of the address that most of them come from. */
static struct link *find_victim(const struct node *n, bool silent, const struct unproven *u)
{
    struct link *l, *victim = NULL;

    for (uint32_t cursor = 0; (l = idtab_next(&n->links, &cursor));)
        if (is_unproven(l) && is_silent(l) == silent && u->buckets[bucket_of(l)] == u->most &&
            (!victim || dist_conn_deadline(l->conn) < dist_conn_deadline(victim->conn)))
            victim = l;
    return victim;
}

/*
 * Who has the cookie shows it within some round trips, and says something within one. So of those that have
 * not shown it, half may be silent, and half have said something: where there are more, the oldest makes
 * room, of the address that most of them have come from. Whoever opens many and says nothing takes neither
 * descriptors nor the place of those who mean it; to be in their way he has to be quicker than they are, and
 * come from as many addresses as there are places.
 */
static void make_room(struct node *n)
{
    struct unproven u[2] = {0};
    struct link *victim;
    bool silent;

    if (n->links.count < UNPROVEN_MAX)
        return;
    count_unproven(n, u);
    if (u[0].count + u[1].count < UNPROVEN_MAX)
        return;
    silent = u[true].count > UNPROVEN_MAX / 2;
    victim = find_victim(n, silent, &u[silent]);
    n->crowded_out++;
    if (loop_now_ms(n->loop) - n->crowded_told_ms > CROWDED_TELL_MS || !n->crowded_told_ms) {
        n->crowded_told_ms = loop_now_ms(n->loop);
        LOG(LOG_WARN, "handshakes-crowded", LOG_UINT("crowded_out", n->crowded_out),
            LOG_STR("why", "so many have connected and not shown the cookie that the oldest make room"));
    }
    link_close(victim, ERR_NO_CONNECTION, NULL);
}

void link_accept(struct node *n, struct loop_stream *s)
{
    struct dist_conn_config config;
    struct link *l;

    make_room(n);
    l = n->creation && !n->is_quiet ? link_new(n, LINK_HANDSHAKE) : NULL;
    if (!l) {
        loop_stream_close(s);
        return;
    }
    config_of(n, &config);
    l->stream = s;
    l->net = loop_stream_peer_net(s);
    l->conn = dist_conn_accept(&config, loop_now_ms(n->loop));
    if (!l->conn || secure(l, NULL) != ERR_NONE) {
        link_close(l, ERR_NOMEM, err_text(ERR_NOMEM));
        return;
    }
    loop_stream_start(s, &link_stream_ops, l);
    link_arm(l, dist_conn_deadline(l->conn));
}

/* ---- meeting ---- */

/* A peer that has no name of its own (NAME_ME) gets one that nobody has had, and a creation, as OTP does it.
 */
static void name_peer(struct link *l)
{
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    struct slice host = dist_conn_peer_name(l->conn);
    uint8_t random[GIVEN_NAME_LEN];
    uint32_t creation;
    enum dist_status status = DIST_STATUS_NOT_ALLOWED;
    struct wr w;

    loop_random(random, sizeof random);
    loop_random(&creation, sizeof creation);
    wr_init(&w, ETF_ATOM_MAX_BYTES);
    for (size_t i = 0; i < sizeof random; i++)
        wr_u8(&w, (uint8_t)digits[random[i] % (sizeof digits - 1)]);
    wr_u8(&w, '@');
    wr_slice(&w, host);
    if (wr_ok(&w) && node_name_is_valid(wr_written(&w)) && link_may_be(l->node, wr_written(&w), true) &&
        !link_find(l->node, wr_written(&w)) && link_take_name(l, wr_written(&w)) == ERR_NONE)
        status = DIST_STATUS_NAMED;
    dist_conn_admit(l->conn, status, wr_written(&w),
                    creation < NODE_CREATION_FLOOR ? NODE_CREATION_FLOOR : creation);
    wr_fini(&w);
}

static bool is_greater(const struct node *n, struct slice peer)
{
    return slice_cmp(n->name_slice, peer) > 0;
}

/* Both dial: the connection of the greater name goes on, once it has said it. */
static bool is_ours_to_make(const struct link *l)
{
    return l->was_dialled && l->state == LINK_HANDSHAKE && is_greater(l->node, slice_of_str(l->name));
}

/* (erl_dist_protocol, "Status") */
void link_peer_named(struct link *l)
{
    struct node *n = l->node;
    struct slice name = dist_conn_peer_name(l->conn);
    struct link *other = link_find(n, name);
    enum dist_status status = DIST_STATUS_OK;

    if (dist_conn_peer_flags(l->conn) & DIST_FLAG_NAME_ME) {
        name_peer(l);
        return;
    }
    if (!link_may_be(n, name, true)) {
        l->is_refused = true;
        status = DIST_STATUS_NOT_ALLOWED;
    } else if (slice_eq(name, n->name_slice)) {
        status = DIST_STATUS_NOK;
    } else if (other && other->state == LINK_UP) {
        /* It has come back before we noticed that it was gone; or somebody else bears its name. It decides.
         */
        l->name = mem_strndup(name.ptr, name.len);
        status = l->name ? DIST_STATUS_ALIVE : DIST_STATUS_NOK;
    } else if (other && is_ours_to_make(other)) {
        status = DIST_STATUS_NOK;
    } else if (other && (!other->was_dialled || other->is_again || !is_greater(n, name))) {
        /* Whoever it is, the others of that name go on until this one has shown the cookie. (If it is our own
         * attempt that goes on, the node will answer it nok.) */
        l->name = mem_strndup(name.ptr, name.len);
        link_set_second(l, l->name != NULL);
        status = !l->name                         ? DIST_STATUS_NOK
                 : other->state == LINK_HANDSHAKE ? DIST_STATUS_OK_SIMULTANEOUS
                                                  : DIST_STATUS_OK;
    } else {
        if (other) { /* it would end this one by saying our name now */
            hand_over(other, l);
            link_release(other);
        }
        if (link_take_name(l, name) != ERR_NONE)
            status = DIST_STATUS_NOK;
        link_arm(l, loop_now_ms(n->loop) + BESIDE_MS);
    }
    dist_conn_admit(l->conn, status, (struct slice){0}, 0);
}

void link_came_up(struct link *l)
{
    struct node *n = l->node;
    struct link *other = link_find(n, dist_conn_peer_name(l->conn));

    link_set_second(l, false);
    if (other && other != l && is_ours_to_make(other)) {
        /* The peer, which has heard our name by now, gives this one up. */
        link_close(l, ERR_NODEDOWN, NULL);
        return;
    }
    if (other != l) {
        if (other && other->state == LINK_UP) {
            link_close(other, ERR_NODEDOWN, "the node has connected anew");
        } else if (other) { /* both have dialled */
            hand_over(other, l);
            link_release(other);
        }
        if (link_take_name(l, dist_conn_peer_name(l->conn)) != ERR_NONE) {
            link_close(l, ERR_NOMEM, err_text(ERR_NOMEM));
            return;
        }
    }
    ++*(l->was_dialled ? &n->totals.dialled : &n->totals.accepted);
    l->state = LINK_UP;
    l->up_since_ms = loop_now_ms(n->loop);
    failures_clear(&n->failures, dist_conn_peer_name(l->conn));
    LOG(LOG_INFO, "link-up", LOG_SLICE("node", link_shown_name(l)),
        LOG_STR("by", l->was_dialled ? "us" : "them"),
        LOG_STR("type", dist_conn_peer_is_hidden(l->conn) ? "hidden" : "visible"),
        LOG_UINT("creation", dist_conn_peer_creation(l->conn)),
        LOG_STR("tls", n->tls ? loop_stream_tls_version(l->stream) : "no"));
    if (node_is_nameless(n) &&
        node_named(n, dist_conn_own_name(l->conn), dist_conn_own_creation(l->conn)) != ERR_NONE)
        link_close(l, ERR_NOMEM, err_text(ERR_NOMEM));
    if (l->state != LINK_UP)
        return;
    route_link_up(l);
    request_link_up(l);
    survey_soon(n);
}

/*
 * Refused with nok: the peer's own connection to us is under way and takes our place when it comes. It need
 * not come: OTP says nok as well while a connection of ours that has ended since is still on its list. So we
 * ask again now and then.
 */
static void yield_to_peer(struct link *l)
{
    uint64_t now = loop_now_ms(l->node->loop);

    l->state = LINK_YIELDED;
    loop_stream_close(l->stream);
    l->stream = NULL;
    l->armed_at = UINT64_MAX;
    if (!l->yields_until)
        l->yields_until = now + l->node->connect_ms;
    l->yield_ms = l->yield_ms == 0 ? YIELD_FIRST_MS : l->yield_ms < YIELD_MS / 2 ? 2 * l->yield_ms : YIELD_MS;
    link_arm(l, now + l->yield_ms < l->yields_until ? now + l->yield_ms : l->yields_until);
}

void link_yield_ends(struct link *l)
{
    if (loop_now_ms(l->node->loop) >= l->yields_until) {
        link_close(l, ERR_NO_CONNECTION, "it refused our connection for its own, which did not come");
        return;
    }
    drop_connection(l);
    mem_free(l->at_host); /* it may have ended, and be somewhere else */
    l->at_host = NULL;
    l->state = LINK_RESOLVING;
    if (!epmd_find(l->node, l))
        link_close(l, ERR_NOMEM, err_text(ERR_NOMEM));
}

void link_ended(struct link *l, enum err e, const char *text)
{
    if (e == ERR_NAME_TAKEN && l->was_dialled && l->state == LINK_HANDSHAKE) {
        yield_to_peer(l);
        return;
    }
    if (wants_older_version(l, e)) {
        drop_connection(l);
        dial(l, 5);
        return;
    }
    if (l->state != LINK_UP && e != ERR_AUTH && e != ERR_NOT_ALLOWED && e != ERR_TIMEOUT && e != ERR_NOMEM)
        e = ERR_NO_CONNECTION;
    link_close(l, e, l->is_refused ? NULL : text ? text : err_text(e));
}
