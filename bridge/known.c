#include "bridge/known.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/wr.h"

/* A new entry; NULL: no memory. */
static struct known *add(struct known_list *l, struct slice name)
{
    struct known *k;

    if (l->has_failed)
        return NULL;
    l->has_failed = true;
    if (l->count == l->cap) {
        size_t cap = l->cap ? 2 * l->cap : 16;
        struct known *at = mem_realloc_array(l->at, cap, sizeof *at);

        if (!at)
            return NULL;
        l->at = at;
        l->cap = cap;
    }
    k = &l->at[l->count];
    *k = (struct known){.name = mem_strndup(name.ptr, name.len), .name_len = name.len};
    if (!k->name)
        return NULL;
    l->count++;
    l->has_failed = false;
    return k;
}

static void add_links(const struct node *n, struct known_list *l)
{
    struct node_peer peer;
    size_t cursor = 0;

    while (node_next_peer(n, &cursor, &peer)) {
        struct known *k;

        if (!peer.is_up && !peer.was_dialled && !peer.in_flight)
            continue; /* without the cookie, anybody says any name */
        k = add(l, peer.name);
        if (!k)
            return;
        k->has_link = true;
        k->peer = peer;
    }
}

static bool is_here(const struct node *n, struct slice name)
{
    struct slice host = node_host(n);

    return name.len > host.len && slice_eq(slice_of(name.ptr + name.len - host.len, host.len), host) &&
           name.ptr[name.len - host.len - 1] == '@';
}

static void add_heard_of(const struct node *n, struct known_list *l)
{
    struct node_known heard;
    size_t cursor = 0;

    while (node_next_known(n, &cursor, &heard)) {
        /* What the embedded EPMD holds is known better, and so are we, and whom we have a link to. */
        bool is_in_epmd = heard.is_in_epmd && !(node_has_embedded_epmd(n) && is_here(n, heard.name)) &&
                          !(heard.is_here && (heard.port == node_dist_port(n) ||
                                              node_is_linked_otherwise(n, heard.name, heard.port)));
        struct known *k = heard.is_configured || is_in_epmd ? add(l, heard.name) : NULL;

        if (!k)
            continue;
        k->is_configured = heard.is_configured;
        k->is_in_epmd = is_in_epmd;
    }
}

static void add_registered(const struct node *n, struct known_list *l)
{
    struct node_epmd_name name;
    const void *cursor = NULL;
    struct wr w;

    wr_init(&w, SIZE_MAX);
    while (node_next_epmd_name(n, &cursor, &name)) {
        struct known *k;

        if (name.is_own)
            continue;
        wr_reset(&w);
        wr_slice(&w, name.name);
        wr_u8(&w, '@');
        wr_slice(&w, node_host(n));
        if (wr_ok(&w) && node_is_linked_otherwise(n, wr_written(&w), name.port))
            continue;
        k = wr_ok(&w) ? add(l, wr_written(&w)) : NULL;
        if (!k)
            break;
        k->is_in_epmd = true;
    }
    wr_fini(&w);
}

static int compare(const void *a, const void *b)
{
    return slice_cmp(known_name(a), known_name(b));
}

/* Entries of one name become one. */
static void merge(struct known_list *l)
{
    size_t kept = 0;

    for (size_t i = 0; i < l->count; i++) {
        struct known *k = &l->at[i], *last = kept ? &l->at[kept - 1] : NULL;

        if (!last || compare(last, k) != 0) {
            l->at[kept++] = *k;
            continue;
        }
        last->is_configured |= k->is_configured;
        last->is_in_epmd |= k->is_in_epmd;
        if (k->has_link) {
            last->has_link = true;
            last->peer = k->peer;
        }
        mem_free(k->name);
    }
    l->count = kept;
}

static void add_required(const char *const *names, struct known_list *l)
{
    struct known *k;

    for (; names && *names && (k = add(l, slice_of_str(*names))); names++)
        k->is_configured = true;
}

void known_gather(const struct node *n, const char *const *required, struct known_list *ret)
{
    *ret = (struct known_list){0};
    add_links(n, ret);
    add_heard_of(n, ret);
    add_registered(n, ret);
    add_required(required, ret);
    if (ret->count)
        qsort(ret->at, ret->count, sizeof *ret->at, compare);
    merge(ret);
}

void known_free(struct known_list *l)
{
    for (size_t i = 0; i < l->count; i++)
        mem_free(l->at[i].name);
    mem_free(l->at);
    *l = (struct known_list){0};
}

const struct known *known_find(const struct known_list *l, struct slice name)
{
    for (size_t i = 0; i < l->count; i++)
        if (slice_eq(known_name(&l->at[i]), name))
            return &l->at[i];
    return NULL;
}
