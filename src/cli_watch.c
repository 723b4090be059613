/*
 * cli_watch: an event stream, a line an event, and again where it was when the gateway comes back.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "src/cli.h"
#include "src/cli_answer.h"
#include "src/cli_json.h"
#include "src/cli_out.h"
#include "src/cli_stop.h"
#include "src/cli_target.h"

enum {
    HEAD_MS = 20000,        /* for the head of a stream: the gateway may have to dial the node first */
    HEARTBEAT_MS = 15000,   /* asked for */
    SILENCE_MS = 45000,     /* three of them: whatever there was has gone */
    LINGER_MAX_MS = 600000, /* that a gateway grants */
    LINE_MAX_BYTES = 16 << 20,
    ID_MAX = 200,
    REST_MS = 200, /* before the first try to come back; doubled up to */
    REST_MAX_MS = 5000,
};

static const char ndjson_type[] = "application/x-ndjson";

struct watch {
    const struct cli_args *args;
    struct cli_http *http;
    const char *path; /* borrowed: with its query */
    int stop_fd;
    struct wr line;      /* owned: what there is of the next line */
    struct wr out;       /* owned */
    char id[ID_MAX + 1]; /* of the last event, "": none yet */
    uint64_t rest_ms;    /* before the next try */
    uint64_t out_ms;     /* rested so far, since the stream was last there */
    bool has_begun;      /* there was a stream */
    const char *last;    /* the event that is the last one; NULL: there is none such */
    bool is_over;        /* it came */
    bool is_leaving;     /* the gateway said bye */
    bool is_cut_said, has_failed;
};

/* ---- an event ---- */

static bool is_term(struct slice key)
{
    static const char *const terms[] = {"reason", "message", "request", "group"};

    for (size_t i = 0; i < sizeof terms / sizeof terms[0]; i++)
        if (slice_eq_str(key, terms[i]))
            return true;
    return false;
}

static bool is_bare(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] <= ' ' || text.ptr[i] >= 0x7F || text.ptr[i] == '"')
            return false;
    return text.len > 0;
}

static bool write_bare(struct wr *w, struct slice value)
{
    struct wr text;
    bool ok;

    wr_init(&text, SIZE_MAX);
    ok = cli_json_string(value, &text) && is_bare(wr_written(&text));
    if (ok)
        wr_slice(w, wr_written(&text));
    wr_fini(&text);
    return ok;
}

/* [kv@host,rabbit@host]: names of nodes, texts of pids. False, and nothing is written: there is another among
 * them. */
static bool write_names(struct wr *w, struct slice list)
{
    size_t from = w->len;
    struct slice value;
    struct json_rd r;
    bool ok;

    json_rd_init(&r, list, JSON_DEPTH_MAX);
    ok = json_next(&r) == JSON_ARRAY;
    wr_u8(w, '[');
    for (bool is_first = true; ok && cli_json_element(&r, &value); is_first = false) {
        if (!is_first)
            wr_u8(w, ',');
        ok = write_bare(w, value);
    }
    wr_u8(w, ']');
    json_rd_fini(&r);
    if (!ok && wr_ok(w))
        w->len = from;
    return ok;
}

/* Terms as Erlang writes them; other strings as they are where nothing can be mistaken; all else as JSON. */
static void write_value(struct wr *w, struct slice key, struct slice value)
{
    uint8_t kind = cli_json_kind(value);

    if (!is_term(key) && kind == '[' && write_names(w, value))
        return;
    if (is_term(key) || kind == '{' || kind == '[')
        cli_erlang_of_json(value, w);
    else if (kind != '"' || !write_bare(w, value))
        cli_json_show(w, value);
}

/* ` key=value` for each of an object's members. */
static bool write_members(struct wr *w, struct slice data)
{
    struct slice value;
    struct json_rd r;
    struct wr key;
    bool ok;

    wr_init(&key, SIZE_MAX);
    json_rd_init(&r, data, JSON_DEPTH_MAX);
    ok = json_next(&r) == JSON_OBJECT;
    while (ok && cli_json_pair(&r, &key, &value)) {
        ok = is_bare(wr_written(&key));
        wr_u8(w, ' ');
        wr_slice(w, wr_written(&key));
        wr_u8(w, '=');
        write_value(w, wr_written(&key), value);
        wr_reset(&key);
    }
    wr_fini(&key);
    json_rd_fini(&r);
    return ok;
}

static void keep_id(struct watch *w, struct slice line)
{
    struct slice value;
    struct wr id;

    wr_init(&id, SIZE_MAX);
    if (cli_json_member(line, "id", &value) && cli_json_string(value, &id) && id.len <= ID_MAX &&
        is_bare(wr_written(&id)))
        snprintf(w->id, sizeof w->id, "%.*s", SLICE_FMT(wr_written(&id)));
    wr_fini(&id);
}

