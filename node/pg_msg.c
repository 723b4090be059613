#include "node/pg_msg.h"

#include "etf/write.h"

enum { FORM_DISCOVER, FORM_SYNC, FORM_LOCAL_DATA, FORM_JOIN, FORM_LEAVE, FORM_UPDATE };

/* ---- reading ---- */

/* What is done with each pid: nothing while the shape is looked at. */
struct visit {
    pg_msg_fn *each;
    void *ctx;
    size_t seen;      /* pids, whether told or not */
    struct wr group;  /* scratch */
    bool is_left_out; /* that group */
    enum err err;     /* why the last of them was */
};

static void tell(struct visit *v, struct slice group, const struct etf_pid *pid, bool is_add)
{
    v->seen++;
    if (v->each && !v->is_left_out)
        v->each(v->ctx, group, pid, is_add);
}

/* A list's elements are counted by *ret_count, its tail is to follow; false: no list. */
static bool open_list(struct etf_rd *r, uint32_t *ret_count, bool *ret_has_tail)
{
    *ret_count = 0;
    *ret_has_tail = false;
    if (etf_read_nil(r))
        return true;
    *ret_has_tail = true;
    return etf_read_list(r, ret_count);
}

static bool close_list(struct etf_rd *r, bool has_tail)
{
    return !has_tail || etf_read_nil(r);
}

static bool pid_list(struct etf_rd *r, struct visit *v, struct slice group, bool is_add)
{
    struct etf_pid pid;
    uint32_t count;
    bool has_tail;

    if (!open_list(r, &count, &has_tail))
        return false;
    while (count-- > 0) {
        if (!etf_read_pid(r, &pid))
            return false;
        tell(v, group, &pid, is_add);
    }
    return close_list(r, has_tail);
}

static bool pid_or_pids(struct etf_rd *r, struct visit *v, struct slice group, bool is_add)
{
    struct etf_pid pid;

    if (!etf_read_pid(r, &pid))
        return pid_list(r, v, group, is_add);
    tell(v, group, &pid, is_add);
    return true;
}

/* The next term as a group's name; only passed over while nobody is told. Each pid is looked up under it: a
 * name without bounds would cost their product. */
static bool group_name(struct etf_rd *r, struct visit *v, struct slice *ret)
{
    struct etf_rd name = *r;
    struct slice whole;
    enum err e;

    *ret = (struct slice){0};
    if (!etf_skip(r, &whole))
        return false;
    if (!v->each)
        return true;
    wr_reset(&v->group);
    e = whole.len > PG_MAX_GROUP_NAME ? ERR_TOO_LARGE : etf_copy(&v->group, &name);
    v->is_left_out = e != ERR_NONE;
    if (v->is_left_out)
        v->err = e;
    *ret = wr_written(&v->group);
    return true;
}

/* [{Group, Pids}], or [{Group, Add, Remove}]. */
static bool tuples(struct etf_rd *r, struct visit *v, uint32_t arity)
{
    struct slice group;
    uint32_t count;
    bool has_tail;

    if (!open_list(r, &count, &has_tail))
        return false;
    while (count-- > 0) {
        if (!etf_read_tuple_is(r, arity) || !group_name(r, v, &group) || !pid_list(r, v, group, true))
            return false;
        if (arity == 3 && !pid_list(r, v, group, false))
            return false;
    }
    return close_list(r, has_tail);
}

static bool pairs(struct etf_rd *r, struct visit *v)
{
    struct slice group;
    uint32_t count;

    if (!etf_read_map(r, &count))
        return false;
    while (count-- > 0)
        if (!group_name(r, v, &group) || !pid_list(r, v, group, true))
            return false;
    return true;
}

static bool one_join(struct etf_rd *r, struct visit *v)
{
    struct slice group;

    return group_name(r, v, &group) && pid_or_pids(r, v, group, true);
}

/* PidOrPids, then a list of groups, which is STRING_EXT when they are small numbers. A scope names many pids
 * of one group, or many groups of one pid. Many of both would cost their product: they are refused. */
