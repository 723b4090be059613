#include "dist/handshake.h"

#include "base/check.h"
#include "base/utf8.h"

enum {
    TAG_NAME_5 = 'n', /* also the challenge */
    TAG_NAME_6 = 'N',
    TAG_STATUS = 's',
    TAG_COMPLEMENT = 'c',
    TAG_REPLY = 'r',
    TAG_ACK = 'a',
    VERSION_5 = 5,
    VERSION_6 = 6,
};

static size_t begin(struct wr *w, uint8_t tag)
{
    size_t at = wr_reserve(w, 2);

    wr_u8(w, tag);
    return at;
}

static void end(struct wr *w, size_t at)
{
    wr_patch_be16(w, at, (uint16_t)(w->len - at - 2));
}

/* Everything has been read; what is left over is somebody's mistake. */
static enum err finish(const struct rd *r)
{
    if (!rd_ok(r))
        return r->err;
    return rd_done(r) ? ERR_NONE : ERR_MALFORMED;
}

static struct slice read_name_6(struct rd *r)
{
    uint16_t len = rd_be16(r);
    struct slice name = rd_slice(r, len);

    rd_skip(r, rd_left(r)); /* "any extra data after the node name must be accepted and ignored" */
    return name;
}

void dist_hs_write_name(struct wr *w, const struct dist_hs_name *m)
{
    size_t at = begin(w, m->version == VERSION_6 ? TAG_NAME_6 : TAG_NAME_5);

    if (m->version == VERSION_6) {
        wr_be64(w, m->flags);
        wr_be32(w, m->creation);
        wr_be16(w, (uint16_t)m->name.len);
    } else {
        wr_be16(w, VERSION_5);
        wr_be32(w, (uint32_t)m->flags);
    }
    wr_slice(w, m->name);
    end(w, at);
}

enum err dist_hs_read_name(struct slice body, struct dist_hs_name *ret)
{
    struct rd r = rd_of(body);
    uint8_t tag = rd_u8(&r);
    struct dist_hs_name m = {0};
    enum err e;

    if (tag == TAG_NAME_6) {
        m.version = VERSION_6;
        m.flags = rd_be64(&r);
        m.creation = rd_be32(&r);
        m.name = read_name_6(&r);
    } else if (tag == TAG_NAME_5) {
        m.version = VERSION_5;
        if (rd_be16(&r) != VERSION_5)
            return ERR_UNSUPPORTED;
        m.flags = rd_be32(&r);
        m.name = rd_slice(&r, rd_left(&r));
    } else {
        return ERR_MALFORMED;
    }
    e = finish(&r);
    if (e == ERR_NONE)
        *ret = m;
    return e;
}

static const struct {
    struct slice text;
    enum dist_hs_verdict verdict;
} verdicts[] = {
    {SLICE_LIT("ok"), DIST_HS_OK},       {SLICE_LIT("ok_simultaneous"), DIST_HS_OK_SIMULTANEOUS},
    {SLICE_LIT("nok"), DIST_HS_NOK},     {SLICE_LIT("not_allowed"), DIST_HS_NOT_ALLOWED},
    {SLICE_LIT("alive"), DIST_HS_ALIVE}, {SLICE_LIT("true"), DIST_HS_TRUE},
    {SLICE_LIT("false"), DIST_HS_FALSE},
};
static const struct slice named = SLICE_LIT("named:");

void dist_hs_write_status(struct wr *w, const struct dist_hs_status *m)
{
    size_t at = begin(w, TAG_STATUS);

    if (m->verdict == DIST_HS_NAMED) {
        wr_slice(w, named);
        wr_be16(w, (uint16_t)m->name.len);
        wr_slice(w, m->name);
        wr_be32(w, m->creation);
    }
    for (size_t i = 0; i < ARRAY_LEN(verdicts); i++) {
        if (verdicts[i].verdict == m->verdict)
            wr_slice(w, verdicts[i].text);
    }
    end(w, at);
}

static enum err read_named(struct rd *r, struct dist_hs_status *ret)
{
    struct dist_hs_status m = {.verdict = DIST_HS_NAMED};
    enum err e;

    rd_skip(r, named.len);
    m.name = rd_slice(r, rd_be16(r));
    m.creation = rd_be32(r);
    e = finish(r);
    if (e == ERR_NONE)
        *ret = m;
    return e;
}

enum err dist_hs_read_status(struct slice body, struct dist_hs_status *ret)
{
    struct rd r = rd_of(body);
    struct slice rest;

    if (rd_u8(&r) != TAG_STATUS)
        return ERR_MALFORMED;
    rest = rd_rest(&r);
    if (rest.len >= named.len && memcmp(rest.ptr, named.ptr, named.len) == 0)
        return read_named(&r, ret);
    for (size_t i = 0; i < ARRAY_LEN(verdicts); i++) {
        if (slice_eq(rest, verdicts[i].text)) {
            *ret = (struct dist_hs_status){.verdict = verdicts[i].verdict};
            return ERR_NONE;
        }
    }
    return ERR_MALFORMED;
}

