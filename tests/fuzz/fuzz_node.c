/*
 * A node that is up, with its own processes, a scope of pg, a gen_server, a process that watches and calls,
 * and one peer that says anything to them. Whatever is said, what the node answers can be read, and when the
 * peer is gone nothing of it is left.
 *
 * The input is lines: what is signalled, to whom, and a term as Erlang text (see signal_once and `names`). In
 * terms, P1 is a pid of the peer's, S is followed by the letter of a process of the node's, A is an alias of
 * the caller's, M its monitor, R the reference that the node last sent; and Q, as whom, is who sent it.
 * A dash at the beginning: the peer spawns nothing for others, as OTP 22. A plus: both are visible, and
 * global is there.
 */
#include <stdlib.h>

#include "base/check.h"
#include "base/mem.h"
#include "etf/syntax.h"
#include "etf/write.h"
#include "node/actor.h"
#include "node/internal.h"
#include "node/pg.h"
#include "node/request.h"
#include "node/rpc.h"
#include "node/server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NODE "gate@localhost"
#define PEER "peer@localhost"

enum { PEER_CREATION = 7, OWN_CREATION = 9, MAX_STEPS = 16, MAX_TERM = 4096 };

static const struct {
    char letter;
    const char *name;
} names[] = {
    {'k', "net_kernel"},        {'r', "rex"}, {'u', "user"}, {'p', "pg"}, {'s', "srv"}, {'c', "caller"},
    {'g', "global_name_server"}};

struct world {
    struct node *node;
    struct link *link;
    struct dist_conn *far; /* the peer's end */
    struct node_self caller, server;
    uint64_t monitor;
    struct node_from *kept;
    struct etf_ref alias, last; /* last: its node's text is that of NODE */
    struct etf_pid asker;       /* likewise: of a request that waits, perhaps */
};

/* ---- what runs at the node ---- */

/* Whether it can be done is not the question here. */
static void may_fail(enum err e)
{
    CHECK(err_name(e));
}

static void handle_call(struct node_self self, void *state, const struct node_from *from, struct etf_rd r)
{
    struct world *w = state;
    const uint8_t *start = r.rd.pos;

    if (etf_read_atom_is(&r, "stop")) {
        node_exit_self(self, process_reason_normal);
    } else if (etf_read_atom_is(&r, "later")) {
        node_from_free(w->kept);
        w->kept = node_from_keep(from);
    } else if (etf_skip(&r, NULL)) {
        may_fail(node_reply(self, from, slice_of(start, (size_t)(r.rd.pos - start))));
    }
}

static void handle_cast(struct node_self self, void *state, struct etf_rd r)
{
    struct world *w = state;

    (void)r;
    if (w->kept)
        may_fail(node_reply(self, w->kept, process_reason_normal));
    node_from_free(w->kept);
    w->kept = NULL;
}

static void handle_result(struct node_self self, void *state, uint32_t tag, const struct node_result *result)
{
    struct etf_rd r = etf_rd_of(result->term, result->atoms);

    (void)self;
    (void)state;
    (void)tag;
    CHECK(result->term.len == 0 || (etf_skip(&r, NULL) && rd_left(&r.rd) == 0));
}

static void message_came(struct node_self self, void *state, struct etf_rd r)
{
    (void)self;
    (void)state;
    CHECK(etf_skip(&r, NULL));
}

static void down_came(struct node_self self, void *state, uint64_t monitor, const struct node_dest *what,
                      struct etf_rd reason)
{
    (void)monitor;
    (void)what;
    message_came(self, state, reason);
}

static void exit_came(struct node_self self, void *state, const struct etf_pid *from, struct etf_rd reason)
{
    (void)from;
    message_came(self, state, reason);
}

static const struct node_server_ops server_ops = {
    .module = "m", .handle_call = handle_call, .handle_cast = handle_cast, .handle_result = handle_result};
static const struct node_process_ops caller_ops = {
    .kind = "caller", .message = message_came, .down = down_came, .exit = exit_came, .result = handle_result};

