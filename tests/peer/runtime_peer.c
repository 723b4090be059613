/*
 * runtime_peer: a node that does what Erlang tells it to, for the tests of node/: NAME EPMD_PORT WORD…, the
 * cookie in ERLGATE_COOKIE. Words: visible, host=ADDRESS (to listen on, and EPMD's), tick=MS, named-by=NODE.
 *
 * Its gen_server `c` takes {as, Pid, Command}: the process of this node with that pid (of `c` itself, or one
 * made by {spawn, Collector}) then does it. What processes are told goes to their collector, as {Pid, What,
 * …}. Ends with its standard input.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "etf/write.h"
#include "loop/loop.h"
#include "node/global.h"
#include "node/pg.h"
#include "node/rpc.h"
#include "node/server.h"

static struct loop *loop;
static struct node *node;
static bool is_stopping;

static void start_server(void);

/* A process: of its own, or the server `c`. */
struct worker {
    struct node_self self;
    struct etf_pid *collector; /* owned; NULL: nobody */
    uint64_t next, count;      /* {seq, I} that came in order, and all of them */
    struct node_from *held;    /* owned: the caller of `hold` */
};

/* Tags of a multi_call's results, which are told; others are replied to `waiting`. */
enum { MULTI_CALL = 1 << 20 };

/* A call that waits for the result of a request of ours. */
static struct node_from *waiting[4096];

static struct worker *workers[1024];

static struct worker *worker_of(struct node_self self)
{
    for (size_t i = 0; i < ARRAY_LEN(workers); i++)
        if (workers[i] && workers[i]->self.number == self.number)
            return workers[i];
    return NULL;
}

static struct worker *worker_new(void)
{
    struct worker *w = mem_zalloc(sizeof *w);

    CHECK(w);
    for (size_t i = 0; i < ARRAY_LEN(workers); i++) {
        if (!workers[i]) {
            workers[i] = w;
            return w;
        }
    }
    CHECK(!"too many workers");
    return NULL;
}

static void worker_free(struct worker *w)
{
    for (size_t i = 0; i < ARRAY_LEN(workers); i++)
        if (workers[i] == w)
            workers[i] = NULL;
    mem_free(w->collector);
    node_from_free(w->held);
    mem_free(w);
}

static void set_collector(struct worker *w, const struct etf_pid *pid)
{
    mem_free(w->collector);
    w->collector = etf_pid_keep(pid);
}

/* ---- what is told to the collector ---- */

static void begin(struct wr *w, const struct worker *worker, uint32_t arity, const char *what)
{
    struct etf_pid self = node_pid(worker->self);

    wr_init(w, SIZE_MAX);
    etf_write_tuple(w, arity);
    etf_write_pid(w, &self);
    etf_write_atom_str(w, what);
}

static void put(struct wr *w, struct etf_rd r)
{
    CHECK(etf_copy(w, &r) == ERR_NONE);
}

/* Sent by `c`, so that the end of a process can be told too. */
static void tell(const struct worker *worker, struct wr *w)
{
    struct node_self c = node_whereis(node, SLICE("c"));
    enum err e = ERR_NONE;

    if (worker->collector) {
        struct node_dest to = node_to_pid(*worker->collector);

        e = node_send(c.number ? c : worker->self, &to, wr_written(w));
    }
    if (e != ERR_NONE && e != ERR_NOPROC)
        fprintf(stderr, "cannot tell: %s\n", err_name(e));
    wr_fini(w);
}

static void write_dest(struct wr *w, const struct node_dest *d)
{
    if (d->kind == NODE_DEST_PID) {
        etf_write_pid(w, &d->pid);
    } else {
        etf_write_tuple(w, 2);
        etf_write_atom(w, d->name);
        etf_write_atom(w, d->node);
    }
}

static void on_message(struct node_self self, void *state, struct etf_rd message)
{
    struct worker *worker = state;
    struct etf_rd r = message;
    uint64_t i;
    struct wr w;

    (void)self;
    if (etf_read_tuple_is(&r, 2) && etf_read_atom_is(&r, "seq") && etf_read_uint64(&r, &i)) {
        worker->count++;
        worker->next += i == worker->next + 1;
        return;
    }
    begin(&w, worker, 3, "message");
    put(&w, message);
    tell(worker, &w);
}

static void on_down(struct node_self self, void *state, uint64_t monitor, const struct node_dest *what,
                    struct etf_rd reason)
{
    struct wr w;

