/* What an EPMD answers: epmd/core.c. */
#include "core_clients.h"

/* ---- registrations ---- */

static void a_node_registers_and_is_found(void **state)
{
    struct fixture *f = begin();
    struct client *node = alive2(f, "kv", 6), *asker = open_as(f, false);

    (void)state;
    assert_true(reply_of(node).is_extended);
    assert_int_equal(reply_of(node).result, 0);
    assert_false(node->is_closed);
    assert_int_equal(f->notes[EPMD_NOTE_REGISTERED], 1);
    feed(f, asker, BYTES("\0\3zkv"));
    assert_got(asker, BYTES("w\0\x04\x12M\0\0\6\0\5\0\2kv\0\0"), true);
    end(f);
}

static void a_name_that_is_not_there_is_not_found(void **state)
{
    struct fixture *f = begin();
    struct client *c = open_as(f, true);

    (void)state;
    feed(f, c, BYTES("\0\3zkv"));
    assert_got(c, BYTES("w\1"), true);
    end(f);
}

static void a_registration_lives_as_long_as_its_connection(void **state)
{
    struct fixture *f = begin();
    struct client *node = alive2(f, "kv", 6), *c;

    (void)state;
    advance(f, 3600000); /* however long that is silent */
    assert_false(node->is_closed);
    hang_up(f, node);
    assert_int_equal(epmd_core_count(f->core), 0);
    assert_int_equal(f->notes[EPMD_NOTE_UNREGISTERED], 1);
    c = open_as(f, true);
    feed(f, c, BYTES("\0\3zkv"));
    assert_got(c, BYTES("w\1"), true);
    end(f);
}

static void a_byte_after_a_registration_ends_it(void **state)
{
    struct fixture *f = begin();
    struct client *node = alive2(f, "kv", 6);

    (void)state;
    feed(f, node, BYTES("\0"));
    assert_true(node->is_closed);
    assert_int_equal(epmd_core_count(f->core), 0);
    assert_int_equal(epmd_core_connections(f->core), 0);
    end(f);
}

static void creations_grow_by_one_with_each_registration_of_a_name(void **state)
{
    struct fixture *f = begin();

    (void)state;
    for (uint32_t i = 0; i < 10; i++) {
        struct client *node = alive2(f, "kv", 6);

        assert_int_equal(reply_of(node).creation, WALL_S + 1 + i);
        hang_up(f, node);
    }
    end(f);
}

static void a_new_name_starts_at_the_time_of_day(void **state)
{
    struct fixture *f = begin();

    (void)state;
    advance(f, 42999);
    assert_int_equal(reply_of(alive2(f, "kv", 6)).creation, WALL_S + 42 + 1);
    end(f);
}

static void creations_wrap_past_0_to_3(void **state)
{
    struct epmd_core_config c = config_of(NULL);
    const uint32_t want[] = {UINT32_MAX - 1, UINT32_MAX, 4, 5};
    struct fixture *f;

    (void)state;
    c.wall_s = UINT32_MAX - 2;
    f = begin_with(&c);
    for (size_t i = 0; i < 4; i++) {
        struct client *node = alive2(f, "kv", 6);

        assert_int_equal(reply_of(node).creation, want[i]);
        hang_up(f, node);
    }
    end(f);
    c.wall_s = 0; /* a machine whose clock was never set */
    f = begin_with(&c);
    assert_int_equal(reply_of(alive2(f, "kv", 6)).creation, 4);
    end(f);
}

static void a_node_of_version_5_is_told_another_of_1_to_3_each_time(void **state)
{
    struct fixture *f = begin();
    uint32_t before = 0;

    (void)state;
    for (int i = 0; i < 8; i++) {
        struct client *node = alive2(f, "kv", 5);
        struct epmd_alive2_reply r = reply_of(node);

        assert_false(r.is_extended);
        assert_in_range(r.creation, 1, 3);
        assert_int_not_equal(r.creation, before);
        before = r.creation;
        hang_up(f, node);
    }
    end(f);
}

