#include "epmd/client.h"

#include "test.h"

#include "base/mem.h"
#include "epmd/server.h"
#include "rig.h"

#define BYTES(s) slice_of("" s, sizeof(s) - 1)

/* An EPMD that says what the test wants: the last connection to it, and how many there were. */
struct fake {
    struct loop_listener *ls;
    uint16_t port;
    struct rig_end end;
    unsigned accepted;
};

struct fixture {
    struct loop *l;
    struct fake fake;
    struct epmd_client *client;
    enum epmd_client_event event;
    enum err why;
    uint32_t creation;
    unsigned events;
    bool frees_itself;
    struct epmd_queries *queries;
    unsigned answers;
    uint64_t answer_id;
    enum err answer;
    struct epmd_entry entry;
    size_t count;
    struct epmd_name first;
    uint8_t bytes[1024]; /* what the slices above point to */
};

static void fake_accepted(void *ctx, struct loop_stream *s)
{
    struct fake *f = ctx;

    loop_stream_close(f->end.s);
    f->end = (struct rig_end){.s = s};
    f->accepted++;
    loop_stream_start(s, rig_ops(), &f->end);
}

static void listen_at(struct fixture *f, uint16_t port)
{
    assert_int_equal(loop_listen(f->l, "127.0.0.1", port, fake_accepted, &f->fake, &f->fake.ls), ERR_NONE);
    f->fake.port = loop_listener_port(f->fake.ls);
}

static int begin(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    f->l = loop_new();
    listen_at(f, 0);
    f->queries = epmd_queries_new(f->l);
    *state = f;
    return f->l && f->queries ? 0 : -1;
}

static int finish(void **state)
{
    struct fixture *f = *state;

    epmd_client_free(f->client);
    epmd_queries_free(f->queries);
    loop_listener_close(f->fake.ls);
    loop_stream_close(f->fake.end.s);
    loop_free(f->l); /* asserts that nothing is left */
    free(f);
    return 0;
}

static void happened(void *ctx, enum epmd_client_event event, uint32_t creation, enum err why)
{
    struct fixture *f = ctx;

    f->event = event;
    f->creation = creation;
    f->why = why;
    f->events++;
    if (f->frees_itself) {
        epmd_client_free(f->client);
        f->client = NULL;
    }
}

static void start(struct fixture *f)
{
    struct epmd_client_config config = {.epmd_port = f->fake.port,
                                        .name = SLICE("kv"),
                                        .port = 0x1234,
                                        .type = EPMD_TYPE_HIDDEN,
                                        .retry_ms = 10,
                                        .timeout_ms = 200,
                                        .event = happened,
                                        .ctx = f};
    unsigned before = f->events;

    assert_int_equal(epmd_client_new(f->l, &config, &f->client), ERR_NONE);
    assert_int_equal(f->events, before);
}

static void stop_fake(struct fixture *f)
{
    loop_listener_close(f->fake.ls);
    f->fake.ls = NULL;
    rig_close(&f->fake.end);
}

static void await_request(struct fixture *f, struct slice want)
{
    RIG_UNTIL(f->l, f->fake.end.got >= want.len);
    assert_int_equal(f->fake.end.got, want.len);
    assert_memory_equal(f->fake.end.buf, want.ptr, want.len);
}

static const struct slice register_kv = SLICE_LIT("\0\x0fx\x12\x34H\0\0\6\0\5\0\2kv\0\0");

static void await_event(struct fixture *f, unsigned events, enum epmd_client_event want)
{
    RIG_UNTIL(f->l, f->events >= events);
    assert_int_equal(f->events, events);
    assert_int_equal(f->event, want);
}

static void become_registered(struct fixture *f)
{
    start(f);
    await_request(f, register_kv);
    rig_say(&f->fake.end, BYTES("v\0\0\0\1\2"));
    await_event(f, 1, EPMD_CLIENT_REGISTERED);
}

/* ---- registration ---- */

static void it_registers_and_is_told_its_creation(void **state)
{
    struct fixture *f = *state;

    become_registered(f);
    assert_int_equal(f->creation, 0x102);
    assert_true(epmd_client_is_registered(f->client));
}

