#include "http/document.h"

#include <inttypes.h>
#include <microhttpd.h>
#include <stdio.h>

#include "base/map.h"
#include "base/mem.h"
#include "http/gzip.h"
#include "http/text.h"

enum { LEVEL = 9 }; /* it is packed once */

void http_document_init(struct http_document *d, const char *content_type, struct slice bytes)
{
    struct http_gzip *z = http_gzip_new(LEVEL);

    *d = (struct http_document){.content_type = content_type, .bytes = bytes};
    snprintf(d->etag, sizeof d->etag, "W/\"%016" PRIx64 "\"", map_hash(bytes.len, bytes));
    if (z && http_gzip_pack(z, bytes, &d->packed, &d->packed_len) != ERR_NONE)
        d->packed = NULL;
    http_gzip_free(z);
}

void http_document_fini(struct http_document *d)
{
    mem_free(d->packed);
    d->packed = NULL;
}

/* entity-tag = [ "W/" ] DQUOTE *etagc DQUOTE */
static bool is_same(struct slice one, struct slice other)
{
    static const struct slice weak = SLICE_LIT("W/");

    if (one.len > weak.len && memcmp(one.ptr, weak.ptr, weak.len) == 0)
        one = slice_of(one.ptr + weak.len, one.len - weak.len);
    if (other.len > weak.len && memcmp(other.ptr, weak.ptr, weak.len) == 0)
        other = slice_of(other.ptr + weak.len, other.len - weak.len);
    return slice_eq(one, other);
}

bool http_etag_matches(struct slice if_none_match, const char *etag)
{
    struct slice element;

    if (slice_eq_str(text_trim(if_none_match), "*"))
        return true;
    while (text_take_element(&if_none_match, &element)) {
        if (is_same(element, slice_of_str(etag)))
            return true;
    }
    return false;
}

void http_answer_document(struct http_server *s, struct http_request *req, const struct http_document *d)
{
    struct http_header headers[4] = {
        {MHD_HTTP_HEADER_ETAG, d->etag},
        {MHD_HTTP_HEADER_CACHE_CONTROL, "no-cache"}, /* to be kept, and asked for before use */
        {MHD_HTTP_HEADER_VARY, MHD_HTTP_HEADER_ACCEPT_ENCODING},
    };
    struct http_response r = {.status = MHD_HTTP_OK, .headers = headers, .header_count = 3};
    struct slice accept, known, body = d->bytes;

    if (http_request_header(req, MHD_HTTP_HEADER_IF_NONE_MATCH, &known) &&
        http_etag_matches(known, d->etag)) {
        r.status = MHD_HTTP_NOT_MODIFIED;
        http_answer(s, http_request_id(req), &r);
        return;
    }
    if (d->packed && http_request_known(req, HTTP_KNOWN_ACCEPT_ENCODING, &accept) &&
        http_gzip_is_liked(accept)) {
        headers[r.header_count++] = (struct http_header){MHD_HTTP_HEADER_CONTENT_ENCODING, "gzip"};
        body = slice_of(d->packed, d->packed_len);
    }
    r.content_type = d->content_type;
    r.body = (uint8_t *)mem_strndup(body.ptr, body.len);
    r.body_len = r.body ? body.len : 0;
    if (r.body)
        http_answer(s, http_request_id(req), &r);
    else
        http_answer_overloaded(s, http_request_id(req), "There is no memory for the document.");
}