    (void)self;
    begin(&w, state, 5, "down");
    etf_write_uint64(&w, monitor);
    write_dest(&w, what);
    put(&w, reason);
    tell(state, &w);
}

static void on_exit_signal(struct node_self self, void *state, const struct etf_pid *from,
                           struct etf_rd reason)
{
    struct wr w;

    (void)self;
    begin(&w, state, 4, "exit");
    etf_write_pid(&w, from);
    put(&w, reason);
    tell(state, &w);
}

static void on_timeout(struct node_self self, void *state)
{
    struct wr w;

    (void)self;
    begin(&w, state, 2, "timeout");
    tell(state, &w);
}

static void on_node(void *state, const char *what, struct slice name)
{
    struct wr w;

    begin(&w, state, 3, what);
    etf_write_atom(&w, name);
    tell(state, &w);
}

static void on_nodeup(struct node_self self, void *state, struct slice name)
{
    (void)self;
    on_node(state, "nodeup", name);
}

static void on_nodedown(struct node_self self, void *state, struct slice name)
{
    (void)self;
    on_node(state, "nodedown", name);
}

static void on_ended(struct node_self self, void *state, struct etf_rd reason)
{
    struct wr w;

    (void)self;
    begin(&w, state, 3, "ended");
    put(&w, reason);
    tell(state, &w);
    worker_free(state);
    /* One that was stopped is there again, for the tests that follow. */
    if (!node_whereis(node, SLICE("c")).number && !is_stopping)
        start_server();
}

/* One answer to a multi_call is told as it comes. */
static void on_answer(void *state, uint32_t index, const struct node_result *result)
{
    struct wr w;

    begin(&w, state, 5, "result");
    etf_write_uint64(&w, index);
    etf_write_atom_str(&w, err_name(result->err));
    if (result->err == ERR_NONE)
        put(&w, etf_rd_of(result->term, result->atoms));
    else
        etf_write_atom_str(&w, "none");
    tell(state, &w);
}

/* What a request came to: {Error, Exception, Term, Stack}, with none for what there is not. */
static void on_result(struct node_self self, void *state, uint32_t tag, const struct node_result *result)
{
    struct wr w;

    if (tag >= MULTI_CALL) {
        on_answer(state, tag - MULTI_CALL, result);
        return;
    }
    wr_init(&w, SIZE_MAX);
    etf_write_tuple(&w, 4);
    etf_write_atom_str(&w, err_name(result->err));
    etf_write_atom_str(&w, result->exception ? result->exception : "none");
    if (result->term.len)
        put(&w, etf_rd_of(result->term, result->atoms));
    else
        etf_write_atom_str(&w, "none");
    if (result->stacktrace.len)
        put(&w, etf_rd_of(result->stacktrace, result->atoms));
    else
        etf_write_atom_str(&w, "none");
    CHECK(tag < ARRAY_LEN(waiting) && waiting[tag]);
    if (node_reply(node_whereis(node, SLICE("c")), waiting[tag], wr_written(&w)) != ERR_NONE)
        fprintf(stderr, "the result of %u is lost\n", tag);
    node_from_free(waiting[tag]);
    waiting[tag] = NULL;
    (void)self;
    wr_fini(&w);
}

static const struct node_process_ops worker_ops = {
    .kind = "worker",
    .message = on_message,
    .result = on_result,
    .down = on_down,
    .exit = on_exit_signal,
    .timeout = on_timeout,
    .nodeup = on_nodeup,
    .nodedown = on_nodedown,
    .ended = on_ended,
};

/* ---- commands ---- */

/* Atoms of a command, as text that lasts for it. */
static const char *text_of(struct etf_rd *r, char buf[1100])
{
    struct etf_atom atom;

    if (!etf_read_atom(r, &atom))
        return NULL;
    snprintf(buf, 1100, "%.*s", SLICE_FMT(atom.text));
    return buf;
}

struct dest_text {
    char name[1100], node[1100];
};

static bool read_dest(struct etf_rd *r, struct node_dest *d, struct dest_text *t)
{
    *d = (struct node_dest){.kind = NODE_DEST_PID};
    if (etf_read_pid(r, &d->pid))
        return true;
    if (etf_read_ref(r, &d->alias)) {
        d->kind = NODE_DEST_ALIAS;
        return true;
    }
    if (!etf_read_tuple_is(r, 2) || !text_of(r, t->name) || !text_of(r, t->node))
        return false;
    *d = node_to_name(t->name, t->node);
    return true;
}

