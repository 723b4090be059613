/* The node: its name, where it listens, how it finds others and is found. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/settings_read.h"

enum { MIN_TICK_S = 4, MAX_TICK_S = 86400, DEFAULT_EPMD_PORT = 4369 };

static void read_name(struct settings *s, struct options *o)
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
    if (!node_name_is_valid(s->node.name))
        options_fault(o, OPT_NAME, "is to be NAME@HOST, without spaces, at most 255 characters");
}

/* Asked once: a name server that is not there takes its time. */
static void find_home(struct settings *s, struct options *o)
{
    const char *at = strchr(s->name, '@'), *given = options_get(o, OPT_NAME);
    char what[400];
    bool is_known = true;

    if (!at || !at[1] || settings_resolve_loopback(at + 1, s->home, sizeof s->home, &is_known))
        return;
    s->home[0] = '\0';
    if (is_known || !given || !strchr(given, '@')) /* the machine's own name is no typo */
        return;
    snprintf(what, sizeof what,
             "no address of the host '%s' is known here; other nodes reach this one if they know one",
             at + 1);
    options_warn(o, OPT_NAME, what);
}

/* Other nodes reach us at the host of our name: when that is loopback, nothing else needs to be open. */
static void default_address(const struct settings *s, const char *given, char *ret, size_t cap)
{
    snprintf(ret, cap, "%s",
             !given                            ? s->home
             : strcmp(given, "*") == 0         ? ""
             : strcmp(given, "localhost") == 0 ? "127.0.0.1"
                                               : given);
}

static bool parse_ports(const char *text, uint16_t *ret_low, uint16_t *ret_high)
{
    const char *dash = strchr(text, '-');
    char low_text[16];
    uint64_t low, high;

    snprintf(low_text, sizeof low_text, "%.*s", dash ? (int)(dash - text) : 15, text);
    if (!settings_parse_number(low_text, 0, 65535, &low) ||
        !settings_parse_number(dash ? dash + 1 : low_text, low, 65535, &high))
        return false;
    *ret_low = (uint16_t)low;
    *ret_high = (uint16_t)high;
    return low != 0 || !dash;
}

static void read_epmd_port(struct settings *s, struct options *o)
{
    const char *text = getenv("ERL_EPMD_PORT");
    uint64_t port = DEFAULT_EPMD_PORT;

    if (text && *text && !settings_parse_number(text, 1, 65535, &port))
        options_fault_at(o, "ERL_EPMD_PORT", "is to be a port, as in 4369");
    s->node.epmd_port = (uint16_t)port;
}

/* Addresses with commas between them, as in ERL_EPMD_ADDRESS. */
static void split_list(struct settings *s, struct options *o)
{
    size_t count = 0;

    s->node.epmd_listen = s->epmd_addresses;
    for (char *at = s->epmd_listen;; at++) {
        if (count == SETTINGS_ADDRESSES_MAX) {
            options_fault(o, OPT_EPMD_LISTEN, "too many addresses");
            return;
        }
        char *end = at + strcspn(at, ",");
        bool is_last = !*end;

        *end = '\0';
        if (!settings_is_address(at))
            options_fault(o, OPT_EPMD_LISTEN,
                          "is to be addresses, as in 127.0.0.1 or 10.0.0.7,::1; * is all");
        s->epmd_addresses[count++] = at;
        at = end;
        if (is_last)
            return;
    }
}

static void read_epmd_mode(struct settings *s, struct options *o)
{
    const char *mode = options_get(o, OPT_EPMD);

    if (strcmp(mode, "auto") == 0) {
        s->node.epmd_mode = NODE_EPMD_AUTO;
    } else if (strcmp(mode, "embedded") == 0) {
        s->node.epmd_mode = NODE_EPMD_EMBEDDED;
    } else if (strcmp(mode, "none") == 0) {
        s->node.epmd_mode = NODE_EPMD_NONE;
    } else if (settings_parse_address(mode, s->epmd_host, sizeof s->epmd_host, &s->node.epmd_port) &&
               s->epmd_host[0]) {
        s->node.epmd_mode = NODE_EPMD_EXTERNAL;
        s->node.epmd_host = s->epmd_host;
    } else {
        options_fault(o, OPT_EPMD, "is to be auto, embedded, none or HOST:PORT");
    }
}