/* The gateway says goodbye: it is there again after so long, it thinks. */
static bool take_bye(struct watch *w, struct slice line)
{
    struct slice value;
    uint64_t ms;

    w->is_leaving = true;
    if (cli_json_member(line, "retry", &value) && cli_json_uint(value, &ms) && ms < REST_MAX_MS)
        w->rest_ms = ms;
    return true;
}

static bool print_event(struct watch *w, struct slice name, struct slice line)
{
    struct slice data = {0};

    wr_reset(&w->out);
    if (w->args->format != CLI_ERL) {
        cli_json_show(&w->out, line);
    } else {
        wr_slice(&w->out, name);
        if (!cli_json_member(line, "data", &data) || !write_members(&w->out, data))
            return false;
    }
    wr_u8(&w->out, '\n');
    w->has_failed = !wr_ok(&w->out) || !cli_out(wr_written(&w->out));
    return !w->has_failed;
}

/* False: it makes no sense, or could not be printed. */
static bool take_event(struct watch *w, struct slice line)
{
    struct slice value;
    struct wr name;
    bool ok = true;

    wr_init(&name, SIZE_MAX);
    if (!cli_json_member(line, "event", &value) || !cli_json_string(value, &name) ||
        !is_bare(wr_written(&name))) {
        ok = false;
    } else if (slice_eq_str(wr_written(&name), "bye")) {
        ok = take_bye(w, line);
    } else if (!slice_eq_str(wr_written(&name), "ping")) {
        ok = print_event(w, wr_written(&name), line);
        w->is_over = ok && w->last && slice_eq_str(wr_written(&name), w->last);
    }
    keep_id(w, line);
    wr_fini(&name);
    return ok;
}

/* ---- the stream ---- */

static void has_come(struct watch *w)
{
    w->has_begun = true;
    w->is_cut_said = false;
    w->rest_ms = REST_MS;
    w->out_ms = 0;
}

static bool take_part(void *ctx, struct slice part)
{
    struct watch *w = ctx;
    const uint8_t *newline;

    has_come(w);
    while (part.len && !w->is_over) {
        newline = memchr(part.ptr, '\n', part.len);
        wr_bytes(&w->line, part.ptr, newline ? (size_t)(newline - part.ptr) : part.len);
        if (!wr_ok(&w->line))
            return false;
        if (!newline)
            return true;
        if (w->line.len && !take_event(w, wr_written(&w->line)))
            return false;
        wr_reset(&w->line);
        part = slice_of(newline + 1, part.len - (size_t)(newline + 1 - part.ptr));
    }
    return !w->is_over;
}

/* May the same be asked again, once there has been a stream? */
static bool is_passing(const struct cli_answer *answer)
{
    enum cli_status status;
    struct wr code;

    if (answer->end == CLI_HTTP_NOT_REACHED || answer->end == CLI_HTTP_NO_ANSWER ||
        answer->end == CLI_HTTP_LATE)
        return true;
    if (answer->end != CLI_HTTP_DONE)
        return false;
    if (answer->status == 200 && strcmp(answer->type, ndjson_type) == 0)
        return true;
    wr_init(&code, SIZE_MAX);
    status = cli_answer_code(answer, &code) ? cli_status_of(wr_written(&code), answer->status) : CLI_FAILED;
    wr_fini(&code);
    return status == CLI_BUSY || status == CLI_NO_NODE;
}

/* Not all who lost the same gateway at once come back at once. */
static uint64_t jittered(uint64_t ms)
{
    return ms / 2 + (uint64_t)random() % (ms + 1);
}

enum next { NEXT_TRY, NEXT_END };

/* is_ended: not cut, but over, perhaps because there is no more: who asks again is told so by 204. */
static enum next come_back(struct watch *w, bool is_ended, enum cli_status *ret_status)
{
    uint64_t rest = jittered(w->rest_ms);

    if (!w->is_cut_said && !is_ended && w->args->reconnect_ms)
        cli_say(CLI_OK, "the stream from %s was cut; connecting again", cli_http_url(w->http));
    w->is_cut_said |= !is_ended;
    w->rest_ms = w->rest_ms * 2 < REST_MAX_MS ? w->rest_ms * 2 : REST_MAX_MS;
    w->out_ms += rest;
    *ret_status = CLI_OK;
    return cli_http_rest(rest, w->stop_fd) ? NEXT_TRY : NEXT_END;
}

