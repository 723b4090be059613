/* Maps in lists, whose keys are known by a comparison once they have come: each must be what it is alone. */
#include "test.h"

#include <stdio.h>

#include "base/check.h"
#include "bridge/transcode.h"
#include "etf/tools.h"
#include "etf/write.h"

static const struct transcode_options options = {.max_depth = 0};

static uint64_t random_state = 7;

static uint32_t random_below(uint32_t n)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 33) % n;
}

/* Keys of each length up to 40, so that each end of a block is met; no two are equal. */
static void write_key(struct wr *w, unsigned i)
{
    wr_u8(w, '"');
    for (unsigned k = 0; k < i % 41; k++)
        wr_u8(w, (uint8_t)('a' + i % 26));
    if (i % 7 == 3)
        wr_str(w, "\\n");
    if (i % 11 == 5)
        wr_str(w, "\xC3\xA9");
    wr_printf(w, "%u\"", i);
    if (random_below(16) == 0)
        wr_u8(w, ' ');
    wr_u8(w, ':');
}

static void write_record(struct wr *w, unsigned depth)
{
    unsigned first = random_below(4) ? 0 : random_below(60), count = random_below(9) ? 5 : random_below(90);

    wr_u8(w, '{');
    for (unsigned i = 0; i < count; i++) {
        if (i)
            wr_u8(w, ',');
        write_key(w, first + i);
        if (depth && random_below(3) == 0) {
            wr_str(w, "[");
            write_record(w, depth - 1);
            wr_str(w, ",");
            write_record(w, depth - 1);
            wr_str(w, "]");
        } else if (random_below(2)) {
            wr_printf(w, "%u", random_below(2000));
        } else {
            wr_printf(w, "\"%.*s\"", (int)random_below(33), "a text that may be cut at any place");
        }
    }
    wr_u8(w, '}');
}

/* The text and its term, each of which ends where readable memory does. */
static void transcode(struct slice text, struct wr *term)
{
    struct guard json = guard_of(text);
    struct transcode_fault f;

    if (transcode_json_to_etf(json.bytes, &options, term, NULL, &f) != ERR_NONE)
        fail_msg("%.*s: %s", SLICE_FMT(text), f.fault.text);
    guard_free(&json);
}

static void print(struct slice term, bool typed, struct wr *json)
{
    struct guard g = guard_of(term);
    struct etf_rd r = etf_rd_of(g.bytes, NULL);

    assert_int_equal(etf_validate(g.bytes, NULL, &(struct etf_rules){0}, NULL, NULL), ERR_NONE);
    assert_int_equal(transcode_etf_to_json(&r, &options, typed, json), ERR_NONE);
    guard_free(&g);
}

static void records_are_what_they_are_alone(void **state)
{
    enum { RECORDS = 24 };

    (void)state;
    for (unsigned round = 0; round < 30; round++) {
        struct wr text, term, want_term, json, want_json;
        bool typed = round % 2;

        wr_init(&text, SIZE_MAX);
        wr_init(&term, SIZE_MAX);
        wr_init(&want_term, SIZE_MAX);
        wr_init(&json, SIZE_MAX);
        wr_init(&want_json, SIZE_MAX);
        etf_write_list(&want_term, RECORDS);
        for (unsigned i = 0; i < RECORDS; i++) {
            size_t at = text.len + 1, term_at = want_term.len;

            wr_u8(&text, i ? ',' : '[');
            /* What holds lists itself is no help here. */
            write_record(&text, 0);
            transcode(slice_of(text.buf + at, text.len - at), &want_term);
            wr_u8(&want_json, i ? ',' : '[');
            print(slice_of(want_term.buf + term_at, want_term.len - term_at), typed, &want_json);
        }
        wr_u8(&text, ']');
        wr_u8(&want_json, ']');
        etf_write_nil(&want_term);
        transcode(wr_written(&text), &term);
        assert_bytes_equal(wr_written(&term), wr_written(&want_term));
        print(wr_written(&term), typed, &json);
        assert_bytes_equal(wr_written(&json), wr_written(&want_json));
        wr_fini(&text);
        wr_fini(&term);
        wr_fini(&want_term);
        wr_fini(&json);
        wr_fini(&want_json);
    }
}

static void nested_records_come_back(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 60; round++) {
        struct wr text, term, json, back;

        wr_init(&text, SIZE_MAX);
        wr_init(&term, SIZE_MAX);
        wr_init(&json, SIZE_MAX);
        wr_init(&back, SIZE_MAX);
        wr_u8(&text, '[');
        for (unsigned i = 0; i < 4; i++) {
            if (i)
                wr_u8(&text, ',');
            write_record(&text, 3);
        }
        wr_u8(&text, ']');
        transcode(wr_written(&text), &term);
        print(wr_written(&term), true, &json);
        transcode(wr_written(&json), &back);
        assert_bytes_equal(wr_written(&back), wr_written(&term));
        wr_fini(&text);
        wr_fini(&term);
        wr_fini(&json);
        wr_fini(&back);
    }
}

