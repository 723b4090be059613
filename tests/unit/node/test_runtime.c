/* The processes of a node, without another node: signals within it, and what a hostile peer may send. */
#include "test.h"

#include "base/mem.h"
#include "etf/syntax.h"
#include "etf/write.h"
#include "node/actor.h"
#include "node/internal.h"
#include "node/pg.h"
#include "node/rpc.h"
#include "node/server.h"

static struct loop *loop;
static struct node *node;
static struct link evil = {.state = LINK_UP}; /* a link that nothing can be sent over */

static void started(void *ctx, enum err e, const char *text)
{
    (void)ctx;
    (void)text;
    assert_int_equal(e, ERR_NONE);
}

static int set_up(void **state)
{
    struct node_config config = {.name = SLICE("unit@localhost"),
                                 .cookie = SLICE("c"),
                                 .dist_host = "127.0.0.1",
                                 .epmd_mode = NODE_EPMD_NONE};

    (void)state;
    loop = loop_new();
    assert_non_null(loop);
    node = node_new(loop, &config);
    assert_non_null(node);
    assert_int_equal(node_start(node, started, NULL), ERR_NONE);
    for (int i = 0; i < 10 && !node_creation(node); i++)
        loop_turn(loop, 10);
    assert_true(node_creation(node) > 0);
    evil.node = node;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    node_stop(node);
    node_free(node);
    loop_free(loop);
    return 0;
}

static void turns(int n)
{
    while (n-- > 0)
        loop_turn(loop, 0);
}

/* ---- a process that keeps account ---- */

struct account {
    int messages, downs, exits, ended, timeouts, sum;
    char last[256];
};

static void note(struct account *a, struct etf_rd r)
{
    struct wr w;

    wr_init(&w, sizeof a->last - 1);
    if (etf_print(&w, &r) != ERR_NONE)
        w.len = 0;
    if (w.len)
        memcpy(a->last, w.buf, w.len);
    a->last[w.len] = 0;
    wr_fini(&w);
}

static void on_message(struct node_self self, void *state, struct etf_rd r)
{
    struct account *a = state;
    int64_t i;

    (void)self;
    a->messages++;
    note(a, r);
    if (etf_read_int64(&r, &i))
        a->sum = a->sum * 10 + (int)i;
}

static void on_down(struct node_self self, void *state, uint64_t monitor, const struct node_dest *what,
                    struct etf_rd r)
{
    struct account *a = state;

    (void)self;
    (void)monitor;
    (void)what;
    a->downs++;
    note(a, r);
}

static void on_exit_(struct node_self self, void *state, const struct etf_pid *from, struct etf_rd r)
{
    struct account *a = state;

    (void)self;
    (void)from;
    a->exits++;
    note(a, r);
}

static void on_timeout(struct node_self self, void *state)
{
    (void)self;
    ((struct account *)state)->timeouts++;
}

static void on_ended(struct node_self self, void *state, struct etf_rd r)
{
    struct account *a = state;

    (void)self;
    a->ended++;
    note(a, r);
}

static const struct node_process_ops ops = {.kind = "test",
                                            .message = on_message,
                                            .down = on_down,
                                            .exit = on_exit_,
                                            .timeout = on_timeout,
                                            .ended = on_ended};

static struct node_self spawned(struct account *a)
{
    struct node_self self;

    *a = (struct account){0};
    assert_int_equal(node_spawn(node, &ops, a, &self), ERR_NONE);
    return self;
}

/* The term that Erlang writes so. Static: good until the next but seven. */
static struct slice term(const char *erlang)
{
    static struct wr w[8];
    static unsigned next;
    struct wr *one = &w[next++ % 8];

    if (!one->ceiling)
        wr_init(one, SIZE_MAX);
    wr_reset(one);
    assert_int_equal(etf_parse(one, slice_of_str(erlang), &(struct etf_parse_rules){0}, NULL), ERR_NONE);
    return wr_written(one);
}

static struct node_dest to(struct node_self self)
{
    return node_to_pid(node_pid(self));
}

/* ---- signals ---- */

