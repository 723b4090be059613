/* The values of tagged terms: {"$pid": "…"} and its kin, all but those that hold terms of their own. */
#include "base/base64.h"
#include "base/check.h"
#include "base/flt.h"
#include "bridge/transcode_in.h"
#include "etf/integer.h"
#include "etf/syntax.h"
#include "etf/write.h"
#include "json/read.h"

enum { DEFAULT_MAX_INFLATED = 64 << 20, STRING_EXT_MAX = 65535 };

static const struct slice names[TAG_NONE] = {
    [TAG_ATOM] = SLICE_LIT("$atom"),
    [TAG_BINARY] = SLICE_LIT("$binary"),
    [TAG_BITSTRING] = SLICE_LIT("$bitstring"),
    [TAG_CHARLIST] = SLICE_LIT("$charlist"),
    [TAG_ERL] = SLICE_LIT("$erl"),
    [TAG_ETF] = SLICE_LIT("$etf"),
    [TAG_FLOAT] = SLICE_LIT("$float"),
    [TAG_FUN] = SLICE_LIT("$fun"),
    [TAG_INTEGER] = SLICE_LIT("$integer"),
    [TAG_LIST] = SLICE_LIT("$list"),
    [TAG_MAP] = SLICE_LIT("$map"),
    [TAG_PID] = SLICE_LIT("$pid"),
    [TAG_PORT] = SLICE_LIT("$port"),
    [TAG_REF] = SLICE_LIT("$ref"),
    [TAG_TAIL] = SLICE_LIT("$tail"),
    [TAG_TUPLE] = SLICE_LIT("$tuple"),
};

enum tag tag_find(struct slice name)
{
    enum tag t = 0;

    while (t < TAG_NONE && !slice_eq(names[t], name))
        t++;
    return t;
}

const char *tag_name(enum tag t)
{
    return (const char *)names[t].ptr;
}

/* The place of a character of a tag's text, if it stands in the JSON text as it is; else where the text
 * begins. */
static const uint8_t *place(const uint8_t *value, bool is_verbatim, size_t offset)
{
    return is_verbatim ? value + 1 + offset : value;
}

static void rules_here(const struct in *s, struct etf_rules *ret)
{
    const struct transcode_options *o = s->options;
    size_t left = s->w->ceiling - s->w->len, most = o->max_bytes ? o->max_bytes : DEFAULT_MAX_INFLATED;

    *ret = (struct etf_rules){
        /* A local term is opaque to the end of its input: it can only stand alone. */
        .refuse = o->refuse | (s->depth ? ETF_USES_LOCAL : 0),
        .max_depth = s->max_depth,
        .depth = s->depth,
        .max_bytes = left < most ? left : most,
        .on_atom = o->on_atom,
        .ctx = o->ctx,
    };
    if (ret->max_bytes == 0)
        ret->max_bytes = 1;
}

static const char *refusal_text(const struct fault *f)
{
    return f->text && f->text[0] ? f->text : err_text(f->err);
}

/* Validates what has just been written from `at` on: whom it could hurt, and which atoms it brings. */
static enum err vet(struct in *s, size_t at, const uint8_t *value)
{
    struct etf_rules rules;
    struct fault f = {.text = ""};
    uint32_t uses = 0;
    enum err e;

    if (!wr_ok(s->w))
        return in_fail(s, s->w->err, value, err_text(s->w->err));
    rules_here(s, &rules);
    e = etf_validate(slice_of(s->w->buf + at, s->w->len - at), NULL, &rules, &uses, &f);
    s->uses |= uses;
    return e == ERR_NONE ? e : in_fail(s, e, value, refusal_text(&f));
}

static enum err write_atom(struct in *s, struct slice text, const uint8_t *value)
{
    size_t at = s->w->len;

    if (!etf_is_atom_text(text))
        return in_fail(s, ERR_MALFORMED, value, "an atom has at most 255 characters");
    etf_write_atom(s->w, text);
    return vet(s, at, value);
}

static enum err base64_fault(struct in *s, enum err e, const uint8_t *at)
{
    if (e != ERR_MALFORMED)
        return in_fail(s, e, at, err_text(e));
    return in_fail(s, e, at, "no base64 (RFC 4648, section 4: A-Z a-z 0-9 + / and = as padding, no blanks)");
}

