/*
 * cli_lists: nodes, names and ping: what there is.
 */
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "etf/syntax.h"
#include "src/cli.h"
#include "src/cli_answer.h"
#include "src/cli_json.h"
#include "src/cli_out.h"
#include "src/cli_target.h"

enum { GRACE_MS = 5000, IDLE_MS = 30000, PAGES_MAX = 100000 };

static const char json_type[] = "application/json";

static bool expect_words(const struct cli_args *a, size_t count)
{
    if (a->word_count < count)
        return cli_args_refuse(a, "of which node? NODE is missing");
    if (a->word_count > count)
        return cli_args_refuse(a, "'%s' is too much", a->words[count]);
    return true;
}

static enum cli_status nonsense(const struct cli_http *h)
{
    return cli_say(CLI_FAILED, "the answer from %s makes no sense: are gateway and program of one version?",
                   cli_http_url(h));
}

static enum cli_status get(struct cli_http *h, const struct cli_args *a, const char *path,
                           struct cli_answer *ret)
{
    struct cli_request request = {.method = "GET",
                                  .path = path,
                                  .accept = json_type,
                                  .wait_ms = a->timeout_ms + GRACE_MS,
                                  .idle_ms = IDLE_MS};
    enum cli_status status = cli_ask(h, a, &request, ret);

    if (status == CLI_OK && !cli_json_is_whole(wr_written(&ret->body)))
        return nonsense(h);
    return status;
}

/* Nothing in a line of output may be taken for something else: a blank, a quote, what a terminal obeys. */
static bool is_plain(struct slice text)
{
    const uint8_t *p = text.ptr, *end = text.len ? text.ptr + text.len : text.ptr;

    if (text.len == 0 || *p == '\'' || *p == '#' || *p == '-') /* nor for an option */
        return false;
    while (p < end) {
        int32_t c = utf8_next(&p, end);

        if (c == UTF8_INVALID || c == ' ' || c == 0xA0 || utf8_is_obeyed((uint32_t)c))
            return false;
    }
    return true;
}

static bool begins_with(struct slice text, const char *prefix)
{
    return text.len >= strlen(prefix) && memcmp(text.ptr, prefix, strlen(prefix)) == 0;
}

/* So that it can be given to `erlgate call` as it is: bare, or as Erlang writes it with its quotes. */
static void write_name(struct wr *w, struct slice name)
{
    if (is_plain(name) && !begins_with(name, "global:") && !begins_with(name, "group:"))
        wr_slice(w, name);
    else
        etf_print_atom(w, (struct etf_atom){.text = name});
}

static bool write_member(struct wr *w, struct slice object, const char *key)
{
    struct slice value;
    struct wr text;
    bool ok;

    wr_init(&text, SIZE_MAX);
    ok = cli_json_member(object, key, &value) && cli_json_string(value, &text);
    if (ok)
        write_name(w, wr_written(&text));
    wr_fini(&text);
    return ok;
}

static enum cli_status print(struct wr *w)
{
    if (!wr_ok(w))
        return cli_say(CLI_FAILED, "out of memory");
    return cli_out(wr_written(w)) ? CLI_OK : CLI_FAILED;
}

/* Writes one line an element of the array; false when the text is no array of what `line` takes. */
static bool write_lines(struct wr *w, struct slice array, bool (*line)(struct wr *w, struct slice element))
{
    struct slice element;
    struct json_rd r;
    bool ok;

    json_rd_init(&r, array, JSON_DEPTH_MAX);
    ok = json_next(&r) == JSON_ARRAY;
    while (ok && cli_json_element(&r, &element)) {
        ok = line(w, element);
        wr_u8(w, '\n');
    }
    ok = ok && json_next(&r) == JSON_DONE;
    json_rd_fini(&r);
    return ok;
}

/* The body of a page, as lines or as it is. */
static enum cli_status print_page(const struct cli_http *h, const struct cli_args *a,
                                  const struct cli_answer *answer, const char *key,
                                  bool (*line)(struct wr *w, struct slice element))
{
    struct slice body = wr_written(&answer->body), array;
    enum cli_status status;
    struct wr w;

    if (a->format != CLI_ERL)
        return cli_out(body) ? CLI_OK : CLI_FAILED;
    wr_init(&w, SIZE_MAX);
    status = cli_json_member(body, key, &array) && write_lines(&w, array, line) ? print(&w) : nonsense(h);
    wr_fini(&w);
    return status;
}

/* A page after another, as Link: rel=next leads. */
static enum cli_status print_pages(struct cli_http *h, const struct cli_args *a, const char *path,
                                   const char *key, bool (*line)(struct wr *w, struct slice element))
{
    enum cli_status status = CLI_OK;
    char next[sizeof((struct cli_answer *)0)->next];
    size_t pages = 0;

    do {
        struct cli_answer answer;
        bool is_same;

        status = get(h, a, path, &answer);
        if (status == CLI_OK)
            status = print_page(h, a, &answer, key, line);
        is_same = strcmp(answer.next, path) == 0;
        snprintf(next, sizeof next, "%s", answer.next);
        path = next;
        cli_answer_fini(&answer);
        if (status == CLI_OK && next[0] && (next[0] != '/' || is_same || ++pages == PAGES_MAX))
            status = nonsense(h);
    } while (status == CLI_OK && next[0]);
    return status;
}

