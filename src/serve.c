#include "src/serve.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/check.h"
#include "base/mem.h"
#include "loop/loop.h"
#include "openapi/document.h"
#include "src/serve_auth.h"
#include "src/settings.h"

/*
 *   STARTING --(registered with EPMD, HTTP listens)--> SERVING --(signal)--> DRAINING --(nothing waits, or
 * time is up,
 *      `---------------(failure, signal)-----------------------------------------'        or a second
 * signal)--> STOPPED
 */
enum state { STARTING, SERVING, DRAINING, STOPPED };

struct server {
    enum state state;
    int status; /* to exit with */
    struct settings settings;
    struct loop *loop;
    struct loop_tls *tls;   /* between nodes; NULL: none */
    struct http_tls *https; /* NULL: none */
    struct auth *auth;      /* who is let in */
    struct node *node;
    struct gateway *gateway;
    struct loop_hook *hook;   /* while DRAINING: looks whether anything still waits */
    struct loop_timer *limit; /* of DRAINING */
    struct loop_signal *signals[3];
};

/* ---- down, in the order of the house: not ready, no more requests, calls to their deadline, links, loop
 * empty ---- */

/* Our handlers go: a signal that comes now comes too late, and must not end us where we stand. */
static void hold_signals(void)
{
    sigset_t ours;

    sigemptyset(&ours);
    sigaddset(&ours, SIGTERM);
    sigaddset(&ours, SIGINT);
    sigaddset(&ours, SIGHUP);
    sigprocmask(SIG_BLOCK, &ours, NULL);
}

static void stop(struct server *s)
{
    if (s->state == STOPPED)
        return;
    s->state = STOPPED;
    gateway_stop(s->gateway);
    s->gateway = NULL;
    node_stop(s->node);
    loop_hook_free(s->hook);
    loop_timer_free(s->limit);
    hold_signals();
    for (size_t i = 0; i < ARRAY_LEN(s->signals); i++)
        loop_signal_free(s->signals[i]);
    loop_stop(s->loop);
}

static void look_if_drained(void *ctx)
{
    struct server *s = ctx;

    if (s->state == DRAINING && gateway_in_flight(s->gateway) == 0)
        loop_timer_start(s->limit, 0);
}

static void limit_due(void *ctx, uint64_t id)
{
    (void)id;
    stop(ctx);
}

static void drain(struct server *s)
{
    s->state = DRAINING;
    gateway_quiesce(s->gateway);
    node_quiesce(s->node);
    LOG(LOG_INFO, "stopping", LOG_UINT("in_flight", gateway_in_flight(s->gateway)));
    s->limit = loop_timer_new(s->loop, limit_due, s, 0);
    s->hook = loop_hook_new(s->loop, look_if_drained, s);
    if (!s->limit || !s->hook) {
        stop(s);
        return;
    }
    loop_timer_start(s->limit, s->settings.stop_timeout_ms);
}

/* ---- certificates ---- */

static void log_tls(const struct server *s, const char *event, const char *which,
                    const struct loop_tls_info *info)
{
    LOG(info->is_expired ? LOG_WARN : LOG_INFO, event, LOG_STR("certificate", which),
        LOG_STR("subject", info->subject), LOG_STR(info->is_expired ? "expired" : "expires", info->expires),
        LOG_STR("sha256", info->sha256), LOG_STR("verify", s->settings.tls.is_verified ? "peer" : "none"));
}

static bool set_up_tls(struct server *s)
{
    struct loop_tls_fault f;
    struct loop_tls_info info;
    enum err e;

    if (!s->settings.tls.cert_file)
        return true;
    e = loop_tls_new(&s->settings.tls, &s->tls, &f);
    if (e != ERR_NONE) {
        LOG(LOG_ERROR, "tls-failed", LOG_STR("file", f.file ? f.file : ""),
            LOG_STR("why", f.text ? f.text : err_text(e)), LOG_STR("hint", "see docs/tls.md"));
        return false;
    }
    s->settings.node.tls = s->tls;
    loop_tls_describe(s->tls, &info);
    log_tls(s, "tls", "read", &info);
    return true;
}

