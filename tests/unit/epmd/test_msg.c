#include "epmd/msg.h"

#include "test.h"

#include "guard.h"

#define BYTES(s) slice_of("" s, sizeof(s) - 1)

static const struct epmd_entry plain = {
    .name = SLICE_LIT("kv"),
    .port = 0x1234,
    .type = EPMD_TYPE_NORMAL,
    .protocol = EPMD_PROTOCOL_TCP_IPV4,
    .highest = 6,
    .lowest = 5,
    .extra = SLICE_LIT("\0x"),
};

static void assert_slice(struct slice got, struct slice want)
{
    assert_int_equal(got.len, want.len);
    if (want.len)
        assert_memory_equal(got.ptr, want.ptr, want.len);
}

static void assert_entry(const struct epmd_entry *got, const struct epmd_entry *want)
{
    assert_slice(got->name, want->name);
    assert_slice(got->extra, want->extra);
    assert_int_equal(got->port, want->port);
    assert_int_equal(got->type, want->type);
    assert_int_equal(got->protocol, want->protocol);
    assert_int_equal(got->highest, want->highest);
    assert_int_equal(got->lowest, want->lowest);
}

static enum err read_body(struct slice body, struct epmd_request *ret)
{
    struct guard g = guard_of(body);
    const char *text = NULL;
    enum err e = epmd_request_read(g.bytes, ret, &text);

    assert_true(e == ERR_NONE || text);
    guard_free(&g);
    return e;
}

static void repeat(struct wr *w, const char *s, size_t times)
{
    while (times--)
        wr_str(w, s);
}

/* The body of an ALIVE2_REQ with this name. */
static void alive2(struct wr *w, struct slice name)
{
    struct epmd_request req = {.tag = EPMD_ALIVE2_REQ, .entry = plain};

    req.entry.name = name;
    req.entry.extra = (struct slice){0};
    wr_init(w, SIZE_MAX);
    epmd_request_write(w, &req);
}

static struct slice body_of(const struct wr *w)
{
    return slice_of(w->buf + EPMD_LENGTH_BYTES, w->len - EPMD_LENGTH_BYTES);
}

static void requests_stand_on_the_wire_as_the_protocol_draws_them(void **state)
{
    const struct {
        struct epmd_request req;
        struct slice bytes;
    } cases[] = {
        {{.tag = EPMD_ALIVE2_REQ, .entry = plain},
         SLICE_LIT("\0\x11"
                   "x\x12\x34\x4d\0\0\x06\0\x05\0\x02kv\0\x02\0x")},
        {{.tag = EPMD_PORT2_REQ, .entry = {.name = SLICE_LIT("kv")}}, SLICE_LIT("\0\x03zkv")},
        {{.tag = EPMD_STOP_REQ, .entry = {.name = SLICE_LIT("kv")}}, SLICE_LIT("\0\x03skv")},
        {{.tag = EPMD_NAMES_REQ}, SLICE_LIT("\0\x01n")},
        {{.tag = EPMD_DUMP_REQ},
         SLICE_LIT("\0\x01"
                   "d")},
        {{.tag = EPMD_KILL_REQ}, SLICE_LIT("\0\x01k")},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct epmd_request req;
        struct guard g;
        struct wr w;

        wr_init(&w, SIZE_MAX);
        epmd_request_write(&w, &cases[i].req);
        assert_true(wr_ok(&w));
        assert_int_equal(w.open, 0);
        assert_slice(wr_written(&w), cases[i].bytes);
        g = guard_of(body_of(&w));
        assert_int_equal(epmd_request_read(g.bytes, &req, NULL), ERR_NONE);
        assert_int_equal(req.tag, cases[i].req.tag);
        assert_entry(&req.entry, &cases[i].req.entry);
        guard_free(&g);
        wr_fini(&w);
    }
}

static void an_alive2_request_cut_anywhere_is_malformed(void **state)
{
    struct epmd_request req = {.tag = EPMD_ALIVE2_REQ, .entry = plain}, got;
    struct wr w;

    (void)state;
    wr_init(&w, SIZE_MAX);
    epmd_request_write(&w, &req);
    for (size_t n = 0; n < body_of(&w).len; n++)
        assert_int_equal(read_body(slice_of(body_of(&w).ptr, n), &got), ERR_MALFORMED);
    wr_fini(&w);
}

static void an_alive2_request_may_have_bytes_after_its_extra(void **state)
{
    struct epmd_request got;
    struct wr w;

    (void)state;
    alive2(&w, SLICE("kv"));
    wr_str(&w, "more");
    assert_int_equal(read_body(body_of(&w), &got), ERR_NONE);
    wr_fini(&w);
}