static void messages_keep_their_order_and_come_later(void **state)
{
    static struct account one, two;
    struct node_self a = spawned(&one), b = spawned(&two);
    struct node_dest dest = to(b);
    static const char *const digits[] = {"1", "2", "3", "4"};

    (void)state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(node_send(a, &dest, term(digits[i])), ERR_NONE);
    assert_int_equal(two.messages, 0);
    turns(1);
    assert_int_equal(two.sum, 1234);
    node_exit_self(b, term("done"));
    assert_false(node_is_alive(b));
    assert_int_equal(two.ended, 0);
    turns(1);
    assert_int_equal(two.ended, 1);
    assert_string_equal(two.last, "done");
    assert_int_equal(node_send(b, &dest, term("x")), ERR_NOPROC);
    node_exit_self(a, process_reason_normal);
}

static void mailboxes_of_suspended_ones_have_a_bound_together(void **state)
{
    static struct account one, two, three;
    struct node_self self = spawned(&one), a = spawned(&two), b = spawned(&three);
    struct node_dest dests[] = {to(a), to(b)};
    static uint8_t bytes[10000];
    struct wr big;

    (void)state;
    wr_init(&big, SIZE_MAX);
    etf_write_binary(&big, slice_of(bytes, sizeof bytes));
    node_set_max_queue(node, 45000);
    actor_suspend(actor_get(a), true);
    actor_suspend(actor_get(b), true);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(node_send(self, &dests[i % 2], wr_written(&big)), ERR_NONE);
        turns(1);
    }
    assert_in_range(node->mailbox_bytes, 40000, 45000);
    assert_int_equal(node->totals.over_max_queue, 2);
    actor_suspend(actor_get(a), false);
    turns(1);
    assert_int_equal(two.messages, 2);
    assert_in_range(node->mailbox_bytes, 20000, 25000);
    /* There is room again. */
    assert_int_equal(node_send(self, &dests[1], wr_written(&big)), ERR_NONE);
    turns(1);
    node_exit_self(b, process_reason_normal);
    turns(2);
    assert_int_equal(node->mailbox_bytes, 0);
    node_exit_self(a, process_reason_normal);
    node_exit_self(self, process_reason_normal);
    turns(2);
    node_set_max_queue(node, 0);
    wr_fini(&big);
}

static void what_is_no_term_is_not_sent(void **state)
{
    static struct account one;
    struct node_self a = spawned(&one);
    struct node_dest dest = to(a);
    struct slice wrong[] = {SLICE(""),
                            SLICE("\xFF"),
                            SLICE("\x68\x02"),
                            SLICE("\x77\x05"
                                  "ab"),
                            SLICE("\x6A\x6A"),
                            SLICE("\x74\x00\x00\x00\x02\x61\x01\x61\x01\x61\x01\x61\x02")};

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_not_equal(node_send(a, &dest, wrong[i]), ERR_NONE);
    turns(1);
    assert_int_equal(one.messages, 0);
    node_exit_self(a, process_reason_normal);
}

static void links_and_exits_are_erlangs(void **state)
{
    static struct account one, two, three;
    struct node_self a = spawned(&one), b = spawned(&two), c = spawned(&three);
    struct etf_pid pid = node_pid(b), pid_c = node_pid(c);

    (void)state;
    assert_int_equal(node_link(a, &(struct etf_pid){0}), ERR_INVALID);
    assert_int_equal(node_set_group_leader(a, &(struct etf_pid){0}), ERR_INVALID);
    assert_int_equal(node_link(a, &pid), ERR_NONE);
    assert_int_equal(node_link(a, &pid_c), ERR_NONE);
    turns(1);
    assert_int_equal(node_unlink(a, &pid_c), ERR_NONE);
    node_exit_self(c, term("unseen"));
    turns(2);
    assert_true(node_is_alive(a));
    assert_int_equal(node_exit(b, &pid, process_reason_normal), ERR_NONE); /* to itself */
    turns(2);
    assert_int_equal(two.ended, 1);
    assert_true(node_is_alive(a)); /* normal breaks no one */
    b = spawned(&two);
    pid = node_pid(b);
    assert_int_equal(node_link(a, &pid), ERR_NONE);
    turns(1);
    node_exit_self(b, term("{a, reason}"));
    turns(2);
    assert_int_equal(one.ended, 1);
    assert_string_equal(one.last, "{a,reason}");
    assert_int_equal(one.exits, 0);
}