static void read_epmd(struct settings *s, struct options *o)
{
    const char *listen = options_get(o, OPT_EPMD_LISTEN);

    read_epmd_port(s, o);
    read_epmd_mode(s, o);
    if (!listen || !*listen)
        listen = getenv("ERL_EPMD_ADDRESS");
    default_address(s, listen && *listen ? listen : NULL, s->epmd_listen, sizeof s->epmd_listen);
    split_list(s, o);
}

/* "kv@host=10.0.0.1:9100" */
static void read_peer(struct settings *s, struct options *o, size_t n, const char *text)
{
    const char *equals = strrchr(text, '=');
    struct node_place *p = &s->peers[n];

    if (!equals || !settings_parse_address(equals + 1, s->peer_hosts[n], sizeof s->peer_hosts[n], &p->port) ||
        !s->peer_hosts[n][0] || p->port == 0) {
        options_fault_of(o, OPT_PEER, n, "is to be NAME@HOST=HOST:PORT, as in kv@host=10.0.0.1:9100");
        return;
    }
    p->name = slice_of(text, (size_t)(equals - text));
    p->host = s->peer_hosts[n];
    if (!node_name_is_valid(p->name))
        options_fault_of(o, OPT_PEER, n,
                         "what stands before the = is to be a node's name, as in kv@host=10.0.0.1:9100");
}

static void read_peers(struct settings *s, struct options *o)
{
    const char *const *list = options_list(o, OPT_PEER);
    size_t n = 0;

    for (; list[n] && n < SETTINGS_PEERS_MAX; n++)
        read_peer(s, o, n, list[n]);
    if (list[n])
        options_fault_of(o, OPT_PEER, n, "too many of them");
    s->node.places = s->peers;
    s->node.place_count = n;
}

static void read_required(struct settings *s, struct options *o)
{
    const char *const *list = options_list(o, OPT_REQUIRE_NODE);

    for (size_t i = 0; list[i]; i++)
        if (!node_name_is_valid(slice_of_str(list[i])))
            options_fault_of(o, OPT_REQUIRE_NODE, i, "is to be a node's name, as in kv@host");
        else if (s->node.name.len && slice_eq_str(s->node.name, list[i]))
            options_fault_of(o, OPT_REQUIRE_NODE, i, "is the gateway's own name: it is to be another node's");
    s->gateway.required_nodes = list;
}

static void read_tls(struct settings *s, struct options *o)
{
    static const char *const words[] = {"none", "peer", NULL};

    s->tls.cert_file = options_get(o, OPT_DIST_TLS_CERT);
    s->tls.key_file = options_get(o, OPT_DIST_TLS_KEY);
    s->tls.ca_file = options_get(o, OPT_DIST_TLS_CA);
    s->tls.is_verified = settings_word(o, OPT_DIST_TLS_VERIFY, words) == 1;
    if (!s->tls.cert_file && (s->tls.key_file || s->tls.ca_file || !s->tls.is_verified))
        options_fault(o, OPT_DIST_TLS_CERT, "TLS between nodes wants a certificate: give its file");
    else if (s->tls.cert_file && s->tls.is_verified && !s->tls.ca_file)
        options_fault(o, OPT_DIST_TLS_CA,
                      "without a CA no certificate can be verified: give its file, or say "
                      "--dist-tls-verify none");
}

void settings_read_node(struct settings *s, struct options *o)
{
    read_name(s, o);
    find_home(s, o);
    read_epmd(s, o);
    read_peers(s, o);
    read_required(s, o);
    read_tls(s, o);
    if (!parse_ports(options_get(o, OPT_DIST_PORT), &s->node.dist_port_low, &s->node.dist_port_high))
        options_fault(o, OPT_DIST_PORT, "is to be a port or a range, as in 9100 or 9100-9105");
    default_address(s, options_get(o, OPT_DIST_LISTEN), s->dist_host, sizeof s->dist_host);
    if (!settings_is_address(s->dist_host))
        options_fault(o, OPT_DIST_LISTEN, "is to be an address, as in 10.0.0.7 or ::1; * is all of them");
    s->node.dist_host = s->dist_host;
    s->node.is_visible = options_is_set(o, OPT_VISIBLE);
    s->node.tick_ms = (uint32_t)settings_number(o, OPT_NET_TICKTIME, MIN_TICK_S, MAX_TICK_S) * 1000;
    s->node.connect_ms = (uint32_t)settings_number(o, OPT_CONNECT_TIMEOUT, 100, 600000);
}
