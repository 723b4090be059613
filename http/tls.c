#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/mem.h"
#include "base/mode.h"
#include "http/handshake.h"
#include "http/text.h"

enum { CHAIN_MAX = 16, NAMES_MAX = 64, NAME_SIZE = 256, DAY_S = 86400, CA_FILE_MAX = 4 << 20 };

/* ECDHE alone, authenticated encryption alone, no SHA-1 in signatures. */
#define CIPHERS                                                                                            \
    ":+ECDHE-ECDSA:+ECDHE-RSA:+AES-256-GCM:+CHACHA20-POLY1305:+AES-128-GCM:+AEAD:+GROUP-X25519:+"          \
    "GROUP-SECP256R1:+GROUP-SECP384R1:+SIGN-EDDSA-ED25519:+SIGN-ECDSA-SECP256R1-SHA256:+SIGN-ECDSA-"       \
    "SECP384R1-SHA384:+SIGN-ECDSA-SHA256:+SIGN-ECDSA-SHA384:+SIGN-RSA-PSS-RSAE-SHA256:+SIGN-RSA-PSS-RSAE-" \
    "SHA384:+SIGN-RSA-PSS-RSAE-SHA512:+SIGN-RSA-PSS-SHA256:+SIGN-RSA-SHA256:+SIGN-RSA-SHA384:+SIGN-RSA-"   \
    "SHA512:+CTYPE-X509:+COMP-NULL:%SERVER_PRECEDENCE"
#define FROM_1_2 "NONE:+VERS-TLS1.3:+VERS-TLS1.2" CIPHERS
#define FROM_1_3 "NONE:+VERS-TLS1.3" CIPHERS

/* ---- faults ---- */

__attribute__((format(printf, 4, 5))) static enum err fault(struct http_tls_fault *f, const char *file,
                                                            const char *hint, const char *fmt, ...)
{
    va_list ap;

    f->file = file;
    f->hint = hint;
    va_start(ap, fmt);
    vsnprintf(f->what, sizeof f->what, fmt, ap);
    va_end(ap);
    return ERR_INVALID;
}

static enum err read_file(const char *file, gnutls_datum_t *ret, struct http_tls_fault *f)
{
    struct stat st;
    int rc;

    if (stat(file, &st) != 0)
        return fault(f, file, NULL, "%s", strerror(errno));
    if (!S_ISREG(st.st_mode) || st.st_size > CA_FILE_MAX)
        return fault(f, file, NULL, "is no file of certificates or keys");
    errno = 0;
    rc = gnutls_load_file(file, ret);
    if (rc == GNUTLS_E_SUCCESS)
        return ERR_NONE;
    if (rc == GNUTLS_E_MEMORY_ERROR)
        return ERR_NOMEM;
    return fault(f, file, NULL, "%s", errno ? strerror(errno) : "cannot be read");
}

static void write_time(time_t t, char *ret, size_t cap)
{
    struct tm tm;

    if (!gmtime_r(&t, &tm) || !strftime(ret, cap, "%Y-%m-%dT%H:%M:%SZ", &tm))
        snprintf(ret, cap, "never");
}

/* ---- the certificate and what is above it ---- */

struct chain {
    gnutls_x509_crt_t *certs; /* GnuTLS's; count of them */
    unsigned count;
};

static void chain_fini(struct chain *c)
{
    for (unsigned i = 0; i < c->count; i++)
        gnutls_x509_crt_deinit(c->certs[i]);
    gnutls_free(c->certs);
}

static enum err read_chain(const char *file, struct chain *ret, struct http_tls_fault *f)
{
    gnutls_datum_t pem;
    enum err e = read_file(file, &pem, f);
    int rc;

    if (e != ERR_NONE)
        return e;
    rc = gnutls_x509_crt_list_import2(&ret->certs, &ret->count, &pem, GNUTLS_X509_FMT_PEM,
                                      GNUTLS_X509_CRT_LIST_FAIL_IF_UNSORTED);
    gnutls_free(pem.data);
    if (rc == GNUTLS_E_CERTIFICATE_LIST_UNSORTED)
        return fault(f, file, "put the server's own certificate first, then its issuer, and so on",
                     "the certificates are not in the order of a chain");
    if (rc == GNUTLS_E_MEMORY_ERROR)
        return ERR_NOMEM;
    if (rc < 0)
        return fault(f, file, "it is to hold BEGIN CERTIFICATE", "has no certificate in PEM: %s",
                     gnutls_strerror(rc));
    if (ret->count > CHAIN_MAX)
        return fault(f, file, NULL, "has more than %d certificates", CHAIN_MAX);
    return ERR_NONE;
}

static enum err judge_times(const struct chain *c, const char *file, time_t now, int64_t *ret_expires_s,
                            struct http_tls_fault *f)
{
    char text[32];

