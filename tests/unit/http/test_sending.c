/* What large answers may hold together while they are being sent: http/sending.c. */
#include "harness.h"

#include "http/internal.h"

enum { LARGE = 2 << 20, ROOM = 3 << 20, SMALL = 16 * 1024, SLOW_MS = 1000 + LARGE / 4096 };

/* Of a unix-domain socket, whose buffers take a tenth of a large answer, and not all of it. */
static char folder[] = "/tmp/erlgate-unit-XXXXXX", path[sizeof folder + 8];

static int set_up_crowd(void **state)
{
    const struct http_listen listens[] = {{.port = 0}, {.path = path}};

    (void)state;
    memcpy(folder + sizeof folder - sizeof "XXXXXX", "XXXXXX", sizeof "XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/socket", folder);
    fds_before = open_fds();
    start(&(struct http_config){.listens = listens, .listen_count = 2, .limits.max_answers = ROOM});
    return 0;
}

static int tear_down_crowd(void **state)
{
    tear_down(state);
    assert_int_equal(rmdir(folder), 0);
    return 0;
}

/* Who has the connections, and so counts what is sent on them. */
static struct http_server *sender(void)
{
    return h.worker ? h.worker : h.server;
}

/* Asks, and is answered with so many bytes. */
static struct client asked(size_t len)
{
    struct client c = dial_path(path);
    char *text = mem_zalloc(len);
    size_t before = h.held_count;

