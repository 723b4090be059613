/*
 * errors: the only place where errors become HTTP. One table from enum err to the codes of the API.
 */
#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"
#include "bridge/internal.h"
#include "etf/syntax.h"
#include "etf/term.h"
#include "etf/write.h"
#include "http/problem.h"

enum { LIMIT_TEXT_MAX = 64 };

/* What an error means when it ends a request. %s in detail is the node; hint, if any: what to do about it. */
struct meaning {
    const char *code;
    bool is_retryable;
    const char *detail, *hint;
};

static const char in_reason[] = "reason says how, and its node's log more",
                  in_all_of_it[] = "class, reason and stacktrace say how";

static const struct meaning meanings[ERR_COUNT_] = {
    [ERR_MORE] = {"bad-term", false, "the body ends too early", NULL},
    [ERR_MALFORMED] = {"bad-term", false, "the body is malformed", NULL},
    [ERR_UNSUPPORTED] = {"bad-term", false, "the body uses something that is not supported", NULL},
    [ERR_DUPLICATE_KEY] = {"bad-term", false, "a map has the same key twice", NULL},
    [ERR_DEPTH] = {"too-deep", false, "the term is nested deeper than allowed", "see --max-depth"},
    [ERR_TOO_LARGE] = {"body-too-large", false, "the term is larger than allowed", NULL},
    [ERR_ATOM_BUDGET] =
        {"atom-budget-exceeded", false,
         "HTTP has introduced as many atoms as it may: use atoms that are known, or raise --atom-budget",
         NULL},
    [ERR_OVERLOADED] =
        {"overloaded", true,
         "as many bytes wait to be sent to node '%s', or to all that are not connected yet, as may", NULL},
    [ERR_IN_FLIGHT] = {"overloaded", true, "as many requests wait for answers of node '%s' as may", NULL},
    [ERR_PEER_UNSUPPORTED] = {"unsupported-by-peer", false,
                              "the term holds something that node '%s' cannot take; nothing was sent", NULL},
    [ERR_NOMEM] = {"internal", true, "the gateway is out of memory", NULL},
    [ERR_CLOSED] = {"overloaded", true, "the gateway is starting or stopping", NULL},
    [ERR_CANCELLED] = {"overloaded", true, "the gateway is stopping", NULL},
    [ERR_TIMEOUT] = {"timeout", false, "the callee may still be at it: node '%s' gave no reply in time",
                     "?timeout= gives it longer, in milliseconds"},
    [ERR_NO_CONNECTION] = {"no-connection", true, "node '%s' cannot be reached", NULL},
    [ERR_NO_NODE] = {"no-connection", true, "node '%s' cannot be reached",
                     "`epmd -names` on its host lists the nodes that run there"},
    [ERR_NOT_ALLOWED] = {"no-connection", false, "there is no link to node '%s'", NULL},
    [ERR_AUTH] = {"auth-failed", false, "node '%s' has another cookie",
                  "erlang:get_cookie() there says which; start the gateway with that one (--cookie-file)"},
    [ERR_NAME_TAKEN] = {"name-taken", false,
                        "a process of this gateway has that name, which is to be a scope's", NULL},
    [ERR_NODEDOWN] = {"nodedown", false,
                      "the link to node '%s' was lost; the callee may have had the request", NULL},
    [ERR_NOPROC] = {"noproc", true,
                    "node '%s' has no such process, or it has ended; the request had no effect",
                    "GET /v1/nodes/%s/processes lists the names that are registered there"},
    [ERR_CALLEE_EXIT] = {"callee-exit", false, "the process at node '%s' ended before it replied", in_reason},
    [ERR_NOT_FOUND] = {"not-found", false, "there is no such thing", NULL},
    [ERR_INVALID] = {"bad-parameter", false, "a parameter is out of range", NULL},
};

static const struct meaning internal = {.code = "internal", .detail = "something unexpected happened"};

