/* The last events of a stream: http/history.c. */
#include "test.h"

#include <stdio.h>

#include "base/mem.h"
#include "http/history.h"

static const struct http_history_limits wide = {.events = 1000, .bytes = 1 << 20, .age_ms = 1000000};

static enum err add(struct http_history *h, const struct http_history_limits *limits, const char *text,
                    uint64_t now_ms)
{
    return http_history_add(h, limits, "e", slice_of_str(text), now_ms);
}

static void add_many(struct http_history *h, const struct http_history_limits *limits, unsigned n)
{
    char text[16];

    for (unsigned i = 0; i < n; i++) {
        snprintf(text, sizeof text, "%u", i);
        assert_int_equal(add(h, limits, text, 0), ERR_NONE);
    }
}

static void assert_event(struct http_history *h, uint64_t seq, const char *text)
{
    struct http_event *e = NULL;
    uint64_t lost = 0;

    assert_int_equal(http_history_take(h, &e, &lost), HTTP_TAKEN_EVENT);
    assert_int_equal(e->seq, seq);
    assert_string_equal(e->name, "e");
    assert_true(slice_eq_str(slice_of(e->data, e->len), text));
    http_event_release(e);
}

static void assert_gap(struct http_history *h, uint64_t want)
{
    struct http_event *e = NULL;
    uint64_t lost = 0;

    assert_int_equal(http_history_take(h, &e, &lost), HTTP_TAKEN_GAP);
    assert_int_equal(lost, want);
    assert_null(e);
}

static void assert_nothing(struct http_history *h)
{
    struct http_event *e = NULL;
    uint64_t lost = 0;

    assert_int_equal(http_history_take(h, &e, &lost), HTTP_TAKEN_NOTHING);
}

static void events_are_taken_in_order_once(void **state)
{
    struct http_history h;

    (void)state;
    http_history_init(&h);
    assert_nothing(&h);
    add_many(&h, &wide, 2);
    assert_int_equal(h.unread, 2);
    assert_event(&h, 1, "0");
    assert_event(&h, 2, "1");
    assert_nothing(&h);
    assert_int_equal(h.unread, 0);
    add_many(&h, &wide, 1);
    assert_event(&h, 3, "0");
    assert_nothing(&h);
    assert_int_equal(h.count, 3); /* still there for who comes back */
    assert_int_equal(h.missed, 0);
    http_history_fini(&h);
    assert_int_equal(h.bytes, 0);
}

static void too_many_events_push_out_the_oldest_and_leave_a_gap_in_their_place(void **state)
{
    const struct http_history_limits three = {.events = 3, .bytes = 1 << 20, .age_ms = 1000};
    struct http_history h;

    (void)state;
    http_history_init(&h);
    add_many(&h, &three, 10);
    assert_int_equal(h.count, 3);
    assert_int_equal(h.missed, 7);
    assert_gap(&h, 7);
    assert_int_equal(h.taken_seq, 7);
    assert_event(&h, 8, "7");
    add_many(&h, &three, 2); /* pushes out 8, which was taken, and 9, which was not */
    assert_gap(&h, 1);
    assert_event(&h, 10, "9");
    assert_event(&h, 11, "0");
    assert_event(&h, 12, "1");
    assert_nothing(&h);
    assert_int_equal(h.missed, 8);
    http_history_fini(&h);
}

static void bytes_are_bounded_with_what_is_needed_to_keep_them(void **state)
{
    const struct http_history_limits two = {
        .events = 1000, .bytes = 2 * (sizeof(struct http_event) + 10), .age_ms = 1000};
    struct http_history h;

    (void)state;
    http_history_init(&h);
    assert_int_equal(add(&h, &two, "0123456789", 0), ERR_NONE);
    assert_int_equal(add(&h, &two, "1123456789", 0), ERR_NONE);
    assert_int_equal(h.bytes, two.bytes);
    assert_int_equal(add(&h, &two, "2", 0), ERR_NONE);
    assert_int_equal(h.count, 2);
    assert_gap(&h, 1);
    assert_event(&h, 2, "1123456789");
    assert_event(&h, 3, "2");
    http_history_fini(&h);
}

static void an_event_that_does_not_fit_alone_is_a_gap_and_pushes_nothing_out(void **state)
{
    const struct http_history_limits small = {
        .events = 9, .bytes = 2 * (sizeof(struct http_event) + 5), .age_ms = 1000};
    const struct http_history_limits exact = {
        .events = 9, .bytes = sizeof(struct http_event) + 5, .age_ms = 1000};
    struct http_history h;
    char large[4096];

    (void)state;
    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    http_history_init(&h);
    assert_int_equal(add(&h, &small, "1", 0), ERR_NONE);
    assert_int_equal(add(&h, &small, large, 0), ERR_TOO_LARGE);
    assert_int_equal(add(&h, &small, "3", 0), ERR_NONE);
    assert_event(&h, 1, "1");
    assert_gap(&h, 1);
    assert_event(&h, 3, "3");
    assert_int_equal(add(&h, &small, large, 0), ERR_TOO_LARGE);
    assert_gap(&h, 1); /* at the end too, before anything else comes */
    assert_nothing(&h);
    assert_int_equal(add(&h, &exact, "12345", 0), ERR_NONE);
    assert_int_equal(h.count, 1);
    assert_int_equal(add(&h, &exact, "123456", 0), ERR_TOO_LARGE);
    http_history_fini(&h);
}

