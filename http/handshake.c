#include "http/handshake.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/mem.h"
#include "http/internal.h"

enum { SUBJECT_MAX = 1024, FIRST_OF_TLS = 22, FIRST_OF_ALERT = 21, DRAINED_MAX = 16 * 1024 };

static struct http_conn *conn_of(gnutls_session_t session)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(gnutls_session_get_ptr(session), MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    return info->socket_context;
}

/* ---- the client's certificate ---- */

static int refuse(struct http_conn *c, gnutls_alert_description_t alert, const char *why)
{
    c->shake.fault = why;
    gnutls_alert_send(c->shake.session, GNUTLS_AL_FATAL, alert); /* libmicrohttpd sends none */
    return -1;
}

static int refuse_status(struct http_conn *c, unsigned status)
{
    if (status & GNUTLS_CERT_REVOKED)
        return refuse(c, GNUTLS_A_CERTIFICATE_REVOKED, "the client's certificate has been revoked");
    if (status & (GNUTLS_CERT_SIGNER_NOT_FOUND | GNUTLS_CERT_SIGNER_NOT_CA))
        return refuse(c, GNUTLS_A_UNKNOWN_CA, "the client's certificate is of another CA");
    if (status & GNUTLS_CERT_EXPIRED)
        return refuse(c, GNUTLS_A_CERTIFICATE_EXPIRED, "the client's certificate has expired");
    if (status & GNUTLS_CERT_NOT_ACTIVATED)
        return refuse(c, GNUTLS_A_BAD_CERTIFICATE, "the client's certificate is not valid yet");
    if (status & GNUTLS_CERT_PURPOSE_MISMATCH)
        return refuse(c, GNUTLS_A_UNSUPPORTED_CERTIFICATE, "the client's certificate is not for clients");
    return refuse(c, GNUTLS_A_BAD_CERTIFICATE, "the client's certificate is not good");
}

/* RFC 4514, as in "CN=alice,O=Example". NULL: there is none, or it is no use. */
static char *subject_of(const gnutls_datum_t *der)
{
    gnutls_x509_crt_t cert;
    gnutls_datum_t dn = {0};
    char *ret = NULL;

    if (gnutls_x509_crt_init(&cert) != GNUTLS_E_SUCCESS)
        return NULL;
    if (gnutls_x509_crt_import(cert, der, GNUTLS_X509_FMT_DER) == GNUTLS_E_SUCCESS &&
        gnutls_x509_crt_get_dn3(cert, &dn, 0) == GNUTLS_E_SUCCESS && dn.size > 0 && dn.size <= SUBJECT_MAX &&
        !memchr(dn.data, '\0', dn.size))
        ret = mem_strndup(dn.data, dn.size);
    gnutls_free(dn.data);
    gnutls_x509_crt_deinit(cert);
    return ret;
}

/* Asked in each handshake, whether the client has shown a certificate or not. */
static int verify(gnutls_session_t session)
{
    gnutls_typed_vdata_st purpose = {.type = GNUTLS_DT_KEY_PURPOSE_OID,
                                     .data = (unsigned char *)(uintptr_t)GNUTLS_KP_TLS_WWW_CLIENT};
    struct http_conn *c = conn_of(session);
    unsigned count = 0, status = 0;
    const gnutls_datum_t *certs = gnutls_certificate_get_peers(session, &count);

    if (!certs || count == 0) {
        if (!c->shake.is_cert_missing)
            return 0;
        return refuse(c,
                      gnutls_protocol_get_version(session) >= GNUTLS_TLS1_3 ? GNUTLS_A_CERTIFICATE_REQUIRED
                                                                            : GNUTLS_A_HANDSHAKE_FAILURE,
                      "the client has no certificate");
    }
    if (gnutls_certificate_verify_peers(session, &purpose, 1, &status) != GNUTLS_E_SUCCESS)
        return refuse(c, GNUTLS_A_BAD_CERTIFICATE, "the client's certificate cannot be read");
    if (status != 0)
        return refuse_status(c, status);
    c->shake.subject = subject_of(&certs[0]);
    if (!c->shake.subject)
        return refuse(c, GNUTLS_A_BAD_CERTIFICATE, "the client's certificate has no subject");
    c->shake.is_cert_missing = false;
    return 0;
}

/* ---- what comes and goes ---- */

