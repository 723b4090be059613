#include "bridge/shares.h"

#include <string.h>

#include "base/check.h"
#include "base/mem.h"

enum { PARTS = 8 };

void shares_init(struct shares *s, uint64_t seed)
{
    map_init(&s->by_name, seed);
}

void shares_fini(struct shares *s)
{
    CHECK(s->by_name.count == 0);
    map_fini(&s->by_name);
}

static struct share *join(struct shares *s, struct slice principal)
{
    struct share *share = map_get(&s->by_name, principal);

    if (share)
        return share;
    share = mem_zalloc(sizeof *share + principal.len);
    if (!share)
        return NULL;
    share->name_len = principal.len;
    memcpy(share->name, principal.ptr, principal.len);
    if (map_put(&s->by_name, principal, share) == ERR_NONE)
        return share;
    mem_free(share);
    return NULL;
}

struct share *shares_enter(struct shares *s, struct slice principal, bool is_process)
{
    struct share *share = join(s, principal);

    if (share) {
        share->streams++;
        share->processes += is_process;
    }
    return share;
}

void shares_leave(struct shares *s, struct share *share, bool is_process)
{
    if (!share)
        return;
    share->processes -= is_process;
    if (--share->streams > 0)
        return;
    map_remove(&s->by_name, slice_of(share->name, share->name_len));
    mem_free(share);
}

static bool allows(size_t all, size_t limit, size_t own)
{
    return all < limit - limit / PARTS || all >= limit || own < limit / PARTS;
}

bool shares_allow_process(const struct shares *s, struct slice principal, size_t all, size_t limit)
{
    const struct share *share = map_get(&s->by_name, principal);

    return allows(all, limit, share ? share->processes : 0);
}

bool shares_allow_stream(const struct shares *s, struct slice principal, size_t all, size_t limit)
{
    const struct share *share = map_get(&s->by_name, principal);

    return allows(all, limit, share ? share->streams : 0);
}
