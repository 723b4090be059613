#include "tools.h"

#include "dist/handshake.h"

/* As sent by OTP 29.1 and 27.3.4, without the length. */
#define CHALLENGE_29 "4e 0000006d07df7fbd 84326cda 6b04005e 000d 6e3239406c6f63616c686f7374"
#define ACK_29       "61 31c47886a8784a6ab1291dbef5822be5"
#define NAME_27      "4e 0000000d07df7fbd 6b040250 000d 6e3237406c6f63616c686f7374"
#define REPLY_27     "72 952e7daa 25199e4ae6f0f4f0c7714c438c830ed9"

static void the_messages_of_real_nodes_are_read(void **state)
{
    struct dist_hs_challenge challenge;
    struct dist_hs_name name;
    struct dist_hs_reply reply;
    struct dist_hs_ack ack;
    struct slice s = bytes_of_hex(CHALLENGE_29);
    (void)state;

    assert_ok(dist_hs_read_challenge(s, &challenge));
    assert_int_equal(challenge.version, 6);
    assert_int_equal(challenge.flags, 0x6d07df7fbd);
    assert_int_equal(challenge.challenge, 0x84326cda);
    assert_int_equal(challenge.creation, 0x6b04005e);
    assert_slice_str(challenge.name, "n29@localhost");
    bytes_free(s);
    s = bytes_of_hex(NAME_27);
    assert_ok(dist_hs_read_name(s, &name));
    assert_int_equal(name.version, 6);
    assert_int_equal(name.flags, 0xd07df7fbd);
    assert_slice_str(name.name, "n27@localhost");
    bytes_free(s);
    s = bytes_of_hex(REPLY_27);
    assert_ok(dist_hs_read_reply(s, &reply));
    assert_int_equal(reply.challenge, 0x952e7daa);
    assert_memory_equal(reply.digest, s.ptr + 5, DIST_DIGEST_LEN);
    bytes_free(s);
    s = bytes_of_hex(ACK_29);
    assert_ok(dist_hs_read_ack(s, &ack));
    assert_memory_equal(ack.digest, s.ptr + 1, DIST_DIGEST_LEN);
    bytes_free(s);
}

static enum err read_as(int kind, struct slice s)
{
    union {
        struct dist_hs_name name;
        struct dist_hs_status status;
        struct dist_hs_challenge challenge;
        struct dist_hs_complement complement;
        struct dist_hs_reply reply;
        struct dist_hs_ack ack;
    } u;

    switch (kind) {
    case 0: return dist_hs_read_name(s, &u.name);
    case 1: return dist_hs_read_status(s, &u.status);
    case 2: return dist_hs_read_challenge(s, &u.challenge);
    case 3: return dist_hs_read_complement(s, &u.complement);
    case 4: return dist_hs_read_reply(s, &u.reply);
    default: return dist_hs_read_ack(s, &u.ack);
    }
}

static const struct {
    int kind;
    const char *hex;
    bool may_be_longer; /* trailing bytes are to be ignored, or belong to the name */
    size_t shortest;    /* up to here each cut is an error */
} messages[] = {
    {0, NAME_27, true, 32},
    {0, "6e 0005 07df7fbd 61406200", true, 7},
    {1, "73 616c697665", false, 6},
    {1, "73 6e616d65643a 0003 614062 00000007", false, 17},
    {2, CHALLENGE_29, true, 34},
    {2, "6e 0005 07df7fbd 00000001 6140", true, 11},
    {3, "63 0000000d 00000007", false, 9},
    {4, REPLY_27, false, 21},
    {5, ACK_29, false, 17},
};

static void a_message_cut_anywhere_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof messages / sizeof *messages; i++) {
        struct slice s = bytes_of_hex(messages[i].hex);

        assert_ok(read_as(messages[i].kind, s));
        for (size_t cut = 0; cut < messages[i].shortest && cut < s.len; cut++) {
            struct slice part = bytes_copy(slice_of(s.ptr, cut));

            assert_int_not_equal(read_as(messages[i].kind, part), ERR_NONE);
            bytes_free(part);
        }
        bytes_free(s);
    }
}

static void bytes_after_a_message_are_refused_except_after_a_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof messages / sizeof *messages; i++) {
        struct slice s = bytes_of_hex(messages[i].hex);
        uint8_t *longer = calloc(1, s.len + 1);

        memcpy(longer, s.ptr, s.len);
        assert_int_equal(read_as(messages[i].kind, slice_of(longer, s.len + 1)) == ERR_NONE,
                         messages[i].may_be_longer);
        longer[0] ^= 0x20; /* another tag */
        assert_int_not_equal(read_as(messages[i].kind, slice_of(longer, s.len)), ERR_NONE);
        free(longer);
        bytes_free(s);
    }
}

