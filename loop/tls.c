#include "loop/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/check.h"
#include "base/mem.h"
#include "loop/internal.h"

enum {
    READ_AHEAD = 64 << 10, /* what one system call fetches: several records, for bulk */
};

struct loop_tls {
    char *cert_file, *key_file, *ca_file; /* owned; the last two may be NULL */
    bool is_verified;
    SSL_CTX *ctx; /* owned; sessions hold a reference of their own */
};

struct tls_session {
    SSL *ssl;                   /* owned */
    struct loop_stream *stream; /* borrowed: it owns us */
    uv_idle_t again;
    bool is_over; /* an end or a failure was met; err and why say which */
    bool has_failed;
    enum err err;
    const char *why; /* static */
    void (*closed)(struct loop_stream *s);
};

/* ---- the socket under OpenSSL: its own would raise SIGPIPE ---- */

static int socket_write(BIO *bio, const char *bytes, size_t len, size_t *ret_n)
{
    const struct tls_session *t = BIO_get_data(bio);
    ssize_t n;

    BIO_clear_retry_flags(bio);
    do
        n = send(t->stream->fd, bytes, len, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        BIO_set_retry_write(bio);
    *ret_n = n > 0 ? (size_t)n : 0;
    return n > 0;
}

static int socket_read(BIO *bio, char *to, size_t room, size_t *ret_n)
{
    const struct tls_session *t = BIO_get_data(bio);
    ssize_t n;

    BIO_clear_retry_flags(bio);
    do
        n = recv(t->stream->fd, to, room, 0);
    while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        BIO_set_retry_read(bio);
    if (n == 0)
        BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
    *ret_n = n > 0 ? (size_t)n : 0;
    return n > 0;
}

static long socket_control(BIO *bio, int what, long number, void *thing)
{
    (void)number;
    (void)thing;
    if (what == BIO_CTRL_EOF)
        return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
    return what == BIO_CTRL_FLUSH;
}

static BIO_METHOD *socket_method; /* made once, for all threads, never ended */

static void make_socket_method(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "erlgate socket");

    if (m && BIO_meth_set_write_ex(m, socket_write) && BIO_meth_set_read_ex(m, socket_read) &&
        BIO_meth_set_ctrl(m, socket_control))
        socket_method = m;
}

static BIO *socket_bio(struct tls_session *t)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    BIO *bio;

    pthread_once(&once, make_socket_method);
    bio = socket_method ? BIO_new(socket_method) : NULL;
    if (bio) {
        BIO_set_data(bio, t);
        BIO_set_init(bio, 1);
    }
    return bio;
}

/* ---- certificate, key, CAs ---- */

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

static bool can_be_read(const char *file)
{
    FILE *f = fopen(file, "rb");

    if (f)
        fclose(f);
    return f != NULL;
}

static enum err load_own(const struct loop_tls *tls, SSL_CTX *ctx, struct loop_tls_fault *f)
{
    const char *key_file = tls->key_file ? tls->key_file : tls->cert_file;

    if (!can_be_read(tls->cert_file))
        return fault(f, tls->cert_file, "cannot be read");
    if (!can_be_read(key_file))
        return fault(f, key_file, "cannot be read");
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

    if (!tls->ca_file)
        return tls->is_verified ? fault(f, NULL, "without a CA nothing can be verified") : ERR_NONE;
    if (!can_be_read(tls->ca_file))
        return fault(f, tls->ca_file, "cannot be read");
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

/* ---- what went wrong ---- */

struct reason {
    int number; /* of X509_V_ERR_… or SSL_R_… */
    enum err err;
    const char *text;
};

static const struct reason verify_reasons[] = {
    {X509_V_ERR_HOSTNAME_MISMATCH, ERR_NOT_ALLOWED, "its certificate is for another host"},
    {X509_V_ERR_IP_ADDRESS_MISMATCH, ERR_NOT_ALLOWED, "its certificate is for another address"},
    {X509_V_ERR_CERT_HAS_EXPIRED, ERR_NOT_ALLOWED, "its certificate, or its CA's, has expired"},
    {X509_V_ERR_CERT_NOT_YET_VALID, ERR_NOT_ALLOWED, "its certificate, or its CA's, is not valid yet"},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, ERR_NOT_ALLOWED,
     "its certificate is of a CA that we do not trust"},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, ERR_NOT_ALLOWED,
     "its certificate is of a CA that we do not trust"},
    {X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, ERR_NOT_ALLOWED,
     "its certificate is of a CA that we do not trust"},
    {X509_V_ERR_CERT_SIGNATURE_FAILURE, ERR_NOT_ALLOWED, "its certificate is of a CA that we do not trust"},
    {X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, ERR_NOT_ALLOWED,
     "its certificate is of a CA that we do not trust"},
    {X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, ERR_NOT_ALLOWED,
     "its certificate is of no CA: it is self-signed"},
    {X509_V_ERR_INVALID_PURPOSE, ERR_NOT_ALLOWED, "its certificate is not meant for this (extendedKeyUsage)"},
};

