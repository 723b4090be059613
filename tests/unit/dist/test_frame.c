#include "tools.h"

#include "dist/frame.h"

static void put(struct dist_in *in, const void *p, size_t n)
{
    const uint8_t *from = p;

    while (n > 0) {
        size_t room;
        enum err e = ERR_NONE;
        uint8_t *at = dist_in_room(in, 1 << 20, &room, &e);

        assert_non_null(at);
        if (room > n)
            room = n;
        memcpy(at, from, room);
        dist_in_received(in, room);
        from += room;
        n -= room;
    }
}

static void a_frame_is_given_out_once_its_last_byte_is_there(void **state)
{
    struct dist_in in;
    struct slice frame;
    (void)state;

    dist_in_init(&in);
    put(&in, "\0\0\0", 3);
    assert_int_equal(dist_in_frame(&in, 4, 100, &frame), ERR_MORE);
    put(&in, "\3ab", 3);
    assert_int_equal(dist_in_frame(&in, 4, 100, &frame), ERR_MORE);
    put(&in, "c\0\0\0\0\0\1xrest", 12);
    assert_ok(dist_in_frame(&in, 4, 100, &frame));
    assert_slice_str(frame, "abc");
    assert_ok(dist_in_frame(&in, 4, 100, &frame));
    assert_int_equal(frame.len, 0);
    assert_ok(dist_in_frame(&in, 2, 100, &frame));
    assert_slice_str(frame, "x");
    assert_int_equal(dist_in_frame(&in, 4, 1 << 30, &frame), ERR_TOO_LARGE); /* "rest" is a length */
    dist_in_fini(&in);
}

static void a_length_over_the_limit_is_refused_before_a_body_comes(void **state)
{
    struct dist_in in;
    struct slice frame;
    (void)state;

    dist_in_init(&in);
    put(&in, "\0\0\0\x65", 4);
    assert_int_equal(dist_in_frame(&in, 4, 100, &frame), ERR_TOO_LARGE);
    dist_in_fini(&in);
}

static void a_claimed_length_allocates_nothing_that_has_not_been_paid_for(void **state)
{
    struct dist_in in;
    struct slice frame;
    uint8_t *body = calloc(1, 200000);
    size_t room, sent = 0;
    enum err e = ERR_NONE;
    (void)state;

    dist_in_init(&in);
    put(&in, "\0\3\x0d\x40", 4); /* 200,000 */
    assert_int_equal(dist_in_frame(&in, 4, 1 << 30, &frame), ERR_MORE);
    assert_non_null(dist_in_room(&in, 1 << 30, &room, &e));
    assert_true(in.cap <= 4096);
    while (sent < 200000) {
        size_t n = 200000 - sent < 1000 ? 200000 - sent : 1000;

        put(&in, body, n);
        sent += n;
        if (sent < 200000)
            assert_int_equal(dist_in_frame(&in, 4, 1 << 30, &frame), ERR_MORE);
        assert_true(in.cap <= (1 << 16) || in.cap <= 4 * (sent + 4));
    }
    assert_ok(dist_in_frame(&in, 4, 1 << 30, &frame));
    assert_int_equal(frame.len, 200000);
    free(body);
    dist_in_fini(&in);
}

static void a_buffer_full_of_frames_that_nobody_takes_is_overloaded(void **state)
{
    struct dist_in in;
    enum err e = ERR_NONE;
    size_t room = 0;
    uint8_t *at;
    (void)state;

    dist_in_init(&in);
    while ((at = dist_in_room(&in, 10000, &room, &e))) {
        memset(at, 0, room);
        dist_in_received(&in, room);
    }
    assert_int_equal(e, ERR_OVERLOADED);
    assert_int_equal(in.end, 10000);
    dist_in_fini(&in);
}

static void a_buffer_that_was_large_is_given_back(void **state)
{
    struct dist_in in;
    struct slice frame;
    uint8_t *body = calloc(1, 600000);
    size_t room;
    enum err e = ERR_NONE;
    (void)state;

    dist_in_init(&in);
    put(&in, "\0\x09\x27\xc0", 4); /* 600,000 */
    put(&in, body, 600000);
    assert_ok(dist_in_frame(&in, 4, 1 << 30, &frame));
    assert_true(in.cap >= 600004);
    assert_non_null(dist_in_room(&in, 1 << 30, &room, &e));
    assert_true(in.cap <= 1 << 16);
    free(body);
    dist_in_fini(&in);
}

static void no_memory_for_room_is_said(void **state)
{
    struct dist_in in;
    enum err e = ERR_NONE;
    size_t room;
    (void)state;

    dist_in_init(&in);
    mem_fail_from(1);
    assert_null(dist_in_room(&in, 1000, &room, &e));
    mem_fail_from(0);
    assert_int_equal(e, ERR_NOMEM);
    dist_in_fini(&in);
}

static void what_belongs_together_is_queued_whole_or_not_at_all(void **state)
{
    struct dist_out out;
    struct wr *w;
    size_t mark;
    char large[5000] = {0};
    (void)state;

    dist_out_init(&out);
    w = dist_out_open(&out);
    mark = dist_out_mark(&out);
    wr_str(w, "first");
    assert_ok(dist_out_close(&out, mark));
    w = dist_out_open(&out);
    mark = dist_out_mark(&out);
    wr_str(w, "second");
    mem_fail_from(1);
    wr_reserve(w, 2);
    wr_bytes(w, large, sizeof large);
    mem_fail_from(0);
    assert_int_equal(dist_out_close(&out, mark), ERR_NOMEM);
    assert_slice_str(dist_out_pending(&out), "first");
    w = dist_out_open(&out);
    mark = dist_out_mark(&out);
    wr_str(w, "+third");
    assert_ok(dist_out_close(&out, mark));
    assert_slice_str(dist_out_pending(&out), "first+third");
    dist_out_sent(&out, 6);
    assert_slice_str(dist_out_pending(&out), "third");
    w = dist_out_open(&out);
    wr_str(w, "!");
    assert_slice_str(dist_out_pending(&out), "third!");
    dist_out_sent(&out, 6);
    assert_int_equal(dist_out_pending(&out).len, 0);
    dist_out_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_is_given_out_once_its_last_byte_is_there),
        cmocka_unit_test(a_length_over_the_limit_is_refused_before_a_body_comes),
        cmocka_unit_test(a_claimed_length_allocates_nothing_that_has_not_been_paid_for),
        cmocka_unit_test(a_buffer_full_of_frames_that_nobody_takes_is_overloaded),
        cmocka_unit_test(a_buffer_that_was_large_is_given_back),
        cmocka_unit_test(no_memory_for_room_is_said),
        cmocka_unit_test(what_belongs_together_is_queued_whole_or_not_at_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