void dist_hs_write_challenge(struct wr *w, const struct dist_hs_challenge *m)
{
    size_t at = begin(w, m->version == VERSION_6 ? TAG_NAME_6 : TAG_NAME_5);

    if (m->version == VERSION_6) {
        wr_be64(w, m->flags);
        wr_be32(w, m->challenge);
        wr_be32(w, m->creation);
        wr_be16(w, (uint16_t)m->name.len);
    } else {
        wr_be16(w, VERSION_5);
        wr_be32(w, (uint32_t)m->flags);
        wr_be32(w, m->challenge);
    }
    wr_slice(w, m->name);
    end(w, at);
}

enum err dist_hs_read_challenge(struct slice body, struct dist_hs_challenge *ret)
{
    struct rd r = rd_of(body);
    uint8_t tag = rd_u8(&r);
    struct dist_hs_challenge m = {0};
    enum err e;

    if (tag == TAG_NAME_6) {
        m.version = VERSION_6;
        m.flags = rd_be64(&r);
        m.challenge = rd_be32(&r);
        m.creation = rd_be32(&r);
        m.name = read_name_6(&r);
    } else if (tag == TAG_NAME_5) {
        m.version = VERSION_5;
        if (rd_be16(&r) != VERSION_5)
            return ERR_UNSUPPORTED;
        m.flags = rd_be32(&r);
        m.challenge = rd_be32(&r);
        m.name = rd_slice(&r, rd_left(&r));
    } else {
        return ERR_MALFORMED;
    }
    e = finish(&r);
    if (e == ERR_NONE)
        *ret = m;
    return e;
}

void dist_hs_write_complement(struct wr *w, const struct dist_hs_complement *m)
{
    size_t at = begin(w, TAG_COMPLEMENT);

    wr_be32(w, m->flags_high);
    wr_be32(w, m->creation);
    end(w, at);
}

enum err dist_hs_read_complement(struct slice body, struct dist_hs_complement *ret)
{
    struct rd r = rd_of(body);
    struct dist_hs_complement m;
    enum err e;

    if (rd_u8(&r) != TAG_COMPLEMENT)
        return ERR_MALFORMED;
    m.flags_high = rd_be32(&r);
    m.creation = rd_be32(&r);
    e = finish(&r);
    if (e == ERR_NONE)
        *ret = m;
    return e;
}

static void read_digest(struct rd *r, uint8_t ret[DIST_DIGEST_LEN])
{
    struct slice s = rd_slice(r, DIST_DIGEST_LEN);

    if (s.len == DIST_DIGEST_LEN)
        memcpy(ret, s.ptr, s.len);
}

void dist_hs_write_reply(struct wr *w, const struct dist_hs_reply *m)
{
    size_t at = begin(w, TAG_REPLY);

    wr_be32(w, m->challenge);
    wr_bytes(w, m->digest, sizeof m->digest);
    end(w, at);
}

enum err dist_hs_read_reply(struct slice body, struct dist_hs_reply *ret)
{
    struct rd r = rd_of(body);
    struct dist_hs_reply m = {0};
    enum err e;

    if (rd_u8(&r) != TAG_REPLY)
        return ERR_MALFORMED;
    m.challenge = rd_be32(&r);
    read_digest(&r, m.digest);
    e = finish(&r);
    if (e == ERR_NONE)
        *ret = m;
    return e;
}

void dist_hs_write_ack(struct wr *w, const struct dist_hs_ack *m)
{
    size_t at = begin(w, TAG_ACK);

    wr_bytes(w, m->digest, sizeof m->digest);
    end(w, at);
}

enum err dist_hs_read_ack(struct slice body, struct dist_hs_ack *ret)
{
    struct rd r = rd_of(body);
    struct dist_hs_ack m = {0};
    enum err e;

    if (rd_u8(&r) != TAG_ACK)
        return ERR_MALFORMED;
    read_digest(&r, m.digest);
    e = finish(&r);
    if (e == ERR_NONE)
        *ret = m;
    return e;
}

static bool is_plain_text(struct slice s)
{
    if (s.len == 0 || s.len > DIST_NAME_MAX_BYTES || !utf8_is_valid(s) || utf8_count(s) > DIST_NAME_MAX_CHARS)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < 0x20 || s.ptr[i] == 0x7f)
            return false;
    }
    return true;
}

bool dist_name_is_plausible(struct slice name)
{
    const uint8_t *at;

    if (!is_plain_text(name))
        return false;
    at = memchr(name.ptr, '@', name.len);
    if (!at || at == name.ptr || at == name.ptr + name.len - 1)
        return false;
    return !memchr(at + 1, '@', (size_t)(name.ptr + name.len - at - 1));
}

bool dist_host_is_plausible(struct slice host)
{
    return is_plain_text(host) && !memchr(host.ptr, '@', host.len);
}