    *ret_expires_s = INT64_MAX;
    for (unsigned i = 0; i < c->count; i++) {
        time_t from = gnutls_x509_crt_get_activation_time(c->certs[i]);
        time_t to = gnutls_x509_crt_get_expiration_time(c->certs[i]);

        if (to < now) {
            write_time(to, text, sizeof text);
            return fault(f, file, "have it renewed", "certificate %u of it has expired: %s", i + 1, text);
        }
        if (from > now) {
            write_time(from, text, sizeof text);
            return fault(f, file, "is the clock right?", "certificate %u of it is not valid before %s", i + 1,
                         text);
        }
        if (to < *ret_expires_s)
            *ret_expires_s = to;
    }
    return ERR_NONE;
}

static void describe(gnutls_x509_crt_t cert, struct http_tls_info *ret)
{
    uint8_t digest[32];
    size_t len = sizeof digest;
    gnutls_datum_t dn;

    if (gnutls_x509_crt_get_dn3(cert, &dn, 0) == GNUTLS_E_SUCCESS) {
        snprintf(ret->subject, sizeof ret->subject, "%.*s", (int)dn.size, (const char *)dn.data);
        gnutls_free(dn.data);
    }
    if (gnutls_x509_crt_get_fingerprint(cert, GNUTLS_DIG_SHA256, digest, &len) == GNUTLS_E_SUCCESS) {
        for (size_t i = 0; i < len; i++)
            snprintf(ret->sha256 + 2 * i, 3, "%02x", digest[i]);
    }
    write_time((time_t)ret->expires_s, ret->expires, sizeof ret->expires);
}

/* ---- its names ---- */

static char *name_as_text(unsigned type, const uint8_t *bytes, size_t len)
{
    char text[INET6_ADDRSTRLEN];

    if (type == GNUTLS_SAN_DNSNAME)
        return mem_strndup(bytes, strnlen((const char *)bytes, len));
    if (type != GNUTLS_SAN_IPADDRESS || (len != 4 && len != 16) ||
        !inet_ntop(len == 4 ? AF_INET : AF_INET6, bytes, text, sizeof text))
        return NULL;
    return mem_strndup(text, strlen(text));
}

static void read_names(struct http_tls *tls, gnutls_x509_crt_t cert)
{
    uint8_t bytes[NAME_SIZE];

    for (unsigned i = 0; tls->name_count < NAMES_MAX; i++) {
        size_t len = sizeof bytes;
        int type = gnutls_x509_crt_get_subject_alt_name(cert, i, bytes, &len, NULL);
        char *name;

        if (type == GNUTLS_E_SHORT_MEMORY_BUFFER)
            continue;
        if (type < 0)
            return;
        name = name_as_text((unsigned)type, bytes, len);
        if (name)
            tls->names[tls->name_count++] = name;
    }
}

/* "*.example.com" stands for one label. */
static bool is_name_for(const char *pattern, struct slice name)
{
    const uint8_t *dot;

    if (text_eq_nocase(name, pattern))
        return true;
    if (pattern[0] != '*' || pattern[1] != '.' || name.len == 0)
        return false;
    dot = memchr(name.ptr, '.', name.len);
    return dot && dot > name.ptr &&
           text_eq_nocase(slice_of(dot, name.len - (size_t)(dot - name.ptr)), pattern + 1);
}

bool http_tls_is_named(const struct http_tls *tls, struct slice name)
{
    for (size_t i = 0; i < tls->name_count; i++)
        if (is_name_for(tls->names[i], name))
            return true;
    return false;
}

/* ---- the key ---- */

static enum err import_key(const char *file, const gnutls_datum_t *pem, gnutls_x509_privkey_t key,
                           struct http_tls_fault *f)
{
    int rc = gnutls_x509_privkey_import2(key, pem, GNUTLS_X509_FMT_PEM, NULL, 0);

    switch (rc) {
    case GNUTLS_E_SUCCESS: return ERR_NONE;
    case GNUTLS_E_MEMORY_ERROR: return ERR_NOMEM;
    case GNUTLS_E_DECRYPTION_FAILED:
        return fault(f, file, "take the passphrase away: openssl pkey -in KEY -out NEW",
                     "the key has a passphrase");
    default:
        return fault(f, file, "it is to hold BEGIN PRIVATE KEY, or the key has a file of its own (--tls-key)",
                     "has no key in PEM: %s", gnutls_strerror(rc));
    }
}

static enum err read_key(const char *file, gnutls_x509_privkey_t *ret, struct http_tls_fault *f)
{
    gnutls_x509_privkey_t key;
    gnutls_datum_t pem;
    enum err e = read_file(file, &pem, f);

    if (e != ERR_NONE)
        return e;
    e = gnutls_x509_privkey_init(&key) == GNUTLS_E_SUCCESS ? import_key(file, &pem, key, f) : ERR_NOMEM;
    mem_wipe(pem.data, pem.size);
    gnutls_free(pem.data);
    if (e == ERR_NONE)
        *ret = key;
    else if (e != ERR_NOMEM)
        gnutls_x509_privkey_deinit(key);
    return e;
}