static void returns(void *ctx, struct node_self self, struct etf_rd args)
{
    const uint8_t *start = args.rd.pos;

    (void)ctx;
    CHECK(etf_skip(&args, NULL));
    may_fail(node_return(self, slice_of(start, (size_t)(args.rd.pos - start))));
}

static void raises(void *ctx, struct node_self self, struct etf_rd args)
{
    (void)ctx;
    (void)args;
    may_fail(node_raise(self, NODE_CLASS_ERROR, process_reason_normal));
}

/* ---- the two ends of the link ---- */

static void feed(struct dist_conn *to, struct slice bytes)
{
    size_t len, n;
    uint8_t *room;

    while (bytes.len && (room = dist_conn_room(to, &len))) {
        n = bytes.len < len ? bytes.len : len;
        memcpy(room, bytes.ptr, n);
        dist_conn_received(to, n, 0);
        bytes = slice_of(bytes.ptr + n, bytes.len - n);
    }
}

static void move(struct dist_conn *from, struct dist_conn *to)
{
    struct slice out = dist_conn_output(from);

    feed(to, out);
    dist_conn_sent(from, out.len, 0);
}

static void admit_all(struct dist_conn *c)
{
    struct dist_event ev;

    while (dist_conn_next(c, &ev) != DIST_EVENT_NONE) {
        CHECK(ev.kind == DIST_EVENT_PEER || ev.kind == DIST_EVENT_UP);
        if (ev.kind == DIST_EVENT_PEER)
            dist_conn_admit(c, DIST_STATUS_OK, (struct slice){0}, 0);
    }
}

/* Without the caches of atoms, which are large, and the target of frames looks at. */
static struct dist_conn *meet(uint8_t how, struct dist_conn **ret_far)
{
    struct dist_conn_config own = {.name = SLICE(NODE),
                                   .cookie = SLICE("c"),
                                   .creation = OWN_CREATION,
                                   .flags = dist_flags_offered & ~(uint64_t)DIST_FLAG_DIST_HDR_ATOM_CACHE &
                                            ~(uint64_t)DIST_FLAG_FRAGMENTS},
                            peer;
    struct dist_conn *near;

    if (how == '+')
        own.flags |= DIST_FLAG_PUBLISHED;
    near = dist_conn_accept(&own, 0);
    peer = own;

    peer.name = SLICE(PEER);
    peer.creation = PEER_CREATION;
    if (how == '-')
        peer.flags &= ~(uint64_t)DIST_FLAG_SPAWN;
    *ret_far = dist_conn_dial(&peer, own.name, 6, 0);
    CHECK(near && *ret_far);
    for (int i = 0; i < 3; i++) {
        move(*ret_far, near);
        admit_all(near);
        move(near, *ret_far);
        admit_all(*ret_far);
    }
    return near;
}

/* A link such as node/link.c makes, without a stream. */
static struct link *link_to(struct node *n, struct dist_conn *conn)
{
    struct link *l = mem_zalloc(sizeof *l);

    CHECK(l);
    *l = (struct link){.node = n, .state = LINK_UP, .armed_at = UINT64_MAX, .conn = conn, .is_named = true};
    l->id = idtab_add(&n->links, l);
    l->name = mem_strndup(PEER, strlen(PEER));
    CHECK(l->id && l->name && map_put(&n->links_by_name, slice_of_str(l->name), l) == ERR_NONE);
    route_link_up(l);
    request_link_up(l);
    return l;
}

static void note_ref(struct world *w, const struct etf_ref *ref)
{
    w->last = *ref;
    w->last.node = (struct etf_atom){.text = SLICE(NODE)};
}

