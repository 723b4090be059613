/*
 * term_convert: the codec, once. What a BEAM may hold is let through, local terms too; what no BEAM decodes
 * or what ends one is not: references to an atom cache that is not there, FUN_EXT, external funs of an arity
 * past 255.
 */
#include <string.h>

#include "base/base64.h"
#include "etf/syntax.h"
#include "etf/write.h"
#include "src/term_parts.h"

enum { KEPT = 1 << 20 }; /* bytes: a buffer that grew past this is given back before the next term */

#define REFUSED (ETF_USES_WIDE_EXPORT | ETF_USES_OLD_FUN | ETF_USES_CACHE_REF | ETF_USES_HUGE_TUPLE)

static bool is_json(enum format f)
{
    return f == FORMAT_JSON || f == FORMAT_TYPED;
}

void term_empty(struct wr *w)
{
    if (w->cap > KEPT)
        wr_fini(w);
    wr_reset(w);
}

static void rules_of(const struct term_cmd *t, struct etf_rules *ret)
{
    *ret =
        (struct etf_rules){.refuse = REFUSED, .max_depth = t->transcode.max_depth, .max_bytes = t->max_bytes};
}

enum err term_fail(struct failure *f, enum err e, size_t offset, const char *text)
{
    fault_set(&f->at.fault, e, offset, text);
    return e;
}

static struct slice trim(struct slice s)
{
    while (s.len && strchr(" \t\r\n", s.ptr[s.len - 1]))
        s.len--;
    while (s.len && strchr(" \t\r\n", s.ptr[0]))
        s = slice_of(s.ptr + 1, s.len - 1);
    return s;
}

static enum err read_etf(struct term_cmd *t, struct slice *ret, struct failure *f)
{
    struct slice whole = wr_written(&t->in);
    struct etf_rules rules;
    size_t offset = 0;
    enum err e;

    if (t->by_lines) {
        e = base64_read(&t->raw, trim(whole), &offset);
        if (e != ERR_NONE)
            return term_fail(f, e, offset, "the line is no base64");
        term_empty(&t->in);
        whole = wr_written(&t->raw);
    }
    rules_of(t, &rules);
    return etf_open(whole, &rules, &t->term, ret, NULL, &f->at.fault);
}

static enum err read_erl(struct term_cmd *t, struct slice *ret, struct failure *f)
{
    struct etf_parse_rules rules = {.max_digits = t->transcode.max_digits};
    enum err e;

    rules_of(t, &rules.term);
    e = etf_parse(&t->term, wr_written(&t->in), &rules, &f->at.fault);
    *ret = wr_written(&t->term);
    if (e != ERR_NONE) {
        transcode_fault_place(&f->at, wr_written(&t->in));
        f->has_place = true;
    }
    return e;
}

static enum err read_json(struct term_cmd *t, struct slice *ret, struct failure *f)
{
    enum err e = transcode_json_to_etf(wr_written(&t->in), &t->transcode, &t->term, NULL, &f->at);

    *ret = wr_written(&t->term);
    f->has_place = e != ERR_NONE;
    return e;
}

static enum err write_etf(struct term_cmd *t, struct etf_rd *r)
{
    enum err e;

    etf_write_version(&t->out);
    e = etf_copy(&t->out, r);
    if (e != ERR_NONE || !t->by_lines)
        return e;
    /* Through base64, in the place of what the term was read from. */
    term_empty(&t->raw);
    base64_write(&t->raw, wr_written(&t->out));
    term_empty(&t->out);
    wr_slice(&t->out, wr_written(&t->raw));
    return wr_ok(&t->raw) ? t->out.err : t->raw.err;
}

enum err term_convert(struct term_cmd *t, struct failure *f)
{
    struct slice term = {0};
    struct etf_rd r;
    enum err e;

    term_empty(&t->raw);
    term_empty(&t->term);
    term_empty(&t->out);
    if (t->from == FORMAT_ETF)
        e = read_etf(t, &term, f);
    else
        e = t->from == FORMAT_ERL ? read_erl(t, &term, f) : read_json(t, &term, f);
    if (e != ERR_NONE)
        return e;
    /* What has been read is not needed any more, unless the term is a part of it. */
    if (t->term.len) {
        term_empty(&t->in);
        term_empty(&t->raw);
    }
    r = etf_rd_of(term, NULL);
    if (is_json(t->to))
        e = transcode_etf_to_json(&r, &t->transcode, t->to == FORMAT_TYPED, &t->out);
    else
        e = t->to == FORMAT_ERL ? etf_print(&t->out, &r) : write_etf(t, &r);
    return e == ERR_NONE
               ? e
               : term_fail(f, e, 0,
                           e == ERR_TOO_LARGE ? "what would be written is larger than --max-bytes allows"
                                              : "");
}