enum { DAYS_TO_WARN = 14 };

static void log_https(const char *event, const char *which, const struct http_tls *tls)
{
    const struct http_tls_info *info = http_tls_info(tls);
    static const char *const modes[] = {"none", "optional", "required"};
    int64_t days = http_tls_days_left(tls, (int64_t)time(NULL));

    LOG(days < DAYS_TO_WARN ? LOG_WARN : LOG_INFO, event, LOG_STR("certificate", which),
        LOG_STR("subject", info->subject), LOG_STR("expires", info->expires), LOG_INT("days", days),
        LOG_STR("sha256", info->sha256), LOG_STR("client_cert", modes[info->client_cert]));
    if (info->is_key_exposed)
        LOG(LOG_WARN, "key-exposed", LOG_STR("option", "tls-key"),
            LOG_STR("hint", "others can read or change the key: chmod 600 it"));
}

static bool load_https(const struct server *s, const char *event, struct http_tls **ret)
{
    struct http_tls_fault f;
    enum err e = http_tls_load(&s->settings.https, ret, &f);

    if (e != ERR_NONE)
        LOG(LOG_ERROR, event, LOG_STR("file", f.file ? f.file : ""),
            LOG_STR("why", f.what[0] ? f.what : err_text(e)), LOG_STR("hint", f.hint ? f.hint : ""));
    return e == ERR_NONE;
}

static bool set_up_https(struct server *s)
{
    if (!s->settings.https.cert_file)
        return true;
    if (!load_https(s, "https-failed", &s->https))
        return false;
    log_https("https", "read", s->https);
    return true;
}

/* For connections to come; those that are open keep what they were opened with. */
static void reload_https(struct server *s)
{
    struct http_tls *tls;
    bool is_same;

    if (!s->gateway || !load_https(s, "https-reload-failed", &tls))
        return;
    is_same = strcmp(http_tls_info(tls)->sha256, http_tls_info(s->https)->sha256) == 0;
    http_server_set_tls(gateway_http(s->gateway), tls);
    http_tls_unref(s->https);
    s->https = tls;
    log_https("https-reloaded", is_same ? "same" : "new", tls);
}

/* For links to come; those that are up keep what they were made with. */
static void reload_tls(struct server *s)
{
    struct loop_tls_fault f;
    struct loop_tls_info before, after;
    enum err e;

    loop_tls_describe(s->tls, &before);
    e = loop_tls_reload(s->tls, &f);
    if (e != ERR_NONE) {
        LOG(LOG_ERROR, "tls-reload-failed", LOG_STR("file", f.file ? f.file : ""),
            LOG_STR("why", f.text ? f.text : err_text(e)), LOG_STR("kept", before.sha256));
        return;
    }
    loop_tls_describe(s->tls, &after);
    log_tls(s, "tls-reloaded", strcmp(before.sha256, after.sha256) == 0 ? "same" : "new", &after);
}

static bool set_up_auth(struct server *s)
{
    if (!serve_auth_load(&s->settings, "authentication-failed", &s->auth))
        return false;
    serve_auth_log(&s->settings, "authentication", s->auth);
    return true;
}

/* For requests to come, and for sessions and event streams that go on. */
static void reload_auth(struct server *s)
{
    struct auth *old = s->auth, *new;

    if (!s->gateway || !serve_auth_load(&s->settings, "authentication-reload-failed", &new))
        return;
    s->auth = new;
    s->settings.gateway.admission.auth = new;
    gateway_set_admission(s->gateway, &s->settings.gateway.admission);
    auth_free(old);
    serve_auth_log(&s->settings, "authentication-reloaded", new);
}