/* Who is linked must not take it for a normal end. */
static void a_reason_that_is_no_term_is_killed(void **state)
{
    static struct account one, two;
    struct node_self a = spawned(&one), b = spawned(&two);
    struct etf_pid pid = node_pid(a);

    (void)state;
    assert_int_equal(node_link(b, &pid), ERR_NONE);
    turns(1);
    node_exit_self(a, SLICE("\x77\x05no"));
    turns(2);
    assert_string_equal(one.last, "killed");
    assert_int_equal(two.ended, 1);
    assert_string_equal(two.last, "killed");
}

static void kill_cannot_be_trapped(void **state)
{
    static struct account one, two;
    struct node_self a = spawned(&one), b = spawned(&two);
    struct etf_pid pid = node_pid(a);

    (void)state;
    node_trap_exit(a, true);
    assert_int_equal(node_exit(b, &pid, term("reason")), ERR_NONE);
    turns(1);
    assert_int_equal(one.exits, 1);
    assert_string_equal(one.last, "reason");
    assert_int_equal(node_exit(b, &pid, process_reason_kill), ERR_NONE);
    turns(1);
    assert_int_equal(one.ended, 1);
    assert_string_equal(one.last, "killed");
    node_exit_self(b, process_reason_normal);
}

static void a_monitor_fires_once_and_not_after_demonitor(void **state)
{
    static struct account one, two;
    struct node_self a = spawned(&one), b = spawned(&two);
    struct node_dest dest = to(b), nobody = node_to_name("nobody", "");
    uint64_t m[3];

    (void)state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(node_monitor(a, &dest, &m[i]), ERR_NONE);
    node_demonitor(a, m[1]);
    node_demonitor(a, m[1]);
    node_demonitor(b, m[0]); /* it is not b's */
    turns(1);
    node_exit_self(b, term("gone"));
    node_demonitor(a, m[2]); /* the DOWN is on its way, and is not seen */
    turns(2);
    assert_int_equal(one.downs, 1);
    assert_int_equal(node_monitor(a, &nobody, &m[0]), ERR_NONE);
    turns(3);
    assert_int_equal(one.downs, 2);
    assert_string_equal(one.last, "noproc");
    node_exit_self(a, process_reason_normal);
    turns(1);
    assert_int_equal(node->refs.count, 0);
}

static void a_name_is_one_process_s(void **state)
{
    static struct account one, two;
    struct node_self a = spawned(&one), b = spawned(&two);

    (void)state;
    assert_int_equal(node_register(a, SLICE("n")), ERR_NONE);
    assert_int_equal(node_register(b, SLICE("n")), ERR_NAME_TAKEN);
    assert_int_equal(node_register(a, SLICE("m")), ERR_INVALID);
    assert_int_equal(node_register(b, SLICE("")), ERR_INVALID);
    assert_int_equal(node_whereis(node, SLICE("n")).number, a.number);
    node_exit_self(a, process_reason_normal);
    assert_int_equal(node_whereis(node, SLICE("n")).number, 0);
    assert_int_equal(node_register(b, SLICE("n")), ERR_NONE);
    assert_int_equal(node_unregister(node, SLICE("n")), ERR_NONE);
    assert_int_equal(node_unregister(node, SLICE("n")), ERR_NOT_FOUND);
    node_exit_self(b, process_reason_normal);
}

/* Two that answer each other for ever do not keep the loop from its sockets: a turn ends. */
static struct node_self players[2];

static void on_ball(struct node_self self, void *state, struct etf_rd r)
{
    struct node_dest other = to(players[players[0].number == self.number]);

    (void)r;
    ++*(int *)state;
    assert_int_equal(node_send(self, &other,
                               SLICE("\x77\x04"
                                     "ball")),
                     ERR_NONE);
}

static void a_turn_ends_whatever_processes_do(void **state)
{
    static const struct node_process_ops player = {.message = on_ball};
    static int count;
    struct node_dest first;

    (void)state;
    for (int i = 0; i < 2; i++)
        assert_int_equal(node_spawn(node, &player, &count, &players[i]), ERR_NONE);
    first = to(players[0]);
    assert_int_equal(node_send(players[1], &first,
                               SLICE("\x77\x04"
                                     "ball")),
                     ERR_NONE);
    turns(10);
    assert_in_range(count, 5, 11);
    node_exit_self(players[0], process_reason_normal);
    node_exit_self(players[1], process_reason_normal);
}

