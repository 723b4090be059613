/* What the loop of transcode_out.c leaves for because it is rare: each reads at s->rd and writes to s->w. */
#include "base/base64.h"
#include "base/check.h"
#include "base/utf8.h"
#include "bridge/transcode_out.h"
#include "etf/integer.h"
#include "etf/syntax.h"
#include "etf/tag.h"
#include "etf/validate.h"
#include "etf/write.h"
#include "json/write.h"

struct slice out_atom_text(struct etf_atom a, uint8_t buf[OUT_ATOM_BUF])
{
    uint8_t *o = buf;

    if (!a.is_latin1)
        return a.text;
    for (size_t i = 0; i < a.text.len && i < ETF_ATOM_MAX_CHARS; i++)
        o += utf8_encode(a.text.ptr[i], o);
    return slice_of(buf, (size_t)(o - buf));
}

static enum err write_tagged_text(struct out *s, const char *opening, struct slice text)
{
    wr_str(s->w, opening);
    json_write_string(s->w, text);
    wr_u8(s->w, '}');
    return s->w->err;
}

enum err out_write_atom(struct out *s)
{
    uint8_t buf[OUT_ATOM_BUF];
    struct etf_atom atom;
    struct slice text;

    if (!etf_read_atom(&s->rd, &atom))
        return ERR_MALFORMED;
    text = out_atom_text(atom, buf);
    if (slice_eq_str(text, "true") || slice_eq_str(text, "false")) {
        wr_slice(s->w, text);
    } else if (slice_eq(text, s->null_atom)) {
        wr_str(s->w, "null");
    } else if (s->is_typed) {
        return write_tagged_text(s, "{\"$atom\":", text);
    } else {
        json_write_string(s->w, text);
    }
    return s->w->err;
}

static enum err write_base64(struct out *s, const char *opening, struct slice bytes)
{
    wr_str(s->w, opening);
    wr_u8(s->w, '"');
    base64_write(s->w, bytes);
    wr_u8(s->w, '"');
    return s->w->err;
}

enum err out_write_binary(struct out *s)
{
    struct slice bytes;
    enum err e;

    if (!etf_read_binary(&s->rd, &bytes))
        return ERR_MALFORMED;
    e = write_base64(s, "{\"$binary\":", bytes);
    wr_u8(s->w, '}');
    return e != ERR_NONE ? e : s->w->err;
}

enum err out_write_bitstring(struct out *s)
{
    struct slice bytes;
    unsigned bits;
    enum err e;

    if (!etf_read_bitstring(&s->rd, &bytes, &bits))
        return ERR_MALFORMED;
    if (bits == 8 || bytes.len == 0) {
        /* A binary in a bitstring's form. */
        if (!utf8_is_valid(bytes)) {
            e = write_base64(s, "{\"$binary\":", bytes);
            wr_u8(s->w, '}');
            return e != ERR_NONE ? e : s->w->err;
        }
        json_write_string(s->w, bytes);
        return s->w->err;
    }
    wr_reset(&s->scratch);
    wr_slice(&s->scratch, bytes);
    if (!wr_ok(&s->scratch))
        return s->scratch.err;
    /* What does not count may be anything; it must not look like something. */
    s->scratch.buf[bytes.len - 1] &= (uint8_t)(0xFF << (8 - bits));
    e = write_base64(s, "{\"$bitstring\":{\"bytes\":", wr_written(&s->scratch));
    wr_printf(s->w, ",\"bits\":%u}}", bits);
    return e != ERR_NONE ? e : s->w->err;
}

enum err out_write_verbatim(struct out *s)
{
    enum err e;

    wr_reset(&s->scratch);
    etf_write_version(&s->scratch);
    e = etf_copy(&s->scratch, &s->rd);
    if (e != ERR_NONE)
        return e;
    e = write_base64(s, "{\"$etf\":", wr_written(&s->scratch));
    wr_u8(s->w, '}');
    return e != ERR_NONE ? e : s->w->err;
}

enum err out_write_big(struct out *s)
{
    struct etf_rd start = s->rd;
    struct slice magnitude;
    bool negative, is_quoted;
    uint64_t v = 0;
    enum err e;

    if (!etf_read_big(&s->rd, &negative, &magnitude))
        return ERR_MALFORMED;
    if (!etf_integer_affords(&s->digits_budget, magnitude)) {
        s->rd = start;
        return out_write_verbatim(s);
    }
    for (size_t i = magnitude.len; magnitude.len <= 8 && i > 0; i--)
        v = v << 8 | magnitude.ptr[i - 1];
    is_quoted = s->options->bigints_as_strings && (magnitude.len > 8 || v > OUT_SAFE_INTEGER_MAX);
    if (is_quoted)
        wr_str(s->w, s->is_typed ? "{\"$integer\":\"" : "\"");
    e = etf_integer_print(s->w, negative, magnitude);
    if (is_quoted)
        wr_str(s->w, s->is_typed ? "\"}" : "\"");
    return e != ERR_NONE ? e : s->w->err;
}

enum err out_write_identity(struct out *s)
{
    struct etf_atom module, function;
    const char *opening = NULL;
    struct etf_pid pid;
    struct etf_port port;
    struct etf_ref ref;
    uint64_t arity;

