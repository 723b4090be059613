#include "bridge/inbox.h"

#include "base/mem.h"
#include "bridge/tie.h"
#include "etf/syntax.h"
#include "etf/write.h"
#include "http/problem.h"

#define REASON_NORMAL SLICE("\x77\x06normal")

/* ---- life ---- */

/* Where it is known who asks, nobody takes all of it from the others. */
static bool has_share(struct gateway *g, const struct inbox_config *c)
{
    size_t max_streams = http_server_limits(g->http)->streams.max_streams;

    if (!admission_is_on(g) || (shares_allow_stream(&g->shares, c->owner, g->inboxes.count, max_streams) &&
                                (!c->is_kept || shares_allow_process(&g->shares, c->owner, g->kept_inboxes,
                                                                     g->config.max_processes))))
        return true;
    g->metrics.over_share++;
    return false;
}

static bool has_room(struct gateway *g, const struct inbox_config *c)
{
    if (!c->is_kept || g->kept_inboxes < g->config.max_processes)
        return has_share(g, c);
    g->metrics.over_max_processes++;
    return false;
}

void inbox_free(struct inbox *in)
{
    inbox_forget_calls(in);
    idtab_fini(&in->calls_by_id);
    mem_free(in->name);
    mem_free(in);
}

/* Out of every table; its process is still to end, which frees it. */
static void detach(struct inbox *in)
{
    struct gateway *g = in->g;

    idtab_remove(&g->inboxes, in->id);
    shares_leave(&g->shares, in->share, in->is_kept);
    in->share = NULL;
    if (in->is_kept)
        g->kept_inboxes--;
    while (in->ties)
        tie_free(in->ties);
    inbox_forget_calls(in);
    in->g = NULL;
    /* Each that leaves moves it on: it comes when they have left. */
    if (g->most_inboxes > INBOX_CROWD && g->inboxes.count < g->most_inboxes / 2)
        loop_timer_start(g->trim_timer, INBOX_TRIM_MS);
}

void inboxes_trim(void *ctx, uint64_t id)
{
    struct gateway *g = ctx;

    (void)id;
    g->most_inboxes = g->inboxes.count;
    mem_trim();
}

static bool make_stream(struct inbox *in, struct slice key)
{
    struct http_stream_config config = {.key = key, .tag = in->id, .is_kept = in->is_kept};
    struct wr own;

    wr_init(&own, SIZE_MAX);
    if (in->is_kept) {
        processes_write_key(in->g, in->id, auth_principal_name(&in->owner), &own);
        config.key = wr_written(&own);
    }
    if (wr_ok(&own))
        in->stream = http_stream_new(in->g->http, &config);
    wr_fini(&own);
    return in->stream != 0;
}

enum err inbox_new(struct gateway *g, const struct inbox_config *config, struct inbox **ret)
{
    struct inbox *in;
    enum err e;

    if (!has_room(g, config))
        return ERR_OVERLOADED;
    in = mem_zalloc(sizeof *in);
    if (!in)
        return ERR_NOMEM;
    *in = (struct inbox){
        .g = g, .is_kept = config->is_kept, .style = *config->style, .used_ms = loop_now_ms(g->loop)};
    idtab_init(&in->calls_by_id);
    if (!auth_principal_set(&in->owner, config->owner)) {
        inbox_free(in);
        return ERR_CLOSED; /* its client has left */
    }
    e = node_server_start(g->node, (struct slice){0}, &inbox_ops, in, &in->self);
    if (e != ERR_NONE) {
        inbox_free(in);
        return e;
    }
    in->share = shares_enter(&g->shares, config->owner, in->is_kept);
    if (in->is_kept)
        g->kept_inboxes++;
    in->id = idtab_add(&g->inboxes, in);
    if (!in->id || !make_stream(in, config->key)) {
        inbox_drop(in);
        return ERR_OVERLOADED;
    }
    if (g->inboxes.count > g->most_inboxes)
        g->most_inboxes = g->inboxes.count;
    if (in->is_kept && g->kept_inboxes == 1)
        loop_timer_start(g->inbox_timer, INBOX_SWEEP_MS);
    *ret = in;
    return ERR_NONE;
}

void inbox_end(struct inbox *in, struct slice reason)
{
    struct node_self self = in->self;
    struct etf_pid pid = node_pid(self);

    if (in->is_kept)
        inbox_event_exit(in, &pid, etf_rd_of(reason, NULL));
    if (in->stream)
        http_stream_end(in->g->http, in->stream);
    detach(in);
    node_exit_self(self, reason);
}

void inbox_drop(struct inbox *in)
{
    struct node_self self = in->self;

    if (in->stream)
        http_stream_drop(in->g->http, in->stream);
    detach(in);
    node_exit_self(self, REASON_NORMAL);
}

void inboxes_stop(struct gateway *g)
{
    uint32_t cursor = 0;
    struct inbox *in;

    while ((in = idtab_next(&g->inboxes, &cursor))) {
        struct node_self self = in->self;

        detach(in);
        node_exit_self(self, REASON_NORMAL);
    }
}

void inbox_stream_gone(struct gateway *g, uint64_t stream, uint64_t id)
{
    struct inbox *in = idtab_get(&g->inboxes, id);

    if (!in || in->stream != stream)
        return;
    in->stream = 0;
    inbox_end(in, REASON_NORMAL);
}

/* ---- time to live ---- */

void inbox_touch(struct inbox *in)
{
    in->used_ms = loop_now_ms(in->g->loop);
}

