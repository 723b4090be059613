/*
 * tls_reason: what OpenSSL finds wrong, in words for who looks after the nodes: about the other end, "it".
 */
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/check.h"
#include "loop/tls_parts.h"

struct row {
    int number; /* of X509_V_ERR_… or SSL_R_… */
    enum err err;
    const char *text;
};

static const struct row verify_reasons[] = {
    {X509_V_ERR_HOSTNAME_MISMATCH, ERR_NOT_ALLOWED,
     "its certificate is for another host: subjectAltName is to have the host part of its name"},
    {X509_V_ERR_IP_ADDRESS_MISMATCH, ERR_NOT_ALLOWED,
     "its certificate is for another address: subjectAltName is to have it"},
    {X509_V_ERR_CERT_HAS_EXPIRED, ERR_NOT_ALLOWED, "its certificate, or its CA's, has expired"},
    {X509_V_ERR_CERT_NOT_YET_VALID, ERR_NOT_ALLOWED, "its certificate, or its CA's, is not valid yet"},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, ERR_NOT_ALLOWED,
     "its certificate is of a CA that we do not trust: add that to our CAs"},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, ERR_NOT_ALLOWED,
     "its certificate is of a CA that we do not trust: add that to our CAs"},
    {X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, ERR_NOT_ALLOWED,
     "its certificate is of a CA that we do not trust: add that to our CAs"},
    {X509_V_ERR_CERT_SIGNATURE_FAILURE, ERR_NOT_ALLOWED,
     "its certificate is of a CA that we do not trust: add that to our CAs"},
    {X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, ERR_NOT_ALLOWED,
     "its certificate is of a CA that we do not trust: add that to our CAs"},
    {X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, ERR_NOT_ALLOWED,
     "its certificate is of no CA: it is self-signed, and not among our CAs"},
    {X509_V_ERR_INVALID_PURPOSE, ERR_NOT_ALLOWED, "its certificate is not meant for this (extendedKeyUsage)"},
};

static const struct row tls_reasons[] = {
    {SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, ERR_NOT_ALLOWED,
     "it shows no certificate: its options of a client lack one"},
    {SSL_R_TLSV1_ALERT_UNKNOWN_CA, ERR_NOT_ALLOWED,
     "it does not trust the CA of our certificate: add that to its CAs"},
    {SSL_R_SSLV3_ALERT_BAD_CERTIFICATE, ERR_NOT_ALLOWED, "it refuses our certificate: its log says why"},
    {SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE, ERR_NOT_ALLOWED,
     "it refuses our certificate: its log says why"},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN, ERR_NOT_ALLOWED, "it refuses our certificate: its log says why"},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED, ERR_NOT_ALLOWED, "it finds our certificate expired"},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED, ERR_NOT_ALLOWED, "it finds our certificate revoked"},
    {SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED, ERR_NOT_ALLOWED, "it wants a certificate of us"},
    {SSL_R_TLSV1_ALERT_ACCESS_DENIED, ERR_NOT_ALLOWED, "it refuses our certificate: its log says why"},
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

static const struct row *find_row(const struct row *rows, size_t count, int number)
{
    for (size_t i = 0; i < count; i++)
        if (rows[i].number == number)
            return &rows[i];
    return NULL;
}

struct tls_reason tls_reason_of(const SSL *ssl)
{
    unsigned long code = ERR_peek_error();
    long verified = SSL_get_verify_result(ssl);
    const struct row *row = NULL;
    const char *text = ERR_reason_error_string(code);

    if (ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED) {
        row = find_row(verify_reasons, ARRAY_LEN(verify_reasons), (int)verified);
        if (!row)
            return (struct tls_reason){ERR_NOT_ALLOWED, X509_verify_cert_error_string(verified)};
    } else if (ERR_GET_LIB(code) == ERR_LIB_SSL) {
        row = find_row(tls_reasons, ARRAY_LEN(tls_reasons), ERR_GET_REASON(code));
    }
    if (row)
        return (struct tls_reason){row->err, row->text};
    return (struct tls_reason){ERR_MALFORMED, text ? text : "TLS failed"};
}
