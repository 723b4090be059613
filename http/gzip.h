/*
 * gzip: bodies made smaller for clients that ask for it (RFC 1952; RFC 9110, 12.5.3).
 *
 * An http_gzip keeps zlib's memory between bodies. Made by http_gzip_new, ended by http_gzip_free.
 */
#ifndef ERLGATE_HTTP_GZIP_H
#define ERLGATE_HTTP_GZIP_H

#include "base/err.h"
#include "base/slice.h"

struct http_gzip;

/* level: 1, the fastest, to 9. NULL: no memory. */
MUST_USE struct http_gzip *http_gzip_new(int level);
void http_gzip_free(struct http_gzip *z); /* takes NULL */
/* *ret (free with mem_free) is in compressed, and shorter than it. ERR_TOO_LARGE when it would not be,
 * ERR_NOMEM.
 */
MUST_USE enum err http_gzip_pack(struct http_gzip *z, struct slice in, uint8_t **ret, size_t *ret_len);

/* Does this Accept-Encoding (empty: absent) like gzip at least as well as nothing at all? */
bool http_gzip_is_liked(struct slice accept_encoding);

#endif
