/* The messages of pg, in both versions. Terms are written as Erlang text. */
#include "test.h"

#include <stdlib.h>

#include "base/mem.h"
#include "etf/syntax.h"
#include "node/pg_msg.h"

static const struct etf_parse_rules rules = {.term = {.max_depth = 64}};

static struct wr told, term;

static int set_up(void **state)
{
    (void)state;
    wr_init(&told, SIZE_MAX);
    wr_init(&term, SIZE_MAX);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    wr_fini(&told);
    wr_fini(&term);
    return 0;
}

static struct etf_rd parsed(const char *text)
{
    wr_reset(&term);
    assert_int_equal(etf_parse(&term, slice_of_str(text), &rules, NULL), ERR_NONE);
    return etf_rd_of(wr_written(&term), NULL);
}

static void note(void *ctx, struct slice group, const struct etf_pid *pid, bool is_add)
{
    struct etf_rd r = etf_rd_of(group, NULL);

    (void)ctx;
    wr_printf(&told, "%s", is_add ? "+" : "-");
    assert_int_equal(etf_print(&told, &r), ERR_NONE);
    wr_printf(&told, ":%u ", pid->id);
}

static void means(const char *text, enum pg_verb verb, uint32_t version, const char *changes)
{
    struct pg_msg m;

    wr_reset(&told);
    assert_true(pg_msg_read(parsed(text), &m));
    assert_int_equal(m.verb, verb);
    assert_int_equal(m.version, version);
    assert_int_equal(m.peer.id, 9);
    assert_int_equal(pg_msg_each(&m, note, NULL), ERR_NONE);
    wr_u8(&told, 0);
    assert_true(wr_ok(&told));
    assert_string_equal((const char *)told.buf, changes);
}

#define S "#Pid<a@h:9:0:5>"
#define P "#Pid<a@h:1:0:5>"
#define Q "#Pid<a@h:2:0:5>"

static void each_message_is_read(void **state)
{
    (void)state;
    means("{discover, " S "}", PG_DISCOVER, 0, "");
    means("{discover, " S ", 1}", PG_DISCOVER, 1, "");
    means("{'$gen_cast', {sync, " S ", [{{g, 1}, [" P ", " Q "]}, {h, []}, {[], [" P "]}]}}", PG_SYNC, 0,
          "+{g,1}:1 +{g,1}:2 +[]:1 ");
    means("{sync, " S ", []}", PG_SYNC, 0, "");
    means("{'$gen_cast', {local_data, " S ", 1, #{g => [" P "], \"s\" => [" Q "]}}}", PG_SYNC, 1,
          "+g:1 +\"s\":2 ");
    means("{join, " S ", g, " P "}", PG_CHANGE, 0, "+g:1 ");
    means("{join, " S ", g, [" P ", " P "]}", PG_CHANGE, 0, "+g:1 +g:1 ");
    means("{leave, " S ", " P ", [g, h]}", PG_CHANGE, 0, "-g:1 -h:1 ");
    means("{leave, " S ", [" P ", " Q "], [g]}", PG_CHANGE, 0, "-g:1 -g:2 ");
    means("{leave, " S ", " P ", [7, 8]}", PG_CHANGE, 0, "-7:1 -8:1 ");
    means("{leave, " S ", [" P "], [g, h]}", PG_CHANGE, 0, "-g:1 -h:1 ");
    means("{leave, " S ", [" P ", " Q "], [7]}", PG_CHANGE, 0, "-7:1 -7:2 ");
    means("{update, " S ", [{g, [" P "], []}, {h, [], [" P ", " Q "]}]}", PG_CHANGE, 0, "+g:1 -h:1 -h:2 ");
}

static void what_would_cost_a_name_of_any_length_for_each_pid_is_left_out(void **state)
{
    struct pg_msg m;
    struct wr text;

    (void)state;
    wr_init(&text, SIZE_MAX);
    wr_str(&text, "{update, " S ", [{<<\"");
    for (int i = 0; i < PG_MAX_GROUP_NAME; i++)
        wr_u8(&text, 'x');
    wr_str(&text, "\">>, [" P ", " Q "], []}, {h, [" Q "], []}]}");
    wr_u8(&text, 0);
    assert_true(wr_ok(&text));
    assert_true(pg_msg_read(parsed((const char *)text.buf), &m));
    assert_int_equal(pg_msg_each(&m, note, NULL), ERR_TOO_LARGE);
    wr_u8(&told, 0);
    assert_string_equal((const char *)told.buf, "+h:2 ");
    wr_fini(&text);
}

static void a_later_version_is_asked_to_speak_ours(void **state)
{
    (void)state;
    means("{discover, " S ", 7}", PG_DISCOVER, PG_VERSION, "");
    means("{discover, " S ", 0}", PG_DISCOVER, 0, "");
}

