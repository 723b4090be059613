/* The keys of a map, as a validation gathers them: which are a habit, and whether two are equal. */
#include "etf/canon.h"
#include "etf/tag.h"
#include "etf/validate_parts.h"

enum err etf_check_twins(struct etf_validation *v, size_t from)
{
    struct etf_key_bases b = etf_validation_bases(v);
    const struct etf_key *twin;

    if (!etf_keys_find_twin(&v->keys, from, &b, &twin))
        return etf_invalid(v, ERR_NOMEM, rd_offset(&v->r), "");
    return twin ? etf_invalid(v, ERR_DUPLICATE_KEY, twin->source, "this key is in the map already")
                : ERR_NONE;
}

/* Keys that are one term without parts, in canonical form, and of which nobody is told. */
static bool may_be_habit(const struct etf_validation *v, const struct etf_key *key)
{
    switch (v->r.start[key->at]) {
    case ETF_BINARY_EXT:
    case ETF_SMALL_INTEGER_EXT:
    case ETF_INTEGER_EXT: break;
    case ETF_SMALL_ATOM_UTF8_EXT:
        if (!v->rules->on_atom)
            break;
        return false;
    default: return false;
    }
    return !v->is_odd && key->len <= HABIT_BLOCK;
}

/* The keys of the map f up to the node `last` are needed one by one after all. */
static bool gather_habit(struct etf_validation *v, unsigned last)
{
    struct etf_key_bases b = etf_validation_bases(v);
    uint8_t way[HABIT_NODES];
    unsigned n = 0;

    do
        way[n++] = (uint8_t)last;
    while (!v->habit.nodes[last].is_first && (last = v->habit.nodes[last].before, true));
    while (n) {
        const struct habit_node *node = &v->habit.nodes[way[--n]];
        struct etf_key key = {.at = node->source, .source = node->source, .len = node->len};

        if (!etf_keys_push(&v->keys, key, &b))
            return false;
    }
    return true;
}

/* The key was read. True when the habit has it: then there is no more to do. */
static bool learn_key(struct etf_validation *v, struct etf_frame *f, const struct etf_key *key,
                      bool *ret_failed)
{
    struct habit_node node = {.source = key->at};
    bool is_first = f->left == f->parts;
    unsigned before = f->habit;

    *ret_failed = false;
    if (before == HABIT_NONE)
        return false;
    node.len = (uint8_t)key->len;
    f->habit = HABIT_NONE;
    if (may_be_habit(v, key))
        f->habit = (uint8_t)habit_learn(&v->habit, before, is_first, node, v->r.start);
    if (f->habit != HABIT_NONE)
        return true;
    *ret_failed = !is_first && !gather_habit(v, before);
    return false;
}

enum err etf_check_key(struct etf_validation *v, struct etf_frame *f)
{
    struct etf_key key = {
        .at = (uint32_t)f->at, .source = (uint32_t)f->at, .len = (uint32_t)(rd_offset(&v->r) - f->at)};
    struct etf_key_bases b;
    bool has_failed;
    enum err e;

    v->in_key = false;
    if (learn_key(v, f, &key, &has_failed))
        return ERR_NONE;
    if (UNLIKELY(has_failed))
        return etf_invalid(v, ERR_NOMEM, f->at, "");
    if (UNLIKELY(v->is_odd)) {
        struct rd r = {.pos = v->r.start + f->at, .end = v->r.pos, .start = v->r.start};

        key.at = (uint32_t)v->scratch.len;
        key.is_scratch = 1;
        e = etf_canon(&v->scratch, &r, v->atoms, ETF_CANON_KEY, &v->budget, v->fault);
        if (e == ERR_TOO_LARGE)
            return etf_invalid(v, e, f->at,
                               "maps in this key are nested too deep, and too large, to be compared");
        TRY(e);
        if (v->scratch.len > ETF_CANON_MAX_BYTES)
            return etf_invalid(v, ERR_TOO_LARGE, f->at, "the keys of this map are too large");
        key.len = (uint32_t)(v->scratch.len - key.at);
    }
    b = etf_validation_bases(v);
    if (UNLIKELY(!etf_keys_push(&v->keys, key, &b)))
        return etf_invalid(v, ERR_NOMEM, f->at, "");
    if (UNLIKELY(v->keys.count - f->keys == f->next_check)) {
        f->next_check *= 2;
        return etf_check_twins(v, f->keys);
    }
    return ERR_NONE;
}
