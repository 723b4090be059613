#include "src/serve.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "loop/loop.h"
#include "openapi/document.h"
#include "src/descriptors.h"
#include "src/server.h"
#include "src/words.h"

static void reload_due(void *ctx, uint64_t id)
{
    struct server *s = ctx;

    (void)id;
    notify_reloading(&s->notify);
    reload(s);
    notify_ready(&s->notify, s->status_text);
}

/* Signals are told one after another until there are no more, and nothing else happens meanwhile: what takes
 * time is put off, and done once for all that have come by then. */
static void signalled(void *ctx, int signo)
{
    struct server *s = ctx;

    switch (signo) {
    case SIGHUP: loop_timer_start(s->reload_timer, 0); break;
    case SIGUSR1: log_setup(LOG_DEBUG, s->current->settings.log_format); break;
    case SIGUSR2: log_setup(s->current->settings.log_level, s->current->settings.log_format); break;
    default:
        LOG(LOG_INFO, "signal", LOG_STR("name", signo == SIGINT ? "SIGINT" : "SIGTERM"));
        server_drain(s);
        break;
    }
}

/* ---- up ---- */

static void failed(struct server *s, const char *what, enum err e, const char *text, const char *hint)
{
    LOG(LOG_ERROR, what, LOG_STR("error", err_name(e)), LOG_STR("why", text), LOG_STR("hint", hint));
    s->status = 1;
    server_stop(s);
}

static const char *start_hint(enum err e)
{
    if (e == ERR_ADDRESS_IN_USE)
        return "another EPMD runs: use --epmd auto, or another port by ERL_EPMD_PORT";
    if (e == ERR_NAME_TAKEN)
        return "choose another --name, or stop the other node";
    if (e == ERR_MALFORMED)
        return "the port of EPMD is 4369, or what ERL_EPMD_PORT says, the same for all nodes: end "
               "what is there, or say where EPMD is (--epmd HOST:PORT)";
    return "see --epmd, and ERL_EPMD_PORT";
}

