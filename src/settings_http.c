/* Where HTTP is served, and how. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "http/guard.h"
#include "src/settings_read.h"

static void read_https(struct settings *s, struct options *o)
{
    static const char *const modes[] = {"none", "optional", "required", NULL};
    static const char *const versions[] = {"1.2", "1.3", NULL};
    struct http_tls_config *c = &s->https;

    c->cert_file = options_get(o, OPT_TLS_CERT);
    c->key_file = options_get(o, OPT_TLS_KEY);
    c->ca_file = options_get(o, OPT_TLS_CA);
    c->client_cert = (enum http_client_cert)settings_word(o, OPT_TLS_CLIENT_CERT, modes);
    c->is_1_3_only = settings_word(o, OPT_TLS_MIN_VERSION, versions) == 1;
    if (!c->cert_file && (c->key_file || c->ca_file || c->client_cert != HTTP_CLIENT_CERT_NONE))
        options_fault(o,
                      c->key_file  ? OPT_TLS_KEY
                      : c->ca_file ? OPT_TLS_CA
                                   : OPT_TLS_CLIENT_CERT,
                      "HTTPS wants a certificate of its own: give its file (--tls-cert)");
    else if (c->client_cert != HTTP_CLIENT_CERT_NONE && !c->ca_file)
        options_fault(o, OPT_TLS_CA, "without a CA no client's certificate can be verified: give its file");
    else if (c->client_cert == HTTP_CLIENT_CERT_NONE && c->ca_file)
        options_fault(o, OPT_TLS_CLIENT_CERT, "a CA is for clients' certificates: say optional or required");
}

/* "localhost" is an address here, too. */
static bool read_address(const char *text, char host[256], uint16_t *ret_port)
{
    if (!settings_parse_address(text, host, 256, ret_port))
        return false;
    if (strcmp(host, "localhost") == 0)
        snprintf(host, 256, "127.0.0.1");
    return settings_is_address(host);
}

bool settings_may_be_reached(const struct settings *s, const struct options *o, const char *host)
{
    return settings_is_loopback(host) || options_is_set(o, OPT_INSECURE) || settings_asks_who(s) ||
           s->https.client_cert == HTTP_CLIENT_CERT_REQUIRED;
}

static void read_main_listen(struct settings *s, struct options *o)
{
    struct http_listen *l = &s->listens[s->gateway.listen_count];

    if (strcmp(options_get(o, OPT_LISTEN), "none") == 0) {
        if (s->https.cert_file)
            options_fault(o, OPT_TLS_CERT, "HTTPS wants a --listen");
        if (!options_get(o, OPT_SOCKET))
            options_fault(o, OPT_LISTEN, "none wants a --socket");
        return;
    }
    if (!read_address(options_get(o, OPT_LISTEN), s->http_host, &l->port)) {
        options_fault(o, OPT_LISTEN,
                      "is to be ADDRESS:PORT, as in 127.0.0.1:4370 or [::1]:4370 (no name but localhost; a "
                      "port is at most 65535), or none");
        return;
    }
    l->host = s->http_host;
    l->is_tls = s->https.cert_file != NULL;
    s->gateway.listen_count++;
    if (settings_may_be_reached(s, o, s->http_host))
        return;
    options_fault(o, OPT_LISTEN,
                  "this address is reachable from outside, and nobody is asked who they are: whoever "
                  "reaches it can call anything in the cluster. Ask for tokens (--token-file, see "
                  "docs/authentication.md) or certificates (--tls-client-cert required), say --insecure if a "
                  "firewall or a proxy keeps others out, or listen on 127.0.0.1");
}

static void read_socket(struct settings *s, struct options *o)
{
    struct http_listen *l = &s->listens[s->gateway.listen_count];
    const char *path = options_get(o, OPT_SOCKET), *mode = options_get(o, OPT_SOCKET_MODE);
    char *end;
    unsigned long bits;

    bits = strtoul(mode, &end, 8);
    if (*end || end == mode || *mode == '-' || bits == 0 || bits > 0777) {
        options_fault(o, OPT_SOCKET_MODE, "is to be octal digits, as in 0660");
        return;
    }
    if (!path)
        return;
    *l = (struct http_listen){.path = path, .mode = (unsigned)bits};
    s->gateway.listen_count++;
}

static void read_admin(struct settings *s, struct options *o)
{
    struct http_listen *l = &s->listens[s->gateway.listen_count];
    const char *at = options_get(o, OPT_ADMIN_LISTEN);

    if (!at)
        return;
    *l = (struct http_listen){.host = s->admin_host, .is_admin = true};
    if (!read_address(at, s->admin_host, &l->port)) {
        options_fault(o, OPT_ADMIN_LISTEN, "is to be ADDRESS:PORT, as in 127.0.0.1:4371");
        return;
    }
    for (size_t i = 0; i < s->gateway.listen_count; i++)
        if (s->listens[i].host && l->port && s->listens[i].port == l->port &&
            strcmp(s->listens[i].host, l->host) == 0)
            options_fault(o, OPT_ADMIN_LISTEN, "--listen has that address: it is to be another port");
    s->gateway.listen_count++;
}

static void read_origins(struct settings *s, struct options *o)
{
    const char *const *list = options_list(o, OPT_CORS_ORIGIN);

    for (size_t i = 0; list[i]; i++)
        if (!http_origin_is_valid(list[i]))
            options_fault_of(o, OPT_CORS_ORIGIN, i,
                             "is to be one origin as a browser writes it: scheme, host, and a port "
                             "that is not the scheme's own, as in https://app.example; no path, and "
                             "no *");
    s->gateway.origins = list[0] ? list : NULL;
}

static void read_hosts(struct settings *s, struct options *o)
{
    const char *const *list = options_list(o, OPT_HOST);

    for (size_t i = 0; list[i]; i++)
        if (!http_host_is_valid(list[i]))
            options_fault_of(o, OPT_HOST, i,
                             "is to be one name or address, as in gate.example.com: no scheme, no path, no * "
                             "(a list in the file: [a.example, b.example])");
    s->gateway.hosts = list;
}

void settings_read_http(struct settings *s, struct options *o)
{
    s->gateway.listens = s->listens;
    read_hosts(s, o);
    read_https(s, o);
    read_main_listen(s, o);
    read_socket(s, o);
    read_admin(s, o);
    read_origins(s, o);
}
