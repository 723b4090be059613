/*
 * JSON to terms, far from the end of the text: there the loop has shorter ways through numbers, keys and
 * commas. Whether the end is near must make no difference, neither to what comes of a text nor to what is
 * said of it.
 */
#include "bridge/transcode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/check.h"

enum { TEXT_MAX = 1024, BLANKS = 200 };

struct outcome {
    enum err err;
    struct wr term;
    struct transcode_fault fault;
};

static void transcode(struct slice text, struct outcome *o)
{
    static const struct transcode_options options = {.max_depth = 0};

    wr_init(&o->term, SIZE_MAX);
    o->fault = (struct transcode_fault){0};
    o->err = transcode_json_to_etf(text, &options, &o->term, NULL, &o->fault);
}

/* The text, and the same with blanks behind it. */
static void assert_same_far_away(const char *text)
{
    size_t len = strlen(text);
    char far_text[TEXT_MAX + BLANKS + 1];
    struct outcome near, far;

    assert_true(len < TEXT_MAX);
    snprintf(far_text, sizeof far_text, "%s%*s", text, BLANKS, "");
    transcode(slice_of_str(text), &near);
    transcode(slice_of_str(far_text), &far);
    if (near.err == ERR_MORE) {
        /* Of a text that ends too early there is something else to say than of one that goes on. */
        assert_int_not_equal(far.err, ERR_NONE);
    } else if (near.err != far.err) {
        fail_msg("%s: %s when the end is near, far away %s", text, err_name(near.err), err_name(far.err));
    } else if (near.err != ERR_NONE) {
        assert_int_equal(near.fault.fault.offset, far.fault.fault.offset);
        assert_string_equal(near.fault.fault.text, far.fault.fault.text);
        assert_string_equal(near.fault.pointer, far.fault.pointer);
    } else if (!slice_eq(wr_written(&near.term), wr_written(&far.term))) {
        fail_msg("%s: becomes another term far from the end", text);
    }
    wr_fini(&near.term);
    wr_fini(&far.term);
}

static const char *const values[] = {
    "0",
    "-0",
    "1",
    "-1",
    "9",
    "10",
    "255",
    "256",
    "-255",
    "-256",
    "1234567",
    "-1234567",
    "12345678",
    "-12345678",
    "99999999",
    "123456789",
    "-123456789",
    "2147483647",
    "2147483648",
    "-2147483648",
    "-2147483649",
    "999999999999999",
    "1234567890123456",
    "12345678901234567",
    "9223372036854775807",
    "18446744073709551616",
    "00",
    "01",
    "-01",
    "0123",
    "-",
    "--1",
    "+1",
    "1-1",
    "1a",
    "1x2",
    "-a",
    "0x10",
    "1 2",
    "12 ",
    " 12",
    "1\t",
    "\n1",
    "0.0",
    "-0.0",
    "0.5",
    "-0.25",
    "1.5",
    "00.5",
    "1.",
    "1.a",
    ".5",
    "1.2.3",
    "1..2",
    "12345678.12345678",
    "123456789.123456789",
    "1.123456789012345",
    "1.1234567890123456",
    "0.123456789012345678",
    "123456789012345.5",
    "1234567890123456.5",
    "33.543139999999994",
    "-62.571200000000005",
    "1e5",
    "1E5",
    "1e-5",
    "1e+5",
    "1.5e300",
    "1.5e400",
    "-1e400",
    "1e",
    "1e+",
    "1ex",
    "0e0",
    "0.0e-1",
    "true",
    "false",
    "null",
    "truex",
    "tru",
    "nul",
    "fals",
    "True",
    "\"\"",
    "\"a\"",
    "\"\\n\"",
    "\"\\u00e9\"",
    "\"\xC3\xA9\"",
    "\"\xC3\"",
    "\"\x01\"",
    "\"\\x\"",
    "\"0123456789abcdef\"",
    "\"0123456789abcde\\\"\"",
    "[]",
    "[ ]",
    "{}",
    "{ }",
    "[1,2,3]",
    "[1, 2, 3]",
    "[1 ,2 ,3]",
    "[1,  2,\t3]",
    "[1,,2]",
    "[1,2,]",
    "[,1]",
    "[1;2]",
    "[-1,-2,-3]",
    "[0,1,255]",
    "[0,1,256]",
    "[1,02]",
    "[1,2.5,3]",
    "[1,\"a\",2]",
    "[1,[2,[3]]]",
    "[1,}",
    "{\"a\":1}",
    "{\"a\" : 1 , \"b\" : 2}",
    "{\"a\":1,}",
    "{,}",
    "{\"a\":1,\"a\":2}",
    "{\"a\"}",
    "{\"a\":}",
    "{\"a\":1;\"b\":2}",
    "{a:1}",
    "{\"a\":1]",
    "{\"$atom\":\"a\"}",
    "{\"a\":1,\"$b\":2}",
    "{\"$tuple\":[1,2,3]}",
    "{\"$tuple\":[1, 2]}",
    "{\"$map\":[[1,2],[3,4]]}",
    "{\"$map\":[[1,2],[1,4]]}",
    "{\"$list\":[1,2],\"$tail\":3}",
    "{\"$tail\":3,\"$list\":[1,2]}",
    "{\"$integer\":\"12345678901234567890\"}",
    "]",
    "}",
    ",",
    ":",
    "\xFF",
    "\x80",
};

