#include "tools.h"

#include "dist/ctl_wire.h"

#define PEER "peer@host"

static struct dist_ctl read_ctl;
static const struct dist_form *read_form;
static const char *read_text;

/* Reads what stands in w as if peer@host had sent it; all of it must be used. */
static enum err read_back(const struct wr *w, const struct etf_atoms *atoms)
{
    struct slice s = bytes_copy(wr_written(w));
    struct rd r = rd_of(s);
    enum err e;

    read_text = NULL;
    e = dist_ctl_read(&r, atoms, slice_of_str(PEER), &read_ctl, &read_form, &read_text);
    if (e == ERR_NONE)
        assert_int_equal(rd_left(&r), 0);
    else
        assert_non_null(read_text);
    bytes_free(s);
    return e;
}

static void ends_are_equal(const struct dist_end *a, const struct dist_end *b)
{
    assert_int_equal(a->kind, b->kind);
    if (a->kind == DIST_END_PID)
        assert_int_equal(a->pid.id, b->pid.id);
    if (a->kind == DIST_END_REF)
        assert_int_equal(a->ref.count, b->ref.count);
}

/* An atom as a term, static. */
#define REASON ((struct slice){(const uint8_t *)"w\3bye", 5})

static struct dist_ctl full(enum dist_op op)
{
    static struct wr mfa, options;
    struct dist_ctl c = {
        .op = op, .from = end_pid(PEER, 1), .to = end_pid("us@host", 2), .ref = ref_of(PEER), .id = 3};

    if (!mfa.buf) {
        wr_init(&mfa, SIZE_MAX);
        wr_init(&options, SIZE_MAX);
        etf_write_tuple(&mfa, 3);
        etf_write_atom_str(&mfa, "lists");
        etf_write_atom_str(&mfa, "map");
        etf_write_int64(&mfa, 2);
        etf_write_list(&options, 1);
        etf_write_atom_str(&options, "monitor");
        etf_write_nil(&options);
    }
    c.mfa = wr_written(&mfa);
    c.options = wr_written(&options);
    c.group_leader = pid_of(PEER, 8);
    c.reason = REASON;
    return c;
}

static const enum dist_op folded_ops[] = {
    DIST_CTL_LINK,        DIST_CTL_SEND,           DIST_CTL_EXIT,          DIST_CTL_UNLINK,
    DIST_CTL_REG_SEND,    DIST_CTL_GROUP_LEADER,   DIST_CTL_EXIT2,         DIST_CTL_MONITOR_P,
    DIST_CTL_DEMONITOR_P, DIST_CTL_MONITOR_P_EXIT, DIST_CTL_SPAWN_REQUEST, DIST_CTL_SPAWN_REPLY,
    DIST_CTL_ALIAS_SEND,  DIST_CTL_UNLINK_ID,      DIST_CTL_UNLINK_ID_ACK,
};

static const uint64_t flag_sets[] = {
    UINT64_MAX,
    UINT64_MAX & ~DIST_FLAG_EXIT_PAYLOAD,
    UINT64_MAX & ~DIST_FLAG_SEND_SENDER,
    UINT64_MAX & ~DIST_FLAG_ALTACT_SIG,
    UINT64_MAX & ~DIST_FLAG_UNLINK_ID,
};

/* Through every form: each operation, each set of flags that changes its form, with and without a token and a
 * cache. */