static void lengths_that_lie_are_malformed(void **state)
{
    static const struct slice cases[] = {
        SLICE_LIT("x\0\1M\0\0\6\0\5\0\3ab\0\0"), /* the name eats the extra's length */
        SLICE_LIT("x\0\1M\0\0\6\0\5\xff\xff"
                  "ab\0\0"),                            /* a name of 65535 */
        SLICE_LIT("x\0\1M\0\0\6\0\5\0\2ab\0\1"),        /* extra that is not there */
        SLICE_LIT("x\0\1M\0\0\6\0\5\0\2ab\xff\xffxyz"), /* extra of 65535 */
    };
    struct epmd_request got;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(read_body(cases[i], &got), ERR_MALFORMED);
}

static void names_that_are_none_are_told_apart(void **state)
{
    static const struct {
        const char *name;
        size_t len;
        enum err want;
    } cases[] = {
        {"", 0, ERR_MALFORMED},
        {"a\0b", 3, ERR_MALFORMED},
        {"a\0", 2, ERR_MALFORMED},
        {"\xff", 1, ERR_INVALID},
        {"\xc3", 1, ERR_INVALID},
        {"\xed\xa0\x80", 3, ERR_INVALID},         /* a surrogate */
        {"\xc0\xaf", 2, ERR_INVALID},             /* longer than needed */
        {"a\nname b at port 1", 18, ERR_INVALID}, /* would be two in a list */
        {"\x1b[31m", 5, ERR_INVALID},
        {"a\x7f", 2, ERR_INVALID},
        {"\xc2\x9b", 2, ERR_INVALID}, /* a terminal's CSI */
        {"\xc2\xa0", 2, ERR_NONE},
        {"a b", 3, ERR_NONE},
        {"gr\xc3\xbc\xc3\x9f", 6, ERR_NONE},
        {"\xf0\x9f\x98\x88", 4, ERR_NONE},
    };
    struct epmd_request got;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct wr w;

        alive2(&w, slice_of(cases[i].name, cases[i].len));
        assert_int_equal(read_body(body_of(&w), &got), cases[i].want);
        wr_fini(&w);
    }
}

static void a_name_has_at_most_255_characters_however_many_bytes_each_has(void **state)
{
    static const char *const characters[] = {"a", "\xc3\xbc", "\xe2\x82\xac", "\xf0\x9f\x98\x88"};
    struct epmd_request got;

    (void)state;
    for (size_t i = 0; i < sizeof characters / sizeof *characters; i++) {
        for (size_t n = 254; n <= 256; n++) {
            struct wr name, w;

            wr_init(&name, SIZE_MAX);
            repeat(&name, characters[i], n);
            alive2(&w, wr_written(&name));
            assert_int_equal(epmd_name_is_valid(wr_written(&name)), n <= 255);
            assert_int_equal(read_body(body_of(&w), &got), n <= 255 ? ERR_NONE : ERR_TOO_LARGE);
            wr_fini(&w);
            wr_init(&w, SIZE_MAX);
            wr_u8(&w, EPMD_PORT2_REQ);
            wr_slice(&w, wr_written(&name));
            assert_int_equal(read_body(wr_written(&w), &got), n <= 255 ? ERR_NONE : ERR_MALFORMED);
            wr_fini(&w);
            wr_fini(&name);
        }
    }
}

static void a_lookup_may_end_its_name_with_one_nul(void **state)
{
    struct epmd_request got;
    struct guard g = guard_of(BYTES("zkv\0"));

    (void)state;
    assert_int_equal(epmd_request_read(g.bytes, &got, NULL), ERR_NONE);
    assert_slice(got.entry.name, SLICE("kv"));
    guard_free(&g);
    assert_int_equal(read_body(BYTES("zkv\0\0"), &got), ERR_MALFORMED);
    assert_int_equal(read_body(BYTES("zk\0v"), &got), ERR_MALFORMED);
    assert_int_equal(read_body(BYTES("z\0"), &got), ERR_MALFORMED);
    assert_int_equal(read_body(BYTES("z"), &got), ERR_MALFORMED);
    assert_int_equal(read_body(BYTES("z\xff"), &got), ERR_MALFORMED);
}

static void a_stop_request_ends_its_name_at_a_nul(void **state)
{
    struct epmd_request got;
    struct guard g = guard_of(BYTES("skv\0junk"));

    (void)state;
    assert_int_equal(epmd_request_read(g.bytes, &got, NULL), ERR_NONE);
    assert_slice(got.entry.name, SLICE("kv"));
    guard_free(&g);
    assert_int_equal(read_body(BYTES("s"), &got), ERR_MALFORMED);
}