static void reload(struct server *s)
{
    if (!s->tls && !s->https && !auth_is_on(s->auth))
        LOG(LOG_INFO, "reload-ignored",
            LOG_STR("why", "only certificates, tokens and keys can be read again, and there are none"));
    if (auth_is_on(s->auth))
        reload_auth(s);
    if (s->tls)
        reload_tls(s);
    if (s->https)
        reload_https(s);
}

static void signalled(void *ctx, int signo)
{
    struct server *s = ctx;

    if (signo == SIGHUP) {
        reload(s);
        return;
    }
    LOG(LOG_INFO, "signal", LOG_STR("name", signo == SIGINT ? "SIGINT" : "SIGTERM"));
    if (s->state == SERVING)
        drain(s);
    else
        stop(s);
}

/* ---- up ---- */

static void failed(struct server *s, const char *what, enum err e, const char *text, const char *hint)
{
    LOG(LOG_ERROR, what, LOG_STR("error", err_name(e)), LOG_STR("why", text ? text : err_text(e)),
        LOG_STR("hint", hint));
    s->status = 1;
    stop(s);
}

static const char *start_hint(enum err e, const char *text)
{
    if (e == ERR_NAME_TAKEN && text && strstr(text, "port"))
        return "another EPMD runs: use --epmd auto, or another port by ERL_EPMD_PORT";
    if (e == ERR_NAME_TAKEN)
        return "choose another --name, or stop the other node";
    return "see --epmd, and ERL_EPMD_PORT";
}

static const char *epmd_in_words(const struct server *s)
{
    if (s->settings.node.epmd_mode == NODE_EPMD_NONE)
        return "none";
    return node_has_embedded_epmd(s->node) ? "embedded" : "external";
}

/* Where clients find it: "https://127.0.0.1:4370", "unix:/run/erlgate.sock". */
struct urls {
    char main[300], socket[130], admin[300];
};

static void write_url(const struct http_listen *l, unsigned port, char *ret, size_t cap)
{
    const char *host = l->host && l->host[0] ? l->host : "0.0.0.0";
    bool is_v6 = strchr(host, ':') != NULL;

    if (l->path)
        snprintf(ret, cap, "unix:%s", l->path);
    else
        snprintf(ret, cap, "http%s://%s%s%s:%u", l->is_tls ? "s" : "", is_v6 ? "[" : "", host,
                 is_v6 ? "]" : "", port);
}

static struct urls urls_of(const struct server *s)
{
    const struct gateway_config *c = &s->settings.gateway;
    struct urls u = {0};

    for (size_t i = 0; i < c->listen_count; i++) {
        const struct http_listen *l = &c->listens[i];
        unsigned port = http_server_port_of(gateway_http(s->gateway), i);

        if (l->is_admin)
            write_url(l, port, u.admin, sizeof u.admin);
        else if (l->path)
            write_url(l, port, u.socket, sizeof u.socket);
        else
            write_url(l, port, u.main, sizeof u.main);
    }
    return u;
}

static void node_is_up(void *ctx, enum err e, const char *text)
{
    struct server *s = ctx;
    struct slice name = node_name(s->node);
    struct urls urls;

    if (s->state != STARTING)
        return;
    if (e != ERR_NONE) {
        failed(s, "node-failed", e, text, start_hint(e, text));
        return;
    }
    s->settings.gateway.node = s->node;
    s->settings.gateway.tls = s->https;
    s->settings.gateway.admission.auth = s->auth;
    s->settings.gateway.version = ERLGATE_VERSION;
    s->settings.gateway.openapi_json = openapi_json;
    s->settings.gateway.openapi_yaml = openapi_yaml;
    e = gateway_start(s->loop, &s->settings.gateway, &s->gateway);
    if (e != ERR_NONE) {
        failed(s, "http-failed", e,
               e == ERR_NAME_TAKEN ? "the port for HTTP is in use" : "cannot listen on the address for HTTP",
               "choose another address or port with --listen; see also --socket and --admin-listen");
        return;
    }
    s->state = SERVING;
    urls = urls_of(s);
    if (urls.socket[0])
        LOG(LOG_INFO, "listening", LOG_STR("url", urls.socket), LOG_STR("for", "everything"));
    if (urls.admin[0])
        LOG(LOG_INFO, "listening", LOG_STR("url", urls.admin), LOG_STR("for", "health and metrics"));
    LOG(LOG_INFO, "ready", LOG_STR("url", urls.main[0] ? urls.main : urls.socket), LOG_SLICE("node", name),
        LOG_UINT("dist_port", node_dist_port(s->node)), LOG_STR("epmd", epmd_in_words(s)),
        LOG_UINT("creation", node_creation(s->node)));
}

