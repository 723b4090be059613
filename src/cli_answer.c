#include "src/cli_answer.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/check.h"
#include "bridge/transcode.h"
#include "etf/syntax.h"
#include "src/cli_json.h"

const char cli_problem_type[] = "application/problem+json";

enum { REASON_SHOWN = 1200 }; /* bytes of a reason; what is longer is cut: it is one line */

void cli_erlang_of_json(struct slice json, struct wr *w)
{
    struct transcode_options options = {0};
    struct wr term, text;
    struct etf_rd r;
    bool ok;

    wr_init(&term, SIZE_MAX);
    wr_init(&text, SIZE_MAX);
    ok = transcode_json_to_etf(json, &options, &term, NULL, NULL) == ERR_NONE;
    r = etf_rd_of(wr_written(&term), NULL);
    ok = ok && etf_print(&text, &r) == ERR_NONE;
    if (ok)
        wr_slice(w, wr_written(&text));
    else
        cli_json_show(w, json);
    wr_fini(&term);
    wr_fini(&text);
}

/* ---- problems ---- */

bool cli_answer_code(const struct cli_answer *answer, struct wr *w)
{
    struct slice value;

    return strcmp(answer->type, cli_problem_type) == 0 &&
           cli_json_member(wr_written(&answer->body), "code", &value) && cli_json_string(value, w);
}

/* What is said to those who write requests, and what it is for those who type commands. */
static const struct {
    const char *theirs, *ours;
} advice[] = {
    {"; ?timeout=", "; --timeout gives it longer"},
    {", and asked at /v1/pids/", "; then it alone is the target"},
    {"; class, reason and stacktrace", ""},
    {"; Erlang syntax goes with", "; Erlang syntax goes without --json and --typed, or with --in erl"},
    {"; JSON goes with", "; JSON goes with --json or --typed"},
    {": PUT /v1/nodes/{node}", "; `erlgate ping NODE` connects one"},
};

/* "; GET /v1/nodes/NODE/processes lists …" */
static bool take_list(struct slice *detail, struct slice *ret_node)
{
    static const char before[] = "; GET /v1/nodes/", behind[] = "/processes";
    const uint8_t *at = detail->len ? memmem(detail->ptr, detail->len, before, sizeof before - 1) : NULL;
    const uint8_t *node = at ? at + sizeof before - 1 : NULL, *end;

    if (!at)
        return false;
    end = memmem(node, (size_t)(slice_end(*detail) - node), behind, sizeof behind - 1);
    if (!end)
        return false;
    *ret_node = slice_of(node, (size_t)(end - node));
    detail->len = (size_t)(at - detail->ptr);
    return true;
}

static void say_translated(struct slice detail)
{
    const char *ours = "";
    struct slice node;
    bool has_list;

    for (size_t i = 0; i < ARRAY_LEN(advice); i++) {
        const uint8_t *theirs =
            detail.len ? memmem(detail.ptr, detail.len, advice[i].theirs, strlen(advice[i].theirs)) : NULL;

        if (theirs) {
            detail.len = (size_t)(theirs - detail.ptr);
            ours = advice[i].ours;
        }
    }
    while (detail.len && (detail.ptr[detail.len - 1] == '.' || detail.ptr[detail.len - 1] == '\n'))
        detail.len--;
    has_list = take_list(&detail, &node);
    cli_say_text(detail);
    fputs(ours, stderr);
    if (!has_list)
        return;
    fputs("; `erlgate names ", stderr);
    cli_say_text(node);
    fputs("` lists the names", stderr);
}

static void say_detail(struct slice problem)
{
    struct slice value;
    struct wr text;

    wr_init(&text, SIZE_MAX);
    if (cli_json_member(problem, "detail", &value) && cli_json_string(value, &text))
        say_translated(wr_written(&text));
    else
        fputs("no more is said", stderr);
    wr_fini(&text);
}

static void say_member(struct slice problem, const char *key)
{
    struct slice value;
    struct wr text;

    wr_init(&text, SIZE_MAX);
    if (cli_json_member(problem, key, &value) && cli_json_string(value, &text)) {
        fprintf(stderr, "; %s: ", key);
        cli_say_text(wr_written(&text));
    }
    wr_fini(&text);
}

/* errors[0]: "TERM:1:6: ", or "TERM, byte 12: " where it has no lines. */
static void say_place(struct slice problem, const char *place)
{
    struct slice errors, first, value;
    uint64_t line, column;
    struct json_rd r;

    if (!cli_json_member(problem, "errors", &errors))
        return;
    json_rd_init(&r, errors, JSON_DEPTH_MAX);
    if (json_next(&r) == JSON_ARRAY && cli_json_element(&r, &first) &&
        cli_json_member(first, "line", &value) && cli_json_uint(value, &line) &&
        cli_json_member(first, "column", &value) && cli_json_uint(value, &column))
        fprintf(stderr, "%s:%" PRIu64 ":%" PRIu64 ": ", place, line, column);
    json_rd_fini(&r);
}

