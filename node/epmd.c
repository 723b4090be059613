/*
 * epmd: how this node is found, and finds others: its registration with an EPMD (one that runs, or the
 * embedded one), and the lookups before a dial.
 *
 * EPMD may be lost at any time. With NODE_EPMD_AUTO we take its place as soon as the port is free; others
 * that do the same find it taken and register with us, and OTP 25 and later come back by themselves. For the
 * rest there is what we remember of where nodes were (node/places.h, node/survey.c).
 */
#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"
#include "epmd/client.h"
#include "epmd/server.h"
#include "node/internal.h"

enum {
    DEFAULT_PORT = 4369,
    ADDRESSES_TEXT_MAX = 512,
    /* Of the time for connecting, what an EPMD may take that is to say where a node is of which we remember
     * it. */
    SHARE_OF_LOOKUP = 4,
    RACES_MAX = 2, /* at the start, for the EPMD's port: then it is something else that has it */
};

struct node_epmd {
    enum node_epmd_mode mode;
    char *host;                   /* owned; where we register; NULL: this machine */
    uint16_t port;                /* of every EPMD */
    char **listen;                /* owned, NULL-terminated: addresses of the embedded one; NULL: all */
    struct epmd_server *server;   /* owned; NULL: not embedded */
    struct epmd_client *client;   /* owned; NULL: registered in the embedded one, or not at all */
    struct epmd_queries *queries; /* owned */
    struct places places;         /* where nodes are dialled without it, or when it does not know them */
    bool was_registered;
    unsigned races, refusals; /* lost, and met, until it had started */
    char why[400];            /* it did not start: a sentence */
};

static void free_list(char **list)
{
    for (char **at = list; at && *at; at++)
        mem_free(*at);
    mem_free(list);
}

static char **copy_list(const char *const *list)
{
    size_t count = 0;
    char **copy;

    while (list[count])
        count++;
    copy = mem_zalloc((count + 1) * sizeof *copy);
    for (size_t i = 0; copy && i < count; i++) {
        copy[i] = mem_strndup(list[i], strlen(list[i]));
        if (!copy[i]) {
            free_list(copy);
            return NULL;
        }
    }
    return copy;
}

enum err epmd_start(struct node *n, const struct node_config *config)
{
    struct node_epmd *e = mem_zalloc(sizeof *e);
    uint64_t seed;

    n->epmd = e;
    if (!e)
        return ERR_NOMEM;
    loop_random(&seed, sizeof seed);
    places_init(&e->places, seed);
    e->mode = n->named_by ? NODE_EPMD_NONE : config->epmd_mode;
    e->port = config->epmd_port ? config->epmd_port : DEFAULT_PORT;
    e->queries = epmd_queries_new(n->loop);
    if (!e->queries)
        return ERR_NOMEM;
    if (config->epmd_mode == NODE_EPMD_EXTERNAL && config->epmd_host &&
        !(e->host = mem_strndup(config->epmd_host, strlen(config->epmd_host))))
        return ERR_NOMEM;
    if (config->epmd_listen && !(e->listen = copy_list(config->epmd_listen)))
        return ERR_NOMEM;
    for (size_t i = 0; i < config->place_count; i++) {
        const struct node_place *p = &config->places[i];

        if (places_fix(&e->places, p->name, p->host, p->port) != ERR_NONE)
            return ERR_NOMEM;
    }
    return survey_start(n, e->queries, &e->places);
}

static struct slice alive_name(const struct node *n)
{
    return slice_of(n->name_slice.ptr, n->name_slice.len - n->host.len - 1);
}

