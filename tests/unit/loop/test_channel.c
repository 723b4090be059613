#include "loop/channel.h"

#include <pthread.h>

#include "base/mem.h"
#include "test.h"

enum { MESSAGES = 50000, BATCH = 37, ROOM = 1 << 16 };

/* The receiver: a thread with a loop of its own. */
struct receiver {
    struct loop *loop;
    struct channel *channel;
    uint64_t next;
    bool is_wrong;
};

enum kind { KIND_COUNT = 3, KIND_END = 4 };

/* A number, and as many bytes of its last octet as the number's remainder says. */
static void came(void *ctx, unsigned kind, struct slice body)
{
    struct receiver *r = ctx;
    uint64_t n;

    if (kind == KIND_END) {
        loop_stop(r->loop);
        return;
    }
    r->is_wrong = r->is_wrong || kind != KIND_COUNT || (uintptr_t)body.ptr % 8 != 0 || body.len < sizeof n;
    memcpy(&n, body.ptr, sizeof n);
    r->is_wrong = r->is_wrong || n != r->next || body.len != sizeof n + n % 100;
    for (size_t i = sizeof n; i < body.len; i++)
        r->is_wrong = r->is_wrong || body.ptr[i] != (uint8_t)n;
    r->next++;
}

static void *receive(void *arg)
{
    struct receiver *r = arg;

    loop_run(r->loop);
    return NULL;
}

static bool send_number(struct channel *c, uint64_t n)
{
    uint8_t bytes[100];

    memset(bytes, (uint8_t)n, sizeof bytes);
    return channel_send(c, KIND_COUNT, &n, sizeof n, slice_of(bytes, n % 100));
}

static void messages_come_once_and_in_order(void **state)
{
    struct receiver r = {.loop = loop_new()};
    struct channel *c;
    pthread_t thread;

    (void)state;
    assert_non_null(r.loop);
    c = r.channel = channel_new(r.loop, ROOM, came, NULL, &r);
    assert_non_null(c);
    assert_int_equal(pthread_create(&thread, NULL, receive, &r), 0);
    for (uint64_t n = 0; n < MESSAGES; n++) {
        assert_true(send_number(c, n));
        if (n % BATCH == 0)
            channel_flush(c);
    }
    assert_true(channel_send(c, KIND_END, NULL, 0, (struct slice){0}));
    channel_flush(c);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(r.next, MESSAGES);
    assert_false(r.is_wrong);
    channel_free(c);
    loop_free(r.loop);
}

static void a_message_that_is_not_whole_is_not_sent(void **state)
{
    struct receiver r = {.loop = loop_new()};
    struct wr *w;

    (void)state;
    r.channel = channel_new(r.loop, ROOM, came, NULL, &r);
    assert_true(send_number(r.channel, 0));
    w = channel_begin(r.channel, KIND_COUNT);
    assert_non_null(w);
    wr_str(w, "abc");
    wr_fail(w, ERR_NOMEM);
    assert_false(channel_end(r.channel));
    assert_true(send_number(r.channel, 1));
    channel_flush(r.channel);
    loop_turn(r.loop, 0);
    assert_int_equal(r.next, 2);
    assert_false(r.is_wrong);
    channel_free(r.channel);
    loop_free(r.loop);
}

static void it_says_when_it_is_full(void **state)
{
    struct receiver r = {.loop = loop_new()};
    uint64_t n = 0;

    (void)state;
    r.channel = channel_new(r.loop, ROOM, came, NULL, &r);
    while (!channel_is_full(r.channel) && n < ROOM) {
        assert_true(send_number(r.channel, n++));
        if (n % BATCH == 0)
            channel_flush(r.channel);
    }
    assert_in_range(n, ROOM / 108, ROOM / 16);
    assert_true(send_number(r.channel, n++)); /* one that cannot be refused */
    channel_flush(r.channel);
    loop_turn(r.loop, 0);
    assert_int_equal(r.next, n);
    assert_false(channel_is_full(r.channel));
    channel_free(r.channel);
    loop_free(r.loop);
}

static void what_was_flushed_is_drained(void **state)
{
    struct receiver r = {.loop = loop_new()};

    (void)state;
    r.channel = channel_new(r.loop, ROOM, came, NULL, &r);
    for (uint64_t n = 0; n < 3; n++)
        assert_true(send_number(r.channel, n));
    channel_drain(r.channel);
    assert_int_equal(r.next, 0);
    channel_flush(r.channel);
    channel_drain(r.channel);
    assert_int_equal(r.next, 3);
    assert_true(send_number(r.channel, 3)); /* and never flushed */
    channel_free(r.channel);
    loop_free(r.loop);
}

/* Each buffer goes round once and more. Between turns something too long is tried, and is not sent. */
static void without_memory_what_is_short_goes_over(void **state)
{
    enum { TURNS = 7, MESSAGES_A_TURN = CHANNEL_SURE_BYTES / 256, TOO_LONG = 2 * CHANNEL_SURE_BYTES };
    struct receiver r = {.loop = loop_new()};
    uint8_t *bytes = mem_zalloc(TOO_LONG);
    uint64_t n = 0;

    (void)state;
    r.channel = channel_new(r.loop, ROOM, came, NULL, &r);
    assert_non_null(bytes);
    mem_fail_from(1);
    for (int turn = 0; turn < TURNS; turn++) {
        for (int i = 0; i < MESSAGES_A_TURN; i++)
            assert_true(send_number(r.channel, n++));
        assert_false(channel_send(r.channel, KIND_COUNT, NULL, 0, slice_of(bytes, TOO_LONG)));
        assert_true(send_number(r.channel, n++));
        channel_flush(r.channel);
        loop_turn(r.loop, 0);
        assert_int_equal(r.next, n);
    }
    mem_fail_from(0);
    assert_false(r.is_wrong);
    mem_free(bytes);
    channel_free(r.channel);
    loop_free(r.loop);
}

static void a_long_batch_leaves_room_that_is_sure(void **state)
{
    enum { LONG = 2 << 20 };
    struct receiver r = {.loop = loop_new()};
    uint8_t *bytes = mem_zalloc(LONG);

    (void)state;
    r.channel = channel_new(r.loop, ROOM, came, NULL, &r);
    assert_non_null(bytes);
    for (int turn = 0; turn < 3; turn++) {
        r.next = 0;
        assert_true(channel_send(r.channel, KIND_COUNT, NULL, 0, slice_of(bytes, LONG)));
        channel_flush(r.channel);
        loop_turn(r.loop, 0);
        r.is_wrong = false;
        mem_fail_from(1);
        for (r.next = 0; r.next < 3;) {
            assert_true(send_number(r.channel, r.next));
            channel_flush(r.channel);
            loop_turn(r.loop, 0);
        }
        mem_fail_from(0);
        assert_false(r.is_wrong);
    }
    mem_free(bytes);
    channel_free(r.channel);
    loop_free(r.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_come_once_and_in_order),
        cmocka_unit_test(a_message_that_is_not_whole_is_not_sent),
        cmocka_unit_test(it_says_when_it_is_full),
        cmocka_unit_test(what_was_flushed_is_drained),
        cmocka_unit_test(without_memory_what_is_short_goes_over),
        cmocka_unit_test(a_long_batch_leaves_room_that_is_sure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