static void every_other_tag_is_unsupported(void **state)
{
    struct epmd_request got;

    (void)state;
    for (int tag = 0; tag < 256; tag++) {
        uint8_t body[] = {(uint8_t)tag, 'k', 'v'};
        enum err e = read_body(slice_of(body, sizeof body), &got);

        if (memchr("dknszx", tag, 6) && tag)
            assert_int_equal(e, tag == 'x' ? ERR_MALFORMED : ERR_NONE);
        else
            assert_int_equal(e, ERR_UNSUPPORTED);
    }
    assert_int_equal(read_body((struct slice){0}, &got), ERR_MALFORMED);
}

static void a_request_that_no_epmd_takes_is_not_written(void **state)
{
    struct epmd_request req = {.tag = EPMD_PORT2_REQ};
    struct wr name, w;

    (void)state;
    wr_init(&name, SIZE_MAX);
    repeat(&name, "a", EPMD_REQUEST_MAX);
    req.entry.name = wr_written(&name);
    wr_init(&w, SIZE_MAX);
    epmd_request_write(&w, &req);
    assert_int_equal(w.err, ERR_TOO_LARGE);
    wr_reset(&w);
    req.entry.name.len--;
    epmd_request_write(&w, &req);
    assert_true(wr_ok(&w));
    wr_fini(&w);
    wr_fini(&name);
}

static void alive2_replies_come_in_both_widths(void **state)
{
    static const struct {
        struct epmd_alive2_reply reply;
        struct slice bytes;
    } cases[] = {
        {{.is_extended = true, .result = 0, .creation = 0x80000004}, SLICE_LIT("v\0\x80\0\0\4")},
        {{.is_extended = true, .result = 1, .creation = 99}, SLICE_LIT("v\1\0\0\0\x63")},
        {{.is_extended = false, .result = 0, .creation = 3}, SLICE_LIT("y\0\0\3")},
        {{.is_extended = false, .result = 1, .creation = 99}, SLICE_LIT("y\1\0\x63")},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct epmd_alive2_reply got;
        struct wr w;

        wr_init(&w, SIZE_MAX);
        epmd_alive2_reply_write(&w, &cases[i].reply);
        assert_slice(wr_written(&w), cases[i].bytes);
        for (size_t n = 0; n < w.len; n++) {
            struct guard g = guard_of(slice_of(w.buf, n));

            assert_int_equal(epmd_alive2_reply_read(g.bytes, &got), ERR_MORE);
            guard_free(&g);
        }
        assert_int_equal(epmd_alive2_reply_read(wr_written(&w), &got), ERR_NONE);
        assert_int_equal(got.is_extended, cases[i].reply.is_extended);
        assert_int_equal(got.result, cases[i].reply.result);
        assert_int_equal(got.creation, cases[i].reply.creation);
        wr_u8(&w, 0);
        assert_int_equal(epmd_alive2_reply_read(wr_written(&w), &got), ERR_MALFORMED);
        wr_fini(&w);
    }
    assert_int_equal(epmd_alive2_reply_read(BYTES("H"), &(struct epmd_alive2_reply){0}), ERR_MALFORMED);
}

static void a_port2_reply_reads_back_and_waits_for_its_end(void **state)
{
    struct epmd_entry got;
    struct wr w;

    (void)state;
    wr_init(&w, SIZE_MAX);
    epmd_port2_reply_write(&w, &plain);
    assert_slice(wr_written(&w), BYTES("w\0\x12\x34\x4d\0\0\6\0\5\0\2kv\0\2\0x"));
    for (size_t n = 0; n < w.len; n++) {
        struct guard g = guard_of(slice_of(w.buf, n));

        assert_int_equal(epmd_port2_reply_read(g.bytes, &got), ERR_MORE);
        guard_free(&g);
    }
    assert_int_equal(epmd_port2_reply_read(wr_written(&w), &got), ERR_NONE);
    assert_entry(&got, &plain);
    wr_u8(&w, 'x');
    assert_int_equal(epmd_port2_reply_read(wr_written(&w), &got), ERR_MALFORMED);
    wr_fini(&w);
}

static void a_port2_reply_may_say_that_there_is_no_such_node(void **state)
{
    struct epmd_entry got;
    struct wr w;

    (void)state;
    wr_init(&w, SIZE_MAX);
    epmd_port2_reply_write(&w, NULL);
    assert_slice(wr_written(&w), BYTES("w\1"));
    assert_int_equal(epmd_port2_reply_read(wr_written(&w), &got), ERR_NO_NODE);
    assert_int_equal(epmd_port2_reply_read(BYTES("w\1x"), &got), ERR_MALFORMED);
    assert_int_equal(epmd_port2_reply_read(BYTES("H"), &got), ERR_MALFORMED);
    /* a name that is none */
    assert_int_equal(epmd_port2_reply_read(BYTES("w\0\0\1M\0\0\6\0\5\0\1\xff\0\0"), &got), ERR_MALFORMED);
    wr_fini(&w);
}

