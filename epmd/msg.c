#include "epmd/msg.h"

#include "base/check.h"
#include "base/utf8.h"

static bool has_nul(struct slice s)
{
    return s.len && memchr(s.ptr, 0, s.len);
}

bool epmd_name_is_valid(struct slice name)
{
    return name.len > 0 && name.len <= EPMD_NAME_BYTES && !has_nul(name) && utf8_is_valid(name) &&
           utf8_count(name) <= EPMD_NAME_CHARS;
}

/* A line break in a name would be a line of its own in the answer to NAMES: another node, at another port. */
static bool has_control(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] < ' ' || s.ptr[i] == 0x7F ||
            (s.ptr[i] == 0xC2 && i + 1 < s.len && s.ptr[i + 1] < 0xA0)) /* U+0080 to U+009F */
            return true;
    return false;
}

/* ---- requests ---- */

static enum err wrong(const char **ret_text, enum err e, const char *text)
{
    if (ret_text)
        *ret_text = text;
    return e;
}

static enum err read_alive2(struct rd *r, struct epmd_entry *ret, const char **ret_text)
{
    ret->port = rd_be16(r);
    ret->type = rd_u8(r);
    ret->protocol = rd_u8(r);
    ret->highest = rd_be16(r);
    ret->lowest = rd_be16(r);
    ret->name = rd_slice(r, rd_be16(r));
    ret->extra = rd_slice(r, rd_be16(r));
    if (!rd_ok(r))
        return wrong(ret_text, ERR_MALFORMED, "a length is larger than the request");
    if (ret->name.len == 0)
        return wrong(ret_text, ERR_MALFORMED, "the name is empty");
    if (has_nul(ret->name))
        return wrong(ret_text, ERR_MALFORMED, "the name has a NUL in it");
    if (ret->name.len > EPMD_NAME_BYTES || ret->extra.len > EPMD_EXTRA_BYTES)
        return wrong(ret_text, ERR_TOO_LARGE, "the name or the extra data is too long");
    if (!utf8_is_valid(ret->name))
        return wrong(ret_text, ERR_INVALID, "the name is not UTF-8");
    if (has_control(ret->name))
        return wrong(ret_text, ERR_INVALID, "the name has a control character in it");
    if (!epmd_name_is_valid(ret->name))
        return wrong(ret_text, ERR_TOO_LARGE, "the name has more than 255 characters");
    return ERR_NONE;
}

static enum err read_port2(struct rd *r, struct epmd_entry *ret, const char **ret_text)
{
    struct slice name = rd_rest(r);

    if (name.len && name.ptr[name.len - 1] == 0)
        name.len--;
    if (!epmd_name_is_valid(name))
        return wrong(ret_text, ERR_MALFORMED, "what is asked for is no name");
    ret->name = name;
    return ERR_NONE;
}

/* OTP's epmd reads it as a C string: what follows a NUL is not looked at. */
static enum err read_stop(struct rd *r, struct epmd_entry *ret, const char **ret_text)
{
    struct slice name = rd_rest(r);
    const uint8_t *nul = name.len ? memchr(name.ptr, 0, name.len) : NULL;

    if (name.len == 0)
        return wrong(ret_text, ERR_MALFORMED, "there is no name");
    ret->name = slice_of(name.ptr, nul ? (size_t)(nul - name.ptr) : name.len);
    return ERR_NONE;
}

enum err epmd_request_read(struct slice body, struct epmd_request *ret, const char **ret_text)
{
    struct rd r = rd_of(body);
    struct epmd_request req = {.tag = rd_u8(&r)};
    enum err e = ERR_NONE;