static const struct meaning *meaning_of(enum err e)
{
    return meanings[e].code ? &meanings[e] : &internal;
}

const char *errors_code(enum err e)
{
    return meaning_of(e)->code;
}

/* A message that is larger than node.h's max_message. */
static const struct meaning reply_too_large = {"reply-too-large", false,
                                               "the reply of node '%s' is larger than a message may be, 128 "
                                               "MiB, or the largest of those that came together "
                                               "and were; the callee has done what it was asked",
                                               NULL};

/* What there was no memory for once it had been sent may have had its effect. */
static bool is_retryable(const struct meaning *m, bool was_sent)
{
    return m->is_retryable && !(was_sent && m == &meanings[ERR_NOMEM]);
}

/* With the node where the text has a hole for it. */
static void write_with_node(struct wr *w, const char *text, struct slice node)
{
    const char *hole = node.len ? strstr(text, "%s") : NULL;

    if (hole) {
        wr_bytes(w, text, (size_t)(hole - text));
        wr_slice(w, node);
        wr_str(w, hole + 2);
    } else {
        wr_str(w, text);
    }
}

/* The detail, what the layer below had to say, and the hint. */
static void write_detail(const struct gateway *g, struct wr *w, const struct meaning *m, struct slice node,
                         const char *text)
{
    const char *hint = g->config.hides_reasons && (m->hint == in_reason || m->hint == in_all_of_it)
                           ? "its node's log says how"
                           : m->hint;

    write_with_node(w, m->detail, node);
    if (text && *text)
        wr_printf(w, " (%s)", text);
    if (hint) {
        wr_str(w, "; ");
        write_with_node(w, hint, node);
    }
    wr_u8(w, '\0');
}

static void answer(struct gateway *g, uint64_t http_id, const struct meaning *m, struct http_problem *p,
                   struct slice node, const char *text)
{
    struct wr detail;

    wr_init(&detail, SIZE_MAX);
    write_detail(g, &detail, m, node, text);
    p->code = m->code;
    p->is_retryable = is_retryable(m, p->was_sent);
    p->detail = wr_ok(&detail) ? (const char *)detail.buf : m->detail;
    if (strcmp(m->code, "overloaded") == 0)
        p->retry_after_s = 1;
    http_answer_problem(g->http, http_id, p);
    wr_fini(&detail);
}

/* The number that was not enough, in text; or NULL. x may be NULL. */
static const char *limit_of(const struct gateway *g, const struct exchange *x, enum err e,
                            char text[LIMIT_TEXT_MAX])
{
    if (e == ERR_IN_FLIGHT)
        snprintf(text, LIMIT_TEXT_MAX, "--max-in-flight-per-node %zu", g->config.max_in_flight_per_node);
    else if (e == ERR_OVERLOADED)
        snprintf(text, LIMIT_TEXT_MAX, "--max-queue");
    else if (e == ERR_TIMEOUT && x && x->deadline_ms)
        snprintf(text, LIMIT_TEXT_MAX, "%llu ms", (unsigned long long)x->deadline_ms);
    else
        return NULL;
    return text;
}

void errors_answer(struct gateway *g, uint64_t http_id, enum err e, struct slice node)
{
    struct http_problem p = {0};
    char limit[LIMIT_TEXT_MAX];

    answer(g, http_id, meaning_of(e), &p, node, limit_of(g, NULL, e, limit));
}

/* A process that has crashed by the request itself: most often one that it does not know. */
static const struct meaning request_unknown = {"callee-exit", false,
                                               "the process at node '%s' ended before it replied",
                                               "it knows no such request: no clause of its callback takes it "
                                               "(in JSON an atom is {\"$atom\": \"get\"}, a "
                                               "tuple {\"$tuple\": [...]})"};

/*
 * {function_clause, [{Module, Callback, _, _} | _]}: a gen_server, gen_statem or gen_event without a clause
 * for it. A function that the callback has called is another matter. (OTP 23 to 29: the stack trace stands
 * so.)
 */