static void note(void *ctx, const struct epmd_note *what)
{
    (void)ctx;
    switch (what->kind) {
    case EPMD_NOTE_REGISTERED:
        LOG(LOG_INFO, "epmd-registered", LOG_SLICE("name", what->name), LOG_UINT("port", what->port),
            LOG_UINT("creation", what->creation));
        break;
    case EPMD_NOTE_UNREGISTERED: LOG(LOG_INFO, "epmd-unregistered", LOG_SLICE("name", what->name)); break;
    case EPMD_NOTE_REFUSED:
        LOG(LOG_WARN, "epmd-refused", LOG_SLICE("name", what->name), LOG_STR("why", what->text));
        break;
    case EPMD_NOTE_FULL: LOG(LOG_WARN, "epmd-full", LOG_UINT("connection", what->conn)); break;
    default: break;
    }
}

/* "*", or with commas between them. */
static const char *list_addresses(const char *const *list, char ret[ADDRESSES_TEXT_MAX])
{
    size_t used = 0;

    ret[0] = '\0';
    for (size_t i = 0; list[i] && used < ADDRESSES_TEXT_MAX; i++)
        used += (size_t)snprintf(ret + used, ADDRESSES_TEXT_MAX - used, "%s%s", i ? "," : "",
                                 list[i][0] ? list[i] : "*");
    return ret;
}

/* Starts the embedded EPMD and enters our own name, without a connection. */
static enum err embed(struct node *n, uint32_t *ret_creation, const char **ret_text)
{
    static const char *const everywhere[] = {"", NULL};
    struct node_epmd *e = n->epmd;
    char text[ADDRESSES_TEXT_MAX];
    const char *address = NULL;
    struct epmd_server_config config = {
        .addresses = e->listen ? (const char *const *)e->listen : everywhere,
        .port = e->port,
        .on_note = note,
    };
    struct epmd_entry self = {
        .name = alive_name(n),
        .port = loop_listener_port(n->listener),
        .type = n->is_visible ? EPMD_TYPE_NORMAL : EPMD_TYPE_HIDDEN,
        .highest = EPMD_HIGHEST,
        .lowest = EPMD_LOWEST,
    };
    enum err err = epmd_server_start(n->loop, &config, &e->server, &address);

    if (err != ERR_NONE) {
        snprintf(e->why, sizeof e->why,
                 err == ERR_ADDRESS_IN_USE ? "the EPMD port %u is in use by something else"
                                           : "the embedded EPMD cannot listen on its address, port %u",
                 e->port);
        *ret_text = e->why;
        return err;
    }
    LOG(LOG_INFO, "epmd-embedded", LOG_UINT("port", epmd_server_port(e->server)),
        LOG_STR("listen", list_addresses(config.addresses, text)));
    err = epmd_server_register(e->server, &self, ret_creation);
    e->was_registered = err == ERR_NONE;
    return err;
}

static void on_event(void *ctx, enum epmd_client_event event, uint32_t creation, enum err why);

static enum err start_client(struct node *n)
{
    struct epmd_client_config config = {
        .host = n->epmd->host,
        .epmd_port = n->epmd->port,
        .name = alive_name(n),
        .port = loop_listener_port(n->listener),
        .type = n->is_visible ? EPMD_TYPE_NORMAL : EPMD_TYPE_HIDDEN,
        .event = on_event,
        .ctx = n,
    };

    return epmd_client_new(n->loop, &config, &n->epmd->client);
}

/*
 * The EPMD is not there, and we may be it. Unless we can, the client goes on asking: somebody else was faster
 * on the port, which is for whoever starts at the same time the usual end, or it is not ours to have.
 */
static void take_over(struct node *n)
{
    struct node_epmd *e = n->epmd;
    uint32_t creation = 0;
    const char *text = NULL;
    enum err err = embed(n, &creation, &text);

    if (err == ERR_NONE) {
        epmd_client_free(e->client);
        e->client = NULL;
        node_registered(n, creation);
    } else if (n->creation == 0 && (err != ERR_ADDRESS_IN_USE || ++e->races > RACES_MAX)) {
        node_start_failed(n, err, text);
    }
}

