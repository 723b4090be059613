/*
 * No input of N bytes is more work than a few steps, and a few bytes moved, for each of N log N, whatever it
 * is made of and however it is nested: to be validated, to become JSON of either kind or Erlang text, to be
 * read from JSON or from Erlang text. A step is an edge of the program (counted.h): the same on every
 * machine, loaded or not.
 */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "bridge/transcode.h"
#include "etf/syntax.h"
#include "etf/write.h"

enum {
    /* For each of N log N; what is plain takes up to two steps, and hardly a byte. */
    MAX_STEPS = 8,
    MAX_BYTES = 16,
    SMALLEST = 1 << 16,
    LARGEST = 1 << 20,
    DEPTH = 500,
};

uint64_t work_steps, work_bytes;
void __sanitizer_cov_trace_pc(void);

void __sanitizer_cov_trace_pc(void)
{
    work_steps++;
}

/* ---- inputs: each about n bytes ---- */

typedef void make_fn(struct wr *w, size_t n);

static void fill(struct wr *w, size_t n, char c)
{
    uint8_t *p = wr_room(w, n);

    memset(p, c, n);
    w->len += n;
}

static void blob(struct wr *w, size_t n)
{
    wr_u8(w, ETF_BINARY_EXT);
    wr_be32(w, (uint32_t)n);
    fill(w, n, 'b');
}

static void repeat(struct wr *w, const char *text, size_t times)
{
    while (times-- > 0)
        wr_str(w, text);
}

/* As often as it takes until n bytes are there. */
static void repeat_to(struct wr *w, const char *text, size_t n)
{
    while (w->len < n)
        wr_str(w, text);
}

/* #{#{#{… => [], [] => []} => [], [] => []} => [], [] => []} */
static void maps_as_keys(struct wr *w, size_t n)
{
    for (int i = 0; i < DEPTH; i++)
        etf_write_map(w, 2);
    blob(w, n);
    for (int i = 0; i < DEPTH; i++)
        wr_str(w, "jjj");
}

/* The same with the inner maps as values, inside one key. */
static void maps_as_values_in_a_key(struct wr *w, size_t n)
{
    etf_write_map(w, 1);
    for (int i = 0; i < DEPTH; i++) {
        etf_write_map(w, 2);
        wr_str(w, "j");
    }
    blob(w, n);
    for (int i = 0; i < DEPTH; i++) {
        etf_write_int64(w, 1);
        wr_str(w, "j");
    }
    wr_str(w, "j");
}

static void small_maps_as_keys(struct wr *w, size_t n)
{
    enum { EACH = 21 };
    uint32_t count = (uint32_t)(n / EACH);

    etf_write_map(w, count);
    for (uint32_t i = 0; i < count; i++) {
        etf_write_map(w, 2);
        etf_write_int64(w, 1000000 + i);
        etf_write_map(w, 1);
        wr_str(w, "jjjjj");
    }
}

/* etf/keys.c's own. If it becomes another, keys made to collide lose their point, and are still looked at. */
static uint64_t fold(uint64_t h, uint64_t word)
{
    unsigned __int128 m = (unsigned __int128)(h ^ word) * 0x9E3779B97F4A7C15u;

    return (uint64_t)m ^ (uint64_t)(m >> 64);
}

/* A binary of len bytes in all (a multiple of 8), of one hash with all others, and equal to them up to its
 * end. */
static void colliding_key(struct wr *w, size_t len, uint64_t number)
{
    uint64_t h = len * 0x9E3779B97F4A7C15u, word;
    size_t start = w->len;

    blob(w, len - 5);
    for (size_t at = start; at + 16 < w->len; at += 8) {
        memcpy(&word, w->buf + at, 8);
        h = fold(h, word);
    }
    word = fold(h, number);
    memcpy(w->buf + w->len - 16, &number, 8);
    memcpy(w->buf + w->len - 8, &word, 8);
}

static void keys_of_one_hash(struct wr *w, size_t n)
{
    enum { EACH = 24 };
    uint32_t count = (uint32_t)(n / (EACH + 1));

    etf_write_map(w, count);
    for (uint32_t i = 0; i < count; i++) {
        colliding_key(w, EACH, i);
        etf_write_nil(w);
    }
}

/* The small ones pay for many looks, which the large ones use up. */
static void large_keys_of_one_hash_among_small_ones(struct wr *w, size_t n)
{
    enum { LARGE = 800 };
    uint32_t small = (uint32_t)(n / 2 / 6);
    size_t len = n / 2 / LARGE & ~(size_t)7;

    etf_write_map(w, LARGE + small);
    for (uint32_t i = 0; i < small; i++) {
        etf_write_int64(w, 1000000 + i);
        etf_write_nil(w);
    }
    for (uint32_t i = 0; i < LARGE; i++) {
        colliding_key(w, len, i);
        etf_write_nil(w);
    }
}