/* One record by itself, into both. */
static void write_alone(struct wr *text, struct wr *want)
{
    size_t at = text->len;

    write_record(text, 0);
    transcode(slice_of(text->buf + at, text->len - at), want);
}

/* {"$tail": A, "$list": [B, C]}: what was written first stands last. */
static void write_tail_first(struct wr *text, struct wr *want)
{
    struct wr tail;

    wr_init(&tail, SIZE_MAX);
    wr_str(text, "{\"$tail\":");
    write_alone(text, &tail);
    wr_str(text, ",\"$list\":[");
    etf_write_list(want, 2);
    write_alone(text, want);
    wr_u8(text, ',');
    write_alone(text, want);
    wr_str(text, "]}");
    wr_slice(want, wr_written(&tail));
    wr_fini(&tail);
}

/* {"$tuple": [A, 0, …]}, whose head becomes longer when more than 255 elements have come. */
static void write_tuple(struct wr *text, struct wr *want, unsigned arity)
{
    etf_write_tuple(want, arity);
    wr_str(text, "{\"$tuple\":[");
    write_alone(text, want);
    for (unsigned i = 1; i < arity; i++) {
        wr_str(text, ",0");
        etf_write_int64(want, 0);
    }
    wr_str(text, "]}");
}

static void keys_that_were_moved_are_found_where_they_are(void **state)
{
    enum { PARTS = 24 };

    (void)state;
    for (unsigned round = 0; round < 60; round++) {
        struct wr text, term, want;

        wr_init(&text, SIZE_MAX);
        wr_init(&term, SIZE_MAX);
        wr_init(&want, SIZE_MAX);
        etf_write_list(&want, PARTS);
        for (unsigned i = 0; i < PARTS; i++) {
            wr_u8(&text, i ? ',' : '[');
            switch (random_below(4)) {
            case 0: write_tail_first(&text, &want); break;
            case 1: write_tuple(&text, &want, 250 + random_below(12)); break;
            case 2: /* within another that moves */
                wr_str(&text, "{\"$tuple\":[");
                etf_write_tuple(&want, 257);
                write_tail_first(&text, &want);
                wr_u8(&text, ',');
                write_tuple(&text, &want, 256);
                for (unsigned k = 2; k < 257; k++) {
                    wr_str(&text, ",0");
                    etf_write_int64(&want, 0);
                }
                wr_str(&text, "]}");
                break;
            default: write_alone(&text, &want);
            }
        }
        wr_u8(&text, ']');
        etf_write_nil(&want);
        transcode(wr_written(&text), &term);
        assert_bytes_equal(wr_written(&term), wr_written(&want));
        wr_fini(&text);
        wr_fini(&term);
        wr_fini(&want);
    }
}

static void assert_twin(const char *text, size_t offset)
{
    struct guard json = guard_of(slice_of_str(text));
    struct transcode_fault f;
    struct wr w;

    wr_init(&w, SIZE_MAX);
    if (transcode_json_to_etf(json.bytes, &options, &w, NULL, &f) != ERR_DUPLICATE_KEY ||
        f.fault.offset != offset)
        fail_msg("%s: %s at %zu", text, err_name(f.fault.err), f.fault.offset);
    wr_fini(&w);
    guard_free(&json);
}

static void a_key_twice_is_refused_in_each_record(void **state)
{
    (void)state;
    assert_twin("[{\"a\":1,\"b\":2},{\"a\":1,\"b\":2,\"a\":3}                                ]", 28);
    assert_twin("[{\"a\":1,\"b\":2},{\"a\":1,\"b\":2,\"b\":3}                                ]", 28);
    assert_twin("[{\"a\":1,\"b\":2},{\"b\":1,\"b\":2}                                        ]", 22);
    assert_twin("[{\"a\":1,\"b\":2},{\"a\":1,\"a\":2}                                        ]", 22);
    /* The same key, told from another by a blank or an escape only. */
    assert_twin("[{\"a\":1,\"b\":2},{\"a\":1,\"a\" :2}                                       ]", 22);
    assert_twin("[{\"a\":1,\"b\":2},{\"a\":1,\"\\u0061\":2}                                  ]", 22);
    assert_twin("[{\"\\u0061\":1,\"b\":2},{\"\\u0061\":1,\"b\":2,\"a\":0}                    ]", 38);
}

