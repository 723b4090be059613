/* How two nodes meet: who connects says who it is, and what we have under that name already decides whose
 * connection goes on (erl_dist_protocol, "Distribution Handshake"). */
#include "base/mem.h"
#include "node/internal.h"
#include "node/link_parts.h"
#include "node/request.h"

enum {
    GIVEN_NAME_LEN = 13, /* of 36 letters each: 67 bits */
    BESIDE_MS = 500,     /* that one may take to show the cookie before we dial ourselves as well */
};

/* ---- two of one name ---- */

/* What waits for one link waits for another to the same node. */
static void hand_over(struct link *from, struct link *to)
{
    request_move_all(from, to);
    signals_append(&to->waiting, &from->waiting);
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

    return link_is_unproven(l) && l->is_named && !l->node->is_quiet &&
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

/* ---- accepting ---- */

void link_accept(struct node *n, struct loop_stream *s)
{
    struct dist_conn_config config;
    struct link *l;

    link_make_room(n);
    l = n->creation && !n->is_quiet ? link_new(n, LINK_HANDSHAKE) : NULL;
    if (!l) {
        loop_stream_close(s);
        return;
    }
    link_config(n, &config);
    l->stream = s;
    l->net = loop_stream_peer_net(s);
    l->conn = dist_conn_accept(&config, loop_now_ms(n->loop));
    if (!l->conn || link_secure(l, NULL) != ERR_NONE) {
        link_close(l, ERR_NOMEM, err_text(ERR_NOMEM));
        return;
    }
    loop_stream_start(s, &link_stream_ops, l);
    link_arm(l, dist_conn_deadline(l->conn));
}

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
        l->state != LINK_CLOSED && !link_find(l->node, wr_written(&w)) &&
        link_take_name(l, wr_written(&w)) == ERR_NONE)
        status = DIST_STATUS_NAMED;
    if (l->state != LINK_CLOSED)
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
    struct link *other;
    enum dist_status status = DIST_STATUS_OK;
    bool may_be;

    if (dist_conn_peer_flags(l->conn) & DIST_FLAG_NAME_ME) {
        name_peer(l);
        return;
    }
    may_be = link_may_be(n, name, true);
    if (l->state == LINK_CLOSED)
        return; /* the gate has stopped the node */
    other = link_find(n, name);
    if (!may_be) {
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