static void what_is_malformed_anywhere_is_refused_as_a_whole(void **state)
{
    static const char *const texts[] = {
        "discover",
        "{}",
        "{discover}",
        "{discover, a}",
        "{discover, " S ", one}",
        "{discover, " S ", -1}",
        "{discover, " S ", 1, 2}",
        "{sync, " S ", g}",
        "{sync, " S ", [g]}",
        "{sync, " S ", [{g, " P "}]}",
        "{sync, " S ", [{g, [" P "]} | {g, [" P "]}]}",
        "{sync, " S ", [{g, [" P ", x]}]}",
        "{sync, " S ", [{g, [" P " | " P "]}]}",
        "{sync, " S ", [{g, [" P "], []}]}",
        "{local_data, " S ", 1, []}",
        "{local_data, " S ", #{}}",
        "{local_data, " S ", 1, #{g => " P "}}",
        "{local_data, " S ", 1, #{g => [" P "], h => [7]}}",
        "{join, " S ", g}",
        "{join, " S ", g, x}",
        "{join, " S ", g, [x]}",
        "{join, " S ", g, \"ab\"}",
        "{leave, " S ", x, [g]}",
        "{leave, " S ", " P ", g}",
        "{leave, " S ", " P ", [g | h]}",
        "{leave, " S ", [" P ", " Q "], [g, h]}",
        "{leave, " S ", [" P ", " Q "], [7, 8]}",
        "{update, " S ", g}",
        "{update, " S ", [{g, []}]}",
        "{update, " S ", [{g, [], " P "}]}",
        "{update, " S ", [{g, [" P "], []} | x]}",
        "{other, " S "}",
        "{'$gen_cast', {'$gen_cast', {discover, " S "}}}",
    };
    struct pg_msg m;

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (pg_msg_read(parsed(texts[i]), &m))
            fail_msg("%s was taken", texts[i]);
}

static void what_is_written_is_read_back(void **state)
{
    struct etf_pid self = {.node = {.text = SLICE("a@h")}, .id = 9, .creation = 5}, p = self, q = self;
    struct pg_view view;
    struct pg_owner *o, *other;
    struct pg_msg m;
    struct wr g, w;

    (void)state;
    p.id = 1;
    q.id = 2;
    wr_init(&g, SIZE_MAX);
    wr_init(&w, SIZE_MAX);
    assert_int_equal(etf_parse(&g, SLICE("{g}"), &rules, NULL), ERR_NONE);
    pg_view_init(&view, 1);
    o = pg_owner_add(&view, &p, true);
    other = pg_owner_add(&view, &q, false);
    assert_non_null(o);
    assert_non_null(other);
    assert_int_equal(pg_join(&view, o, wr_written(&g), &p), ERR_NONE);
    assert_int_equal(pg_join(&view, o, wr_written(&g), &p), ERR_NONE);
    assert_int_equal(pg_join(&view, other, wr_written(&g), &q), ERR_NONE);
    for (uint32_t version = 0; version <= PG_VERSION; version++) {
        static const char *const wanted[] = {"", "+{g}:1 +{g}:1 ", "+{g}:1 ", "-{g}:1 ", "-{g}:1 -{g}:1 "};
        static const enum pg_verb verbs[] = {PG_DISCOVER, PG_SYNC, PG_CHANGE, PG_CHANGE, PG_CHANGE};

        for (int i = 0; i < 5; i++) {
            wr_reset(&w);
            wr_reset(&told);
            switch (i) {
            case 0: pg_msg_write_discover(&w, &self, version); break;
            case 1: pg_msg_write_sync(&w, &self, version, &view); break;
            case 2: pg_msg_write_change(&w, &self, version, true, wr_written(&g), &p); break;
            case 3: pg_msg_write_change(&w, &self, version, false, wr_written(&g), &p); break;
            case 4: pg_msg_write_leave_all(&w, &self, version, o); break;
            }
            assert_true(pg_msg_read(etf_rd_of(wr_written(&w), NULL), &m));
            assert_int_equal(m.verb, verbs[i]);
            assert_int_equal(m.version, m.verb == PG_CHANGE ? 0 : version);
            assert_int_equal(pg_msg_each(&m, note, NULL), ERR_NONE);
            wr_u8(&told, 0);
            assert_string_equal((const char *)told.buf, wanted[i]);
        }
    }
    pg_view_fini(&view);
    wr_fini(&g);
    wr_fini(&w);
}

static void a_message_cut_anywhere_is_refused(void **state)
{
    struct etf_rd whole = parsed("{update, " S ", [{g, [" P "], [" Q "]}]}");
    struct pg_msg m;

    (void)state;
    for (size_t len = 0; len < term.len; len++) {
        uint8_t *cut = malloc(len ? len : 1);

        memcpy(cut, term.buf, len);
        assert_false(pg_msg_read(etf_rd_of(slice_of(cut, len), NULL), &m));
        free(cut);
    }
    assert_true(pg_msg_read(whole, &m));
}

static void without_memory_it_says_so(void **state)
{
    struct pg_msg m;

    (void)state;
    assert_true(pg_msg_read(parsed("{join, " S ", g, " P "}"), &m));
    mem_fail_from(1);
    assert_int_equal(pg_msg_each(&m, note, NULL), ERR_NOMEM);
    mem_fail_from(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_message_is_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_would_cost_a_name_of_any_length_for_each_pid_is_left_out, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_later_version_is_asked_to_speak_ours, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_malformed_anywhere_is_refused_as_a_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_written_is_read_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_message_cut_anywhere_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_memory_it_says_so, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