static void keys_with_one_beginning(struct wr *w, size_t n)
{
    uint32_t each = 1000, count = (uint32_t)(n / each);

    etf_write_map(w, count);
    for (uint32_t i = 0; i < count; i++) {
        blob(w, each - 6);
        memcpy(w->buf + w->len - 4, &i, 4);
        etf_write_nil(w);
    }
}

static void keys_of_three_kinds(struct wr *w, size_t n)
{
    uint32_t count = (uint32_t)(n / 3 / 8);
    char text[16];

    etf_write_map(w, 3 * count);
    for (uint32_t i = 0; i < count; i++) {
        snprintf(text, sizeof text, "a%u", i);
        etf_write_atom_str(w, text);
        etf_write_nil(w);
        text[0] = 'b';
        etf_write_binary(w, slice_of_str(text));
        etf_write_nil(w);
        etf_write_int64(w, i);
        etf_write_nil(w);
    }
}

/* Each level has keys that a JSON object cannot have, or only just. */
static void odd_maps_in_maps(struct wr *w, size_t n)
{
    for (int i = 0; i < DEPTH; i++) {
        etf_write_map(w, 3);
        etf_write_atom_str(w, "a");
        etf_write_nil(w);
        etf_write_int64(w, 1);
        etf_write_nil(w);
        etf_write_binary(w, i % 2 ? SLICE("a") : SLICE("b"));
    }
    blob(w, n);
}

/* [65, 65, …, [65, 65, …, […]]]: nearly text, at each level. */
static void lists_that_are_nearly_text(struct wr *w, size_t n)
{
    uint32_t each = (uint32_t)(n / DEPTH / 2);

    for (int i = 0; i < DEPTH; i++) {
        etf_write_list(w, each + 1);
        for (uint32_t k = 0; k < each; k++)
            etf_write_int64(w, 65);
    }
    etf_write_nil(w);
    for (int i = 0; i < DEPTH; i++)
        etf_write_nil(w);
}

/* [65 | [65 | … "AAAA"]], each tail a list with a header of its own. */
static void lists_as_tails(struct wr *w, size_t n)
{
    for (int i = 0; i < DEPTH; i++) {
        etf_write_list(w, 1);
        etf_write_int64(w, 65);
    }
    etf_write_list(w, (uint32_t)(n / 2));
    for (size_t i = 0; i < n / 2; i++)
        etf_write_int64(w, 65);
    etf_write_atom_str(w, "odd");
}

static void small_integers(struct wr *w, size_t n)
{
    etf_write_list(w, (uint32_t)(n / 5));
    for (size_t i = 0; i < n / 5; i++)
        etf_write_int64(w, 1000000);
    etf_write_nil(w);
}

static void tuples_in_tuples(struct wr *w, size_t n)
{
    for (int i = 0; i < DEPTH; i++) {
        etf_write_tuple(w, 256);
        repeat(w, "j", 255);
    }
    blob(w, n > w->len ? n - w->len : 0);
}

static void a_large_binary(struct wr *w, size_t n)
{
    blob(w, n);
}

/* ---- the same as JSON ---- */

static void nested(struct wr *w, size_t n, const char *open, const char *close)
{
    for (int i = 0; i < DEPTH; i++)
        wr_str(w, open);
    wr_u8(w, '"');
    fill(w, n, 'b');
    wr_u8(w, '"');
    for (int i = 0; i < DEPTH; i++)
        wr_str(w, close);
}

static void json_large_tuples(struct wr *w, size_t n)
{
    for (int i = 0; i < DEPTH; i++) {
        wr_str(w, "{\"$tuple\":[");
        repeat(w, "1,", 255);
    }
    wr_u8(w, '"');
    fill(w, n > w->len ? n - w->len : 1, 'b');
    wr_u8(w, '"');
    for (int i = 0; i < DEPTH; i++)
        wr_str(w, "]}");
}

static void json_tails_first(struct wr *w, size_t n)
{
    nested(w, n, "{\"$tail\":", ",\"$list\":[1]}");
}

static void json_maps_as_keys(struct wr *w, size_t n)
{
    nested(w, n, "{\"$map\":[[", ",1],[2,3]]}");
}

