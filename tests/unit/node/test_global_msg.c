/* What global's name servers say to each other. Terms are written as Erlang text. */
#include "test.h"

#include <stdlib.h>

#include "etf/syntax.h"
#include "node/global_msg.h"

static const struct etf_parse_rules rules = {.term = {.max_depth = 64}};
static struct wr term;

#define P "#Pid<a@h:1:0:5>"

static struct etf_rd parsed(const char *text)
{
    wr_fini(&term);
    wr_init(&term, SIZE_MAX);
    assert_int_equal(etf_parse(&term, slice_of_str(text), &rules, NULL), ERR_NONE);
    return etf_rd_of(wr_written(&term), NULL);
}

static struct global_msg read(const char *text, enum global_verb verb)
{
    struct global_msg m;

    if (!global_msg_read(parsed(text), &m))
        fail_msg("%s was refused", text);
    assert_int_equal(m.verb, verb);
    return m;
}

static void each_message_is_read(void **state)
{
    struct global_msg m;

    (void)state;
    m = read("{'$gen_cast', {init_connect, {8, -5}, a@h, {locker, no_longer_a_pid, #{}, " P "}}}",
             GLOBAL_INIT_CONNECT);
    assert_true(m.vsn == 8 && m.his_tag == -5 && m.pid.id == 1 && slice_eq_str(m.node, "a@h"));
    m = read("{'$gen_cast', {init_connect, {9, 7, more}, a@h, {locker, x, [], " P "}}}", GLOBAL_INIT_CONNECT);
    assert_true(m.vsn == 9 && m.his_tag == 7);
    m = read("{'$gen_cast', {exchange, a@h, [{n, " P ", fun global:random_exit_name/3}], [], 3}}",
             GLOBAL_EXCHANGE);
    assert_true(m.tag == 3 && global_list_open(&m.names) == 1);
    m = read("{'$gen_cast', {resolved, a@h, [{delete, n}, {insert, {n, " P
             ", m}}], [b@h, {c@h, 8}], unused, [], 3}}",
             GLOBAL_RESOLVED);
    assert_true(m.tag == 3 && global_list_open(&m.ops) == 2 && global_list_open(&m.nodes) == 2);
    m = read("{'$gen_cast', {new_nodes, a@h, [], [{n, " P
             ", b@h}], [{b@h, 8}], [{vsn, 8}, {lock, {global, [" P "]}}]}}",
             GLOBAL_NEW_NODES);
    assert_true(m.has_lock && etf_peek(&m.lock) == ETF_KIND_LIST && global_list_open(&m.ext) == 1);
    m = read("{'$gen_cast', {new_nodes, a@h, [], [], [b@h], []}}", GLOBAL_NEW_NODES);
    assert_false(m.has_lock);
    m = read("{'$gen_cast', {in_sync, a@h, true}}", GLOBAL_IN_SYNC);
    m = read("{'$gen_cast', {lock_set, " P ", true, [b@h], 4}}", GLOBAL_LOCK_SET);
    assert_true(m.is_set && m.has_tag && m.tag == 4 && slice_eq_str(m.node, "a@h"));
    m = read("{lock_set, " P ", false, []}", GLOBAL_LOCK_SET);
    assert_true(!m.is_set && !m.has_tag);
    m = read("{lost_connection, a@h, 1152921504606846976, -576460752303423488, b@h}", GLOBAL_LOST_CONNECTION);
    assert_true(slice_eq_str(m.other, "b@h") && m.creation == INT64_C(1) << 60);
    m = read("{remove_connection, a@h}", GLOBAL_REMOVE_CONNECTION);
    m = read("{cancel_connect, a@h, 3}", GLOBAL_CANCEL_CONNECT);
    m = read("{init_connect_ack, a@h, 3, -5}", GLOBAL_INIT_CONNECT_ACK);
    assert_true(m.tag == 3 && m.his_tag == -5);
    m = read("{'$gen_cast', {async_del_lock, x, y}}", GLOBAL_OBSOLETE);
}