static bool is_request_unknown(const struct node_result *r)
{
    struct etf_rd rd = etf_rd_of(r->term, r->atoms);
    uint32_t count;

    return etf_read_tuple_is(&rd, 2) && etf_read_atom_is(&rd, "function_clause") &&
           etf_peek(&rd) == ETF_KIND_LIST && etf_read_list(&rd, &count) && etf_read_tuple_is(&rd, 4) &&
           etf_skip(&rd, NULL) &&
           (etf_read_atom_is(&rd, "handle_call") || etf_read_atom_is(&rd, "handle_event"));
}

/* A function that was called. */
static const struct meaning function_failed = {"callee-exit", false, "the function failed at node '%s'",
                                               in_all_of_it};

/* One that takes no such arguments. */
static const struct meaning arguments_unfit = {
    "callee-exit", false, "the function failed at node '%s'",
    "it takes no such arguments: in JSON a string is a binary; a charlist is {\"$charlist\": \"PATH\"}, "
    "an atom {\"$atom\": \"get\"}, a tuple {\"$tuple\": [...]}, and one list as the only argument is [[1, "
    "2]]"};

static const struct meaning function_unknown = {"undef", false,
                                                "node '%s' has no function of that name and arity",
                                                "is its module in the code path there, and are its "
                                                "arguments as many? They are given as a list: one list as "
                                                "the only argument is [[1, 2]]"};

/* A module of Elixir's, as one writes it there? */
static bool is_as_in_elixir(struct slice module)
{
    return module.len && module.ptr[0] >= 'A' && module.ptr[0] <= 'Z' &&
           !(module.len >= 7 && memcmp(module.ptr, "Elixir.", 7) == 0);
}

/* Has the very function that was called refused what it was given? Its frame has the arguments then, where
 * one that raised the same for a reason of its own has their number. */
static bool is_unfit(const struct exchange *x, const struct node_result *r)
{
    struct etf_rd reason = etf_rd_of(r->term, r->atoms), rest;

    return (etf_read_atom_is(&reason, "function_clause") || etf_read_atom_is(&reason, "badarg")) &&
           rpc_top_frame_is(r, x->target.name, x->target.function, &rest) &&
           etf_peek(&rest) != ETF_KIND_INTEGER;
}

/* What came with the failure, as JSON. */
static void write_term(struct wr *w, const struct exchange *x, struct slice term,
                       const struct etf_atoms *atoms, struct slice *ret)
{
    /* Who asked for a representation that loses nothing gets the reason so, too. */
    enum http_media media = x->out == HTTP_MEDIA_JSON ? HTTP_MEDIA_JSON : HTTP_MEDIA_TYPED_JSON;
    struct transcode_options options = x->options;

    /* A stack trace is full of file names, and is there to be read. */
    options.charlists_as_strings = true;
    if (term.len && body_write(w, media, term, atoms, &options) == ERR_NONE)
        *ret = wr_written(w);
}

static void answer_failure(struct gateway *g, const struct exchange *x, const struct meaning *m,
                           const struct node_result *r)
{
    struct http_problem p = {.was_sent = r->was_sent};
    char limit[LIMIT_TEXT_MAX];
    struct wr reason, stack;

    wr_init(&reason, g->config.max_reply);
    wr_init(&stack, g->config.max_reply);
    if (r->err == ERR_CALLEE_EXIT)
        p.klass = slice_of_str(r->exception ? r->exception : "exit");
    if (r->err == ERR_CALLEE_EXIT && !g->config.hides_reasons) {
        write_term(&reason, x, r->term, r->atoms, &p.reason);
        write_term(&stack, x, r->stacktrace, r->atoms, &p.stacktrace);
    }
    answer(g, x->http_id, m, &p, slice_of_str(x->node), r->text ? r->text : limit_of(g, x, r->err, limit));
    wr_fini(&reason);
    wr_fini(&stack);
}