static void each_operation_is_read_as_it_was_written_in_every_form(void **state)
{
    size_t forms = 0;
    (void)state;

    for (size_t i = 0; i < sizeof folded_ops / sizeof *folded_ops; i++) {
        for (size_t k = 0; k < (sizeof flag_sets / sizeof *flag_sets) * 4; k++) {
            uint64_t flags = flag_sets[k / 4];
            struct dist_ctl c = full(folded_ops[i]);
            struct dist_cache_out *out = k & 1 ? dist_cache_out_new() : NULL;
            struct dist_cache_in *in = dist_cache_in_new();
            const struct dist_form *form;
            struct wr w, head;
            struct rd r;

            if (c.op == DIST_CTL_REG_SEND)
                c.to = end_name("name");
            if (c.op == DIST_CTL_ALIAS_SEND)
                c.to = end_ref("us@host");
            if (k & 2)
                c.token = REASON;
            if (c.op == DIST_CTL_UNLINK_ID_ACK && !(flags & DIST_FLAG_UNLINK_ID)) {
                assert_int_equal(dist_ctl_form(&c, flags, &form), ERR_PEER_UNSUPPORTED);
                dist_cache_in_free(in);
                dist_cache_out_free(out);
                continue;
            }
            wr_init(&w, SIZE_MAX);
            wr_init(&head, SIZE_MAX);
            assert_ok(dist_ctl_form(&c, flags, &form));
            dist_ctl_write(&w, form, &c, out);
            dist_header_write(out, &head);
            r = rd_of(wr_written(&head));
            assert_ok(dist_header_read(in, &r));
            assert_ok(read_back(&w, &in->view));
            if (c.op != DIST_CTL_UNLINK && c.op != DIST_CTL_UNLINK_ID)
                assert_int_equal(read_ctl.op, c.op);
            if (read_ctl.from.kind != DIST_END_NONE && c.op != DIST_CTL_GROUP_LEADER)
                ends_are_equal(&read_ctl.from, &c.from);
            if (c.op != DIST_CTL_SPAWN_REQUEST)
                ends_are_equal(&read_ctl.to, &c.to);
            assert_int_equal(dist_form_payload(read_form), dist_form_payload(form));
            forms++;
            wr_fini(&w);
            wr_fini(&head);
            dist_cache_abort(out);
            dist_cache_out_free(out);
            dist_cache_in_free(in);
        }
    }
    assert_true(forms > 250);
}

static int wire_number(const struct dist_ctl *c, uint64_t flags)
{
    const struct dist_form *form;
    struct wr w;
    int op;

    if (dist_ctl_form(c, flags, &form) != ERR_NONE)
        return -1;
    wr_init(&w, SIZE_MAX);
    dist_ctl_write(&w, form, c, NULL);
    op = w.buf[3]; /* SMALL_TUPLE_EXT, arity, SMALL_INTEGER_EXT */
    wr_fini(&w);
    return op;
}

static void the_form_follows_the_flags_of_the_peer(void **state)
{
    struct dist_ctl c = full(DIST_CTL_EXIT);
    (void)state;

    assert_int_equal(wire_number(&c, DIST_FLAG_EXIT_PAYLOAD), 24);
    assert_int_equal(wire_number(&c, 0), 3);
    c.op = DIST_CTL_EXIT2;
    assert_int_equal(wire_number(&c, DIST_FLAG_EXIT_PAYLOAD), 26);
    assert_int_equal(wire_number(&c, 0), 8);
    c.op = DIST_CTL_MONITOR_P_EXIT;
    assert_int_equal(wire_number(&c, DIST_FLAG_EXIT_PAYLOAD), 28);
    assert_int_equal(wire_number(&c, 0), 21);
    c.op = DIST_CTL_SEND;
    assert_int_equal(wire_number(&c, DIST_FLAG_SEND_SENDER), 22);
    assert_int_equal(wire_number(&c, 0), 2);
    c.from.kind = DIST_END_NONE;
    assert_int_equal(wire_number(&c, DIST_FLAG_SEND_SENDER), 2);
    c = full(DIST_CTL_ALIAS_SEND);
    c.to = end_ref("us@host");
    assert_int_equal(wire_number(&c, 0), -1);
    assert_int_equal(wire_number(&c, DIST_FLAG_ALIAS), 33);
    assert_int_equal(wire_number(&c, DIST_FLAG_ALIAS | DIST_FLAG_ALTACT_SIG), 37);
    c.op = DIST_CTL_SEND; /* to an alias */
    assert_int_equal(wire_number(&c, DIST_FLAG_ALIAS), 33);
    c = full(DIST_CTL_UNLINK_ID);
    assert_int_equal(wire_number(&c, DIST_FLAG_UNLINK_ID), 35);
    assert_int_equal(wire_number(&c, 0), 4);
    c.id = 0;
    assert_int_equal(wire_number(&c, DIST_FLAG_UNLINK_ID), -1);
    c = full(DIST_CTL_MONITOR_P);
    assert_int_equal(wire_number(&c, 0), -1);
    assert_int_equal(wire_number(&c, DIST_FLAG_DIST_MONITOR), 19);
    c.to = end_name("x");
    assert_int_equal(wire_number(&c, DIST_FLAG_DIST_MONITOR), -1);
    assert_int_equal(wire_number(&c, DIST_FLAG_DIST_MONITOR | DIST_FLAG_DIST_MONITOR_NAME), 19);
    c = full(DIST_CTL_SPAWN_REQUEST);
    assert_int_equal(wire_number(&c, 0), -1);
    assert_int_equal(wire_number(&c, DIST_FLAG_SPAWN), 29);
    c.op = DIST_CTL_SPAWN_REPLY;
    assert_int_equal(wire_number(&c, 0), -1);
    assert_int_equal(wire_number(&c, DIST_FLAG_SPAWN), 31);
    c.op = DIST_CTL_NODE_LINK;
    assert_int_equal(wire_number(&c, UINT64_MAX), -1);
}

