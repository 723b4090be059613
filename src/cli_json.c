#include "src/cli_json.h"

#include "base/utf8.h"

bool cli_json_is_whole(struct slice text)
{
    struct json_rd r;
    bool is_whole;

    json_rd_init(&r, text, JSON_DEPTH_MAX);
    is_whole = json_skip(&r, NULL) != JSON_FAILED && json_next(&r) == JSON_DONE;
    json_rd_fini(&r);
    return is_whole;
}

bool cli_json_member(struct slice object, const char *key, struct slice *ret)
{
    struct json_rd r;
    bool is_found = false;

    json_rd_init(&r, object, JSON_DEPTH_MAX);
    if (json_next(&r) == JSON_OBJECT) {
        while (!is_found && json_next(&r) == JSON_KEY) {
            bool is_it = slice_eq_str(r.text, key);
            struct slice value;

            if (json_skip(&r, &value) == JSON_FAILED)
                break;
            if (is_it)
                *ret = value;
            is_found = is_it;
        }
    }
    json_rd_fini(&r);
    return is_found;
}

bool cli_json_string(struct slice text, struct wr *w)
{
    struct json_rd r;
    bool is_string;

    json_rd_init(&r, text, 1);
    is_string = json_next(&r) == JSON_STRING;
    if (is_string)
        wr_slice(w, r.text);
    json_rd_fini(&r);
    return is_string;
}

bool cli_json_uint(struct slice text, uint64_t *ret)
{
    uint64_t v = 0;

    if (text.len == 0 || text.len > 19)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
        v = v * 10 + (uint64_t)(text.ptr[i] - '0');
    }
    *ret = v;
    return true;
}

void cli_json_show(struct wr *w, struct slice text)
{
    const uint8_t *p = text.ptr, *end = text.len ? text.ptr + text.len : text.ptr;

    while (p < end) {
        const uint8_t *at = p;
        int32_t c = utf8_next(&p, end);

        if (c == UTF8_INVALID) {
            p = at + 1;
            wr_u8(w, '?');
        } else if (utf8_is_obeyed((uint32_t)c)) {
            wr_printf(w, "\\u%04x", (unsigned)c);
        } else {
            wr_bytes(w, at, (size_t)(p - at));
        }
    }
}

uint8_t cli_json_kind(struct slice text)
{
    const uint8_t *end = text.len ? text.ptr + text.len : text.ptr,
                  *p = text.len ? json_skip_space(text.ptr, end) : end;

    return p < end ? *p : 0;
}

bool cli_json_element(struct json_rd *r, struct slice *ret)
{
    enum json_event e = json_skip(r, ret);

    return e != JSON_FAILED && e != JSON_ARRAY_END;
}

bool cli_json_pair(struct json_rd *r, struct wr *ret_key, struct slice *ret_value)
{
    if (json_next(r) != JSON_KEY)
        return false;
    wr_slice(ret_key, r->text);
    return json_skip(r, ret_value) != JSON_FAILED;
}
