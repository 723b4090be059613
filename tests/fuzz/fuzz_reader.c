/*
 * The pull reader of JSON, and the writer of strings and numbers: what is read, written again from its
 * events, is the same value to jansson; and both accept the same texts.
 *
 * The first byte chooses how deep, and whether members are passed over as a whole.
 */
#include "base/check.h"
#include "oracle.h"
#include "json/read.h"
#include "json/write.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A comma before all but the first of a container. */
static void separate(struct wr *w, enum json_event last)
{
    if (last != JSON_ARRAY && last != JSON_OBJECT && last != JSON_KEY && last != JSON_DONE)
        wr_u8(w, ',');
}

static void write_event(struct wr *w, enum json_event e, struct slice text)
{
    switch (e) {
    case JSON_NULL: wr_str(w, "null"); break;
    case JSON_TRUE: wr_str(w, "true"); break;
    case JSON_FALSE: wr_str(w, "false"); break;
    case JSON_NUMBER: wr_slice(w, text); break;
    case JSON_STRING: json_write_string(w, text); break;
    case JSON_KEY:
        json_write_string(w, text);
        wr_u8(w, ':');
        break;
    case JSON_ARRAY: wr_u8(w, '['); break;
    case JSON_ARRAY_END: wr_u8(w, ']'); break;
    case JSON_OBJECT: wr_u8(w, '{'); break;
    case JSON_OBJECT_END: wr_u8(w, '}'); break;
    case JSON_FAILED:
    case JSON_DONE: break;
    }
}

/* The text's events as a text of their own. JSON_DONE or JSON_FAILED. */
static enum json_event copy(struct json_rd *r, bool skips, struct wr *w)
{
    enum json_event e, last = JSON_DONE;
    uint32_t depth = 0;
    struct slice text;

    for (;;) {
        bool skip = skips && last == JSON_KEY;

        e = skip ? json_skip(r, &text) : json_next(r);
        if (e == JSON_FAILED || e == JSON_DONE)
            return e;
        CHECK(json_rd_offset(r) <= (size_t)(r->end - r->start));
        if (e == JSON_ARRAY_END || e == JSON_OBJECT_END) {
            CHECK(depth-- > 0);
        } else {
            separate(w, last);
            depth += !skip && (e == JSON_ARRAY || e == JSON_OBJECT);
        }
        if (skip)
            wr_slice(w, text);
        else
            write_event(w, e, r->text);
        last = skip ? JSON_NULL : e;
    }
}

static void compare(struct slice text, struct slice copied, enum json_event e, const struct fault *f)
{
    enum oracle_answer answer = oracle_is_json(text);

    if (e == JSON_FAILED) {
        CHECK(f->err != ERR_NONE && f->text && f->offset <= text.len);
        CHECK(answer != ORACLE_YES || f->err == ERR_DEPTH);
    } else {
        CHECK(answer != ORACLE_NO);
        CHECK(answer != ORACLE_YES || oracle_is_same_json(text, copied));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t choice = size ? data[0] : 0;
    struct slice text = slice_of(data + (size > 0), size - (size > 0));
    struct json_rd r;
    enum json_event e;
    struct wr w;

    wr_init(&w, SIZE_MAX);
    json_rd_init(&r, text, choice & 2 ? 3 : 0);
    e = copy(&r, choice & 1, &w);
    compare(text, wr_written(&w), e, &r.fault);
    json_rd_fini(&r);
    wr_fini(&w);
    return 0;
}