/* ---- a hostile peer ---- */

static struct etf_pid pid_of_evil(uint32_t id)
{
    return (struct etf_pid){.node = {.text = SLICE("evil@localhost")}, .id = id, .creation = 7};
}

static void deliver(struct dist_ctl ctl, struct slice payload)
{
    struct dist_message m = {.ctl = ctl, .payload = payload};

    route_message(&evil, &m);
}

static struct etf_ref ref_of_evil(uint32_t word)
{
    return (struct etf_ref){
        .node = {.text = SLICE("evil@localhost")}, .creation = 7, .count = 3, .words = {word, 2, 3}};
}

static int taken_back;
static struct etf_ref last_taken_back; /* its node's text is gone */

static void on_unmonitored(struct node_self self, void *state, const struct etf_pid *by,
                           const struct etf_ref *monitor)
{
    (void)self;
    (void)state;
    assert_int_equal(by->id, 1);
    taken_back++;
    last_taken_back = *monitor;
}

static void on_ended_only(struct node_self self, void *state, struct etf_rd r)
{
    (void)self;
    (void)state;
    (void)r;
}

static void a_monitor_that_is_taken_back_is_told_of_later(void **state)
{
    static const struct node_process_ops told = {.unmonitored = on_unmonitored, .ended = on_ended_only};
    struct dist_ctl ctl = {.op = DIST_CTL_MONITOR_P, .from = {.kind = DIST_END_PID, .pid = pid_of_evil(1)}};
    struct etf_pid evil_pid = pid_of_evil(1);
    struct node_self a = {0};

    (void)state;
    assert_int_equal(node_spawn(node, &told, NULL, &a), ERR_NONE);
    ctl.to = (struct dist_end){.kind = DIST_END_PID, .pid = node_pid(a)};
    for (uint32_t i = 0; i < 3; i++) {
        ctl.ref = ref_of_evil(i);
        assert_false(node_is_monitored(a, &evil_pid, &ctl.ref));
        deliver(ctl, (struct slice){0});
        assert_true(node_is_monitored(a, &evil_pid, &ctl.ref));
    }
    ctl.op = DIST_CTL_DEMONITOR_P;
    ctl.ref = ref_of_evil(1);
    deliver(ctl, (struct slice){0});
    deliver(ctl, (struct slice){0}); /* it is none any more */
    assert_false(node_is_monitored(a, &evil_pid, &ctl.ref));
    assert_int_equal(taken_back, 0);
    turns(1);
    assert_int_equal(taken_back, 1);
    assert_int_equal(last_taken_back.words[0], 1);
    process_node_lost(&actor_get(a)->process, SLICE("evil@localhost"));
    turns(1);
    assert_int_equal(taken_back, 3);
    node_exit_self(a, process_reason_normal);
    turns(1);
}

static struct node_change last_change; /* its slices are gone */
static char change_reason[64];

static void on_changed(struct node_self self, void *state, const struct node_change *change)
{
    struct account a;

    (void)self;
    (*(int *)state)++;
    last_change = *change;
    note(&a, etf_rd_of(change->reason, NULL));
    memcpy(change_reason, a.last, sizeof change_reason);
}

static void nodes_come_and_go_with_all_that_is_known_of_them(void **state)
{
    static const struct node_process_ops told = {.node_changed = on_changed};
    struct node_change up = {.node = SLICE("evil@localhost"), .is_up = true, .is_hidden = true};
    struct node_change down = {
        .node = SLICE("evil@localhost"), .is_hidden = true, .reason = process_reason_tick_timeout};
    struct node_self a = {0};
    int changes = 0;

    (void)state;
    assert_int_equal(node_spawn(node, &told, &changes, &a), ERR_NONE);
    assert_int_equal(node_monitor_nodes(a, true), ERR_NONE);
    watch_node_up(actor_get(a), &up);
    turns(1);
    assert_int_equal(changes, 1);
    assert_true(last_change.is_up && last_change.is_hidden);
    route_node_lost(node, &down, true);
    turns(1);
    assert_int_equal(changes, 2);
    assert_false(last_change.is_up);
    assert_true(last_change.is_hidden);
    assert_string_equal(change_reason, "net_tick_timeout");
    assert_int_equal(node_monitor_nodes(a, false), ERR_NONE);
    route_node_lost(node, &down, true);
    turns(1);
    assert_int_equal(changes, 2);
    node_exit_self(a, process_reason_normal);
    turns(1);
}