static enum err write_binary(struct in *s, struct slice text, const uint8_t *value, bool is_verbatim)
{
    size_t at = s->w->len, offset = 0;
    enum err e;

    wr_u8(s->w, ETF_BINARY_EXT);
    wr_be32(s->w, 0);
    e = base64_read(s->w, text, &offset);
    if (e != ERR_NONE)
        return base64_fault(s, e, place(value, is_verbatim, offset));
    for (int i = 0; i < 4; i++)
        s->w->buf[at + 1 + (size_t)i] = (uint8_t)((s->w->len - at - 5) >> (24 - 8 * i));
    return ERR_NONE;
}

static enum err write_charlist(struct in *s, struct slice text, const uint8_t *value)
{
    const uint8_t *p = text.ptr, *end = slice_end(text);
    size_t count = utf8_count(text);
    bool are_bytes = true;

    if (count > UINT32_MAX)
        return in_fail(s, ERR_TOO_LARGE, value, "a list of that length cannot be encoded");
    while (p < end && are_bytes)
        are_bytes = utf8_next(&p, end) <= UINT8_MAX;
    p = text.ptr;
    if (count == 0 || (are_bytes && count <= STRING_EXT_MAX)) {
        wr_reset(&s->scratch);
        while (p < end)
            wr_u8(&s->scratch, (uint8_t)utf8_next(&p, end));
        if (!wr_ok(&s->scratch))
            return in_fail(s, s->scratch.err, value, err_text(s->scratch.err));
        etf_write_string(s->w, wr_written(&s->scratch));
    } else {
        if (s->depth == s->max_depth)
            return in_fail(s, ERR_DEPTH, value, "the term is nested deeper than allowed");
        etf_write_list(s->w, (uint32_t)count);
        while (p < end)
            etf_write_int64(s->w, utf8_next(&p, end));
        etf_write_nil(s->w);
    }
    return wr_ok(s->w) ? ERR_NONE : in_fail(s, s->w->err, value, err_text(s->w->err));
}

enum err tag_write_integer(struct in *s, bool negative, struct slice digits, const uint8_t *at)
{
    enum err e;

    if (digits.len > s->max_digits)
        return in_fail(s, ERR_TOO_LARGE, at, "an integer has more digits than are allowed (max_digits)");
    e = etf_integer_parse(s->w, negative, digits, 10);
    return e == ERR_NONE ? e : in_fail(s, e, at, "an integer is too large to be converted");
}

static enum err write_integer(struct in *s, struct slice text, const uint8_t *value, bool is_verbatim)
{
    bool negative = text.len && text.ptr[0] == '-';
    struct slice digits = slice_of(text.ptr + negative, text.len - negative);

    for (size_t i = 0; i < digits.len; i++) {
        if (!json_is_digit(digits.ptr[i]))
            return in_fail(s, ERR_MALFORMED, place(value, is_verbatim, i + negative),
                           "the text of an $integer has an optional '-' and then digits alone");
    }
    if (digits.len == 0 || (digits.len > 1 && digits.ptr[0] == '0'))
        return in_fail(s, ERR_MALFORMED, value,
                       digits.len ? "an $integer has no zeros in front" : "an $integer needs a digit");
    return tag_write_integer(s, negative, digits, value);
}

static enum err write_pid(struct in *s, struct slice text, const uint8_t *value)
{
    struct etf_pid pid;
    size_t at = s->w->len;

    if (!etf_parse_pid_text(text, &s->scratch, &pid))
        return in_fail(s, ERR_MALFORMED, value,
                       "the text of a $pid is node:id:serial:creation, as in \"kv@host:123:0:1672531200\"");
    etf_write_pid(s->w, &pid);
    return vet(s, at, value);
}

static enum err write_ref(struct in *s, struct slice text, const uint8_t *value)
{
    struct etf_ref ref;
    size_t at = s->w->len;

    if (!etf_parse_ref_text(text, &s->scratch, &ref))
        return in_fail(s, ERR_MALFORMED, value,
                       "the text of a $ref is node:creation:words, as in \"kv@host:1672531200:1.2.3\"");
    etf_write_ref(s->w, &ref);
    return vet(s, at, value);
}

static enum err write_port(struct in *s, struct slice text, const uint8_t *value)
{
    struct etf_port port;
    size_t at = s->w->len;