static bool leaves(struct etf_rd *r, struct visit *v)
{
    struct etf_rd pids = *r, again;
    struct visit silent = {0};
    struct slice bytes, group;
    uint32_t count;
    bool has_tail;

    if (!pid_or_pids(r, &silent, (struct slice){0}, false))
        return false;
    if (etf_read_string(r, &bytes)) {
        if (silent.seen > 1 && bytes.len > 1)
            return false;
        for (size_t i = 0; v->each && i < bytes.len; i++) {
            wr_reset(&v->group);
            etf_write_int64(&v->group, bytes.ptr[i]);
            v->is_left_out = !wr_ok(&v->group);
            if (v->is_left_out)
                v->err = v->group.err;
            again = pids;
            (void)pid_or_pids(&again, v, wr_written(&v->group), false);
        }
        return true;
    }
    if (!open_list(r, &count, &has_tail) || (silent.seen > 1 && count > 1))
        return false;
    while (count-- > 0) {
        if (!group_name(r, v, &group))
            return false;
        again = pids;
        if (v->each)
            (void)pid_or_pids(&again, v, group, false);
    }
    return close_list(r, has_tail);
}

static bool walk(const struct pg_msg *m, struct visit *v)
{
    struct etf_rd r = m->body;

    switch (m->form) {
    case FORM_SYNC: return tuples(&r, v, 2);
    case FORM_LOCAL_DATA: return pairs(&r, v);
    case FORM_JOIN: return one_join(&r, v);
    case FORM_LEAVE: return leaves(&r, v);
    case FORM_UPDATE: return tuples(&r, v, 3);
    default: return true;
    }
}

static const struct form {
    const char *verb;
    uint32_t arity;
    enum pg_verb means;
    int form;
    bool has_version;
} forms[] = {
    {"discover", 2, PG_DISCOVER, FORM_DISCOVER, false},
    {"discover", 3, PG_DISCOVER, FORM_DISCOVER, true},
    {"sync", 3, PG_SYNC, FORM_SYNC, false},
    {"local_data", 4, PG_SYNC, FORM_LOCAL_DATA, true},
    {"join", 4, PG_CHANGE, FORM_JOIN, false},
    {"leave", 4, PG_CHANGE, FORM_LEAVE, false},
    {"update", 3, PG_CHANGE, FORM_UPDATE, false},
};

static const struct form *form_of(struct etf_atom verb, uint32_t arity)
{
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (forms[i].arity == arity && etf_atom_is(verb, forms[i].verb))
            return &forms[i];
    return NULL;
}

/* One that is later than ours will be asked to speak ours. */
static bool read_version(struct etf_rd *r, uint32_t *ret)
{
    uint64_t version;

    if (!etf_read_uint64(r, &version))
        return false;
    *ret = version < PG_VERSION ? (uint32_t)version : PG_VERSION;
    return true;
}

bool pg_msg_read(struct etf_rd term, struct pg_msg *ret)
{
    struct etf_rd r = term;
    struct visit silent = {0};
    struct pg_msg m = {0};
    const struct form *f;
    struct etf_atom verb;
    uint32_t arity;

    if (etf_read_tuple_is(&r, 2) && etf_read_atom_is(&r, "$gen_cast"))
        term = r;
    r = term;
    if (!etf_read_tuple(&r, &arity) || !etf_read_atom(&r, &verb) || !etf_read_pid(&r, &m.peer))
        return false;
    f = form_of(verb, arity);
    if (!f || (f->has_version && !read_version(&r, &m.version)))
        return false;
    m.verb = f->means;
    m.form = f->form;
    m.body = r;
    if (!walk(&m, &silent))
        return false;
    *ret = m;
    return true;
}

enum err pg_msg_each(const struct pg_msg *m, pg_msg_fn *each, void *ctx)
{
    struct visit v = {.each = each, .ctx = ctx};

    wr_init(&v.group, PG_MAX_GROUP_NAME);
    if (!walk(m, &v) && v.err == ERR_NONE)
        v.err = ERR_MALFORMED;
    wr_fini(&v.group);
    return v.err;
}

/* ---- writing ---- */

static void begin(struct wr *w, uint32_t arity, const char *verb, const struct etf_pid *self)
{
    etf_write_tuple(w, arity);
    etf_write_atom_str(w, verb);
    etf_write_pid(w, self);
}

