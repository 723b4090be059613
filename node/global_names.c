/*
 * global_names: names are entered and taken out, as others say: one at a time, or by the list of operations
 * that comes of a meeting. What terms say is copied: a name is known by its canonical bytes.
 */
#include "etf/write.h"
#include "node/global_state.h"
#include "node/internal.h"

/* The next term, canonical, in w. */
static bool copy_term(struct wr *w, struct etf_rd r)
{
    wr_init(w, GLOBAL_MAX_TEXT);
    return etf_copy(w, &r) == ERR_NONE;
}

void global_enter(struct global *g, const struct global_entry *entry, struct slice by_node,
                  const struct etf_pid *pid, struct slice requester)
{
    struct wr name, method;
    enum err e = ERR_NOMEM;

    wr_init(&method, GLOBAL_MAX_TEXT);
    if (copy_term(&name, entry->name) && copy_term(&method, entry->method)) {
        e = ERR_NONE;
        /* Who took the lock may be gone, and the lock with it: the name would be here alone. */
        if (!global_lock_permits(&g->tab, pid, requester))
            (void)global_tab_delete(&g->tab, wr_written(&name));
        else
            e = global_tab_put(&g->tab, wr_written(&name), &entry->pid, wr_written(&method), by_node);
    }
    if (e != ERR_NONE)
        LOG(LOG_WARN, "name-lost", LOG_STR("error", err_name(e)));
    wr_fini(&name);
    wr_fini(&method);
}

void global_remove(struct global *g, struct etf_rd name)
{
    struct wr text;

    if (copy_term(&text, name))
        (void)global_tab_delete(&g->tab, wr_written(&text));
    wr_fini(&text);
}

/* Bytes of a list of C nodes' names that are gone through for one list of operations: they are few, but both
 * lists are a peer's, and what they cost is their product. */
enum { EXT_BUDGET = 1 << 28 };

/* The node that registered it for a C node; empty: it is registered as usual. */
static struct slice by_node_of(const struct global_entry *entry, struct etf_rd ext, size_t *budget)
{
    size_t all = rd_left(&ext.rd), read;
    uint32_t count = *budget ? global_list_open(&ext) : 0;
    struct slice node = {0};
    struct global_entry x;
    struct wr name, other;

    if (count == 0)
        return node;
    (void)copy_term(&name, entry->name);
    while (count-- > 0 && node.len == 0 && global_ext_next(&ext, &x)) {
        if (!etf_pid_eq(&x.pid, &entry->pid))
            continue;
        if (copy_term(&other, x.name) && slice_eq(wr_written(&name), wr_written(&other)))
            node = x.by_node.text;
        wr_fini(&other);
    }
    wr_fini(&name);
    read = all - rd_left(&ext.rd);
    *budget -= read < *budget ? read : *budget;
    return node;
}

void global_do_ops(struct global *g, struct etf_rd ops, struct etf_rd ext, struct slice requester)
{
    uint32_t count = global_list_open(&ops);
    struct global_entry entry;
    size_t budget = EXT_BUDGET;

    while (count-- > 0 && global_ops_next(&ops, &entry)) {
        if (entry.is_delete)
            global_remove(g, entry.name);
        else
            global_enter(g, &entry, by_node_of(&entry, ext, &budget), NULL, requester);
    }
}