static void old_events_go(void **state)
{
    const struct http_history_limits brief = {.events = 9, .bytes = 1 << 20, .age_ms = 100};
    struct http_history h;

    (void)state;
    http_history_init(&h);
    assert_int_equal(add(&h, &brief, "a", 1000), ERR_NONE);
    assert_int_equal(add(&h, &brief, "b", 1050), ERR_NONE);
    http_history_trim(&h, &brief, 1100);
    assert_int_equal(h.count, 2);
    http_history_trim(&h, &brief, 1101);
    assert_int_equal(h.count, 1);
    assert_int_equal(add(&h, &brief, "c", 1200), ERR_NONE);
    assert_gap(&h, 2);
    assert_event(&h, 3, "c");
    http_history_trim(&h, &brief, 5000);
    assert_int_equal(h.count, 0);
    assert_nothing(&h); /* what has been taken is not missed */
    assert_int_equal(h.missed, 2);
    http_history_fini(&h);
}

static void a_reader_may_go_back_and_begins_anywhere(void **state)
{
    const struct http_history_limits three = {.events = 3, .bytes = 1 << 20, .age_ms = 1000};
    struct http_history h;

    (void)state;
    http_history_init(&h);
    assert_true(http_history_seek(&h, 0));
    assert_false(http_history_seek(&h, 1));
    add_many(&h, &three, 5);
    for (unsigned i = 0; i < 4; i++) {
        struct http_event *e = NULL;
        uint64_t lost;

        assert_int_equal(http_history_take(&h, &e, &lost), i ? HTTP_TAKEN_EVENT : HTTP_TAKEN_GAP);
        http_event_release(e);
    }
    assert_int_equal(h.read_seq, 5);
    assert_true(http_history_seek(&h, 3));
    assert_event(&h, 4, "3");
    assert_int_equal(h.read_seq, 5);
    assert_true(http_history_seek(&h, 0));
    assert_gap(&h, 2);
    assert_event(&h, 3, "2");
    assert_true(http_history_seek(&h, 5));
    assert_nothing(&h);
    assert_false(http_history_seek(&h, 6));
    assert_nothing(&h);
    assert_int_equal(http_history_floor(&h), 2);
    assert_true(http_history_seek(&h, http_history_floor(&h)));
    assert_event(&h, 3, "2");
    assert_int_equal(h.missed, 2); /* reading again misses nothing again */
    http_history_fini(&h);
}

static void an_event_that_is_being_sent_outlives_its_history(void **state)
{
    const struct http_history_limits one = {.events = 1, .bytes = 1 << 20, .age_ms = 1000};
    struct http_history h;
    struct http_event *e = NULL;
    uint64_t lost;

    (void)state;
    http_history_init(&h);
    assert_int_equal(add(&h, &one, "first", 0), ERR_NONE);
    assert_int_equal(http_history_take(&h, &e, &lost), HTTP_TAKEN_EVENT);
    assert_int_equal(add(&h, &one, "second", 0), ERR_NONE);
    http_history_fini(&h);
    assert_true(slice_eq_str(slice_of(e->data, e->len), "first"));
    http_event_release(e);
}

static void an_event_without_memory_is_a_gap(void **state)
{
    struct http_history h;

    (void)state;
    http_history_init(&h);
    mem_fail_from(1);
    assert_int_equal(add(&h, &wide, "a", 0), ERR_NOMEM);
    mem_fail_from(0);
    assert_int_equal(add(&h, &wide, "b", 0), ERR_NONE);
    assert_gap(&h, 1);
    assert_event(&h, 2, "b");
    assert_int_equal(h.missed, 1);
    http_history_fini(&h);
}

/* Whatever comes and goes: what a reader is given and what he is told he lost make up all that came. */
static void nothing_is_lost_without_being_counted(void **state)
{
    const struct http_history_limits tight = {.events = 7, .bytes = 900, .age_ms = 40};
    uint64_t told = 0, now = 0, came = 0, last = 0;
    uint32_t seed = 1;
    struct http_history h;
    char text[256];

    (void)state;
    http_history_init(&h);
    memset(text, 'x', sizeof text);
    for (int i = 0; i < 100000; i++) {
        struct http_event *e = NULL;
        uint64_t lost = 0;

        seed = seed * 1664525 + 1013904223;
        now += (seed >> 28);
        if ((seed >> 16) % 3) {
            size_t len = (seed >> 8) % 50 == 0 ? 1000 : (seed >> 8) % sizeof text;

            if (len < sizeof text)
                (void)!http_history_add(&h, &tight, "e", slice_of(text, len), now);
            else
                (void)!http_history_add(&h, &(struct http_history_limits){7, 10, 40}, "e", slice_of(text, 9),
                                        now);
            came++;
            continue;
        }
        switch (http_history_take(&h, &e, &lost)) {
        case HTTP_TAKEN_GAP:
            assert_true(lost > 0);
            told += lost;
            last += lost;
            break;
        case HTTP_TAKEN_EVENT:
            assert_int_equal(e->seq, last + 1);
            told++;
            last++;
            http_event_release(e);
            break;
        case HTTP_TAKEN_NOTHING: assert_int_equal(told, came); break;
        }
        assert_int_equal(h.taken_seq, last);
        assert_true(h.bytes <= tight.bytes && h.count <= tight.events);
    }
    http_history_fini(&h);
    assert_int_equal(h.bytes, 0);
    assert_int_equal(h.unread, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_are_taken_in_order_once),
        cmocka_unit_test(too_many_events_push_out_the_oldest_and_leave_a_gap_in_their_place),
        cmocka_unit_test(bytes_are_bounded_with_what_is_needed_to_keep_them),
        cmocka_unit_test(an_event_that_does_not_fit_alone_is_a_gap_and_pushes_nothing_out),
        cmocka_unit_test(old_events_go),
        cmocka_unit_test(a_reader_may_go_back_and_begins_anywhere),
        cmocka_unit_test(an_event_that_is_being_sent_outlives_its_history),
        cmocka_unit_test(an_event_without_memory_is_a_gap),
        cmocka_unit_test(nothing_is_lost_without_being_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
