#include "dist/header.h"

#include "base/check.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "etf/write.h"

enum {
    FLAG_NEW = 8, /* in an atom's half byte, above the 3 bits of its segment */
    SEGMENT_MASK = 7,
    FLAG_LONG = 1, /* in the half byte after the last atom's: lengths of new atoms take 2 bytes */
    MAX_SHORT = 255,
};

/* Most connections see few atoms: the walk ends behind the last one. */
static void free_texts(struct dist_cached *slots, size_t filled)
{
    for (; filled > 0; slots++) {
        if (slots->text) {
            mem_free(slots->text);
            filled--;
        }
    }
}

/* ---- what the peer sends ---- */

struct dist_cache_in *dist_cache_in_new(void)
{
    return mem_zalloc(sizeof(struct dist_cache_in));
}

static void forget_replaced(struct dist_cache_in *c)
{
    while (c->replaced_count > 0)
        mem_free(c->replaced[--c->replaced_count]);
}

void dist_cache_in_free(struct dist_cache_in *c)
{
    if (!c)
        return;
    forget_replaced(c);
    free_texts(c->slots, c->filled);
    mem_free(c);
}

/* Half byte i of the flags: the lower half of a byte comes first. */
static unsigned half_byte(struct slice flags, size_t i)
{
    return flags.ptr[i / 2] >> (i % 2 * 4) & 15;
}

static enum err read_new_atom(struct dist_cache_in *c, struct dist_cached *slot, struct rd *r, bool is_long)
{
    size_t len = is_long ? rd_be16(r) : rd_u8(r);
    struct slice text = rd_slice(r, len);
    uint8_t *copy;

    if (!rd_ok(r))
        return ERR_MORE;
    if (!etf_is_atom_text(text))
        return ERR_MALFORMED;
    copy = (uint8_t *)mem_strndup(text.ptr, len);
    if (!copy)
        return ERR_NOMEM;
    /* The old text may already have been named by this very header. */
    if (slot->text)
        c->replaced[c->replaced_count++] = slot->text;
    else
        c->filled++;
    *slot = (struct dist_cached){.text = copy, .len = (uint16_t)len};
    if (c->on_new)
        c->on_new(c->ctx, text);
    return ERR_NONE;
}

enum err dist_header_read(struct dist_cache_in *c, struct rd *r)
{
    size_t count = rd_u8(r);
    struct slice flags;
    bool is_long;

    forget_replaced(c);
    c->view = (struct etf_atoms){.at = c->atoms};
    if (count == 0)
        return rd_ok(r) ? ERR_NONE : ERR_MORE; /* no flags either */
    flags = rd_slice(r, count / 2 + 1);
    if (!rd_ok(r))
        return ERR_MORE;
    is_long = half_byte(flags, count) & FLAG_LONG;
    for (size_t i = 0; i < count; i++) {
        unsigned flag = half_byte(flags, i);
        struct dist_cached *slot = &c->slots[(flag & SEGMENT_MASK) << 8 | rd_u8(r)];

        if (flag & FLAG_NEW) {
            enum err e = read_new_atom(c, slot, r, is_long);

            if (e != ERR_NONE)
                return e;
        }
        if (!rd_ok(r))
            return ERR_MORE;
        if (!slot->text)
            return ERR_MALFORMED;
        c->atoms[i] = (struct etf_atom){.text = slice_of(slot->text, slot->len), .is_checked = true};
    }
    c->view.count = (uint32_t)count;
    return ERR_NONE;
}

/* ---- what we send ---- */

struct dist_cache_out *dist_cache_out_new(void)
{
    return mem_zalloc(sizeof(struct dist_cache_out));
}

void dist_cache_out_free(struct dist_cache_out *c)
{
    if (!c)
        return;
    dist_cache_abort(c);
    free_texts(c->slots, c->filled);
    mem_free(c);
}

static bool holds(const struct dist_cached *slot, struct slice text)
{
    return slot->text && slice_eq(slice_of(slot->text, slot->len), text);
}

/* The atom's slot, and whether it stands there. */
static uint16_t slot_of(struct dist_cache_out *c, struct slice text, bool *ret_holds)
{
    uint16_t *guess = &c->guesses[((uintptr_t)text.ptr ^ (uintptr_t)text.ptr >> 6) % DIST_CACHE_GUESSES];
    uint16_t at;

    *ret_holds = true;
    if (*guess && holds(&c->slots[*guess - 1], text))
        return *guess - 1;
    at = map_hash(0, text) % DIST_CACHE_SLOTS;
    *ret_holds = holds(&c->slots[at], text);
    *guess = at + 1;
    return at;
}

