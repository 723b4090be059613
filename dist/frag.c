#include "dist/frag.h"

#include "base/check.h"
#include "base/mem.h"

void dist_seq_free(struct dist_seq *s)
{
    if (!s)
        return;
    wr_fini(&s->data);
    mem_free(s->atoms);
    mem_free(s);
}

void dist_frags_init(struct dist_frags *f, size_t max_held, uint64_t seed)
{
    *f = (struct dist_frags){.max_held = max_held};
    map_init(&f->open, seed);
}

void dist_frags_fini(struct dist_frags *f)
{
    struct dist_seq *s;
    size_t cursor = 0;

    while ((s = map_next(&f->open, &cursor, NULL)))
        dist_seq_free(s);
    map_fini(&f->open);
    f->held = 0;
}

static struct slice key_of(const uint64_t *id)
{
    return slice_of(id, sizeof *id);
}

/* The atoms and their texts in one block. */
static enum err copy_atoms(struct dist_seq *s, const struct etf_atoms *atoms)
{
    size_t size = atoms->count * sizeof *s->atoms, texts = size;
    uint8_t *text;

    if (atoms->count == 0)
        return ERR_NONE;
    for (uint32_t i = 0; i < atoms->count; i++)
        size += atoms->at[i].text.len;
    s->atoms = mem_alloc(size);
    if (!s->atoms)
        return ERR_NOMEM;
    text = (uint8_t *)s->atoms + texts;
    for (uint32_t i = 0; i < atoms->count; i++) {
        struct slice from = atoms->at[i].text;

        if (from.len)
            memcpy(text, from.ptr, from.len);
        s->atoms[i] = (struct etf_atom){.text = slice_of(text, from.len),
                                        .is_latin1 = atoms->at[i].is_latin1,
                                        .is_checked = atoms->at[i].is_checked};
        text += from.len;
    }
    s->view = (struct etf_atoms){.at = s->atoms, .count = atoms->count};
    s->overhead += size;
    return ERR_NONE;
}

static bool fits(const struct dist_frags *f, size_t more)
{
    return more <= f->max_held && f->held <= f->max_held - more;
}

/* From now on what comes of it goes by. */
static enum err cut(struct dist_frags *f, struct dist_seq *s)
{
    struct wr beginning;

    wr_init(&beginning, SIZE_MAX);
    wr_bytes(&beginning, s->data.buf, s->keep);
    if (!wr_ok(&beginning))
        return beginning.err;
    f->held -= s->data.len - s->keep;
    wr_fini(&s->data);
    s->data = beginning;
    s->is_cut = true;
    return ERR_NONE;
}

/* What cutting it would give back. */
static size_t beyond_keep(const struct dist_seq *s)
{
    return s->is_cut || s->data.len < s->keep ? 0 : s->data.len - s->keep;
}

/* NULL: none would give anything back. */
static struct dist_seq *largest(const struct dist_frags *f)
{
    struct dist_seq *s, *ret = NULL;
    size_t cursor = 0;

    while ((s = map_next(&f->open, &cursor, NULL)))
        if (beyond_keep(s) > (ret ? beyond_keep(ret) : 0))
            ret = s;
    return ret;
}

/* Room for so many bytes more, of s: whichever holds the most then is the one that is too much. False: that
 * is s, or there is no memory to cut another. */
static bool make_room(struct dist_frags *f, const struct dist_seq *s, size_t more)
{
    while (!fits(f, more)) {
        struct dist_seq *victim = largest(f);

        if (!victim || victim == s || beyond_keep(victim) <= beyond_keep(s) + more ||
            cut(f, victim) != ERR_NONE)
            return false;
    }
    return true;
}

static enum err append(struct dist_frags *f, struct dist_seq *s, struct slice data)
{
    if (s->is_cut)
        return ERR_NONE;
    if (!make_room(f, s, data.len))
        return cut(f, s);
    wr_slice(&s->data, data);
    if (!wr_ok(&s->data))
        return s->data.err;
    f->held += data.len;
    return ERR_NONE;
}

static enum err fill_first(struct dist_frags *f, struct dist_seq *s, const struct etf_atoms *atoms,
                           struct slice data)
{
    enum err e = copy_atoms(s, atoms);

    if (e != ERR_NONE)
        return e;
    if (!make_room(f, s, s->overhead + data.len)) {
        s->is_cut = true;
        data.len = s->keep;
        if (!make_room(f, s, s->overhead + data.len))
            return ERR_TOO_LARGE;
    }
    wr_slice(&s->data, data);
    e = s->data.err;
    f->held += s->overhead + s->data.len;
    if (e == ERR_NONE)
        e = map_put(&f->open, key_of(&s->id), s);
    if (e != ERR_NONE)
        f->held -= s->overhead + s->data.len;
    return e;
}

enum err dist_frags_first(struct dist_frags *f, uint64_t id, uint64_t count, const struct etf_atoms *atoms,
                          struct slice data, size_t keep)
{
    struct dist_seq *s;
    enum err e;

    CHECK(count > 1 && keep <= data.len);
    if (map_get(&f->open, key_of(&id)))
        return ERR_MALFORMED;
    if (f->open.count >= DIST_FRAG_MAX_SEQUENCES)
        return ERR_TOO_LARGE;
    s = mem_zalloc(sizeof *s);
    if (!s)
        return ERR_NOMEM;
    s->id = id;
    s->next = count - 1;
    s->overhead = sizeof *s;
    s->keep = keep;
    wr_init(&s->data, f->max_held);
    e = fill_first(f, s, atoms, data);
    if (e != ERR_NONE)
        dist_seq_free(s);
    return e;
}

enum err dist_frags_next(struct dist_frags *f, uint64_t id, uint64_t number, struct slice data,
                         struct dist_seq **ret_done)
{
    struct dist_seq *s = map_get(&f->open, key_of(&id));
    enum err e;

    if (!s || number == 0 || number != s->next)
        return ERR_MALFORMED;
    e = append(f, s, data);
    if (e != ERR_NONE)
        return e;
    s->next--;
    *ret_done = NULL;
    if (number > 1)
        return ERR_NONE;
    map_remove(&f->open, key_of(&id));
    f->held -= s->overhead + s->data.len;
    *ret_done = s;
    return ERR_NONE;
}

size_t dist_pieces_len(const struct dist_pieces *p)
{
    size_t len = 0;

    for (size_t i = 0; i < p->count; i++)
        len += p->at[i].len;
    return len - p->offset;
}

void dist_pieces_write(struct dist_pieces *p, struct wr *w, size_t n)
{
    while (n > 0) {
        size_t left, take;

        CHECK(p->count > 0);
        left = p->at[0].len - p->offset;
        take = left < n ? left : n;
        if (take > 0)
            wr_bytes(w, p->at[0].ptr + p->offset, take);
        n -= take;
        p->offset += take;
        if (p->offset == p->at[0].len) {
            p->at++;
            p->count--;
            p->offset = 0;
        }
    }
}
