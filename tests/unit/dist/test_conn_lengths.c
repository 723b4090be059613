#include "dist/conn.h"

#include "test.h"

/* Over TLS the messages of the handshake have lengths of 4 bytes, as frames have afterwards. */

static struct dist_conn_config config_of(const char *name, uint32_t challenge)
{
    return (struct dist_conn_config){
        .name = slice_of_str(name),
        .cookie = SLICE("cookie"),
        .creation = 5,
        .flags = dist_flags_offered,
        .challenge = challenge,
        .has_long_lengths = true,
    };
}

/* Moves what one end has to say to the other, a few bytes at a time. */
static void carry(struct dist_conn *from, struct dist_conn *to, size_t at_once)
{
    struct slice out;

    while ((out = dist_conn_output(from)).len > 0) {
        size_t room_len = 0, n = out.len < at_once ? out.len : at_once;
        uint8_t *room = dist_conn_room(to, &room_len);

        n = n < room_len ? n : room_len;
        memcpy(room, out.ptr, n);
        dist_conn_sent(from, n, 0);
        dist_conn_received(to, n, 0);
    }
}

static bool pull(struct dist_conn *c)
{
    struct dist_event ev;
    bool is_up = false;

    while (dist_conn_next(c, &ev) != DIST_EVENT_NONE) {
        assert_int_not_equal(ev.kind, DIST_EVENT_DOWN);
        if (ev.kind == DIST_EVENT_PEER)
            dist_conn_admit(c, DIST_STATUS_OK, (struct slice){0}, 0);
        is_up |= ev.kind == DIST_EVENT_UP;
    }
    return is_up;
}

static void meet(unsigned version, size_t at_once)
{
    struct dist_conn_config one = config_of("one@host", 1), two = config_of("two@host", 2);
    struct dist_conn *a = dist_conn_dial(&one, two.name, version, 0), *b = dist_conn_accept(&two, 0);
    bool a_is_up = false, b_is_up = false;

    assert_memory_equal(dist_conn_output(a).ptr, "\0\0\0", 3);
    assert_int_equal(dist_conn_output(a).ptr[4], version == 6 ? 'N' : 'n');
    for (int i = 0; i < 6; i++) {
        carry(a, b, at_once);
        b_is_up |= pull(b);
        carry(b, a, at_once);
        a_is_up |= pull(a);
    }
    assert_true(a_is_up && b_is_up);
    dist_conn_free(a);
    dist_conn_free(b);
}

static void two_ends_meet_with_long_lengths(void **state)
{
    (void)state;
    for (unsigned version = 5; version <= 6; version++) {
        meet(version, SIZE_MAX);
        meet(version, 1);
    }
}

static void a_short_length_is_refused(void **state)
{
    struct dist_conn_config config = config_of("one@host", 1);
    struct dist_conn *c = dist_conn_accept(&config, 0);
    struct dist_event ev;
    size_t room_len = 0;
    uint8_t *room = dist_conn_room(c, &room_len);

    (void)state;
    memcpy(room, "\0\25N\0\0\0\0", 7);
    dist_conn_received(c, 7, 0);
    assert_int_equal(dist_conn_next(c, &ev), DIST_EVENT_DOWN);
    assert_int_equal(ev.err, ERR_MALFORMED);
    dist_conn_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_ends_meet_with_long_lengths),
        cmocka_unit_test(a_short_length_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