    if (!etf_parse_port_text(text, &s->scratch, &port))
        return in_fail(s, ERR_MALFORMED, value,
                       "the text of a $port is node:id:creation, as in \"kv@host:5:1672531200\"");
    etf_write_port(s->w, &port);
    return vet(s, at, value);
}

static enum err write_fun(struct in *s, struct slice text, const uint8_t *value)
{
    struct slice module, function;
    size_t at = s->w->len;
    uint8_t arity;

    if (!etf_parse_fun_text(text, &s->scratch, &module, &function, &arity))
        return in_fail(s, ERR_MALFORMED, value,
                       "the text of a $fun is module:function/arity, as in \"lists:map/2\" or "
                       "\"'Elixir.String':upcase/1\", the arity at most 255");
    etf_write_export(s->w, module, function, arity);
    return vet(s, at, value);
}

static enum err write_erl(struct in *s, struct slice text, const uint8_t *value, bool is_verbatim)
{
    struct etf_parse_rules rules = {.max_digits = s->max_digits};
    struct etf_rules vetting;
    struct fault f = {.text = ""};
    size_t at = s->w->len;
    uint32_t uses = 0;
    enum err e;

    rules_here(s, &rules.term);
    e = etf_parse(s->w, text, &rules, &f);
    if (e != ERR_NONE)
        return in_fail(s, e, place(value, is_verbatim, f.offset < text.len ? f.offset : text.len),
                       refusal_text(&f));
    /* Once more for what it uses: atoms have been told of, keys compared. */
    rules_here(s, &vetting);
    vetting.on_atom = NULL;
    vetting.trusts_keys = true;
    e = etf_validate(slice_of(s->w->buf + at, s->w->len - at), NULL, &vetting, &uses, &f);
    s->uses |= uses;
    return e == ERR_NONE ? e : in_fail(s, e, value, refusal_text(&f));
}

static enum err write_etf(struct in *s, struct slice text, const uint8_t *value, bool is_verbatim)
{
    struct etf_rules rules;
    struct fault f = {.text = ""};
    struct slice term;
    size_t offset = 0;
    uint32_t uses = 0;
    enum err e;

    rules_here(s, &rules);
    wr_reset(&s->scratch);
    e = base64_read(&s->scratch, text, &offset);
    if (e != ERR_NONE)
        return base64_fault(s, e, place(value, is_verbatim, offset));
    wr_reset(&s->inflated);
    s->inflated.ceiling = rules.max_bytes;
    e = etf_open(wr_written(&s->scratch), &rules, &s->inflated, &term, &uses, &f);
    if (e != ERR_NONE)
        return in_fail(s, e, value, refusal_text(&f));
    s->uses |= uses & ~(uint32_t)ETF_USES_COMPRESSED;
    wr_slice(s->w, term);
    return wr_ok(s->w) ? ERR_NONE : in_fail(s, s->w->err, value, err_text(s->w->err));
}

enum err tag_write_text(struct in *s, enum tag t, struct slice text, const uint8_t *value, bool is_verbatim)
{
    wr_reset(&s->scratch);
    switch (t) {
    case TAG_ATOM: return write_atom(s, text, value);
    case TAG_BINARY: return write_binary(s, text, value, is_verbatim);
    case TAG_CHARLIST: return write_charlist(s, text, value);
    case TAG_INTEGER: return write_integer(s, text, value, is_verbatim);
    case TAG_PID: return write_pid(s, text, value);
    case TAG_REF: return write_ref(s, text, value);
    case TAG_PORT: return write_port(s, text, value);
    case TAG_FUN: return write_fun(s, text, value);
    case TAG_ERL: return write_erl(s, text, value, is_verbatim);
    case TAG_ETF: return write_etf(s, text, value, is_verbatim);
    default: CHECK(!"a tag with a text"); return ERR_INVALID;
    }
}

enum err tag_write_float(struct in *s, const uint8_t **pp)
{
    const uint8_t *p = *pp, *bad, *behind;
    struct json_number n;
    double v;

