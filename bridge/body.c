/*
 * body: one body, one term: the four representations of terms.md, in and out.
 */
#include <stdio.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "bridge/internal.h"
#include "etf/syntax.h"
#include "etf/write.h"

enum { TYPE_SHOWN_MAX = 100, TYPE_DETAIL_MAX = 512 };

/* ---- options ---- */

/* A query parameter that switches something on by its one legal value. */
struct option_switch {
    const char *name, *value, *detail;
    size_t offset; /* of the bool in struct transcode_options */
};

static const struct option_switch switches[] = {
    {"keys", "atom", "the one value of keys is \"atom\"", offsetof(struct transcode_options, keys_as_atoms)},
    {"charlists", "string", "the one value of charlists is \"string\"",
     offsetof(struct transcode_options, charlists_as_strings)},
    {"bigints", "string", "the one value of bigints is \"string\"",
     offsetof(struct transcode_options, bigints_as_strings)},
    {"tags", "off", "the one value of tags is \"off\"", offsetof(struct transcode_options, tags_off)},
};

static bool read_null(struct gateway *g, struct http_request *req, struct transcode_options *o)
{
    static const char *const names[] = {"null", "nil", "undefined"};
    struct slice v;

    if (!http_request_query(req, "null", &v))
        return true;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (slice_eq_str(v, names[i])) {
            o->null_atom = slice_of_str(names[i]);
            return true;
        }
    }
    errors_answer_parameter(g, http_request_id(req), "null",
                            "null is one of \"null\", \"nil\", \"undefined\"");
    return false;
}

void body_defaults(struct gateway *g, struct transcode_options *ret)
{
    *ret = (struct transcode_options){
        .null_atom = SLICE("null"),
        .max_depth = g->config.max_depth,
        .max_digits = g->config.max_digits,
        .max_bytes = g->config.max_body,
        .refuse = ETF_USES_NEVER_FROM_OUTSIDE,
        .seed = g->seed,
        .on_atom = atoms_on_atom,
        .ctx = &g->atoms,
    };
}

bool body_options(struct gateway *g, struct http_request *req, struct transcode_options *ret)
{
    struct slice v;

    body_defaults(g, ret);
    if (!http_request_has_query(req))
        return true;
    if (!read_null(g, req, ret))
        return false;
    for (size_t i = 0; i < sizeof switches / sizeof switches[0]; i++) {
        const struct option_switch *s = &switches[i];

        if (!http_request_query(req, s->name, &v))
            continue;
        if (!slice_eq_str(v, s->value)) {
            errors_answer_parameter(g, http_request_id(req), s->name, s->detail);
            return false;
        }
        *(bool *)((char *)ret + s->offset) = true;
    }
    return true;
}

bool body_accept(struct gateway *g, struct http_request *req, enum http_media *ret)
{
    static const struct http_problem problem = {
        .code = "not-acceptable",
        .detail = "a reply can be application/json, application/vnd.erlang.typed+json, text/x-erlang or "
                  "application/vnd.erlang.etf",
        .parameter = "header:Accept",
    };
    struct slice accept = {0};

    (void)http_request_known(req, HTTP_KNOWN_ACCEPT, &accept);
    if (http_media_choose(accept, http_media_terms, HTTP_MEDIA_TERMS, ret) == ERR_NONE)
        return true;
    http_answer_problem(g->http, http_request_id(req), &problem);
    return false;
}

/* ---- in ---- */

/* What a scratch buffer may keep between requests: one large body must not hold its memory for ever. */
enum { SCRATCH_KEPT = 1 << 20 };

void body_reuse(struct wr *w)
{
    if (w->cap > SCRATCH_KEPT)
        wr_fini(w);
    wr_reset(w);
}

static void rules_of(const struct gateway *g, const struct transcode_options *o, struct etf_rules *ret)
{
    *ret = (struct etf_rules){
        .refuse = o->refuse,
        .max_depth = o->max_depth,
        .max_bytes = g->config.max_body,
        .on_atom = o->on_atom,
        .ctx = o->ctx,
    };
}

static enum err read_etf(struct gateway *g, struct slice body, const struct transcode_options *o,
                         uint32_t *ret_uses, struct transcode_fault *f)
{
    struct etf_rules rules;
    struct slice term;
    enum err e;

    rules_of(g, o, &rules);
    body_reuse(&g->scratch);
    e = etf_open(body, &rules, &g->scratch, &term, ret_uses, &f->fault);
    if (e == ERR_NONE) {
        wr_slice(&g->term, term);
        e = g->term.err;
    }
    return e;
}

enum err body_read_erlang(struct gateway *g, struct slice text, const struct transcode_options *o,
                          struct wr *out, uint32_t *ret_uses, struct transcode_fault *f)
{
    struct etf_parse_rules rules = {.max_digits = o->max_digits};
    enum err e;

