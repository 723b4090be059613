/*
 * answers: what came of a request, for the client: a term, an object, or nothing but a status.
 */
#include <jansson.h>
#include <stdio.h>

#include "base/mem.h"
#include "bridge/internal.h"

enum { APPLIED_MAX = 32 };

/* Preference-Applied, if there is one to say. */
static void add_applied(const struct exchange *x, struct http_response *response, struct http_header *header,
                        char text[APPLIED_MAX])
{
    if (!x->applied_s)
        return;
    snprintf(text, APPLIED_MAX, "wait=%llu", (unsigned long long)x->applied_s);
    *header = (struct http_header){.name = "Preference-Applied", .value = text};
    response->headers = header;
    response->header_count = 1;
}

static void answer_empty(struct gateway *g, const struct exchange *x, unsigned status)
{
    struct http_response response = {.status = status};
    struct http_header header;
    char applied[APPLIED_MAX];

    add_applied(x, &response, &header, applied);
    http_answer(g->http, x->http_id, &response);
}

void answer_accepted(struct gateway *g, const struct exchange *x)
{
    answer_empty(g, x, 202);
}

void answer_too_large(struct gateway *g, const struct exchange *x)
{
    char detail[160];
    struct http_problem too_large = {.code = "reply-too-large", .detail = detail, .was_sent = true};

    snprintf(detail, sizeof detail,
             "the reply is larger than the gateway's --max-reply allows, %zu bytes; the callee has done what "
             "it was asked",
             g->config.max_reply);
    http_answer_problem(g->http, x->http_id, &too_large);
}

static void answer_too_deep(struct gateway *g, const struct exchange *x)
{
    static const struct http_problem too_deep = {
        .code = "reply-too-large",
        .detail = "the reply is nested deeper than --max-depth allows; the callee has done what it was asked "
                  "(Accept: application/vnd.erlang.etf takes it as it is)",
        .was_sent = true};

    http_answer_problem(g->http, x->http_id, &too_deep);
}

/* The head of {ok, V} or {error, R}, by ?unwrap=ok: rd stands before V or R then. Gives the status. */
static unsigned read_wrapping(struct etf_rd *rd)
{
    struct etf_rd r = *rd;
    bool is_ok = etf_read_tuple_is(&r, 2) && etf_read_atom_is(&r, "ok");

    if (!is_ok && (r.rd.pos == rd->rd.pos || !etf_read_atom_is(&r, "error")))
        return 200;
    *rd = r;
    return is_ok ? 200 : 422;
}

static void drop_judged(struct gateway *g)
{
    wr_fini(&g->judged);
    wr_init(&g->judged, g->config.max_reply);
    g->judged_for = 0;
}

bool answer_judge(struct gateway *g, const struct exchange *x, struct etf_rd *reply)
{
    drop_judged(g);
    if (x->out != HTTP_MEDIA_JSON && x->out != HTTP_MEDIA_TYPED_JSON)
        return false;
    http_request_spent(g->http, x->http_id, HTTP_STAGE_NODE);
    if (x->is_unwrapped)
        (void)read_wrapping(reply);
    if (!transcode_unjudged_to_json(reply, &x->options, x->out == HTTP_MEDIA_TYPED_JSON, &g->judged)) {
        drop_judged(g); /* it may be as large as a reply may be */
        return false;
    }
    g->judged_for = x->id;
    return true;
}

/* The term in the form that was asked for: it may be there already. */
static enum err write_term(struct gateway *g, const struct exchange *x, struct slice term,
                           const struct etf_atoms *atoms, struct wr *w)
{
    if (g->judged_for && g->judged_for == x->id) {
        *w = g->judged;
        wr_init(&g->judged, 0);
        g->judged_for = 0;
        return ERR_NONE;
    }
    http_request_spent(g->http, x->http_id, HTTP_STAGE_NODE);
    wr_init(w, g->config.max_reply);
    return body_write(w, x->out, term, atoms, &x->options);
}

void answer_term(struct gateway *g, const struct exchange *x, unsigned status, struct slice term,
                 const struct etf_atoms *atoms)
{
    struct http_response response = {.status = status, .content_type = http_media_name(x->out)};
    struct http_header header;
    char applied[APPLIED_MAX];
    struct wr w;
    enum err e = write_term(g, x, term, atoms, &w);

    g->metrics.term_out += term.len;
    g->metrics.text_out += w.len;
    if (e == ERR_NONE && x->out != HTTP_MEDIA_ETF) {
        wr_u8(&w, '\n'); /* for people at a terminal: JSON and Erlang read past it */
        e = w.err;
    }
    if (e == ERR_TOO_LARGE) {
        answer_too_large(g, x);
    } else if (e == ERR_DEPTH) {
        answer_too_deep(g, x);
    } else if (e != ERR_NONE) {
        errors_answer_result(g, x, &(struct node_result){.err = ERR_NOMEM, .was_sent = true});
    } else {
        add_applied(x, &response, &header, applied);
        response.body = wr_take(&w, &response.body_len);
        http_answer(g->http, x->http_id, &response);
    }
    wr_fini(&w);
}

/* {ok, V} is V, {error, R} is 422 with R, ok is 204, error is 422; anything else stays as it is. */
void answer_reply(struct gateway *g, const struct exchange *x, struct slice term,
                  const struct etf_atoms *atoms)
{
    struct etf_rd rd = etf_rd_of(term, atoms), atom = rd;
    unsigned status = 200;

    if (x->is_unwrapped && etf_read_atom_is(&rd, "ok")) {
        answer_empty(g, x, 204);
        return;
    }
    if (x->is_unwrapped)
        status = etf_read_atom_is(&atom, "error") ? 422 : read_wrapping(&rd);
    answer_term(g, x, status, rd_rest(&rd.rd), atoms); /* all of it, or the last element of what is whole */
}

void answer_object(struct gateway *g, uint64_t http_id, unsigned status, void *object)
{
    answer_object_with(g, http_id, status, object, NULL, 0);
}

void answer_object_with(struct gateway *g, uint64_t http_id, unsigned status, void *object,
                        const struct http_header *headers, size_t count)
{
    char *text = object ? json_dumps(object, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
    struct http_response response = {
        .status = status, .content_type = "application/json", .headers = headers, .header_count = count};
    struct wr w;

    json_decref(object);
    wr_init(&w, SIZE_MAX);
    if (text)
        wr_str(&w, text);
    wr_u8(&w, '\n');
    free(text);
    if (!text || !wr_ok(&w)) {
        errors_answer(g, http_id, ERR_NOMEM, (struct slice){0});
    } else {
        response.body = wr_take(&w, &response.body_len);
        http_answer(g->http, http_id, &response);
    }
    wr_fini(&w);
}

void answer_object_for(struct gateway *g, const struct exchange *x, void *object)
{
    struct http_response response = {0};
    struct http_header header;
    char applied[APPLIED_MAX];

    add_applied(x, &response, &header, applied);
    answer_object_with(g, x->http_id, 200, object, response.headers, response.header_count);
}