static enum next go_on(struct watch *w, const struct cli_answer *answer, enum cli_status *ret_status)
{
    *ret_status = CLI_OK;
    if (w->is_over || cli_stop_asked() || (answer->end == CLI_HTTP_DONE && answer->status == 204))
        return NEXT_END;
    if (answer->end == CLI_HTTP_STOPPED) {
        *ret_status = w->has_failed ? CLI_FAILED
                                    : cli_say(CLI_FAILED,
                                              "an event from %s makes no sense: are gateway and "
                                              "program of one version?",
                                              cli_http_url(w->http));
        return NEXT_END;
    }
    if (w->has_begun && is_passing(answer) && w->out_ms < w->args->reconnect_ms)
        return come_back(w, answer->end == CLI_HTTP_DONE && answer->status == 200 && !w->is_leaving,
                         ret_status);
    *ret_status = cli_answer_judge(w->http, w->args, answer, ndjson_type, "");
    if (*ret_status == CLI_OK) /* a whole stream, but its end is not what was to come */
        *ret_status = cli_say(CLI_NO_GATEWAY, "the stream from %s was cut", cli_http_url(w->http));
    return NEXT_END;
}

static enum next read_stream(struct watch *w, enum cli_status *ret_status)
{
    struct cli_request request = {.method = "GET",
                                  .path = w->path,
                                  .accept = ndjson_type,
                                  .event_id = w->id[0] ? w->id : NULL,
                                  .wait_ms = HEAD_MS,
                                  .idle_ms = SILENCE_MS,
                                  .sink = take_part,
                                  .ctx = w,
                                  .stop_fd = w->stop_fd};
    struct cli_answer answer;
    enum next next;

    w->is_leaving = false;
    wr_reset(&w->line);
    cli_http_ask(w->http, &request, &answer);
    if (answer.status == 200 && strcmp(answer.type, ndjson_type) == 0)
        w->has_begun = true;
    next = go_on(w, &answer, ret_status);
    cli_answer_fini(&answer);
    return next;
}

/* ---- what is watched ---- */

/* Erlang syntax is made here, of what loses nothing. The gateway keeps the stream for as long as we would
 * come back. */
static void write_query(struct wr *path, const struct cli_args *a, bool is_erlang)
{
    uint64_t linger_ms = a->reconnect_ms < LINGER_MAX_MS ? a->reconnect_ms : LINGER_MAX_MS;

    wr_printf(path, "/monitor?heartbeat=%d&linger=%llu&terms=%s%s", HEARTBEAT_MS,
              (unsigned long long)linger_ms, a->format == CLI_JSON ? "plain" : "typed",
              is_erlang ? "&syntax=erlang" : "");
    wr_u8(path, '\0');
}

static bool read_process(const struct cli_args *a, struct wr *path, const char **ret_last)
{
    struct cli_target t;
    bool ok = cli_target_read(&t, a);

    if (ok && a->word_count > t.words)
        ok = cli_args_refuse(a, "'%s' is too much", a->words[t.words]);
    wr_slice(path, wr_written(&t.path));
    write_query(path, a, t.is_erlang);
    *ret_last = t.is_group ? NULL : "down";
    cli_target_fini(&t);
    return ok;
}

static bool read_watched(const struct cli_args *a, struct wr *path, const char **ret_last)
{
    *ret_last = NULL;
    if (a->watches_nodes) {
        wr_str(path, "/v1/nodes");
        write_query(path, a, false);
        return a->word_count == 0 ||
               cli_args_refuse(a, "'%s' is too much: --nodes are all nodes", a->words[0]);
    }
    if (a->word_count == 1 && cli_target_is_node(a->words[0])) {
        bool ok = cli_target_node(path, a, a->words[0]);

        *ret_last = "nodedown";
        write_query(path, a, false);
        return ok;
    }
    return read_process(a, path, ret_last);
}

static enum cli_status watch(struct watch *w)
{
    enum cli_status status = CLI_FAILED;

    w->http = cli_http_new(w->args, &status);
    if (!w->http)
        return status;
    w->stop_fd = cli_stop_begin();
    if (w->stop_fd < 0) {
        cli_http_free(w->http);
        return CLI_FAILED;
    }
    srandom((unsigned)time(NULL) ^ (unsigned)clock());
    wr_init(&w->line, LINE_MAX_BYTES);
    wr_init(&w->out, SIZE_MAX);
    while (read_stream(w, &status) == NEXT_TRY)
        continue;
    wr_fini(&w->line);
    wr_fini(&w->out);
    cli_http_free(w->http);
    return status;
}

enum cli_status cli_watch(const struct cli_args *a)
{
    struct watch w = {.args = a, .rest_ms = REST_MS};
    enum cli_status status = CLI_USAGE;
    struct wr path;

    wr_init(&path, SIZE_MAX);
    if (read_watched(a, &path, &w.last)) {
        w.path = (const char *)path.buf;
        status = wr_ok(&path) ? watch(&w) : cli_say(CLI_FAILED, "out of memory");
    }
    wr_fini(&path);
    return status;
}
