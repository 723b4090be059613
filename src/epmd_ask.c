#include "epmd_ask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "epmd/client.h"

enum { ASK_TIMEOUT_MS = 60000, STOP_NAME_MAX = 1000 };

struct question {
    struct loop *loop;
    bool is_answered;
    enum err err;
    uint8_t *reply; /* owned */
    size_t len;
};

static void answered(void *ctx, uint64_t id, enum err e, struct slice reply)
{
    struct question *q = ctx;

    (void)id;
    q->is_answered = true;
    q->err = e;
    q->len = reply.len;
    q->reply = (uint8_t *)mem_strndup(reply.ptr, reply.len);
    loop_stop(q->loop);
}

static bool is_unreachable(const struct question *q)
{
    return q->err == ERR_NO_CONNECTION || q->err == ERR_NO_HOST;
}

/* Of the loopback addresses as OTP's does: IPv6 first. The reply, to be freed, or the end of the program. */
static struct question ask(const struct epmd_options *o, enum epmd_tag tag, const char *name)
{
    static const char *const hosts[] = {"::1", "127.0.0.1"};
    struct epmd_request request = {.tag = tag, .entry = {.name = slice_of_str(name)}};
    struct question q = {.loop = loop_new(), .err = ERR_NO_CONNECTION};
    struct epmd_queries *queries = q.loop ? epmd_queries_new(q.loop) : NULL;

    if (!queries)
        exit(1);
    for (size_t i = 0; i < ARRAY_LEN(hosts) && is_unreachable(&q); i++) {
        mem_free(q.reply);
        q.reply = NULL;
        if (epmd_ask(queries, hosts[i], (uint16_t)o->port, &request, ASK_TIMEOUT_MS, answered, &q, 0))
            loop_run(q.loop);
    }
    epmd_queries_free(queries);
    loop_free(q.loop);
    if (is_unreachable(&q)) {
        if (o->command != EPMD_STARTED)
            fprintf(stderr, "epmd: Cannot connect to local epmd\n");
        mem_free(q.reply);
        exit(1);
    }
    return q;
}

/* What a terminal would obey is shown as `?`. */
static void print_lines(struct slice text)
{
    const uint8_t *p = text.ptr, *end = slice_end(text);

    while (p < end) {
        const uint8_t *at = p;
        int32_t c = utf8_next(&p, end);

        if (c == UTF8_INVALID)
            p = at + 1;
        if (c != '\n' && c != 0 && (c == UTF8_INVALID || utf8_is_obeyed((uint32_t)c)))
            putchar('?');
        else
            fwrite(at, 1, (size_t)(p - at), stdout);
    }
}

/* NAMES and DUMP. */
static int show(const struct epmd_options *o, enum epmd_tag tag)
{
    struct question q = ask(o, tag, "");
    struct rd r = rd_of(slice_of(q.reply, q.reply ? q.len : 0));
    bool is_silent = o->command == EPMD_STARTED;
    uint32_t port = rd_be32(&r);
    int code = rd_ok(&r) ? 0 : 1;

    if (!is_silent && code == 0) {
        printf("epmd: up and running on port %u with data:\n", port);
        print_lines(rd_rest(&r));
    } else if (!is_silent) {
        printf("epmd: no response from local epmd\n");
    }
    mem_free(q.reply);
    return code;
}

static int unexpected(const struct question *q)
{
    if (q->err != ERR_NONE)
        printf("epmd: failed to read answer from local epmd\n");
    else
        printf("epmd: local epmd responded with <>\n");
    return 1;
}

static int kill_it(const struct epmd_options *o)
{
    struct question q = ask(o, EPMD_KILL_REQ, "");
    struct slice reply = slice_of(q.reply, q.reply ? q.len : 0);
    int code = 1;

    if (reply.len < 2) {
        code = unexpected(&q);
    } else if (slice_eq_str(reply, EPMD_KILL_OK)) {
        printf("Killed\n");
        code = 0;
    } else {
        printf("Killing not allowed - living nodes in database.\n");
    }
    mem_free(q.reply);
    return code;
}

static int stop_name(const struct epmd_options *o)
{
    const size_t word = strlen(EPMD_STOP_STOPPED);
    struct question q;
    int code = 0;

    CHECK(word == strlen(EPMD_STOP_NOEXIST));
    if (strlen(o->stop_name) > STOP_NAME_MAX) {
        printf("epmd: Name too long!");
        return 1;
    }
    q = ask(o, EPMD_STOP_REQ, o->stop_name);
    /* OTP's epmd says STOPPED after NOEXIST, so one word is all that counts. */
    if (q.reply && q.len >= word)
        printf("%.*s\n", (int)word, (const char *)q.reply);
    else
        code = unexpected(&q);
    mem_free(q.reply);
    return code;
}

int epmd_ask_running(const struct epmd_options *o)
{
    switch (o->command) {
    case EPMD_RUN: break;
    case EPMD_NAMES:
    case EPMD_STARTED: return show(o, EPMD_NAMES_REQ);
    case EPMD_DUMP: return show(o, EPMD_DUMP_REQ);
    case EPMD_KILL: return kill_it(o);
    case EPMD_STOP: return stop_name(o);
    }
    return 1;
}