static void a_reply_may_come_a_byte_at_a_time(void **state)
{
    struct fixture *f = *state;

    start(f);
    await_request(f, register_kv);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(f->events, 0);
        rig_say(&f->fake.end, slice_of(&"y\0\0\2"[i], 1));
        loop_turn(f->l, 5);
    }
    await_event(f, 1, EPMD_CLIENT_REGISTERED);
    assert_int_equal(f->creation, 2);
}

static void a_registration_that_is_lost_is_made_again(void **state)
{
    struct fixture *f = *state;

    become_registered(f);
    rig_close(&f->fake.end);
    f->fake.end.got = 0;
    await_event(f, 2, EPMD_CLIENT_LOST);
    assert_false(epmd_client_is_registered(f->client));
    await_request(f, register_kv);
    rig_say(&f->fake.end, BYTES("v\0\0\0\1\3"));
    await_event(f, 3, EPMD_CLIENT_REGISTERED);
    assert_int_equal(f->creation, 0x103);
}

static void it_keeps_trying_while_there_is_no_epmd(void **state)
{
    struct fixture *f = *state;

    stop_fake(f);
    start(f);
    await_event(f, 1, EPMD_CLIENT_UNREACHABLE);
    assert_int_equal(f->why, ERR_NO_CONNECTION);
    await_event(f, 2, EPMD_CLIENT_UNREACHABLE);
    listen_at(f, f->fake.port);
    await_request(f, register_kv);
    rig_say(&f->fake.end, BYTES("v\0\0\0\1\2"));
    RIG_UNTIL(f->l, f->event == EPMD_CLIENT_REGISTERED);
}

static void a_refusal_is_told_and_tried_again(void **state)
{
    struct fixture *f = *state;

    start(f);
    await_request(f, register_kv);
    rig_say(&f->fake.end, BYTES("v\1\0\0\0\x63"));
    await_event(f, 1, EPMD_CLIENT_REFUSED);
    assert_int_equal(f->why, ERR_NAME_TAKEN);
    RIG_UNTIL(f->l, f->fake.accepted == 2);
}

static void an_epmd_that_says_nothing_is_given_up_in_time(void **state)
{
    struct fixture *f = *state;

    start(f);
    await_event(f, 1, EPMD_CLIENT_UNREACHABLE);
    assert_int_equal(f->why, ERR_TIMEOUT);
}

static void what_is_no_epmd_is_given_up(void **state)
{
    static const struct slice replies[] = {SLICE_LIT("HTTP/1.1 400 "), SLICE_LIT("v\0\0\0\1\2x"),
                                           SLICE_LIT("")};
    struct fixture *f = *state;

    start(f);
    for (unsigned i = 0; i < 3; i++) {
        await_request(f, register_kv);
        if (replies[i].len)
            rig_say(&f->fake.end, replies[i]);
        else
            rig_close(&f->fake.end);
        f->fake.end.got = 0;
        await_event(f, i + 1, EPMD_CLIENT_UNREACHABLE);
        assert_int_equal(f->why, ERR_MALFORMED);
    }
}

static void bytes_after_the_reply_end_a_registration(void **state)
{
    struct fixture *f = *state;

    become_registered(f);
    rig_say(&f->fake.end, BYTES("?"));
    await_event(f, 2, EPMD_CLIENT_LOST);
}

static void it_may_be_freed_in_its_event_and_at_any_time(void **state)
{
    struct fixture *f = *state;

    f->frees_itself = true;
    become_registered(f);
    assert_null(f->client);
    RIG_UNTIL(f->l, f->fake.end.is_ended); /* and by that it is unregistered */
    start(f);
    epmd_client_free(f->client);
    start(f);
    loop_turn(f->l, 0);
    epmd_client_free(f->client);
    f->client = NULL;
    stop_fake(f);
    start(f);
    RIG_UNTIL(f->l, f->events == 2);
    assert_null(f->client);
}

static void a_name_that_is_none_is_refused_at_once(void **state)
{
    struct fixture *f = *state;
    struct epmd_client_config config = {.name = SLICE("a\0b"), .event = happened, .ctx = f};

    assert_int_equal(epmd_client_new(f->l, &config, &f->client), ERR_INVALID);
    assert_null(f->client);
}

/* ---- questions ---- */

