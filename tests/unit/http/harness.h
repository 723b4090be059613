/*
 * harness: a server with a few routes, and clients that speak raw bytes to it, all on one thread: whoever
 * waits for bytes turns the loop meanwhile. A test may define HARNESS_ROUTES, further rows of the table.
 *
 * With TEST_WORKER in the environment each connection is given to the server of a worker, which lends each
 * request to the one that the test speaks of (http/cross.h): whatever a client sees must be the same.
 */
#ifndef ERLGATE_TESTS_UNIT_HTTP_HARNESS_H
#define ERLGATE_TESTS_UNIT_HTTP_HARNESS_H

#include "test.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/wr.h"
#include "http/cross_wire.h"
#include "http/events.h"
#include "http/server.h"

enum { PATIENCE_MS = 20000, HELD_MAX = 4096 };

struct harness {
    struct loop *loop;
    struct http_server *server;
    struct http_server *worker; /* with TEST_WORKER, and so the next three */
    struct channel *to_owner, *to_worker;
    struct loop_hook *flush;
    uint64_t held[HELD_MAX]; /* ids that no handler has answered */
    size_t held_count;
    uint64_t gone_id, gone_tag;
    size_t gone_count, done_count, handled_count;
    unsigned last_status;
    uint64_t last_bytes_in, last_bytes_out, last_duration_us;
    uint64_t stream;             /* made last */
    struct http_reading reading; /* of the request held last */
    uint64_t stream_gone_id, stream_gone_tag;
    size_t stream_gone_count, attached_count;
};

static struct harness h;

/* ---- the routes ---- */

static inline void answer_text(uint64_t id, unsigned status, const void *text, size_t len)
{
    struct http_response r = {.status = status, .content_type = "text/plain", .body_len = len};

    r.body = (uint8_t *)mem_strndup(text, len);
    http_answer(h.server, id, &r);
}

/* Method, hole, query and body, as it saw them. */
static inline void handle_echo(void *ctx, struct http_request *req)
{
    struct slice q, header, body = http_request_body(req), hole = {0};
    size_t cursor = 0;
    struct wr w;

    assert_ptr_equal(ctx, &h);
    h.handled_count++;
    wr_init(&w, SIZE_MAX);
    if (strchr(http_request_route(req)->pattern, '{'))
        hole = http_request_segment(req, 0);
    wr_printf(&w, "%s|%.*s|", http_request_route(req)->method, SLICE_FMT(hole));
    if (http_request_query(req, "a", &q))
        wr_printf(&w, "a=%.*s|", SLICE_FMT(q));
    while (http_request_query_next(req, "many", &cursor, &q))
        wr_printf(&w, "many=%.*s|", SLICE_FMT(q));
    if (http_request_header(req, "x-echo", &header))
        wr_printf(&w, "h=%.*s|", SLICE_FMT(header));
    wr_slice(&w, body);
    answer_text(http_request_id(req), 200, w.buf, w.len);
    wr_fini(&w);
}

static inline void handle_hold(void *ctx, struct http_request *req)
{
    (void)ctx;
    assert_true(h.held_count < HELD_MAX);
    http_request_set_tag(h.server, http_request_id(req), 77);
    h.held[h.held_count++] = http_request_id(req);
}

static inline void handle_problem(void *ctx, struct http_request *req)
{
    (void)ctx;
    http_answer_problem(
        h.server, http_request_id(req),
        &(struct http_problem){.code = "unauthenticated", .detail = "No token.", .retry_after_s = 3});
}

static inline void handle_nothing(void *ctx, struct http_request *req)
{
    const struct http_header headers[] = {{"Location", "/x"}, {"Cache-Control", "max-age=1"}};

    (void)ctx;
    http_answer(h.server, http_request_id(req),
                &(struct http_response){.status = 204, .headers = headers, .header_count = 2});
}

/* A stream for each request that does not resume one. */
static inline void handle_monitor(void *ctx, struct http_request *req)
{
    struct http_reading reading;

    (void)ctx;
    if (!http_reading_of(h.server, req, &reading) ||
        http_stream_resume(h.server, req, SLICE("monitor"), &reading))
        return;
    if (http_request_is_head(req)) {
        http_stream_answer_head(h.server, http_request_id(req), &reading);
        return;
    }
    h.stream = http_stream_new(h.server, &(struct http_stream_config){.key = SLICE("monitor"), .tag = 88});
    if (!h.stream) {
        http_answer_overloaded(h.server, http_request_id(req), NULL);
        return;
    }
    h.attached_count++;
    assert_true(http_stream_attach(h.server, http_request_id(req), h.stream, &reading));
}

