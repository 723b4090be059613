/*
 * query: questions to the EPMD of a host, each on a connection of its own, with one deadline for all of it.
 */
#include "base/check.h"
#include "base/idtab.h"
#include "base/mem.h"
#include "epmd/client.h"
#include "loop/stream.h"

enum {
    ROOM = 1024,
    REPLY_MAX = 1 << 20, /* a MiB: NAMES of thousands of nodes with long names */
};

enum kind { LOOKUP, NAMES, ASK };

/*
 * One question: made by ask, in the set's table until `finish` takes it out, calls back and frees it.
 *
 *   dialling --connected--> asking --(reply whole, or its end)--> finish
 */
struct query {
    struct epmd_queries *set; /* borrowed */
    uint64_t handle;
    enum kind kind;
    struct loop_timer *timer; /* owned: the deadline of it all */
    uint64_t dial;
    struct loop_stream *stream; /* owned */
    struct wr request, reply;
    size_t sent;
    bool is_here; /* the EPMD runs on this machine */
    union {
        epmd_found_fn *found;
        epmd_listed_fn *listed;
        epmd_answered_fn *answered;
    } fn;
    void *ctx; /* borrowed */
    uint64_t id;
};

struct epmd_queries {
    struct loop *loop;    /* borrowed */
    struct idtab queries; /* struct query, owned */
};

static void query_free(struct query *q)
{
    if (!q)
        return;
    loop_dial_cancel(q->set->loop, q->dial);
    loop_stream_close(q->stream);
    loop_timer_free(q->timer);
    wr_fini(&q->request);
    wr_fini(&q->reply);
    mem_free(q);
}

/* ---- the ends ---- */

static void tell_found(struct query *q, enum err e)
{
    struct epmd_entry entry;

    if (e == ERR_NONE)
        e = epmd_port2_reply_read(wr_written(&q->reply), &entry);
    /* Still not whole, and the connection has ended. */
    if (e == ERR_MORE)
        e = ERR_MALFORMED;
    q->fn.found(q->ctx, q->id, e, e == ERR_NONE ? &entry : NULL);
}

/* How many lines, or how the reply is wrong; fills names, if there is room to. */
static enum err read_names(struct slice reply, struct epmd_name *names, size_t *ret_count)
{
    struct rd r = rd_of(reply);
    struct epmd_name name;
    uint32_t epmd_port;
    size_t count = 0;

    if (epmd_names_reply_read(&r, &epmd_port) != ERR_NONE)
        return ERR_MALFORMED;
    while (epmd_names_reply_next(&r, &name)) {
        if (names)
            names[count] = name;
        count++;
    }
    *ret_count = count;
    return rd_ok(&r) ? ERR_NONE : ERR_MALFORMED;
}

static void tell_listed(struct query *q, enum err e)
{
    struct epmd_name *names = NULL;
    size_t count = 0;

    if (e == ERR_NONE)
        e = read_names(wr_written(&q->reply), NULL, &count);
    if (e == ERR_NONE) {
        names = mem_realloc_array(NULL, count ? count : 1, sizeof *names);
        e = names ? read_names(wr_written(&q->reply), names, &count) : ERR_NOMEM;
    }
    q->fn.listed(q->ctx, q->id, e, e == ERR_NONE ? names : NULL, e == ERR_NONE ? count : 0, q->is_here);
    mem_free(names);
}

/* Out of the table first: whatever the callback does, this query is over. */
static void finish(struct query *q, enum err e)
{
    idtab_remove(&q->set->queries, q->handle);
    switch (q->kind) {
    case LOOKUP: tell_found(q, e); break;
    case NAMES: tell_listed(q, e); break;
    case ASK: q->fn.answered(q->ctx, q->id, e, wr_written(&q->reply)); break;
    }
    query_free(q);
}

/* ---- the connection ---- */

static uint8_t *room(void *ctx, size_t *ret_len)
{
    struct query *q = ctx;
    uint8_t *p = wr_room(&q->reply, ROOM);

    *ret_len = p ? ROOM : 0;
    return p;
}

static void received(void *ctx, size_t n)
{
    struct query *q = ctx;
    struct epmd_entry entry;

    q->reply.len += n;
    /* A PORT2 reply says where it ends; the other replies end with the connection. */
    if (q->kind == LOOKUP && epmd_port2_reply_read(wr_written(&q->reply), &entry) != ERR_MORE)
        finish(q, ERR_NONE);
}

static void ended(void *ctx, enum err e)
{
    struct query *q = ctx;

    if (e == ERR_NOMEM) /* no room, by our own ceiling or the machine's */
        finish(q, q->reply.err == ERR_TOO_LARGE ? ERR_TOO_LARGE : ERR_NOMEM);
    else
        finish(q, ERR_NONE);
}

static void writable(void *ctx)
{
    struct query *q = ctx;
    struct slice request = wr_written(&q->request);
    size_t taken = 0;

    if (loop_stream_write(q->stream, slice_of(request.ptr + q->sent, request.len - q->sent), &taken) !=
        ERR_NONE) {
        finish(q, ERR_NO_CONNECTION);
        return;
    }
    q->sent += taken;
}