static enum err set_key(struct http_tls *tls, const struct http_tls_config *c, const struct chain *chain,
                        struct http_tls_fault *f)
{
    const char *file = c->key_file ? c->key_file : c->cert_file;
    gnutls_x509_privkey_t key;
    struct stat st;
    enum err e = read_key(file, &key, f);
    int rc;

    if (e != ERR_NONE)
        return e;
    rc = gnutls_certificate_set_x509_key(tls->cred, chain->certs, (int)chain->count, key);
    gnutls_x509_privkey_deinit(key);
    if (rc == GNUTLS_E_CERTIFICATE_KEY_MISMATCH)
        return fault(f, file, "certificate and key are to be of one pair",
                     "the key is not that of the certificate in %.80s", c->cert_file);
    if (rc == GNUTLS_E_MEMORY_ERROR)
        return ERR_NOMEM;
    if (rc < 0)
        return fault(f, file, NULL, "%s", gnutls_strerror(rc));
    tls->info.is_key_exposed = stat(file, &st) == 0 && mode_is_exposed(st.st_mode);
    return ERR_NONE;
}

/* ---- whom clients' certificates come from ---- */

static enum err set_trust(struct http_tls *tls, const struct http_tls_config *c, struct http_tls_fault *f)
{
    gnutls_datum_t pem;
    enum err e;
    int n;

    if (c->client_cert == HTTP_CLIENT_CERT_NONE)
        return ERR_NONE;
    if (!c->ca_file)
        return fault(f, NULL, "give the file of the CA that issues clients' certificates",
                     "clients' certificates are asked for, and there is no CA to verify them");
    e = read_file(c->ca_file, &pem, f);
    if (e != ERR_NONE)
        return e;
    n = gnutls_certificate_set_x509_trust_mem(tls->cred, &pem, GNUTLS_X509_FMT_PEM);
    gnutls_free(pem.data);
    if (n == GNUTLS_E_MEMORY_ERROR)
        return ERR_NOMEM;
    if (n <= 0)
        return fault(f, c->ca_file, "it is to hold BEGIN CERTIFICATE", "has no certificate in PEM%s%s",
                     n < 0 ? ": " : "", n < 0 ? gnutls_strerror(n) : "");
    return ERR_NONE;
}

/* ---- life ---- */

static enum err fill(struct http_tls *tls, const struct http_tls_config *c, const struct chain *chain,
                     struct http_tls_fault *f)
{
    enum err e = judge_times(chain, c->cert_file, time(NULL), &tls->info.expires_s, f);

    if (e != ERR_NONE)
        return e;
    describe(chain->certs[0], &tls->info);
    read_names(tls, chain->certs[0]);
    if (gnutls_certificate_allocate_credentials(&tls->cred) != GNUTLS_E_SUCCESS ||
        gnutls_priority_init(&tls->priority, c->is_1_3_only ? FROM_1_3 : FROM_1_2, NULL) != GNUTLS_E_SUCCESS)
        return ERR_NOMEM;
    e = set_key(tls, c, chain, f);
    return e == ERR_NONE ? set_trust(tls, c, f) : e;
}

enum err http_tls_load(const struct http_tls_config *config, struct http_tls **ret, struct http_tls_fault *f)
{
    struct http_tls *tls = mem_zalloc(sizeof *tls);
    struct chain chain = {0};
    enum err e;

    *f = (struct http_tls_fault){0};
    if (!tls)
        return ERR_NOMEM;
    atomic_init(&tls->refs, 1);
    tls->info.client_cert = config->client_cert;
    tls->names = mem_realloc_array(NULL, NAMES_MAX, sizeof *tls->names);
    e = tls->names ? read_chain(config->cert_file, &chain, f) : ERR_NOMEM;
    if (e == ERR_NONE)
        e = fill(tls, config, &chain, f);
    chain_fini(&chain);
    if (e != ERR_NONE) {
        http_tls_unref(tls);
        return e;
    }
    *ret = tls;
    return ERR_NONE;
}

struct http_tls *http_tls_ref(struct http_tls *tls)
{
    atomic_fetch_add_explicit(&tls->refs, 1, memory_order_relaxed);
    return tls;
}

void http_tls_unref(struct http_tls *tls)
{
    if (!tls || atomic_fetch_sub_explicit(&tls->refs, 1, memory_order_acq_rel) > 1)
        return;
    for (size_t i = 0; i < tls->name_count; i++)
        mem_free(tls->names[i]);
    mem_free(tls->names);
    if (tls->cred)
        gnutls_certificate_free_credentials(tls->cred);
    if (tls->priority)
        gnutls_priority_deinit(tls->priority);
    mem_free(tls);
}

const struct http_tls_info *http_tls_info(const struct http_tls *tls)
{
    return &tls->info;
}

int64_t http_tls_days_left(const struct http_tls *tls, int64_t now_s)
{
    int64_t left = tls->info.expires_s - now_s;

    return left >= 0 ? left / DAY_S : (left - DAY_S + 1) / DAY_S;
}
