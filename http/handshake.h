/*
 * handshake: a connection's TLS, from its first byte to the name of its client.
 *
 * libmicrohttpd makes each session and runs it; here it is told what to use (the server's http_tls of the
 * moment), whom to believe, and how its failures are told. Nothing outside of http/ includes this.
 */
#ifndef ERLGATE_HTTP_HANDSHAKE_H
#define ERLGATE_HTTP_HANDSHAKE_H

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdatomic.h>

#include "http/tls.h"

struct MHD_Connection;
struct http_conn;

struct http_tls {
    atomic_uint refs; /* connections of any thread hold one each */
    gnutls_certificate_credentials_t cred;
    gnutls_priority_t priority;
    struct http_tls_info info;
    char **names; /* owned, with what it points to */
    size_t name_count;
};

/* One connection's part in it. */
struct http_shake {
    struct http_tls *tls;     /* owned: a reference; NULL: plain HTTP */
    gnutls_session_t session; /* libmicrohttpd's; gone when it says that the connection is closed */
    char *subject;            /* owned: of a client certificate that has been verified; NULL: none */
    const char *fault;        /* static: why it came to nothing */
    uint8_t latest[7];        /* of what has come so far */
    bool has_heard, has_left, is_done;
    bool is_cert_missing; /* one is required, and none was verified: nothing may be answered */
};

void http_shake_begin(struct http_conn *c, struct MHD_Connection *mhd, struct http_tls *tls);
/* libmicrohttpd says that c's handshake has failed: says so to the client, too. */
void http_shake_failed(struct http_conn *c);
/* The connection is closed, and its session gone. For plain HTTP, too. */
void http_shake_end(struct http_conn *c);
/* libmicrohttpd wants a certificate when it starts: this stands for it, and is asked only by connections for
 * which there was no memory. */
int http_shake_no_cert(gnutls_session_t session, const gnutls_datum_t *req_ca, int req_ca_count,
                       const gnutls_pk_algorithm_t *pk_algos, int pk_algo_count, gnutls_pcert_st **pcert,
                       unsigned *pcert_len, gnutls_privkey_t *pkey);

#endif