/* One term, with its cache references resolved. */
static struct slice read_term(struct etf_rd *r, struct wr *scratch)
{
    CHECK(etf_copy(scratch, r) == ERR_NONE);
    return wr_written(scratch);
}

static uint32_t wait_for(const struct node_from *from)
{
    for (uint32_t i = 0; i < ARRAY_LEN(waiting); i++) {
        if (!waiting[i]) {
            waiting[i] = node_from_keep(from);
            CHECK(waiting[i]);
            return i;
        }
    }
    CHECK(!"too many requests");
    return 0;
}

static void stop_waiting(uint32_t tag, enum err e)
{
    if (e == ERR_NONE)
        return;
    node_from_free(waiting[tag]);
    waiting[tag] = NULL;
}

/* The answer of a command, unless it is given later. */
struct answer {
    struct wr term; /* written: the answer itself */
    enum err err;   /* else its name */
    bool is_later;
};

static void request(struct node_self self, struct etf_rd r, const char *verb, const struct node_from *from,
                    struct answer *a)
{
    struct dest_text t;
    struct node_dest d;
    struct wr term;
    uint64_t ms;
    uint32_t tag = wait_for(from);
    char m[1100], f[1100];

    wr_init(&term, SIZE_MAX);
    a->err = ERR_INVALID;
    if (strcmp(verb, "rpc") == 0) {
        if (text_of(&r, t.node) && text_of(&r, m) && text_of(&r, f)) {
            read_term(&r, &term);
            if (etf_read_uint64(&r, &ms))
                a->err = node_rpc_from(self, slice_of_str(t.node), slice_of_str(m), slice_of_str(f),
                                       wr_written(&term), ms, tag, NULL);
        }
    } else if (read_dest(&r, &d, &t)) {
        read_term(&r, &term);
        if (etf_read_uint64(&r, &ms))
            a->err = node_call(self, &d, wr_written(&term), ms, tag, NULL);
    }
    stop_waiting(tag, a->err);
    a->is_later = a->err == ERR_NONE;
    wr_fini(&term);
}

static void sent(void *ctx, uint64_t id, const struct node_result *r)
{
    (void)ctx;
    (void)id;
    (void)r;
}

static void found(void *ctx, uint64_t id, const struct node_result *r)
{
    on_result(node_whereis(node, SLICE("c")), ctx, (uint32_t)id, r);
}

static void global_done(void *ctx, uint64_t id, enum err e)
{
    struct wr w;

    (void)ctx;
    wr_init(&w, SIZE_MAX);
    etf_write_atom_str(&w, e == ERR_NONE ? "ok" : err_name(e));
    if (!is_stopping)
        CHECK(node_reply(node_whereis(node, SLICE("c")), waiting[id], wr_written(&w)) == ERR_NONE);
    wr_fini(&w);
    stop_waiting((uint32_t)id, ERR_CANCELLED);
}

static enum node_global_clash clash_of(struct etf_rd *r)
{
    if (etf_read_atom_is(r, "notify"))
        return NODE_GLOBAL_NOTIFY;
    return etf_read_atom_is(r, "notify_all") ? NODE_GLOBAL_NOTIFY_ALL : NODE_GLOBAL_EXIT;
}

/* {global_register, Name, Clash}, global_re_register, {global_unregister, Name}. */
static void change_global(struct node_self self, struct etf_rd r, const char *verb,
                          const struct node_from *from, struct answer *a)
{
    uint32_t tag = wait_for(from);
    struct wr name;

    wr_init(&name, SIZE_MAX);
    read_term(&r, &name);
    if (strcmp(verb, "global_register") == 0)
        a->err = node_global_register(self, wr_written(&name), clash_of(&r), 20000, global_done, NULL, tag);
    else if (strcmp(verb, "global_re_register") == 0)
        a->err =
            node_global_re_register(self, wr_written(&name), clash_of(&r), 20000, global_done, NULL, tag);
    else
        a->err = node_global_unregister(node, wr_written(&name), 20000, global_done, NULL, tag);
    stop_waiting(tag, a->err);
    a->is_later = a->err == ERR_NONE;
    wr_fini(&name);
}

