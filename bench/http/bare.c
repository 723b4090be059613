/*
 * bare: what libmicrohttpd costs by itself: an HTTP server on an external epoll loop that gives back each
 * body.
 *
 *   bare [--suspend] PORT
 *
 * With --suspend each request is suspended when its body is there, and resumed in the same turn of the loop,
 * as a gateway must do that waits for somebody else's answer. Listens on loopback; ends when standard input
 * does.
 */
#include <arpa/inet.h>
#include <microhttpd.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { READ_AT_ONCE = 1 << 20, WAITING_MAX = 65536 };

struct request {
    char *body; /* owned */
    size_t len, cap;
    bool is_complete;
};

static bool is_suspending;
static struct MHD_Connection *waiting[WAITING_MAX];
static size_t waiting_count;

static bool add(struct request *r, const char *data, size_t len)
{
    if (len > r->cap - r->len) {
        size_t cap = 2 * (r->len + len);
        char *body = realloc(r->body, cap);

        if (!body)
            return false;
        r->body = body;
        r->cap = cap;
    }
    memcpy(r->body + r->len, data, len);
    r->len += len;
    return true;
}

static enum MHD_Result answer(struct MHD_Connection *connection, struct request *r)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(r->len, r->body, MHD_RESPMEM_MUST_FREE);
    enum MHD_Result result;

    if (!response)
        return MHD_NO;
    r->body = NULL;
    MHD_add_response_header(response, "Content-Type", "application/json");
    result = MHD_queue_response(connection, 200, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result came(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
                            const char *version, const char *data, size_t *len, void **context)
{
    struct request *r = *context;

    (void)cls;
    (void)url;
    (void)method;
    (void)version;
    if (!r) {
        *context = calloc(1, sizeof *r);
        return *context ? MHD_YES : MHD_NO;
    }
    if (*len) {
        if (!add(r, data, *len))
            return MHD_NO;
        *len = 0;
        return MHD_YES;
    }
    if (!is_suspending || r->is_complete || waiting_count == WAITING_MAX)
        return answer(connection, r);
    r->is_complete = true;
    waiting[waiting_count++] = connection;
    MHD_suspend_connection(connection);
    return MHD_YES;
}

static void completed(void *cls, struct MHD_Connection *connection, void **context,
                      enum MHD_RequestTerminationCode code)
{
    struct request *r = *context;

    (void)cls;
    (void)connection;
    (void)code;
    if (r)
        free(r->body);
    free(r);
    *context = NULL;
}

static void run(struct MHD_Daemon *daemon)
{
    MHD_run(daemon);
    if (waiting_count == 0)
        return;
    while (waiting_count > 0)
        MHD_resume_connection(waiting[--waiting_count]);
    MHD_run(daemon);
}

static int timeout_of(struct MHD_Daemon *daemon)
{
    MHD_UNSIGNED_LONG_LONG ms;

    if (waiting_count > 0)
        return 0;
    return MHD_get_timeout(daemon, &ms) == MHD_YES ? (int)(ms < 1000 ? ms : 1000) : -1;
}

static void serve(struct MHD_Daemon *daemon)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD);
    struct pollfd fds[] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = info->epoll_fd, .events = POLLIN}};
    char c;

    for (;;) {
        run(daemon);
        if (poll(fds, 2, timeout_of(daemon)) < 0)
            return;
        if (fds[0].revents && read(STDIN_FILENO, &c, 1) <= 0)
            return;
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct MHD_Daemon *daemon;

    is_suspending = argc == 3 && strcmp(argv[1], "--suspend") == 0;
    if (argc != 2 + is_suspending) {
        fprintf(stderr, "usage: bare [--suspend] PORT\n");
        return 2;
    }
    address.sin_port = htons((uint16_t)atoi(argv[argc - 1]));
    daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, came, NULL,
                              MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&address, MHD_OPTION_CONNECTION_LIMIT,
                              4096u, MHD_OPTION_NOTIFY_COMPLETED, completed, NULL, MHD_OPTION_END);
    if (!daemon) {
        fprintf(stderr, "bare: cannot listen on port %s\n", argv[argc - 1]);
        return 1;
    }
    serve(daemon);
    MHD_stop_daemon(daemon);
    return 0;
}