/* {_, {Pid, [alias | Ref]}, _}, {_, Pid, Ref, …}: where references to answer to stand. */
static void find_ref(struct world *w, struct etf_rd r)
{
    struct etf_pid pid;
    struct etf_ref ref;
    uint32_t n;

    if (!etf_read_tuple(&r, &n) || !etf_skip(&r, NULL))
        return;
    if (etf_read_tuple_is(&r, 2) && !etf_read_pid(&r, &pid))
        return;
    if (etf_peek(&r) == ETF_KIND_LIST && (!etf_read_list(&r, &n) || !etf_skip(&r, NULL)))
        return;
    if (etf_read_ref(&r, &ref))
        note_ref(w, &ref);
}

/* One turn of the loop: and the peer reads what it brought. */
static void turn(struct world *w)
{
    struct dist_event ev;

    runtime_turn(w->node);
    if (w->link->state != LINK_UP)
        return;
    do {
        move(w->link->conn, w->far);
        while (dist_conn_next(w->far, &ev) != DIST_EVENT_NONE) {
            CHECK(ev.kind == DIST_EVENT_MESSAGE);
            if (ev.message.ctl.ref.count)
                note_ref(w, &ev.message.ctl.ref);
            if (ev.message.ctl.from.kind == DIST_END_PID) {
                w->asker = ev.message.ctl.from.pid;
                w->asker.node = (struct etf_atom){.text = SLICE(NODE)};
            }
            find_ref(w, etf_rd_of(ev.message.payload, ev.message.atoms));
        }
    } while (dist_conn_queued(w->link->conn) > 0);
}

/* ---- terms ---- */

static struct etf_pid pid_of_peer(uint32_t id)
{
    return (struct etf_pid){.node = {.text = SLICE(PEER)}, .id = id, .creation = PEER_CREATION};
}

static const char *name_of(uint8_t letter)
{
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (names[i].letter == letter)
            return names[i].name;
    return NULL;
}

static bool own_pid(const struct world *w, uint8_t letter, struct etf_pid *ret)
{
    const char *name = name_of(letter);
    struct node_self self = {0};

    if (name)
        self = node_whereis(w->node, slice_of_str(name));
    if (self.number == 0)
        return false;
    *ret = node_pid(self);
    return true;
}

static enum err variable(void *ctx, struct slice name, struct wr *out)
{
    const struct world *w = ctx;
    uint8_t which = name.len > 1 ? name.ptr[1] : 0;
    struct etf_pid pid = pid_of_peer(which);
    struct etf_ref ref = w->last;

    switch (name.ptr[0]) {
    case 'S':
        if (!own_pid(w, which, &pid))
            return ERR_INVALID;
        etf_write_pid(out, &pid);
        break;
    case 'A': etf_write_ref(out, &w->alias); break;
    case 'M':
        if (!node_ref_of(w->caller, w->monitor, &ref))
            return ERR_INVALID;
        etf_write_ref(out, &ref);
        break;
    case 'R': etf_write_ref(out, &ref); break;
    default: etf_write_pid(out, &pid); break;
    }
    return out->err;
}

/* Nodes but these two would be looked for. */
static enum err judge_atom(void *ctx, struct etf_atom atom)
{
    (void)ctx;
    if (memchr(atom.text.ptr ? atom.text.ptr : (const uint8_t *)"", '@', atom.text.len) &&
        !etf_atom_is(atom, NODE) && !etf_atom_is(atom, PEER))
        return ERR_NOT_ALLOWED;
    return ERR_NONE;
}

static bool read_term(struct world *w, struct slice text, struct wr *out)
{
    struct etf_parse_rules rules = {.term = {.max_bytes = MAX_TERM, .on_atom = judge_atom, .ctx = w},
                                    .on_variable = variable,
                                    .variable_ctx = w};

    return etf_parse(out, text, &rules, NULL) == ERR_NONE;
}

/* ---- signals ---- */

/* Before they get to a node, signals that came have been read by dist/ctl.c: a reason is a term, as is an
 * MFA. */
static bool is_spawn(struct slice term, struct dist_message *m)
{
    struct etf_rd r = etf_rd_of(term, NULL), mfa;
    uint32_t n;

    if (!etf_read_tuple_is(&r, 3))
        return false;
    mfa = r;
    if (!etf_read_tuple(&mfa, &n) || n != 3 || !etf_skip(&r, &m->ctl.mfa) || !etf_skip(&r, &m->payload))
        return false;
    return etf_skip(&r, &m->ctl.options);
}