static void act(struct node_self self, struct etf_rd r, const struct node_from *from, struct answer *a)
{
    struct worker *worker = worker_of(self);
    struct dest_text t;
    struct node_dest d;
    struct etf_pid pid;
    struct etf_ref ref;
    struct wr scratch;
    char verb[1100], word[1100];
    uint64_t id = 0;

    wr_init(&scratch, SIZE_MAX);
    a->err = ERR_INVALID;
    if (!text_of(&r, verb))
        return;
#define IS(text) (strcmp(verb, text) == 0)
    if (IS("send") && read_dest(&r, &d, &t)) {
        a->err = node_send(self, &d, read_term(&r, &scratch));
    } else if (IS("send_many") && read_dest(&r, &d, &t) && etf_read_uint64(&r, &id)) {
        a->err = ERR_NONE;
        for (uint64_t i = 1; a->err == ERR_NONE && i <= id; i++) {
            wr_reset(&scratch);
            etf_write_tuple(&scratch, 2);
            etf_write_atom_str(&scratch, "seq");
            etf_write_uint64(&scratch, i);
            a->err = node_send(self, &d, wr_written(&scratch));
        }
    } else if (IS("cast") && read_dest(&r, &d, &t)) {
        a->err = node_cast(self, &d, read_term(&r, &scratch));
    } else if (IS("call") || IS("rpc")) {
        request(self, r, verb, from, a);
    } else if (IS("multi_call") && text_of(&r, t.node) && text_of(&r, t.name) && text_of(&r, word)) {
        const char *nodes[] = {t.node, t.name};
        struct slice term = read_term(&r, &scratch);

        if (etf_read_uint64(&r, &id))
            a->err = node_multi_call(self, nodes, 2, slice_of_str(word), term, id, MULTI_CALL);
    } else if (IS("rpc_cast") && text_of(&r, t.node) && text_of(&r, t.name) && text_of(&r, word)) {
        a->err = node_rpc_cast(node, slice_of_str(t.node), slice_of_str(t.name), slice_of_str(word),
                               read_term(&r, &scratch), 5000, sent, NULL, 0, &id);
    } else if (IS("link") && etf_read_pid(&r, &pid)) {
        a->err = node_link(self, &pid);
    } else if (IS("unlink") && etf_read_pid(&r, &pid)) {
        a->err = node_unlink(self, &pid);
    } else if (IS("exit") && etf_read_pid(&r, &pid)) {
        a->err = node_exit(self, &pid, read_term(&r, &scratch));
    } else if (IS("exit_self")) {
        node_exit_self(self, read_term(&r, &scratch));
        a->err = ERR_NONE;
    } else if (IS("trap") && text_of(&r, word)) {
        node_trap_exit(self, strcmp(word, "true") == 0);
        a->err = ERR_NONE;
    } else if (IS("monitor") && read_dest(&r, &d, &t)) {
        a->err = node_monitor(self, &d, &id);
        etf_write_uint64(&a->term, id);
    } else if (IS("demonitor") && etf_read_uint64(&r, &id)) {
        node_demonitor(self, id);
        a->err = ERR_NONE;
    } else if (IS("monitor_node") && text_of(&r, t.node) && text_of(&r, word)) {
        a->err = node_monitor_node(self, slice_of_str(t.node), strcmp(word, "true") == 0);
    } else if (IS("monitor_nodes") && text_of(&r, word)) {
        a->err = node_monitor_nodes(self, strcmp(word, "true") == 0);
    } else if (IS("register") && text_of(&r, word)) {
        a->err = node_register(self, slice_of_str(word));
    } else if (IS("unregister") && text_of(&r, word)) {
        a->err = node_unregister(node, slice_of_str(word));
    } else if (IS("alias") && text_of(&r, word)) {
        a->err =
            node_alias(self, strcmp(word, "reply") == 0 ? NODE_ALIAS_REPLY : NODE_ALIAS_EXPLICIT, &id, &ref);
        etf_write_tuple(&a->term, 2);
        etf_write_uint64(&a->term, id);
        etf_write_ref(&a->term, &ref);
    } else if (IS("unalias") && etf_read_uint64(&r, &id)) {
        a->err = node_unalias(self, id) ? ERR_NONE : ERR_NOT_FOUND;
    } else if (IS("timeout") && etf_read_uint64(&r, &id)) {
        a->err = node_set_timeout(self, id);
    } else if (IS("collect") && etf_read_pid(&r, &pid)) {
        set_collector(worker, &pid);
        a->err = ERR_NONE;
    } else if (IS("leader")) {
        pid = node_group_leader(self);
        etf_write_pid(&a->term, &pid);
        a->err = ERR_NONE;
    } else if (IS("seen")) {
        etf_write_tuple(&a->term, 2);
        etf_write_uint64(&a->term, worker->count);
        etf_write_uint64(&a->term, worker->next);
        worker->count = worker->next = 0;
        a->err = ERR_NONE;
    } else if (IS("join") && text_of(&r, word)) {
        a->err = node_pg_join(self, slice_of_str(word), read_term(&r, &scratch));
    } else if (IS("global_register") || IS("global_re_register") || IS("global_unregister")) {
        change_global(self, r, verb, from, a);
    } else if (IS("leave") && text_of(&r, word)) {
        a->err = node_pg_leave(self, slice_of_str(word), read_term(&r, &scratch));
    }
#undef IS
    wr_fini(&scratch);
}