/* Every operation number with every arity up to 8 and fields that fit nowhere. */
static void a_wrong_number_or_arity_or_type_is_malformed(void **state)
{
    (void)state;
    for (int op = 0; op < 256; op++) {
        for (uint32_t arity = 1; arity <= 8; arity++) {
            struct wr w;

            wr_init(&w, SIZE_MAX);
            etf_write_tuple(&w, arity);
            etf_write_int64(&w, op);
            for (uint32_t i = 1; i < arity; i++)
                etf_write_float(&w, 1.5);
            assert_int_equal(read_back(&w, NULL), ERR_MALFORMED);
            wr_fini(&w);
        }
    }
}

static void what_is_no_tuple_with_a_number_is_malformed(void **state)
{
    static const char *hex[] = {"",         "6a",       "6800",           "680177026f6b", "6801",
                                "68016105", "68046162", "6801620000ffff", "68036101",     "6801636463"};
    (void)state;

    for (size_t i = 0; i < sizeof hex / sizeof *hex; i++) {
        struct slice s = bytes_of_hex(hex[i]);
        struct rd r = rd_of(s);

        assert_int_equal(dist_ctl_read(&r, NULL, slice_of_str(PEER), &read_ctl, &read_form, &read_text),
                         ERR_MALFORMED);
        bytes_free(s);
    }
}

static void a_control_message_cut_anywhere_is_malformed(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof folded_ops / sizeof *folded_ops; i++) {
        struct dist_ctl c = full(folded_ops[i]);
        const struct dist_form *form;
        struct wr w;

        if (c.op == DIST_CTL_REG_SEND)
            c.to = end_name("name");
        if (c.op == DIST_CTL_ALIAS_SEND)
            c.to = end_ref("us@host");
        c.token = REASON;
        wr_init(&w, SIZE_MAX);
        assert_ok(dist_ctl_form(&c, UINT64_MAX & ~DIST_FLAG_EXIT_PAYLOAD, &form));
        dist_ctl_write(&w, form, &c, NULL);
        while (w.len-- > 0)
            assert_int_equal(read_back(&w, NULL), ERR_MALFORMED);
        w.len = 0;
        wr_fini(&w);
    }
}

static void signals_come_from_processes_of_the_peer_alone(void **state)
{
    static const enum dist_op ops[] = {DIST_CTL_LINK,        DIST_CTL_EXIT,          DIST_CTL_EXIT2,
                                       DIST_CTL_UNLINK_ID,   DIST_CTL_UNLINK_ID_ACK, DIST_CTL_MONITOR_P,
                                       DIST_CTL_DEMONITOR_P, DIST_CTL_SPAWN_REQUEST};
    (void)state;

    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        struct dist_ctl c = full(ops[i]);
        const struct dist_form *form;
        struct wr w;

        c.from = end_pid("other@host", 1);
        wr_init(&w, SIZE_MAX);
        assert_ok(dist_ctl_form(&c, UINT64_MAX, &form));
        dist_ctl_write(&w, form, &c, NULL);
        assert_int_equal(read_back(&w, NULL), ERR_MALFORMED);
        wr_fini(&w);
    }
}

