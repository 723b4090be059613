#include "src/settings.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "http/guard.h"

enum { COOKIE_MAX = 4096, MIN_TICK_S = 4, MAX_TICK_S = 86400, DEFAULT_EPMD_PORT = 4369 };

static bool refuse(const char *option, const char *why)
{
    fprintf(stderr, "erlgate: --%s: %s\n", option, why);
    return false;
}

static bool number(const char *text, uint64_t low, uint64_t high, uint64_t *ret)
{
    char *end;
    unsigned long long v;

    errno = 0;
    v = strtoull(text, &end, 10);
    if (errno || *end || end == text || *text == '-' || *text == '+' || v < low || v > high)
        return false;
    *ret = v;
    return true;
}

static bool option_number(const struct options *o, enum option which, const char *name, uint64_t low,
                          uint64_t high, uint64_t *ret)
{
    const char *given = options_get(o, which);
    char why[128];

    if (number(given, low, high, ret))
        return true;
    snprintf(why, sizeof why, "is to be a number from %llu to %llu, and not '%.40s'", (unsigned long long)low,
             (unsigned long long)high, given);
    return refuse(name, why);
}

/* "127.0.0.1:4370", "[::1]:4370", ":4370" and "*:4370" for all addresses. */
static bool split_address(const char *text, char *host, size_t cap, uint16_t *ret_port)
{
    const char *colon = strrchr(text, ':');
    size_t len;
    uint64_t port;

    if (!colon || !number(colon + 1, 0, 65535, &port))
        return false;
    len = (size_t)(colon - text);
    if (len >= 2 && text[0] == '[' && text[len - 1] == ']') {
        text++;
        len -= 2;
    } else if (memchr(text, ':', len)) {
        return false;
    }
    if (len >= cap)
        return false;
    memcpy(host, text, len);
    host[len] = '\0';
    if (strcmp(host, "*") == 0)
        host[0] = '\0';
    *ret_port = (uint16_t)port;
    return true;
}

/* ---- addresses ---- */

static bool sockaddr_is_loopback(const struct sockaddr *a)
{
    if (a->sa_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr) >> 24 == 127;
    return a->sa_family == AF_INET6 &&
           IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr);
}

/* The loopback address that host has, as text; false when it has another one, or none. */
static bool resolve_loopback(const char *host, char *ret, size_t cap)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *list;
    bool is_loopback = true;

    if (getaddrinfo(host, NULL, &hints, &list) != 0)
        return false;
    for (struct addrinfo *ai = list; ai; ai = ai->ai_next)
        is_loopback &= sockaddr_is_loopback(ai->ai_addr);
    for (struct addrinfo *ai = list; ai && is_loopback; ai = ai->ai_next) {
        if (getnameinfo(ai->ai_addr, ai->ai_addrlen, ret, (socklen_t)cap, NULL, 0, NI_NUMERICHOST) != 0)
            is_loopback = false;
        if (ai->ai_family == AF_INET)
            break; /* Erlang nodes dial IPv4 unless told otherwise */
    }
    freeaddrinfo(list);
    return is_loopback;
}

static bool is_loopback_text(const char *host)
{
    char address[256];

    return *host && resolve_loopback(host, address, sizeof address);
}

/* ---- HTTP ---- */

static bool read_https(struct settings *s, const struct options *o)
{
    static const char *const modes[] = {"none", "optional", "required"};
    const char *mode = options_get(o, OPT_TLS_CLIENT_CERT), *version = options_get(o, OPT_TLS_MIN_VERSION);
    struct http_tls_config *c = &s->https;
    size_t n = 0;

    c->cert_file = options_get(o, OPT_TLS_CERT);
    c->key_file = options_get(o, OPT_TLS_KEY);
    c->ca_file = options_get(o, OPT_TLS_CA);
    while (n < ARRAY_LEN(modes) && strcmp(mode, modes[n]) != 0)
        n++;
    if (n == ARRAY_LEN(modes))
        return refuse("tls-client-cert", "is to be none, optional or required");
    c->client_cert = (enum http_client_cert)n;
    c->is_1_3_only = strcmp(version, "1.3") == 0;
    if (!c->is_1_3_only && strcmp(version, "1.2") != 0)
        return refuse("tls-min-version", "is to be 1.2 or 1.3");
    if (!c->cert_file && (c->key_file || c->ca_file || c->client_cert != HTTP_CLIENT_CERT_NONE))
        return refuse("tls-cert", "HTTPS wants a certificate: give its file");
    if (c->client_cert != HTTP_CLIENT_CERT_NONE && !c->ca_file)
        return refuse("tls-ca", "without a CA no client's certificate can be verified: give its file");
    if (c->client_cert == HTTP_CLIENT_CERT_NONE && c->ca_file)
        return refuse("tls-client-cert", "a CA is for clients' certificates: say optional or required");
    return true;
}