static void each_member(void *ctx, const struct etf_pid *pid, bool is_local)
{
    struct wr *w = ctx;

    (void)is_local;
    etf_write_list(w, 1);
    etf_write_pid(w, pid);
}

static void write_counts(struct wr *w)
{
    struct node_counts c = node_counts(node);
    uint64_t numbers[] = {c.links, c.processes, c.requests, c.late_replies, c.unknown_dropped};

    etf_write_tuple(w, ARRAY_LEN(numbers));
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        etf_write_uint64(w, numbers[i]);
}

static void write_global_names(struct wr *w)
{
    size_t cursor = 0;
    struct slice name;
    struct etf_pid pid;

    while (node_next_global(node, &cursor, &name, &pid)) {
        etf_write_list(w, 1);
        etf_write_tuple(w, 2);
        wr_slice(w, name);
        etf_write_pid(w, &pid);
    }
    etf_write_nil(w);
}

static void write_registered(struct wr *w)
{
    size_t cursor = 0;
    struct slice name;

    while (node_next_registered(node, &cursor, &name)) {
        etf_write_list(w, 1);
        etf_write_atom(w, name);
    }
    etf_write_nil(w);
}

static void command(struct node_self self, const struct node_from *from, struct etf_rd r, struct answer *a)
{
    struct etf_pid pid;
    struct node_self made;
    struct worker *worker;
    char verb[1100], word[1100];
    struct wr scratch;
    uint32_t arity;
    uint64_t n;

    wr_init(&scratch, SIZE_MAX);
    a->err = ERR_INVALID;
    if (!etf_read_tuple(&r, &arity) || !text_of(&r, verb))
        return;
    if (strcmp(verb, "echo") == 0) {
        put(&a->term, r);
    } else if (strcmp(verb, "as") == 0 && etf_read_pid(&r, &pid)) {
        act(node_find_pid(node, &pid), r, from, a);
    } else if (strcmp(verb, "do") == 0) {
        act(self, r, from, a);
    } else if (strcmp(verb, "spawn") == 0 && etf_read_pid(&r, &pid)) {
        worker = worker_new();
        a->err = node_spawn(node, &worker_ops, worker, &made);
        worker->self = made;
        set_collector(worker, &pid);
        pid = node_pid(made);
        etf_write_pid(&a->term, &pid);
    } else if (strcmp(verb, "bytes") == 0 && etf_read_uint64(&r, &n)) {
        uint8_t *bytes = mem_zalloc(n);

        CHECK(bytes);
        etf_write_binary(&a->term, slice_of(bytes, n));
        mem_free(bytes);
    } else if (strcmp(verb, "counts") == 0) {
        write_counts(&a->term);
    } else if (strcmp(verb, "global_names") == 0) {
        write_global_names(&a->term);
    } else if (strcmp(verb, "registered") == 0) {
        write_registered(&a->term);
    } else if (strcmp(verb, "size") == 0) {
        etf_write_uint64(&a->term, rd_left(&r.rd));
    } else if (strcmp(verb, "hold") == 0) {
        worker = worker_of(self);
        node_from_free(worker->held);
        worker->held = node_from_keep(from);
        a->is_later = true;
    } else if (strcmp(verb, "disconnect") == 0 && text_of(&r, word)) {
        etf_write_atom_str(&a->term, node_disconnect(node, slice_of_str(word)) ? "true" : "false");
    } else if (strcmp(verb, "members") == 0 && text_of(&r, word)) {
        node_pg_members(node, slice_of_str(word), read_term(&r, &scratch), each_member, &a->term);
        etf_write_nil(&a->term);
    } else if (strcmp(verb, "scope") == 0 && text_of(&r, word)) {
        a->err = node_pg_start(node, slice_of_str(word));
    } else if (strcmp(verb, "global") == 0) {
        uint32_t tag = wait_for(from);
        uint64_t op;

        a->err = node_global_whereis(node, read_term(&r, &scratch), 5000, found, NULL, tag, &op);
        stop_waiting(tag, a->err);
        a->is_later = a->err == ERR_NONE;
    } else if (strcmp(verb, "stop") == 0) {
        node_exit_self(self, read_term(&r, &scratch));
        a->is_later = true;
    }
    wr_fini(&scratch);
}

