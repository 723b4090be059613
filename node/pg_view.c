#include "node/pg_view.h"

#include "base/mem.h"

void pg_view_init(struct pg_view *v, uint64_t seed)
{
    *v = (struct pg_view){0};
    map_init(&v->groups, seed);
    map_init(&v->owners, seed + 1);
    map_init(&v->members, seed + 2);
}

static void free_all(struct map *m)
{
    size_t cursor = 0;
    void *it;

    while ((it = map_next(m, &cursor, NULL)))
        mem_free(it);
    map_fini(m);
}

void pg_view_fini(struct pg_view *v)
{
    free_all(&v->members);
    free_all(&v->owners);
    free_all(&v->groups);
}

/* ---- owners ---- */

enum { KEY_MAX = 2 * sizeof(void *) + 3 * sizeof(uint32_t) + ETF_ATOM_MAX_BYTES };

static size_t put(uint8_t *buf, size_t at, const void *from, size_t len)
{
    memcpy(buf + at, from, len);
    return at + len;
}

/* Keys are made without memory: what is in a table can always be taken out. */
static struct slice member_key(uint8_t buf[KEY_MAX], const struct pg_owner *o, const struct pg_group *g,
                               const struct etf_pid *pid)
{
    uint32_t numbers[3] = {pid->id, pid->serial, pid->creation};
    size_t at = put(buf, 0, &o, sizeof o);
    size_t node = pid->node.text.len < ETF_ATOM_MAX_BYTES ? pid->node.text.len : ETF_ATOM_MAX_BYTES;

    at = put(buf, at, &g, sizeof g);
    at = put(buf, at, numbers, sizeof numbers);
    return slice_of(buf, put(buf, at, pid->node.text.ptr, node));
}

static struct slice pid_key(uint8_t buf[KEY_MAX], const struct etf_pid *pid)
{
    return member_key(buf, NULL, NULL, pid);
}

struct pg_owner *pg_owner_get(const struct pg_view *v, const struct etf_pid *pid)
{
    uint8_t buf[KEY_MAX];

    return map_get(&v->owners, pid_key(buf, pid));
}

struct pg_owner *pg_owner_add(struct pg_view *v, const struct etf_pid *pid, bool is_local)
{
    struct pg_owner *o = mem_zalloc(sizeof *o + pid->node.text.len);
    uint8_t buf[KEY_MAX];

    if (o) {
        o->is_local = is_local;
        o->pid = *pid;
        memcpy(o->text, pid->node.text.ptr, pid->node.text.len);
        o->pid.node.text.ptr = o->text;
        if (map_put(&v->owners, pid_key(buf, pid), o) != ERR_NONE) {
            mem_free(o);
            return NULL;
        }
        v->other_owners += !is_local;
    }
    return o;
}

/* ---- groups and members ---- */

struct pg_group *pg_group_get(const struct pg_view *v, struct slice name)
{
    return map_get(&v->groups, name);
}

static struct pg_group *group_of(struct pg_view *v, struct slice name)
{
    struct pg_group *g = pg_group_get(v, name);

    if (g)
        return g;
    g = mem_zalloc(sizeof *g + name.len);
    if (!g)
        return NULL;
    memcpy(g->text, name.ptr, name.len);
    g->name = slice_of(g->text, name.len);
    if (map_put(&v->groups, g->name, g) != ERR_NONE) {
        mem_free(g);
        return NULL;
    }
    return g;
}

static void drop_if_empty(struct pg_view *v, struct pg_group *g)
{
    if (g->members)
        return;
    map_remove(&v->groups, g->name);
    mem_free(g);
}

static struct pg_member *find(const struct pg_view *v, const struct pg_owner *o, const struct pg_group *g,
                              const struct etf_pid *pid)
{
    uint8_t buf[KEY_MAX];

    return map_get(&v->members, member_key(buf, o, g, pid));
}

static struct pg_member *member_new(struct pg_view *v, struct pg_owner *o, struct pg_group *g,
                                    const struct etf_pid *pid)
{
    struct pg_member *m = mem_zalloc(sizeof *m + pid->node.text.len);
    uint8_t buf[KEY_MAX];

    if (m && map_put(&v->members, member_key(buf, o, g, pid), m) == ERR_NONE) {
        m->group = g;
        m->owner = o;
        m->pid = *pid;
        memcpy(m->text, pid->node.text.ptr, pid->node.text.len);
        m->pid.node.text.ptr = m->text;
        m->next_in_group = g->members;
        if (m->next_in_group)
            m->next_in_group->prev_in_group = m;
        g->members = m;
        m->next_of_owner = o->members;
        if (m->next_of_owner)
            m->next_of_owner->prev_of_owner = m;
        o->members = m;
    } else {
        mem_free(m);
        m = NULL;
    }
    return m;
}