/* ---- nodes ---- */

static void write_optional(struct wr *w, struct slice object, const char *key, const char *before)
{
    size_t start = w->len;

    wr_str(w, before);
    if (!write_member(w, object, key))
        w->len = start;
}

/* Down, but nothing has been asked of it. */
static bool is_untried(struct slice node)
{
    struct slice state, failure;

    return cli_json_member(node, "state", &state) && slice_eq_str(state, "\"down\"") &&
           !cli_json_member(node, "last_failure", &failure);
}

/* Why it is down, as far as that is known. */
static void write_failure(struct wr *w, struct slice node)
{
    struct slice failure, detail;
    struct wr text;

    wr_init(&text, SIZE_MAX);
    if (cli_json_member(node, "last_failure", &failure) && cli_json_member(failure, "detail", &detail) &&
        cli_json_string(detail, &text)) {
        wr_str(w, "  ");
        cli_json_show(w, wr_written(&text));
    }
    wr_fini(&text);
}

static bool node_line(struct wr *w, struct slice node)
{
    size_t start = w->len;

    if (!write_member(w, node, "node"))
        return false;
    do
        wr_u8(w, ' ');
    while (w->len - start < 24);
    wr_u8(w, ' ');
    if (is_untried(node))
        wr_str(w, "not connected");
    else if (!write_member(w, node, "state"))
        return false;
    write_optional(w, node, "type", "  ");
    write_optional(w, node, "otp_release", "  OTP ");
    write_failure(w, node);
    return true;
}

enum cli_status cli_nodes(const struct cli_args *a)
{
    enum cli_status status;
    struct cli_http *h;

    if (!expect_words(a, 0))
        return CLI_USAGE;
    h = cli_http_new(a, &status);
    if (h)
        status = print_pages(h, a, "/v1/nodes", "nodes", node_line);
    cli_http_free(h);
    return status;
}

/* ---- names and ping: of one node ---- */

static bool name_line(struct wr *w, struct slice element)
{
    struct wr text;
    bool ok;

    if (cli_json_kind(element) == '{')
        return write_member(w, element, "name");
    wr_init(&text, SIZE_MAX);
    ok = cli_json_string(element, &text);
    if (ok)
        write_name(w, wr_written(&text));
    wr_fini(&text);
    return ok;
}

static enum cli_status print_names(struct cli_http *h, const struct cli_args *a, const char *path)
{
    return print_pages(h, a, path, "names", name_line);
}

static enum cli_status print_pong(const struct cli_http *h, const struct cli_args *a,
                                  const struct cli_answer *answer)
{
    struct slice body = wr_written(&answer->body), pong, us;
    uint64_t rtt;
    char line[48];

    if (!cli_json_member(body, "pong", &pong))
        return nonsense(h);
    if (!slice_eq_str(pong, "true"))
        return cli_say(CLI_NO_NODE, "pang: %s does not take us for one of its nodes", a->words[0]);
    if (a->format != CLI_ERL)
        return cli_out(body) ? CLI_OK : CLI_FAILED;
    if (!cli_json_member(body, "rtt_us", &us) || !cli_json_uint(us, &rtt))
        return nonsense(h);
    snprintf(line, sizeof line, "pong %llu.%03llu ms\n", (unsigned long long)(rtt / 1000),
             (unsigned long long)(rtt % 1000));
    return cli_out(slice_of_str(line)) ? CLI_OK : CLI_FAILED;
}

static enum cli_status ask_for_pong(struct cli_http *h, const struct cli_args *a, const char *path)
{
    struct cli_answer answer;
    enum cli_status status = get(h, a, path, &answer);

    if (status == CLI_OK)
        status = print_pong(h, a, &answer);
    cli_answer_fini(&answer);
    return status;
}

/* A path below a node's, and what is asked there. */
static enum cli_status of_node(const struct cli_args *a, const char *below,
                               enum cli_status (*ask)(struct cli_http *h, const struct cli_args *a,
                                                      const char *path))
{
    enum cli_status status = CLI_USAGE;
    struct cli_http *h = NULL;
    struct wr path;

    wr_init(&path, SIZE_MAX);
    if (expect_words(a, 1) && cli_target_node(&path, a, a->words[0])) {
        wr_printf(&path, "%s?timeout=%llu", below, (unsigned long long)a->timeout_ms);
        wr_u8(&path, '\0');
        h = cli_http_new(a, &status);
    }
    if (h)
        status = wr_ok(&path) ? ask(h, a, (const char *)path.buf) : cli_say(CLI_FAILED, "out of memory");
    cli_http_free(h);
    wr_fini(&path);
    return status;
}

enum cli_status cli_names(const struct cli_args *a)
{
    return of_node(a, "/processes", print_names);
}

enum cli_status cli_ping(const struct cli_args *a)
{
    return of_node(a, "/ping", ask_for_pong);
}
