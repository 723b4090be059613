#include "http/query.h"

#include <inttypes.h>
#include <stdio.h>

#include "http/text.h"

enum { DETAIL_MAX = 200 };

void http_answer_bad_parameter(struct http_server *s, struct http_request *req, const char *parameter,
                               const char *detail)
{
    http_answer_problem(
        s, http_request_id(req),
        &(struct http_problem){.code = "bad-parameter", .parameter = parameter, .detail = detail});
}

bool http_query_number(struct http_server *s, struct http_request *req, const char *name, uint64_t min,
                       uint64_t max, uint64_t fallback, uint64_t *ret)
{
    char detail[DETAIL_MAX];
    struct slice text;
    uint64_t v;

    if (!http_request_query(req, name, &text)) {
        *ret = fallback;
        return true;
    }
    if (text_read_uint(text, &v) && v >= min && v <= max) {
        *ret = v;
        return true;
    }
    snprintf(detail, sizeof detail, "%s is a whole number from %" PRIu64 " to %" PRIu64 ".", name, min, max);
    http_answer_bad_parameter(s, req, name, detail);
    return false;
}