/* "localhost" is an address here, too. */
static bool read_address(const char *text, char host[256], uint16_t *ret_port)
{
    if (!split_address(text, host, 256, ret_port))
        return false;
    if (strcmp(host, "localhost") == 0)
        snprintf(host, 256, "127.0.0.1");
    return true;
}

static bool read_main_listen(struct settings *s, const struct options *o)
{
    struct http_listen *l = &s->listens[s->gateway.listen_count];

    if (strcmp(options_get(o, OPT_LISTEN), "none") == 0) {
        if (s->https.cert_file)
            return refuse("tls-cert", "HTTPS wants a --listen");
        return options_get(o, OPT_SOCKET) || refuse("listen", "none wants a --socket");
    }
    if (!read_address(options_get(o, OPT_LISTEN), s->http_host, &l->port))
        return refuse("listen", "is to be ADDRESS:PORT, as in 127.0.0.1:4370 or [::1]:4370, or none");
    l->host = s->http_host;
    l->is_tls = s->https.cert_file != NULL;
    s->gateway.listen_count++;
    if (is_loopback_text(s->http_host) || options_is_set(o, OPT_INSECURE) ||
        s->https.client_cert == HTTP_CLIENT_CERT_REQUIRED)
        return true;
    return refuse(
        "listen",
        "this address is reachable from outside, and nobody is asked who they are: whoever "
        "reaches it can call anything in the cluster. Ask for certificates (--tls-client-cert "
        "required), say --insecure if a firewall or a proxy keeps them out, or listen on 127.0.0.1");
}

static bool read_socket(struct settings *s, const struct options *o)
{
    struct http_listen *l = &s->listens[s->gateway.listen_count];
    const char *path = options_get(o, OPT_SOCKET), *mode = options_get(o, OPT_SOCKET_MODE);
    char *end;
    unsigned long bits;

    if (!path)
        return true;
    bits = strtoul(mode, &end, 8);
    if (*end || end == mode || *mode == '-' || bits == 0 || bits > 0777)
        return refuse("socket-mode", "is to be octal digits, as in 0660");
    *l = (struct http_listen){.path = path, .mode = (unsigned)bits};
    s->gateway.listen_count++;
    return true;
}

static bool read_admin(struct settings *s, const struct options *o)
{
    struct http_listen *l = &s->listens[s->gateway.listen_count];
    const char *at = options_get(o, OPT_ADMIN_LISTEN);

    if (!at)
        return true;
    *l = (struct http_listen){.host = s->admin_host, .is_admin = true};
    if (!read_address(at, s->admin_host, &l->port))
        return refuse("admin-listen", "is to be ADDRESS:PORT, as in 127.0.0.1:4371");
    s->gateway.listen_count++;
    return true;
}

static bool read_origins(struct settings *s, const struct options *o)
{
    const char *const *list = options_list(o, OPT_CORS_ORIGIN);

    for (size_t i = 0; list[i]; i++)
        if (!http_origin_is_valid(list[i]))
            return refuse("cors-origin",
                          "is to be one origin as a browser writes it: scheme, host, and a port "
                          "that is not the scheme's own, as in https://app.example; no path, and "
                          "no *");
    s->gateway.origins = list[0] ? list : NULL;
    return true;
}

static bool read_http(struct settings *s, const struct options *o)
{
    s->gateway.listens = s->listens;
    s->gateway.hosts = options_list(o, OPT_HOST);
    return read_https(s, o) && read_main_listen(s, o) && read_socket(s, o) && read_admin(s, o) &&
           read_origins(s, o);
}