static const char *unreachable(struct node_epmd *e, enum err why)
{
    const char *host = e->host ? e->host : "localhost";

    if (why == ERR_NO_HOST)
        snprintf(e->why, sizeof e->why, "the name of the EPMD's host, %s, leads to no address", host);
    else
        snprintf(e->why, sizeof e->why,
                 why == ERR_MALFORMED ? "what answers at %s:%u is no EPMD"
                                      : "the EPMD at %s:%u does not answer",
                 host, e->port);
    return e->why;
}

static void on_event(void *ctx, enum epmd_client_event event, uint32_t creation, enum err why)
{
    struct node *n = ctx;

    switch (event) {
    case EPMD_CLIENT_REGISTERED:
        LOG(LOG_INFO, "epmd-registered", LOG_SLICE("name", alive_name(n)), LOG_UINT("creation", creation));
        n->epmd->was_registered = true;
        node_registered(n, creation);
        survey_soon(n);
        break;
    case EPMD_CLIENT_REFUSED:
        /* OTP's EPMD may not have noticed yet that the process which we follow has ended: ask twice. */
        if (n->creation == 0 && ++n->epmd->refusals > 1)
            node_start_failed(n, ERR_NAME_TAKEN, "EPMD has a node of this name already");
        break;
    case EPMD_CLIENT_LOST: LOG(LOG_WARN, "epmd-lost", LOG_STR("error", err_name(why))); break;
    case EPMD_CLIENT_UNREACHABLE:
        if (n->epmd->mode == NODE_EPMD_AUTO && why == ERR_NO_CONNECTION)
            take_over(n);
        else if (n->creation == 0)
            node_start_failed(n, why, unreachable(n->epmd, why));
        break;
    }
}

void epmd_register(struct node *n)
{
    uint32_t creation = 0;
    const char *text = NULL;
    enum err e = ERR_NONE;

    switch (n->epmd->mode) {
    case NODE_EPMD_AUTO:
    case NODE_EPMD_EXTERNAL:
        e = start_client(n);
        if (e != ERR_NONE)
            node_start_failed(n, e, NULL);
        return;
    case NODE_EPMD_EMBEDDED: e = embed(n, &creation, &text); break;
    case NODE_EPMD_NONE:
        creation = node_any_creation();
        n->epmd->was_registered = true;
        break;
    }
    if (e == ERR_NONE)
        node_registered(n, creation);
    else
        node_start_failed(n, e, text);
}

bool node_has_epmd(const struct node *n)
{
    return n->epmd->mode != NODE_EPMD_NONE;
}

bool epmd_is_registered(const struct node *n)
{
    if (n->epmd->client)
        return epmd_client_is_registered(n->epmd->client);
    return n->epmd->was_registered || (n->named_by && n->creation);
}

bool epmd_is_embedded(const struct node *n)
{
    return n->epmd && n->epmd->server;
}

void epmd_quiesce(struct node *n)
{
    survey_stop(n);
    epmd_client_free(n->epmd->client);
    n->epmd->client = NULL;
    n->epmd->was_registered = false;
    if (n->epmd->server)
        epmd_server_unregister(n->epmd->server, alive_name(n));
}

void epmd_free(struct node *n)
{
    struct node_epmd *e = n->epmd;

    if (!e)
        return;
    epmd_client_free(e->client);
    epmd_server_stop(e->server);
    epmd_queries_free(e->queries);
    places_fini(&e->places);
    free_list(e->listen);
    mem_free(e->host);
    mem_free(e);
    n->epmd = NULL;
}

/* ---- lookups ---- */

static void found(void *ctx, uint64_t id, enum err e, const struct epmd_entry *entry)
{
    struct node *n = ctx;
    struct link *l = idtab_get(&n->links, id);
    const struct place *was;

    if (!l)
        return;
    if (e == ERR_NONE) {
        places_saw(&n->epmd->places, slice_of_str(l->name), entry->port, entry->highest,
                   loop_now_ms(n->loop));
        link_found(n, id, link_host(l), entry->port, entry->highest, false);
        return;
    }
    was = places_find(&n->epmd->places, slice_of_str(l->name));
    if (!was) {
        link_not_found(n, id, e);
        return;
    }
    LOG(LOG_INFO, "epmd-remembered", LOG_STR("node", l->name), LOG_UINT("port", was->port),
        LOG_STR("error", err_name(e)));
    link_found(n, id, link_host(l), was->port, was->highest, e == ERR_NO_NODE);
}

