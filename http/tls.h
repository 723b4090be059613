/*
 * tls: what HTTPS needs (certificate, key, the CAs of clients' certificates), read from PEM files as one
 * whole.
 *
 * Made by http_tls_load, and never changed: to take other files is to load another one and to give it to the
 * server. Counted: each connection keeps what it was opened with, so that the old one goes when the last of
 * its connections does. Reads files and the clock in http_tls_load alone.
 *
 * TLS 1.2 and 1.3 by GnuTLS, with what has forward secrecy and authenticated encryption: ECDHE, AES-GCM,
 * ChaCha20-Poly1305. No resumption, neither by tickets nor by sessions: each connection shows its
 * certificate, to the CAs of its day.
 */
#ifndef ERLGATE_HTTP_TLS_H
#define ERLGATE_HTTP_TLS_H

#include "base/err.h"
#include "base/slice.h"

struct http_tls;

enum http_client_cert {
    HTTP_CLIENT_CERT_NONE, /* not asked for */
    /* Asked for. Who shows none may come in; who shows one that is not good may not. */
    HTTP_CLIENT_CERT_OPTIONAL,
    HTTP_CLIENT_CERT_REQUIRED,
};

struct http_tls_config {
    const char *cert_file; /* the certificate, then those between it and the CA, each before its issuer */
    const char *key_file;  /* its key, without a passphrase; NULL: stands in cert_file */
    const char *ca_file;   /* of clients' certificates; NULL only when none are asked for */
    enum http_client_cert client_cert;
    bool is_1_3_only;
};

/* What was wrong with the files. */
struct http_tls_fault {
    const char *file; /* borrowed from the configuration; NULL: none in particular */
    char what[160];
    const char *hint; /* static: what to do about it; NULL: nothing in particular */
};

/* ERR_INVALID: see f; ERR_NOMEM. A certificate that has expired, or is not valid yet, is refused. */
MUST_USE enum err http_tls_load(const struct http_tls_config *config, struct http_tls **ret,
                                struct http_tls_fault *f);
struct http_tls *http_tls_ref(struct http_tls *tls);
void http_tls_unref(struct http_tls *tls); /* takes NULL */

/* The certificate, for logs, health and metrics. */
struct http_tls_info {
    char subject[256];
    char expires[32];  /* 2027-01-31T23:59:59Z */
    char sha256[65];   /* of the certificate, hex */
    int64_t expires_s; /* since 1970: of the first of the chain to expire */
    enum http_client_cert client_cert;
    bool is_key_exposed; /* others than the file's owner and group can read the key, or write it */
};
const struct http_tls_info *http_tls_info(const struct http_tls *tls); /* borrowed */
/* Whole days until a certificate expires; negative once it has. */
int64_t http_tls_days_left(const struct http_tls *tls, int64_t now_s);
/* Does the certificate bear this name or address, or a wildcard for it? */
bool http_tls_is_named(const struct http_tls *tls, struct slice name);

#endif
