/*
 * tls_session: the TLS of one stream, whose descriptor it reads and writes in the stream's place.
 *
 * Made by loop_stream_secure, owned by the stream, ended by tls_close and tls_free.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <sys/socket.h>

#include "base/check.h"
#include "base/mem.h"
#include "loop/internal.h"
#include "loop/tls_parts.h"

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

/* ---- its end ---- */

static void end_with(struct tls_session *t, enum err e, const char *why)
{
    if (t->is_over)
        return; /* the first reason is the reason */
    t->is_over = true;
    t->has_failed = e != ERR_CLOSED;
    t->err = e;
    t->why = why;
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
    struct tls_reason reason;
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
    default: reason = tls_reason_of(t->ssl); end_with(t, reason.err, reason.text);
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

/* ---- its life ---- */

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
