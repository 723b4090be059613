/* What the loop of transcode_in.c leaves for because it is rare: atoms, the values of tags, and what is
 * wrong. */
#include "base/check.h"
#include "base/mem.h"
#include "bridge/transcode_in.h"
#include "json/scan.h"

enum err in_expected(struct in *s, const uint8_t *at, const char *text)
{
    if (at == s->end)
        return in_fail(s, ERR_MORE, at, "the text ends before the value does");
    return in_fail(s, ERR_MALFORMED, at, text);
}

enum err in_bad_value(struct in *s, const uint8_t *p)
{
    return in_expected(
        s, p, "a value must stand here: it starts with { [ \" - or a digit, or is true, false or null");
}

enum err in_bad_string(struct in *s, const uint8_t *p)
{
    return in_fail(s, p == s->end ? ERR_MORE : ERR_MALFORMED, p, json_string_complaint(p, s->end));
}

enum err in_bad_tag_key(struct in *s, const uint8_t *at, struct slice name)
{
    s->leaf = name;
    if (tag_find(name) != TAG_NONE)
        return in_fail(s, ERR_MALFORMED, at,
                       "a tag stands alone in its object; a plain key that starts with '$' is written as "
                       "{\"$map\": [[key, value], ...]}, or with ?tags=off");
    return in_fail(s, ERR_MALFORMED, at,
                   "no such tag: there are $atom, $tuple, $list with $tail, $map, $binary, $bitstring, "
                   "$charlist, $integer, $float, $pid, $ref, $port, $fun, $erl and $etf; a plain key that "
                   "starts with '$' is written as {\"$map\": [[key, value], ...]}, or with ?tags=off");
}

enum err in_write_atom(struct in *s, struct slice text, bool is_told, const uint8_t *at)
{
    uint8_t *p = wr_room(s->w, text.len + IN_ATOM_HEAD + IN_ROOM);
    enum err e = ERR_NONE;

    if (!p)
        return in_out_of_room(s, at);
    if (is_told && s->options->on_atom)
        e = s->options->on_atom(s->options->ctx, (struct etf_atom){.text = text});
    if (e != ERR_NONE)
        return in_fail(s, e, at, err_text(e));
    if (text.len <= UINT8_MAX) {
        *p++ = ETF_SMALL_ATOM_UTF8_EXT;
    } else {
        *p++ = ETF_ATOM_UTF8_EXT;
        *p++ = (uint8_t)(text.len >> 8);
    }
    *p++ = (uint8_t)text.len;
    memmove(p, text.ptr, text.len);
    s->w->len = (size_t)(p + text.len - s->w->buf);
    return ERR_NONE;
}

enum err in_key_to_atom(struct in *s, uint32_t key, const uint8_t *at)
{
    struct slice text = slice_of(s->w->buf + key + IN_BINARY_HEAD, s->w->len - key - IN_BINARY_HEAD);
    uint8_t copy[ETF_ATOM_MAX_BYTES];

    if (!etf_is_atom_text(text))
        return in_fail(s, ERR_MALFORMED, at, "with keys=atom a key has at most 255 characters");
    memcpy(copy, text.ptr, text.len);
    s->w->len = key;
    return in_write_atom(s, slice_of(copy, text.len), true, at);
}

enum err in_take_text(struct in *s, const uint8_t **pp, struct slice *ret, bool *ret_is_verbatim)
{
    const uint8_t *p = *pp;
    enum json_copied done = JSON_COPY_ROOM;
    size_t size = 0;

    wr_reset(&s->text);
    while (done == JSON_COPY_ROOM) {
        uint8_t *room = wr_room(&s->text, JSON_ROOM), *o = room;

        if (!room)
            return in_fail(s, s->text.err, p, "no memory for a string");
        done = json_copy_string(&p, s->end, &o, s->text.buf + s->text.cap);
        s->text.len += (size_t)(o - room);
    }
    if (done == JSON_COPY_BAD)
        return in_bad_string(s, p);
    size = (size_t)(p - *pp) - 1;
    *ret_is_verbatim = size == s->text.len;
    *ret = *ret_is_verbatim ? slice_of(*pp, size) : wr_written(&s->text);
    *pp = p;
    return ERR_NONE;
}

enum err in_take_leaf_tag(struct in *s, enum tag t, const uint8_t **pp)
{
    const uint8_t *p = *pp, *value = p;
    struct slice text;
    bool is_verbatim;
    enum err e;

    if (t == TAG_FLOAT) {
        e = tag_write_float(s, &p);
    } else if (t == TAG_BITSTRING) {
        e = p == s->end ? in_expected(s, p, "") : tag_write_bitstring(s, &p);
    } else {
        if (p == s->end || *p != '"')
            return in_expected(s, p, "the value of this tag must be a string");
        p++;
        e = in_take_text(s, &p, &text, &is_verbatim);
        if (e == ERR_NONE)
            e = tag_write_text(s, t, text, value, is_verbatim);
    }
    if (e != ERR_NONE)
        return e;
    p = json_skip_space(p, s->end);
    if (p == s->end || *p != '}')
        return in_expected(s, p, "'}' must stand here: a tag is the one key of its object");
    *pp = p + 1;
    return ERR_NONE;
}

enum err in_take_second_key(struct in *s, const uint8_t **pp, enum tag want)
{
    const uint8_t *p = json_skip_space(*pp, s->end), *at;
    struct slice name;
    bool is_verbatim;
    enum err e;

    if (p == s->end || *p != ',')
        return in_expected(s, p, "$list and $tail go together: an improper list has both");
    at = p = json_skip_space(p + 1, s->end);
    if (p == s->end || *p != '"')
        return in_expected(s, p, "a key, in quotes, must stand here");
    p++;
    e = in_take_text(s, &p, &name, &is_verbatim);
    if (e != ERR_NONE)
        return e;
    if (tag_find(name) != want)
        return in_fail(s, ERR_MALFORMED, at,
                       "$list and $tail go together: an improper list has both and no other key");
    p = json_skip_space(p, s->end);
    if (p == s->end || *p != ':')
        return in_expected(s, p, "':' must stand behind a key");
    *pp = json_skip_space(p + 1, s->end);
    return ERR_NONE;
}
