/*
 * tls: what a TLS end needs (certificate, key, the CAs it trusts), from PEM files that can be read again.
 *
 * Made by loop_tls_new, owned by the caller, ended by loop_tls_free. A stream that has been secured with it
 * is used as any other: the handshake goes on inside, with the first reads and writes. It keeps what it was
 * secured with: loop_tls_reload and loop_tls_free are for connections to come.
 *
 * TLS 1.2 and 1.3, by OpenSSL. No resumption: links are few and long.
 *
 * A node's links speak it by node_config.tls (node/node.h); loop_stream_secure (loop/stream.h) is what that
 * does to each.
 */
#ifndef ERLGATE_LOOP_TLS_H
#define ERLGATE_LOOP_TLS_H

#include "base/err.h"
#include "base/slice.h"

struct loop_tls;

struct loop_tls_config {
    const char *cert_file; /* the certificate, and those between it and the CA. Copied */
    const char *key_file;  /* its key, without a passphrase; NULL: stands in cert_file. Copied */
    const char *ca_file;   /* whom we trust; NULL only when nothing is verified. Copied */
    bool is_verified; /* both ends must show a certificate of these CAs, and the one we dial must bear the
                         name that we dial it by */
};

/* What was wrong with the files. */
struct loop_tls_fault {
    const char *file; /* borrowed from the loop_tls or the configuration; NULL: none in particular */
    const char *text; /* static */
};

/* ERR_INVALID: see f; ERR_NOMEM. */
MUST_USE enum err loop_tls_new(const struct loop_tls_config *config, struct loop_tls **ret,
                               struct loop_tls_fault *f);
/* Reads the files again. On failure everything stays as it was. */
MUST_USE enum err loop_tls_reload(struct loop_tls *tls, struct loop_tls_fault *f);
/* Exchanges what two of them hold, for connections to come. */
void loop_tls_swap(struct loop_tls *a, struct loop_tls *b);
void loop_tls_free(struct loop_tls *tls); /* takes NULL */

/* Our own certificate, for logs. */
struct loop_tls_info {
    char subject[256];
    char expires[32];  /* 2027-01-31T23:59:59Z */
    char sha256[65];   /* of the certificate, hex */
    bool is_expired;   /* now */
    int64_t expires_s; /* since 1970 */
};
void loop_tls_describe(const struct loop_tls *tls, struct loop_tls_info *ret);

#endif