static void names_of_ended_nodes_are_forgotten_in_their_order(void **state)
{
    struct epmd_core_config c = config_of(NULL);
    struct client *asker;
    struct fixture *f;

    (void)state;
    c.max_old = 2;
    f = begin_with(&c);
    hang_up(f, alive2(f, "a", 6));
    hang_up(f, alive2(f, "b", 6));
    hang_up(f, alive2(f, "c", 6));
    asker = open_as(f, true);
    feed(f, asker, BYTES("\0\1d"));
    assert_got(
        asker,
        BYTES("\0\0\x11\x11old/unused name <b>, port = 1042, fd = 0 \n\0"
              "old/unused name <c>, port = 1042, fd = 0 \n\0") /* numbers are used again, as descriptors */,
        true);
    end(f);
}

static void names_that_are_none_are_refused_with_an_answer(void **state)
{
    static const char *const names[] = {"\xff", "\xed\xa0\x80"};
    struct fixture *f = begin();
    struct client *c;
    struct wr w;
    char name[257] = {0};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        c = alive2(f, names[i], 6);
        assert_got(c, BYTES("v\1\0\0\0\x63"), true);
        c = alive2(f, names[i], 5);
        assert_got(c, BYTES("y\1\0\x63"), true);
    }
    memset(name, 'n', 256);
    assert_got(alive2(f, name, 6), BYTES("v\1\0\0\0\x63"), true);
    name[255] = '\0';
    assert_int_equal(reply_of(alive2(f, name, 6)).result, 0);
    c = open_as(f, true);
    write_alive2(&w, slice_of("a\0b", 3), 1, 6);
    feed(f, c, wr_written(&w));
    wr_fini(&w);
    assert_got(c, BYTES(""), true); /* OTP's says nothing to these */
    end(f);
}

/* ---- names that are taken ---- */

static void a_name_that_is_taken_is_asked_about_first(void **state)
{
    struct fixture *f = begin();
    struct client *first = alive2(f, "kv", 6), *second = alive2(f, "kv", 6);

    (void)state;
    assert_true(second->has_probe);
    assert_int_equal(second->probed, first->id);
    assert_got(second, BYTES(""), false);
    epmd_core_probed(f->core, second->id);
    pull(f);
    assert_got(second, BYTES("v\1\0\0\0\x63"), true);
    assert_false(first->is_closed);
    end(f);
}

static void a_node_that_restarts_before_its_old_socket_is_noticed_is_let_in(void **state)
{
    struct fixture *f = begin();
    struct client *first = alive2(f, "kv", 6), *second = alive2(f, "kv", 6);

    (void)state;
    hang_up(f, first);
    epmd_core_probed(f->core, second->id);
    pull(f);
    assert_int_equal(reply_of(second).result, 0);
    assert_int_equal(reply_of(second).creation, WALL_S + 2);
    assert_false(second->is_closed);
    epmd_core_probed(f->core, second->id); /* a second answer is none */
    pull(f);
    assert_int_equal(epmd_core_count(f->core), 1);
    end(f);
}

static void of_two_that_wait_for_a_name_one_gets_it(void **state)
{
    struct fixture *f = begin();
    struct client *first = alive2(f, "kv", 6), *second = alive2(f, "kv", 6), *third = alive2(f, "kv", 6);

    (void)state;
    hang_up(f, first);
    epmd_core_probed(f->core, second->id);
    epmd_core_probed(f->core, third->id);
    pull(f);
    assert_int_equal(reply_of(second).result, 0);
    assert_int_equal(reply_of(third).result, 1);
    end(f);
}

static void one_that_waits_for_a_name_may_leave(void **state)
{
    struct fixture *f = begin();
    struct client *second;

    (void)state;
    alive2(f, "kv", 6);
    second = alive2(f, "kv", 6);
    hang_up(f, second);
    epmd_core_probed(f->core, second->id);
    pull(f);
    assert_int_equal(epmd_core_count(f->core), 1);
    second = alive2(f, "kv", 6);
    feed(f, second, BYTES("x"));
    assert_got(second, BYTES(""), true);
    end(f);
}