static bool read_http_limits(struct settings *s, const struct options *o)
{
    struct http_limits *l = &s->gateway.http;
    uint64_t headers, connections, per_address, in_flight;

    if (!option_number(o, OPT_MAX_HEADERS, "max-headers", 1024, 1u << 20, &headers) ||
        !option_number(o, OPT_MAX_CONNECTIONS, "max-connections", 1, 1000000, &connections) ||
        !option_number(o, OPT_MAX_CONNECTIONS_PER_ADDRESS, "max-connections-per-address", 1, 1000000,
                       &per_address) ||
        !option_number(o, OPT_MAX_IN_FLIGHT, "max-in-flight", 1, 10000000, &in_flight) ||
        !option_number(o, OPT_IDLE_TIMEOUT, "idle-timeout", 100, 3600000, &l->idle_ms))
        return false;
    l->max_headers = headers;
    l->max_connections = (unsigned)connections;
    l->max_connections_per_address = (unsigned)per_address;
    l->max_in_flight = (unsigned)in_flight;
    return true;
}

/* Other nodes reach us at the host of our name: when that is loopback, nothing else needs to be open. */
static void default_address(const struct settings *s, const char *given, char *ret, size_t cap)
{
    const char *host = strchr(s->name, '@') + 1;

    if (given)
        snprintf(ret, cap, "%s",
                 strcmp(given, "*") == 0           ? ""
                 : strcmp(given, "localhost") == 0 ? "127.0.0.1"
                                                   : given);
    else if (!resolve_loopback(host, ret, cap))
        ret[0] = '\0';
}

static bool read_ports(const char *text, uint16_t *ret_low, uint16_t *ret_high)
{
    const char *dash = strchr(text, '-');
    char low_text[16];
    uint64_t low, high;

    snprintf(low_text, sizeof low_text, "%.*s", dash ? (int)(dash - text) : 15, text);
    if (!number(low_text, 0, 65535, &low) || !number(dash ? dash + 1 : low_text, low, 65535, &high))
        return false;
    *ret_low = (uint16_t)low;
    *ret_high = (uint16_t)high;
    return low != 0 || !dash;
}

static bool read_epmd_port(uint16_t *ret)
{
    const char *text = getenv("ERL_EPMD_PORT");
    uint64_t port;

    *ret = DEFAULT_EPMD_PORT;
    if (!text || !*text)
        return true;
    if (!number(text, 1, 65535, &port)) {
        fprintf(stderr, "erlgate: ERL_EPMD_PORT: is to be a port, as in 4369\n");
        return false;
    }
    *ret = (uint16_t)port;
    return true;
}

/* Addresses with commas between them, as in ERL_EPMD_ADDRESS. */
static bool split_list(struct settings *s)
{
    size_t count = 0;

    for (char *at = s->epmd_listen;; at++) {
        if (count == SETTINGS_ADDRESSES_MAX)
            return refuse("epmd-listen", "too many addresses");
        s->epmd_addresses[count++] = at;
        at += strcspn(at, ",");
        if (!*at)
            break;
        *at = '\0';
    }
    s->node.epmd_listen = s->epmd_addresses;
    return true;
}

static bool read_epmd(struct settings *s, const struct options *o)
{
    const char *mode = options_get(o, OPT_EPMD), *listen = options_get(o, OPT_EPMD_LISTEN);

    if (!read_epmd_port(&s->node.epmd_port))
        return false;
    if (strcmp(mode, "auto") == 0) {
        s->node.epmd_mode = NODE_EPMD_AUTO;
    } else if (strcmp(mode, "embedded") == 0) {
        s->node.epmd_mode = NODE_EPMD_EMBEDDED;
    } else if (strcmp(mode, "none") == 0) {
        s->node.epmd_mode = NODE_EPMD_NONE;
    } else if (split_address(mode, s->epmd_host, sizeof s->epmd_host, &s->node.epmd_port) &&
               s->epmd_host[0]) {
        s->node.epmd_mode = NODE_EPMD_EXTERNAL;
        s->node.epmd_host = s->epmd_host;
    } else {
        return refuse("epmd", "is to be auto, embedded, none or HOST:PORT");
    }
    if (!listen || !*listen)
        listen = getenv("ERL_EPMD_ADDRESS");
    default_address(s, listen && *listen ? listen : NULL, s->epmd_listen, sizeof s->epmd_listen);
    return split_list(s);
}

/* ---- name and cookie ---- */

static bool read_name(struct settings *s, const struct options *o)
{
    const char *given = options_get(o, OPT_NAME);
    char host[256] = "localhost";

    if (!given || !strchr(given, '@')) {
        if (gethostname(host, sizeof host - 1) == 0)
            host[strcspn(host, ".")] = '\0';
        snprintf(s->name, sizeof s->name, "%s@%s", given ? given : "erlgate", host);
    } else {
        snprintf(s->name, sizeof s->name, "%s", given);
    }
    s->node.name = slice_of_str(s->name);
    return node_name_is_valid(s->node.name) ||
           refuse("name", "is to be NAME@HOST, without spaces, at most 255 characters");
}