static bool bring_up(struct server *s)
{
    static const int wanted[] = {SIGTERM, SIGINT, SIGHUP};
    enum err e;

    for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
        if (!(s->signals[i] = loop_signal_new(s->loop, wanted[i], signalled, s)))
            return false;
    s->node = node_new(s->loop, &s->settings.node);
    if (!s->node)
        return false;
    e = node_start(s->node, node_is_up, s);
    if (e != ERR_NONE)
        failed(s, "node-failed", e,
               e == ERR_NAME_TAKEN ? "no port of --dist-port is free" : "cannot listen for nodes",
               "see --dist-port and --dist-listen");
    return true;
}

/* Each connection is a descriptor: take as many as we may. */
static void raise_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static int run(struct server *s)
{
    log_setup(s->settings.log_level, s->settings.log_format);
    raise_descriptors();
    signal(SIGPIPE, SIG_IGN);
    s->loop = loop_new();
    if (!s->loop) {
        fprintf(stderr, "erlgate: cannot make an event loop\n");
        return 1;
    }
    if (!set_up_tls(s) || !set_up_https(s) || !set_up_auth(s)) {
        loop_tls_free(s->tls);
        http_tls_unref(s->https);
        loop_free(s->loop);
        return 1;
    }
    if (!bring_up(s)) {
        LOG(LOG_ERROR, "start-failed", LOG_STR("error", err_name(ERR_NOMEM)));
        s->status = 1;
        if (s->node)
            stop(s);
    }
    if (s->state != STOPPED)
        loop_run(s->loop);
    node_free(s->node);
    loop_tls_free(s->tls);
    http_tls_unref(s->https);
    auth_free(s->auth);
    loop_free(s->loop);
    LOG(LOG_INFO, "stopped", LOG_INT("status", s->status));
    return s->status;
}

static void print_help(void)
{
    printf("Usage: erlgate serve [OPTION]...\n\n"
           "Joins an Erlang cluster as a node of its own, and serves it over HTTP.\n\n"
           "  erlgate serve --name gate@localhost --cookie-file ~/.erlang.cookie\n"
           "  curl -d '{\"$tuple\": [{\"$atom\": \"get\"}, \"k\"]}' \\\n"
           "       localhost:4370/v1/nodes/kv@localhost/processes/kv/call\n\n"
           "Each option is also an environment variable (--log-level is ERLGATE_LOG_LEVEL) and a key of the "
           "file that\n"
           "--config names (log-level: debug). A flag wins over the environment, the environment over the "
           "file.\n\n");
    options_print_help();
    printf(
        "\nERL_EPMD_PORT and ERL_EPMD_ADDRESS mean what they mean to Erlang. SIGTERM ends it once the "
        "calls that\n"
        "wait have been answered; a second one at once. SIGHUP reads certificates, tokens and keys again.\n");
}

int serve_command(int argc, char **argv)
{
    struct server s = {.state = STARTING};
    struct options options;
    int status = 2;

    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            print_help();
            return 0;
        }
    }
    options_init(&options);
    options_read(&options, argc, argv);
    settings_read(&s.settings, &options);
    settings_read_cookie(&s.settings, &options);
    if (options_is_good(&options))
        status = run(&s);
    settings_fini(&s.settings);
    options_fini(&options);
    return status;
}