static void the_lists_are_read(void **state)
{
    struct global_msg m =
        read("{'$gen_cast', {resolved, a@h, [{delete, n}, {insert, {k, " P ", m}}], [b@h, {c@h, 8}], u,"
             " [{k, " P ", d@h}], 3}}",
             GLOBAL_RESOLVED);
    struct global_entry e;
    struct slice node;
    int64_t vsn;

    (void)state;
    assert_int_equal(global_list_open(&m.ops), 2);
    assert_true(global_ops_next(&m.ops, &e) && e.is_delete && etf_read_atom_is(&e.name, "n"));
    assert_true(global_ops_next(&m.ops, &e) && !e.is_delete && etf_read_atom_is(&e.method, "m"));
    assert_false(global_ops_next(&m.ops, &e));
    assert_int_equal(global_list_open(&m.nodes), 2);
    assert_true(global_nodes_next(&m.nodes, &node, &vsn) && vsn == 0 && slice_eq_str(node, "b@h"));
    assert_true(global_nodes_next(&m.nodes, &node, &vsn) && vsn == 8 && slice_eq_str(node, "c@h"));
    assert_int_equal(global_list_open(&m.ext), 1);
    assert_true(global_ext_next(&m.ext, &e) && etf_atom_is(e.by_node, "d@h"));
}

static void what_is_malformed_anywhere_is_refused(void **state)
{
    static const char *const texts[] = {
        "x",
        "{}",
        "{'$gen_cast', x}",
        "{in_sync, a@h, true}", /* not a cast */
        "{'$gen_cast', {remove_connection, a@h}}",
        "{'$gen_cast', {init_connect, {8}, a@h, {locker, x, [], " P "}}}",
        "{'$gen_cast', {init_connect, 8, a@h, {locker, x, [], " P "}}}",
        "{'$gen_cast', {init_connect, {x, 1}, a@h, {locker, x, [], " P "}}}",
        "{'$gen_cast', {init_connect, {8, 1}, \"a@h\", {locker, x, [], " P "}}}",
        "{'$gen_cast', {init_connect, {8, 1}, a@h, {locker, x, [], a}}}",
        "{'$gen_cast', {exchange, a@h, [{n, " P "}], [], 3}}",
        "{'$gen_cast', {exchange, a@h, [{n, x, m}], [], 3}}",
        "{'$gen_cast', {exchange, a@h, [{n, " P ", m} | x], [], 3}}",
        "{'$gen_cast', {exchange, a@h, \"abc\", [], 3}}",
        "{'$gen_cast', {exchange, a@h, [], [], x}}",
        "{'$gen_cast', {exchange, a@h, [], [], 36893488147419103232}}",
        "{'$gen_cast', {resolved, a@h, [{insert, n}], [], u, [], 3}}",
        "{'$gen_cast', {resolved, a@h, [{remove, n}], [], u, [], 3}}",
        "{'$gen_cast', {resolved, a@h, [], [{b@h, -1}], u, [], 3}}",
        "{'$gen_cast', {resolved, a@h, [], [{b@h, x}], u, [], 3}}",
        "{'$gen_cast', {resolved, a@h, [], [], u, [{n, " P ", 1}], 3}}",
        "{'$gen_cast', {new_nodes, a@h, [], [], b@h, []}}",
        "{'$gen_cast', {lock_set, a, true, []}}",
        "{'$gen_cast', {lock_set, " P ", maybe_, [], 1}}",
        "{lost_connection, a@h, x, 1, b@h}",
        "{lost_connection, a@h, 1, 1}",
        "{cancel_connect, a@h, x}",
        "{init_connect_ack, a@h, 1}",
    };
    struct global_msg m;

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (global_msg_read(parsed(texts[i]), &m))
            fail_msg("%s was taken", texts[i]);
}

static void a_message_cut_anywhere_is_refused(void **state)
{
    struct global_msg m;

    (void)state;
    (void)parsed("{'$gen_cast', {resolved, a@h, [{insert, {k, " P ", m}}], [b@h, {c@h, 8}], u, [{k, " P
                 ", d@h}], 3}}");
    for (size_t len = 0; len < term.len; len++) {
        uint8_t *cut = malloc(len ? len : 1);

        memcpy(cut, term.buf, len);
        assert_false(global_msg_read(etf_rd_of(slice_of(cut, len), NULL), &m));
        free(cut);
    }
}

static int tear_down(void **state)
{
    (void)state;
    wr_fini(&term);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_message_is_read),
        cmocka_unit_test(the_lists_are_read),
        cmocka_unit_test(what_is_malformed_anywhere_is_refused),
        cmocka_unit_test(a_message_cut_anywhere_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, tear_down);
}
