/*
 * negotiate: media types of Content-Type and Accept (RFC 9110, 8.3 and 12.5.1), as far as the gateway speaks
 * them.
 *
 * Pure. The representations of a term are the first four; the others are answers only.
 */
#ifndef ERLGATE_HTTP_NEGOTIATE_H
#define ERLGATE_HTTP_NEGOTIATE_H

#include "base/err.h"
#include "base/slice.h"

enum http_media {
    HTTP_MEDIA_JSON,         /* application/json */
    HTTP_MEDIA_TYPED_JSON,   /* application/vnd.erlang.typed+json */
    HTTP_MEDIA_ERLANG,       /* text/x-erlang */
    HTTP_MEDIA_ETF,          /* application/vnd.erlang.etf */
    HTTP_MEDIA_PROBLEM,      /* application/problem+json */
    HTTP_MEDIA_EVENT_STREAM, /* text/event-stream */
    HTTP_MEDIA_NDJSON,       /* application/x-ndjson */
};

/* The four representations of a term, in the order in which they are offered. */
enum { HTTP_MEDIA_TERMS = 4 };
extern const enum http_media http_media_terms[HTTP_MEDIA_TERMS];

/* As sent in Content-Type: "text/x-erlang; charset=utf-8". Static. */
const char *http_media_name(enum http_media m);

/*
 * How the body is to be read. value: the header's, empty when absent. None, and curl's default
 * application/x-www-form-urlencoded, mean JSON. A charset other than utf-8 and any other type are
 * ERR_UNSUPPORTED (415 unsupported-media-type). Parameters but charset are ignored.
 */
MUST_USE enum err http_media_of_content(struct slice value, enum http_media *ret);

/*
 * Which of the offers the client likes best. accept: the header's value, empty when absent, which takes the
 * first offer. The q of an offer is that of the most specific range that matches it; q=0 excludes; the first
 * offer wins among equals. Ranges that are malformed are passed over. ERR_UNSUPPORTED when none is left (406
 * not-acceptable).
 */
MUST_USE enum err http_media_choose(struct slice accept, const enum http_media *offers, size_t count,
                                    enum http_media *ret);

#endif
