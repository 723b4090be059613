#include "http/problem.h"

#include "base/check.h"
#include "base/utf8.h"
#include "http/stats.h"

static const struct http_problem_kind kinds[] = {
    {"bad-term", 400, "The body is no term"},
    {"bad-parameter", 400, "A parameter is wrong"},
    {"unauthenticated", 401, "Credentials are missing or wrong"},
    {"forbidden", 403, "The policy does not allow this"},
    {"cross-site", 403, "The request comes from another site"},
    {"not-found", 404, "There is no such resource"},
    {"noproc", 404, "There is no such process"},
    {"undef", 404, "There is no such function"},
    {"method-not-allowed", 405, "The resource does not have this method"},
    {"not-acceptable", 406, "No acceptable representation"},
    {"name-taken", 409, "The name is taken"},
    {"gone", 410, "The process or stream has ended"},
    {"body-too-large", 413, "The body is too large"},
    {"too-deep", 413, "The body is nested too deep"},
    {"unsupported-media-type", 415, "The media type is not supported"},
    {"misdirected-host", 421, "The host is not this gateway"},
    {"atom-budget-exceeded", 422, "Too many new atoms"},
    {"unsupported-by-peer", 422, "The node cannot take this term"},
    {"rate-limited", 429, "Too many requests"},
    {"headers-too-large", 431, "The headers are too large"},
    {"internal", 500, "The gateway failed"},
    {"callee-exit", 502, "The callee failed during the call"},
    {"nodedown", 502, "The link to the node was lost during the call"},
    {"auth-failed", 502, "The node refused our cookie"},
    {"reply-too-large", 502, "The reply is too large"},
    {"no-connection", 503, "The node cannot be reached"},
    {"overloaded", 503, "The gateway is busy"},
    {"timeout", 504, "No reply in time"},
};

const struct http_problem_kind *http_problem_kind(const char *code)
{
    for (size_t i = 0; code && i < ARRAY_LEN(kinds); i++) {
        if (strcmp(kinds[i].code, code) == 0)
            return &kinds[i];
    }
    return NULL;
}

_Static_assert(ARRAY_LEN(kinds) < HTTP_PROBLEM_KINDS_MAX,
               "each code has a counter, and unknown ones share one");

size_t http_problem_index(const char *code)
{
    size_t i = 0;

    while (i < ARRAY_LEN(kinds) && strcmp(kinds[i].code, code) != 0)
        i++;
    return i;
}

const struct http_problem_kind *http_problem_kind_next(size_t *cursor)
{
    return *cursor < ARRAY_LEN(kinds) ? &kinds[(*cursor)++] : NULL;
}

unsigned http_problem_status(const struct http_problem *p)
{
    const struct http_problem_kind *kind;

    if (p->status)
        return p->status;
    kind = http_problem_kind(p->code);
    return kind ? kind->status : 500;
}

static void write_escaped(struct wr *w, uint32_t cp)
{
    switch (cp) {
    case '"': wr_str(w, "\\\""); break;
    case '\\': wr_str(w, "\\\\"); break;
    case '\n': wr_str(w, "\\n"); break;
    case '\r': wr_str(w, "\\r"); break;
    case '\t': wr_str(w, "\\t"); break;
    default:
        if (cp < 0x20 || cp == 0x7F)
            wr_printf(w, "\\u%04x", (unsigned)cp);
        else
            utf8_write(w, cp);
    }
}

void http_json_string(struct wr *w, struct slice s)
{
    const uint8_t *p = s.ptr, *end = s.len ? s.ptr + s.len : s.ptr;

    wr_u8(w, '"');
    while (p < end) {
        int32_t cp = utf8_next(&p, end);

        if (cp == UTF8_INVALID) {
            p++;
            cp = 0xFFFD;
        }
        write_escaped(w, (uint32_t)cp);
    }
    wr_u8(w, '"');
}

static void write_text(struct wr *w, const char *name, struct slice text)
{
    wr_printf(w, ",\"%s\":", name);
    http_json_string(w, text);
}

/* errors[0]: the place in the input. */
static void write_place(struct wr *w, const struct http_problem *p)
{
    if (!p->pointer && !p->line && !p->has_offset)
        return;
    wr_str(w, ",\"errors\":[{\"detail\":");
    http_json_string(w, slice_of_str(p->detail ? p->detail : ""));
    if (p->pointer)
        write_text(w, "pointer", slice_of_str(p->pointer));
    if (p->line)
        wr_printf(w, ",\"line\":%u", p->line);
    if (p->column)
        wr_printf(w, ",\"column\":%u", p->column);
    if (p->has_offset)
        wr_printf(w, ",\"offset\":%zu", p->offset);
    wr_str(w, "}]");
}

void http_problem_write(struct wr *w, const struct http_problem *p, struct slice request_id)
{
    const struct http_problem_kind *kind = http_problem_kind(p->code);
    const char *title = p->title ? p->title : kind ? kind->title : "Error";
    const char *code = p->code ? p->code : "internal";

    wr_str(w, "{\"type\":\"urn:erlgate:problem:");
    wr_str(w, code);
    wr_u8(w, '"');
    write_text(w, "title", slice_of_str(title));
    wr_printf(w, ",\"status\":%u", http_problem_status(p));
    if (p->detail)
        write_text(w, "detail", slice_of_str(p->detail));
    write_text(w, "code", slice_of_str(code));
    if (request_id.len)
        write_text(w, "request_id", request_id);
    wr_printf(w, ",\"retryable\":%s,\"sent\":%s", p->is_retryable ? "true" : "false",
              p->was_sent ? "true" : "false");
    if (p->klass.len)
        write_text(w, "class", p->klass);
    if (p->reason.len) {
        wr_str(w, ",\"reason\":");
        wr_slice(w, p->reason); /* JSON already */
    }
    if (p->stacktrace.len) {
        wr_str(w, ",\"stacktrace\":");
        wr_slice(w, p->stacktrace); /* JSON already */
    }
    if (p->parameter)
        write_text(w, "parameter", slice_of_str(p->parameter));
    write_place(w, p);
    wr_str(w, "}\n"); /* for people at a terminal */
}