/* {37, Flags, From, To, …} */
static enum err read_altact(const char *flags_hex, const struct dist_end *to, uint32_t extra)
{
    struct wr w;
    struct slice flags = bytes_of_hex(flags_hex);
    struct etf_pid from = pid_of("third@host", 4);
    enum err e;

    wr_init(&w, SIZE_MAX);
    etf_write_tuple(&w, 4 + extra);
    etf_write_int64(&w, 37);
    wr_slice(&w, flags);
    etf_write_pid(&w, &from);
    if (to->kind == DIST_END_PID)
        etf_write_pid(&w, &to->pid);
    else if (to->kind == DIST_END_REF)
        etf_write_ref(&w, &to->ref);
    else
        etf_write_atom_as(&w, to->name);
    while (extra--)
        etf_write_atom_str(&w, "token");
    e = read_back(&w, NULL);
    wr_fini(&w);
    bytes_free(flags);
    return e;
}

static void alternative_signals_are_folded_by_their_flags(void **state)
{
    struct dist_end pid = end_pid("us@host", 2), name = end_name("name"), alias = end_ref("us@host");
    (void)state;

    assert_ok(read_altact("6100", &pid, 0));
    assert_int_equal(read_ctl.op, DIST_CTL_SEND);
    assert_int_equal(read_ctl.from.kind, DIST_END_PID);
    assert_ok(read_altact("6101", &pid, 0)); /* with priority */
    assert_int_equal(read_ctl.op, DIST_CTL_SEND);
    assert_ok(read_altact("6104", &alias, 0));
    assert_int_equal(read_ctl.op, DIST_CTL_ALIAS_SEND);
    assert_ok(read_altact("6108", &name, 0));
    assert_int_equal(read_ctl.op, DIST_CTL_REG_SEND);
    assert_ok(read_altact("6110", &pid, 0));
    assert_int_equal(read_ctl.op, DIST_CTL_EXIT2);
    assert_int_equal(dist_form_payload(read_form), DIST_PAYLOAD_REASON);
    assert_ok(read_altact("6115", &alias, 0));
    assert_int_equal(read_ctl.op, DIST_CTL_EXIT2);
    assert_int_equal(read_ctl.to.kind, DIST_END_REF);
    assert_ok(read_altact("6106", &alias, 1));
    assert_int_equal(read_ctl.token.len, 7);
    /* Elements that are not known yet are passed over, whatever the flags' size. */
    assert_ok(read_altact("6104", &alias, 2));
    assert_int_equal(read_ctl.token.len, 0);
    assert_ok(read_altact("6e0900 040000000000000001", &alias, 0));
    assert_int_equal(read_ctl.op, DIST_CTL_ALIAS_SEND);
    assert_ok(read_altact("6200000104", &alias, 0));
    assert_int_equal(read_ctl.op, DIST_CTL_ALIAS_SEND);
}

static void alternative_signals_that_contradict_themselves_are_malformed(void **state)
{
    struct dist_end pid = end_pid("us@host", 2), name = end_name("name"), alias = end_ref("us@host");
    (void)state;

    assert_int_equal(read_altact("610c", &alias, 0), ERR_MALFORMED);
    assert_int_equal(read_altact("6104", &pid, 0), ERR_MALFORMED);
    assert_int_equal(read_altact("6108", &alias, 0), ERR_MALFORMED);
    assert_int_equal(read_altact("6100", &name, 0), ERR_MALFORMED);
    assert_int_equal(read_altact("6106", &alias, 0), ERR_MALFORMED); /* a token is announced */
    assert_int_equal(read_altact("62ffffffff", &pid, 0), ERR_MALFORMED);
    assert_int_equal(read_altact("6e0901 040000000000000001", &alias, 0), ERR_MALFORMED);
    assert_int_equal(read_altact("77026f6b", &alias, 0), ERR_MALFORMED);
}