static struct slice body_of(const struct wr *w)
{
    assert_true(w->len >= 2);
    assert_int_equal((size_t)w->buf[0] << 8 | w->buf[1], w->len - 2);
    return slice_of(w->buf + 2, w->len - 2);
}

static void each_status_is_read_as_it_was_written(void **state)
{
    struct wr w;
    (void)state;

    wr_init(&w, SIZE_MAX);
    for (int v = DIST_HS_OK; v <= DIST_HS_FALSE; v++) {
        struct dist_hs_status m = {
            .verdict = (enum dist_hs_verdict)v, .name = slice_of_str("x@y"), .creation = 5};
        struct dist_hs_status back = {.verdict = DIST_HS_NOK};

        wr_reset(&w);
        dist_hs_write_status(&w, &m);
        assert_ok(dist_hs_read_status(body_of(&w), &back));
        assert_int_equal(back.verdict, v);
        if (v == DIST_HS_NAMED) {
            assert_slice_str(back.name, "x@y");
            assert_int_equal(back.creation, 5);
        }
    }
    wr_fini(&w);
    assert_int_equal(read_as(1, slice_of_str("sokay")), ERR_MALFORMED);
    assert_int_equal(read_as(1, slice_of_str("s")), ERR_MALFORMED);
}

static void names_and_challenges_are_read_as_they_were_written_in_both_versions(void **state)
{
    struct wr w;
    (void)state;

    wr_init(&w, SIZE_MAX);
    for (unsigned version = 5; version <= 6; version++) {
        struct dist_hs_name name = {version, 0x6d07df7fbc, 77, slice_of_str("erl@h")}, name_back;
        struct dist_hs_challenge ch = {version, 0x6d07df7fbc, 5, 77, slice_of_str("erl@h")}, ch_back;

        dist_hs_write_name(&w, &name);
        assert_ok(dist_hs_read_name(body_of(&w), &name_back));
        assert_int_equal(name_back.version, version);
        assert_int_equal(name_back.flags, version == 6 ? name.flags : (uint32_t)name.flags);
        assert_int_equal(name_back.creation, version == 6 ? 77 : 0);
        assert_slice_str(name_back.name, "erl@h");
        wr_reset(&w);
        dist_hs_write_challenge(&w, &ch);
        assert_ok(dist_hs_read_challenge(body_of(&w), &ch_back));
        assert_int_equal(ch_back.version, version);
        assert_int_equal(ch_back.challenge, 5);
        assert_int_equal(ch_back.flags, version == 6 ? ch.flags : (uint32_t)ch.flags);
        assert_slice_str(ch_back.name, "erl@h");
        wr_reset(&w);
    }
    wr_fini(&w);
}

static void a_version_5_message_of_another_version_is_unsupported(void **state)
{
    struct slice s = bytes_of_hex("6e 0004 07df7fbd 614062");
    (void)state;

    assert_int_equal(read_as(0, s), ERR_UNSUPPORTED);
    bytes_free(s);
    s = bytes_of_hex("6e 0006 07df7fbd 00000001 614062");
    assert_int_equal(read_as(2, s), ERR_UNSUPPORTED);
    bytes_free(s);
}

static void only_plausible_names_are_names(void **state)
{
    static const char *good[] = {"a@b", "kv@host.example.org", "\xc3\xa9t\xc3\xa9@h", "a b@c"};
    static const char *bad[] = {"", "a", "@", "a@", "@b", "a@b@c", "a\n@b", "\xff@b", "a@b\x7f"};
    char longest[300];
    (void)state;

    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(dist_name_is_plausible(slice_of_str(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(dist_name_is_plausible(slice_of_str(bad[i])));
    memset(longest, 'x', sizeof longest);
    longest[3] = '@';
    assert_true(dist_name_is_plausible(slice_of(longest, 255)));
    assert_false(dist_name_is_plausible(slice_of(longest, 256)));
    assert_true(dist_host_is_plausible(SLICE("localhost")));
    assert_false(dist_host_is_plausible(SLICE("a@localhost")));
    assert_false(dist_host_is_plausible(SLICE("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_messages_of_real_nodes_are_read),
        cmocka_unit_test(a_message_cut_anywhere_is_refused),
        cmocka_unit_test(bytes_after_a_message_are_refused_except_after_a_name),
        cmocka_unit_test(each_status_is_read_as_it_was_written),
        cmocka_unit_test(names_and_challenges_are_read_as_they_were_written_in_both_versions),
        cmocka_unit_test(a_version_5_message_of_another_version_is_unsupported),
        cmocka_unit_test(only_plausible_names_are_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