static void json_objects_in_objects(struct wr *w, size_t n)
{
    for (int i = 0; i < DEPTH; i++) {
        wr_u8(w, '{');
        for (int k = 0; k < 20; k++)
            wr_printf(w, "\"k%d\":1,", k);
        wr_str(w, "\"k\":");
    }
    wr_u8(w, '"');
    fill(w, n > w->len ? n - w->len : 1, 'b');
    wr_u8(w, '"');
    for (int i = 0; i < DEPTH; i++)
        wr_u8(w, '}');
}

static void json_keys_with_one_beginning(struct wr *w, size_t n)
{
    wr_u8(w, '{');
    for (unsigned i = 0; w->len < n; i++) {
        wr_str(w, i ? ",\"" : "\"");
        fill(w, 500, 'b');
        wr_printf(w, "%u\":1", i);
    }
    wr_u8(w, '}');
}

static void json_escapes(struct wr *w, size_t n)
{
    wr_u8(w, '"');
    repeat_to(w, "\\u0041\\n", n);
    wr_u8(w, '"');
}

static void json_long_integers(struct wr *w, size_t n)
{
    wr_u8(w, '[');
    while (w->len < n) {
        fill(w, 10000, '9');
        wr_u8(w, ',');
    }
    wr_str(w, "1]");
}

/* The place of the mistake has a long way of its own. */
static void json_mistake_at_the_end(struct wr *w, size_t n)
{
    for (int i = 0; i < DEPTH / 2; i++)
        wr_str(w, "{\"a/b~\":[1,2,");
    wr_u8(w, '"');
    fill(w, n, 'b');
}

/* ---- the same as Erlang text ---- */

static void text_large_tuples(struct wr *w, size_t n)
{
    for (int i = 0; i < DEPTH; i++) {
        wr_u8(w, '{');
        repeat(w, "1,", 255);
    }
    wr_u8(w, '"');
    fill(w, n > w->len ? n - w->len : 1, 'b');
    wr_u8(w, '"');
    for (int i = 0; i < DEPTH; i++)
        wr_u8(w, '}');
}

static void text_of_integers(struct wr *w, size_t n)
{
    wr_u8(w, '[');
    repeat_to(w, "1,", n);
    wr_str(w, "2]");
}

static void text_maps_as_keys(struct wr *w, size_t n)
{
    nested(w, n, "#{", "=>1,2=>3}");
}

static void text_lists_as_tails(struct wr *w, size_t n)
{
    nested(w, n, "[1|", "]");
}

static void text_strings_side_by_side(struct wr *w, size_t n)
{
    repeat_to(w, "\"ab\" ", n);
}

static void text_of_many_lines(struct wr *w, size_t n)
{
    wr_str(w, "\"\"\"\n");
    repeat_to(w, "    ab\n", n);
    wr_str(w, "    \"\"\"");
}

static void text_of_comments(struct wr *w, size_t n)
{
    repeat_to(w, "% a comment\n", n);
    wr_str(w, "ok");
}

static void text_of_segments(struct wr *w, size_t n)
{
    wr_str(w, "<<");
    repeat_to(w, "1:3,", n);
    wr_str(w, "1>>");
}

static void text_of_atoms(struct wr *w, size_t n)
{
    wr_u8(w, '[');
    repeat_to(w, "'a\\nb',", n);
    wr_str(w, "c]");
}

/* ---- counting ---- */

/* Never for a reason that ends it early. */
static void is_done_or_too_much(const char *what, enum err e)
{
    if (e != ERR_NONE && e != ERR_TOO_LARGE && e != ERR_MORE)
        fail_msg("%s: %s", what, err_name(e));
}

static unsigned log2_of(size_t n)
{
    return 63 - (unsigned)__builtin_clzll(n);
}

/* n: what goes in and comes out. */
static void judge(const char *what, size_t n, enum err e)
{
    double unit = (double)n * log2_of(n), steps = (double)work_steps / unit,
           bytes = (double)work_bytes / unit;

    if (getenv("WORK_VERBOSE"))
        printf("%-54s %8zu bytes: %6.2f steps, %6.2f bytes, %s\n", what, n, steps, bytes, err_name(e));
    is_done_or_too_much(what, e);
    if (steps > MAX_STEPS || bytes > MAX_BYTES)
        fail_msg("%s: %zu bytes take %.1f steps, %.1f bytes for each of N log N", what, n, steps, bytes);
}

static void begin(void)
{
    work_steps = work_bytes = 0;
}

enum way { VALIDATE, TO_PLAIN, TO_TYPED, TO_TEXT, COPY, WAYS };