static void found(void *ctx, uint64_t id, enum err e, const struct epmd_entry *entry)
{
    struct fixture *f = ctx;

    f->answers++;
    f->answer_id = id;
    f->answer = e;
    assert_int_equal(e == ERR_NONE, entry != NULL);
    if (!entry)
        return;
    f->entry = *entry;
    assert_true(entry->name.len <= sizeof f->bytes);
    memcpy(f->bytes, entry->name.ptr, entry->name.len);
    f->entry.name.ptr = f->bytes;
}

static void listed(void *ctx, uint64_t id, enum err e, const struct epmd_name *names, size_t count,
                   bool is_here)
{
    struct fixture *f = ctx;

    f->answers++;
    f->answer_id = id;
    f->answer = e;
    f->count = count;
    assert_true(is_here || e != ERR_NONE);
    if (!count)
        return;
    f->first = names[0];
    memcpy(f->bytes, names[0].name.ptr, names[0].name.len);
    f->first.name.ptr = f->bytes;
}

static uint64_t look_up(struct fixture *f, uint64_t timeout_ms)
{
    uint64_t handle =
        epmd_lookup(f->queries, "127.0.0.1", f->fake.port, SLICE("kv"), timeout_ms, found, f, 77);

    assert_int_not_equal(handle, 0);
    return handle;
}

static void await_answer(struct fixture *f, enum err want)
{
    RIG_UNTIL(f->l, f->answers == 1);
    assert_int_equal(f->answer, want);
    assert_int_equal(f->answer_id, 77);
    assert_int_equal(epmd_queries_pending(f->queries), 0);
    f->answers = 0;
}

static void a_lookup_finds_port_type_and_versions(void **state)
{
    struct fixture *f = *state;

    look_up(f, 2000);
    assert_int_equal(f->answers, 0);
    await_request(f, BYTES("\0\3zkv"));
    rig_say(&f->fake.end, BYTES("w\0\x12\x34M\0\0\6\0\5\0\2kv\0\0")); /* and the connection stays open */
    await_answer(f, ERR_NONE);
    assert_int_equal(f->entry.port, 0x1234);
    assert_int_equal(f->entry.type, EPMD_TYPE_NORMAL);
    assert_int_equal(f->entry.highest, 6);
    assert_int_equal(f->entry.lowest, 5);
    assert_true(slice_eq_str(f->entry.name, "kv"));
}

static void each_way_a_lookup_can_fail_has_its_error(void **state)
{
    static const struct {
        struct slice reply;
        bool hangs_up;
        enum err want;
    } cases[] = {
        {SLICE_LIT("w\1"), true, ERR_NO_NODE},
        {SLICE_LIT("w\0\x12\x34M"), true, ERR_MALFORMED}, /* cut short */
        {SLICE_LIT(""), true, ERR_MALFORMED},
        {SLICE_LIT("HTTP/1.1 400 Bad Request\r\n"), false, ERR_MALFORMED},
        {SLICE_LIT("w\0\x12\x34M"), false, ERR_TIMEOUT},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        f->fake.end.got = 0;
        look_up(f, cases[i].want == ERR_TIMEOUT ? 50 : 2000);
        await_request(f, BYTES("\0\3zkv"));
        if (cases[i].reply.len)
            rig_say(&f->fake.end, cases[i].reply);
        if (cases[i].hangs_up)
            rig_close(&f->fake.end);
        await_answer(f, cases[i].want);
    }
    stop_fake(f);
    look_up(f, 2000);
    await_answer(f, ERR_NO_CONNECTION);
}

static void a_lookup_of_what_is_no_name_fails_at_once(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(epmd_lookup(f->queries, "127.0.0.1", f->fake.port, SLICE(""), 100, found, f, 1), 0);
    assert_int_equal(epmd_lookup(f->queries, "127.0.0.1", f->fake.port, SLICE("a\0"), 100, found, f, 1), 0);
    assert_int_equal(epmd_queries_pending(f->queries), 0);
}

static void a_query_that_is_cancelled_says_nothing(void **state)
{
    struct fixture *f = *state;
    uint64_t handle = look_up(f, 2000);

    epmd_query_cancel(f->queries, handle);
    epmd_query_cancel(f->queries, handle);
    epmd_query_cancel(f->queries, 0);
    assert_int_equal(epmd_queries_pending(f->queries), 0);
    handle = look_up(f, 2000);
    await_request(f, BYTES("\0\3zkv"));
    epmd_query_cancel(f->queries, handle);
    RIG_UNTIL(f->l, f->fake.end.is_ended);
    assert_int_equal(f->answers, 0);
    look_up(f, 2000); /* left to finish */
}

