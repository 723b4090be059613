/*
 * tls_parts: what the files of TLS share. Nothing else includes it.
 *
 *   tls.c           certificate, key, CAs
 *   tls_session.c   the TLS of one stream
 *   tls_reason.c    what OpenSSL finds wrong, as ours
 */
#ifndef ERLGATE_LOOP_TLS_PARTS_H
#define ERLGATE_LOOP_TLS_PARTS_H

#include <openssl/ssl.h>

#include "loop/tls.h"

struct loop_tls {
    char *cert_file, *key_file, *ca_file; /* owned; the last two may be NULL */
    bool is_verified;
    SSL_CTX *ctx; /* owned; sessions hold a reference of their own */
};

/* Why a session has failed. */
struct tls_reason {
    enum err err; /* ERR_NOT_ALLOWED: a certificate, or the other end, is not accepted; ERR_MALFORMED: it is
                     no TLS */
    const char *text; /* static */
};

/* Of the oldest error in OpenSSL's queue, which is one of that session. */
struct tls_reason tls_reason_of(const SSL *ssl);

#endif