/* ---- names without a connection ---- */

static void a_name_of_our_own_needs_no_connection(void **state)
{
    struct fixture *f = begin();
    struct epmd_entry entry = {
        .name = SLICE("gate"), .port = 9, .type = EPMD_TYPE_HIDDEN, .highest = 6, .lowest = 5};
    struct epmd_listing l;
    uint32_t creation;
    struct client *c;

    (void)state;
    assert_int_equal(epmd_core_register(f->core, &entry, f->now, &creation), ERR_NONE);
    assert_int_equal(creation, WALL_S + 1);
    assert_int_equal(epmd_core_register(f->core, &entry, f->now, &creation), ERR_NAME_TAKEN);
    c = alive2(f, "gate", 6); /* nobody to ask: refused at once */
    assert_got(c, BYTES("v\1\0\0\0\x63"), true);
    assert_false(c->has_probe);
    assert_true(epmd_core_find(f->core, SLICE("gate"), &l));
    assert_int_equal(l.conn, 0);
    epmd_core_unregister(f->core, SLICE("gate"));
    epmd_core_unregister(f->core, SLICE("gate"));
    assert_int_equal(epmd_core_count(f->core), 0);
    assert_int_equal(reply_of(alive2(f, "gate", 6)).creation, WALL_S + 2);
    epmd_core_unregister(f->core, SLICE("gate")); /* somebody else's now */
    assert_int_equal(epmd_core_count(f->core), 1);
    entry.name = SLICE("\xff");
    assert_int_equal(epmd_core_register(f->core, &entry, f->now, &creation), ERR_INVALID);
    end(f);
}

/* ---- the other requests ---- */

static void names_and_dump_list_the_newest_first(void **state)
{
    struct fixture *f = begin();
    struct client *c;

    (void)state;
    alive2(f, "a", 6);
    alive2(f, "b", 6);
    c = open_as(f, true);
    feed(f, c, BYTES("\0\1n"));
    assert_got(c, BYTES("\0\0\x11\x11name b at port 1042\nname a at port 1042\n"), true);
    c = open_as(f, true);
    feed(f, c, BYTES("\0\1d"));
    assert_got(c,
               BYTES("\0\0\x11\x11"
                     "active name     <b> at port 1042, fd = 1\n\0"
                     "active name     <a> at port 1042, fd = 0\n\0"),
               true);
    end(f);
}

static void kill_is_obeyed_when_there_are_no_nodes(void **state)
{
    struct fixture *f = begin();
    struct client *c = open_as(f, true);

    (void)state;
    feed(f, c, BYTES("\0\1k"));
    assert_got(c, BYTES("OK"), true);
    assert_true(f->is_killed);
    end(f);
}

static void kill_is_refused_while_there_are_nodes_unless_relaxed(void **state)
{
    struct fixture *f = begin();
    struct client *c;

    (void)state;
    alive2(f, "kv", 6);
    c = open_as(f, true);
    feed(f, c, BYTES("\0\1k"));
    assert_got(c, BYTES("NO"), true);
    assert_false(f->is_killed);
    end(f);
    f = begin_relaxed();
    alive2(f, "kv", 6);
    c = open_as(f, true);
    feed(f, c, BYTES("\0\1k"));
    assert_got(c, BYTES("OK"), true);
    assert_true(f->is_killed);
    end(f);
}

static void a_server_that_is_part_of_a_program_cannot_be_killed(void **state)
{
    struct epmd_core_config config = config_of(NULL);
    struct fixture *f;
    struct client *c;

    (void)state;
    config.is_killable = false;
    f = begin_with(&config);
    c = open_as(f, true);
    feed(f, c, BYTES("\0\1k"));
    assert_got(c, BYTES("NO"), true);
    assert_false(f->is_killed);
    end(f);
}

