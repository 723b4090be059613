/*
 * JSON to a term and back. Whatever is accepted must be a valid term, its typed form must read back as the
 * same term, and both forms must be JSON to jansson; and of texts without tags, jansson must accept what we
 * accept. A text three times in an array, where keys that came before are known by a comparison, must be what
 * it is alone, three times: in both directions, and to validation.
 *
 * The first byte chooses options.
 */
#include <jansson.h>
#include <stdint.h>
#include <string.h>

#include "base/check.h"
#include "laws.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { JANSSON = JSON_DECODE_ANY | JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL };

static void compare_with_jansson(struct slice text, enum err e)
{
    json_error_t error;
    json_t *j;

    if (text.len && (memchr(text.ptr, 0, text.len) || memchr(text.ptr, '$', text.len) ||
                     memmem(text.ptr, text.len, "\\u0024", 6)))
        return;
    if (e != ERR_NONE && e != ERR_MORE && e != ERR_MALFORMED && e != ERR_DUPLICATE_KEY)
        return;
    j = json_loadb((const char *)text.ptr, text.len, JANSSON, &error);
    CHECK((j != NULL) == (e == ERR_NONE) || strstr(error.text, "too big") || strstr(error.text, "NUL byte"));
    json_decref(j);
}

/* ---- The same in a list ---- */

enum { TIMES = 3 };

/* Three times `one`, between and around. */
static void repeat(struct wr *w, struct slice one, const char *before, const char *between,
                   struct slice behind)
{
    wr_str(w, before);
    for (int i = 0; i < TIMES; i++) {
        if (i)
            wr_str(w, between);
        wr_slice(w, one);
    }
    wr_slice(w, behind);
}

static void check_json_of_list(struct slice list, struct slice one, const struct transcode_options *o)
{
    for (int typed = 0; typed < 2; typed++) {
        struct etf_rd r = etf_rd_of(one, NULL), rs = etf_rd_of(list, NULL);
        struct wr json, jsons, wanted;

        wr_init(&json, 16 << 20);
        wr_init(&jsons, 64 << 20);
        wr_init(&wanted, 64 << 20);
        CHECK(transcode_etf_to_json(&r, o, typed, &json) == ERR_NONE);
        CHECK(transcode_etf_to_json(&rs, o, typed, &jsons) == ERR_NONE);
        repeat(&wanted, wr_written(&json), "[", ",", SLICE("]"));
        /* Digits of long integers have a budget, and three of them may not be within it. */
        CHECK(slice_eq(wr_written(&wanted), wr_written(&jsons)) || memmem(jsons.buf, jsons.len, "$etf", 4));
        wr_fini(&json);
        wr_fini(&jsons);
        wr_fini(&wanted);
    }
}

static void compare_in_list(struct slice text, const struct fault *alone, struct slice term,
                            const struct transcode_options *o)
{
    static const uint8_t head[] = {ETF_LIST_EXT, 0, 0, 0, TIMES}, nil = ETF_NIL_EXT;
    struct transcode_options deeper = *o;
    struct transcode_fault f = {.fault.err = ERR_NONE};
    struct wr texts, terms, wanted;
    enum err e = alone->err, got;
    bool is_row = e == ERR_NONE && term.ptr[0] == ETF_SMALL_INTEGER_EXT; /* a STRING_EXT, then */

    deeper.max_depth = (o->max_depth ? o->max_depth : TRANSCODE_DEFAULT_MAX_DEPTH) + 1;
    /* Bytes moved and compared have budgets, which grow with the text. */
    if (is_row || o->charlists_as_strings || text.len > 1 << 16 || (e != ERR_NONE && e != ERR_DUPLICATE_KEY))
        return;
    wr_init(&texts, SIZE_MAX);
    wr_init(&terms, 1 << 24);
    wr_init(&wanted, SIZE_MAX);
    repeat(&texts, text, "[", ",", SLICE("]"));
    got = transcode_json_to_etf(wr_written(&texts), &deeper, &terms, NULL, &f);
    if (e != ERR_NONE) {
        CHECK(got == e && f.fault.offset == alone->offset + 1);
    } else {
        CHECK(got == ERR_NONE);
        wr_bytes(&wanted, head, sizeof head);
        for (int i = 0; i < TIMES; i++)
            wr_slice(&wanted, term);
        wr_u8(&wanted, nil);
        CHECK(slice_eq(wr_written(&terms), wr_written(&wanted)));
        CHECK(etf_validate(wr_written(&terms), NULL, &(struct etf_rules){.max_depth = deeper.max_depth}, NULL,
                           NULL) == ERR_NONE);
        check_json_of_list(wr_written(&terms), term, &deeper);
    }
    wr_fini(&texts);
    wr_fini(&terms);
    wr_fini(&wanted);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t choice = size ? data[0] : 0;
    struct transcode_options o = {
        .null_atom = choice & 1 ? SLICE("nil") : (struct slice){0},
        .keys_as_atoms = choice & 2,
        .tags_off = choice & 4,
        .charlists_as_strings = choice & 8,
        .bigints_as_strings = choice & 16,
        .max_depth = choice & 32 ? 5 : 0,
        .max_bytes = 1 << 20,
    };
    struct slice text = slice_of(data + (size > 0), size - (size > 0));
    struct transcode_fault f;
    uint32_t uses = 0;
    struct wr term;
    enum err e;

    wr_init(&term, 1 << 22);
    e = transcode_json_to_etf(text, &o, &term, &uses, &f);
    if (e == ERR_NONE) {
        CHECK(etf_validate(wr_written(&term), NULL, &(struct etf_rules){.max_depth = o.max_depth}, NULL,
                           NULL) == ERR_NONE);
        law_there_and_back(wr_written(&term), &o);
    } else {
        CHECK(f.fault.err == e && f.fault.offset <= text.len && f.line > 0 && f.column > 0);
        CHECK(memchr(f.pointer, 0, sizeof f.pointer));
    }
    if (!o.keys_as_atoms)
        compare_with_jansson(text, e);
    if (e == ERR_NONE)
        f.fault = (struct fault){.err = ERR_NONE};
    /* Which is a local term only where it is the whole one. */
    if (!(uses & ETF_USES_LOCAL))
        compare_in_list(text, &f.fault, wr_written(&term), &o);
    wr_fini(&term);
    return 0;
}