static const char *epmd_in_words(const struct server *s)
{
    if (s->start.settings.node.epmd_mode == NODE_EPMD_NONE)
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
    const struct gateway_config *c = &s->start.settings.gateway;
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

static void each_worker(void *ctx, workers_fn *fn, void *arg)
{
    struct server *s = ctx;

    workers_each(s->workers, fn, arg);
}

static enum err start_gateways(struct server *s)
{
    struct settings *settings = &s->start.settings;
    enum err e;

    if (settings->workers > 1) {
        settings->gateway.each_worker = each_worker;
        settings->gateway.each_worker_ctx = s;
        s->workers = workers_new(s->loop, settings->workers - 1);
        if (!s->workers)
            return ERR_NOMEM;
    }
    e = gateway_start(s->loop, &settings->gateway, &s->gateway);
    if (e == ERR_NONE && s->workers && !workers_start(s->workers, s->gateway, &settings->gateway))
        e = ERR_NOMEM;
    return e;
}

static void node_is_up(void *ctx, enum err e, const char *text)
{
    struct server *s = ctx;
    struct slice name = node_name(s->node);
    struct urls urls;

    if (s->state != STARTING)
        return;
    if (e != ERR_NONE) {
        failed(s, "node-failed", e, text ? text : err_text(e), start_hint(e));
        return;
    }
    s->start.settings.gateway.node = s->node;
    s->start.settings.gateway.tls = s->files.https;
    s->start.settings.gateway.admission.auth = s->files.auth;
    s->start.settings.gateway.checks = server_checks;
    s->start.settings.gateway.checks_ctx = s;
    s->start.settings.gateway.policy = s->files.policy;
    s->start.settings.gateway.version = ERLGATE_VERSION;
    s->start.settings.gateway.openapi_json = openapi_json;
    s->start.settings.gateway.openapi_yaml = openapi_yaml;
    e = start_gateways(s);
    if (e != ERR_NONE) {
        failed(
            s, "http-failed", e,
            e == ERR_ADDRESS_IN_USE ? "what HTTP is to listen on is in use"
            : e == ERR_NOMEM        ? "there is too little memory, or there are too few descriptors"
                                    : "HTTP cannot listen there",
            e == ERR_NOMEM
                ? "a thread (--workers) takes some 5 descriptors: see LimitNOFILE, ulimit -n"
                : "the line listen-failed says where: choose another --listen, --socket or --admin-listen");
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
        LOG_UINT("creation", node_creation(s->node)), LOG_UINT("workers", s->start.settings.workers));
    snprintf(s->status_text, sizeof s->status_text, "%.*s, at %s", (int)name.len, (const char *)name.ptr,
             urls.main[0] ? urls.main : urls.socket);
    notify_ready(&s->notify, s->status_text);
}

static bool bring_up(struct server *s)
{
    static const int wanted[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2};
    enum err e;

    s->reload_timer = loop_timer_new(s->loop, reload_due, s, 0);
    if (!s->reload_timer)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
        if (!(s->signals[i] = loop_signal_new(s->loop, wanted[i], signalled, s)))
            return false;
    s->node = node_new(s->loop, &s->start.settings.node);
    if (!s->node)
        return false;
    e = node_start(s->node, node_is_up, s);
    if (e != ERR_NONE)
        failed(s, "node-failed", e,
               e == ERR_ADDRESS_IN_USE ? "no port of --dist-port is free" : "cannot listen for nodes",
               e == ERR_ADDRESS_IN_USE ? "choose another --dist-port, or a range of them, LO-HI"
                                       : "see --dist-port and --dist-listen");
    return true;
}

static int run(struct server *s)
{
    log_setup(s->start.settings.log_level, s->start.settings.log_format);
    descriptors_raise();
    if (!descriptors_suffice(&s->start.settings))
        return 1;
    signal(SIGPIPE, SIG_IGN);
    s->loop = loop_new();
    if (!s->loop) {
        fprintf(stderr, "erlgate: cannot make an event loop\n");
        return 1;
    }
    notify_init(&s->notify, s->loop);
    files_log(&s->files, &s->start.settings, NULL);
    if (!log_audit_to(s->start.settings.audit_file))
        LOG(LOG_WARN, "audit-failed", LOG_STR("file", s->start.settings.audit_file));
    s->start.settings.node.tls = s->files.tls;
    if (!bring_up(s)) {
        LOG(LOG_ERROR, "start-failed", LOG_STR("error", err_name(ERR_NOMEM)));
        s->status = 1;
        if (s->node)
            server_stop(s);
    } else if (s->state != STOPPED) {
        loop_run(s->loop);
    }
    node_free(s->node);
    notify_fini(&s->notify);
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
    printf("\nERL_EPMD_PORT and ERL_EPMD_ADDRESS mean what they mean to Erlang. SIGTERM ends it once the "
           "calls that\n"
           "wait have been answered; a second one at once. SIGHUP reads all of this again. SIGUSR1 logs as "
           "with\n"
           "--log-level debug, until SIGUSR2.\n");
}

/* Warnings are for whoever reads the log, faults for whoever has typed. */
static void tell(void *ctx, bool is_warning, const char *place, const char *what)
{
    (void)ctx;
    if (is_warning)
        LOG(LOG_WARN, "configuration", LOG_STR("place", place), LOG_STR("why", what));
    else
        fprintf(stderr, "erlgate: %s: %s\n", place, what);
}

int serve_command(int argc, char **argv)
{
    struct server s = {.state = STARTING, .argc = argc, .argv = argv};
    struct options *options = &s.start.options;
    int status = 2;

    if (words_ask_for_help(argc, argv)) {
        print_help();
        return 0;
    }
    s.current = &s.start;
    options_init(options);
    options_read(options, argc, argv);
    settings_read(&s.start.settings, options);
    log_setup(s.start.settings.log_level, s.start.settings.log_format);
    options->tell = tell;
    options_warn_environment(options);
    settings_warn(&s.start.settings, options);
    settings_read_cookie(&s.start.settings, options);
    if (files_load(&s.files, &s.start.settings, options) && options_is_good(options))
        status = run(&s);
    files_free(&s.files);
    if (s.current != &s.start)
        configuration_free(s.current);
    settings_fini(&s.start.settings);
    options_fini(options);
    return status;
}