static void stop_needs_a_relaxed_server(void **state)
{
    struct fixture *f = begin();
    struct client *node = alive2(f, "kv", 6), *c = open_as(f, true);

    (void)state;
    feed(f, c, BYTES("\0\3skv"));
    assert_got(c, BYTES(""), true);
    assert_false(node->is_closed);
    end(f);
    f = begin_relaxed();
    node = alive2(f, "kv", 6);
    c = open_as(f, true);
    feed(f, c, BYTES("\0\4sabc"));
    assert_got(c, BYTES("NOEXIST"), true);
    c = open_as(f, true);
    feed(f, c, BYTES("\0\3skv"));
    assert_got(c, BYTES("STOPPED"), true);
    assert_true(node->is_closed);
    assert_int_equal(epmd_core_count(f->core), 0);
    end(f);
}

static void stop_drops_a_name_without_a_connection_too(void **state)
{
    struct fixture *f = begin_relaxed();
    struct epmd_entry entry = {.name = SLICE("gate"), .highest = 6};
    uint32_t creation;
    struct client *c;

    (void)state;
    assert_int_equal(epmd_core_register(f->core, &entry, f->now, &creation), ERR_NONE);
    c = open_as(f, true);
    feed(f, c, BYTES("\0\5sgate"));
    assert_got(c, BYTES("STOPPED"), true);
    assert_int_equal(epmd_core_count(f->core), 0);
    end(f);
}

static void other_machines_may_only_ask_for_ports_and_names(void **state)
{
    static const struct slice refused[] = {
        SLICE_LIT("\0\1d"), SLICE_LIT("\0\1k"), SLICE_LIT("\0\3skv"),
        SLICE_LIT("\0\1x"), SLICE_LIT("\0\1q"), SLICE_LIT("\0\x0fx\0\1M\0\0\6\0\5\0\2zz\0\0"),
    };
    struct fixture *f = begin_relaxed();
    struct client *c;

    (void)state;
    alive2(f, "kv", 6);
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        c = open_as(f, false);
        feed(f, c, refused[i]);
        assert_got(c, BYTES(""), true);
    }
    assert_false(f->is_killed);
    assert_int_equal(epmd_core_count(f->core), 1);
    c = open_as(f, false);
    feed(f, c, BYTES("\0\1n"));
    assert_got(c, BYTES("\0\0\x11\x11name kv at port 1042\n"), true);
    end(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_registers_and_is_found),
        cmocka_unit_test(a_name_that_is_not_there_is_not_found),
        cmocka_unit_test(a_registration_lives_as_long_as_its_connection),
        cmocka_unit_test(a_byte_after_a_registration_ends_it),
        cmocka_unit_test(creations_grow_by_one_with_each_registration_of_a_name),
        cmocka_unit_test(a_new_name_starts_at_the_time_of_day),
        cmocka_unit_test(creations_wrap_past_0_to_3),
        cmocka_unit_test(a_node_of_version_5_is_told_another_of_1_to_3_each_time),
        cmocka_unit_test(names_of_ended_nodes_are_forgotten_in_their_order),
        cmocka_unit_test(names_that_are_none_are_refused_with_an_answer),
        cmocka_unit_test(a_name_that_is_taken_is_asked_about_first),
        cmocka_unit_test(a_node_that_restarts_before_its_old_socket_is_noticed_is_let_in),
        cmocka_unit_test(of_two_that_wait_for_a_name_one_gets_it),
        cmocka_unit_test(one_that_waits_for_a_name_may_leave),
        cmocka_unit_test(a_name_of_our_own_needs_no_connection),
        cmocka_unit_test(names_and_dump_list_the_newest_first),
        cmocka_unit_test(kill_is_obeyed_when_there_are_no_nodes),
        cmocka_unit_test(kill_is_refused_while_there_are_nodes_unless_relaxed),
        cmocka_unit_test(a_server_that_is_part_of_a_program_cannot_be_killed),
        cmocka_unit_test(stop_needs_a_relaxed_server),
        cmocka_unit_test(stop_drops_a_name_without_a_connection_too),
        cmocka_unit_test(other_machines_may_only_ask_for_ports_and_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
