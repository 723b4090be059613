/*
 * The pull reader of JSON, and the writer of strings and numbers: what is read, written again from its
 * events, is the same value to jansson; and both accept the same texts. json_pass finds the end of each
 * value.
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

/* The text as a member's value, whose end is found by its brackets alone: where it is a value, that is it. */
static void check_pass(struct slice text, bool is_value)
{
    struct slice found = {0};
    struct json_rd r;
    struct wr w;

    wr_init(&w, SIZE_MAX);
    wr_str(&w, "{\"k\":");
    wr_slice(&w, text);
    wr_u8(&w, '}');
    CHECK(wr_ok(&w));
    json_rd_init(&r, wr_written(&w), 0);
    CHECK(json_next(&r) == JSON_OBJECT && json_next(&r) == JSON_KEY);
    if (json_pass(&r, &found)) {
        CHECK(found.ptr >= w.buf && found.ptr + found.len <= w.buf + w.len && found.len > 0);
        CHECK(!is_value || (json_next(&r) == JSON_OBJECT_END && json_next(&r) == JSON_DONE));
    } else {
        CHECK(!is_value && r.fault.err != ERR_NONE && r.fault.offset <= w.len);
    }
    json_rd_fini(&r);
    wr_fini(&w);
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
    check_pass(text, e == JSON_DONE);
    json_rd_fini(&r);
    wr_fini(&w);
    return 0;
}