static const struct reason tls_reasons[] = {
    {SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, ERR_NOT_ALLOWED, "it shows no certificate"},
    {SSL_R_TLSV1_ALERT_UNKNOWN_CA, ERR_NOT_ALLOWED, "it does not trust the CA of our certificate"},
    {SSL_R_SSLV3_ALERT_BAD_CERTIFICATE, ERR_NOT_ALLOWED, "it refuses our certificate"},
    {SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE, ERR_NOT_ALLOWED, "it refuses our certificate"},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN, ERR_NOT_ALLOWED, "it refuses our certificate"},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED, ERR_NOT_ALLOWED, "it finds our certificate expired"},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED, ERR_NOT_ALLOWED, "it finds our certificate revoked"},
    {SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED, ERR_NOT_ALLOWED, "it wants a certificate of us"},
    {SSL_R_TLSV1_ALERT_ACCESS_DENIED, ERR_NOT_ALLOWED, "it refuses our certificate"},
    {SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE, ERR_NOT_ALLOWED,
     "it refuses the TLS handshake: our certificate, or the ciphers"},
    {SSL_R_NO_SHARED_CIPHER, ERR_NOT_ALLOWED, "it has no cipher in common with us"},
    {SSL_R_UNSUPPORTED_PROTOCOL, ERR_NOT_ALLOWED, "it has no version of TLS in common with us"},
    {SSL_R_TLSV1_ALERT_PROTOCOL_VERSION, ERR_NOT_ALLOWED, "it has no version of TLS in common with us"},
    {SSL_R_WRONG_VERSION_NUMBER, ERR_MALFORMED,
     "it does not speak TLS: a node without -proto_dist inet_tls?"},
    {SSL_R_HTTP_REQUEST, ERR_MALFORMED, "it does not speak TLS: it speaks HTTP"},
    {SSL_R_HTTPS_PROXY_REQUEST, ERR_MALFORMED, "it does not speak TLS: it speaks HTTP"},
    {SSL_R_PACKET_LENGTH_TOO_LONG, ERR_MALFORMED,
     "it does not speak TLS: a node without -proto_dist inet_tls?"},
    {SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC, ERR_MALFORMED, "a TLS record was damaged on its way"},
};

static const struct reason *find_reason(const struct reason *reasons, size_t count, int number)
{
    for (size_t i = 0; i < count; i++)
        if (reasons[i].number == number)
            return &reasons[i];
    return NULL;
}

static void end_with(struct tls_session *t, enum err e, const char *why)
{
    if (t->is_over)
        return; /* the first reason is the reason */
    t->is_over = true;
    t->has_failed = e != ERR_CLOSED;
    t->err = e;
    t->why = why;
}

static void end_with_protocol_error(struct tls_session *t)
{
    unsigned long code = ERR_peek_error();
    long verified = SSL_get_verify_result(t->ssl);
    const struct reason *r = NULL;
    const char *text = ERR_reason_error_string(code);

    if (ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED) {
        r = find_reason(verify_reasons, ARRAY_LEN(verify_reasons), (int)verified);
        if (!r) {
            end_with(t, ERR_NOT_ALLOWED, X509_verify_cert_error_string(verified));
            return;
        }
    } else if (ERR_GET_LIB(code) == ERR_LIB_SSL) {
        r = find_reason(tls_reasons, ARRAY_LEN(tls_reasons), ERR_GET_REASON(code));
    }
    if (r)
        end_with(t, r->err, r->text);
    else
        end_with(t, ERR_MALFORMED, text ? text : "TLS failed");
}

static void end_with_close(struct tls_session *t)
{
    end_with(t, ERR_CLOSED,
             SSL_is_init_finished(t->ssl)
                 ? NULL
                 : "it closed the connection during the TLS handshake: it refuses our "
                   "certificate, or speaks no TLS");
}

/* Turns what an operation gave into ours. */
static enum stream_io outcome(struct tls_session *t, int result)
{
    int error = errno;

