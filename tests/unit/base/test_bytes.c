#include "base/mem.h"
#include "base/rd.h"
#include "base/wr.h"
#include "test.h"

static void reading_past_the_end_fails_once_and_gives_zeroes(void **state)
{
    struct rd r = rd_of(SLICE("\x01\x02\x03"));

    (void)state;
    assert_int_equal(rd_be16(&r), 0x0102);
    assert_int_equal(rd_be16(&r), 0);
    assert_int_equal(r.err, ERR_MORE);
    assert_int_equal(r.err_offset, 2);
    assert_int_equal(rd_u8(&r), 0);
    assert_int_equal(r.err_offset, 2);
    assert_false(rd_done(&r));
}

static void a_carved_child_knows_its_own_end_and_its_parents_offsets(void **state)
{
    struct rd r = rd_of(SLICE("abcdef")), child;

    (void)state;
    rd_skip(&r, 2);
    child = rd_carve(&r, 3);
    assert_int_equal(rd_left(&child), 3);
    assert_int_equal(rd_offset(&child), 2);
    rd_skip(&child, 4);
    assert_int_equal(child.err, ERR_MORE);
    assert_int_equal(rd_u8(&r), 'f');
    assert_true(rd_done(&r));
    child = rd_carve(&r, 1);
    assert_false(rd_ok(&child));
}

static void a_writer_stops_at_its_ceiling_and_stays_stopped(void **state)
{
    struct wr w;

    (void)state;
    wr_init(&w, 5);
    wr_be32(&w, 1);
    wr_be16(&w, 2);
    assert_int_equal(w.err, ERR_TOO_LARGE);
    wr_u8(&w, 3);
    assert_int_equal(w.len, 4);
    wr_reset(&w);
    wr_str(&w, "12345");
    assert_true(wr_ok(&w));
    wr_fini(&w);
}

static void printing_fills_the_last_byte_below_the_ceiling(void **state)
{
    struct wr w;

    (void)state;
    wr_init(&w, 5);
    wr_printf(&w, "%d", 12345);
    assert_true(wr_ok(&w));
    assert_memory_equal(w.buf, "12345", 5);
    wr_printf(&w, "%d", 6);
    assert_int_equal(w.err, ERR_TOO_LARGE);
    wr_fini(&w);
}

static void a_reservation_is_patched_once(void **state)
{
    struct wr w;
    size_t at, len;
    uint8_t *buf;

    (void)state;
    wr_init(&w, SIZE_MAX);
    at = wr_reserve(&w, 4);
    wr_str(&w, "x");
    wr_patch_be32(&w, at, 1);
    buf = wr_take(&w, &len);
    assert_int_equal(len, 5);
    assert_memory_equal(buf, "\0\0\0\1x", 5);
    mem_free(buf);
}

static void a_failed_allocation_is_kept(void **state)
{
    struct wr w;

    (void)state;
    wr_init(&w, SIZE_MAX);
    mem_fail_from(1);
    wr_u8(&w, 1);
    mem_fail_from(0);
    wr_u8(&w, 1);
    assert_int_equal(w.err, ERR_NOMEM);
    assert_int_equal(w.len, 0);
    wr_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reading_past_the_end_fails_once_and_gives_zeroes),
        cmocka_unit_test(a_carved_child_knows_its_own_end_and_its_parents_offsets),
        cmocka_unit_test(a_writer_stops_at_its_ceiling_and_stays_stopped),
        cmocka_unit_test(printing_fills_the_last_byte_below_the_ceiling),
        cmocka_unit_test(a_reservation_is_patched_once),
        cmocka_unit_test(a_failed_allocation_is_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