    wr_reset(&s->scratch);
    if (etf_read_pid(&s->rd, &pid)) {
        opening = "{\"$pid\":";
        etf_print_pid_text(&s->scratch, &pid);
    } else if (etf_read_ref(&s->rd, &ref)) {
        opening = "{\"$ref\":";
        etf_print_ref_text(&s->scratch, &ref);
    } else if (etf_read_port(&s->rd, &port)) {
        opening = "{\"$port\":";
        etf_print_port_text(&s->scratch, &port);
    } else if (etf_read_export(&s->rd, &module, &function, &arity)) {
        opening = "{\"$fun\":";
        etf_print_fun_text(&s->scratch, module, function, arity);
    }
    if (!opening)
        return ERR_MALFORMED;
    return wr_ok(&s->scratch) ? write_tagged_text(s, opening, wr_written(&s->scratch)) : s->scratch.err;
}

enum err out_write_old_float(struct out *s)
{
    double v;

    if (!etf_read_float(&s->rd, &v))
        return ERR_MALFORMED;
    json_write_double(s->w, v);
    return s->w->err;
}

/* ---- Judging ---- */

/* Most atoms, by what is told of the header's and seen of the others. */
static bool is_plain_atom(struct etf_rd r)
{
    struct etf_atom a;

    return etf_read_atom(&r, &a) && !a.is_latin1 &&
           (a.is_checked || (a.text.len <= ETF_ATOM_MAX_CHARS && utf8_is_ascii(a.text)));
}

enum err out_judge(const struct out *s)
{
    struct etf_rules rules = {.max_depth = s->max_depth, .depth = s->depth, .trusts_keys = true};
    struct slice rest = rd_rest(&s->rd.rd);
    uint8_t tag = rest.len ? rest.ptr[0] : 0;
    size_t len;

    if (is_plain_atom(s->rd))
        return ERR_NONE;
    /* It is nothing but a whole term. */
    if (tag == ETF_LOCAL_EXT)
        return ERR_MALFORMED;
    return etf_validate_prefix(rest, s->rd.atoms, &rules, &len, NULL, NULL);
}

/* ---- Lists of characters ---- */

static bool are_printable(struct slice latin1)
{
    for (size_t i = 0; i < latin1.len; i++) {
        if (!utf8_is_printable(latin1.ptr[i]))
            return false;
    }
    return true;
}

/* (A list may be in pieces, each the tail of the one before: no BEAM writes it so, others may.) */
bool out_is_charlist(struct etf_rd r)
{
    bool has_some = false;
    struct slice bytes;
    uint32_t n;

    while (!etf_read_nil(&r)) {
        if (etf_read_string(&r, &bytes))
            return (has_some || bytes.len > 0) && are_printable(bytes);
        if (!etf_read_list(&r, &n))
            return false;
        has_some = has_some || n > 0;
        for (int64_t v; n > 0; n--) {
            if (!etf_read_int64(&r, &v) || v < 0 || v > 0x10FFFF || !utf8_is_printable((uint32_t)v))
                return false;
        }
    }
    return has_some;
}

enum err out_write_charlist(struct out *s)
{
    bool is_over = false;
    struct slice bytes;
    uint32_t n;

    wr_reset(&s->scratch);
    while (!is_over && !etf_read_nil(&s->rd)) {
        is_over = etf_read_string(&s->rd, &bytes);
        if (is_over)
            utf8_write_latin1(&s->scratch, bytes);
        else if (!etf_read_list(&s->rd, &n))
            return ERR_MALFORMED;
        else
            for (int64_t v; n > 0 && etf_read_int64(&s->rd, &v); n--)
                utf8_write(&s->scratch, (uint32_t)v);
    }
    if (!wr_ok(&s->scratch))
        return s->scratch.err;
    json_write_string(s->w, wr_written(&s->scratch));
    return s->w->err;
}

/* ---- Maps ---- */

bool out_is_odd_map(struct out *s, const uint8_t *p)
{
    struct etf_rd r = s->rd;

    if (s->has_shapes)
        return s->shapes.buf[s->next_shape++];
    r.rd.pos = p;
    return out_key_kind(s, &r) == OUT_KEY_NONE;
}

enum err out_write_key(struct out *s, struct out_frame *f)
{
    struct etf_rd start = s->rd;
    enum out_key kind = out_key_kind(s, &s->rd);
    uint8_t buf[OUT_ATOM_BUF];
    struct etf_atom atom;
    struct slice text, magnitude;
    bool negative;
    enum err e = ERR_NONE;
    int64_t i;

    f->kinds |= (uint8_t)kind;
    if (kind == OUT_KEY_NONE || (!s->has_shapes && (f->kinds & (f->kinds - 1)))) {
        s->wants_shapes = true;
        return ERR_INVALID;
    }
    if (etf_read_atom(&start, &atom)) {
        json_write_string(s->w, out_atom_text(atom, buf));
        return s->w->err;
    }
    if (etf_read_binary(&start, &text)) { /* as a bitstring of whole bytes: others are out_run's */
        json_write_string(s->w, text);
        return s->w->err;
    }
    wr_u8(s->w, '"');
    if (etf_read_int64(&start, &i))
        json_write_int64(s->w, i);
    else if (etf_read_big(&start, &negative, &magnitude))
        e = etf_integer_print(s->w, negative, magnitude);
    wr_u8(s->w, '"');
    return e != ERR_NONE ? e : s->w->err;
}