static char *read_cookie_file(const char *path)
{
    char buf[COOKIE_MAX + 1], *copy;
    struct stat st;
    FILE *f = fopen(path, "rb");
    size_t n;

    if (!f) {
        fprintf(stderr,
                "erlgate: cookie file %s: %s. The cluster's is most often ~/.erlang.cookie of the user that "
                "its nodes run as\n",
                path, strerror(errno));
        return NULL;
    }
    if (fstat(fileno(f), &st) == 0 && (st.st_mode & 077))
        fprintf(stderr, "erlgate: warning: cookie file %s can be read by others: chmod 600 it\n", path);
    n = fread(buf, 1, COOKIE_MAX, f);
    if (ferror(f)) {
        fprintf(stderr, "erlgate: cookie file %s: %s\n", path, strerror(errno));
        fclose(f);
        return NULL;
    }
    fclose(f);
    while (n > 0 && strchr(" \t\r\n", buf[n - 1]))
        n--;
    copy = mem_strndup(buf, n);
    mem_wipe(buf, sizeof buf);
    return copy;
}

static char *take_cookie(const struct options *o)
{
    const char *path = options_get(o, OPT_COOKIE_FILE), *home;
    char *variable = getenv("ERLGATE_COOKIE"), *copy, home_path[4096];

    if (path)
        return read_cookie_file(path);
    if (variable && *variable) {
        copy = mem_strndup(variable, strlen(variable));
        /* It has been read: it need not be seen in this process's environment any longer. */
        mem_wipe(variable, strlen(variable));
        return copy;
    }
    home = getenv("HOME");
    snprintf(home_path, sizeof home_path, "%s/.erlang.cookie", home ? home : "");
    if (access(home_path, F_OK) == 0)
        return read_cookie_file(home_path);
    fprintf(stderr,
            "erlgate: there is no cookie: give --cookie-file FILE, or set ERLGATE_COOKIE, or put the "
            "cluster's cookie into %s. It is what erlang:get_cookie() says at a node of the cluster\n",
            home_path);
    return NULL;
}

static bool read_cookie(struct settings *s, const struct options *o)
{
    s->cookie = take_cookie(o);
    if (!s->cookie)
        return false;
    if (!*s->cookie) {
        fprintf(stderr,
                "erlgate: the cookie is empty: it is to be what erlang:get_cookie() says at a node of "
                "the cluster\n");
        return false;
    }
    s->node.cookie = slice_of_str(s->cookie);
    return true;
}

/* ---- all of it ---- */

static bool read_numbers(struct settings *s, const struct options *o)
{
    const char *budget = options_get(o, OPT_ATOM_BUDGET);
    uint64_t tick, connect, body, reply, depth, atoms = SIZE_MAX, streams, events, bytes, processes;

    if (!option_number(o, OPT_NET_TICKTIME, "net-ticktime", MIN_TICK_S, MAX_TICK_S, &tick) ||
        !option_number(o, OPT_CONNECT_TIMEOUT, "connect-timeout", 100, 600000, &connect) ||
        !option_number(o, OPT_TIMEOUT, "timeout", 1, 86400000, &s->gateway.default_timeout_ms) ||
        !option_number(o, OPT_MAX_TIMEOUT, "max-timeout", 1, 86400000, &s->gateway.max_timeout_ms) ||
        !option_number(o, OPT_MAX_BODY, "max-body", 1, 1u << 30, &body) ||
        !option_number(o, OPT_MAX_REPLY, "max-reply", 1024, 1u << 30, &reply) ||
        !option_number(o, OPT_MAX_DEPTH, "max-depth", 1, 100000, &depth) ||
        !option_number(o, OPT_MAX_STREAMS, "max-streams", 1, 1000000, &streams) ||
        !option_number(o, OPT_STREAM_EVENTS, "stream-events", 1, 1000000, &events) ||
        !option_number(o, OPT_STREAM_BYTES, "stream-bytes", 1024, 1u << 30, &bytes) ||
        !option_number(o, OPT_MAX_PROCESSES, "max-processes", 1, 1000000, &processes) ||
        !option_number(o, OPT_STOP_TIMEOUT, "stop-timeout", 0, 3600000, &s->stop_timeout_ms))
        return false;
    if (strcmp(budget, "infinity") != 0 && !number(budget, 0, 1u << 30, &atoms))
        return refuse("atom-budget", "is to be a number or infinity");
    s->node.tick_ms = (uint32_t)tick * 1000;
    s->node.connect_ms = (uint32_t)connect;
    s->gateway.max_body = body;
    s->gateway.max_reply = reply;
    s->gateway.max_depth = (uint32_t)depth;
    s->gateway.atom_budget = atoms;
    s->gateway.http.streams.max_streams = (unsigned)streams;
    s->gateway.http.streams.max_events = (unsigned)events;
    s->gateway.http.streams.max_bytes = bytes;
    s->gateway.max_processes = processes;
    return true;
}