    if (!rd_ok(&r))
        return wrong(ret_text, ERR_MALFORMED, "the request is empty");
    switch (req.tag) {
    case EPMD_ALIVE2_REQ: e = read_alive2(&r, &req.entry, ret_text); break;
    case EPMD_PORT2_REQ: e = read_port2(&r, &req.entry, ret_text); break;
    case EPMD_STOP_REQ: e = read_stop(&r, &req.entry, ret_text); break;
    case EPMD_NAMES_REQ:
    case EPMD_DUMP_REQ:
    case EPMD_KILL_REQ: break; /* without a body; one is not looked at */
    default: return wrong(ret_text, ERR_UNSUPPORTED, "the request is of no known kind");
    }
    if (e == ERR_NONE || e == ERR_TOO_LARGE || e == ERR_INVALID)
        *ret = req;
    return e;
}

void epmd_request_write(struct wr *w, const struct epmd_request *req)
{
    const struct epmd_entry *e = &req->entry;
    size_t length = wr_reserve(w, EPMD_LENGTH_BYTES), start = w->len;

    wr_u8(w, (uint8_t)req->tag);
    if (req->tag == EPMD_ALIVE2_REQ) {
        wr_be16(w, e->port);
        wr_u8(w, e->type);
        wr_u8(w, e->protocol);
        wr_be16(w, e->highest);
        wr_be16(w, e->lowest);
        wr_be16(w, (uint16_t)e->name.len);
        wr_slice(w, e->name);
        wr_be16(w, (uint16_t)e->extra.len);
        wr_slice(w, e->extra);
    } else if (req->tag == EPMD_PORT2_REQ || req->tag == EPMD_STOP_REQ) {
        wr_slice(w, e->name);
    }
    if (e->name.len > UINT16_MAX || e->extra.len > UINT16_MAX || w->len - start > EPMD_REQUEST_MAX)
        wr_fail(w, ERR_TOO_LARGE);
    wr_patch_be16(w, length, (uint16_t)(w->len - start));
}

/* ---- ALIVE2 ---- */

enum err epmd_alive2_reply_read(struct slice bytes, struct epmd_alive2_reply *ret)
{
    struct rd r = rd_of(bytes);
    uint8_t tag = rd_u8(&r), result = rd_u8(&r);
    bool is_extended = tag == EPMD_ALIVE2_X_RESP;
    uint32_t creation;

    if (bytes.len > 0 && !is_extended && tag != EPMD_ALIVE2_RESP)
        return ERR_MALFORMED;
    creation = is_extended ? rd_be32(&r) : rd_be16(&r);
    if (!rd_ok(&r))
        return ERR_MORE;
    if (!rd_done(&r))
        return ERR_MALFORMED;
    *ret = (struct epmd_alive2_reply){.is_extended = is_extended, .result = result, .creation = creation};
    return ERR_NONE;
}

void epmd_alive2_reply_write(struct wr *w, const struct epmd_alive2_reply *reply)
{
    wr_u8(w, reply->is_extended ? EPMD_ALIVE2_X_RESP : EPMD_ALIVE2_RESP);
    wr_u8(w, reply->result);
    if (reply->is_extended)
        wr_be32(w, reply->creation);
    else
        wr_be16(w, (uint16_t)reply->creation);
}

/* ---- PORT2 ---- */

enum err epmd_port2_reply_read(struct slice bytes, struct epmd_entry *ret)
{
    struct rd r = rd_of(bytes);
    uint8_t tag = rd_u8(&r), result = rd_u8(&r);
    struct epmd_entry e = {0};

    if (bytes.len > 0 && tag != EPMD_PORT2_RESP)
        return ERR_MALFORMED;
    if (!rd_ok(&r))
        return ERR_MORE;
    if (result != 0)
        return rd_done(&r) ? ERR_NO_NODE : ERR_MALFORMED;
    e.port = rd_be16(&r);
    e.type = rd_u8(&r);
    e.protocol = rd_u8(&r);
    e.highest = rd_be16(&r);
    e.lowest = rd_be16(&r);
    e.name = rd_slice(&r, rd_be16(&r));
    e.extra = rd_slice(&r, rd_be16(&r));
    if (!rd_ok(&r))
        return ERR_MORE;
    if (!rd_done(&r) || !epmd_name_is_valid(e.name))
        return ERR_MALFORMED;
    *ret = e;
    return ERR_NONE;
}

