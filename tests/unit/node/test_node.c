#include "node/node.h"

#include "etf/write.h"
#include "node/rpc.h"
#include "node/server.h"
#include "test.h"

static const struct node_config good = {
    .name = SLICE_LIT("unit@localhost"),
    .cookie = SLICE_LIT("c"),
    .dist_host = "127.0.0.1",
    .epmd_mode = NODE_EPMD_NONE,
};

/* What getenv gives for a variable that is not set must not be a door. */
static void without_a_cookie_or_a_name_there_is_no_node(void **state)
{
    struct loop *l = loop_new();
    struct node_config config = good;
    (void)state;

    config.cookie = slice_of_str(NULL);
    assert_null(node_new(l, &config));
    config = good;
    config.name = SLICE("unit");
    assert_null(node_new(l, &config));
    loop_free(l);
}

static void the_host_of_an_epmd_need_not_be_said(void **state)
{
    struct loop *l = loop_new();
    struct node_config config = good;
    struct node *n;
    (void)state;

    config.epmd_mode = NODE_EPMD_EXTERNAL;
    n = node_new(l, &config);
    assert_non_null(n);
    node_free(n);
    loop_free(l);
}

/* ---- without end ---- */

static unsigned results;

static void result(struct node_self self, void *state, uint32_t tag, const struct node_result *r)
{
    (void)self;
    (void)state;
    (void)tag;
    (void)r;
    results++;
}

static void started(void *ctx, enum err e, const char *text)
{
    (void)text;
    assert_int_equal(e, ERR_NONE);
    *(bool *)ctx = true;
}

static struct node *node_that_runs(struct loop *l)
{
    struct node *n = node_new(l, &good);
    bool is_up = false;

    assert_int_equal(node_start(n, started, &is_up), ERR_NONE);
    for (int i = 0; i < 100 && !is_up; i++)
        loop_turn(l, 10);
    assert_true(is_up);
    return n;
}

static const struct node_process_ops ops = {.kind = "test", .result = result};

static void infinity_is_no_timeout(void **state)
{
    struct loop *l = loop_new();
    struct node *n = node_that_runs(l);
    struct node_self self;
    struct node_dest to = {.kind = NODE_DEST_PID};
    struct slice atom = SLICE("\x77\x01x");
    (void)state;

    assert_int_equal(node_spawn(n, &ops, NULL, &self), ERR_NONE);
    to.pid = node_pid(self);
    assert_int_equal(node_call(self, &to, atom, NODE_INFINITY, 0, NULL), ERR_NONE);
    assert_int_equal(node_call(self, &to, atom, 1, 1, NULL), ERR_NONE);
    for (int i = 0; i < 20; i++)
        loop_turn(l, 5);
    assert_int_equal(results, 1); /* of the second alone */
    node_stop(n);
    node_free(n);
    loop_free(l);
}

/* ---- stopped ---- */

static void no_timer_outlives_a_node_that_is_stopped(void **state)
{
    struct loop *l = loop_new();
    struct node *n = node_that_runs(l);
    struct node_self self;
    struct node_dest to = {.kind = NODE_DEST_PID};
    (void)state;

    assert_int_equal(node_spawn(n, &ops, NULL, &self), ERR_NONE);
    to.pid = node_pid(self);
    assert_int_equal(node_set_timeout(self, 1000000), ERR_NONE);
    assert_int_equal(node_call(self, &to, SLICE("\x77\x01x"), 1000000, 0, NULL), ERR_NONE);
    loop_turn(l, 0);
    node_stop(n);
    loop_run(l); /* ends */
    node_free(n);
    loop_free(l);
}

/* ---- names that are none ---- */

static void a_name_that_is_none_is_said_to_be_one(void **state)
{
    struct loop *l = loop_new();
    struct node *n = node_that_runs(l);
    struct node_self self;
    struct node_dest to = node_to_name("x", "no-host");
    struct slice term = SLICE("\x77\x01x"), list = SLICE("j");
    const char *const nodes[] = {"no-host"};
    (void)state;

    results = 0;
    assert_int_equal(node_spawn(n, &ops, NULL, &self), ERR_NONE);
    assert_int_equal(node_call(self, &to, term, 100, 0, NULL), ERR_INVALID);
    assert_int_equal(node_rpc(n, SLICE("no-host"), SLICE("m"), SLICE("f"), list, 100, NULL, NULL, 0, NULL),
                     ERR_INVALID);
    assert_int_equal(node_connect(n, SLICE("a@b@c"), 100, NULL, NULL, 0, NULL), ERR_INVALID);
    assert_int_equal(node_multi_call(self, nodes, 1, SLICE("x"), term, 100, 7), ERR_NONE);
    loop_turn(l, 0);
    loop_turn(l, 0);
    assert_int_equal(results, 1);
    to = node_to_name("\xff", "a@b"); /* what is no atom would cost the link */
    assert_int_equal(node_call(self, &to, term, 100, 0, NULL), ERR_INVALID);
    assert_int_equal(node_cast(self, &to, term), ERR_INVALID);
    assert_int_equal(node_send(self, &to, term), ERR_INVALID);
    node_stop(n);
    node_free(n);
    loop_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_cookie_or_a_name_there_is_no_node),
        cmocka_unit_test(the_host_of_an_epmd_need_not_be_said),
        cmocka_unit_test(infinity_is_no_timeout),
        cmocka_unit_test(no_timer_outlives_a_node_that_is_stopped),
        cmocka_unit_test(a_name_that_is_none_is_said_to_be_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
