/*
 * options: what can be configured, as one table: each is a flag, an environment variable and a key of the
 * file.
 *
 * Strength, weakest first: default, file, environment, flag. Values are text until src/serve.c takes them
 * apart.
 */
#ifndef ERLGATE_SRC_OPTIONS_H
#define ERLGATE_SRC_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

/*   symbol               flag           argument            default        help */
#define OPTION_TABLE(X)                                                                                     \
    X(OPT_CONFIG, "config", "FILE", NULL, "a file of these options, in YAML: `listen: 127.0.0.1:4370`")     \
    X(OPT_NAME, "name", "NAME@HOST", NULL,                                                                  \
      "this node's name, by which other nodes reach it; erlgate@<short hostname> if not given. A dot in "   \
      "HOST "                                                                                               \
      "makes it a long name")                                                                               \
    X(OPT_COOKIE_FILE, "cookie-file", "FILE", NULL,                                                         \
      "the cluster's cookie; if not given: $ERLGATE_COOKIE, else ~/.erlang.cookie")                         \
    X(OPT_LISTEN, "listen", "ADDRESS:PORT", "127.0.0.1:4370",                                               \
      "where HTTP is served; none: on --socket alone")                                                      \
    X(OPT_INSECURE, "insecure", NULL, "false",                                                              \
      "allow --listen beyond loopback: whoever reaches the port can then call anything in the cluster")     \
    X(OPT_HOST, "host", "NAME", NULL, "a further name that requests may carry in Host; may be repeated")    \
    X(OPT_TLS_CERT, "tls-cert", "FILE", NULL,                                                               \
      "certificate, in PEM, with those between it and its CA: --listen then is HTTPS. SIGHUP "              \
      "reads the files again")                                                                              \
    X(OPT_TLS_KEY, "tls-key", "FILE", NULL, "its key; if not given: in the certificate's file")             \
    X(OPT_TLS_CA, "tls-ca", "FILE", NULL, "the CAs that clients' certificates are to be of")                \
    X(OPT_TLS_CLIENT_CERT, "tls-client-cert", "MODE", "none",                                               \
      "none: no certificate is asked for; optional: who shows one is known by it; required: "               \
      "who shows none is refused")                                                                          \
    X(OPT_TLS_MIN_VERSION, "tls-min-version", "VERSION", "1.2", "the oldest TLS spoken: 1.2 or 1.3")        \
    X(OPT_SOCKET, "socket", "PATH", NULL,                                                                   \
      "serve HTTP on this unix-domain socket too; `--listen none` for it alone")                            \
    X(OPT_SOCKET_MODE, "socket-mode", "MODE", "0600", "the mode of the socket's file: who may connect")     \
    X(OPT_ADMIN_LISTEN, "admin-listen", "ADDRESS:PORT", NULL,                                               \
      "where /metrics, /livez, /readyz and /healthz are served, and nothing else, to whoever "              \
      "asks; /metrics then is nowhere else")                                                                \
    X(OPT_CORS_ORIGIN, "cors-origin", "ORIGIN", NULL,                                                       \
      "an origin whose pages may use the API from a browser, as in https://app.example; may be "            \
      "repeated")                                                                                           \
    X(OPT_DIST_PORT, "dist-port", "PORT|LO-HI", "0",                                                        \
      "the port, or the first free one of a range, that other nodes connect to; 0: any")                    \
    X(OPT_DIST_LISTEN, "dist-listen", "ADDRESS", NULL,                                                      \
      "the address that other nodes connect to; if not given: loopback when HOST of --name is there, else " \
      "all (*)")                                                                                            \
    X(OPT_DIST_TLS_CERT, "dist-tls-cert", "FILE", NULL,                                                     \
      "certificate, in PEM: every link to another node then is TLS, as with -proto_dist inet_tls. SIGHUP "  \
      "reads the files again")                                                                              \
    X(OPT_DIST_TLS_KEY, "dist-tls-key", "FILE", NULL, "its key; if not given: in the certificate's file")   \
    X(OPT_DIST_TLS_CA, "dist-tls-ca", "FILE", NULL, "the CAs that other nodes' certificates are to be of")  \
    X(OPT_DIST_TLS_VERIFY, "dist-tls-verify", "peer|none", "peer",                                          \
      "peer: both ends show certificates, and a node that we dial bears its host's name; none: no check")   \
    X(OPT_EPMD, "epmd", "MODE", "auto",                                                                     \
      "auto: the EPMD that runs on this machine, or be one when there is none; embedded: be one; "          \
      "HOST:PORT: "                                                                                         \
      "use that one; none: register nowhere")                                                               \
    X(OPT_EPMD_LISTEN, "epmd-listen", "ADDRESS", NULL,                                                      \
      "addresses of the embedded EPMD, commas between them; if not given: $ERL_EPMD_ADDRESS, else as for "  \
      "--dist-listen")                                                                                      \
    X(OPT_PEER, "peer", "NAME@HOST=HOST:PORT", NULL,                                                        \
      "a node that is dialled there, without asking EPMD; may be repeated")                                 \
    X(OPT_VISIBLE, "visible", NULL, "false",                                                                \
      "be a visible node, one of nodes(); --hidden, the default, suits a cluster that uses `global`")       \
    X(OPT_NET_TICKTIME, "net-ticktime", "SECONDS", "60",                                                    \
      "a node that is silent for so long is given up, as net_ticktime of kernel(6)")                        \
    X(OPT_CONNECT_TIMEOUT, "connect-timeout", "MS", "7000",                                                 \
      "how long finding, dialling and shaking hands with a node may take, each")                            \
    X(OPT_TIMEOUT, "timeout", "MS", "5000", "how long a call may take when its request has no ?timeout=")   \
    X(OPT_MAX_TIMEOUT, "max-timeout", "MS", "300000",                                                       \
      "the longest that a request may ask for; what is longer is cut to it")                                \
    X(OPT_MAX_BODY, "max-body", "BYTES", "8388608", "the largest body of a request")                        \
    X(OPT_MAX_HEADERS, "max-headers", "BYTES", "16384", "the largest head of a request")                    \
    X(OPT_MAX_CONNECTIONS, "max-connections", "COUNT", "20000",                                             \
      "how many connections may be open at once; others are told 503")                                      \
    X(OPT_MAX_CONNECTIONS_PER_ADDRESS, "max-connections-per-address", "COUNT", "1024",                      \
      "and how many of one address, or one /64 of IPv6; loopback is not counted")                           \
    X(OPT_MAX_IN_FLIGHT, "max-in-flight", "COUNT", "100000",                                                \
      "how many requests may wait for an answer; others are told 503 at once")                              \
    X(OPT_IDLE_TIMEOUT, "idle-timeout", "MS", "30000",                                                      \
      "how long a connection may be silent; a head, and a TLS handshake, may take twice that")              \
    X(OPT_MAX_REPLY, "max-reply", "BYTES", "67108864", "the largest body of a response")                    \
    X(OPT_MAX_DEPTH, "max-depth", "LEVELS", "512", "how deep a term may be nested")                         \
    X(OPT_MAX_STREAMS, "max-streams", "COUNT", "16384", "how many event streams may be open at once")       \
    X(OPT_STREAM_EVENTS, "stream-events", "COUNT", "1024",                                                  \
      "how many events a stream keeps for a reader that is slow or away; what is older is lost, and "       \
      "a `gap` says so")                                                                                    \
    X(OPT_STREAM_BYTES, "stream-bytes", "BYTES", "1048576", "and how many bytes of them")                   \
    X(OPT_MAX_PROCESSES, "max-processes", "COUNT", "10000",                                                 \
      "how many processes HTTP clients may have made at once")                                              \
    X(OPT_ATOM_BUDGET, "atom-budget", "COUNT", "10000",                                                     \
      "how many atoms HTTP may introduce into the cluster; `infinity` for no limit")                        \
    X(OPT_STOP_TIMEOUT, "stop-timeout", "MS", "30000",                                                      \
      "how long the calls that wait may go on after SIGTERM")                                               \
    X(OPT_LOG_LEVEL, "log-level", "LEVEL", "info", "debug (each request too), info, warn, error or off")    \
    X(OPT_LOG_FORMAT, "log-format", "FORMAT", "text", "text or json")

enum option {
#define X(sym, flag, arg, dflt, help) sym,
    OPTION_TABLE(X)
#undef X
        OPT_COUNT
};

enum { OPTION_VALUES_MAX = 64, OPTION_LISTS = 3 };

struct options {
    char *values[OPT_COUNT]; /* owned; NULL: neither given nor with a default */
    char *lists[OPTION_LISTS]
               [OPTION_VALUES_MAX + 1]; /* owned, NULL-terminated, of those that may be repeated */
};

void options_init(struct options *o);
void options_fini(struct options *o);
/* Reads file, environment and argv[0..]. False: said on standard error what was wrong, and what to do. */
bool options_read(struct options *o, int argc, char **argv);
const char *options_get(const struct options *o, enum option which);
/* Of an option that may be repeated: its values, NULL-terminated. */
const char *const *options_list(const struct options *o, enum option which);
bool options_is_set(const struct options *o, enum option which); /* for switches */
/* The table, for --help. */
void options_print_help(void);
/* The candidate that is most like word, or NULL when none is. */
const char *options_closest(const char *word, const char *const *candidates, size_t count);

#endif