static uint64_t min(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static bool is_abandoned(const struct inbox *in, uint64_t now_ms)
{
    struct http_stream_info info = {0};
    uint64_t idle_ms = now_ms - in->used_ms;

    if (idle_ms < in->ttl_ms || !http_stream_look(in->g->http, in->stream, &info))
        return false;
    return !info.has_reader && min(idle_ms, info.idle_ms) >= in->ttl_ms;
}

/* {shutdown, ttl}: who is linked to it ends as well, without an error in its log. */
#define REASON_TTL SLICE("\x68\x02\x77\x08shutdown\x77\x03ttl")

void inboxes_sweep(void *ctx, uint64_t id)
{
    struct gateway *g = ctx;
    uint64_t now_ms = loop_now_ms(g->loop);
    uint32_t cursor = 0;
    struct inbox *in;

    (void)id;
    while ((in = idtab_next(&g->inboxes, &cursor))) {
        if (!in->is_kept)
            continue;
        if (is_abandoned(in, now_ms))
            inbox_end(in, REASON_TTL);
        else
            inbox_expire_calls(in, now_ms);
    }
    if (g->kept_inboxes)
        loop_timer_start(g->inbox_timer, INBOX_SWEEP_MS);
}

/* ---- style ---- */

bool inbox_style_of(struct gateway *g, struct http_request *req, struct inbox_style *ret)
{
    struct slice v;

    if (!body_options(g, req, &ret->options))
        return false;
    ret->is_typed = false;
    if (!http_request_query(req, "terms", &v))
        return true;
    ret->is_typed = slice_eq_str(v, "typed");
    if (ret->is_typed || slice_eq_str(v, "plain"))
        return true;
    errors_answer_parameter(g, http_request_id(req), "terms", "terms are \"plain\" or \"typed\" JSON");
    return false;
}

/* ---- events ---- */

void inbox_event_init(struct inbox_event *e, struct inbox *in)
{
    e->inbox = in;
    wr_init(&e->w, INBOX_EVENT_MAX);
}

struct wr *inbox_event_member(struct inbox_event *e, const char *name)
{
    wr_u8(&e->w, e->w.len ? ',' : '{');
    http_json_string(&e->w, slice_of_str(name));
    wr_u8(&e->w, ':');
    return &e->w;
}

void inbox_event_text(struct inbox_event *e, const char *name, struct slice text)
{
    inbox_event_member(e, name);
    http_json_string(&e->w, text);
}

void inbox_write_pid(struct wr *w, const struct etf_pid *pid)
{
    struct wr text;

    wr_init(&text, SIZE_MAX);
    etf_print_pid_text(&text, pid);
    if (wr_ok(&text))
        http_json_string(w, wr_written(&text));
    else
        wr_fail(w, ERR_NOMEM);
    wr_fini(&text);
}

void inbox_event_pid(struct inbox_event *e, const char *name, const struct etf_pid *pid)
{
    inbox_event_member(e, name);
    inbox_write_pid(&e->w, pid);
}

void inbox_event_bool(struct inbox_event *e, const char *name, bool value)
{
    inbox_event_member(e, name);
    wr_str(&e->w, value ? "true" : "false");
}

/* g is NULL once it has been detached. */
static void count_term(struct gateway *g, size_t text, size_t term)
{
    if (!g)
        return;
    g->metrics.text_out += text;
    g->metrics.term_out += term;
}

void inbox_event_term(struct inbox_event *e, const char *name, struct etf_rd term)
{
    size_t before = e->w.len, left = rd_left(&term.rd);
    const struct inbox_style *style = &e->inbox->style;

    inbox_event_member(e, name);
    if (transcode_etf_to_json(&term, &style->options, style->is_typed, &e->w) == ERR_NONE) {
        count_term(e->inbox->g, e->w.len - before, left - rd_left(&term.rd));
        return;
    }
    /* Better an event that says that something is missing than none. */
    e->w.len = before;
    e->w.err = ERR_NONE;
    inbox_event_text(e, "omitted", SLICE("too-large"));
}

/* With --hide-reasons: an atom stands for itself, and so does a shutdown for a reason that is one. */
static struct etf_rd shown_reason(struct etf_rd reason)
{
    static const uint8_t shutdown[] = "w\10shutdown", crashed[] = "w\7crashed";
    struct etf_rd r = reason;

    if (etf_peek(&r) == ETF_KIND_ATOM)
        return reason;
    if (!etf_read_tuple_is(&r, 2) || !etf_read_atom_is(&r, "shutdown"))
        return etf_rd_of(slice_of(crashed, sizeof crashed - 1), NULL);
    return etf_peek(&r) == ETF_KIND_ATOM ? reason : etf_rd_of(slice_of(shutdown, sizeof shutdown - 1), NULL);
}

void inbox_event_reason(struct inbox_event *e, struct etf_rd reason)
{
    bool is_hidden = e->inbox->g && e->inbox->g->config.hides_reasons;

    inbox_event_term(e, "reason", is_hidden ? shown_reason(reason) : reason);
}

void inbox_event_exit(struct inbox *in, const struct etf_pid *from, struct etf_rd reason)
{
    struct inbox_event e;

    inbox_event_init(&e, in);
    inbox_event_pid(&e, "from", from);
    inbox_event_reason(&e, reason);
    inbox_event_emit(&e, "exit");
}

void inbox_event_emit(struct inbox_event *e, const char *name)
{
    struct inbox *in = e->inbox;

    wr_str(&e->w, e->w.len ? "}" : "{}");
    /* What could not be kept is a gap to its reader: there is nobody else to be told. */
    if (wr_ok(&e->w) && in->stream)
        (void)http_stream_emit(in->g->http, in->stream, name, wr_written(&e->w));
    wr_fini(&e->w);
}
