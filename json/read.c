#include "json/read.h"

enum expectation {
    EXPECT_VALUE,
    EXPECT_VALUE_OR_END, /* behind '[' */
    EXPECT_KEY,
    EXPECT_KEY_OR_END, /* behind '{' */
    EXPECT_COMMA,
    EXPECT_NOTHING,
    EXPECT_NEVER, /* failed */
};

enum { DEFAULT_DEPTH = 512 };

void json_rd_init(struct json_rd *r, struct slice text, uint32_t max_depth)
{
    *r = (struct json_rd){.pos = text.ptr, .end = slice_end(text), .start = text.ptr};
    r->max_depth = max_depth == 0 ? DEFAULT_DEPTH : max_depth < JSON_DEPTH_MAX ? max_depth : JSON_DEPTH_MAX;
    wr_init(&r->scratch, SIZE_MAX);
}

void json_rd_fini(struct json_rd *r)
{
    wr_fini(&r->scratch);
}

static enum json_event fail(struct json_rd *r, enum err e, const uint8_t *at, const char *text)
{
    fault_set(&r->fault, e, (size_t)(at - r->start), text);
    r->expect = EXPECT_NEVER;
    return JSON_FAILED;
}

static enum json_event malformed(struct json_rd *r, const char *text)
{
    return fail(r, r->pos == r->end ? ERR_MORE : ERR_MALFORMED, r->pos,
                r->pos == r->end ? "the text ends in the middle of a value" : text);
}

static void value_ended(struct json_rd *r)
{
    r->expect = r->depth ? EXPECT_COMMA : EXPECT_NOTHING;
}

static bool in_object(const struct json_rd *r)
{
    return r->is_object[(r->depth - 1) / 64] >> (r->depth - 1) % 64 & 1;
}

/* Where a string has no escapes it is borrowed from the input. */
static bool borrow_string(struct json_rd *r)
{
    const uint8_t *quote = memchr(r->pos, '"', (size_t)(r->end - r->pos));
    struct slice text = slice_of(r->pos, quote ? (size_t)(quote - r->pos) : 0);

    if (!quote || (text.len && memchr(text.ptr, '\\', text.len)) || !utf8_is_valid(text))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < 0x20)
            return false;
    }
    r->text = text;
    r->pos = quote + 1;
    return true;
}

/* Behind the opening quote. */
static bool take_string(struct json_rd *r)
{
    enum json_copied done = JSON_COPY_ROOM;

    if (borrow_string(r))
        return true;
    wr_reset(&r->scratch);
    while (done == JSON_COPY_ROOM) {
        uint8_t *room = wr_room(&r->scratch, JSON_ROOM), *o = room;

        if (!room) {
            fail(r, r->scratch.err, r->pos, "no memory for a string");
            return false;
        }
        done = json_copy_string(&r->pos, r->end, &o, r->scratch.buf + r->scratch.cap);
        r->scratch.len += (size_t)(o - room);
    }
    if (done == JSON_COPY_BAD) {
        fail(r, r->pos == r->end ? ERR_MORE : ERR_MALFORMED, r->pos, json_string_complaint(r->pos, r->end));
        return false;
    }
    r->text = wr_written(&r->scratch);
    return true;
}

static enum json_event take_word(struct json_rd *r, const char *word, size_t len, enum json_event event)
{
    if ((size_t)(r->end - r->pos) < len || memcmp(r->pos, word, len) != 0)
        return malformed(r, "a value starts with { [ \" - or a digit, or is true, false or null");
    r->pos += len;
    value_ended(r);
    return event;
}

static enum json_event take_number(struct json_rd *r)
{
    struct json_number n;
    const uint8_t *bad, *behind = json_scan_number(r->pos, r->end, &n, &bad);

    if (!behind)
        return fail(r, bad == r->end ? ERR_MORE : ERR_MALFORMED, bad, "a digit must stand here");
    r->text = slice_of(r->pos, (size_t)(behind - r->pos));
    r->pos = behind;
    value_ended(r);
    return JSON_NUMBER;
}

static enum json_event open_container(struct json_rd *r, bool is_object)
{
    uint64_t bit = (uint64_t)1 << r->depth % 64;

    if (r->depth == r->max_depth)
        return fail(r, ERR_DEPTH, r->pos, "nested deeper than allowed");
    if (is_object)
        r->is_object[r->depth / 64] |= bit;
    else
        r->is_object[r->depth / 64] &= ~bit;
    r->depth++;
    r->pos++;
    r->expect = is_object ? EXPECT_KEY_OR_END : EXPECT_VALUE_OR_END;
    return is_object ? JSON_OBJECT : JSON_ARRAY;
}

static enum json_event close_container(struct json_rd *r, enum json_event event)
{
    r->pos++;
    r->depth--;
    value_ended(r);
    return event;
}