    if (p == s->end || (*p != '-' && !json_is_digit(*p)))
        return in_fail(s, p == s->end ? ERR_MORE : ERR_MALFORMED, p, "the value of $float must be a number");
    behind = json_scan_number(p, s->end, &n, &bad);
    if (!behind)
        return in_fail(s, bad == s->end ? ERR_MORE : ERR_MALFORMED, bad, "a digit must stand here");
    if (!flt_parse(slice_of(p, (size_t)(behind - p)), &v))
        return in_fail(s, ERR_MALFORMED, p, "the number is too large for a float");
    etf_write_float(s->w, v);
    *pp = behind;
    return wr_ok(s->w) ? ERR_NONE : in_fail(s, s->w->err, p, err_text(s->w->err));
}

/* The two members of a $bitstring, in any order. */
struct bitstring {
    bool has_bytes, has_bits;
    unsigned bits; /* 1 to 7 */
};

static enum err bits_of(struct in *s, struct slice text, const uint8_t *at, struct bitstring *b)
{
    if (text.len != 1 || text.ptr[0] < '1' || text.ptr[0] > '7')
        return in_fail(s, ERR_MALFORMED, at, "\"bits\" says how many bits of the last byte count: 1 to 7");
    b->bits = (unsigned)(text.ptr[0] - '0');
    b->has_bits = true;
    return ERR_NONE;
}

static enum err bitstring_member(struct in *s, struct json_rd *r, struct bitstring *b)
{
    bool is_bytes = slice_eq_str(r->text, "bytes"), is_bits = slice_eq_str(r->text, "bits");
    enum json_event event;
    enum err e;

    if ((!is_bytes && !is_bits) || (is_bytes ? b->has_bytes : b->has_bits))
        return in_fail(s, ERR_MALFORMED, r->pos - 1, "a $bitstring has \"bytes\" and \"bits\", each once");
    event = json_next(r);
    if (event == JSON_FAILED)
        return in_fail(s, r->fault.err, r->start + r->fault.offset, r->fault.text);
    if (is_bits) {
        if (event != JSON_NUMBER)
            r->text = (struct slice){0};
        return bits_of(s, r->text, r->value, b);
    }
    if (event != JSON_STRING)
        return in_fail(s, ERR_MALFORMED, r->value, "\"bytes\" must be a string of base64");
    b->has_bytes = true;
    wr_reset(&s->scratch);
    e = base64_read(&s->scratch, r->text, NULL);
    return e == ERR_NONE ? e : base64_fault(s, e, r->value);
}

static enum err bitstring_members(struct in *s, struct json_rd *r, struct bitstring *b)
{
    enum json_event event = json_next(r);
    enum err e;

    if (event != JSON_OBJECT)
        return event == JSON_FAILED
                   ? in_fail(s, r->fault.err, r->start + r->fault.offset, r->fault.text)
                   : in_fail(s, ERR_MALFORMED, r->value,
                             "the value of $bitstring is {\"bytes\": \"base64\", \"bits\": 1 to 7}");
    while ((event = json_next(r)) == JSON_KEY) {
        e = bitstring_member(s, r, b);
        if (e != ERR_NONE)
            return e;
    }
    if (event == JSON_FAILED)
        return in_fail(s, r->fault.err, r->start + r->fault.offset, r->fault.text);
    if (!b->has_bytes || !b->has_bits)
        return in_fail(s, ERR_MALFORMED, r->value, "a $bitstring has \"bytes\" and \"bits\", each once");
    return ERR_NONE;
}

enum err tag_write_bitstring(struct in *s, const uint8_t **p)
{
    struct bitstring b = {0};
    struct json_rd r;
    enum err e;

    json_rd_init(&r, slice_of(*p, (size_t)(s->end - *p)), 2);
    /* Places count from the start of the whole. */
    r.start = s->start;
    wr_reset(&s->scratch);
    e = bitstring_members(s, &r, &b);
    if (e == ERR_NONE && s->scratch.len == 0)
        e = in_fail(s, ERR_MALFORMED, *p, "a $bitstring has at least one byte; an empty one is \"\"");
    if (e == ERR_NONE) {
        s->scratch.buf[s->scratch.len - 1] &= (uint8_t)(0xFF << (8 - b.bits));
        etf_write_bitstring(s->w, wr_written(&s->scratch), b.bits);
        e = wr_ok(s->w) ? ERR_NONE : in_fail(s, s->w->err, *p, err_text(s->w->err));
    }
    *p = r.pos;
    json_rd_fini(&r);
    return e;
}