static void names_replies_are_read_line_by_line(void **state)
{
    struct epmd_name name;
    struct guard g;
    uint32_t port;
    struct wr w;
    struct rd r;

    (void)state;
    wr_init(&w, SIZE_MAX);
    epmd_names_reply_write(&w, 4369);
    epmd_names_reply_write_name(&w, SLICE("kv"), 1);
    epmd_names_reply_write_name(&w, SLICE("a at port 7"), 65535);
    assert_slice(wr_written(&w), BYTES("\0\0\x11\x11name kv at port 1\nname a at port 7 at port 65535\n"));
    g = guard_of(wr_written(&w));
    r = rd_of(g.bytes);
    assert_int_equal(epmd_names_reply_read(&r, &port), ERR_NONE);
    assert_int_equal(port, 4369);
    assert_true(epmd_names_reply_next(&r, &name));
    assert_slice(name.name, SLICE("kv"));
    assert_int_equal(name.port, 1);
    assert_true(epmd_names_reply_next(&r, &name));
    assert_slice(name.name, SLICE("a at port 7"));
    assert_int_equal(name.port, 65535);
    assert_false(epmd_names_reply_next(&r, &name));
    assert_true(rd_done(&r));
    guard_free(&g);
    wr_fini(&w);
}

static void names_replies_cut_inside_a_line_say_so(void **state)
{
    static const struct slice whole = SLICE_LIT("\0\0\x11\x11name kv at port 1\nname b at port 2\n");

    (void)state;
    for (size_t n = 0; n < whole.len; n++) {
        struct guard g = guard_of(slice_of(whole.ptr, n));
        struct rd r = rd_of(g.bytes);
        struct epmd_name name;
        uint32_t port;

        assert_int_equal(epmd_names_reply_read(&r, &port), n < 4 ? ERR_MORE : ERR_NONE);
        while (epmd_names_reply_next(&r, &name))
            ;
        if (n == 4 || (n > 4 && whole.ptr[n - 1] == '\n'))
            assert_true(rd_done(&r));
        else
            assert_int_equal(r.err, ERR_MORE);
        guard_free(&g);
    }
}

static void lines_of_another_form_are_malformed(void **state)
{
    static const char *const cases[] = {
        "\n",
        "name kv at port \n",
        "name kv at port 65536\n",
        "name kv at port 1x\n",
        "name kv at port -1\n",
        "name kv at port 000001\n",
        "name kv\n",
        "nam kv at port 1\n",
        "HTTP/1.1 400\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rd r = rd_of(slice_of_str(cases[i]));
        struct epmd_name name;

        assert_false(epmd_names_reply_next(&r, &name));
        assert_int_equal(r.err, ERR_MALFORMED);
    }
}

static void dump_lines_read_as_otps(void **state)
{
    struct wr w;

    (void)state;
    wr_init(&w, SIZE_MAX);
    epmd_dump_reply_write_active(&w, SLICE("kv"), 1042, 5);
    epmd_dump_reply_write_old(&w, SLICE("old"), 7, -1);
    assert_slice(wr_written(&w), BYTES("active name     <kv> at port 1042, fd = 5\n\0"
                                       "old/unused name <old>, port = 7, fd = -1 \n\0"));
    wr_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_stand_on_the_wire_as_the_protocol_draws_them),
        cmocka_unit_test(an_alive2_request_cut_anywhere_is_malformed),
        cmocka_unit_test(an_alive2_request_may_have_bytes_after_its_extra),
        cmocka_unit_test(lengths_that_lie_are_malformed),
        cmocka_unit_test(names_that_are_none_are_told_apart),
        cmocka_unit_test(a_name_has_at_most_255_characters_however_many_bytes_each_has),
        cmocka_unit_test(a_lookup_may_end_its_name_with_one_nul),
        cmocka_unit_test(a_stop_request_ends_its_name_at_a_nul),
        cmocka_unit_test(every_other_tag_is_unsupported),
        cmocka_unit_test(a_request_that_no_epmd_takes_is_not_written),
        cmocka_unit_test(alive2_replies_come_in_both_widths),
        cmocka_unit_test(a_port2_reply_reads_back_and_waits_for_its_end),
        cmocka_unit_test(a_port2_reply_may_say_that_there_is_no_such_node),
        cmocka_unit_test(names_replies_are_read_line_by_line),
        cmocka_unit_test(names_replies_cut_inside_a_line_say_so),
        cmocka_unit_test(lines_of_another_form_are_malformed),
        cmocka_unit_test(dump_lines_read_as_otps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