static void monitors_by_the_hundred_thousand_cost_what_they_should(void **state)
{
    enum { COUNT = 100000 };
    static struct account one;
    struct node_self a = spawned(&one);
    struct dist_ctl ctl = {.op = DIST_CTL_MONITOR_P,
                           .from = {.kind = DIST_END_PID, .pid = pid_of_evil(1)},
                           .to = {.kind = DIST_END_PID, .pid = node_pid(a)},
                           .ref = {.node = {.text = SLICE("evil@localhost")}, .creation = 7, .count = 3}};
    uint64_t began = loop_now_us();

    (void)state;
    for (uint32_t i = 0; i < COUNT; i++) {
        ctl.ref.words[0] = i;
        deliver(ctl, (struct slice){0});
        deliver(ctl, (struct slice){0}); /* twice the same is once */
    }
    assert_int_equal(actor_get(a)->process.watchers.count, COUNT);
    ctl.op = DIST_CTL_DEMONITOR_P;
    for (uint32_t i = 0; i < COUNT; i += 2) {
        ctl.ref.words[0] = i;
        deliver(ctl, (struct slice){0});
        ctl.from.pid.id = 2; /* another's is not its to take back */
        deliver(ctl, (struct slice){0});
        ctl.from.pid.id = 1;
    }
    assert_int_equal(actor_get(a)->process.watchers.count, COUNT / 2);
    process_node_lost(&actor_get(a)->process, SLICE("evil@localhost"));
    assert_int_equal(actor_get(a)->process.watchers.count, 0);
    assert_true(loop_now_us() - began < 20000000);
    node_exit_self(a, process_reason_normal);
}

static void signals_to_nobody_and_from_nobody_do_nothing(void **state)
{
    static const enum dist_op all[] = {
        DIST_CTL_LINK,        DIST_CTL_SEND,           DIST_CTL_EXIT,          DIST_CTL_UNLINK,
        DIST_CTL_REG_SEND,    DIST_CTL_GROUP_LEADER,   DIST_CTL_EXIT2,         DIST_CTL_MONITOR_P,
        DIST_CTL_DEMONITOR_P, DIST_CTL_MONITOR_P_EXIT, DIST_CTL_SPAWN_REQUEST, DIST_CTL_SPAWN_REPLY,
        DIST_CTL_ALIAS_SEND,  DIST_CTL_UNLINK_ID,      DIST_CTL_UNLINK_ID_ACK};
    static struct account one;
    struct node_self a = spawned(&one);
    struct dist_end ends[] = {
        {.kind = DIST_END_NONE},
        {.kind = DIST_END_PID, .pid = node_pid(a)},
        {.kind = DIST_END_PID, .pid = route_own_pid(node, 12345)},
        {.kind = DIST_END_PID, .pid = {.node = {.text = node_name(node)}, .id = 1 << 20, .creation = 1}},
        {.kind = DIST_END_PID, .pid = pid_of_evil(3)},
        {.kind = DIST_END_NAME, .name = {.text = SLICE("nobody")}},
        {.kind = DIST_END_NAME, .name = {.text = SLICE("rex")}},
        {.kind = DIST_END_REF,
         .ref = {.node = {.text = node_name(node)},
                 .creation = node_creation(node),
                 .count = 3,
                 .words = {2, 1, 1}}},
    };

    (void)state;
    node_trap_exit(a, true);
    for (size_t op = 0; op < sizeof all / sizeof all[0]; op++) {
        for (size_t e = 0; e < sizeof ends / sizeof ends[0]; e++) {
            struct dist_ctl ctl = {.op = all[op],
                                   .from = {.kind = DIST_END_PID, .pid = pid_of_evil(9)},
                                   .to = ends[e],
                                   .ref = ends[7].ref,
                                   .id = 2,
                                   .reason = term("reason"),
                                   .mfa = term("{erpc, execute_call, 4}"),
                                   .options = term("[monitor, link]"),
                                   .group_leader = pid_of_evil(4)};

            deliver(ctl, term("[x, y, z, []]"));
            turns(1);
        }
    }
    assert_true(node_is_alive(a));
    assert_int_equal(one.downs, 0);
    node_exit_self(a, process_reason_normal);
    turns(3);
}