/* A new place for the slot, with the text when it is not what the slot holds; -1: full, or no memory. */
static int take_place(struct dist_cache_out *c, uint16_t at, struct slice text, bool is_there)
{
    struct dist_cached fresh = {0};

    if (c->count == DIST_HEADER_MAX_ATOMS)
        return -1;
    if (!is_there) {
        fresh = (struct dist_cached){(uint8_t *)mem_strndup(text.ptr, text.len), (uint16_t)text.len};
        if (!fresh.text)
            return -1;
        c->fresh_bytes += 1 + text.len;
    }
    c->used[c->count].asked = text;
    c->used[c->count].slot = at;
    c->used[c->count].fresh = fresh;
    return (int)c->count++;
}

/* The atom's place in the header, or -1: a full header, a text of more than 255 bytes, a slot that another
 * atom of this same message needs, or no memory. */
static int place_of(struct dist_cache_out *c, struct slice text)
{
    uint16_t at;
    bool is_there;

    if (text.len > MAX_SHORT)
        return -1;
    /* A pid and a reference of one message have the same node, by the same text. */
    for (size_t i = 0; i < c->count; i++) {
        if (c->used[i].asked.ptr == text.ptr && c->used[i].asked.len == text.len)
            return (int)i;
    }
    at = slot_of(c, text, &is_there);
    for (size_t i = 0; i < c->count; i++) {
        if (c->used[i].slot == at) {
            const struct dist_cached *there = c->used[i].fresh.text ? &c->used[i].fresh : &c->slots[at];

            return holds(there, text) ? (int)i : -1;
        }
    }
    return take_place(c, at, text, is_there);
}

void dist_cache_write_atom(struct dist_cache_out *c, struct wr *w, struct etf_atom atom)
{
    int place = -1;
    uint8_t *p;

    if (c && (!atom.is_latin1 || utf8_is_ascii(atom.text)))
        place = place_of(c, atom.text);
    if (place < 0) {
        etf_write_atom_as(w, atom);
        return;
    }
    p = wr_room(w, 2);
    if (!p)
        return;
    p[0] = ETF_ATOM_CACHE_REF;
    p[1] = (uint8_t)place;
    w->len += 2;
}

size_t dist_header_len(const struct dist_cache_out *c)
{
    return c && c->count ? 1 + c->count / 2 + 1 + c->count + c->fresh_bytes : 1;
}

void dist_header_write(const struct dist_cache_out *c, struct wr *w)
{
    size_t count = c ? c->count : 0, len = dist_header_len(c);
    uint8_t *p = wr_room(w, len), *flags;

    if (!p)
        return;
    w->len += len;
    *p++ = (uint8_t)count;
    if (count == 0)
        return;
    flags = p;
    p += count / 2 + 1;
    flags[count / 2] = 0; /* of which no half, or the lower one alone, is an atom's */
    for (size_t i = 0; i < count; i++) {
        const struct dist_cached *fresh = &c->used[i].fresh;
        uint8_t half = (uint8_t)(c->used[i].slot >> 8 | (fresh->text ? FLAG_NEW : 0));

        flags[i / 2] = (uint8_t)(i % 2 ? flags[i / 2] | half << 4 : half);
        *p++ = (uint8_t)c->used[i].slot;
        if (fresh->text) {
            *p++ = (uint8_t)fresh->len;
            memcpy(p, fresh->text, fresh->len);
            p += fresh->len;
        }
    }
    CHECK(p == w->buf + w->len);
}

void dist_cache_commit(struct dist_cache_out *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->count; i++) {
        struct dist_cached *slot = &c->slots[c->used[i].slot];

        if (c->used[i].fresh.text) {
            c->filled += !slot->text;
            mem_free(slot->text);
            *slot = c->used[i].fresh;
        }
    }
    c->count = c->fresh_bytes = 0;
}

void dist_cache_abort(struct dist_cache_out *c)
{
    if (!c)
        return;
    while (c->count > 0)
        mem_free(c->used[--c->count].fresh.text);
    c->fresh_bytes = 0;
}