    switch (SSL_get_error(t->ssl, result)) {
    case SSL_ERROR_NONE: return STREAM_IO_DONE;
    case SSL_ERROR_WANT_READ: return STREAM_IO_WANT_READ;
    case SSL_ERROR_WANT_WRITE: return STREAM_IO_WANT_WRITE;
    case SSL_ERROR_ZERO_RETURN: end_with_close(t); break;
    case SSL_ERROR_SYSCALL:
        if (error == 0 || error == ECONNRESET || error == EPIPE || BIO_eof(SSL_get_rbio(t->ssl)))
            end_with_close(t);
        else
            end_with(t, ERR_IO, NULL);
        t->has_failed = true;
        break;
    default: end_with_protocol_error(t);
    }
    return t->err == ERR_CLOSED ? STREAM_IO_CLOSED : STREAM_IO_FAILED;
}

enum err tls_error(const struct tls_session *t)
{
    return t->err;
}

const char *tls_why(const struct tls_session *t)
{
    return t->why;
}

/* ---- a session ---- */

static bool be_client(SSL *ssl, const struct loop_tls *tls, const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];
    bool is_address = inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;

    SSL_set_connect_state(ssl);
    /* RFC 6066: names only. */
    if (!is_address && SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                                (void *)(uintptr_t)host) != 1) /* which OpenSSL copies */
        return false;
    if (!tls->is_verified)
        return true;
    if (is_address)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, host) == 1;
}

enum err loop_stream_secure(struct loop_stream *s, const struct loop_tls *tls, const char *host)
{
    struct tls_session *t = mem_zalloc(sizeof *t);
    BIO *bio;

    CHECK(!s->ops && !s->tls);
    if (!t)
        return ERR_NOMEM;
    t->stream = s;
    t->ssl = SSL_new(tls->ctx);
    bio = t->ssl ? socket_bio(t) : NULL;
    if (!bio) {
        SSL_free(t->ssl);
        mem_free(t);
        return ERR_NOMEM;
    }
    SSL_set_bio(t->ssl, bio, bio);
    if (host ? !be_client(t->ssl, tls, host) : (SSL_set_accept_state(t->ssl), false)) {
        SSL_free(t->ssl);
        mem_free(t);
        return ERR_NOMEM;
    }
    uv_idle_init(s->uv.loop, &t->again);
    t->again.data = t;
    s->tls = t;
    /* Who dials speaks first: its read begins with writing. */
    s->read_waits_to_write = host != NULL;
    return ERR_NONE;
}

const char *loop_stream_tls_version(const struct loop_stream *s)
{
    return s->tls && SSL_is_init_finished(s->tls->ssl) ? SSL_get_version(s->tls->ssl) : NULL;
}

enum stream_io tls_read(struct tls_session *t, uint8_t *to, size_t room, size_t *ret_n)
{
    int result;

    if (t->is_over)
        return t->err == ERR_CLOSED ? STREAM_IO_CLOSED : STREAM_IO_FAILED;
    ERR_clear_error();
    errno = 0;
    result = SSL_read_ex(t->ssl, to, room, ret_n);
    return outcome(t, result);
}

enum stream_io tls_write(struct tls_session *t, struct slice bytes, size_t *ret_n)
{
    int result;

    /* The peer's close_notify ends only its half, but then nobody reads what we write. */
    if (t->is_over)
        return STREAM_IO_FAILED;
    ERR_clear_error();
    errno = 0;
    result = SSL_write_ex(t->ssl, bytes.ptr, bytes.len, ret_n);
    return outcome(t, result);
}

static void read_again(uv_idle_t *uv)
{
    struct tls_session *t = uv->data;

    loop_worked(uv->loop);
    uv_idle_stop(uv);
    stream_read_again(t->stream);
}

void tls_read_again(struct tls_session *t)
{
    uv_idle_start(&t->again, read_again);
}

void tls_close(struct tls_session *t)
{
    uv_idle_stop(&t->again);
    ERR_clear_error();
    if (!t->has_failed && SSL_is_init_finished(t->ssl))
        SSL_shutdown(t->ssl);
}

static void session_closed(uv_handle_t *uv)
{
    struct tls_session *t = uv->data;
    struct loop_stream *s = t->stream;
    void (*closed)(struct loop_stream *) = t->closed;

    SSL_free(t->ssl);
    mem_free(t);
    closed(s);
}

void tls_free(struct tls_session *t, void (*closed)(struct loop_stream *s))
{
    t->closed = closed;
    uv_close((uv_handle_t *)&t->again, session_closed);
}
