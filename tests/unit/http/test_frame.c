/* What a stream says, on the wire: http/frame.c. */
#include "test.h"

#include <stdlib.h>

#include "base/wr.h"
#include "http/frame.h"

#define EPOCH "000102030405060708090a0b0c0d0e0f"

static struct http_frame frame_of(enum http_piece piece, bool is_ndjson)
{
    struct http_frame f = {.piece = piece, .is_ndjson = is_ndjson, .seq = 7, .lost = 3, .retry_ms = 2500};

    for (uint8_t i = 0; i < HTTP_EPOCH_LEN; i++)
        f.epoch[i] = i;
    return f;
}

/* Whole, and in parts of each size. */
static void assert_frame(const struct http_frame *f, const char *want)
{
    uint8_t out[512];
    bool is_done = false;
    size_t len = http_frame_copy(f, 0, out, sizeof out, &is_done);

    assert_true(is_done);
    assert_int_equal(len, strlen(want));
    assert_memory_equal(out, want, len);
    for (size_t part = 1; part < len; part++) {
        size_t at = 0;

        for (is_done = false; !is_done;) {
            size_t n = http_frame_copy(f, at, out, part, &is_done);

            assert_true(n > 0 && n <= part);
            assert_memory_equal(out, want + at, n);
            at += n;
            assert_int_equal(is_done, at == len);
        }
        assert_int_equal(at, len);
    }
}

static void events_look_as_the_contract_says(void **state)
{
    union {
        struct http_event event;
        uint8_t room[sizeof(struct http_event) + 32];
    } u = {.event = {.seq = 18446744073709551615U, .name = "down", .len = 15}};
    struct http_frame f;

    (void)state;
    memcpy(u.event.data, "{\"reason\":\"x\"} ", 15);
    f = frame_of(HTTP_PIECE_EVENT, false);
    f.event = &u.event;
    assert_frame(&f, "event: down\nid: " EPOCH "-18446744073709551615\ndata: {\"reason\":\"x\"} \n\n");
    f.is_ndjson = true;
    assert_frame(&f, "{\"event\":\"down\",\"id\":\"" EPOCH
                     "-18446744073709551615\",\"data\":{\"reason\":\"x\"} }\n");
}

static void the_first_thing_is_ok_and_retry(void **state)
{
    struct http_frame f = frame_of(HTTP_PIECE_OPEN, false);

    (void)state;
    assert_frame(&f, ":ok\nretry: 2500\n\n");
    f.is_ndjson = true;
    assert_frame(&f, "{\"event\":\"ping\",\"retry\":2500,\"data\":{}}\n");
}

static void gaps_say_how_many_if_that_is_known(void **state)
{
    struct http_frame f = frame_of(HTTP_PIECE_GAP, false);

    (void)state;
    assert_frame(&f, "event: gap\nid: " EPOCH "-7\ndata: {\"lost\":3}\n\n");
    f.lost = UINT64_MAX;
    assert_frame(&f, "event: gap\nid: " EPOCH "-7\ndata: {\"lost\":null}\n\n");
    f.is_ndjson = true;
    assert_frame(&f, "{\"event\":\"gap\",\"id\":\"" EPOCH "-7\",\"data\":{\"lost\":null}}\n");
}

static void pings_are_comments_or_events_and_always_json_in_ndjson(void **state)
{
    struct http_frame f = frame_of(HTTP_PIECE_PING, false);

    (void)state;
    assert_frame(&f, ":\n\n");
    f.is_ping_event = true;
    assert_frame(&f, "event: ping\ndata: {}\n\n");
    f.is_ndjson = true;
    assert_frame(&f, "{\"event\":\"ping\",\"data\":{}}\n");
    f.is_ping_event = false;
    assert_frame(&f, "{\"event\":\"ping\",\"data\":{}}\n");
}

static void bye_says_when_to_come_back(void **state)
{
    struct http_frame f = frame_of(HTTP_PIECE_BYE, false);

    (void)state;
    assert_frame(&f, "event: bye\nid: " EPOCH "-7\nretry: 2500\ndata: {}\n\n");
    f.is_ndjson = true;
    assert_frame(&f, "{\"event\":\"bye\",\"id\":\"" EPOCH "-7\",\"retry\":2500,\"data\":{}}\n");
}

static void ids_are_read_back(void **state)
{
    static const char *const bad[] = {
        "",
        "-",
        "7",
        EPOCH,
        EPOCH "-",
        EPOCH "-x",
        EPOCH "-7x",
        EPOCH "--7",
        EPOCH "-7 ",
        EPOCH ":7",
        "g00102030405060708090a0b0c0d0e0f-7",
        "00102030405060708090a0b0c0d0e0f-7",
        EPOCH "0-7",
    };
    uint8_t epoch[HTTP_EPOCH_LEN];
    uint64_t seq = 0;

    (void)state;
    assert_true(http_event_id_read(slice_of_str(EPOCH "-18446744073709551615"), epoch, &seq));
    assert_true(seq == UINT64_MAX);
    for (uint8_t i = 0; i < HTTP_EPOCH_LEN; i++)
        assert_int_equal(epoch[i], i);
    assert_true(http_event_id_read(slice_of_str("000102030405060708090A0B0C0D0E0F-0"), epoch, &seq));
    assert_int_equal(seq, 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(http_event_id_read(slice_of_str(bad[i]), epoch, &seq));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_look_as_the_contract_says),
        cmocka_unit_test(the_first_thing_is_ok_and_retry),
        cmocka_unit_test(gaps_say_how_many_if_that_is_known),
        cmocka_unit_test(pings_are_comments_or_events_and_always_json_in_ndjson),
        cmocka_unit_test(bye_says_when_to_come_back),
        cmocka_unit_test(ids_are_read_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