/* The stream that was made last. */
static inline void handle_mailbox(void *ctx, struct http_request *req)
{
    struct http_reading reading;

    (void)ctx;
    if (http_reading_of(h.server, req, &reading) &&
        http_stream_attach(h.server, http_request_id(req), h.stream, &reading))
        h.attached_count++;
}

/* A stream that is attached later. */
static inline void handle_later(void *ctx, struct http_request *req)
{
    if (http_reading_of(h.server, req, &h.reading))
        handle_hold(ctx, req);
}

static inline void note_stream_gone(void *ctx, uint64_t stream, uint64_t tag)
{
    assert_ptr_equal(ctx, &h);
    h.stream_gone_id = stream;
    h.stream_gone_tag = tag;
    h.stream_gone_count++;
    assert_int_equal(http_stream_emit(h.server, stream, "late", SLICE("{}")), ERR_NOT_FOUND);
    http_stream_drop(h.server, stream);
}

static const char *const reading_query[] = {HTTP_READING_QUERY, NULL};
static const char *const echo_query[] = {"a", "many*", NULL};
#ifndef HARNESS_ROUTES
#define HARNESS_ROUTES
#endif
static const struct http_route routes[] = {
    HARNESS_ROUTES{.method = "GET", .pattern = "/echo/{x}", .query = echo_query, .handle = handle_echo},
    {.method = "POST",
     .pattern = "/echo",
     .query = echo_query,
     .body = HTTP_BODY_TERM,
     .handle = handle_echo},
    {.method = "GET", .pattern = "/hold", .handle = handle_hold},
    {.method = "POST", .pattern = "/hold", .body = HTTP_BODY_TERM, .handle = handle_hold},
    {.method = "GET", .pattern = "/monitor", .query = reading_query, .handle = handle_monitor},
    {.method = "GET", .pattern = "/mailbox", .query = reading_query, .handle = handle_mailbox},
    {.method = "GET", .pattern = "/later", .query = reading_query, .handle = handle_later},
    {.method = "GET", .pattern = "/problem", .handle = handle_problem},
    {.method = "PUT", .pattern = "/nothing", .body = HTTP_BODY_TERM, .handle = handle_nothing},
};

static inline void note_gone(void *ctx, uint64_t id, uint64_t tag)
{
    assert_ptr_equal(ctx, &h);
    h.gone_id = id;
    h.gone_tag = tag;
    h.gone_count++;
    /* The id is gone already, and a late answer harmless. */
    assert_int_equal(http_request_tag(h.server, id), 0);
    answer_text(id, 200, "late", 4);
}

static inline void note_done(void *ctx, const struct http_done *done)
{
    assert_ptr_equal(ctx, &h);
    h.done_count++;
    h.last_status = done->status;
    h.last_bytes_in = done->bytes_in;
    h.last_bytes_out = done->bytes_out;
    h.last_duration_us = done->duration_us;
}

/* ---- life ---- */

