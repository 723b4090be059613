#include "node/global_msg.h"

/* ---- the lists ---- */

uint32_t global_list_open(struct etf_rd *r)
{
    uint32_t count = 0;

    return etf_read_list(r, &count) ? count : 0;
}

bool global_names_next(struct etf_rd *r, struct global_entry *ret)
{
    *ret = (struct global_entry){0};
    if (!etf_read_tuple_is(r, 3))
        return false;
    ret->name = *r;
    if (!etf_skip(r, NULL) || !etf_read_pid(r, &ret->pid))
        return false;
    ret->method = *r;
    return etf_skip(r, NULL);
}

bool global_ops_next(struct etf_rd *r, struct global_entry *ret)
{
    if (!etf_read_tuple_is(r, 2))
        return false;
    if (etf_read_atom_is(r, "insert"))
        return global_names_next(r, ret);
    *ret = (struct global_entry){.is_delete = true};
    if (!etf_read_atom_is(r, "delete"))
        return false;
    ret->name = *r;
    return etf_skip(r, NULL);
}

bool global_ext_next(struct etf_rd *r, struct global_entry *ret)
{
    *ret = (struct global_entry){0};
    if (!etf_read_tuple_is(r, 3))
        return false;
    ret->name = *r;
    return etf_skip(r, NULL) && etf_read_pid(r, &ret->pid) && etf_read_atom(r, &ret->by_node) &&
           !ret->by_node.is_latin1;
}

/* OTP spells atoms in UTF-8; a name in Latin-1 is that of no node that could be met. */
static bool read_node(struct etf_rd *r, struct slice *ret)
{
    struct etf_atom atom;

    if (!etf_read_atom(r, &atom) || atom.is_latin1)
        return false;
    *ret = atom.text;
    return true;
}

bool global_nodes_next(struct etf_rd *r, struct slice *ret_node, int64_t *ret_vsn)
{
    *ret_vsn = 0;
    if (read_node(r, ret_node))
        return true;
    return etf_read_tuple_is(r, 2) && read_node(r, ret_node) && etf_read_int64(r, ret_vsn) && *ret_vsn >= 0;
}

/* A proper list of what next reads. */
typedef bool next_fn(struct etf_rd *r, struct global_entry *e);

static bool next_node(struct etf_rd *r, struct global_entry *e)
{
    struct slice node;
    int64_t vsn;

    (void)e;
    return global_nodes_next(r, &node, &vsn);
}

static bool read_list(struct etf_rd *r, struct etf_rd *ret, next_fn *next)
{
    struct global_entry e;
    uint32_t count;

    *ret = *r;
    if (etf_read_nil(r))
        return true;
    if (!etf_read_list(r, &count))
        return false;
    while (count-- > 0)
        if (!next(r, &e))
            return false;
    return etf_read_nil(r);
}

/* ---- fields ---- */

/* {Vsn, Tag}, or in times to come a longer tuple. */
static bool read_version(struct etf_rd *r, struct global_msg *m)
{
    uint32_t arity;

    if (!etf_read_tuple(r, &arity) || arity < 2 || !etf_read_int64(r, &m->vsn) ||
        !etf_read_int64(r, &m->his_tag))
        return false;
    for (uint32_t i = 2; i < arity; i++)
        if (!etf_skip(r, NULL))
            return false;
    return true;
}

/* {locker, _, HisKnown, TheLocker}. */
static bool read_locker(struct etf_rd *r, struct global_msg *m)
{
    return etf_read_tuple_is(r, 4) && etf_read_atom_is(r, "locker") && etf_skip(r, NULL) &&
           etf_skip(r, NULL) && etf_read_pid(r, &m->pid);
}

static bool read_bool(struct etf_rd *r, bool *ret)
{
    *ret = etf_read_atom_is(r, "true");
    return *ret || etf_read_atom_is(r, "false");
}