static struct dist_end to_name(uint8_t letter)
{
    const char *name = name_of(letter);

    return (struct dist_end){.kind = DIST_END_NAME, .name = {.text = slice_of_str(name ? name : "nobody")}};
}

static struct dist_end to_pid(const struct world *w, uint8_t letter)
{
    struct dist_end end = {.kind = DIST_END_PID,
                           .pid = {.node = {.text = SLICE(NODE)}, .creation = OWN_CREATION}};

    if (letter == 'Q')
        end.pid = w->asker;
    else
        (void)own_pid(w, letter, &end.pid);
    return end;
}

static void ask_in_return(const struct world *w, uint8_t letter, struct slice term)
{
    struct node_dest to = letter == 'P' ? node_to_pid(pid_of_peer('1')) : node_to_name("there", PEER);
    struct etf_pid peer = pid_of_peer('1');
    uint64_t op;

    switch (letter) {
    case 'c': may_fail(node_call(w->caller, &to, term, 1000, 1, &op)); break;
    case 'r':
        may_fail(node_rpc_from(w->caller, SLICE(PEER), SLICE("m"), SLICE("f"), term, 1000, 2, &op));
        break;
    case 'l': may_fail(node_link(w->caller, &peer)); break;
    case 'u': may_fail(node_unlink(w->caller, &peer)); break;
    case 'j': may_fail(node_pg_join(w->caller, SLICE("pg"), term)); break;
    case 'k': may_fail(node_pg_leave(w->caller, SLICE("pg"), term)); break;
    case 'b': may_fail(node_pg_send(w->caller, SLICE("pg"), term, term, false, NULL)); break;
    case 't': node_trap_exit(w->caller, true); break;
    case 'm': may_fail(node_pg_monitor(w->caller, SLICE("pg"), (struct slice){0}, &op)); break;
    case 'x': node_exit_self(w->caller, term); break;
    default: may_fail(node_send(w->caller, &to, term)); break;
    }
}

static void signal_once(struct world *w, uint8_t what, uint8_t whom, struct slice term)
{
    struct dist_message m = {.ctl = {.from = {.kind = DIST_END_PID, .pid = pid_of_peer('1')},
                                     .to = to_pid(w, whom),
                                     .ref = {.node = {.text = SLICE(PEER)}, .creation = 7, .count = 3},
                                     .id = 1,
                                     .group_leader = pid_of_peer('2')}};

    m.ctl.reason = term;
    switch (what) {
    case 's':
        m.ctl.op = DIST_CTL_SEND;
        m.payload = term;
        break;
    case 'n':
        m.ctl.op = DIST_CTL_REG_SEND;
        m.ctl.to = to_name(whom);
        m.payload = term;
        break;
    case 'a':
        m.ctl.op = DIST_CTL_ALIAS_SEND;
        m.ctl.to = (struct dist_end){.kind = DIST_END_REF, .ref = whom == 'R' ? w->last : w->alias};
        m.payload = term;
        break;
    case 'm':
        m.ctl.op = DIST_CTL_MONITOR_P;
        m.ctl.to = whom >= 'a' ? to_name(whom) : to_pid(w, whom | 0x20);
        break;
    case 'd': m.ctl.op = DIST_CTL_DEMONITOR_P; break;
    case 'l': m.ctl.op = DIST_CTL_LINK; break;
    case 'u': m.ctl.op = DIST_CTL_UNLINK_ID; break;
    case 'o': m.ctl.op = DIST_CTL_UNLINK; break;
    case 'k': m.ctl.op = DIST_CTL_UNLINK_ID_ACK; break;
    case 'x': m.ctl.op = DIST_CTL_EXIT; break;
    case 'y': m.ctl.op = DIST_CTL_EXIT2; break;
    case 'w':
        m.ctl.op = DIST_CTL_MONITOR_P_EXIT;
        m.ctl.ref = w->last;
        break;
    case 'g': m.ctl.op = DIST_CTL_GROUP_LEADER; break;
    case 'q':
        m.ctl.op = DIST_CTL_SPAWN_REQUEST;
        if (!is_spawn(term, &m))
            return;
        break;
    case 'e':
        m.ctl.op = DIST_CTL_SPAWN_REPLY;
        m.ctl.id = 2; /* it monitors what it has spawned */
        m.ctl.ref = w->last;
        break;
    case 'f': ask_in_return(w, whom, term); return;
    default: return;
    }
    route_message(w->link, &m);
}

