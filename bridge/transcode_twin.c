/* Maps with two equal keys are refused: no BEAM takes them, and most drop the link. */
#include "base/check.h"
#include "bridge/transcode_in.h"
#include "bridge/transcode_keys.h"

/* ---- Where in the text is the member that was found? Its container has been read, so it is known to be JSON
 * ---- */

static const uint8_t *skip_string(const uint8_t *p)
{
    while (*p != '"')
        p += *p == '\\' ? 2 : 1;
    return p + 1;
}

/* p: where the container begins. */
static const uint8_t *find_member(const uint8_t *p, uint32_t index)
{
    unsigned depth = 0;

    for (;;) {
        if (*p == '"') {
            p = skip_string(p + 1);
            continue;
        }
        if (*p == '{' || *p == '[')
            depth++;
        if (*p == '}' || *p == ']')
            depth--;
        if (depth == 1 && (*p == ',' || *p == '{' || *p == '[') && index-- == 0) {
            for (p++; *p == ' ' || *p == '\t' || *p == '\r' || *p == '\n';)
                p++;
            return p;
        }
        p++;
    }
}

/* ---- Keys whose bytes are equal exactly when they are ---- */

struct view {
    const uint8_t *out;
    const uint32_t *keys; /* of objects: where each stands; of pairs: where each starts and ends */
};

static struct slice object_key(const void *ctx, uint32_t i)
{
    const struct view *v = ctx;

    return in_key_text(v->out + v->keys[i]);
}

static struct slice pair_key(const void *ctx, uint32_t i)
{
    const struct view *v = ctx;
    const uint32_t *k = v->keys + 2 * (size_t)i;

    return slice_of(v->out + k[0], k[1] - k[0]);
}

/* Of the kinds that keys mostly are, in the one form that those have. ($etf may have brought another.) */
static bool is_simple(struct slice key)
{
    switch (key.ptr[0]) {
    case ETF_BINARY_EXT:
    case ETF_SMALL_INTEGER_EXT:
    case ETF_SMALL_ATOM_UTF8_EXT: return true;
    case ETF_INTEGER_EXT: return key.ptr[1] || key.ptr[2] || key.ptr[3];
    default: return false;
    }
}

static bool are_simple(const struct view *v, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (!is_simple(pair_key(v, i)))
            return false;
    }
    return true;
}

/* ---- Keys of any kind: validation's judgement over a map of them alone ---- */

enum { KEYS_MAX_BYTES = 32 << 20 };

static enum err validate_keys(struct in *s, const struct view *v, uint32_t n, uint32_t *ret_twin)
{
    struct wr *w = &s->scratch;
    struct fault f = {0};
    enum err e;

    wr_reset(w);
    wr_u8(w, ETF_MAP_EXT);
    wr_be32(w, n);
    for (uint32_t i = 0; i < n; i++) {
        wr_slice(w, pair_key(v, i));
        wr_u8(w, ETF_NIL_EXT);
    }
    if (!wr_ok(w))
        return w->err;
    /* Maps that are keys of maps that are keys are looked at again for each. */
    if (w->len > KEYS_MAX_BYTES || w->len > s->key_budget)
        return ERR_TOO_LARGE;
    s->key_budget -= w->len;
    e = etf_validate(wr_written(w), NULL, &(struct etf_rules){.max_depth = s->max_depth + 1}, NULL, &f);
    if (e != ERR_DUPLICATE_KEY)
        return e;
    f.offset -= 5;
    for (*ret_twin = 0; *ret_twin < n - 1 && f.offset > pair_key(v, *ret_twin).len; ++*ret_twin)
        f.offset -= pair_key(v, *ret_twin).len + 1;
    return ERR_NONE;
}

static enum err find_twin(struct in *s, const struct in_frame *f, uint32_t *ret_twin)
{
    bool is_object = f->kind == IN_OBJECT;
    uint32_t n = s->key_count - f->keys;
    struct view v = {s->w->buf, s->keys + f->keys};
    struct keys_source source = {is_object ? object_key : pair_key, &v, is_object ? n : n / 2};

    *ret_twin = UINT32_MAX;
    if (source.count < 2)
        return ERR_NONE;
    if (is_object || are_simple(&v, source.count))
        return keys_find_twin(&source, s->options->seed, ret_twin);
    return validate_keys(s, &v, source.count, ret_twin);
}

enum err twin_check(struct in *s)
{
    struct in_frame *f = &s->frames[s->depth - 1];
    const uint8_t *at = s->start + f->json;
    uint32_t twin;
    enum err e = find_twin(s, f, &twin);

    if (e != ERR_NONE)
        return in_fail(s, e, at,
                       e == ERR_TOO_LARGE ? "the keys of this map are too large to be compared"
                                          : "the keys of this map cannot be compared");
    if (twin == UINT32_MAX)
        return ERR_NONE;
    if (f->kind == IN_OBJECT) {
        f->key = s->keys[f->keys + twin];
    } else {
        f->kind = IN_PAIR_KEY;
        f->count = twin;
    }
    return in_fail(s, ERR_DUPLICATE_KEY, find_member(at, twin), "a key stands twice in this map");
}