    assert_non_null(text);
    say(&c, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    TURN_UNTIL(h.held_count == before + 1);
    answer_text(h.held[before], 200, text, len);
    mem_free(text);
    return c;
}

/* Its whole answer: that must have so many bytes. */
static void assert_takes(struct client *c, size_t len)
{
    const char *end;
    size_t got = 0;

    TURN_UNTIL((poll_client(c), (end = find_bytes(c, "\r\n\r\n")) &&
                                    (got = c->in.len - (size_t)(end + 4 - (const char *)c->in.buf)) >= len));
    assert_memory_equal(c->in.buf, "HTTP/1.1 200 ", 13);
    assert_int_equal(got, len);
}

static void what_is_taken_gives_its_room_back(void **state)
{
    struct client c = asked(LARGE);

    (void)state;
    TURN_UNTIL(http_server_answer_bytes(sender()) == LARGE);
    assert_takes(&c, LARGE);
    TURN_UNTIL(http_server_answer_bytes(sender()) == 0);
    hang_up(&c);
    c = asked(LARGE);
    TURN_UNTIL(http_server_answer_bytes(sender()) == LARGE);
    hang_up(&c);
    TURN_UNTIL(http_server_answer_bytes(sender()) == 0);
    assert_int_equal(http_server_stats(sender())->slow_answers, 0);
}

static void one_alone_may_be_larger(void **state)
{
    struct client c = asked(2 * ROOM);

    (void)state;
    assert_takes(&c, 2 * ROOM);
    hang_up(&c);
}

static void who_comes_at_once_is_refused_and_small_ones_pass(void **state)
{
    struct client first = asked(LARGE), second, third;

    (void)state;
    TURN_UNTIL(http_server_answer_bytes(sender()) == LARGE);
    second = asked(LARGE);
    third = asked(SMALL);
    assert_problem(hear(&second), 503, "overloaded");
    assert_takes(&third, SMALL);
    assert_int_equal(http_server_stats(sender())->over_max_answers, 1);
    assert_takes(&first, LARGE);
    hang_up(&first);
    hang_up(&second);
    hang_up(&third);
}

static void who_is_slow_makes_room(void **state)
{
    struct client slow = asked(LARGE), next;

    (void)state;
    TURN_UNTIL(http_server_answer_bytes(sender()) == LARGE);
    turn_for(SLOW_MS + 100);
    next = asked(LARGE);
    assert_takes(&next, LARGE);
    TURN_UNTIL((poll_client(&slow), slow.is_eof));
    assert_true(slow.in.len < LARGE);
    assert_int_equal(http_server_stats(sender())->slow_answers, 1);
    assert_int_equal(http_server_stats(sender())->over_max_answers, 0);
    TURN_UNTIL(http_server_answer_bytes(sender()) == 0);
    hang_up(&slow);
    hang_up(&next);
}

static void who_is_slow_may_be_so_while_there_is_room(void **state)
{
    struct client slow = asked(LARGE), next;

    (void)state;
    TURN_UNTIL(http_server_answer_bytes(sender()) == LARGE);
    turn_for(SLOW_MS + 100);
    next = asked(LARGE / 4);
    assert_takes(&next, LARGE / 4);
    assert_takes(&slow, LARGE);
    hang_up(&slow);
    hang_up(&next);
}

/* The largest, for one that wants much less, and not at once. */
static void who_holds_the_most_makes_room(void **state)
{
    struct client large = asked(ROOM - 50000), next;

    (void)state;
    TURN_UNTIL(http_server_answer_bytes(sender()) == ROOM - 50000);
    next = asked(100000);
    assert_problem(hear(&next), 503, "overloaded");
    hang_up(&next);
    turn_for(300);
    next = asked(ROOM / 4);
    assert_problem(hear(&next), 503, "overloaded"); /* it wants too much itself */
    hang_up(&next);
    next = asked(100000);
    assert_takes(&next, 100000);
    TURN_UNTIL((poll_client(&large), large.is_eof));
    assert_int_equal(http_server_stats(sender())->slow_answers, 1);
    hang_up(&large);
    hang_up(&next);
}

static void small_ones_have_more_room(void **state)
{
    struct client large = asked(ROOM - 30000), next;

    (void)state;
    TURN_UNTIL(http_server_answer_bytes(sender()) == ROOM - 30000);
    next = asked(40000);
    assert_takes(&next, 40000);
    assert_int_equal(http_server_stats(sender())->over_max_answers, 0);
    assert_int_equal(http_server_stats(sender())->slow_answers, 0);
    assert_takes(&large, ROOM - 30000);
    hang_up(&large);
    hang_up(&next);
}

/* A thread that has nobody to cut off asks the others. */
static void another_thread_is_helped(void **state)
{
    struct http_answers *all = http_server_answers(sender());
    struct client large = asked(ROOM - 30000);
    uint64_t began;

    (void)state;
    TURN_UNTIL(http_server_answer_bytes(sender()) == ROOM - 30000);
    turn_for(300);
    assert_int_equal(http_server_stats(sender())->slow_answers, 0);
    began = loop_now_ms(h.loop);
    all->asker = &began;
    all->asked_ms = began;
    all->wanted = 100000;
    TURN_UNTIL(http_server_answer_bytes(sender()) == 0);
    assert_int_equal(http_server_stats(sender())->slow_answers, 1);
    assert_int_equal(all->wanted, 0);
    assert_true(loop_now_ms(h.loop) - began < 500); /* it was not slow yet */
    hang_up(&large);
}

static void nobody_makes_room_in_vain(void **state)
{
    struct client slow = asked(ROOM / 4), fresh, next;

    (void)state;
    TURN_UNTIL(http_server_answer_bytes(sender()) == ROOM / 4);
    turn_for(SLOW_MS + 100);
    fresh = asked(LARGE - 200000);
    TURN_UNTIL(http_server_answer_bytes(sender()) == ROOM / 4 + LARGE - 200000);
    next = asked(LARGE);
    assert_problem(hear(&next), 503, "overloaded");
    assert_int_equal(http_server_stats(sender())->slow_answers, 0);
    assert_takes(&slow, ROOM / 4);
    assert_takes(&fresh, LARGE - 200000);
    hang_up(&slow);
    hang_up(&fresh);
    hang_up(&next);
}

static void near_the_limit_the_slow_make_room_before_it_is_wanted(void **state)
{
    struct client slow = asked(ROOM - 50000);

    (void)state;
    TURN_UNTIL((poll_client(&slow), false) || http_server_answer_bytes(sender()) == 0);
    assert_int_equal(http_server_stats(sender())->slow_answers, 0);
    hang_up(&slow);
    slow = asked(ROOM - 50000);
    TURN_UNTIL(http_server_answer_bytes(sender()) == ROOM - 50000);
    TURN_UNTIL(http_server_answer_bytes(sender()) == 0);
    assert_int_equal(http_server_stats(sender())->slow_answers, 1);
    hang_up(&slow);
}

static void a_server_stops_with_what_is_being_sent(void **state)
{
    struct client c = asked(LARGE);

    (void)state;
    TURN_UNTIL(http_server_answer_bytes(sender()) == LARGE);
    stop();
    hang_up(&c);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_crowd, tear_down_crowd)
    const struct CMUnitTest tests[] = {
        TEST(what_is_taken_gives_its_room_back),
        TEST(one_alone_may_be_larger),
        TEST(who_comes_at_once_is_refused_and_small_ones_pass),
        TEST(who_is_slow_makes_room),
        TEST(who_is_slow_may_be_so_while_there_is_room),
        TEST(who_holds_the_most_makes_room),
        TEST(small_ones_have_more_room),
        TEST(another_thread_is_helped),
        TEST(nobody_makes_room_in_vain),
        TEST(near_the_limit_the_slow_make_room_before_it_is_wanted),
        TEST(a_server_stops_with_what_is_being_sent),
    };

    return cmocka_run_group_tests(tests, warm_up, NULL);
}