static const struct meaning *meaning_of_result(const struct node_result *r)
{
    if (r->err == ERR_CALLEE_EXIT && r->exception)
        return &function_failed;
    if (r->err == ERR_CALLEE_EXIT && is_request_unknown(r))
        return &request_unknown;
    if (r->err == ERR_TOO_LARGE && r->was_sent)
        return &reply_too_large;
    return meaning_of(r->err == ERR_TIMEOUT && r->was_connecting ? ERR_NO_CONNECTION : r->err);
}

/* <0.85.0>, #Pid<0.85.0>: what a shell shows. */
static bool is_pid_of_a_shell(struct slice name)
{
    return name.len > 3 && name.ptr[name.len - 1] == '>' &&
           (name.ptr[0] == '<' || memcmp(name.ptr, "#Pid", 4) == 0);
}

/* Whom the request's path names, which has been kept with it. */
static void write_nobody(struct wr *w, struct gateway *g, const struct exchange *x)
{
    struct slice name = http_segment(g->http, x->http_id, 1); /* else there is a pid alone */
    bool is_pid = name.len == 0;
    struct slice whom = is_pid ? http_segment(g->http, x->http_id, 0) : name;

    if (is_pid)
        wr_printf(w, "the process %.*s has ended, or there was none; the request had no effect",
                  SLICE_FMT(whom));
    else if (is_pid_of_a_shell(whom))
        wr_printf(
            w,
            "no process is registered as '%.*s' at node '%s'; a pid is no name: it is written as replies "
            "have it, with node and creation (kv@localhost:85:0:1672531200), and asked at /v1/pids/{pid}",
            SLICE_FMT(whom), x->node);
    else
        wr_printf(w,
                  "no process is registered as '%.*s' at node '%s'; the request had no effect; "
                  "GET /v1/nodes/%s/processes lists the names that are",
                  SLICE_FMT(whom), x->node, x->node);
    wr_u8(w, '\0');
}

static void answer_nobody(struct gateway *g, const struct exchange *x, const struct node_result *r)
{
    struct meaning m = meanings[ERR_NOPROC];
    struct http_problem p = {.was_sent = r->was_sent};
    struct wr detail;

    wr_init(&detail, SIZE_MAX);
    write_nobody(&detail, g, x);
    if (wr_ok(&detail)) {
        m.detail = (const char *)detail.buf;
        m.hint = NULL;
    }
    answer(g, x->http_id, &m, &p, (struct slice){0}, r->text);
    wr_fini(&detail);
}

/* m of a function that was called, which is named: lists:reverse/2. */
static void answer_function(struct gateway *g, const struct exchange *x, const struct meaning *m,
                            const struct node_result *r)
{
    struct etf_atom module = {.text = x->target.name}, function = {.text = x->target.function};
    struct node_result named = *r;
    struct wr called;

    wr_init(&called, SIZE_MAX);
    etf_print_fun_text(&called, module, function, x->arity);
    wr_u8(&called, '\0');
    if (wr_ok(&called))
        named.text = (const char *)called.buf;
    answer_failure(g, x, m, &named);
    wr_fini(&called);
}

void errors_answer_result(struct gateway *g, const struct exchange *x, const struct node_result *r)
{
    const struct meaning *m = meaning_of_result(r);
    bool is_named = !x->is_found &&
                    http_segment(g->http, x->http_id, x->target.kind == TARGET_PID ? 0 : 1).len &&
                    (x->target.kind == TARGET_NAME || x->target.kind == TARGET_PID);

    if (r->err == ERR_NOPROC && is_named)
        answer_nobody(g, x, r);
    else if (x->target.kind == TARGET_FUNCTION && m == &function_failed)
        answer_function(g, x, is_unfit(x, r) ? &arguments_unfit : m, r);
    else
        answer_failure(g, x, m, r);
}

static void write_text(struct wr *w, const char *key, struct slice text)
{
    etf_write_binary(w, slice_of_str(key));
    etf_write_binary(w, text);
}