static bool read_logging(struct settings *s, const struct options *o)
{
    if (!log_level_parse(slice_of_str(options_get(o, OPT_LOG_LEVEL)), &s->log_level))
        return refuse("log-level", "is to be debug, info, warn, error or off");
    if (!log_format_parse(slice_of_str(options_get(o, OPT_LOG_FORMAT)), &s->log_format))
        return refuse("log-format", "is to be text or json");
    return true;
}

/* "kv@host=10.0.0.1:9100" */
static bool read_peers(struct settings *s, const struct options *o)
{
    const char *const *list = options_list(o, OPT_PEER);
    size_t n = 0;

    for (; list[n]; n++) {
        const char *equals = strrchr(list[n], '=');
        struct node_place *p = &s->peers[n];

        if (!equals || !split_address(equals + 1, s->peer_hosts[n], sizeof s->peer_hosts[n], &p->port) ||
            !s->peer_hosts[n][0] || p->port == 0)
            return refuse("peer", "is to be NAME@HOST=HOST:PORT, as in kv@host=10.0.0.1:9100");
        p->name = slice_of(list[n], (size_t)(equals - list[n]));
        p->host = s->peer_hosts[n];
        if (!node_name_is_valid(p->name))
            return refuse("peer",
                          "what stands before the = is to be a node's name, as in kv@host=10.0.0.1:9100");
    }
    s->node.places = s->peers;
    s->node.place_count = n;
    return true;
}

static bool read_tls(struct settings *s, const struct options *o)
{
    const char *verify = options_get(o, OPT_DIST_TLS_VERIFY);

    s->tls.cert_file = options_get(o, OPT_DIST_TLS_CERT);
    s->tls.key_file = options_get(o, OPT_DIST_TLS_KEY);
    s->tls.ca_file = options_get(o, OPT_DIST_TLS_CA);
    s->tls.is_verified = strcmp(verify, "peer") == 0;
    if (!s->tls.is_verified && strcmp(verify, "none") != 0)
        return refuse("dist-tls-verify", "is to be peer or none");
    if (!s->tls.cert_file && (s->tls.key_file || s->tls.ca_file || !s->tls.is_verified))
        return refuse("dist-tls-cert", "TLS between nodes wants a certificate: give its file");
    if (s->tls.cert_file && s->tls.is_verified && !s->tls.ca_file)
        return refuse("dist-tls-ca", "without a CA no certificate can be verified: give its file, or say "
                                     "--dist-tls-verify none");
    return true;
}

bool settings_read(struct settings *s, const struct options *o)
{
    *s = (struct settings){0};
    if (!read_name(s, o) || !read_http(s, o) || !read_epmd(s, o) || !read_peers(s, o) ||
        !read_numbers(s, o) || !read_http_limits(s, o) || !read_tls(s, o) || !read_logging(s, o))
        return false;
    if (!read_ports(options_get(o, OPT_DIST_PORT), &s->node.dist_port_low, &s->node.dist_port_high))
        return refuse("dist-port", "is to be a port or a range, as in 9100 or 9100-9105");
    default_address(s, options_get(o, OPT_DIST_LISTEN), s->dist_host, sizeof s->dist_host);
    s->node.dist_host = s->dist_host;
    s->node.is_visible = options_is_set(o, OPT_VISIBLE);
    return read_cookie(s, o);
}

void settings_fini(struct settings *s)
{
    if (s->cookie)
        mem_wipe(s->cookie, strlen(s->cookie));
    mem_free(s->cookie);
    *s = (struct settings){0};
}
