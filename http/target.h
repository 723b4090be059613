/*
 * target: the request target (RFC 9112, 3.2) taken apart: path segments and query parameters.
 *
 * Pure. The path is split at '/' first and each segment is percent-decoded once, so that `my%2Fserver` is one
 * segment. The query is split at '&' and '=' and decoded as a form is: '+' is a space there (in a path it is
 * a plus). Everything is decoded in place: the slices point into the caller's buffer, which is scribbled
 * over.
 */
#ifndef ERLGATE_HTTP_TARGET_H
#define ERLGATE_HTTP_TARGET_H

#include "base/slice.h"

enum { HTTP_SEGMENTS_MAX = 32, HTTP_PARAMS_MAX = 64 };

struct http_param {
    struct slice name, value; /* decoded; value is empty when there was no '=' */
};

struct http_target {
    struct slice authority; /* of the absolute form (http://HOST/…), else empty */
    bool is_asterisk;       /* "*", for OPTIONS */
    size_t segment_count;   /* 0: "/" */
    struct slice segments[HTTP_SEGMENTS_MAX];
    size_t param_count;
    struct http_param params[HTTP_PARAMS_MAX];
};

enum http_target_result {
    HTTP_TARGET_OK,
    HTTP_TARGET_BAD_FORM,      /* neither a path nor http://…, or characters that no URL has */
    HTTP_TARGET_BAD_ESCAPE,    /* a '%' without two hex digits */
    HTTP_TARGET_NUL,           /* %00 */
    HTTP_TARGET_TOO_MANY,      /* parameters */
    HTTP_TARGET_EMPTY_SEGMENT, /* "//", a slash at the end, or more segments than any route has: there is no
                                  such path */
};

enum http_target_result http_target_parse(uint8_t *target, size_t len, struct http_target *ret);

#endif
