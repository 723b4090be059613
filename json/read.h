/*
 * read: a pull reader of one JSON text (RFC 8259, strictly): each call gives the next event.
 *
 * Made by json_rd_init over borrowed bytes, ended by json_rd_fini. No tree is built and nothing recurses:
 * depth is a bit a level. For shapes that are known beforehand; whole terms go through the transcoder, which
 * is a loop of its own over the same tokens (json/scan.h). Duplicate keys are the caller's to notice.
 */
#ifndef ERLGATE_JSON_READ_H
#define ERLGATE_JSON_READ_H

#include "base/rd.h"
#include "base/wr.h"
#include "json/scan.h"

enum { JSON_DEPTH_MAX = 1024 };

enum json_event {
    JSON_FAILED, /* again and again; why: json_rd.fault */
    JSON_DONE,   /* the one value and nothing else */
    JSON_NULL,
    JSON_TRUE,
    JSON_FALSE,
    JSON_NUMBER, /* text: as it stands */
    JSON_STRING, /* text: unescaped */
    JSON_KEY,    /* text: unescaped; its value comes next */
    JSON_ARRAY,
    JSON_ARRAY_END,
    JSON_OBJECT,
    JSON_OBJECT_END,
};

struct json_rd {
    const uint8_t *pos, *end, *start; /* borrowed */
    const uint8_t *value;             /* borrowed: where the last value began */
    struct slice text; /* of the last event: borrowed from the input, or from scratch until the next call */
    struct fault fault;
    struct wr scratch; /* owned: strings that had escapes */
    uint32_t depth, max_depth;
    uint8_t expect;
    uint64_t is_object[JSON_DEPTH_MAX / 64];
};

/* max_depth: at most JSON_DEPTH_MAX; 0 for 512. */
void json_rd_init(struct json_rd *r, struct slice text, uint32_t max_depth);
void json_rd_fini(struct json_rd *r);

enum json_event json_next(struct json_rd *r);
/* Passes over the value that comes next (after JSON_KEY, or where a value may stand) and gives its text as it
 * stands, checked. JSON_FAILED, or the event that the value began with; JSON_ARRAY_END where there was none.
 */
enum json_event json_skip(struct json_rd *r, struct slice *ret_text);
/* Passes over the value that comes next (after JSON_KEY), but only looks for its end: whoever reads the text
 * that it gives checks it. Where nothing can be a value's beginning, or nothing follows, false; why:
 * r->fault. A value that has no end goes to that of the input. Depth does not count. */
bool json_pass(struct json_rd *r, struct slice *ret_text);
/* Bytes from the start of the input, behind the last event. */
static inline size_t json_rd_offset(const struct json_rd *r)
{
    return (size_t)(r->pos - r->start);
}

#endif