static void step(struct world *w, struct slice line)
{
    struct wr term;

    if (line.len < 2)
        return;
    wr_init(&term, 2 * MAX_TERM);
    if (read_term(w, slice_of(line.ptr + 2, line.len - 2), &term))
        signal_once(w, line.ptr[0], line.ptr[1], wr_written(&term));
    wr_fini(&term);
    turn(w);
}

/* ---- life ---- */

static void begin(struct world *w, struct loop *loop, uint8_t how)
{
    struct node_config config = {.name = SLICE(NODE),
                                 .cookie = SLICE("c"),
                                 .dist_host = "127.0.0.1",
                                 .epmd_mode = NODE_EPMD_NONE,
                                 .is_visible = how == '+'};
    struct node_dest there = node_to_pid(pid_of_peer('1'));
    uint64_t id;

    w->node = node_new(loop, &config);
    CHECK(w->node);
    node_registered(w->node, OWN_CREATION);
    CHECK(node_register_function(w->node, "m", "f", 1, returns, NULL) == ERR_NONE);
    CHECK(node_register_function(w->node, "m", "g", 0, raises, NULL) == ERR_NONE);
    CHECK(node_pg_start(w->node, SLICE("pg")) == ERR_NONE);
    CHECK(node_server_start(w->node, SLICE("srv"), &server_ops, w, &w->server) == ERR_NONE);
    CHECK(node_spawn(w->node, &caller_ops, w, &w->caller) == ERR_NONE);
    CHECK(node_register(w->caller, SLICE("caller")) == ERR_NONE);
    CHECK(node_alias(w->caller, NODE_ALIAS_EXPLICIT, &id, &w->alias) == ERR_NONE);
    w->link = link_to(w->node, meet(how, &w->far));
    CHECK(node_monitor(w->caller, &there, &w->monitor) == ERR_NONE);
    note_ref(w, &w->alias);
    w->asker = node_pid(w->caller);
    turn(w);
}

/* node_free looks whether every table is empty. */
static void end(struct world *w, struct loop *loop)
{
    link_close(w->link, ERR_NODEDOWN, NULL);
    runtime_turn(w->node);
    CHECK(node_counts(w->node).links == 0 && node_counts(w->node).requests == 0);
    for (size_t i = 0; i < 3; i++)
        CHECK(node_whereis(w->node, slice_of_str(names[i].name)).number > 0);
    node_from_free(w->kept);
    node_stop(w->node);
    node_free(w->node);
    dist_conn_free(w->far);
    loop_turn(loop, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct loop *loop;
    struct slice text = slice_of(data, size);
    struct world w = {0};

    if (!loop) {
        log_setup(LOG_OFF, LOG_TEXT);
        loop = loop_new();
        CHECK(loop);
    }
    begin(&w, loop, size > 0 ? data[0] : 0);
    for (int i = 0; text.len && i < MAX_STEPS && w.link->state == LINK_UP; i++) {
        const uint8_t *end_of_line = memchr(text.ptr, '\n', text.len);
        size_t len = end_of_line ? (size_t)(end_of_line - text.ptr) : text.len;

        step(&w, slice_of(text.ptr, len));
        len += end_of_line != NULL;
        text = slice_of(text.ptr + len, text.len - len);
    }
    end(&w, loop);
    return 0;
}
