/*
 * survey: what the EPMDs of the hosts that we have to do with know, read now and then, so that nodes can
 * still be dialled when EPMD is gone.
 *
 * Each EVERY_MS, and soon after a link has come up; never more often than each AT_LEAST_MS, and of a bounded
 * number of hosts and names at a time.
 */
#include "base/mem.h"
#include "epmd/client.h"
#include "node/internal.h"

enum {
    EVERY_MS = 30000,
    SOON_MS = 500, /* several links often come up together */
    AT_LEAST_MS = 5000,
    HOSTS_AT_ONCE = 32,
    NAMES_A_HOST = 512, /* so that one host does not crowd out what is known of the others */
};

struct survey {
    struct epmd_queries *queries; /* borrowed */
    struct places *places;        /* borrowed */
    struct loop_timer *timer;     /* owned */
    struct idtab questions;       /* struct question: under way */
    size_t cursor;                /* where among the links the next one begins */
    uint64_t last_ms;
    bool is_soon;
};

struct question {
    uint64_t id;
    char host[]; /* of the nodes' names */
};

static void listed(void *ctx, uint64_t id, enum err e, const struct epmd_name *names, size_t count,
                   bool is_here)
{
    struct node *n = ctx;
    struct question *q = n->survey ? idtab_remove(&n->survey->questions, id) : NULL;
    size_t host_len;

    if (!q)
        return;
    host_len = strlen(q->host);
    for (size_t i = 0; e == ERR_NONE && i < count && i < NAMES_A_HOST; i++) {
        char name[EPMD_NAME_BYTES + 1 + 256];
        size_t len = names[i].name.len;
        struct slice full;

        if (len > EPMD_NAME_BYTES || names[i].port == 0)
            continue;
        memcpy(name, names[i].name.ptr, len);
        name[len] = '@';
        memcpy(name + len + 1, q->host, host_len);
        full = slice_of(name, len + 1 + host_len);
        if (slice_eq(full, n->name_slice) || !node_name_is_valid(full))
            continue;
        places_saw(n->survey->places, full, names[i].port, 0, loop_now_ms(n->loop));
        places_are_here(n->survey->places, full, is_here);
    }
    mem_free(q);
}

static void ask(struct node *n, struct slice host)
{
    struct survey *s = n->survey;
    struct question *q;

    if (host.len == 0 || host.len > 255 || s->questions.count >= HOSTS_AT_ONCE)
        return;
    q = mem_zalloc(sizeof *q + host.len + 1);
    if (!q)
        return;
    memcpy(q->host, host.ptr, host.len);
    q->id = idtab_add(&s->questions, q);
    if (q->id &&
        epmd_names(s->queries, epmd_host_for(n, q->host), epmd_port(n), n->connect_ms, listed, n, q->id))
        return;
    idtab_remove(&s->questions, q->id);
    mem_free(q);
}

static bool is_among(const struct slice *hosts, size_t count, struct slice host)
{
    for (size_t i = 0; i < count; i++)
        if (slice_eq(hosts[i], host))
            return true;
    return false;
}

/* Our own host, and those of links that are up, in turn if there are many. */
static size_t gather(const struct node *n, struct slice *hosts)
{
    struct survey *s = n->survey;
    size_t count = 0;

    /* The embedded one knows no more than we do. */
    if (!epmd_is_embedded(n))
        hosts[count++] = n->host;
    for (size_t i = 0; i < n->links_by_name.count && count < HOSTS_AT_ONCE; i++) {
        const struct link *l = map_next(&n->links_by_name, &s->cursor, NULL);
        const char *at = l ? strchr(l->name, '@') : NULL;

        if (!l)
            s->cursor = 0;
        if (!at || l->state != LINK_UP)
            continue;
        if (!is_among(hosts, count, slice_of_str(at + 1)) &&
            !(epmd_is_embedded(n) && slice_eq(slice_of_str(at + 1), n->host)))
            hosts[count++] = slice_of_str(at + 1);
    }
    return count;
}

static void due(void *ctx, uint64_t id)
{
    struct node *n = ctx;
    struct survey *s = n->survey;
    struct slice hosts[HOSTS_AT_ONCE];
    size_t count;

    (void)id;
    s->is_soon = false;
    s->last_ms = loop_now_ms(n->loop);
    loop_timer_start(s->timer, EVERY_MS);
    count = gather(n, hosts);
    for (size_t i = 0; i < count; i++)
        ask(n, hosts[i]);
}

enum err survey_start(struct node *n, struct epmd_queries *queries, struct places *places)
{
    struct survey *s = mem_zalloc(sizeof *s);

    n->survey = s;
    if (!s)
        return ERR_NOMEM;
    s->queries = queries;
    s->places = places;
    idtab_init(&s->questions);
    s->timer = loop_timer_new(n->loop, due, n, 0);
    return s->timer ? ERR_NONE : ERR_NOMEM;
}

void survey_soon(struct node *n)
{
    struct survey *s = n->survey;
    uint64_t since;

    if (!s || s->is_soon)
        return;
    since = loop_now_ms(n->loop) - s->last_ms;
    s->is_soon = true;
    loop_timer_start(s->timer, s->last_ms && since < AT_LEAST_MS - SOON_MS ? AT_LEAST_MS - since : SOON_MS);
}

void survey_stop(struct node *n)
{
    struct survey *s = n->survey;
    uint32_t cursor = 0;
    struct question *q;

    if (!s)
        return;
    while ((q = idtab_next(&s->questions, &cursor))) {
        idtab_remove(&s->questions, q->id);
        mem_free(q);
    }
    idtab_fini(&s->questions);
    loop_timer_free(s->timer);
    mem_free(s);
    n->survey = NULL;
}