    rules_of(g, o, &rules.term);
    e = etf_parse(out, text, &rules, &f->fault);
    if (e != ERR_NONE) {
        transcode_fault_place(f, text);
        return e;
    }
    return etf_validate(wr_written(out), NULL,
                        &(struct etf_rules){.max_depth = o->max_depth, .trusts_keys = true}, ret_uses, NULL);
}

static enum err read_json(struct gateway *g, struct slice body, const struct transcode_options *o,
                          uint32_t *ret_uses, struct transcode_fault *f)
{
    return transcode_json_to_etf(body, o, &g->term, ret_uses, f);
}

/* In a {"$erl": "…"}? It is Erlang syntax, and where it belongs. */
static bool is_within_erl(const struct transcode_fault *f)
{
    static const char end[] = "/$erl";
    size_t len = strlen(f->pointer);

    return len >= sizeof end - 1 && strcmp(f->pointer + len - (sizeof end - 1), end) == 0;
}

/* What is most often meant by what is not JSON: Erlang syntax, whose Content-Type was forgotten. */
static const char *hint_of_json(struct slice body, const struct transcode_fault *f)
{
    size_t at = f->fault.offset;

    if (f->fault.err != ERR_MALFORMED || at >= body.len || is_within_erl(f))
        return NULL;
    if (body.ptr[at] == '\'')
        return "JSON's strings are in double quotes";
    if ((body.ptr[at] >= 'a' && body.ptr[at] <= 'z') || body.ptr[at] == '<' || body.ptr[at] == '#')
        return "Erlang syntax goes with Content-Type: text/x-erlang";
    return NULL;
}

/* And of what is not Erlang syntax: JSON. */
static const char *hint_of_erlang(struct slice body, const struct transcode_fault *f)
{
    size_t at = f->fault.offset;

    return f->fault.err == ERR_MALFORMED && at > 0 && at < body.len && body.ptr[at] == ':' &&
                   body.ptr[at - 1] == '"'
               ? "JSON goes with Content-Type: application/json"
               : NULL;
}

void body_refuse_type(struct gateway *g, struct http_request *req, const char *wanted)
{
    struct slice type = {0};
    char detail[TYPE_DETAIL_MAX];

    (void)http_request_known(req, HTTP_KNOWN_CONTENT_TYPE, &type);
    type = utf8_head(type, TYPE_SHOWN_MAX);
    snprintf(detail, sizeof detail, type.len ? "%s; Content-Type is '%.*s'" : "%s; there is no Content-Type",
             wanted, SLICE_FMT(type));
    http_answer_problem(g->http, http_request_id(req),
                        &(struct http_problem){.code = "unsupported-media-type",
                                               .detail = detail,
                                               .parameter = "header:Content-Type"});
}

bool body_read(struct gateway *g, struct http_request *req, const struct transcode_options *options,
               uint32_t *ret_uses)
{
    struct transcode_fault f = {.fault = {.text = ""}};
    struct slice type = {0}, body = http_request_body(req);
    enum http_media media;
    enum err e = ERR_NONE;

    (void)http_request_known(req, HTTP_KNOWN_CONTENT_TYPE, &type);
    if (http_media_of_content(type, &media) != ERR_NONE) {
        body_refuse_type(
            g, req,
            "a body can be application/json, application/vnd.erlang.typed+json, text/x-erlang or "
            "application/vnd.erlang.etf, in UTF-8 where it is text (fetch says text/plain unless told)");
        return false;
    }
    body_reuse(&g->term);
    *ret_uses = 0;
    switch (media) {
    case HTTP_MEDIA_ETF: e = read_etf(g, body, options, ret_uses, &f); break;
    case HTTP_MEDIA_ERLANG: e = body_read_erlang(g, body, options, &g->term, ret_uses, &f); break;
    default: e = read_json(g, body, options, ret_uses, &f); break;
    }
    g->metrics.text_in += body.len;
    if (e == ERR_NONE) {
        g->metrics.term_in += g->term.len;
        return true;
    }
    f.fault.err = e;
    errors_answer_fault(g, http_request_id(req), &f,
                        media == HTTP_MEDIA_ETF      ? NULL
                        : media == HTTP_MEDIA_ERLANG ? hint_of_erlang(body, &f)
                                                     : hint_of_json(body, &f));
    return false;
}

/* ---- out ---- */

enum err body_write(struct wr *w, enum http_media media, struct slice term, const struct etf_atoms *atoms,
                    const struct transcode_options *options)
{
    struct etf_rd r = etf_rd_of(term, atoms);

    switch (media) {
    case HTTP_MEDIA_ETF: etf_write_version(w); return etf_copy(w, &r);
    case HTTP_MEDIA_ERLANG: return etf_print(w, &r);
    default: return transcode_etf_to_json(&r, options, media == HTTP_MEDIA_TYPED_JSON, w);
    }
}