static inline size_t open_fds(void)
{
    DIR *d = opendir("/proc/self/fd");
    size_t n = 0;

    assert_non_null(d);
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

static inline void came_to_owner(void *ctx, unsigned kind, struct slice body)
{
    (void)ctx;
    http_cross_at_owner(h.server, 0, (enum http_cross)kind, body);
}

static inline void came_to_worker(void *ctx, unsigned kind, struct slice body)
{
    (void)ctx;
    http_cross_at_worker(h.worker, (enum http_cross)kind, body);
}

static inline void flush(void *ctx)
{
    (void)ctx;
    channel_flush(h.to_owner);
    channel_flush(h.to_worker);
}

static inline void start_worker(struct http_config c)
{
    c.owner = h.to_owner;
    c.answers = http_server_answers(h.server);
    assert_int_equal(http_server_start(h.loop, &c, &h.worker), ERR_NONE);
    assert_int_equal(http_server_add_worker(h.server, h.to_worker), 0);
    h.server->handicap = 1u << 30;
}

static inline void stop_worker(void)
{
    http_cross_say_bye(h.server);
    channel_flush(h.to_worker);
    channel_drain(h.to_worker);
    http_server_stop(h.worker);
    channel_flush(h.to_owner);
    http_server_part_worker(h.server, 0);
    channel_drain(h.to_owner);
    http_server_remove_worker(h.server, 0);
    loop_hook_free(h.flush);
    channel_free(h.to_owner);
    channel_free(h.to_worker);
    h.worker = NULL;
}

static inline void start(const struct http_config *extra)
{
    struct http_config c = extra ? *extra : (struct http_config){0};
    bool has_worker = getenv("TEST_WORKER") != NULL;

    h = (struct harness){.loop = loop_new()};
    assert_non_null(h.loop);
    log_setup(getenv("TEST_LOG") ? LOG_DEBUG : LOG_OFF, LOG_TEXT);
    c.routes = routes;
    c.route_count = sizeof routes / sizeof routes[0];
    c.ctx = &h;
    c.gone = note_gone;
    c.done = note_done;
    c.stream_gone = note_stream_gone;
    if (!c.limits.streams.min_heartbeat_ms)
        c.limits.streams.min_heartbeat_ms = 1;
    if (!c.gone_ms)
        c.gone_ms = 20;
    if (has_worker) {
        h.to_owner = channel_new(h.loop, 1 << 24, came_to_owner, NULL, NULL);
        h.to_worker = channel_new(h.loop, 1 << 24, came_to_worker, NULL, NULL);
        h.flush = loop_hook_new(h.loop, flush, NULL);
        assert_true(h.to_owner && h.to_worker && h.flush);
    }
    assert_int_equal(http_server_start(h.loop, &c, &h.server), ERR_NONE);
    assert_true(http_server_port(h.server) != 0);
    if (has_worker)
        start_worker(c);
}

static inline size_t in_flight(void)
{
    return http_server_in_flight(h.worker ? h.worker : h.server);
}

static inline void set_names(const char *const *hosts, const char *const *origins)
{
    http_server_set_names(h.server, hosts, origins);
    if (h.worker)
        http_server_set_names(h.worker, hosts, origins);
}

static inline void stop(void)
{
    if (h.worker)
        stop_worker();
    http_server_stop(h.server);
    h.server = NULL;
    loop_free(h.loop);
    h.loop = NULL;
}

static size_t fds_before;

static inline int set_up(void **state)
{
    (void)state;
    fds_before = open_fds();
    start(NULL);
    return 0;
}

/* Whatever a test has left open of its own is a leak too. */
static inline int tear_down(void **state)
{
    (void)state;
    if (h.loop)
        stop();
    assert_int_equal(open_fds(), fds_before);
    return 0;
}

/* Once a program: the first loop opens what all of them share. */
static inline int warm_up(void **state)
{
    (void)state;
    loop_free(loop_new());
    return 0;
}

static inline uint64_t now_ms(void)
{
    return loop_now_us() / 1000;
}

static inline void turn_for(uint64_t ms)
{
    for (uint64_t until = now_ms() + ms; now_ms() < until;)
        loop_turn(h.loop, 5);
}

/* Turns the loop until the claim is true. */
#define TURN_UNTIL(claim)                                \
    do {                                                 \
        uint64_t until = now_ms() + PATIENCE_MS;         \
        while (!(claim)) {                               \
            loop_turn(h.loop, 10);                       \
            if (now_ms() > until)                        \
                fail_msg("never came true: %s", #claim); \
        }                                                \
    } while (0)

/* What has been answered is on its way at once; from a worker, once that has been told. */
static inline void assert_in_flight(size_t count)
{
    if (h.worker)
        TURN_UNTIL(in_flight() == count);
    assert_int_equal(in_flight(), count);
}

/* All leaves before the loop waits; at a worker, in its next turn. */
static inline void turn_once(void)
{
    loop_turn(h.loop, 0);
    if (h.worker)
        turn_for(50);
}

/* ---- clients ---- */

struct client {
    int fd;
    bool is_eof, is_reset;
    struct wr in; /* received, not yet taken */
};

struct reply {
    unsigned status;
    char head[4096];
    char body[64 * 1024];
    size_t body_len;
};

static inline struct client dial_port(uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct client c = {.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    const int on = 1;

    assert_true(c.fd >= 0);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(c.fd, (struct sockaddr *)&to, sizeof to), 0);
    setsockopt(c.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    assert_int_equal(fcntl(c.fd, F_SETFL, O_NONBLOCK), 0);
    wr_init(&c.in, SIZE_MAX);
    return c;
}

static inline struct client dial(void)
{
    return dial_port(http_server_port(h.server));
}

static inline struct client dial_path(const char *path)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    struct client c = {.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};

    assert_true(c.fd >= 0);
    snprintf(to.sun_path, sizeof to.sun_path, "%s", path);
    assert_int_equal(connect(c.fd, (struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(fcntl(c.fd, F_SETFL, O_NONBLOCK), 0);
    wr_init(&c.in, SIZE_MAX);
    return c;
}

static inline void hang_up(struct client *c)
{
    close(c->fd);
    c->fd = -1;
    wr_fini(&c->in);
}

/* Closes with a reset instead of an orderly end. */
static inline void reset(struct client *c)
{
    const struct linger now = {.l_onoff = 1};

    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    hang_up(c);
}

static inline void poll_client(struct client *c)
{
    for (;;) {
        uint8_t *room = wr_room(&c->in, 4096);
        ssize_t n = recv(c->fd, room, 4096, 0);

        if (n > 0) {
            c->in.len += (size_t)n;
            continue;
        }
        if (n == 0)
            c->is_eof = true;
        else if (errno != EAGAIN)
            c->is_eof = c->is_reset = true;
        return;
    }
}

/* False when the server will not take it any more. */
static inline bool say_bytes(struct client *c, const void *bytes, size_t len)
{
    const char *p = bytes;
    uint64_t until = now_ms() + PATIENCE_MS;

    while (len > 0) {
        ssize_t n = send(c->fd, p, len, MSG_NOSIGNAL);

        if (n > 0) {
            p += n;
            len -= (size_t)n;
            continue;
        }
        if (errno != EAGAIN)
            return false;
        loop_turn(h.loop, 1);
        poll_client(c);
        if (now_ms() > until)
            fail_msg("the server does not read");
    }
    return true;
}

static inline bool say(struct client *c, const char *text)
{
    return say_bytes(c, text, strlen(text));
}

static inline void take(struct client *c, size_t n)
{
    memmove(c->in.buf, c->in.buf + n, c->in.len - n);
    c->in.len -= n;
}

static inline const char *find_bytes(const struct client *c, const char *what)
{
    return c->in.len ? memmem(c->in.buf, c->in.len, what, strlen(what)) : NULL;
}

/* A header's value, or NULL; of the last reply. */
static inline const char *header(struct reply *r, const char *name)
{
    static char value[4096];
    char key[80];
    const char *at;

    snprintf(key, sizeof key, "\r\n%s: ", name);
    at = strstr(r->head, key);
    if (!at)
        return NULL;
    snprintf(value, sizeof value, "%.*s", (int)strcspn(at + strlen(key), "\r"), at + strlen(key));
    return value;
}

/* One reply if it is there whole; false when the connection ended without one. is_bare: no body, as to HEAD.
 */
static inline bool hear_reply(struct client *c, struct reply *r, bool is_bare)
{
    uint64_t until = now_ms() + PATIENCE_MS;
    const char *end, *length;
    size_t head_len;

    for (;;) {
        poll_client(c);
        end = find_bytes(c, "\r\n\r\n");
        if (end) {
            head_len = (size_t)(end - (const char *)c->in.buf) + 4;
            assert_true(head_len < sizeof r->head);
            memcpy(r->head, c->in.buf, head_len);
            r->head[head_len] = '\0';
            assert_int_equal(sscanf(r->head, "HTTP/1.1 %u ", &r->status), 1);
            length = header(r, "Content-Length");
            r->body_len = length && !is_bare && r->status != 100 ? strtoul(length, NULL, 10) : 0;
            assert_true(r->body_len < sizeof r->body);
            if (c->in.len >= head_len + r->body_len)
                break;
        }
        if (c->is_eof)
            return false;
        loop_turn(h.loop, 10);
        if (now_ms() > until)
            fail_msg("no reply; got so far: %.*s", (int)c->in.len, (const char *)c->in.buf);
    }
    memcpy(r->body, c->in.buf + head_len, r->body_len);
    r->body[r->body_len] = '\0';
    take(c, head_len + r->body_len);
    return true;
}

static inline struct reply *hear(struct client *c)
{
    static struct reply r;

    assert_true(hear_reply(c, &r, false));
    return &r;
}

static inline bool ends(struct client *c)
{
    uint64_t until = now_ms() + PATIENCE_MS;

    while (!c->is_eof) {
        poll_client(c);
        if (c->in.len)
            return false;
        loop_turn(h.loop, 10);
        if (now_ms() > until)
            return false;
    }
    return true;
}

static inline struct reply *ask_on(struct client c, const char *request)
{
    struct reply *r;

    say(&c, request);
    r = hear(&c);
    hang_up(&c);
    return r;
}

/* One request on a connection of its own. */
static inline struct reply *ask(const char *request)
{
    return ask_on(dial(), request);
}

#define HOST "Host: localhost\r\n"

#define assert_problem(r, want, code)                                                    \
    do {                                                                                 \
        struct reply *reply_ = (r);                                                      \
        assert_int_equal(reply_->status, want);                                          \
        assert_string_equal(header(reply_, "Content-Type"), "application/problem+json"); \
        if (!strstr(reply_->body, "\"code\":\"" code "\""))                              \
            fail_msg("no %s in %s", code, reply_->body);                                 \
    } while (0)

#endif
