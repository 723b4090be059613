/*
 * option_table: each option once: what it is called, what it takes, how it reloads, what it means.
 *
 * A row is X(symbol, group, flag, argument, default, traits, fixed, help). argument NULL: a switch, true or
 * false. traits: OPTION_MANY for what may be given more than once, OPTION_FILE for the path of a file. fixed
 * NULL: SIGHUP takes the new value; else why it cannot. The row is the flag, the variable, the key of the
 * file, a line of --help and of the manual, and is held to docs/configuration.md by a test. What the value
 * means is read in src/settings*.c.
 */
#ifndef ERLGATE_SRC_OPTION_TABLE_H
#define ERLGATE_SRC_OPTION_TABLE_H

/* clang-format off */
#define OPTION_TABLE(X) \
    /* how it runs */ \
    X(OPT_CONFIG, OPTION_GROUP_RUN, "config", "FILE", NULL, OPTION_FILE, "it names the file that is read again", \
      "a file of these options, in YAML: `listen: 127.0.0.1:4370`") \
    X(OPT_WORKERS, OPTION_GROUP_RUN, "workers", "COUNT", "1", 0, "its threads are made at the start", \
      "threads that serve HTTP, 1 to 64 (more than there are processors gain nothing); one of them keeps the links " \
      "to other nodes, too. One is enough for tens of thousands of calls a second") \
    /* the node */ \
    X(OPT_NAME, OPTION_GROUP_NODE, "name", "NAME@HOST", NULL, 0, "other nodes know us by it", \
      "this node's name, by which other nodes reach it; erlgate@<short hostname> if not given, and a " \
      "NAME alone is at that host. A dot in HOST makes it a long name") \
    X(OPT_COOKIE_FILE, OPTION_GROUP_NODE, "cookie-file", "FILE", NULL, OPTION_FILE, "links agree on it at their start", \
      "the cluster's cookie; if not given: $ERLGATE_COOKIE, else ~/.erlang.cookie") \
    X(OPT_DIST_PORT, OPTION_GROUP_NODE, "dist-port", "PORT|LO-HI", "0", 0, "the socket stays as it is", \
      "the port, or the first free one of a range, that other nodes connect to; 0: any") \
    X(OPT_DIST_LISTEN, OPTION_GROUP_NODE, "dist-listen", "ADDRESS", NULL, 0, "the socket stays as it is", \
      "the address that other nodes connect to; if not given: loopback when HOST of --name is there, " \
      "else all (*)") \
    X(OPT_DIST_TLS_CERT, OPTION_GROUP_NODE, "dist-tls-cert", "FILE", NULL, OPTION_FILE, NULL, \
      "certificate, in PEM: every link to another node then is TLS, as with -proto_dist inet_tls") \
    X(OPT_DIST_TLS_KEY, OPTION_GROUP_NODE, "dist-tls-key", "FILE", NULL, OPTION_FILE, NULL, \
      "its key; if not given: in the certificate's file") \
    X(OPT_DIST_TLS_CA, OPTION_GROUP_NODE, "dist-tls-ca", "FILE", NULL, OPTION_FILE, NULL, \
      "the CAs that other nodes' certificates are to be of") \
    X(OPT_DIST_TLS_VERIFY, OPTION_GROUP_NODE, "dist-tls-verify", "peer|none", "peer", 0, NULL, \
      "peer: both ends show certificates, and a node that we dial bears its host's name; none: no check") \
    X(OPT_EPMD, OPTION_GROUP_NODE, "epmd", "MODE", "auto", 0, "the node is registered by it", \
      "auto: the EPMD that runs on this machine, or be one when there is none; embedded: be one; " \
      "HOST:PORT: use that one; none: register nowhere") \
    X(OPT_EPMD_LISTEN, OPTION_GROUP_NODE, "epmd-listen", "ADDRESS", NULL, 0, "the socket stays as it is", \
      "addresses of the embedded EPMD, commas between them; if not given: $ERL_EPMD_ADDRESS, else " \
      "loopback when HOST of --name is there, else all (*), whatever --dist-listen says") \
    X(OPT_PEER, OPTION_GROUP_NODE, "peer", "NAME@HOST=HOST:PORT", NULL, OPTION_MANY, "the node was started with them", \
      "a node that is dialled there, without asking EPMD") \
    X(OPT_REQUIRE_NODE, OPTION_GROUP_NODE, "require-node", "NAME@HOST", NULL, OPTION_MANY, NULL, \
      "a node without which /readyz says 503; it is dialled, and dialled again when it is lost") \
    X(OPT_VISIBLE, OPTION_GROUP_NODE, "visible", NULL, "false", 0, "other nodes know us by it", \
      "be a visible node, one of nodes(); --hidden, the default, suits a cluster that uses `global`") \
    X(OPT_NET_TICKTIME, OPTION_GROUP_NODE, "net-ticktime", "SECONDS", "60", 0, "links keep theirs", \
      "a node that is silent for so long is given up, as net_ticktime of kernel(6)") \
    X(OPT_CONNECT_TIMEOUT, OPTION_GROUP_NODE, "connect-timeout", "MS", "7000", 0, "the node was started with it", \
      "how long finding, dialling and shaking hands with a node may take, each") \
    /* where HTTP is served */ \
    X(OPT_LISTEN, OPTION_GROUP_HTTP, "listen", "ADDRESS:PORT", "127.0.0.1:4370", 0, "the socket stays as it is", \
      "where HTTP is served; none: on --socket alone") \
    X(OPT_INSECURE, OPTION_GROUP_HTTP, "insecure", NULL, "false", 0, NULL, \
      "allow --listen beyond loopback: whoever reaches the port can then call anything in the cluster") \
    X(OPT_HOST, OPTION_GROUP_HTTP, "host", "NAME", NULL, OPTION_MANY, NULL, \
      "a further name that requests may carry in Host") \
    X(OPT_TLS_CERT, OPTION_GROUP_HTTP, "tls-cert", "FILE", NULL, OPTION_FILE, NULL, \
      "certificate, in PEM, with those between it and its CA: --listen then is HTTPS") \
    X(OPT_TLS_KEY, OPTION_GROUP_HTTP, "tls-key", "FILE", NULL, OPTION_FILE, NULL, \
      "its key; if not given: in the certificate's file") \
    X(OPT_TLS_CA, OPTION_GROUP_HTTP, "tls-ca", "FILE", NULL, OPTION_FILE, NULL, \
      "the CAs that clients' certificates are to be of") \
    X(OPT_TLS_CLIENT_CERT, OPTION_GROUP_HTTP, "tls-client-cert", "MODE", "none", 0, NULL, \
      "none: no certificate is asked for; optional: who shows one is known by it; required: who shows " \
      "none is refused") \
    X(OPT_TLS_MIN_VERSION, OPTION_GROUP_HTTP, "tls-min-version", "VERSION", "1.2", 0, NULL, \
      "the oldest TLS spoken: 1.2 or 1.3") \
    X(OPT_SOCKET, OPTION_GROUP_HTTP, "socket", "PATH", NULL, 0, "the socket stays as it is", \
      "serve HTTP on this unix-domain socket too; `--listen none` for it alone") \
    X(OPT_SOCKET_MODE, OPTION_GROUP_HTTP, "socket-mode", "MODE", "0600", 0, "the socket stays as it is", \
      "the mode of the socket's file: who may connect") \
    X(OPT_ADMIN_LISTEN, OPTION_GROUP_HTTP, "admin-listen", "ADDRESS:PORT", NULL, 0, "the socket stays as it is", \
      "where /metrics, /livez, /readyz and /healthz are served, and nothing else, to whoever asks; " \
      "/metrics then is nowhere else") \
    X(OPT_CORS_ORIGIN, OPTION_GROUP_HTTP, "cors-origin", "ORIGIN", NULL, OPTION_MANY, NULL, \
      "an origin whose pages may use the API from a browser, as in https://app.example") \
    /* who asks */ \
    X(OPT_TOKEN_FILE, OPTION_GROUP_ACCESS, "token-file", "FILE", NULL, OPTION_FILE, NULL, \
      "bearer tokens, by their hashes: `erlgate token` makes them. With this, or --jwks-file or " \
      "--principal, every request has to say who it is from") \
    X(OPT_JWKS_FILE, OPTION_GROUP_ACCESS, "jwks-file", "FILE", NULL, OPTION_FILE, NULL, \
      "keys (JWKS) that JWTs may be signed with; wants --jwt-issuer and --jwt-audience") \
    X(OPT_JWT_ISSUER, OPTION_GROUP_ACCESS, "jwt-issuer", "TEXT", NULL, 0, NULL, \
      "what the claim iss of a JWT is to be") \
    X(OPT_JWT_AUDIENCE, OPTION_GROUP_ACCESS, "jwt-audience", "TEXT", NULL, 0, NULL, \
      "what the claim aud of a JWT is to be, or to hold") \
    X(OPT_JWT_PRINCIPAL_CLAIM, OPTION_GROUP_ACCESS, "jwt-principal-claim", "NAME", "sub", 0, NULL, \
      "the claim of a JWT that says who it is for") \
    X(OPT_PRINCIPAL, OPTION_GROUP_ACCESS, "principal", "NAME=IDENTITY", NULL, OPTION_MANY, NULL, \
      "whom a connection is from: NAME=cert:SUBJECT of a client certificate, or NAME=uid:USER of --socket") \
    X(OPT_SESSION_TTL, OPTION_GROUP_ACCESS, "session-ttl", "SECONDS", "3600", 0, NULL, \
      "how long a browser's session, of POST /v1/session, lasts at most") \
    X(OPT_RATE_LIMIT, OPTION_GROUP_ACCESS, "rate-limit", "RATE[/BURST]", "none", 0, NULL, \
      "requests a second of each principal, and how many at once; others are told 429") \
    X(OPT_HIDE_REASONS, OPTION_GROUP_ACCESS, "hide-reasons", NULL, "false", 0, NULL, \
      "leave out of errors and events why a process crashed: reason and stack trace may hold what it knows") \
    X(OPT_POLICY_FILE, OPTION_GROUP_ACCESS, "policy-file", "FILE", NULL, OPTION_FILE, NULL, \
      "rules about who may do what, and which nodes may be talked to; what no rule allows is denied. If not given: " \
      "everybody who is let in may do everything") \
    X(OPT_AUDIT_FILE, OPTION_GROUP_ACCESS, "audit-file", "FILE", NULL, OPTION_FILE, NULL, \
      "where the lines of the audit go, which there are with --policy-file; if not given: to the log. SIGHUP opens " \
      "it anew") \
    /* limits */ \
    X(OPT_TIMEOUT, OPTION_GROUP_LIMITS, "timeout", "MS", "5000", 0, NULL, \
      "how long a call may take when its request has no ?timeout=") \
    X(OPT_MAX_TIMEOUT, OPTION_GROUP_LIMITS, "max-timeout", "MS", "300000", 0, NULL, \
      "the longest that a request may ask for; what is longer is cut to it") \
    X(OPT_MAX_BODY, OPTION_GROUP_LIMITS, "max-body", "BYTES", "8388608", 0, NULL, \
      "the largest body of a request") \
    X(OPT_MAX_HEADERS, OPTION_GROUP_LIMITS, "max-headers", "BYTES", "16384", 0, NULL, \
      "the largest head of a request") \
    X(OPT_MAX_CONNECTIONS, OPTION_GROUP_LIMITS, "max-connections", "COUNT", "20000", 0, NULL, \
      "how many connections may be open at once; others are told 503") \
    X(OPT_MAX_CONNECTIONS_PER_ADDRESS, OPTION_GROUP_LIMITS, "max-connections-per-address", "COUNT", "1024", 0, NULL, \
      "and how many of one address, or one /64 of IPv6; loopback is not counted") \
    X(OPT_MAX_IN_FLIGHT, OPTION_GROUP_LIMITS, "max-in-flight", "COUNT", "100000", 0, NULL, \
      "how many requests may wait for an answer; others are told 503 at once; each of --workers has its part") \
    X(OPT_MAX_IN_FLIGHT_PER_NODE, OPTION_GROUP_LIMITS, "max-in-flight-per-node", "COUNT", "infinity", 0, NULL, \
      "and how many for one other node, so that one that stands still leaves room for the rest; `infinity` for no limit") \
    X(OPT_IDLE_TIMEOUT, OPTION_GROUP_LIMITS, "idle-timeout", "MS", "30000", 0, NULL, \
      "how long a connection may be silent; a head, and a TLS handshake, may take twice that") \
    X(OPT_MAX_REPLY, OPTION_GROUP_LIMITS, "max-reply", "BYTES", "67108864", 0, NULL, \
      "the largest body of a response") \
    X(OPT_MAX_DEPTH, OPTION_GROUP_LIMITS, "max-depth", "LEVELS", "512", 0, NULL, \
      "how deep a term may be nested") \
    X(OPT_MAX_STREAMS, OPTION_GROUP_LIMITS, "max-streams", "COUNT", "16384", 0, NULL, \
      "how many event streams may be open at once") \
    X(OPT_STREAM_EVENTS, OPTION_GROUP_LIMITS, "stream-events", "COUNT", "1024", 0, NULL, \
      "how many events a stream keeps for a reader that is slow or away; what is older is lost, and a " \
      "`gap` says so") \
    X(OPT_STREAM_BYTES, OPTION_GROUP_LIMITS, "stream-bytes", "BYTES", "1048576", 0, NULL, \
      "and how many bytes of them") \
    X(OPT_MAX_PROCESSES, OPTION_GROUP_LIMITS, "max-processes", "COUNT", "10000", 0, NULL, \
      "how many processes HTTP clients may have made at once") \
    X(OPT_MAX_QUEUE, OPTION_GROUP_LIMITS, "max-queue", "BYTES", "67108864", 0, NULL, \
      "how many bytes may wait for one node; requests to it beyond that are told 503 at once") \
    X(OPT_ATOM_BUDGET, OPTION_GROUP_LIMITS, "atom-budget", "COUNT", "10000", 0, NULL, \
      "how many atoms HTTP may introduce into the cluster; `infinity` for no limit") \
    /* how it runs */ \
    X(OPT_DRAIN_DELAY, OPTION_GROUP_RUN, "drain-delay", "MS", "0", 0, NULL, \
      "how long requests are still taken after SIGTERM, while /readyz says 503 already: so that a load " \
      "balancer notices first") \
    X(OPT_STOP_TIMEOUT, OPTION_GROUP_RUN, "stop-timeout", "MS", "30000", 0, NULL, \
      "how long the calls that wait may go on after SIGTERM") \
    X(OPT_LOG_LEVEL, OPTION_GROUP_RUN, "log-level", "LEVEL", "info", 0, NULL, \
      "debug (each request too), info, warn, error or off") \
    X(OPT_LOG_FORMAT, OPTION_GROUP_RUN, "log-format", "FORMAT", "text", 0, NULL, \
      "text or json")
/* clang-format on */

#endif