/* `records` maps of the keys given, in order, each with NIL for a value. */
static void write_maps(struct wr *w, const struct slice *maps, size_t records)
{
    etf_write_list(w, (uint32_t)records);
    for (size_t i = 0; i < records; i++) {
        etf_write_map(w, (uint32_t)maps[i].len);
        for (size_t k = 0; k < maps[i].len; k++) {
            switch (maps[i].ptr[k]) {
            case 'L': wr_slice(w, SLICE("\x6e\5\0\1\0\0\0\0")); break; /* 1, in a big's form */
            case 'I': wr_slice(w, SLICE("\x61\1")); break;
            case 'o': wr_slice(w, SLICE("s\1a")); break; /* a in Latin-1 */
            case 'a': wr_slice(w, SLICE("w\1a")); break;
            case 'Z': wr_slice(w, SLICE("\x46\x80\0\0\0\0\0\0\0")); break;
            case 'z': wr_slice(w, SLICE("\x46\0\0\0\0\0\0\0\0")); break;
            case 'T': wr_slice(w, SLICE("h\1w\1a")); break;
            default: etf_write_binary(w, slice_of(&maps[i].ptr[k], 1));
            }
            etf_write_nil(w);
        }
    }
    etf_write_nil(w);
    /* Enough behind it that none of the keys is too near the end. */
}

static enum err validate_maps(const struct slice *maps, size_t records)
{
    struct wr w;
    struct guard g;
    enum err e;

    wr_init(&w, SIZE_MAX);
    etf_write_tuple(&w, 2);
    write_maps(&w, maps, records);
    etf_write_binary(&w, SLICE("as many bytes as are compared at once"));
    g = guard_of(wr_written(&w));
    e = etf_validate(g.bytes, NULL, &(struct etf_rules){0}, NULL, NULL);
    for (size_t cut = 0; cut < g.bytes.len; cut++) {
        struct guard part = guard_of(slice_of(g.bytes.ptr, cut));

        assert_true(etf_validate(part.bytes, NULL, &(struct etf_rules){0}, NULL, NULL) != ERR_NONE);
        guard_free(&part);
    }
    guard_free(&g);
    wr_fini(&w);
    return e;
}

#define MAPS(...) \
    (const struct slice[]){__VA_ARGS__}, sizeof((const struct slice[]){__VA_ARGS__}) / sizeof(struct slice)

static void validation_knows_keys_in_any_form(void **state)
{
    (void)state;
    assert_int_equal(validate_maps(MAPS(SLICE_LIT("bcd"), SLICE_LIT("bcd"), SLICE_LIT("bcde"))), ERR_NONE);
    assert_int_equal(validate_maps(MAPS(SLICE_LIT("IaT"), SLICE_LIT("IaT"), SLICE_LIT("zaI"))), ERR_NONE);
    assert_int_equal(validate_maps(MAPS(SLICE_LIT("bcd"), SLICE_LIT("bcb"))), ERR_DUPLICATE_KEY);
    assert_int_equal(validate_maps(MAPS(SLICE_LIT("bcd"), SLICE_LIT("bcdc"))), ERR_DUPLICATE_KEY);
    assert_int_equal(validate_maps(MAPS(SLICE_LIT("bcd"), SLICE_LIT("bcdec"))), ERR_DUPLICATE_KEY);
    assert_int_equal(validate_maps(MAPS(SLICE_LIT("bI"), SLICE_LIT("bIL"))), ERR_DUPLICATE_KEY);
    assert_int_equal(validate_maps(MAPS(SLICE_LIT("Lb"), SLICE_LIT("LbI"))), ERR_DUPLICATE_KEY);
    assert_int_equal(validate_maps(MAPS(SLICE_LIT("ab"), SLICE_LIT("abo"))), ERR_DUPLICATE_KEY);
    assert_int_equal(validate_maps(MAPS(SLICE_LIT("oa"), SLICE_LIT("b"))), ERR_DUPLICATE_KEY);
    assert_int_equal(validate_maps(MAPS(SLICE_LIT("zb"), SLICE_LIT("zbZ"))), ERR_DUPLICATE_KEY);
    assert_int_equal(validate_maps(MAPS(SLICE_LIT("bT"), SLICE_LIT("bTT"))), ERR_DUPLICATE_KEY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_what_they_are_alone),
        cmocka_unit_test(keys_that_were_moved_are_found_where_they_are),
        cmocka_unit_test(nested_records_come_back),
        cmocka_unit_test(a_key_twice_is_refused_in_each_record),
        cmocka_unit_test(validation_knows_keys_in_any_form),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