static const struct loop_stream_ops ops = {
    .room = room, .received = received, .writable = writable, .ended = ended};

static void dialled(void *ctx, uint64_t handle, struct loop_stream *s, enum err e)
{
    struct query *q = idtab_get(&((struct epmd_queries *)ctx)->queries, handle);

    CHECK(q); /* the dial is cancelled with its query */
    q->dial = 0;
    if (!s) {
        finish(q, e);
        return;
    }
    q->stream = s;
    q->is_here = loop_stream_is_local(s);
    loop_stream_start(s, &ops, q);
    writable(q);
}

static void out_of_time(void *ctx, uint64_t handle)
{
    struct query *q = idtab_get(&((struct epmd_queries *)ctx)->queries, handle);

    if (q)
        finish(q, ERR_TIMEOUT);
}

/* ---- questions ---- */

/* In the table, with its timer running and its dial under way; NULL: nothing was begun. */
static struct query *ask(struct epmd_queries *set, enum kind kind, const char *host, uint16_t epmd_port,
                         const struct epmd_request *request, uint64_t timeout_ms)
{
    struct query *q = mem_zalloc(sizeof *q);

    if (!q)
        return NULL;
    q->set = set;
    q->kind = kind;
    wr_init(&q->request, EPMD_LENGTH_BYTES + EPMD_REQUEST_MAX);
    wr_init(&q->reply, REPLY_MAX);
    epmd_request_write(&q->request, request);
    if (!wr_ok(&q->request))
        goto fail;
    q->handle = idtab_add(&set->queries, q);
    if (!q->handle)
        goto fail;
    q->timer = loop_timer_new(set->loop, out_of_time, set, q->handle);
    if (!q->timer)
        goto fail;
    /* The timer is the one deadline, for dialling and asking together: the dial's own must not come first. */
    q->dial =
        loop_dial(set->loop, host, epmd_port ? epmd_port : EPMD_PORT_NO,
                  timeout_ms < UINT64_MAX - 1000 ? timeout_ms + 1000 : timeout_ms, dialled, set, q->handle);
    if (!q->dial)
        goto fail;
    loop_timer_start(q->timer, timeout_ms);
    return q;
fail:
    idtab_remove(&set->queries, q->handle);
    query_free(q);
    return NULL;
}

uint64_t epmd_lookup(struct epmd_queries *set, const char *host, uint16_t epmd_port, struct slice alive_name,
                     uint64_t timeout_ms, epmd_found_fn *fn, void *ctx, uint64_t id)
{
    struct epmd_request request = {.tag = EPMD_PORT2_REQ, .entry = {.name = alive_name}};
    struct query *q =
        epmd_name_is_valid(alive_name) ? ask(set, LOOKUP, host, epmd_port, &request, timeout_ms) : NULL;

    if (!q)
        return 0;
    q->fn.found = fn;
    q->ctx = ctx;
    q->id = id;
    return q->handle;
}

uint64_t epmd_names(struct epmd_queries *set, const char *host, uint16_t epmd_port, uint64_t timeout_ms,
                    epmd_listed_fn *fn, void *ctx, uint64_t id)
{
    struct epmd_request request = {.tag = EPMD_NAMES_REQ};
    struct query *q = ask(set, NAMES, host, epmd_port, &request, timeout_ms);

    if (!q)
        return 0;
    q->fn.listed = fn;
    q->ctx = ctx;
    q->id = id;
    return q->handle;
}

uint64_t epmd_ask(struct epmd_queries *set, const char *host, uint16_t epmd_port,
                  const struct epmd_request *request, uint64_t timeout_ms, epmd_answered_fn *fn, void *ctx,
                  uint64_t id)
{
    struct query *q = ask(set, ASK, host, epmd_port, request, timeout_ms);

    if (!q)
        return 0;
    q->fn.answered = fn;
    q->ctx = ctx;
    q->id = id;
    return q->handle;
}

void epmd_query_cancel(struct epmd_queries *set, uint64_t handle)
{
    query_free(idtab_remove(&set->queries, handle));
}

/* ---- the set ---- */

struct epmd_queries *epmd_queries_new(struct loop *l)
{
    struct epmd_queries *set = mem_zalloc(sizeof *set);

    if (!set)
        return NULL;
    set->loop = l;
    idtab_init(&set->queries);
    return set;
}

void epmd_queries_free(struct epmd_queries *set)
{
    uint32_t cursor = 0;
    struct query *q;

    if (!set)
        return;
    while ((q = idtab_next(&set->queries, &cursor))) {
        idtab_remove(&set->queries, q->handle);
        query_free(q);
    }
    idtab_fini(&set->queries);
    mem_free(set);
}

size_t epmd_queries_pending(const struct epmd_queries *set)
{
    return set->queries.count;
}