/* {lock, {global, Requester}} among the pairs of a list; there may be none, and no list. */
static bool read_extra(struct etf_rd *r, struct global_msg *m)
{
    struct etf_rd list = *r, pair;
    uint32_t count;

    if (!etf_skip(r, NULL))
        return false;
    count = global_list_open(&list);
    while (count-- > 0) {
        pair = list;
        if (!etf_skip(&list, NULL))
            return false;
        if (etf_read_tuple_is(&pair, 2) && etf_read_atom_is(&pair, "lock") && etf_read_tuple_is(&pair, 2) &&
            etf_read_atom_is(&pair, "global")) {
            m->lock = pair;
            m->has_lock = true;
        }
    }
    return true;
}

static bool read_field(char field, struct etf_rd *r, struct global_msg *m)
{
    switch (field) {
    case 'N': return read_node(r, &m->node);
    case 'M': return read_node(r, &m->other);
    case 'V': return read_version(r, m);
    case 'L': return read_locker(r, m);
    case 'P': return etf_read_pid(r, &m->pid);
    case 'b': return read_bool(r, &m->is_set);
    case 'T': m->has_tag = true; return etf_read_int64(r, &m->tag);
    case 'H': return etf_read_int64(r, &m->his_tag);
    case 'c': return etf_read_int64(r, &m->creation);
    case 'i': return etf_read_int64(r, &m->op);
    case 'n': return read_list(r, &m->names, global_names_next);
    case 'o': return read_list(r, &m->ops, global_ops_next);
    case 'k': return read_list(r, &m->nodes, next_node);
    case 'e': return read_list(r, &m->ext, global_ext_next);
    case 'X': return read_extra(r, m);
    default: return etf_skip(r, NULL);
    }
}

/* A field each letter, as read_field names them; '_': it does not matter. */
static const struct form {
    const char *verb;
    bool is_cast;
    const char *fields;
    enum global_verb means;
} forms[] = {
    {"init_connect", true, "VNL", GLOBAL_INIT_CONNECT},
    {"exchange", true, "Nn_T", GLOBAL_EXCHANGE},
    {"resolved", true, "Nok_eT", GLOBAL_RESOLVED},
    {"new_nodes", true, "NoekX", GLOBAL_NEW_NODES},
    {"in_sync", true, "N_", GLOBAL_IN_SYNC},
    {"lock_set", true, "Pb_", GLOBAL_LOCK_SET},
    {"lock_set", true, "Pb_T", GLOBAL_LOCK_SET},
    {"lock_set", false, "Pb_", GLOBAL_LOCK_SET}, /* to the locker itself: before version 6 */
    {"async_del_name", true, "__", GLOBAL_OBSOLETE},
    {"async_del_lock", true, "__", GLOBAL_OBSOLETE},
    {"lost_connection", false, "NciM", GLOBAL_LOST_CONNECTION},
    {"remove_connection", false, "N", GLOBAL_REMOVE_CONNECTION},
    {"cancel_connect", false, "NT", GLOBAL_CANCEL_CONNECT},
    {"init_connect_ack", false, "NTH", GLOBAL_INIT_CONNECT_ACK},
};

static const struct form *form_of(struct etf_atom verb, uint32_t arity, bool is_cast)
{
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (forms[i].is_cast == is_cast && strlen(forms[i].fields) + 1 == arity &&
            etf_atom_is(verb, forms[i].verb))
            return &forms[i];
    return NULL;
}

bool global_msg_read(struct etf_rd term, struct global_msg *ret)
{
    struct etf_rd r = term;
    struct global_msg m = {0};
    const struct form *f;
    struct etf_atom verb;
    uint32_t arity;
    bool is_cast = etf_read_tuple_is(&r, 2) && etf_read_atom_is(&r, "$gen_cast");

    if (!is_cast)
        r = term;
    if (!etf_read_tuple(&r, &arity) || !etf_read_atom(&r, &verb))
        return false;
    f = form_of(verb, arity, is_cast);
    if (!f)
        return false;
    for (const char *field = f->fields; *field; field++)
        if (!read_field(*field, &r, &m))
            return false;
    m.verb = f->means;
    /* lock_set says who by the pid alone. */
    if (m.verb == GLOBAL_LOCK_SET)
        m.node = m.pid.node.text;
    *ret = m;
    return true;
}
