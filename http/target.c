#include "http/target.h"

#include "http/text.h"

static enum http_target_result decode(uint8_t *p, size_t len, bool is_form, struct slice *ret)
{
    uint8_t *out = p;

    for (size_t i = 0; i < len; i++) {
        uint8_t c = p[i];

        if (c == '%') {
            int hi = len - i > 2 ? text_hex_digit(p[i + 1]) : -1;
            int lo = len - i > 2 ? text_hex_digit(p[i + 2]) : -1;

            if (hi < 0 || lo < 0)
                return HTTP_TARGET_BAD_ESCAPE;
            c = (uint8_t)(hi << 4 | lo);
            if (c == 0)
                return HTTP_TARGET_NUL;
            i += 2;
        } else if (c == '+' && is_form) {
            c = ' ';
        }
        *out++ = c;
    }
    *ret = slice_of(p, (size_t)(out - p));
    return HTTP_TARGET_OK;
}

static size_t find(const uint8_t *p, size_t len, char c)
{
    const uint8_t *at = len ? memchr(p, c, len) : NULL;

    return at ? (size_t)(at - p) : len;
}

static enum http_target_result parse_path(uint8_t *p, size_t len, struct http_target *t)
{
    enum http_target_result e;

    if (len == 0 || p[0] != '/')
        return HTTP_TARGET_BAD_FORM;
    if (len == 1)
        return HTTP_TARGET_OK;
    for (size_t end, at = 1; at <= len; at = end + 1) {
        struct slice *segment = &t->segments[t->segment_count];
        bool is_escaped = false;

        for (end = at; end < len && p[end] != '/'; end++)
            is_escaped |= p[end] == '%';
        if (end == at || t->segment_count == HTTP_SEGMENTS_MAX)
            return HTTP_TARGET_EMPTY_SEGMENT;
        *segment = slice_of(p + at, end - at);
        e = is_escaped ? decode(p + at, end - at, false, segment) : HTTP_TARGET_OK;
        if (e != HTTP_TARGET_OK)
            return e;
        t->segment_count++;
    }
    return HTTP_TARGET_OK;
}

static enum http_target_result parse_query(uint8_t *p, size_t len, struct http_target *t)
{
    enum http_target_result e;

    while (len > 0) {
        size_t n = find(p, len, '&'), eq = find(p, n, '=');

        if (n > 0) {
            struct http_param *param = &t->params[t->param_count];

            if (t->param_count == HTTP_PARAMS_MAX)
                return HTTP_TARGET_TOO_MANY;
            *param = (struct http_param){0};
            e = decode(p, eq, true, &param->name);
            if (e == HTTP_TARGET_OK && eq < n)
                e = decode(p + eq + 1, n - eq - 1, true, &param->value);
            if (e != HTTP_TARGET_OK)
                return e;
            t->param_count++;
        }
        n += n < len; /* the '&' */
        p += n;
        len -= n;
    }
    return HTTP_TARGET_OK;
}

/* http://AUTHORITY at the front of *p, which then begins at the path; false when there is none. */
static bool take_authority(uint8_t **p, size_t *len, struct http_target *t)
{
    static const char scheme[] = "http://";
    const size_t skip = sizeof scheme - 1;
    size_t n;

    if (*len < skip || !text_eq_nocase(slice_of(*p, skip), scheme))
        return false;
    for (n = 0; skip + n < *len && (*p)[skip + n] != '/' && (*p)[skip + n] != '?'; n++)
        ;
    t->authority = slice_of(*p + skip, n);
    *p += skip + n;
    *len -= skip + n;
    return n > 0;
}

enum http_target_result http_target_parse(uint8_t *target, size_t len, struct http_target *ret)
{
    enum http_target_result e;
    size_t path_len;

    ret->authority = (struct slice){0};
    ret->is_asterisk = false;
    ret->segment_count = ret->param_count = 0;
    if (len == 1 && target[0] == '*') {
        ret->is_asterisk = true;
        return HTTP_TARGET_OK;
    }
    if (len == 0 || !text_is_of_url(slice_of(target, len)))
        return HTTP_TARGET_BAD_FORM;
    if (target[0] != '/' && !take_authority(&target, &len, ret))
        return HTTP_TARGET_BAD_FORM;
    path_len = find(target, len, '?');
    /* http://host and http://host?query have the path "/". */
    if (path_len > 0 || !ret->authority.len) {
        e = parse_path(target, path_len, ret);
        if (e != HTTP_TARGET_OK)
            return e;
    }
    if (path_len == len)
        return HTTP_TARGET_OK;
    return parse_query(target + path_len + 1, len - path_len - 1, ret);
}