static void write_bool(struct wr *w, const char *key, bool value)
{
    etf_write_binary(w, slice_of_str(key));
    etf_write_atom_str(w, value ? "true" : "false");
}

static void write_copy(struct wr *w, const char *key, struct slice term, const struct etf_atoms *atoms)
{
    struct etf_rd rd = etf_rd_of(term, atoms);

    if (term.len == 0)
        return;
    etf_write_binary(w, slice_of_str(key));
    if (etf_copy(w, &rd) != ERR_NONE)
        wr_fail(w, ERR_NOMEM);
}

void errors_write(const struct gateway *g, struct wr *w, const struct node_result *r, struct slice node)
{
    const struct meaning *m = meaning_of_result(r);
    bool has_class = r->err == ERR_CALLEE_EXIT, has_reason = has_class && !g->config.hides_reasons;
    uint32_t pairs = 4 + has_class;
    struct wr detail;

    wr_init(&detail, SIZE_MAX);
    write_detail(g, &detail, m, node, r->text);
    if (has_reason)
        pairs += (r->term.len > 0) + (r->stacktrace.len > 0);
    etf_write_map(w, pairs);
    write_text(w, "code", slice_of_str(m->code));
    write_text(w, "detail", wr_ok(&detail) ? slice_of(detail.buf, detail.len - 1) : slice_of_str(m->detail));
    write_bool(w, "sent", r->was_sent);
    write_bool(w, "retryable", is_retryable(m, r->was_sent));
    if (has_class)
        write_text(w, "class", slice_of_str(r->exception ? r->exception : "exit"));
    if (has_reason) {
        write_copy(w, "reason", r->term, r->atoms);
        write_copy(w, "stacktrace", r->stacktrace, r->atoms);
    }
    wr_fini(&detail);
}

void errors_answer_undefined(struct gateway *g, const struct exchange *x, const struct node_result *r)
{
    struct meaning m = function_unknown;

    if (is_as_in_elixir(x->target.name))
        m.hint = "a module of Elixir is called 'Elixir.…' in Erlang: Elixir.Enum, and Elixir.String:upcase/1";
    else if (slice_eq_str(node_name(g->node), x->node))
        m.hint = "the gateway's own node runs none: ask a node of the cluster";
    answer_function(g, x, &m, r);
}

void errors_answer_no_beam(struct gateway *g, const struct exchange *x, const struct node_result *r,
                           const char *function, const char *so)
{
    struct meaning m = {
        .code = "unsupported-by-peer", .detail = "node '%s' runs no function of OTP's", .hint = so};
    struct http_problem p = {.was_sent = r->was_sent};

    answer(g, x->http_id, &m, &p, slice_of_str(x->node), function);
}

void errors_answer_fault(struct gateway *g, uint64_t http_id, const struct transcode_fault *f,
                         const char *hint)
{
    struct meaning m = *meaning_of(f->fault.err);
    struct http_problem p = {
        .pointer = f->pointer[0] ? f->pointer : NULL,
        .line = f->line,
        .column = f->column,
        .has_offset = true,
        .offset = f->fault.offset,
    };

    /* What is said of the place itself helps more than what is said of all such errors. */
    if (f->fault.text && *f->fault.text && f->fault.err != ERR_ATOM_BUDGET)
        m.detail = f->fault.text;
    if (f->fault.err == ERR_MORE && f->fault.offset == 0)
        m.hint = "the body is empty, and is to be the request term; of a function the list of its arguments, "
                 "[] for none";
    else if (hint)
        m.hint = hint;
    answer(g, http_id, &m, &p, (struct slice){0}, NULL);
}

void errors_answer_parameter(struct gateway *g, uint64_t http_id, const char *parameter, const char *detail)
{
    struct http_problem p = {.code = "bad-parameter", .parameter = parameter, .detail = detail};

    http_answer_problem(g->http, http_id, &p);
}