/* As other servers do: who has mistaken the port is told so, and not in TLS. */
static void answer_plain(const struct http_conn *c)
{
    static const char answer[] =
        "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain\r\n"
        "Content-Length: 46\r\n\r\nThis port speaks HTTPS: ask it with https://.\n";
    char rest[1024];

    (void)send(c->fd, answer, sizeof answer - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    /* What lies there unread would turn the end into a reset, and that takes the answer with it. */
    for (size_t n = 0; n < DRAINED_MAX / sizeof rest; n++)
        if (recv(c->fd, rest, sizeof rest, MSG_DONTWAIT) <= 0)
            break;
}

/* The latest of what has come: an alert record fits in. */
static void remember(struct http_shake *k, const uint8_t *p, size_t len)
{
    size_t kept = sizeof k->latest;

    if (len < kept) {
        memmove(k->latest, k->latest + len, kept - len);
        memcpy(k->latest + kept - len, p, len);
    } else {
        memcpy(k->latest, p + len - kept, kept);
    }
}

static ssize_t pull(gnutls_transport_ptr_t ptr, void *to, size_t len)
{
    struct http_conn *c = ptr;
    ssize_t n = recv(c->fd, to, len, 0);
    uint8_t first;

    c->listener->shaking = c;
    if (n > 0 && !c->shake.is_done)
        remember(&c->shake, to, (size_t)n);
    c->shake.has_left |= n == 0 || (n < 0 && errno == ECONNRESET);
    if (c->shake.has_heard || n <= 0)
        return n;
    c->shake.has_heard = true;
    first = *(const uint8_t *)to;
    if (first == FIRST_OF_TLS)
        return n;
    c->shake.fault = "what came is no TLS";
    if (first >= 'A' && first <= 'Z') {
        c->shake.fault = "what came is plain HTTP";
        answer_plain(c);
    }
    errno = EPROTO;
    return -1;
}

static int pull_waits(gnutls_transport_ptr_t ptr, unsigned ms)
{
    const struct http_conn *c = ptr;
    struct pollfd p = {.fd = c->fd, .events = POLLIN};

    return poll(&p, 1, ms == GNUTLS_INDEFINITE_TIMEOUT ? -1 : (int)ms);
}

static int finished(gnutls_session_t session, unsigned type, unsigned when, unsigned is_incoming,
                    const gnutls_datum_t *message)
{
    struct http_conn *c = conn_of(session);

    (void)type;
    (void)when;
    (void)message;
    if (is_incoming && !c->shake.is_done) {
        c->shake.is_done = true;
        c->listener->server->stats.tls_handshakes++;
    }
    return 0;
}

/* ---- life ---- */

int http_shake_no_cert(gnutls_session_t session, const gnutls_datum_t *req_ca, int req_ca_count,
                       const gnutls_pk_algorithm_t *pk_algos, int pk_algo_count, gnutls_pcert_st **pcert,
                       unsigned *pcert_len, gnutls_privkey_t *pkey)
{
    (void)session;
    (void)req_ca;
    (void)req_ca_count;
    (void)pk_algos;
    (void)pk_algo_count;
    (void)pcert;
    (void)pcert_len;
    (void)pkey;
    return -1;
}

void http_shake_begin(struct http_conn *c, struct MHD_Connection *mhd, struct http_tls *tls)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    gnutls_session_t session = info->tls_session;

    c->shake.tls = http_tls_ref(tls);
    c->shake.session = session;
    c->shake.is_cert_missing = tls->info.client_cert == HTTP_CLIENT_CERT_REQUIRED;
    gnutls_priority_set(session, tls->priority);
    gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, tls->cred);
    /* That one is required is for verify to say: so its alert is ours. What dodged it would find
     * is_cert_missing. */
    gnutls_certificate_server_set_request(
        session, tls->info.client_cert == HTTP_CLIENT_CERT_NONE ? GNUTLS_CERT_IGNORE : GNUTLS_CERT_REQUEST);
    if (tls->info.client_cert != HTTP_CLIENT_CERT_NONE)
        gnutls_session_set_verify_function(session, verify);
    gnutls_handshake_set_hook_function(session, GNUTLS_HANDSHAKE_FINISHED, GNUTLS_HOOK_POST, finished);
    gnutls_transport_set_ptr2(session, c, (gnutls_transport_ptr_t)(intptr_t)c->fd);
    gnutls_transport_set_pull_function(session, pull);
    gnutls_transport_set_pull_timeout_function(session, pull_waits);
}

/* OpenSSL's clients, which are most, say in the clear what they mind of our certificate, with TLS 1.3 too
 * (RFC 8446 lets them). GnuTLS takes that for a record that does not decrypt. */
static gnutls_alert_description_t alert_in_the_clear(const struct http_shake *k)
{
    static const uint8_t head[] = {FIRST_OF_ALERT, 3, 3, 0, 2};

    return memcmp(k->latest, head, sizeof head) == 0 ? k->latest[sizeof head + 1] : GNUTLS_A_CLOSE_NOTIFY;
}

void http_shake_failed(struct http_conn *c)
{
    gnutls_alert_description_t alert = gnutls_alert_get(c->shake.session);

    if (!c->shake.has_heard || c->shake.fault)
        return;
    if (alert == GNUTLS_A_CLOSE_NOTIFY)
        alert = alert_in_the_clear(&c->shake);
    if (alert != GNUTLS_A_CLOSE_NOTIFY)
        c->shake.fault = gnutls_alert_get_name(alert); /* that is how the client put it; NULL: no known one */
    if (c->shake.fault || c->shake.has_left)
        return;
    c->shake.fault = "no handshake that both sides can agree on";
    if (alert == GNUTLS_A_CLOSE_NOTIFY)
        gnutls_alert_send(c->shake.session, GNUTLS_AL_FATAL, GNUTLS_A_HANDSHAKE_FAILURE);
}

void http_shake_end(struct http_conn *c)
{
    struct http_shake *k = &c->shake;

    if (c->listener->shaking == c)
        c->listener->shaking = NULL;
    if (k->tls && !k->is_done)
        k->fault = k->fault ? k->fault : "the client left it unfinished";
    if (k->fault) {
        c->listener->server->stats.tls_failures++;
        LOG(k->has_heard ? LOG_INFO : LOG_DEBUG, "tls-handshake-failed", LOG_STR("client", c->address),
            LOG_STR("why", k->fault));
    }
    mem_free(k->subject);
    http_tls_unref(k->tls);
}