static void never_call(struct node_self self, void *state, const struct node_from *from, struct etf_rd r)
{
    (void)self;
    (void)state;
    (void)from;
    (void)r;
}

/* Messages of every odd shape, to every process the node has. */
static void messages_of_any_shape_are_survived(void **state)
{
    static const char *const odd[] = {
        "a",
        "1",
        "[]",
        "{}",
        "\"string\"",
        "[a|b]",
        "#{}",
        "1.5",
        "<<1>>",
        "{'$gen_call'}",
        "{'$gen_call', a, b}",
        "{'$gen_call', {a, b}, c}",
        "{'$gen_call', {#Pid<evil@localhost:1:0:7>, [alias|x]}, {is_auth, n}}",
        "{'$gen_call', {#Pid<evil@localhost:1:0:7>, [[[alias|x]|y]|z]}, {is_auth, n}}",
        "{'$gen_call', {#Pid<evil@localhost:1:0:7>, t}, {call, m, f, a, g}}",
        "{'$gen_call', {#Pid<evil@localhost:1:0:7>, t}, {call, 1, 2, 3, 4}}",
        "{'$gen_call', {#Pid<evil@localhost:1:0:7>, t}, {call, m, f, [a|b], user}}",
        "{'$gen_call', {#Pid<evil@localhost:1:0:7>, t}, {call, cmod, f, [1, 2], user}}",
        "{'$gen_cast'}",
        "{'$gen_cast', {cast, m, f, [], g}}",
        "{'$gen_cast', {sync, x, y}}",
        "{'$gen_cast', {sync, #Pid<evil@localhost:1:0:7>, [{g, [#Pid<evil@localhost:2:0:7>|x]}, y]}}",
        "{'$gen_cast', {sync, #Pid<evil@localhost:1:0:7>, [{g, [#Pid<evil@localhost:2:0:7>, 1]}|y]}}",
        "{discover, #Pid<evil@localhost:1:0:7>}",
        "{discover, #Pid<evil@localhost:1:0:7>, whatever}",
        "{discover, x}",
        "{discover, #Pid<unit@localhost:1:0:7>}",
        "{join, #Pid<evil@localhost:1:0:7>, g, x}",
        "{join, #Pid<evil@localhost:1:0:7>, g, [#Pid<evil@localhost:2:0:7>, #Pid<evil@localhost:2:0:7>]}",
        "{leave, #Pid<evil@localhost:1:0:7>, #Pid<evil@localhost:2:0:7>, [g, g, g, g, h | i]}",
        "{leave, #Pid<evil@localhost:1:0:7>, [], \"abc\"}",
        "{join, #Pid<evil@localhost:1:0:7>, g, []}",
        "{io_request, x, y, z}",
        "{io_request, #Pid<evil@localhost:1:0:7>, r, {put_chars, unicode, [[[[x]]]]}}",
        "{io_request, #Pid<evil@localhost:1:0:7>, r, {put_chars, u, [[\"a\", <<98>>, -1, 99999999]|c]}}",
        "{io_request, #Pid<evil@localhost:1:0:7>, r, {requests, [{put_chars, latin1, \"x\"}, y, z]}}",
        "{io_request, #Pid<evil@localhost:1:0:7>, r, {requests, {put_chars}}}",
        "{io_request, #Pid<evil@localhost:1:0:7>, r, {put_chars, unicode, io_lib, format, [\"~p\", [a|b]]}}",
        "{system, x, y}",
        "{system, {#Pid<evil@localhost:1:0:7>, t}, get_state}",
        "{system, {#Pid<evil@localhost:1:0:7>, t}, get_status}",
        "{system, {#Pid<evil@localhost:1:0:7>, t}, {debug, [x|y]}}",
        "{system, {#Pid<evil@localhost:1:0:7>, t}, {replace_state, f}}",
        "{system, {#Pid<evil@localhost:1:0:7>, t}, suspend}",
        "{held, while, suspended}",
        "{system, {#Pid<evil@localhost:1:0:7>, t}, resume}",
        "{#Pid<evil@localhost:1:0:7>, features_request}",
        "{#Pid<evil@localhost:1:0:7>, {call, m, f, x, y}}",
    };
    static const char *const names[] = {"net_kernel", "rex", "user", "pg", "srv"};
    static const struct node_server_ops server = {.module = "m", .handle_call = never_call};
    struct node_self srv;

    (void)state;
    assert_int_equal(node_server_start(node, SLICE("srv"), &server, NULL, &srv), ERR_NONE);
    assert_int_equal(node_pg_start(node, SLICE("pg")), ERR_NONE);
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        for (size_t n = 0; n < sizeof names / sizeof names[0]; n++) {
            struct dist_ctl ctl = {.op = DIST_CTL_REG_SEND,
                                   .from = {.kind = DIST_END_PID, .pid = pid_of_evil(1)},
                                   .to = {.kind = DIST_END_NAME, .name = {.text = slice_of_str(names[n])}}};

            deliver(ctl, term(odd[i]));
            turns(2);
        }
    }
    for (size_t n = 0; n < sizeof names / sizeof names[0]; n++)
        assert_true(node_whereis(node, slice_of_str(names[n])).number > 0);
    node_exit_self(srv, process_reason_normal);
    node_exit_self(node_whereis(node, SLICE("pg")), process_reason_normal);
    turns(3);
}

