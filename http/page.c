/*
 * page: lists a part at a time: `limit` and `cursor` come in, a Link to the next part goes out (RFC 8288).
 */
#include "base/base64.h"
#include "base/check.h"
#include "http/internal.h"

enum { LIMIT_DEFAULT = 100, LIMIT_MAX = 1000 };

bool http_page_of(struct http_server *s, struct http_request *req, struct http_page *ret)
{
    uint64_t limit;
    struct slice text;
    struct wr w;
    bool is_good;

    if (!http_query_number(s, req, "limit", 1, LIMIT_MAX, LIMIT_DEFAULT, &limit))
        return false;
    ret->limit = (size_t)limit;
    ret->after_len = 0;
    if (!http_request_query(req, "cursor", &text))
        return true;
    wr_init(&w, HTTP_CURSOR_MAX + 4);
    is_good = base64_read(&w, text, NULL) == ERR_NONE && w.len > 0 && w.len <= HTTP_CURSOR_MAX;
    if (is_good) {
        memcpy(ret->after, w.buf, w.len);
        ret->after_len = w.len;
    } else {
        http_answer_bad_parameter(
            s, req, "cursor",
            "cursor is none that a Link of this list has given; leave it out to begin anew.");
    }
    wr_fini(&w);
    return is_good;
}

/* ---- the way to the next page ---- */

static void write_escaped(struct wr *w, struct slice s)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.ptr[i];
        bool is_plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                        c == '-' || c == '.' || c == '_' || c == '~'; /* RFC 3986, 2.3 */

        if (is_plain) {
            wr_u8(w, c);
            continue;
        }
        wr_u8(w, '%');
        wr_u8(w, (uint8_t)digits[c >> 4]);
        wr_u8(w, (uint8_t)digits[c & 15]);
    }
}

static void write_cursor(struct wr *w, struct slice after)
{
    struct wr text;

    wr_init(&text, SIZE_MAX);
    base64_write(&text, after);
    write_escaped(w, wr_written(&text));
    if (!wr_ok(&text))
        wr_fail(w, text.err);
    wr_fini(&text);
}

bool http_page_link(const struct http_server *s, uint64_t request, struct slice after, struct wr *w)
{
    const struct http_request *r = idtab_get(&s->requests, request);
    char mark = '?';

    if (!r)
        return false;
    CHECK(after.len > 0 && after.len <= HTTP_CURSOR_MAX);
    wr_str(w, r->target.segment_count ? "<" : "</");
    for (size_t i = 0; i < r->target.segment_count; i++) {
        wr_u8(w, '/');
        write_escaped(w, r->target.segments[i]);
    }
    for (size_t i = 0; i < r->target.param_count; i++) {
        const struct http_param *p = &r->target.params[i];

        if (slice_eq_str(p->name, "cursor"))
            continue;
        wr_u8(w, (uint8_t)mark);
        mark = '&';
        write_escaped(w, p->name);
        wr_u8(w, '=');
        write_escaped(w, p->value);
    }
    wr_u8(w, (uint8_t)mark);
    wr_str(w, "cursor=");
    write_cursor(w, after);
    wr_str(w, ">; rel=\"next\"");
    wr_u8(w, '\0');
    return wr_ok(w);
}