/* Where they stand: what %s is, is put into each. */
static const char *const places[] = {
    "%s",
    "[%s]",
    "[7,%s]",
    "[7,%s,8]",
    "[7, %s, 8]",
    "[%s,8,9]",
    "[-7,-8,%s,-9]",
    "[[7,8],[%s,8],[9]]",
    "{\"k\":%s}",
    "{\"k\":1,\"l\":%s,\"m\":2}",
    "{\"k\" : %s , \"l\":1}",
    "[{\"k\":1,\"l\":2},{\"k\":%s,\"l\":3},{\"k\":4,\"l\":5}]",
    "[{\"k\":1, \"l\":2}, {\"k\":3, \"l\":%s}, {\"k\":4, \"l\":5}]",
    "[{\"k\":[1,2],\"l\":{\"m\":1}},{\"k\":[1,%s],\"l\":{\"m\":2}}]",
    "{\"$tuple\":[1,%s,2]}",
    "{\"$tuple\":[[1,%s],2]}",
    "{\"$map\":[[%s,1],[\"z\",[%s]]]}",
    "{\"$list\":[1,%s],\"$tail\":%s}",
};

static void the_end_makes_no_difference(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        for (size_t j = 0; j < ARRAY_LEN(values); j++) {
            char text[TEXT_MAX], *o = text;

            for (const char *p = places[i]; *p != '\0'; p++) {
                if (p[0] == '%' && p[1] == 's') {
                    o += sprintf(o, "%s", values[j]);
                    p++;
                } else {
                    *o++ = *p;
                }
            }
            *o = '\0';
            assert_same_far_away(text);
        }
    }
}

/* Blanks between the tokens, as other programs write them. */
static void blanks_make_no_difference(void **state)
{
    static const char *const texts[] = {
        "[{\"id\":1,\"tags\":[\"a\",\"b\"],\"at\":[1,-2,300],\"ok\":true},{\"id\":2,\"tags\":[],\"at\":[4],"
        "\"ok\":null}]",
        "{\"a\":{\"b\":[{\"c\":1.5,\"d\":[]},{\"c\":-2.25,\"d\":[0]}]},\"e\":[[1,2],[3,4]]}",
    };
    static const char *const blanks[] = {" ", "  ", "\n", "\r\n\t"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct outcome tight, loose;

        transcode(slice_of_str(texts[i]), &tight);
        assert_int_equal(tight.err, ERR_NONE);
        for (size_t j = 0; j < ARRAY_LEN(blanks); j++) {
            char text[TEXT_MAX], *o = text;

            for (const char *p = texts[i]; *p != '\0'; p++) {
                *o++ = *p;
                if (strchr(",:[]{}", *p))
                    o += sprintf(o, "%s", blanks[j]);
            }
            *o = '\0';
            transcode(slice_of_str(text), &loose);
            assert_int_equal(loose.err, ERR_NONE);
            assert_true(slice_eq(wr_written(&tight.term), wr_written(&loose.term)));
            wr_fini(&loose.term);
        }
        wr_fini(&tight.term);
    }
}

/* Terms longer than their text, which the room in out must be made for again and again. */
static void brackets_swell(void **state)
{
    enum { PAIRS = 20000 };
    char *text = malloc(3 * PAIRS + 2), *o = text;
    struct outcome got;

    (void)state;
    assert_non_null(text);
    *o++ = '[';
    for (int i = 0; i < PAIRS; i++) {
        memcpy(o, "{},", 3);
        o += 3;
    }
    o[-1] = ']';
    transcode(slice_of((const uint8_t *)text, (size_t)(o - text)), &got);
    assert_int_equal(got.err, ERR_NONE);
    assert_int_equal(got.term.len, 5 + 5 * PAIRS + 1);
    wr_fini(&got.term);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_end_makes_no_difference),
        cmocka_unit_test(blanks_make_no_difference),
        cmocka_unit_test(brackets_swell),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
