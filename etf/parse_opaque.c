/* What has no syntax in Erlang: #Pid<…>, #Ref<…>, #Port<…> and #Etf<…>. */
#include "base/base64.h"
#include "etf/parse.h"
#include "etf/write.h"

/* Behind the `<`, to behind the `>`; a node in quotes may hold one. */
static enum err take_inside(struct etf_lex *l, struct slice *ret)
{
    size_t at = rd_offset(&l->r), scratch = l->scratch->len;
    const uint8_t *end;
    enum err e;

    if (etf_lex_take(l, "'")) {
        e = etf_lex_quoted(l, '\'', true);
        l->scratch->len = scratch;
        if (e != ERR_NONE)
            return e;
    }
    end = rd_left(&l->r) ? memchr(l->r.pos, '>', rd_left(&l->r)) : NULL;
    if (!end)
        return fault_set(l->fault, ERR_MORE, at, "expected '>' at the end");
    l->r.pos = end + 1;
    *ret = slice_of(l->r.start + at, (size_t)(end - (l->r.start + at)));
    return ERR_NONE;
}

/* What was written from `from` on is judged like a term that came as such. */
static enum err judge(struct etf_lex *l, size_t at, struct wr *w, size_t from, const struct etf_rules *rules)
{
    struct fault inner;
    enum err e;

    if (!wr_ok(w))
        return fault_set(l->fault, w->err, at, "");
    e = etf_validate(slice_of(w->buf + from, w->len - from), NULL, rules, NULL, &inner);
    return e == ERR_NONE ? e : fault_set(l->fault, e, at, inner.text);
}

static enum err identifier(struct etf_lex *l, struct wr *w, const struct etf_rules *rules, size_t at,
                           char kind)
{
    struct slice text;
    struct etf_pid pid;
    struct etf_ref ref;
    struct etf_port port;
    size_t from = w->len, scratch = l->scratch->len, inside = rd_offset(&l->r);
    enum err e = take_inside(l, &text);

    if (e != ERR_NONE)
        return e;
    if (kind == 'P') {
        if (!etf_parse_pid_text(text, l->scratch, &pid))
            return fault_set(l->fault, ERR_MALFORMED, inside, "expected node:id:serial:creation");
        etf_write_pid(w, &pid);
    } else if (kind == 'R') {
        if (!etf_parse_ref_text(text, l->scratch, &ref))
            return fault_set(l->fault, ERR_MALFORMED, inside, "expected node:creation:word.word.word");
        etf_write_ref(w, &ref);
    } else {
        if (!etf_parse_port_text(text, l->scratch, &port))
            return fault_set(l->fault, ERR_MALFORMED, inside, "expected node:id:creation");
        etf_write_port(w, &port);
    }
    l->scratch->len = scratch;
    return judge(l, at, w, from, rules);
}

static enum err embedded(struct etf_lex *l, struct wr *w, const struct etf_rules *rules, size_t at,
                         uint32_t depth)
{
    struct etf_rules inner = *rules;
    size_t inside = rd_offset(&l->r), wrong = 0, ceiling = w->ceiling - w->len;
    struct slice text, term;
    struct wr bytes, inflated;
    struct fault fault = {0};
    struct etf_rd r;
    uint32_t uses;
    enum err e = take_inside(l, &text);

    if (e != ERR_NONE)
        return e;
    inner.depth += depth;
    wr_init(&bytes, SIZE_MAX);
    wr_init(&inflated, rules->max_bytes && rules->max_bytes < ceiling ? rules->max_bytes : ceiling);
    e = base64_read(&bytes, text, &wrong);
    if (e != ERR_NONE) {
        fault_set(l->fault, e, inside + wrong, "expected base64");
        goto out;
    }
    e = etf_open(wr_written(&bytes), &inner, &inflated, &term, &uses, &fault);
    if (e == ERR_NONE && uses & ETF_USES_LOCAL && depth) {
        e = ERR_MALFORMED;
        fault.text = "a local term inside another";
    }
    if (e != ERR_NONE) {
        /* An offset inside of it would be one into bytes that the sender of the text does not see. */
        fault_set(l->fault, e == ERR_MORE ? ERR_MALFORMED : e, at, fault.text);
        goto out;
    }
    r = etf_rd_of(term, NULL);
    e = etf_copy(w, &r);
    if (e != ERR_NONE)
        fault_set(l->fault, e, at, "");
out:
    wr_fini(&bytes);
    wr_fini(&inflated);
    return e == ERR_NONE ? e : l->fault->err;
}

enum err etf_parse_opaque(struct etf_lex *l, struct wr *w, const struct etf_rules *rules, uint32_t depth)
{
    size_t at = rd_offset(&l->r);

    if (etf_lex_take(l, "#Pid<"))
        return identifier(l, w, rules, at, 'P');
    if (etf_lex_take(l, "#Ref<"))
        return identifier(l, w, rules, at, 'R');
    if (etf_lex_take(l, "#Port<"))
        return identifier(l, w, rules, at, 'p');
    if (etf_lex_take(l, "#Etf<"))
        return embedded(l, w, rules, at, depth);
    return etf_lex_fail(
        l, at, "expected '#{', '#Pid<', '#Ref<', '#Port<' or '#Etf<'; a record is written as its tuple");
}
