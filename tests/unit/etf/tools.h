/* tools: terms as bytes, each put where readable memory ends (guard.h). */
#ifndef ERLGATE_TESTS_UNIT_ETF_TOOLS_H
#define ERLGATE_TESTS_UNIT_ETF_TOOLS_H

#include "guard.h"

#define BYTES(...) slice_of((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

#define assert_bytes_equal(got, want)                                            \
    do {                                                                         \
        struct slice got_ = (got), want_ = (want);                               \
        assert_int_equal(got_.len, want_.len);                                   \
        assert_memory_equal(got_.len ? (const void *)got_.ptr : "",              \
                            want_.len ? (const void *)want_.ptr : "", got_.len); \
    } while (0)

/* One of each tag, shortest forms first: what a reader must take whole and must refuse at every cut. */
static const struct {
    const char *name;
    struct slice bytes;
} samples[] = {
    {"small integer", SLICE_LIT("\x61\x05")},
    {"integer", SLICE_LIT("\x62\xff\xff\xff\xff")},
    {"float", SLICE_LIT("\x46\x3f\xf8\0\0\0\0\0\0")},
    {"float as text", SLICE_LIT("\x63"
                                "1.50000000000000000000e+00\0\0\0\0\0")},
    {"port of old", SLICE_LIT("\x66w\3a@b\0\0\0\1\3")},
    {"port", SLICE_LIT("\x59w\3a@b\0\0\0\1\0\0\0\4")},
    {"port of 64 bits", SLICE_LIT("\x78w\3a@b\0\0\1\0\0\0\0\1\0\0\0\4")},
    {"pid of old", SLICE_LIT("\x67w\3a@b\0\0\0\1\0\0\0\2\3")},
    {"pid", SLICE_LIT("\x58w\3a@b\0\0\0\1\0\0\0\2\0\0\0\3")},
    {"reference of old", SLICE_LIT("\x65w\3a@b\0\0\0\1\3")},
    {"newer reference", SLICE_LIT("\x72\0\2w\3a@b\3\0\0\0\1\0\0\0\2")},
    {"reference", SLICE_LIT("\x5a\0\3w\3a@b\0\0\0\3\0\0\0\1\0\0\0\2\0\0\0\3")},
    {"tuple", SLICE_LIT("h\2a\1j")},
    {"large tuple", SLICE_LIT("i\0\0\0\2a\1j")},
    {"map", SLICE_LIT("t\0\0\0\2a\1jja\2")},
    {"nil", SLICE_LIT("j")},
    {"string", SLICE_LIT("k\0\3abc")},
    {"list", SLICE_LIT("l\0\0\0\2jjj")},
    {"improper list", SLICE_LIT("l\0\0\0\1ja\1")},
    {"binary", SLICE_LIT("m\0\0\0\3abc")},
    {"bitstring", SLICE_LIT("M\0\0\0\2\3\1\xe0")},
    {"big", SLICE_LIT("n\5\1\1\2\3\4\5")},
    {"large big", SLICE_LIT("o\0\0\0\5\0\1\2\3\4\5")},
    {"latin-1 atom", SLICE_LIT("d\0\2a\xe9")},
    {"small latin-1 atom", SLICE_LIT("s\2a\xe9")},
    {"atom", SLICE_LIT("v\0\2\xc3\xa9")},
    {"small atom", SLICE_LIT("w\2ok")},
    {"closure", SLICE_LIT("p\0\0\0\x37\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\0\0\0\0\0\0\0\1w\1aa\0a\7"
                          "Xw\3a@b\0\0\0\1\0\0\0\2\0\0\0\3j")},
    {"external fun", SLICE_LIT("qw\1aw\1ba\2")},
    {"fun of old", SLICE_LIT("u\0\0\0\1gw\3a@b\0\0\0\1\0\0\0\2\3w\1aa\0a\1j")},
    {"record", SLICE_LIT("C\0\0\0\2\1w\1mw\1rw\1xw\1ya\1j")},
};

#endif