/* ---- the server ---- */

static void handle_call(struct node_self self, void *state, const struct node_from *from,
                        struct etf_rd request_)
{
    struct answer a = {0};
    enum err e;

    (void)state;
    wr_init(&a.term, SIZE_MAX);
    command(self, from, request_, &a);
    if (a.term.len == 0)
        etf_write_atom_str(&a.term, a.err == ERR_NONE ? "ok" : err_name(a.err));
    e = a.is_later ? ERR_NONE : node_reply(node_whereis(node, SLICE("c")), from, wr_written(&a.term));
    if (e != ERR_NONE)
        fprintf(stderr, "no reply: %s\n", err_name(e));
    wr_fini(&a.term);
}

/* Casts: {release, Term} answers `hold`; the rest is told. */
static void handle_cast(struct node_self self, void *state, struct etf_rd request_)
{
    struct worker *worker = state;
    struct etf_rd r = request_;
    struct wr w;

    if (etf_read_tuple_is(&r, 2) && etf_read_atom_is(&r, "release") && worker->held) {
        wr_init(&w, SIZE_MAX);
        put(&w, r);
        CHECK(node_reply(self, worker->held, wr_written(&w)) == ERR_NONE);
        node_from_free(worker->held);
        worker->held = NULL;
        wr_fini(&w);
        return;
    }
    begin(&w, worker, 3, "cast");
    put(&w, request_);
    tell(worker, &w);
}

static void format_state(struct node_self self, void *state, struct wr *w)
{
    (void)self;
    (void)state;
    etf_write_tuple(w, 2);
    etf_write_atom_str(w, "state");
    etf_write_atom_str(w, "of_c");
}

static const struct node_server_ops server_ops = {
    .module = "runtime_peer",
    .handle_call = handle_call,
    .handle_cast = handle_cast,
    .handle_info = on_message,
    .handle_result = on_result,
    .handle_down = on_down,
    .handle_exit = on_exit_signal,
    .handle_timeout = on_timeout,
    .handle_nodeup = on_nodeup,
    .handle_nodedown = on_nodedown,
    .terminate = on_ended,
    .format_state = format_state,
};

/* ---- functions for rpc ---- */

static void fn_add(void *ctx, struct node_self self, struct etf_rd args)
{
    int64_t a, b;
    struct wr w;

    (void)ctx;
    wr_init(&w, SIZE_MAX);
    if (etf_read_int64(&args, &a) && etf_read_int64(&args, &b)) {
        etf_write_int64(&w, a + b);
        CHECK(node_return(self, wr_written(&w)) == ERR_NONE);
    } else {
        etf_write_atom_str(&w, "badarith");
        CHECK(node_raise(self, NODE_CLASS_ERROR, wr_written(&w)) == ERR_NONE);
    }
    wr_fini(&w);
}

static void fn_echo(void *ctx, struct node_self self, struct etf_rd args)
{
    struct wr w;

    (void)ctx;
    wr_init(&w, SIZE_MAX);
    put(&w, args);
    CHECK(node_return(self, wr_written(&w)) == ERR_NONE);
    wr_fini(&w);
}

/* raise(Class, Reason) */
static void fn_raise(void *ctx, struct node_self self, struct etf_rd args)
{
    static const char *const classes[] = {"error", "exit", "throw"};
    struct wr w;

    (void)ctx;
    wr_init(&w, SIZE_MAX);
    for (size_t i = 0; i < ARRAY_LEN(classes); i++) {
        if (etf_read_atom_is(&args, classes[i])) {
            put(&w, args);
            CHECK(node_raise(self, (enum node_class)i, wr_written(&w)) == ERR_NONE);
            break;
        }
    }
    wr_fini(&w);
}