static enum json_event take_value(struct json_rd *r)
{
    r->value = r->pos;
    switch (*r->pos) {
    case '{': return open_container(r, true);
    case '[': return open_container(r, false);
    case '"':
        r->pos++;
        if (!take_string(r))
            return JSON_FAILED;
        value_ended(r);
        return JSON_STRING;
    case 't': return take_word(r, "true", 4, JSON_TRUE);
    case 'f': return take_word(r, "false", 5, JSON_FALSE);
    case 'n': return take_word(r, "null", 4, JSON_NULL);
    default:
        if (*r->pos == '-' || json_is_digit(*r->pos))
            return take_number(r);
        return malformed(r, "a value starts with { [ \" - or a digit, or is true, false or null");
    }
}

static enum json_event take_key(struct json_rd *r)
{
    if (*r->pos != '"')
        return malformed(r, "a key, in quotes, must stand here");
    r->pos++;
    if (!take_string(r))
        return JSON_FAILED;
    r->pos = json_skip_space(r->pos, r->end);
    if (r->pos == r->end || *r->pos != ':')
        return malformed(r, "':' must stand behind a key");
    r->pos++;
    r->expect = EXPECT_VALUE;
    return JSON_KEY;
}

enum json_event json_next(struct json_rd *r)
{
    bool after_comma = false;

    if (r->expect == EXPECT_NEVER)
        return JSON_FAILED;
    r->text = (struct slice){0};
    r->pos = json_skip_space(r->pos, r->end);
    if (r->expect == EXPECT_NOTHING)
        return r->pos == r->end ? JSON_DONE : malformed(r, "something stands behind the value");
    if (r->pos == r->end)
        return malformed(r, NULL);
    if (r->expect == EXPECT_COMMA && *r->pos == ',') {
        r->pos = json_skip_space(r->pos + 1, r->end);
        r->expect = in_object(r) ? EXPECT_KEY : EXPECT_VALUE;
        after_comma = true;
        if (r->pos == r->end)
            return malformed(r, NULL);
    }
    if (!after_comma && r->depth && r->expect != EXPECT_VALUE && r->expect != EXPECT_KEY) {
        if (*r->pos == (in_object(r) ? '}' : ']'))
            return close_container(r, in_object(r) ? JSON_OBJECT_END : JSON_ARRAY_END);
        if (r->expect == EXPECT_COMMA)
            return malformed(r, in_object(r) ? "',' or '}' must stand here" : "',' or ']' must stand here");
    }
    if (r->expect == EXPECT_KEY || r->expect == EXPECT_KEY_OR_END)
        return take_key(r);
    return take_value(r);
}

enum json_event json_skip(struct json_rd *r, struct slice *ret_text)
{
    enum json_event first = json_next(r), event = first;
    const uint8_t *start;
    uint32_t depth = r->depth;

    if (first == JSON_FAILED || first == JSON_ARRAY_END || first == JSON_OBJECT_END || first == JSON_DONE)
        return first;
    start = r->value;
    if (first == JSON_ARRAY || first == JSON_OBJECT) {
        while (r->depth >= depth && event != JSON_FAILED)
            event = json_next(r);
        if (event == JSON_FAILED)
            return JSON_FAILED;
    }
    if (ret_text)
        *ret_text = slice_of(start, (size_t)(r->pos - start));
    return first;
}

/* Behind the string that begins at p, or the end. */
static const uint8_t *pass_string(const uint8_t *p, const uint8_t *end)
{
    for (p++; p < end && *p != '"'; p++) {
        if (*p == '\\' && p + 1 < end)
            p++;
    }
    return p < end ? p + 1 : end;
}

/* Behind the value that begins at p: what brackets and quotes say. */
static const uint8_t *pass_value(const uint8_t *p, const uint8_t *end)
{
    size_t depth = 0;

    while (p < end) {
        switch (*p) {
        case '"':
            p = pass_string(p, end);
            if (depth == 0)
                return p;
            continue;
        case '{':
        case '[': depth++; break;
        case '}':
        case ']':
            if (depth == 0)
                return p;
            if (--depth == 0)
                return p + 1;
            break;
        case ' ':
        case '\n':
        case '\r':
        case '\t':
        case ',':
            if (depth == 0)
                return p;
            break;
        default: break;
        }
        p++;
    }
    return end;
}

bool json_pass(struct json_rd *r, struct slice *ret_text)
{
    const uint8_t *start;

    if (r->expect == EXPECT_NEVER)
        return false;
    r->text = (struct slice){0};
    start = json_skip_space(r->pos, r->end);
    r->pos = pass_value(start, r->end);
    if (r->expect != EXPECT_VALUE || r->pos == start) {
        (void)malformed(r, r->pos == r->end ? NULL : "a value must stand here");
        return false;
    }
    r->value = start;
    *ret_text = slice_of(start, (size_t)(r->pos - start));
    value_ended(r);
    return true;
}