static void say_term(struct slice problem, const char *key, const char *before, enum cli_format format)
{
    struct slice value, shown;
    struct wr text;

    if (!cli_json_member(problem, key, &value))
        return;
    wr_init(&text, SIZE_MAX);
    if (format == CLI_ERL)
        cli_erlang_of_json(value, &text);
    else
        wr_slice(&text, value);
    shown = wr_written(&text);
    fputs(before, stderr);
    cli_say_text(shown.len > REASON_SHOWN ? slice_of(shown.ptr, REASON_SHOWN) : shown);
    if (shown.len > REASON_SHOWN)
        fputs("...", stderr);
    wr_fini(&text);
}

/* What a function raised has a class. */
static const char *before_reason(struct slice problem)
{
    struct slice klass;

    if (!cli_json_member(problem, "class", &klass))
        return "; reason: ";
    return slice_eq_str(klass, "\"error\"")   ? "; error: "
           : slice_eq_str(klass, "\"throw\"") ? "; throw: "
                                              : "; reason: ";
}

static enum cli_status say_problem(const struct cli_args *a, const struct cli_answer *answer,
                                   struct slice code, const char *place)
{
    struct slice problem = wr_written(&answer->body);
    const char *hint = cli_status_hint(code);

    fputs("erlgate: ", stderr);
    cli_say_text(code);
    fputs(": ", stderr);
    say_place(problem, place);
    say_detail(problem);
    say_member(problem, "parameter");
    if (answer->status == 401 || answer->status == 500) /* whose log says more */
        say_member(problem, "request_id");
    if (!slice_eq_str(code, "undef")) /* whose reason is no more than its name */
        say_term(problem, "reason", before_reason(problem), a->format);
    fprintf(stderr, "%s%s\n", hint ? "; " : "", hint ? hint : "");
    return cli_status_of(code, answer->status);
}

/* ---- what is no answer of a gateway ---- */

/* As http/handshake.c says it to who comes with plain HTTP. */
static bool wants_https(const struct cli_answer *answer)
{
    static const char said[] = "This port speaks HTTPS";
    struct slice body = wr_written(&answer->body);

    return answer->status == 400 && body.len >= sizeof said - 1 &&
           memcmp(body.ptr, said, sizeof said - 1) == 0;
}

static enum cli_status judge_stranger(const struct cli_http *h, const struct cli_answer *answer)
{
    if (wants_https(answer))
        return cli_say(CLI_NO_GATEWAY, "what answers at %s speaks HTTPS: --url or $ERLGATE_URL with https://",
                       cli_http_url(h));
    fprintf(stderr, "erlgate: what answers at %s is no erlgate: it says %ld", cli_http_url(h),
            answer->status);
    if (answer->type[0]) {
        fputs(", ", stderr);
        cli_say_text(slice_of_str(answer->type));
    }
    fputs(answer->status >= 300 && answer->status < 400
              ? "; redirects are not followed: give --url or $ERLGATE_URL the address that it redirects to\n"
              : "; --url or $ERLGATE_URL says where the gateway is\n",
          stderr);
    return CLI_NO_GATEWAY;
}

static enum cli_status judge_end(const struct cli_http *h, const struct cli_answer *answer)
{
    const char *url = cli_http_url(h), *hint = answer->hint;

    switch (answer->end) {
    case CLI_HTTP_NOT_REACHED:
        return cli_say(CLI_NO_GATEWAY, "the gateway cannot be reached at %s: %s%s%s", url, answer->why,
                       hint ? "; " : "", hint ? hint : "");
    case CLI_HTTP_NO_ANSWER:
        hint = answer->status ? NULL : hint; /* it began well */
        return cli_say(CLI_NO_GATEWAY, "the answer from %s %s: %s%s%s", url,
                       answer->status ? "is not whole" : "is none", answer->why, hint ? "; " : "",
                       hint ? hint : "");
    case CLI_HTTP_LATE:
        return cli_say(CLI_TIMEOUT, "%s at %s does not answer%s",
                       answer->status ? "the gateway" : "what listens", url,
                       answer->status ? " any more" : " in time; is it a gateway, and well?");
    case CLI_HTTP_NO_MEMORY: return cli_say(CLI_FAILED, "out of memory");
    default: return CLI_FAILED; /* said already */
    }
}

enum cli_status cli_answer_judge(const struct cli_http *h, const struct cli_args *a,
                                 const struct cli_answer *answer, const char *wanted, const char *place)
{
    enum cli_status status;
    struct wr code;

    if (answer->end != CLI_HTTP_DONE)
        return judge_end(h, answer);
    if (answer->status == 202 || answer->status == 204 ||
        (answer->status == 200 && (!wanted || strcmp(answer->type, wanted) == 0)))
        return CLI_OK;
    wr_init(&code, SIZE_MAX);
    status = cli_answer_code(answer, &code) ? say_problem(a, answer, wr_written(&code), place)
                                            : judge_stranger(h, answer);
    wr_fini(&code);
    return status;
}

enum cli_status cli_ask(struct cli_http *h, const struct cli_args *a, const struct cli_request *request,
                        struct cli_answer *ret)
{
    cli_http_ask(h, request, ret);
    return cli_answer_judge(h, a, ret, request->accept, "");
}
