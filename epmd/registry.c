#include "epmd/registry.h"

#include "base/check.h"
#include "base/mem.h"

enum { DEFAULT_OLD = 1000 };

struct epmd_reg {
    struct epmd_reg *prev, *next;
    struct epmd_entry entry; /* name and extra point to bytes */
    uint32_t counter;        /* its creation, if the node speaks version 6 */
    uint64_t conn;
    bool is_old;
    uint8_t bytes[]; /* name, extra */
};

static void append(struct epmd_reg_list *l, struct epmd_reg *reg)
{
    reg->prev = l->last;
    reg->next = NULL;
    *(l->last ? &l->last->next : &l->first) = reg;
    l->last = reg;
    l->count++;
}

static void prepend(struct epmd_reg_list *l, struct epmd_reg *reg)
{
    reg->prev = NULL;
    reg->next = l->first;
    *(l->first ? &l->first->prev : &l->last) = reg;
    l->first = reg;
    l->count++;
}

static void unlink_from(struct epmd_reg_list *l, struct epmd_reg *reg)
{
    *(reg->prev ? &reg->prev->next : &l->first) = reg->next;
    *(reg->next ? &reg->next->prev : &l->last) = reg->prev;
    l->count--;
}

static void free_all(struct epmd_reg_list *l)
{
    struct epmd_reg *reg;

    while ((reg = l->first)) {
        unlink_from(l, reg);
        mem_free(reg);
    }
}

void epmd_registry_init(struct epmd_registry *r, size_t max_old, uint64_t hash_seed)
{
    *r = (struct epmd_registry){.max_old = max_old ? max_old : DEFAULT_OLD};
    map_init(&r->by_name, hash_seed);
}

void epmd_registry_fini(struct epmd_registry *r)
{
    map_fini(&r->by_name);
    free_all(&r->live);
    free_all(&r->old);
}

static struct epmd_reg *reg_new(const struct epmd_entry *entry, uint64_t conn)
{
    struct epmd_reg *reg = mem_zalloc(sizeof *reg + entry->name.len + entry->extra.len);

    if (!reg)
        return NULL;
    reg->entry = *entry;
    reg->conn = conn;
    memcpy(reg->bytes, entry->name.ptr, entry->name.len);
    reg->entry.name.ptr = reg->bytes;
    if (entry->extra.len)
        memcpy(reg->bytes + entry->name.len, entry->extra.ptr, entry->extra.len);
    reg->entry.extra.ptr = reg->bytes + entry->name.len;
    return reg;
}

static uint32_t next_creation(uint32_t counter)
{
    counter++;
    return counter < EPMD_CREATION_MIN ? EPMD_CREATION_MIN : counter;
}

enum err epmd_registry_begin(struct epmd_registry *r, const struct epmd_entry *entry, uint64_t conn,
                             uint32_t wall_s, struct epmd_reg **ret)
{
    struct epmd_reg *before = map_get(&r->by_name, entry->name), *reg;

    if (before && !before->is_old)
        return ERR_NAME_TAKEN;
    reg = reg_new(entry, conn);
    if (!reg)
        return ERR_NOMEM;
    reg->counter = next_creation(before ? before->counter : wall_s);
    if (map_put(&r->by_name, reg->entry.name, reg) != ERR_NONE) {
        mem_free(reg);
        return ERR_NOMEM;
    }
    if (before) {
        unlink_from(&r->old, before);
        mem_free(before);
    }
    prepend(&r->live, reg);
    *ret = reg;
    return ERR_NONE;
}

void epmd_registry_end(struct epmd_registry *r, struct epmd_reg *reg)
{
    struct epmd_reg *oldest;

    CHECK(!reg->is_old);
    unlink_from(&r->live, reg);
    reg->is_old = true;
    append(&r->old, reg);
    if (r->old.count <= r->max_old)
        return;
    oldest = r->old.first;
    map_remove(&r->by_name, oldest->entry.name);
    unlink_from(&r->old, oldest);
    mem_free(oldest);
}

struct epmd_reg *epmd_registry_find(const struct epmd_registry *r, struct slice name)
{
    struct epmd_reg *reg = map_get(&r->by_name, name);

    return reg && !reg->is_old ? reg : NULL;
}

size_t epmd_registry_count(const struct epmd_registry *r)
{
    return r->live.count;
}

struct epmd_listing epmd_reg_listing(const struct epmd_reg *reg)
{
    return (struct epmd_listing){.entry = reg->entry,
                                 .creation = reg->entry.highest >= 6 ? reg->counter : reg->counter % 3 + 1,
                                 .conn = reg->conn};
}

static bool next_in(const struct epmd_reg_list *l, const struct epmd_reg **cursor, struct epmd_listing *ret)
{
    *cursor = *cursor ? (*cursor)->next : l->first;
    if (*cursor)
        *ret = epmd_reg_listing(*cursor);
    return *cursor;
}

bool epmd_registry_next(const struct epmd_registry *r, const struct epmd_reg **cursor,
                        struct epmd_listing *ret)
{
    return next_in(&r->live, cursor, ret);
}

bool epmd_registry_next_old(const struct epmd_registry *r, const struct epmd_reg **cursor,
                            struct epmd_listing *ret)
{
    return next_in(&r->old, cursor, ret);
}
