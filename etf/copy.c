/*
 * copy: terms, and what is in them, that must outlive the bytes they came in; and terms that are compared,
 * through the same canonical form.
 */
#include "base/mem.h"
#include "etf/canon.h"
#include "etf/validate.h"
#include "etf/write.h"

enum err etf_copy(struct wr *w, struct etf_rd *r)
{
    struct rd t = r->rd;
    enum err e = etf_canon(w, &t, r->atoms, ETF_CANON_COPY, NULL, NULL);

    if (e == ERR_NONE)
        r->rd = t;
    else
        wr_fail(w, e);
    return e;
}

/* size bytes, and behind them the text that an atom within them has. */
static void *keep(const void *of, size_t size, struct slice text, size_t atom_at)
{
    uint8_t *copy = mem_alloc(size + text.len);
    struct etf_atom *atom;

    if (!copy)
        return NULL;
    memcpy(copy, of, size);
    if (text.len)
        memcpy(copy + size, text.ptr, text.len);
    atom = (struct etf_atom *)(void *)(copy + atom_at);
    atom->text.ptr = copy + size;
    return copy;
}

struct etf_pid *etf_pid_keep(const struct etf_pid *pid)
{
    return keep(pid, sizeof *pid, pid->node.text, offsetof(struct etf_pid, node));
}

struct etf_ref *etf_ref_keep(const struct etf_ref *ref)
{
    return keep(ref, sizeof *ref, ref->node.text, offsetof(struct etf_ref, node));
}

/* Both in canonical form, end to end; ret_split is where the second starts. */
static bool both(struct wr *w, struct slice a, const struct etf_atoms *a_atoms, struct slice b,
                 const struct etf_atoms *b_atoms, enum etf_canon_mode mode, size_t *ret_split)
{
    struct rd r = rd_of(a);

    if (etf_canon(w, &r, a_atoms, mode, NULL, NULL) != ERR_NONE)
        return false;
    *ret_split = w->len;
    r = rd_of(b);
    return etf_canon(w, &r, b_atoms, mode, NULL, NULL) == ERR_NONE;
}

int etf_compare_keys(struct slice a, struct slice b, const struct etf_atoms *atoms)
{
    struct wr w;
    size_t split;
    int c;

    if (slice_eq(a, b))
        return 0;
    wr_init(&w, SIZE_MAX);
    if (both(&w, a, atoms, b, atoms, ETF_CANON_KEY, &split))
        c = slice_cmp(slice_of(w.buf, split), slice_of(w.buf + split, w.len - split));
    else
        c = slice_cmp(a, b);
    wr_fini(&w);
    return c;
}

bool etf_equal(struct slice a, const struct etf_atoms *a_atoms, struct slice b,
               const struct etf_atoms *b_atoms)
{
    struct wr w;
    size_t split;
    bool equal;

    if (a_atoms == b_atoms && slice_eq(a, b))
        return true;
    wr_init(&w, SIZE_MAX);
    equal = both(&w, a, a_atoms, b, b_atoms, ETF_CANON_EQUAL, &split) &&
            slice_eq(slice_of(w.buf, split), slice_of(w.buf + split, w.len - split));
    wr_fini(&w);
    return equal;
}
