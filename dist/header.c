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
    if (len > ETF_ATOM_MAX_BYTES || !utf8_is_valid(text) || utf8_count(text) > ETF_ATOM_MAX_CHARS)
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
        c->atoms[i] = (struct etf_atom){.text = slice_of(slot->text, slot->len)};
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

static bool is_ascii(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] >= 0x80)
            return false;
    }
    return true;
}

static bool holds(const struct dist_cached *slot, struct slice text)
{
    return slot->text && slice_eq(slice_of(slot->text, slot->len), text);
}

static uint16_t slot_of(struct dist_cache_out *c, struct slice text)
{
    uint16_t *guess = &c->guesses[((uintptr_t)text.ptr ^ (uintptr_t)text.ptr >> 6) % DIST_CACHE_GUESSES];
    uint16_t at;

    if (*guess && holds(&c->slots[*guess - 1], text))
        return *guess - 1;
    at = map_hash(0, text) % DIST_CACHE_SLOTS;
    *guess = at + 1;
    return at;
}

/* The atom's place in the header, or -1: a full header, a text of more than 255 bytes, a slot that another
 * atom of this same message needs, or no memory. */
static int place_of(struct dist_cache_out *c, struct slice text)
{
    uint16_t at = slot_of(c, text);
    struct dist_cached fresh = {0};

    if (text.len > MAX_SHORT)
        return -1;
    for (size_t i = 0; i < c->count; i++) {
        if (c->used[i].slot == at) {
            const struct dist_cached *there = c->used[i].fresh.text ? &c->used[i].fresh : &c->slots[at];

            return holds(there, text) ? (int)i : -1;
        }
    }
    if (c->count == DIST_HEADER_MAX_ATOMS)
        return -1;
    if (!holds(&c->slots[at], text)) {
        fresh = (struct dist_cached){(uint8_t *)mem_strndup(text.ptr, text.len), (uint16_t)text.len};
        if (!fresh.text)
            return -1;
    }
    c->used[c->count].slot = at;
    c->used[c->count].fresh = fresh;
    return (int)c->count++;
}

void dist_cache_write_atom(struct dist_cache_out *c, struct wr *w, struct etf_atom atom)
{
    int place = -1;

    if (c && (!atom.is_latin1 || is_ascii(atom.text)))
        place = place_of(c, atom.text);
    if (place < 0) {
        etf_write_atom_as(w, atom);
        return;
    }
    wr_u8(w, ETF_ATOM_CACHE_REF);
    wr_u8(w, (uint8_t)place);
}

void dist_header_write(const struct dist_cache_out *c, struct wr *w)
{
    size_t count = c ? c->count : 0, flags_at;
    uint8_t *flags;

    wr_u8(w, (uint8_t)count);
    if (count == 0)
        return;
    flags_at = w->len;
    for (size_t i = 0; i < count / 2 + 1; i++)
        wr_u8(w, 0);
    if (!wr_ok(w))
        return;
    flags = w->buf + flags_at;
    for (size_t i = 0; i < count; i++) {
        unsigned half = c->used[i].slot >> 8 | (c->used[i].fresh.text ? FLAG_NEW : 0);

        flags[i / 2] |= (uint8_t)(half << (i % 2 * 4));
    }
    for (size_t i = 0; i < count; i++) {
        wr_u8(w, (uint8_t)c->used[i].slot);
        if (c->used[i].fresh.text) {
            wr_u8(w, (uint8_t)c->used[i].fresh.len);
            wr_bytes(w, c->used[i].fresh.text, c->used[i].fresh.len);
        }
    }
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
    c->count = 0;
}

void dist_cache_abort(struct dist_cache_out *c)
{
    if (!c)
        return;
    while (c->count > 0)
        mem_free(c->used[--c->count].fresh.text);
}
