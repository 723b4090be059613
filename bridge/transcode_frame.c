/* Containers of a term that is being made of JSON: their stack, and what has to be put right at their end. */
#include "base/mem.h"
#include "bridge/transcode_put.h"

/* ---- What grows ---- */

enum err in_out_of_room(struct in *s, const uint8_t *at)
{
    return in_fail(s, s->w->err, at,
                   s->w->err == ERR_NOMEM ? "no memory for the term" : "the term is larger than allowed");
}

bool in_grow_room(struct in *s)
{
    if (s->w->len > IN_OUT_MAX)
        wr_fail(s->w, ERR_TOO_LARGE);
    return wr_room(s->w, IN_ROOM) != NULL;
}

enum err in_grow_frames(struct in *s, const uint8_t *at)
{
    uint32_t cap = s->frame_cap * 2;
    struct in_frame *frames =
        mem_realloc_array(s->frames == s->first_frames ? NULL : s->frames, cap, sizeof *frames);

    if (!frames)
        return in_fail(s, ERR_NOMEM, at, "no memory for so deep a term");
    if (s->frames == s->first_frames)
        memcpy(frames, s->first_frames, sizeof s->first_frames);
    s->frames = frames;
    s->frame_cap = cap;
    return ERR_NONE;
}

enum err in_grow_keys(struct in *s, const uint8_t *at)
{
    uint32_t cap = s->key_cap + s->key_cap / 2;
    uint32_t *keys = mem_realloc_array(s->keys == s->first_keys ? NULL : s->keys, cap, sizeof *keys);

    if (!keys)
        return in_fail(s, ERR_NOMEM, at, "no memory for so many keys");
    if (s->keys == s->first_keys)
        memcpy(keys, s->first_keys, sizeof s->first_keys);
    s->keys = keys;
    s->key_cap = cap;
    return ERR_NONE;
}

enum err in_push_key(struct in *s, uint32_t key, const uint8_t *at)
{
    enum err e;

    if (s->key_count == s->key_cap && (e = in_grow_keys(s, at)) != ERR_NONE)
        return e;
    s->keys[s->key_count++] = key;
    return ERR_NONE;
}

/* ---- Containers at their end ---- */

static bool may_move(struct in *s, size_t bytes)
{
    if (bytes > s->move_budget)
        return false;
    s->move_budget -= bytes;
    return true;
}

static enum err too_much_moving(struct in *s, const uint8_t *at)
{
    return in_fail(s, ERR_TOO_LARGE, at,
                   "too many nested terms of unforeseen form: write $list before $tail, and smaller tuples");
}

/* What stands from `from` on up to `mid` has moved up, and from there to the end of what is written down, by
 * so many bytes: so have the keys in it that are to be copied again. */
static void habit_moved(struct in *s, size_t from, size_t mid, size_t up, size_t down)
{
    for (uint32_t i = 1; i < s->habit.count; i++) {
        uint32_t *at = &s->habit.nodes[i].written;

        if (*at >= mid)
            *at -= (uint32_t)down;
        else if (*at >= from)
            *at += (uint32_t)up;
    }
}

enum err in_close_tuple(struct in *s, struct in_frame *f, uint32_t count, const uint8_t *at)
{
    size_t len = s->w->len - f->at - 2;
    uint8_t *p;

    if (count <= UINT8_MAX) {
        s->w->buf[f->at + 1] = (uint8_t)count;
        return ERR_NONE;
    }
    if (count >= 1u << 24) {
        s->uses |= ETF_USES_HUGE_TUPLE;
        return in_fail(s, ERR_PEER_UNSUPPORTED, at, "a tuple has at most 2^24 - 1 elements");
    }
    if (!may_move(s, len))
        return too_much_moving(s, at);
    if (!wr_room(s->w, 3))
        return in_out_of_room(s, at);
    p = s->w->buf + f->at;
    memmove(p + 5, p + 2, len);
    habit_moved(s, f->at, s->w->len, 3, 0);
    p[0] = ETF_LARGE_TUPLE_EXT;
    be_store32(p + 1, count);
    s->w->len += 3;
    return ERR_NONE;
}

enum err in_swap_tail(struct in *s, struct in_frame *f, const uint8_t *at)
{
    uint8_t *p = s->w->buf + f->at;
    size_t tail = f->key - f->at, list = s->w->len - f->key;

    if (!may_move(s, tail + list))
        return too_much_moving(s, at);
    wr_reset(&s->scratch);
    wr_bytes(&s->scratch, tail < list ? p : p + tail, tail < list ? tail : list);
    if (!wr_ok(&s->scratch))
        return in_fail(s, s->scratch.err, at, "no memory for the tail of a list");
    habit_moved(s, f->at, f->key, list, tail);
    if (tail < list) {
        memmove(p, p + tail, list);
        memcpy(p + list, s->scratch.buf, tail);
    } else {
        memmove(p + list, p, tail);
        memcpy(p, s->scratch.buf, list);
    }
    return ERR_NONE;
}
