/*
 * SIGHUP. Options and files are read again as a whole. If anything is wrong, each fault is a line of the log
 * and nothing has changed. Otherwise all that can change while we run does, in one turn of the loop, and a
 * line of the log says what did, from what to what. What cannot is named, with the reason.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/mem.h"
#include "src/server.h"

enum { TEXT_MAX = 512 };

void configuration_free(struct configuration *c)
{
    if (!c)
        return;
    settings_fini(&c->settings);
    options_fini(&c->options);
    mem_free(c);
}

static void tell(void *ctx, bool is_warning, const char *place, const char *what)
{
    (void)ctx;
    LOG(is_warning ? LOG_WARN : LOG_ERROR, is_warning ? "reload-warning" : "reload-failed",
        LOG_STR("place", place), LOG_STR("why", what));
}

static struct configuration *read_again(const struct server *s)
{
    struct configuration *c = mem_zalloc(sizeof *c);

    if (!c)
        return NULL;
    options_init(&c->options);
    c->options.tell = tell;
    options_read(&c->options, s->argc, s->argv);
    settings_read(&c->settings, &c->options);
    settings_warn(&c->settings, &c->options);
    if (options_is_good(&c->options))
        return c;
    configuration_free(c);
    return NULL;
}

/* ---- what has changed ---- */

static bool is_same(const struct options *a, const struct options *b, enum option which)
{
    const char *const *x = options_list(a, which), *const *y = options_list(b, which);
    const char *one = options_get(a, which), *other = options_get(b, which);

    if (!(options_spec(which)->traits & OPTION_MANY))
        return one == other || (one && other && strcmp(one, other) == 0);
    while (*x && *y && strcmp(*x, *y) == 0) {
        x++;
        y++;
    }
    return !*x && !*y;
}

/* Its values, commas between them. */
static const char *text_of(const struct options *o, enum option which, char ret[TEXT_MAX])
{
    const char *const *list = options_list(o, which);
    size_t n = 0;

    if (!(options_spec(which)->traits & OPTION_MANY))
        return options_get(o, which) ? options_get(o, which) : "";
    ret[0] = '\0';
    for (; *list && n < TEXT_MAX; list++)
        n += (size_t)snprintf(ret + n, TEXT_MAX - n, "%s%s", n ? "," : "", *list);
    return ret;
}

/* Gives how many there are that have been taken. What the start has fixed runs as it was then, whatever has
 * been read since: it is told each time for as long as it differs. */
static unsigned tell_changes(const struct server *s, const struct options *after)
{
    unsigned count = 0;

    for (size_t i = 0; i < OPT_COUNT; i++) {
        enum option which = (enum option)i;
        const struct option_spec *spec = options_spec(which);
        const struct options *before = spec->fixed ? &s->start.options : &s->current->options;
        char from[TEXT_MAX], to[TEXT_MAX];

        if (is_same(before, after, which))
            continue;
        count += spec->fixed == NULL;
        LOG(spec->fixed ? LOG_WARN : LOG_INFO, spec->fixed ? "reload-wants-restart" : "reload-changed",
            LOG_STR("option", spec->flag), LOG_STR("from", text_of(before, which, from)),
            LOG_STR("to", text_of(after, which, to)), LOG_STR("why", spec->fixed ? spec->fixed : ""));
    }
    return count;
}

/* ---- taking it ---- */

/* Where we listen stays as it was at the start, whatever the new options say of it. */
static bool may_be_reached(const struct server *s, const struct configuration *c)
{
    const struct http_listen *l = &s->start.settings.listens[0];

    if (l->path || l->is_admin || settings_may_be_reached(&c->settings, &c->options, l->host))
        return true;
    tell(NULL, false, "listen",
         "until a restart others reach the address of the start, where nobody would be asked any more who "
         "they are");
    return false;
}

/* Links and listeners are with TLS or without it from their start. */
static bool fits(const struct server *s, const struct configuration *c, const struct files *f)
{
    bool is_guarded = may_be_reached(s, c);

    if (!s->files.tls != !f->tls)
        tell(NULL, false, "dist-tls-cert", "with TLS between nodes or without it is decided at the start");
    if (!s->files.https != !f->https)
        tell(NULL, false, "tls-cert", "HTTPS or HTTP is decided at the start");
    return is_guarded && !s->files.tls == !f->tls && !s->files.https == !f->https;
}

/* In each gateway's own thread, while we wait: what went before may be freed then. */

static void set_admission(struct gateway *g, void *arg)
{
    gateway_set_admission(g, arg);
}

static void set_policy(struct gateway *g, void *arg)
{
    gateway_set_policy(g, arg);
}

static void set_tls(struct gateway *g, void *arg)
{
    http_server_set_tls(gateway_http(g), arg);
}

static void set_limits_and_names(struct gateway *g, void *arg)
{
    const struct gateway_config *c = arg;

    gateway_set_limits(g, c);
    http_server_set_names(gateway_http(g), c->hosts, c->origins);
}

/* For requests to come, and for sessions and event streams that go on. */
static void take_auth(struct server *s, const struct settings *settings, struct files *f)
{
    struct gateway_admission admission = settings->gateway.admission;
    struct auth *before = s->files.auth;

    admission.auth = s->files.auth = f->auth;
    server_each_gateway(s, set_admission, &admission);
    f->auth = before;
}

static void take_policy(struct server *s, struct files *f)
{
    struct policy *before = s->files.policy;

    s->files.policy = f->policy;
    server_each_gateway(s, set_policy, s->files.policy);
    f->policy = before;
}

static void take_files(struct server *s, const struct settings *settings, struct files *f)
{
    files_log(f, settings, &s->files);
    if (!log_audit_to(settings->audit_file))
        tell(NULL, true, settings->audit_file, "the audit cannot be written there, and goes on where it was");
    take_auth(s, settings, f);
    take_policy(s, f);
    if (f->tls)
        loop_tls_swap(s->files.tls, f->tls); /* the node points to ours */
    if (f->https) {
        server_each_gateway(s, set_tls, f->https);
        http_tls_unref(s->files.https);
        s->files.https = f->https;
        f->https = NULL;
    }
    files_free(f);
}

static void take(struct server *s, struct configuration *c, struct files *f)
{
    struct configuration *before = s->current;
    const struct settings *settings = &c->settings;
    unsigned changed = tell_changes(s, &c->options);

    take_files(s, settings, f);
    server_each_gateway(s, set_limits_and_names, &c->settings.gateway);
    gateway_set_required_nodes(s->gateway, settings->gateway.required_nodes);
    node_set_max_queue(s->node, settings->node.max_queue);
    log_setup(settings->log_level, settings->log_format);
    s->current = c;
    if (before != &s->start)
        configuration_free(before);
    LOG(LOG_INFO, "reloaded", LOG_UINT("changed", changed));
}

/* False: nothing has changed. */
static bool read_and_take(struct server *s)
{
    struct configuration *c = read_again(s);
    struct files f;

    if (!c)
        return false;
    if (!files_load(&f, &c->settings, &c->options)) {
        configuration_free(c);
        return false;
    }
    if (!fits(s, c, &f)) {
        files_free(&f);
        configuration_free(c);
        return false;
    }
    take(s, c, &f);
    return true;
}

void reload(struct server *s)
{
    if (s->state == SERVING)
        gateway_note_reload(s->gateway, read_and_take(s), time(NULL));
    else
        LOG(LOG_WARN, "reload-ignored", LOG_STR("why", "the gateway is starting or stopping"));
}
