/*
 * certs: a CA and what it issues, in files of a temporary folder, made with GnuTLS.
 */
#ifndef ERLGATE_TESTS_UNIT_HTTP_CERTS_H
#define ERLGATE_TESTS_UNIT_HTTP_CERTS_H

#include "test.h"

#include <dirent.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { CERT_DAY_S = 86400 };

struct pair { /* a certificate and its key */
    gnutls_x509_crt_t cert;
    gnutls_x509_privkey_t key;
    char cert_file[96], key_file[96];
};

static char certs_folder[64];
static unsigned certs_made;

static inline void certs_begin(void)
{
    snprintf(certs_folder, sizeof certs_folder, "/tmp/erlgate-certs-XXXXXX");
    assert_non_null(mkdtemp(certs_folder));
}

static inline void certs_end(void)
{
    char path[sizeof certs_folder + 256 + 1];
    DIR *d = opendir(certs_folder);
    struct dirent *entry;

    assert_non_null(d);
    while ((entry = readdir(d))) {
        snprintf(path, sizeof path, "%s/%s", certs_folder, entry->d_name);
        unlink(path);
    }
    closedir(d);
    assert_int_equal(rmdir(certs_folder), 0);
}

static inline void write_file(const char *path, const void *bytes, size_t len, const char *mode)
{
    FILE *f = fopen(path, mode);

    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, 0600), 0);
}

static inline void write_cert(gnutls_x509_crt_t cert, const char *path, const char *mode)
{
    gnutls_datum_t pem;

    assert_int_equal(gnutls_x509_crt_export2(cert, GNUTLS_X509_FMT_PEM, &pem), 0);
    write_file(path, pem.data, pem.size, mode);
    gnutls_free(pem.data);
}

struct cert_wish {
    const char *subject;     /* "CN=alice,O=Example" */
    const struct pair *from; /* the issuer; NULL: itself */
    const char *dns, *purpose;
    long from_days, to_days; /* from now; 0 and 0: the last and the next */
    bool is_ca;
};

static inline struct pair issue(struct cert_wish w)
{
    time_t now = time(NULL);
    struct pair p;
    unsigned char serial[] = {1, (unsigned char)(certs_made >> 8), (unsigned char)certs_made};
    gnutls_datum_t pem;

    if (!w.from_days && !w.to_days) {
        w.from_days = -1;
        w.to_days = 1;
    }
    snprintf(p.cert_file, sizeof p.cert_file, "%s/%u.pem", certs_folder, certs_made);
    snprintf(p.key_file, sizeof p.key_file, "%s/%u.key", certs_folder, certs_made++);
    assert_int_equal(gnutls_x509_privkey_init(&p.key), 0);
    assert_int_equal(gnutls_x509_privkey_generate(p.key, GNUTLS_PK_ECDSA,
                                                  GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0),
                     0);
    assert_int_equal(gnutls_x509_crt_init(&p.cert), 0);
    assert_int_equal(gnutls_x509_crt_set_version(p.cert, 3), 0);
    assert_int_equal(gnutls_x509_crt_set_dn(p.cert, w.subject, NULL), 0);
    assert_int_equal(gnutls_x509_crt_set_serial(p.cert, serial, sizeof serial), 0);
    assert_int_equal(gnutls_x509_crt_set_activation_time(p.cert, now + w.from_days * CERT_DAY_S), 0);
    assert_int_equal(gnutls_x509_crt_set_expiration_time(p.cert, now + w.to_days * CERT_DAY_S), 0);
    assert_int_equal(gnutls_x509_crt_set_key(p.cert, p.key), 0);
    assert_int_equal(gnutls_x509_crt_set_basic_constraints(p.cert, w.is_ca, -1), 0);
    if (w.is_ca)
        assert_int_equal(gnutls_x509_crt_set_key_usage(p.cert, GNUTLS_KEY_KEY_CERT_SIGN), 0);
    if (w.dns)
        assert_int_equal(gnutls_x509_crt_set_subject_alt_name(p.cert, GNUTLS_SAN_DNSNAME, w.dns,
                                                              (unsigned)strlen(w.dns), GNUTLS_FSAN_APPEND),
                         0);
    if (w.purpose)
        assert_int_equal(gnutls_x509_crt_set_key_purpose_oid(p.cert, w.purpose, 0), 0);
    assert_int_equal(gnutls_x509_crt_sign2(p.cert, w.from ? w.from->cert : p.cert,
                                           w.from ? w.from->key : p.key, GNUTLS_DIG_SHA256, 0),
                     0);
    write_cert(p.cert, p.cert_file, "w");
    assert_int_equal(gnutls_x509_privkey_export2_pkcs8(p.key, GNUTLS_X509_FMT_PEM, NULL, 0, &pem), 0);
    write_file(p.key_file, pem.data, pem.size, "w");
    gnutls_free(pem.data);
    return p;
}

static inline struct pair issue_ca(const char *subject)
{
    return issue((struct cert_wish){.subject = subject, .is_ca = true});
}

static inline void pair_free(struct pair *p)
{
    gnutls_x509_crt_deinit(p->cert);
    gnutls_x509_privkey_deinit(p->key);
}

#endif
