/* Who has connected and not shown the cookie yet: how many of them there may be, and which make room for
 * more. */
#include "node/internal.h"
#include "node/link_parts.h"

enum {
    UNPROVEN_MAX = 1024, /* connections at once that have not shown the cookie yet */
    UNPROVEN_BUCKET_BITS = 10,
    CROWDED_TELL_MS = 10000,
};

bool link_is_unproven(const struct link *l)
{
    return !l->was_dialled && l->state == LINK_HANDSHAKE;
}

/* Fibonacci hashing, of which the high bits are good; twice, and with a seed, so that nobody falls into
 * another's bucket on purpose. */
static size_t bucket_of(const struct link *l)
{
    uint64_t h = (l->net ^ l->node->hash_seed) * 0x9E3779B97F4A7C15u;

    h = (h ^ h >> 32) * 0x9E3779B97F4A7C15u;
    return (size_t)(h >> (64 - UNPROVEN_BUCKET_BITS));
}

static bool is_silent(const struct link *l)
{
    return dist_conn_stats(l->conn).bytes_in == 0;
}

/* Those of one kind: that have said nothing, or something. */
struct unproven {
    unsigned count, most; /* of one bucket */
    uint16_t buckets[1 << UNPROVEN_BUCKET_BITS];
};

static void count_unproven(const struct node *n, struct unproven ret[2])
{
    const struct link *l;

    for (uint32_t cursor = 0; (l = idtab_next(&n->links, &cursor));) {
        struct unproven *u;
        uint16_t *of;

        if (!link_is_unproven(l))
            continue;
        u = &ret[is_silent(l)];
        of = &u->buckets[bucket_of(l)];
        u->count++;
        u->most = ++*of > u->most ? *of : u->most;
    }
}

/* The oldest of that kind, of the address that most of them come from. */
static struct link *find_victim(const struct node *n, bool silent, const struct unproven *u)
{
    struct link *l, *victim = NULL;

    for (uint32_t cursor = 0; (l = idtab_next(&n->links, &cursor));)
        if (link_is_unproven(l) && is_silent(l) == silent && u->buckets[bucket_of(l)] == u->most &&
            (!victim || dist_conn_deadline(l->conn) < dist_conn_deadline(victim->conn)))
            victim = l;
    return victim;
}

/*
 * Who has the cookie shows it within some round trips, and says something within one. So of those that have
 * not shown it, half may be silent, and half have said something: where there are more, the oldest makes
 * room, of the address that most of them have come from. Whoever opens many and says nothing takes neither
 * descriptors nor the place of those who mean it; to be in their way he has to be quicker than they are, and
 * come from as many addresses as there are places.
 */
void link_make_room(struct node *n)
{
    struct unproven u[2] = {0};
    struct link *victim;
    bool silent;

    if (n->links.count < UNPROVEN_MAX)
        return;
    count_unproven(n, u);
    if (u[0].count + u[1].count < UNPROVEN_MAX)
        return;
    silent = u[true].count > UNPROVEN_MAX / 2;
    victim = find_victim(n, silent, &u[silent]);
    n->crowded_out++;
    if (loop_now_ms(n->loop) - n->crowded_told_ms > CROWDED_TELL_MS || !n->crowded_told_ms) {
        n->crowded_told_ms = loop_now_ms(n->loop);
        LOG(LOG_WARN, "handshakes-crowded", LOG_UINT("crowded_out", n->crowded_out),
            LOG_STR("why", "so many have connected and not shown the cookie that the oldest make room"));
    }
    link_close(victim, ERR_NO_CONNECTION, NULL);
}
