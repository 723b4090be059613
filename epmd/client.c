#include "epmd/client.h"

#include "base/check.h"
#include "base/mem.h"
#include "loop/stream.h"

enum {
    DEFAULT_RETRY_MS = 1000,
    SLOWEST_RETRY = 3, /* times retry_ms */
    DEFAULT_TIMEOUT_MS = 5000,
    REPLY_MAX = 6, /* ALIVE2_X_RESP */
};

/*
 *   WAITING --timer--> DIALLING --connected--> ASKING --creation--> REGISTERED
 *      ^                  |                      |                     |
 *      `---- unreachable -+---- refused, unreachable, out of time -----+-- lost
 */
enum state { WAITING, DIALLING, ASKING, REGISTERED };

struct epmd_client {
    struct loop *loop;        /* borrowed */
    struct loop_timer *timer; /* owned; WAITING: the next attempt, else the deadline of this one */
    char *host;               /* owned */
    uint16_t epmd_port;
    struct wr request; /* the ALIVE2, as it is sent each time */
    size_t sent;
    uint64_t retry_ms, timeout_ms;
    uint64_t failures; /* in a row */
    enum state state;
    uint64_t dial;
    struct loop_stream *stream;   /* owned */
    uint8_t reply[REPLY_MAX + 1]; /* one more, to notice what is too long */
    size_t got;
    epmd_client_fn *event;
    void *ctx; /* borrowed */
};

static void hang_up(struct epmd_client *c)
{
    loop_dial_cancel(c->loop, c->dial);
    c->dial = 0;
    loop_stream_close(c->stream);
    c->stream = NULL;
}

/* The end of an attempt or of a registration, and the next attempt. The client may be gone afterwards. */
static void fall_back(struct epmd_client *c, enum epmd_client_event event, enum err why)
{
    hang_up(c);
    c->state = WAITING;
    if (c->failures < SLOWEST_RETRY)
        c->failures++;
    loop_timer_start(c->timer, c->retry_ms * c->failures);
    c->event(c->ctx, event, 0, why);
}

static void registered(struct epmd_client *c, uint32_t creation)
{
    c->state = REGISTERED;
    c->failures = 0;
    loop_timer_stop(c->timer);
    c->event(c->ctx, EPMD_CLIENT_REGISTERED, creation, ERR_NONE);
}

/* ---- the connection ---- */

static uint8_t *room(void *ctx, size_t *ret_len)
{
    struct epmd_client *c = ctx;

    /* Once registered nothing more is expected; what comes all the same is noticed in `received`. */
    if (c->state == REGISTERED)
        c->got = 0;
    *ret_len = sizeof c->reply - c->got;
    return c->reply + c->got;
}

static void received(void *ctx, size_t n)
{
    struct epmd_client *c = ctx;
    struct epmd_alive2_reply reply;
    enum err e;

    if (c->state == REGISTERED) {
        fall_back(c, EPMD_CLIENT_LOST, ERR_MALFORMED);
        return;
    }
    c->got += n;
    e = epmd_alive2_reply_read(slice_of(c->reply, c->got), &reply);
    if (e == ERR_MORE)
        return;
    if (e != ERR_NONE)
        fall_back(c, EPMD_CLIENT_UNREACHABLE, ERR_MALFORMED);
    else if (reply.result != 0)
        fall_back(c, EPMD_CLIENT_REFUSED, ERR_NAME_TAKEN);
    else
        registered(c, reply.creation);
}

static void ended(void *ctx, enum err e)
{
    struct epmd_client *c = ctx;

    if (c->state == REGISTERED)
        fall_back(c, EPMD_CLIENT_LOST, e);
    else /* it hung up instead of answering: something else than an EPMD, or one that will not have us */
        fall_back(c, EPMD_CLIENT_UNREACHABLE, ERR_MALFORMED);
}

