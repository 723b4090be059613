#include "loop/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "loop/tls_parts.h"

enum { READ_AHEAD = 64 << 10 }; /* what one system call fetches: several records, for bulk */

static enum err fault(struct loop_tls_fault *f, const char *file, const char *text)
{
    *f = (struct loop_tls_fault){.file = file, .text = text};
    ERR_clear_error();
    return ERR_INVALID;
}

/* A key that wants a passphrase is refused: there is nobody to ask. */
static int no_passphrase(char *to, int room, int is_writing, void *ctx)
{
    (void)to;
    (void)room;
    (void)is_writing;
    (void)ctx;
    return 0;
}

/* Why it cannot be read; NULL: it can. OpenSSL would wait for who writes to a FIFO, in the middle of a reload
 * too. */
static const char *unreadable(const char *file)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;
    bool is_file;

    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR ? "there is no such file"
               : errno == EACCES                   ? "this user may not read it"
                                                   : "cannot be read";
    is_file = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    close(fd);
    return is_file ? NULL : "is no file of certificates or keys";
}

static enum err load_own(const struct loop_tls *tls, SSL_CTX *ctx, struct loop_tls_fault *f)
{
    const char *key_file = tls->key_file ? tls->key_file : tls->cert_file, *why;

    if ((why = unreadable(tls->cert_file)))
        return fault(f, tls->cert_file, why);
    if ((why = unreadable(key_file)))
        return fault(f, key_file, why);
    if (SSL_CTX_use_certificate_chain_file(ctx, tls->cert_file) != 1)
        return fault(f, tls->cert_file, "holds no certificate in PEM that can be used");
    SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
    if (SSL_CTX_use_PrivateKey_file(ctx, key_file, SSL_FILETYPE_PEM) != 1)
        return ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_VALUES_MISMATCH
                   ? fault(f, key_file, "is the key of another certificate")
                   : fault(f, key_file,
                           "holds no key in PEM that can be used (one with a passphrase cannot)");
    if (SSL_CTX_check_private_key(ctx) != 1)
        return fault(f, key_file, "is the key of another certificate");
    return ERR_NONE;
}

static enum err load_cas(const struct loop_tls *tls, SSL_CTX *ctx, struct loop_tls_fault *f)
{
    STACK_OF(X509_NAME) * names;
    const char *why;

    if (!tls->ca_file)
        return tls->is_verified ? fault(f, NULL, "without a CA nothing can be verified") : ERR_NONE;
    if ((why = unreadable(tls->ca_file)))
        return fault(f, tls->ca_file, why);
    if (SSL_CTX_load_verify_locations(ctx, tls->ca_file, NULL) != 1)
        return fault(f, tls->ca_file, "holds no certificate in PEM that can be used");
    /* Told to those who dial us, so that one with several certificates knows which to show. */
    names = SSL_load_client_CA_file(tls->ca_file);
    if (names)
        SSL_CTX_set_client_CA_list(ctx, names);
    return ERR_NONE;
}

static bool set_up(const struct loop_tls *tls, SSL_CTX *ctx)
{
    static const unsigned char id[] = "erlgate";

    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    /* The frames of the distribution tell by themselves whether they are complete. */
    SSL_CTX_set_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
    /* OTP renegotiates TLS 1.2 after so many records (renegotiate_at) and gives up a peer that will not. Who
     * has not said the cookie by then runs into the deadline of the handshake. */
    SSL_CTX_set_options(ctx, SSL_OP_ALLOW_CLIENT_RENEGOTIATION);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(ctx, 1);
    SSL_CTX_set_default_read_buffer_len(ctx, READ_AHEAD);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_verify(
        ctx, tls->is_verified ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT : SSL_VERIFY_NONE, NULL);
    return SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) && SSL_CTX_set_num_tickets(ctx, 0) &&
           SSL_CTX_set_session_id_context(ctx, id, sizeof id - 1);
}

enum err loop_tls_reload(struct loop_tls *tls, struct loop_tls_fault *f)
{
    SSL_CTX *ctx;
    enum err e;

    *f = (struct loop_tls_fault){0};
    ERR_clear_error();
    ctx = SSL_CTX_new(TLS_method());
    if (!ctx || !set_up(tls, ctx)) {
        SSL_CTX_free(ctx);
        return ERR_NOMEM;
    }
    e = load_own(tls, ctx, f);
    if (e == ERR_NONE)
        e = load_cas(tls, ctx, f);
    if (e != ERR_NONE) {
        SSL_CTX_free(ctx);
        return e;
    }
    SSL_CTX_free(tls->ctx);
    tls->ctx = ctx;
    return ERR_NONE;
}

static bool copy_name(const char *name, char **ret)
{
    *ret = name ? mem_strndup(name, strlen(name)) : NULL;
    return !name || *ret;
}

enum err loop_tls_new(const struct loop_tls_config *config, struct loop_tls **ret, struct loop_tls_fault *f)
{
    struct loop_tls *tls = mem_zalloc(sizeof *tls);
    enum err e = ERR_NOMEM;

    *f = (struct loop_tls_fault){0};
    if (!tls)
        return ERR_NOMEM;
    tls->is_verified = config->is_verified;
    if (copy_name(config->cert_file, &tls->cert_file) && copy_name(config->key_file, &tls->key_file) &&
        copy_name(config->ca_file, &tls->ca_file))
        e = loop_tls_reload(tls, f);
    if (e != ERR_NONE) {
        /* What the fault names must outlive us. */
        if (f->file)
            f->file = f->file == tls->ca_file                     ? config->ca_file
                      : tls->key_file && f->file == tls->key_file ? config->key_file
                                                                  : config->cert_file;
        loop_tls_free(tls);
        return e;
    }
    *ret = tls;
    return ERR_NONE;
}

void loop_tls_swap(struct loop_tls *a, struct loop_tls *b)
{
    struct loop_tls t = *a;

    *a = *b;
    *b = t;
}

void loop_tls_free(struct loop_tls *tls)
{
    if (!tls)
        return;
    SSL_CTX_free(tls->ctx);
    mem_free(tls->cert_file);
    mem_free(tls->key_file);
    mem_free(tls->ca_file);
    mem_free(tls);
}

static void write_time(const ASN1_TIME *at, char *ret, size_t cap)
{
    struct tm tm;

    if (!ASN1_TIME_to_tm(at, &tm) || strftime(ret, cap, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        *ret = '\0';
}

void loop_tls_describe(const struct loop_tls *tls, struct loop_tls_info *ret)
{
    X509 *cert = SSL_CTX_get0_certificate(tls->ctx);
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    struct tm tm;

    *ret = (struct loop_tls_info){0};
    if (!cert)
        return;
    X509_NAME_oneline(X509_get_subject_name(cert), ret->subject, sizeof ret->subject);
    write_time(X509_get0_notAfter(cert), ret->expires, sizeof ret->expires);
    if (ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm) == 1)
        ret->expires_s = (int64_t)timegm(&tm);
    ret->is_expired = X509_cmp_current_time(X509_get0_notAfter(cert)) < 0;
    if (X509_digest(cert, EVP_sha256(), digest, &len) != 1)
        return;
    for (unsigned i = 0; i < len && 2 * i + 2 < sizeof ret->sha256; i++)
        snprintf(ret->sha256 + 2 * (size_t)i, 3, "%02x", digest[i]);
}
