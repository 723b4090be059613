/* The transcoder beside jansson: the same texts accepted, and the same values seen in them. */
#include "bridge/transcode.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/check.h"

enum { FLAGS = JSON_DECODE_ANY | JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL };

static uint64_t random_state = 42;

static uint32_t random_below(uint32_t n)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 33) % n;
}

static void space(struct wr *w)
{
    while (random_below(8) == 0)
        wr_u8(w, (uint8_t) " \t\r\n"[random_below(4)]);
}

static void string(struct wr *w)
{
    static const char *const parts[] = {"a",
                                        "k",
                                        "key",
                                        "\\n",
                                        "\\\"",
                                        "\\\\",
                                        "\\/",
                                        "\\u00e9",
                                        "\\ud83d\\ude00",
                                        "\xC3\xA9",
                                        "\xE2\x82\xAC",
                                        "\xF0\x9F\x98\x80",
                                        "a longer run of text",
                                        "\x7f",
                                        "\\b\\f\\r\\t",
                                        "0123456789abcdef"};

    wr_u8(w, '"');
    for (uint32_t n = random_below(6); n > 0; n--)
        wr_str(w, parts[random_below(ARRAY_LEN(parts))]);
    wr_u8(w, '"');
}

static void number(struct wr *w)
{
    uint64_t v = (uint64_t)random_below(UINT32_MAX) << 31 | random_below(UINT32_MAX);

    v >>= random_below(63);
    wr_printf(w, "%s%llu", random_below(3) ? "" : "-", (unsigned long long)v);
    if (random_below(3) == 0)
        wr_printf(w, ".%0*u", (int)random_below(20), random_below(100000));
    if (random_below(5) == 0)
        wr_printf(w, "%c%s%u", "eE"[random_below(2)], random_below(2) ? "-" : "+", random_below(200));
}

static void value(struct wr *w, unsigned depth)
{
    static const char *const words[] = {"true", "false", "null"};
    uint32_t kind = random_below(depth ? 6 : 3), n = random_below(random_below(20) ? 5 : 40);

    space(w);
    switch (kind) {
    case 0: number(w); break;
    case 1: string(w); break;
    case 2: wr_str(w, words[random_below(3)]); break;
    case 3:
    case 4:
        wr_u8(w, '[');
        for (uint32_t i = 0; i < n; i++) {
            if (i)
                wr_u8(w, ',');
            value(w, depth - 1);
        }
        wr_u8(w, ']');
        break;
    default:
        wr_u8(w, '{');
        for (uint32_t i = 0; i < n; i++) {
            if (i)
                wr_u8(w, ',');
            space(w);
            if (random_below(4))
                wr_printf(w, "\"key%u\"", random_below(8) ? i : random_below(40));
            else
                string(w);
            space(w);
            wr_u8(w, ':');
            value(w, depth - 1);
        }
        wr_u8(w, '}');
    }
    space(w);
}

/* What jansson takes for too much and we do not: integers past 64 bits, and zero characters in keys. */
static bool is_beyond_jansson(const json_error_t *e)
{
    return strstr(e->text, "too big") || strstr(e->text, "NUL byte");
}

static void compare(struct slice text)
{
    static const struct transcode_options options = {.max_depth = 0, .tags_off = true};
    json_t *theirs, *ours;
    json_error_t error;
    struct transcode_fault f;
    struct wr term, plain;
    struct etf_rd r;
    enum err e;

    wr_init(&term, SIZE_MAX);
    wr_init(&plain, SIZE_MAX);
    theirs = json_loadb((const char *)text.ptr, text.len, FLAGS, &error);
    e = transcode_json_to_etf(text, &options, &term, NULL, &f);
    if (e != ERR_NONE && theirs)
        fail_msg("%.*s: %s at %u:%u, but jansson takes it", SLICE_FMT(text), f.fault.text, f.line, f.column);
    if (e == ERR_NONE && !theirs && !is_beyond_jansson(&error))
        fail_msg("%.*s: jansson refuses it: %s", SLICE_FMT(text), error.text);
    if (e == ERR_NONE) {
        assert_int_equal(etf_validate(wr_written(&term), NULL, &(struct etf_rules){0}, NULL, NULL), ERR_NONE);
        for (int typed = 0; typed < 2; typed++) {
            wr_reset(&plain);
            r = etf_rd_of(wr_written(&term), NULL);
            assert_int_equal(transcode_etf_to_json(&r, &options, typed, &plain), ERR_NONE);
            if (!theirs)
                continue;
            ours = json_loadb((const char *)plain.buf, plain.len, FLAGS, &error);
            /* keys that start with a dollar come as {"$map": …} */
            if (!memchr(text.ptr, '$', text.len) && !json_equal(ours, theirs))
                fail_msg("%.*s came as %.*s", SLICE_FMT(text), SLICE_FMT(wr_written(&plain)));
            json_decref(ours);
        }
    }
    json_decref(theirs);
    wr_fini(&plain);
    wr_fini(&term);
}

static void random_documents_mean_the_same(void **state)
{
    (void)state;
    for (int i = 0; i < 8000; i++) {
        struct wr w;

        wr_init(&w, SIZE_MAX);
        value(&w, random_below(6));
        compare(wr_written(&w));
        wr_fini(&w);
    }
}

static void damaged_documents_are_refused_by_both(void **state)
{
    /* No zero: between tokens jansson takes one for the end. */
    static const char odd[] = "\"\\{}[]:,0123456789.eE+-utfn \n\x1f\x80\xC3\xED\xF4";

    (void)state;
    for (int i = 0; i < 2000; i++) {
        struct wr w;

        wr_init(&w, SIZE_MAX);
        value(&w, random_below(4));
        for (int k = 0; k < 20 && w.len; k++) {
            uint32_t at = random_below((uint32_t)w.len);
            uint8_t was = w.buf[at];

            w.buf[at] = (uint8_t)odd[random_below(sizeof odd - 1)];
            compare(wr_written(&w));
            w.buf[at] = was;
            compare(slice_of(w.buf, at));
        }
        wr_fini(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_documents_mean_the_same),
        cmocka_unit_test(damaged_documents_are_refused_by_both),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