/* ---- no memory ---- */

/* Whether it works is not the question; it must say why not. */
static void may_fail(enum err e)
{
    assert_true(e == ERR_NONE || e == ERR_NOMEM);
}

static void without_memory_a_call_fails_and_nothing_is_left(void **state)
{
    (void)state;
    for (size_t n = 1; n < 60; n++) {
        struct account one = {0};
        struct node_self a = {0};
        struct node_dest self, nobody = node_to_name("nobody", "");
        uint64_t id;
        struct etf_ref ref;
        struct slice message = term("{message, [1, 2, 3]}");
        enum err e;

        mem_fail_from(n);
        e = node_spawn(node, &ops, &one, &a);
        if (e == ERR_NONE) {
            self = to(a);
            may_fail(node_send(a, &self, message));
            may_fail(node_monitor(a, &nobody, &id));
            may_fail(node_alias(a, NODE_ALIAS_REPLY, &id, &ref));
            may_fail(node_register(a, SLICE("n")));
            may_fail(node_set_timeout(a, 1000));
            may_fail(node_cast(a, &nobody, message));
            may_fail(node_multi_call(a, (const char *const[]){"unit@localhost"}, 1, SLICE("nobody"), message,
                                     100, 1));
        } else {
            assert_int_equal(e, ERR_NOMEM);
        }
        turns(2);
        node_exit_self(a.node ? a : (struct node_self){.node = node}, message);
        turns(2);
        mem_fail_from(0);
        turns(2);
        assert_int_equal(node->refs.count, 0);
        assert_int_equal(node->alarms.count, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_keep_their_order_and_come_later),
        cmocka_unit_test(mailboxes_of_suspended_ones_have_a_bound_together),
        cmocka_unit_test(what_is_no_term_is_not_sent),
        cmocka_unit_test(links_and_exits_are_erlangs),
        cmocka_unit_test(a_reason_that_is_no_term_is_killed),
        cmocka_unit_test(kill_cannot_be_trapped),
        cmocka_unit_test(a_monitor_fires_once_and_not_after_demonitor),
        cmocka_unit_test(a_name_is_one_process_s),
        cmocka_unit_test(a_turn_ends_whatever_processes_do),
        cmocka_unit_test(a_monitor_that_is_taken_back_is_told_of_later),
        cmocka_unit_test(nodes_come_and_go_with_all_that_is_known_of_them),
        cmocka_unit_test(monitors_by_the_hundred_thousand_cost_what_they_should),
        cmocka_unit_test(signals_to_nobody_and_from_nobody_do_nothing),
        cmocka_unit_test(messages_of_any_shape_are_survived),
        cmocka_unit_test(without_memory_a_call_fails_and_nothing_is_left),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
