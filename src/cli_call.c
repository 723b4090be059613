/*
 * cli_call: call, cast, send, exit and rpc: a term goes to somebody, and maybe one comes back.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "src/cli.h"
#include "src/cli_answer.h"
#include "src/cli_out.h"
#include "src/cli_target.h"

enum {
    GRACE_MS = 5000, /* beyond --timeout, which the gateway keeps: for connecting, and the way back */
    IDLE_MS = 30000, /* silence in the middle of a reply */
    STDIN_MAX = 1 << 30,
    READ_SIZE = 64 << 10,
};

/* What is asked of whom: made by read_…, ended by question_fini. */
struct question {
    struct wr path;    /* owned: with its query, ends with a NUL */
    struct wr input;   /* owned: the term, when it came on standard input or was put together */
    struct slice body; /* borrowed */
    bool is_erlang;    /* else JSON */
    const char *place; /* what the term is called in messages */
};

static const char *const media[] = {[CLI_ERL] = "text/x-erlang",
                                    [CLI_JSON] = "application/json",
                                    [CLI_TYPED] = "application/vnd.erlang.typed+json"};

/* ---- the term ---- */

static bool read_stdin(struct question *q)
{
    for (;;) {
        uint8_t *room = wr_room(&q->input, READ_SIZE);
        ssize_t n = room ? read(STDIN_FILENO, room, READ_SIZE) : 0;

        if (!room) {
            cli_say(CLI_FAILED, "what comes on standard input is too large");
            return false;
        }
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            cli_say(CLI_FAILED, "cannot read standard input: %s", strerror(errno));
            return false;
        }
        if (n == 0)
            return true;
        q->input.len += (size_t)n;
    }
}

static bool read_term(struct question *q, const char *word, const char *what)
{
    q->place = what;
    q->body = slice_of_str(word);
    if (strcmp(word, "-") != 0)
        return true;
    q->place = "standard input";
    if (!read_stdin(q))
        return false;
    q->body = wr_written(&q->input);
    return true;
}

/* ---- to a process ---- */

/* How terms are represented, which the gateway knows by the same names. */
static void write_representation(struct wr *w, const struct cli_args *a)
{
    const struct {
        const char *name, *value;
    } options[] = {
        {"charlists", a->charlists}, {"bigints", a->bigints}, {"null", a->null}, {"keys", a->keys}};

    for (size_t i = 0; i < ARRAY_LEN(options); i++)
        if (options[i].value)
            wr_printf(w, "&%s=%s", options[i].name, options[i].value);
    if (a->unwraps)
        wr_str(w, "&unwrap=ok");
}

static void write_query(struct question *q, const struct cli_args *a, const struct cli_target *t)
{
    wr_printf(&q->path, "/%s?timeout=%llu", a->name, (unsigned long long)a->timeout_ms);
    write_representation(&q->path, a);
    if (a->to)
        wr_printf(&q->path, "&to=%s", a->to);
    if (t->is_erlang)
        wr_str(&q->path, "&syntax=erlang");
    wr_u8(&q->path, '\0');
}

static bool read_message(struct question *q, const struct cli_args *a, const struct cli_target *t)
{
    const char *what = a->command == CLI_EXIT ? "REASON" : "TERM";

    if (a->to && !t->is_group)
        return cli_args_refuse(a, "--to is for groups: group:SCOPE/GROUP");
    if (a->word_count == t->words)
        return cli_args_refuse(a, "there is no %s behind %s; - reads it from standard input", what,
                               a->words[t->words - 1]);
    if (a->word_count > t->words + 1)
        return cli_args_refuse(a, "'%s' is too much: a term with blanks in it wants quotes around it",
                               a->words[t->words + 1]);
    wr_slice(&q->path, wr_written(&t->path));
    write_query(q, a, t);
    return read_term(q, a->words[t->words], what);
}

static bool read_to_process(struct question *q, const struct cli_args *a)
{
    struct cli_target t;
    bool ok = cli_target_read(&t, a) && read_message(q, a, &t);

    cli_target_fini(&t);
    return ok;
}