static void an_atom_that_is_no_text_is_malformed(void **state)
{
    static const char *hex[] = {
        "6803 6101 58 7707 9f 61 61 40 686f73 00000001 00000001 00000001 58 770161 00000001 00000001 "
        "00000001",
        "6804 6106 58 770161 00000001 00000001 00000001 7700 7701c3",
        "6804 6113 58 7709 7065657240686f7374 00000001 00000001 00000001 770161 5a0001 7701ff 00000001 "
        "00000001",
    };
    (void)state;

    for (size_t i = 0; i < sizeof hex / sizeof *hex; i++) {
        struct slice s = bytes_of_hex(hex[i]);
        struct rd r = rd_of(s);

        assert_int_equal(dist_ctl_read(&r, NULL, slice_of_str(PEER), &read_ctl, &read_form, &read_text),
                         ERR_MALFORMED);
        bytes_free(s);
    }
}

static void an_unlink_has_an_id_of_at_least_1(void **state)
{
    struct wr w;
    struct etf_pid from = pid_of(PEER, 1), to = pid_of("us@host", 2);
    (void)state;

    for (int op = 35; op <= 36; op++) {
        for (uint64_t id = 0; id < 2; id++) {
            wr_init(&w, SIZE_MAX);
            etf_write_tuple(&w, 4);
            etf_write_int64(&w, op);
            etf_write_uint64(&w, id ? UINT64_MAX : 0);
            etf_write_pid(&w, &from);
            etf_write_pid(&w, &to);
            assert_int_equal(read_back(&w, NULL), op == 35 && id == 0 ? ERR_MALFORMED : ERR_NONE);
            if (id)
                assert_true(read_ctl.id == UINT64_MAX);
            wr_fini(&w);
        }
    }
}

static void a_send_to_an_alias_is_an_alias_send(void **state)
{
    struct wr w;
    struct etf_ref to = ref_of("us@host");
    (void)state;

    wr_init(&w, SIZE_MAX);
    etf_write_tuple(&w, 3);
    etf_write_int64(&w, DIST_CTL_SEND);
    etf_write_atom_str(&w, "");
    etf_write_ref(&w, &to);
    assert_ok(read_back(&w, NULL));
    assert_int_equal(read_ctl.op, DIST_CTL_ALIAS_SEND);
    wr_fini(&w);
}

static void operations_have_names(void **state)
{
    (void)state;
    assert_string_equal(dist_op_name(DIST_CTL_REG_SEND), "REG_SEND");
    assert_string_equal(dist_op_name(DIST_CTL_ALTACT_SIG_SEND), "ALTACT_SIG_SEND");
    assert_string_equal(dist_op_name(DIST_CTL_NODE_LINK), "NODE_LINK");
    assert_string_equal(dist_op_name((enum dist_op)99), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_operation_is_read_as_it_was_written_in_every_form),
        cmocka_unit_test(the_form_follows_the_flags_of_the_peer),
        cmocka_unit_test(a_wrong_number_or_arity_or_type_is_malformed),
        cmocka_unit_test(what_is_no_tuple_with_a_number_is_malformed),
        cmocka_unit_test(a_control_message_cut_anywhere_is_malformed),
        cmocka_unit_test(signals_come_from_processes_of_the_peer_alone),
        cmocka_unit_test(alternative_signals_are_folded_by_their_flags),
        cmocka_unit_test(alternative_signals_that_contradict_themselves_are_malformed),
        cmocka_unit_test(an_atom_that_is_no_text_is_malformed),
        cmocka_unit_test(an_unlink_has_an_id_of_at_least_1),
        cmocka_unit_test(a_send_to_an_alias_is_an_alias_send),
        cmocka_unit_test(operations_have_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
