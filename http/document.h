/*
 * document: an answer that is the same for everybody as long as the program runs (/openapi.json): with an
 * ETag, so that who has it already is told so (304), and kept in gzip too.
 *
 * Made by http_document_init, ended by http_document_fini.
 */
#ifndef ERLGATE_HTTP_DOCUMENT_H
#define ERLGATE_HTTP_DOCUMENT_H

#include "http/server.h"

enum { HTTP_ETAG_MAX = 24 };

struct http_document {
    const char *content_type; /* static */
    struct slice bytes;       /* borrowed */
    uint8_t *packed;          /* owned: in gzip; NULL: that is no shorter, or there was no memory */
    size_t packed_len;
    char etag[HTTP_ETAG_MAX]; /* weak, for both forms have it: W/"…" */
};

/* bytes must outlive the document. */
void http_document_init(struct http_document *d, const char *content_type, struct slice bytes);
void http_document_fini(struct http_document *d);

/* To GET and HEAD: 200, or 304 when If-None-Match has its ETag. Inside the handler. */
void http_answer_document(struct http_server *s, struct http_request *req, const struct http_document *d);

/* Is the etag among those of an If-None-Match (RFC 9110, 13.1.2)? Weak comparison. */
bool http_etag_matches(struct slice if_none_match, const char *etag);

#endif