/* ---- rpc ---- */

/* The first such character outside of quotes; len if there is none. */
static size_t find_unquoted(struct slice text, uint8_t wanted)
{
    bool is_quoted = false;

    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\\' && is_quoted)
            i++;
        else if (text.ptr[i] == '\'')
            is_quoted = !is_quoted;
        else if (text.ptr[i] == wanted && !is_quoted)
            return i;
    }
    return text.len;
}

static bool add_atom(struct question *q, const struct cli_args *a, struct slice text)
{
    struct wr atom;
    bool ok;

    wr_init(&atom, SIZE_MAX);
    ok = cli_target_atom(a, text, &atom);
    if (ok)
        cli_target_segment(&q->path, wr_written(&atom));
    wr_fini(&atom);
    return ok;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static struct slice without_blanks(struct slice text)
{
    while (text.len && is_blank(text.ptr[0]))
        text = slice_of(text.ptr + 1, text.len - 1);
    while (text.len && is_blank(text.ptr[text.len - 1]))
        text.len--;
    return text;
}

/* As it is typed in a shell of Erlang's: with blanks around it, and a dot at its end. (Elixir has a function
 * that is called `..`.) */
static struct slice without_dot(struct slice text)
{
    text = without_blanks(text);
    if (text.len > 1 && text.ptr[text.len - 1] == '.' && text.ptr[text.len - 2] != '.' &&
        text.ptr[text.len - 2] != ':')
        text.len--;
    return without_blanks(text);
}

/* `lists:seq(1, 3)`: what stands between the parentheses becomes the list of arguments, which is Erlang
 * unless it was said to be JSON. Gives the M:F. */
static bool take_parentheses(struct question *q, const struct cli_args *a, const char *word,
                             struct slice *ret)
{
    struct slice text = without_dot(slice_of_str(word));
    size_t open = find_unquoted(text, '(');

    *ret = slice_of(text.ptr, open);
    if (open == text.len)
        return true;
    if (text.ptr[text.len - 1] != ')')
        return cli_args_refuse(a, "'%s' is no function: '(' is not closed", word);
    wr_u8(&q->input, '[');
    wr_bytes(&q->input, text.ptr + open + 1, text.len - open - 2);
    wr_u8(&q->input, ']');
    q->body = wr_written(&q->input);
    q->is_erlang = !a->in || a->is_erlang_in;
    return true;
}

static bool read_function(struct question *q, const struct cli_args *a, const char *word)
{
    struct slice function;
    size_t colon;

    if (!take_parentheses(q, a, word, &function))
        return false;
    colon = find_unquoted(function, ':');
    if (colon == function.len)
        return cli_args_refuse(
            a, "'%s' is no function: it is written module:function (of Elixir, Elixir.String:upcase)", word);
    wr_str(&q->path, "/rpc");
    return add_atom(q, a, without_blanks(slice_of(function.ptr, colon))) &&
           add_atom(q, a, without_blanks(slice_of(function.ptr + colon + 1, function.len - colon - 1)));
}

/* Only an Erlang string or a comment begins otherwise, and in JSON a {"$list": …}. */
static bool may_be_list(const struct question *q, const char *word)
{
    struct slice text = without_blanks(slice_of_str(word));

    return text.len == 0 || strcmp(word, "-") == 0 || strchr(q->is_erlang ? "[\"%" : "[{", text.ptr[0]);
}

/* lists:seq/2, as documentation names functions. */
static bool has_arity(const char *word)
{
    const char *slash = strrchr(word, '/');

    return slash && slash[1] && !slash[1 + strspn(slash + 1, "0123456789")] && !strpbrk(word, "'(");
}

static bool read_rpc(struct question *q, const struct cli_args *a)
{
    if (a->word_count < 2)
        return cli_args_refuse(a, "a node and a function are needed: NODE M:F ARGS");
    if (a->word_count > 2 && !strchr(a->words[1], ':') && a->words[2][0] != '[')
        return cli_args_refuse(a, "module and function are one word: %s:%s", a->words[1], a->words[2]);
    if (has_arity(a->words[1]))
        return cli_args_refuse(a, "'%s': the arity is as many as there are arguments: %.*s", a->words[1],
                               (int)(strrchr(a->words[1], '/') - a->words[1]), a->words[1]);
    if (a->word_count > 3)
        return cli_args_refuse(a, "'%s' is too much: ARGS is one list, in quotes: '[1, 2]'", a->words[3]);
    if (a->is_cast && a->unwraps)
        return cli_args_refuse(a, "--cast waits for no reply that --unwrap could look at");
    if (!cli_target_node(&q->path, a, a->words[0]) || !read_function(q, a, a->words[1]))
        return false;
    if (q->body.len && a->word_count == 3)
        return cli_args_refuse(a, "the arguments are given twice");
    if (a->word_count == 3 && !may_be_list(q, a->words[2]))
        return cli_args_refuse(a, "'%s' is no list: ARGS is one list, in quotes: '[%s]'", a->words[2],
                               a->words[2]);
    wr_printf(&q->path, "%s?timeout=%llu", a->is_cast ? "/cast" : "", (unsigned long long)a->timeout_ms);
    write_representation(&q->path, a);
    wr_u8(&q->path, '\0');
    q->place = "ARGS";
    if (q->body.len)
        return true;
    return read_term(q, a->word_count == 3 ? a->words[2] : "[]", "ARGS");
}

/* ---- asking ---- */

static bool take_reply(void *ctx, struct slice part)
{
    uint8_t *last = ctx;

    *last = part.len ? part.ptr[part.len - 1] : *last;
    return cli_out(part);
}

/* {error, R}, unwrapped. */
static enum cli_status say_error(const struct cli_answer *answer)
{
    struct slice reason = wr_written(&answer->body);

    while (reason.len && reason.ptr[reason.len - 1] == '\n')
        reason.len--;
    fputs("erlgate: error: ", stderr);
    cli_say_text(reason);
    fputc('\n', stderr);
    return CLI_NO;
}

static enum cli_status ask(struct cli_http *h, const struct cli_args *a, const struct question *q)
{
    uint8_t last = '\n';
    bool waits = (a->command == CLI_CALL || a->command == CLI_RPC) && !a->is_cast;
    struct cli_request request = {.method = "POST",
                                  .path = (const char *)q->path.buf,
                                  .type = q->is_erlang ? media[CLI_ERL] : media[CLI_JSON],
                                  .body = q->body,
                                  .accept = waits ? media[a->format] : NULL,
                                  .wait_ms = a->timeout_ms + GRACE_MS,
                                  .idle_ms = IDLE_MS,
                                  .sink = take_reply,
                                  .ctx = &last};
    struct cli_answer answer;
    enum cli_status status;

    cli_http_ask(h, &request, &answer);
    if (last != '\n' && !cli_out(SLICE("\n")))
        answer.end = CLI_HTTP_STOPPED;
    if (answer.end == CLI_HTTP_DONE && a->unwraps && answer.status == 422 &&
        strcmp(answer.type, request.accept) == 0)
        status = say_error(&answer);
    else
        status = cli_answer_judge(h, a, &answer, request.accept, q->place);
    cli_answer_fini(&answer);
    return status;
}

enum cli_status cli_call(const struct cli_args *a)
{
    struct question q = {.is_erlang = a->is_erlang_in, .place = "TERM"};
    enum cli_status status = CLI_USAGE;
    struct cli_http *h;
    bool is_read;

    wr_init(&q.path, SIZE_MAX);
    wr_init(&q.input, STDIN_MAX);
    is_read = a->command == CLI_RPC ? read_rpc(&q, a) : read_to_process(&q, a);
    if (is_read && (!wr_ok(&q.path) || !wr_ok(&q.input))) {
        status = cli_say(CLI_FAILED, "out of memory");
    } else if (is_read) {
        h = cli_http_new(a, &status);
        if (h)
            status = ask(h, a, &q);
        cli_http_free(h);
    }
    wr_fini(&q.path);
    wr_fini(&q.input);
    return status;
}