static void names_are_listed(void **state)
{
    struct fixture *f = *state;

    assert_int_not_equal(epmd_names(f->queries, "127.0.0.1", f->fake.port, 2000, listed, f, 77), 0);
    await_request(f, BYTES("\0\1n"));
    rig_say(&f->fake.end, BYTES("\0\0\x11\x11name kv at po"));
    loop_turn(f->l, 5);
    rig_say(&f->fake.end, BYTES("rt 1042\nname b at port 2\n"));
    rig_close(&f->fake.end);
    await_answer(f, ERR_NONE);
    assert_int_equal(f->count, 2);
    assert_true(slice_eq_str(f->first.name, "kv"));
    assert_int_equal(f->first.port, 1042);
}

static void a_list_that_is_none_is_malformed(void **state)
{
    static const struct slice replies[] = {SLICE_LIT("\0\0\x11"), SLICE_LIT("\0\0\x11\x11name kv at po"),
                                           SLICE_LIT("HTTP/1.1 400 Bad Request\r\n")};
    struct fixture *f = *state;

    for (size_t i = 0; i < 3; i++) {
        f->fake.end.got = 0;
        assert_int_not_equal(epmd_names(f->queries, "127.0.0.1", f->fake.port, 2000, listed, f, 77), 0);
        await_request(f, BYTES("\0\1n"));
        rig_say(&f->fake.end, replies[i]);
        rig_close(&f->fake.end);
        await_answer(f, ERR_MALFORMED);
        assert_int_equal(f->count, 0);
    }
}

static void a_list_without_end_is_given_up(void **state)
{
    struct fixture *f = *state;
    uint8_t flood[1 << 14];

    memset(flood, 'n', sizeof flood);
    assert_int_not_equal(epmd_names(f->queries, "127.0.0.1", f->fake.port, 10000, listed, f, 77), 0);
    await_request(f, BYTES("\0\1n"));
    while (f->answers == 0) {
        size_t taken;

        if (!f->fake.end.s ||
            loop_stream_write(f->fake.end.s, slice_of(flood, sizeof flood), &taken) != ERR_NONE)
            break;
        loop_turn(f->l, 1);
    }
    await_answer(f, ERR_TOO_LARGE);
}

/* ---- memory ---- */

static void no_failed_allocation_is_the_end(void **state)
{
    struct fixture *f = *state;
    struct epmd_client_config config = {
        .epmd_port = f->fake.port, .name = SLICE("kv"), .event = happened, .ctx = f};
    enum err e = ERR_NOMEM;
    uint64_t handle = 0;

    for (size_t n = 1; e != ERR_NONE; n++) {
        mem_fail_from(n);
        e = epmd_client_new(f->l, &config, &f->client);
        mem_fail_from(0);
        assert_true(e == ERR_NONE || e == ERR_NOMEM);
    }
    for (size_t n = 1; !handle; n++) {
        mem_fail_from(n);
        handle = epmd_lookup(f->queries, "127.0.0.1", f->fake.port, SLICE("kv"), 2000, found, f, 77);
        mem_fail_from(0);
    }
    assert_int_equal(epmd_queries_pending(f->queries), 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_registers_and_is_told_its_creation),
        TEST(a_reply_may_come_a_byte_at_a_time),
        TEST(a_registration_that_is_lost_is_made_again),
        TEST(it_keeps_trying_while_there_is_no_epmd),
        TEST(a_refusal_is_told_and_tried_again),
        TEST(an_epmd_that_says_nothing_is_given_up_in_time),
        TEST(what_is_no_epmd_is_given_up),
        TEST(bytes_after_the_reply_end_a_registration),
        TEST(it_may_be_freed_in_its_event_and_at_any_time),
        TEST(a_name_that_is_none_is_refused_at_once),
        TEST(a_lookup_finds_port_type_and_versions),
        TEST(each_way_a_lookup_can_fail_has_its_error),
        TEST(a_lookup_of_what_is_no_name_fails_at_once),
        TEST(a_query_that_is_cancelled_says_nothing),
        TEST(names_are_listed),
        TEST(a_list_that_is_none_is_malformed),
        TEST(a_list_without_end_is_given_up),
        TEST(no_failed_allocation_is_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