static enum err go(enum way way, struct slice term, struct wr *out)
{
    static const struct transcode_options options = {.charlists_as_strings = true, .seed = 1};
    struct etf_rd r = etf_rd_of(term, NULL);

    switch (way) {
    case VALIDATE: return etf_validate(term, NULL, NULL, NULL, NULL);
    case TO_PLAIN: return transcode_etf_to_json(&r, &options, false, out);
    case TO_TYPED: return transcode_etf_to_json(&r, &options, true, out);
    case TO_TEXT: return etf_print(out, &r);
    case COPY: return etf_copy(out, &r);
    case WAYS: break;
    }
    return ERR_INVALID;
}

static void count_term(const char *name, make_fn *make)
{
    static const char *const ways[WAYS] = {"validated", "to plain JSON", "to typed JSON", "to text",
                                           "copied"};
    struct wr w, out;
    char what[128];

    wr_init(&w, SIZE_MAX);
    wr_init(&out, SIZE_MAX);
    for (size_t n = SMALLEST; n <= LARGEST; n *= 4) {
        wr_reset(&w);
        make(&w, n);
        assert_true(wr_ok(&w));
        for (enum way way = VALIDATE; way < WAYS; way++) {
            enum err e;

            wr_reset(&out);
            begin();
            e = go(way, wr_written(&w), &out);
            snprintf(what, sizeof what, "%s %s", name, ways[way]);
            judge(what, w.len + out.len, e);
        }
    }
    wr_fini(&w);
    wr_fini(&out);
}

static void count_text(const char *name, make_fn *make, bool is_json)
{
    static const struct transcode_options options = {.seed = 1};
    struct wr w, out;

    wr_init(&w, SIZE_MAX);
    wr_init(&out, SIZE_MAX);
    for (size_t n = SMALLEST; n <= LARGEST; n *= 4) {
        struct transcode_fault f;
        enum err e;

        wr_reset(&w);
        wr_reset(&out);
        make(&w, n);
        assert_true(wr_ok(&w));
        begin();
        e = is_json ? transcode_json_to_etf(wr_written(&w), &options, &out, NULL, &f)
                    : etf_parse(&out, wr_written(&w), NULL, NULL);
        judge(name, w.len + out.len, e);
    }
    wr_fini(&w);
    wr_fini(&out);
}

#define TERM(f) count_term(#f, f)
#define JSON(f) count_text(#f, f, true)
#define TEXT(f) count_text(#f, f, false)

static void terms_cost_no_more_than_n_log_n(void **state)
{
    (void)state;
    TERM(a_large_binary);
    TERM(small_integers);
    TERM(maps_as_keys);
    TERM(maps_as_values_in_a_key);
    TERM(small_maps_as_keys);
    TERM(keys_of_one_hash);
    TERM(large_keys_of_one_hash_among_small_ones);
    TERM(keys_with_one_beginning);
    TERM(keys_of_three_kinds);
    TERM(odd_maps_in_maps);
    TERM(lists_that_are_nearly_text);
    TERM(lists_as_tails);
    TERM(tuples_in_tuples);
}

static void json_costs_no_more_than_n_log_n(void **state)
{
    (void)state;
    JSON(json_large_tuples);
    JSON(json_tails_first);
    JSON(json_maps_as_keys);
    JSON(json_objects_in_objects);
    JSON(json_keys_with_one_beginning);
    JSON(json_escapes);
    JSON(json_long_integers);
    JSON(json_mistake_at_the_end);
}

static void text_costs_no_more_than_n_log_n(void **state)
{
    (void)state;
    TEXT(text_of_integers);
    TEXT(text_large_tuples);
    TEXT(text_maps_as_keys);
    TEXT(text_lists_as_tails);
    TEXT(text_strings_side_by_side);
    TEXT(text_of_many_lines);
    TEXT(text_of_comments);
    TEXT(text_of_segments);
    TEXT(text_of_atoms);
}

/* Else nothing was counted, and everything passes. */
static void work_is_counted(void **state)
{
    struct wr w;

    (void)state;
    wr_init(&w, SIZE_MAX);
    small_integers(&w, SMALLEST);
    begin();
    assert_int_equal(etf_validate(wr_written(&w), NULL, NULL, NULL, NULL), ERR_NONE);
    assert_true(work_steps > SMALLEST / 5);
    wr_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(work_is_counted),
        cmocka_unit_test(terms_cost_no_more_than_n_log_n),
        cmocka_unit_test(json_costs_no_more_than_n_log_n),
        cmocka_unit_test(text_costs_no_more_than_n_log_n),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