/* The one it is, or a new one that is in no times yet. NULL: no memory, or too many. */
static struct pg_member *member_of(struct pg_view *v, struct pg_owner *o, struct slice group,
                                   const struct etf_pid *pid)
{
    struct pg_group *g = group_of(v, group);
    struct pg_member *m = g ? find(v, o, g, pid) : NULL;

    if (g && !m) {
        m = v->members.count < PG_MAX_MEMBERS ? member_new(v, o, g, pid) : NULL;
        if (!m)
            drop_if_empty(v, g);
    }
    return m;
}

static void member_free(struct pg_view *v, struct pg_member *m)
{
    uint8_t buf[KEY_MAX];

    map_remove(&v->members, member_key(buf, m->owner, m->group, &m->pid));
    if (m->prev_in_group)
        m->prev_in_group->next_in_group = m->next_in_group;
    else
        m->group->members = m->next_in_group;
    if (m->next_in_group)
        m->next_in_group->prev_in_group = m->prev_in_group;
    if (m->prev_of_owner)
        m->prev_of_owner->next_of_owner = m->next_of_owner;
    else
        m->owner->members = m->next_of_owner;
    if (m->next_of_owner)
        m->next_of_owner->prev_of_owner = m->prev_of_owner;
    mem_free(m);
}

/* Sets how often it is in, tells of the difference, and drops what is in no more. */
static void set_times(struct pg_view *v, struct pg_member *m, uint32_t times)
{
    struct pg_group *g = m->group;
    int64_t change = (int64_t)times - m->times;

    m->times = times;
    v->count = (size_t)((int64_t)v->count + change);
    g->count = (size_t)((int64_t)g->count + change);
    if (m->owner->is_local)
        g->local_count = (size_t)((int64_t)g->local_count + change);
    if (change && v->changed)
        v->changed(v->ctx, g, &m->pid, change);
    if (times == 0) {
        member_free(v, m);
        drop_if_empty(v, g);
    }
}

/* Why there is no member; count: with repetitions. */
static enum err refusal(const struct pg_view *v, size_t count)
{
    return v->members.count < PG_MAX_MEMBERS && count < PG_MAX_MEMBERS ? ERR_NOMEM : ERR_OVERLOADED;
}

enum err pg_join(struct pg_view *v, struct pg_owner *o, struct slice group, const struct etf_pid *pid)
{
    struct pg_member *m = v->count < PG_MAX_MEMBERS ? member_of(v, o, group, pid) : NULL;

    if (!m)
        return refusal(v, v->count);
    set_times(v, m, m->times + 1);
    return ERR_NONE;
}

bool pg_leave(struct pg_view *v, struct pg_owner *o, struct slice group, const struct etf_pid *pid)
{
    struct pg_group *g = pg_group_get(v, group);
    struct pg_member *m = g ? find(v, o, g, pid) : NULL;

    if (m)
        set_times(v, m, m->times - 1);
    return m != NULL;
}

void pg_owner_drop(struct pg_view *v, struct pg_owner *o)
{
    uint8_t buf[KEY_MAX];

    while (o->members)
        set_times(v, o->members, 0);
    map_remove(&v->owners, pid_key(buf, &o->pid));
    v->other_owners -= !o->is_local;
    mem_free(o);
}

/* ---- sync ---- */

void pg_sync_begin(struct pg_view *v, struct pg_owner *o)
{
    v->fresh = v->count;
    for (struct pg_member *m = o->members; m; m = m->next_of_owner) {
        v->fresh -= m->times;
        m->fresh = 0;
    }
}

enum err pg_sync_fresh(struct pg_view *v, struct pg_owner *o, struct slice group, const struct etf_pid *pid)
{
    struct pg_member *m = v->fresh < PG_MAX_MEMBERS ? member_of(v, o, group, pid) : NULL;

    if (!m)
        return refusal(v, v->fresh);
    m->fresh++;
    v->fresh++;
    return ERR_NONE;
}

void pg_sync_end(struct pg_view *v, struct pg_owner *o)
{
    struct pg_member *next;

    for (struct pg_member *m = o->members; m; m = next) {
        next = m->next_of_owner;
        set_times(v, m, m->fresh);
    }
}