/* never(): nothing. leader(): the group leader it runs under. note(Term): told to the collector of `c`. */
static void fn_never(void *ctx, struct node_self self, struct etf_rd args)
{
    (void)ctx;
    (void)self;
    (void)args;
}

static void fn_leader(void *ctx, struct node_self self, struct etf_rd args)
{
    struct etf_pid leader = node_group_leader(self);
    struct wr w;

    (void)ctx;
    (void)args;
    wr_init(&w, SIZE_MAX);
    etf_write_pid(&w, &leader);
    CHECK(node_return(self, wr_written(&w)) == ERR_NONE);
    wr_fini(&w);
}

static void fn_note(void *ctx, struct node_self self, struct etf_rd args)
{
    struct worker *c = worker_of(node_whereis(node, SLICE("c")));
    struct wr w;

    (void)ctx;
    begin(&w, c, 3, "note");
    put(&w, args);
    tell(c, &w);
    CHECK(node_return(self, SLICE("\x77\x02ok")) == ERR_NONE);
}

/* ---- the program ---- */

static void start_server(void)
{
    struct worker *worker = worker_new();

    CHECK(node_server_start(node, SLICE("c"), &server_ops, worker, &worker->self) == ERR_NONE);
}

static void started(void *ctx, enum err e, const char *text)
{
    (void)ctx;
    if (e != ERR_NONE) {
        fprintf(stderr, "not started: %s %s\n", err_name(e), text ? text : "");
        exit(1);
    }
    start_server();
    CHECK(node_pg_start(node, SLICE("pg")) == ERR_NONE);
    printf("up %.*s\n", SLICE_FMT(node_name(node)));
    fflush(stdout);
}

static void input(void *ctx)
{
    char buf[256];

    (void)ctx;
    if (read(STDIN_FILENO, buf, sizeof buf) > 0)
        return;
    is_stopping = true;
    node_stop(node);
    loop_stop(loop);
}

static void read_word(struct node_config *config, const char *word)
{
    const char *value = strchr(word, '=');

    if (strcmp(word, "visible") == 0)
        config->is_visible = true;
    else if (strncmp(word, "host=", 5) == 0)
        config->dist_host = config->epmd_host = value + 1;
    else if (strncmp(word, "tick=", 5) == 0)
        config->tick_ms = (uint32_t)atoi(value + 1);
    else if (strncmp(word, "named-by=", 9) == 0)
        config->named_by = slice_of_str(value + 1);
    else
        CHECK(!"a word that is none");
}

int main(int argc, char **argv)
{
    struct node_config config = {
        .name = slice_of_str(argc > 1 ? argv[1] : ""),
        .cookie = slice_of_str(getenv("ERLGATE_COOKIE")),
        .dist_host = "127.0.0.1",
        .epmd_mode = NODE_EPMD_EXTERNAL,
        .epmd_host = "127.0.0.1",
        .epmd_port = (uint16_t)(argc > 2 ? atoi(argv[2]) : 0),
        .max_message = (size_t)256 << 20,
    };
    struct loop_poll *in;

    for (int i = 3; i < argc; i++)
        read_word(&config, argv[i]);
    log_setup(LOG_INFO, LOG_TEXT);
    loop = loop_new();
    CHECK(loop);
    node = node_new(loop, &config);
    in = loop_poll_new(loop, STDIN_FILENO, input, NULL);
    if (!node || !in || node_start(node, started, NULL) != ERR_NONE)
        return 1;
    CHECK(node_register_function(node, "cmath", "add", 2, fn_add, NULL) == ERR_NONE);
    CHECK(node_register_function(node, "cmod", "echo", 1, fn_echo, NULL) == ERR_NONE);
    CHECK(node_register_function(node, "cmod", "raise", 2, fn_raise, NULL) == ERR_NONE);
    CHECK(node_register_function(node, "cmod", "never", 0, fn_never, NULL) == ERR_NONE);
    CHECK(node_register_function(node, "cmod", "leader", 0, fn_leader, NULL) == ERR_NONE);
    CHECK(node_register_function(node, "cmod", "note", 1, fn_note, NULL) == ERR_NONE);
    loop_run(loop);
    loop_poll_free(in);
    node_free(node);
    loop_free(loop);
    for (size_t i = 0; i < ARRAY_LEN(waiting); i++)
        node_from_free(waiting[i]);
    return 0;
}