static void writable(void *ctx)
{
    struct epmd_client *c = ctx;
    struct slice request = wr_written(&c->request);
    size_t taken = 0;

    if (loop_stream_write(c->stream, slice_of(request.ptr + c->sent, request.len - c->sent), &taken) !=
        ERR_NONE) {
        fall_back(c, EPMD_CLIENT_UNREACHABLE, ERR_NO_CONNECTION);
        return;
    }
    c->sent += taken;
}

static const struct loop_stream_ops ops = {
    .room = room, .received = received, .writable = writable, .ended = ended};

static void dialled(void *ctx, uint64_t id, struct loop_stream *s, enum err e)
{
    struct epmd_client *c = ctx;

    (void)id;
    c->dial = 0;
    if (!s) {
        fall_back(c, EPMD_CLIENT_UNREACHABLE, e);
        return;
    }
    c->stream = s;
    c->state = ASKING;
    c->got = c->sent = 0;
    loop_stream_start(s, &ops, c);
    writable(c);
}

static void timer_fired(void *ctx, uint64_t id)
{
    struct epmd_client *c = ctx;

    (void)id;
    if (c->state != WAITING) {
        fall_back(c, EPMD_CLIENT_UNREACHABLE, ERR_TIMEOUT);
        return;
    }
    c->state = DIALLING;
    loop_timer_start(c->timer, c->timeout_ms);
    /* The loop's own limit is longer, so that one deadline, ours, covers dialling and asking. */
    c->dial = loop_dial(c->loop, c->host, c->epmd_port, c->timeout_ms * 2, dialled, c, 0);
    if (!c->dial)
        fall_back(c, EPMD_CLIENT_UNREACHABLE, ERR_NOMEM);
}

/* ---- life ---- */

static enum err fill(struct epmd_client *c, const struct epmd_client_config *config)
{
    const char *host = config->host ? config->host : "127.0.0.1";
    struct epmd_request req = {.tag = EPMD_ALIVE2_REQ,
                               .entry = {.name = config->name,
                                         .port = config->port,
                                         .type = (uint8_t)config->type,
                                         .protocol = EPMD_PROTOCOL_TCP_IPV4,
                                         .highest = EPMD_HIGHEST,
                                         .lowest = EPMD_LOWEST}};

    wr_init(&c->request, EPMD_LENGTH_BYTES + EPMD_REQUEST_MAX);
    epmd_request_write(&c->request, &req);
    c->host = mem_strndup(host, strlen(host));
    c->timer = loop_timer_new(c->loop, timer_fired, c, 0);
    return wr_ok(&c->request) && c->host && c->timer ? ERR_NONE : ERR_NOMEM;
}

enum err epmd_client_new(struct loop *l, const struct epmd_client_config *config, struct epmd_client **ret)
{
    struct epmd_client *c;

    if (!epmd_name_is_valid(config->name))
        return ERR_INVALID;
    c = mem_zalloc(sizeof *c);
    if (!c)
        return ERR_NOMEM;
    c->loop = l;
    c->epmd_port = config->epmd_port ? config->epmd_port : EPMD_PORT_NO;
    c->retry_ms = config->retry_ms ? config->retry_ms : DEFAULT_RETRY_MS;
    c->timeout_ms = config->timeout_ms ? config->timeout_ms : DEFAULT_TIMEOUT_MS;
    c->event = config->event;
    c->ctx = config->ctx;
    if (fill(c, config) != ERR_NONE) {
        epmd_client_free(c);
        return ERR_NOMEM;
    }
    loop_timer_start(c->timer, 0);
    *ret = c;
    return ERR_NONE;
}

void epmd_client_free(struct epmd_client *c)
{
    if (!c)
        return;
    hang_up(c);
    loop_timer_free(c->timer);
    wr_fini(&c->request);
    mem_free(c->host);
    mem_free(c);
}

bool epmd_client_is_registered(const struct epmd_client *c)
{
    return c->state == REGISTERED;
}