void epmd_port2_reply_write(struct wr *w, const struct epmd_entry *entry)
{
    wr_u8(w, EPMD_PORT2_RESP);
    wr_u8(w, entry ? 0 : 1);
    if (!entry)
        return;
    wr_be16(w, entry->port);
    wr_u8(w, entry->type);
    wr_u8(w, entry->protocol);
    wr_be16(w, entry->highest);
    wr_be16(w, entry->lowest);
    wr_be16(w, (uint16_t)entry->name.len);
    wr_slice(w, entry->name);
    wr_be16(w, (uint16_t)entry->extra.len);
    wr_slice(w, entry->extra);
}

/* ---- NAMES ---- */

static const struct slice name_prefix = SLICE_LIT("name ");
static const struct slice name_infix = SLICE_LIT(" at port ");

enum err epmd_names_reply_read(struct rd *r, uint32_t *ret_epmd_port)
{
    uint32_t port = rd_be32(r);

    if (rd_ok(r))
        *ret_epmd_port = port;
    return r->err;
}

static bool parse_port(struct slice digits, uint16_t *ret)
{
    uint32_t v = 0;

    if (digits.len == 0 || digits.len > 5)
        return false;
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.ptr[i] < '0' || digits.ptr[i] > '9')
            return false;
        v = v * 10 + (uint32_t)(digits.ptr[i] - '0');
    }
    *ret = (uint16_t)v;
    return v <= UINT16_MAX;
}

/* Split at the last infix: a name may hold anything, a port cannot. */
static bool parse_line(struct slice line, struct epmd_name *ret)
{
    struct slice rest;

    if (line.len < name_prefix.len || !slice_eq(slice_of(line.ptr, name_prefix.len), name_prefix))
        return false;
    rest = slice_of(line.ptr + name_prefix.len, line.len - name_prefix.len);
    for (size_t at = rest.len; at-- > 0;) {
        size_t after = at + name_infix.len;

        if (after > rest.len || !slice_eq(slice_of(rest.ptr + at, name_infix.len), name_infix))
            continue;
        ret->name = slice_of(rest.ptr, at);
        return parse_port(slice_of(rest.ptr + after, rest.len - after), &ret->port);
    }
    return false;
}

bool epmd_names_reply_next(struct rd *r, struct epmd_name *ret)
{
    struct slice rest = rd_rest(r);
    const uint8_t *end = rest.len ? memchr(rest.ptr, '\n', rest.len) : NULL;
    struct epmd_name name = {0};
    struct slice line;

    if (rest.len == 0)
        return false;
    if (!end) {
        rd_fail(r, ERR_MORE);
        return false;
    }
    line = slice_of(rest.ptr, (size_t)(end - rest.ptr));
    if (!parse_line(line, &name)) {
        rd_fail(r, ERR_MALFORMED);
        return false;
    }
    rd_skip(r, line.len + 1);
    *ret = name;
    return true;
}

void epmd_names_reply_write(struct wr *w, uint16_t epmd_port)
{
    wr_be32(w, epmd_port);
}

/* erl_epmd takes these lines apart, so not a space may differ. */
void epmd_names_reply_write_name(struct wr *w, struct slice name, uint16_t port)
{
    wr_slice(w, name_prefix);
    wr_slice(w, name);
    wr_slice(w, name_infix);
    wr_printf(w, "%u\n", port);
}

/* ---- DUMP ---- */

void epmd_dump_reply_write_active(struct wr *w, struct slice name, uint16_t port, int64_t number)
{
    wr_str(w, "active name     <");
    wr_slice(w, name);
    wr_printf(w, "> at port %u, fd = %lld\n", port, (long long)number);
    wr_u8(w, 0);
}

void epmd_dump_reply_write_old(struct wr *w, struct slice name, uint16_t port, int64_t number)
{
    wr_str(w, "old/unused name <");
    wr_slice(w, name);
    wr_printf(w, ">, port = %u, fd = %lld \n", port, (long long)number);
    wr_u8(w, 0);
}