const char *epmd_host_for(const struct node *n, const char *host)
{
    /* A node of our own host is known to the EPMD that we register with. */
    return n->epmd->host && slice_eq(slice_of_str(host), n->host) ? n->epmd->host : host;
}

uint16_t epmd_port(const struct node *n)
{
    return n->epmd->port;
}

bool epmd_find(struct node *n, struct link *l)
{
    const struct place *place = places_find(&n->epmd->places, slice_of_str(l->name));
    struct slice alive = slice_of(l->name, (size_t)(link_host(l) - 1 - l->name));

    if (place && place->is_fixed) {
        link_found(n, l->id, place->host, place->port, place->highest, false);
        return true;
    }
    l->lookup = epmd_lookup(n->epmd->queries, epmd_host_for(n, link_host(l)), n->epmd->port, alive,
                            place ? n->connect_ms / SHARE_OF_LOOKUP : n->connect_ms, found, n, l->id);
    return l->lookup != 0;
}

void epmd_find_cancel(struct node *n, uint64_t handle)
{
    if (handle)
        epmd_query_cancel(n->epmd->queries, handle);
}

void epmd_forget(struct node *n, struct slice name)
{
    places_forget(&n->epmd->places, name);
}

/* ---- what is known ---- */

/* What the survey has not found for so long is not there any more: two rounds of it, and some. */
enum { KNOWN_MS = 75000 };

bool node_is_configured(const struct node *n, struct slice name)
{
    const struct place *p = map_get(&n->epmd->places.by_name, name);

    return p && p->is_fixed;
}

bool node_is_linked_otherwise(const struct node *n, struct slice name, uint16_t port)
{
    const uint8_t *at = name.len ? memchr(name.ptr, '@', name.len) : NULL;
    const struct place *place;
    struct slice host;
    size_t cursor = 0;
    struct link *l;

    if (!at)
        return false;
    host = slice_of(at + 1, (size_t)(slice_end(name) - at - 1));
    while ((l = map_next(&n->links_by_name, &cursor, NULL))) {
        place = l->state == LINK_UP ? places_find(&n->epmd->places, slice_of_str(l->name)) : NULL;
        if (place && place->port == port && (place->is_here || slice_eq_str(n->host, link_host(l))) &&
            !slice_eq_str(host, link_host(l)))
            return true;
    }
    return false;
}

bool node_next_known(const struct node *n, size_t *cursor, struct node_known *ret)
{
    struct slice name;
    const struct place *p = map_next(&n->epmd->places.by_name, cursor, &name);

    if (!p)
        return false;
    *ret = (struct node_known){
        .name = name,
        .is_configured = p->is_fixed,
        .is_in_epmd = !p->is_fixed && loop_now_ms(n->loop) - p->seen_ms < KNOWN_MS,
        .is_here = p->is_here,
        .port = p->port,
    };
    return true;
}

bool node_next_epmd_name(const struct node *n, const void **cursor, struct node_epmd_name *ret)
{
    const struct epmd_reg *at = *cursor;
    struct epmd_listing listing;

    if (!n->epmd->server || !epmd_server_next(n->epmd->server, &at, &listing))
        return false;
    *cursor = at;
    *ret = (struct node_epmd_name){
        .name = listing.entry.name,
        .port = listing.entry.port,
        .highest = listing.entry.highest,
        .lowest = listing.entry.lowest,
        .type = listing.entry.type,
        .creation = listing.creation,
        .is_own = listing.conn == 0,
    };
    return true;
}

uint16_t node_epmd_port(const struct node *n)
{
    return n->epmd->port;
}

struct slice node_host(const struct node *n)
{
    return n->host;
}
