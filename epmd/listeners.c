#include "epmd/listeners.h"

#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"

enum { PORT_TRIES = 16 };

static const char *const loopbacks[] = {"127.0.0.1", "::1"};

static bool is_loopback(const char *address)
{
    for (size_t i = 0; i < ARRAY_LEN(loopbacks); i++)
        if (strcmp(address, loopbacks[i]) == 0)
            return true;
    return false;
}

static bool is_all(const char *const *addresses)
{
    return addresses && addresses[0] && addresses[0][0] == '\0';
}

static bool make_room(struct epmd_listeners *ls, size_t count)
{
    ls->all = mem_realloc_array(NULL, count, sizeof(struct loop_listener *));
    return ls->all;
}

static void close_all(struct epmd_listeners *ls)
{
    while (ls->count > 0)
        loop_listener_close(ls->all[--ls->count]);
}

void epmd_listeners_close(struct epmd_listeners *ls)
{
    close_all(ls);
    mem_free(ls->all);
    ls->all = NULL;
}

/* ---- sockets of our own ---- */

/* What is the same for each address. */
struct opening {
    struct epmd_listeners *to;
    struct loop *loop;
    loop_accepted_fn *fn;
    void *ctx;
};

static enum err listen_on(const struct opening *o, const char *address)
{
    struct epmd_listeners *ls = o->to;
    enum err e = loop_listen(o->loop, address, ls->port, o->fn, o->ctx, &ls->all[ls->count]);

    if (e == ERR_NONE)
        ls->port = loop_listener_port(ls->all[ls->count++]);
    return e;
}

/* Is the loopback address one of those that another of the list stands for? */
static bool is_covered(const char *loopback, const char *const *addresses)
{
    bool is_v4 = !strchr(loopback, ':');

    for (; addresses && *addresses; addresses++)
        if (strcmp(*addresses, "::") == 0 || (is_v4 && strcmp(*addresses, "0.0.0.0") == 0))
            return true; /* (:: takes IPv4, too) */
    return false;
}

/* Each address on the same port; port 0 becomes the first one's. */
static enum err listen_on_each(const struct opening *o, const char *const *addresses,
                               const char **ret_address)
{
    enum err e = ERR_NONE;

    if (is_all(addresses)) {
        *ret_address = addresses[0];
        return listen_on(o, addresses[0]);
    }
    for (size_t i = 0; i < ARRAY_LEN(loopbacks); i++) {
        if (is_covered(loopbacks[i], addresses))
            continue;
        *ret_address = loopbacks[i];
        e = listen_on(o, loopbacks[i]);
        /* ERR_IO: the machine has no such address, as one without IPv6; nodes then find us at the other. */
        if (e != ERR_NONE && e != ERR_IO)
            return e;
    }
    for (; addresses && *addresses; addresses++) {
        if (is_loopback(*addresses))
            continue;
        *ret_address = *addresses;
        e = listen_on(o, *addresses);
        if (e != ERR_NONE)
            return e;
    }
    return o->to->count > 0 ? ERR_NONE : e;
}

enum err epmd_listeners_open(struct epmd_listeners *ls, struct loop *l, const char *const *addresses,
                             uint16_t port, loop_accepted_fn *fn, void *ctx, const char **ret_address)
{
    struct opening o = {.to = ls, .loop = l, .fn = fn, .ctx = ctx};
    size_t count = ARRAY_LEN(loopbacks);
    enum err e = ERR_NONE;

    for (size_t i = 0; addresses && addresses[i]; i++)
        count++;
    if (!make_room(ls, count))
        return ERR_NOMEM;
    /* A port that is free on one address may be taken on another. */
    for (int i = 0; i < PORT_TRIES; i++) {
        ls->port = port;
        e = listen_on_each(&o, addresses, ret_address);
        if (e != ERR_ADDRESS_IN_USE || port != 0)
            break;
        close_all(ls);
    }
    return e;
}

/* ---- sockets of somebody else's making ---- */

enum err epmd_listeners_take(struct epmd_listeners *ls, struct loop *l, const int *fds, size_t count,
                             loop_accepted_fn *fn, void *ctx)
{
    enum err e = ERR_NONE;

    if (!make_room(ls, count))
        return ERR_NOMEM;
    /* All of them, whatever happens: they are ours now. */
    for (size_t i = 0; i < count; i++) {
        if (e != ERR_NONE) {
            close(fds[i]);
            continue;
        }
        e = loop_listen_fd(l, fds[i], fn, ctx, &ls->all[ls->count]);
        if (e == ERR_NONE && ls->count++ == 0)
            ls->port = loop_listener_port(ls->all[0]);
    }
    return e;
}