static void write_pid_times(struct wr *w, const struct etf_pid *pid, uint32_t times)
{
    if (times > 0)
        etf_write_list(w, times);
    for (uint32_t i = 0; i < times; i++)
        etf_write_pid(w, pid);
    etf_write_nil(w);
}

void pg_msg_write_discover(struct wr *w, const struct etf_pid *self, uint32_t version)
{
    begin(w, version > 0 ? 3 : 2, "discover", self);
    if (version > 0)
        etf_write_int64(w, version);
}

static void write_local_members(struct wr *w, const struct pg_group *g)
{
    etf_write_list(w, (uint32_t)g->local_count);
    for (struct pg_member *m = g->members; m; m = m->next_in_group)
        for (uint32_t i = 0; m->owner->is_local && i < m->times; i++)
            etf_write_pid(w, &m->pid);
    etf_write_nil(w);
}

static uint32_t count_local_groups(const struct pg_view *v)
{
    const struct pg_group *g;
    size_t cursor = 0;
    uint32_t count = 0;

    while ((g = map_next(&v->groups, &cursor, NULL)))
        count += g->local_count > 0;
    return count;
}

void pg_msg_write_sync(struct wr *w, const struct etf_pid *self, uint32_t version, const struct pg_view *v)
{
    uint32_t count = count_local_groups(v);
    const struct pg_group *g;
    size_t cursor = 0;

    etf_write_tuple(w, 2);
    etf_write_atom_str(w, "$gen_cast");
    if (version > 0) {
        begin(w, 4, "local_data", self);
        etf_write_int64(w, version);
        etf_write_map(w, count);
    } else {
        begin(w, 3, "sync", self);
        if (count > 0)
            etf_write_list(w, count);
    }
    while ((g = map_next(&v->groups, &cursor, NULL))) {
        if (g->local_count == 0)
            continue;
        if (version == 0)
            etf_write_tuple(w, 2);
        wr_slice(w, g->name);
        write_local_members(w, g);
    }
    if (version == 0)
        etf_write_nil(w);
}

static void write_update(struct wr *w, struct slice group, const struct etf_pid *pid, uint32_t added,
                         uint32_t removed)
{
    etf_write_tuple(w, 3);
    wr_slice(w, group);
    write_pid_times(w, pid, added);
    write_pid_times(w, pid, removed);
}

void pg_msg_write_change(struct wr *w, const struct etf_pid *self, uint32_t version, bool is_join,
                         struct slice group, const struct etf_pid *pid)
{
    if (version > 0) {
        begin(w, 3, "update", self);
        etf_write_list(w, 1);
        write_update(w, group, pid, is_join, !is_join);
        etf_write_nil(w);
    } else if (is_join) {
        begin(w, 4, "join", self);
        wr_slice(w, group);
        etf_write_pid(w, pid);
    } else {
        begin(w, 4, "leave", self);
        etf_write_pid(w, pid);
        etf_write_list(w, 1);
        wr_slice(w, group);
        etf_write_nil(w);
    }
}

/* Groups, each as often as its owner is in it. */
static uint32_t count_groups(const struct pg_owner *o, bool is_repeated)
{
    uint32_t count = 0;

    for (const struct pg_member *m = o->members; m; m = m->next_of_owner)
        count += is_repeated ? m->times : 1;
    return count;
}

void pg_msg_write_leave_all(struct wr *w, const struct etf_pid *self, uint32_t version,
                            const struct pg_owner *o)
{
    uint32_t count = count_groups(o, version == 0);

    begin(w, version > 0 ? 3 : 4, version > 0 ? "update" : "leave", self);
    if (version == 0)
        etf_write_pid(w, &o->pid);
    if (count > 0)
        etf_write_list(w, count);
    for (const struct pg_member *m = o->members; m; m = m->next_of_owner) {
        if (version > 0)
            write_update(w, m->group->name, &o->pid, 0, m->times);
        for (uint32_t i = 0; version == 0 && i < m->times; i++)
            wr_slice(w, m->group->name);
    }
    etf_write_nil(w);
}
