#include "epmd_serve.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/utf8.h"
#include "epmd/server.h"
#include "epmd_daemon.h"

enum {
    OLD_NAMES_DEBUG = 5,     /* as OTP's with -d: so that a tester sees names being forgotten */
    FDS_FOR_OURSELVES = 300, /* answers that are still on their way among them */
    CONNECTIONS_MAX = 65536,
};

/* ---- what is said ---- */

static struct epmd_options options; /* for `say`, which is called from callbacks */

/* To the terminal as OTP's epmd does, or, if it is no such matter (is_terminal_only), to the system's log. */
__attribute__((format(printf, 3, 4))) static void say(int level, bool is_terminal_only, const char *fmt, ...)
{
    char text[2048], when[64];
    time_t now = time(NULL);
    struct tm tm;
    va_list args;

    if (options.debug < level)
        return;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    /* Names come from others: no control character of theirs reaches a terminal or makes a second line. */
    for (const uint8_t *p = (uint8_t *)text, *end = p + strlen(text); p < end;) {
        const uint8_t *at = p;
        int32_t c = utf8_next(&p, end);

        if (c == UTF8_INVALID)
            p = at + 1;
        if (c == UTF8_INVALID || utf8_is_obeyed((uint32_t)c))
            memset(text + (at - (uint8_t *)text), '?', (size_t)(p - at));
    }
    if (options.is_daemon) {
        if (!is_terminal_only)
            syslog(LOG_ERR, "epmd: %s", text);
        return;
    }
    strftime(when, sizeof when, "%a %b %e %H:%M:%S %Y", localtime_r(&now, &tm));
    fprintf(stderr, "epmd: %s: %s\r\n", when, text);
}

static const char *request_name(uint8_t tag)
{
    switch (tag) {
    case EPMD_ALIVE2_REQ: return "ALIVE2_REQ";
    case EPMD_PORT2_REQ: return "PORT2_REQ";
    case EPMD_NAMES_REQ: return "NAMES_REQ";
    case EPMD_DUMP_REQ: return "DUMP_REQ";
    case EPMD_KILL_REQ: return "KILL_REQ";
    case EPMD_STOP_REQ: return "STOP_REQ";
    default: return "request";
    }
}

static void noted(void *ctx, const struct epmd_note *n)
{
    unsigned conn = (unsigned)n->conn;

    (void)ctx;
    switch (n->kind) {
    case EPMD_NOTE_OPENED:
        say(2, true, "%s peer connected, connection %u", n->is_local ? "Local" : "Non-local", conn);
        break;
    case EPMD_NOTE_CLOSED: say(2, true, "closing connection %u", conn); break;
    case EPMD_NOTE_REQUEST: say(1, false, "** got %s", request_name(n->tag)); break;
    case EPMD_NOTE_REGISTERED:
        say(1, true, "registering '%.*s:%u', port %u", SLICE_FMT(n->name), n->creation, n->port);
        break;
    case EPMD_NOTE_UNREGISTERED:
        say(1, true, "unregistering '%.*s:%u', port %u", SLICE_FMT(n->name), n->creation, n->port);
        break;
    case EPMD_NOTE_REFUSED:
        say(0, false, "refused %s: %s %.*s", request_name(n->tag), n->text, SLICE_FMT(n->name));
        break;
    case EPMD_NOTE_TIMED_OUT: say(1, true, "closing because timed out on receive"); break;
    case EPMD_NOTE_FULL: say(0, true, "too many connections"); break;
    }
}

/* ---- serving ---- */

static void stop_loop(void *ctx)
{
    loop_stop(ctx);
}

static void on_kill(void *ctx)
{
    say(1, true, "epmd killed");
    stop_loop(ctx);
}

static void on_signal(void *ctx, int signo)
{
    (void)signo;
    stop_loop(ctx);
}

/* The list cut at commas and blanks; all addresses if there is none in it. Both are static storage's. */
static const char *const *split_addresses(const char *list)
{
    static const char *addresses[256];
    static char copy[8192];
    size_t count = 0;
    char *save;

    if (list && strlen(list) >= sizeof copy) {
        fprintf(stderr, "epmd: the list of addresses is too long\n");
        exit(1);
    }
    snprintf(copy, sizeof copy, "%s", list ? list : "");
    for (char *at = strtok_r(copy, ", ", &save); at; at = strtok_r(NULL, ", ", &save))
        if (count + 1 < ARRAY_LEN(addresses))
            addresses[count++] = at;
    if (count == 0)
        addresses[count++] = "";
    return addresses;
}

/* As many as the system allows, and not just as many as are usual for a program. */
static size_t max_connections(void)
{
    struct rlimit limit = {0};

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return FDS_FOR_OURSELVES;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur > CONNECTIONS_MAX)
        return CONNECTIONS_MAX;
    return limit.rlim_cur > 2 * FDS_FOR_OURSELVES ? (size_t)limit.rlim_cur - FDS_FOR_OURSELVES
                                                  : (size_t)limit.rlim_cur / 2;
}

static _Noreturn void not_started(enum err e, const char *address)
{
    const char *shown = *address ? address : "0.0.0.0";

    switch (e) {
    case ERR_ADDRESS_IN_USE: /* no failure: one is running, which is what was wanted */
        say(1, true, "there is already a epmd running at port %d on ipaddr %s", options.port, shown);
        epmd_leave(0);
    case ERR_INVALID:
        if (options.is_systemd)
            say(0, true, "what systemd provides is no listening socket");
        else
            say(0, true, "cannot parse IP address \"%s\"", address);
        break;
    case ERR_IO: say(0, false, "failed to bind on ipaddr %s: %s", shown, strerror(errno)); break;
    default: say(0, false, "cannot start: %s", err_text(e)); break;
    }
    epmd_leave(1);
}

static struct epmd_server *start_server(struct loop *loop)
{
    static int fds[EPMD_LISTEN_FDS_MAX];
    struct epmd_server_config config = {.addresses = split_addresses(options.addresses),
                                        .port = (uint16_t)options.port,
                                        .is_relaxed = options.is_relaxed,
                                        .packet_timeout_ms = (uint64_t)options.packet_timeout * 1000,
                                        .max_connections = max_connections(),
                                        .max_old = options.debug ? OLD_NAMES_DEBUG : 0,
                                        .on_kill = on_kill,
                                        .on_note = noted,
                                        .ctx = loop,
                                        .delay_accept_s = (unsigned)options.delay_accept,
                                        .delay_write_s = (unsigned)options.delay_write};
    struct epmd_server *server;
    const char *address = "";
    enum err e;

    if (options.is_systemd) {
        config.listen_fds = fds;
        config.listen_fd_count = epmd_listen_fds();
        for (size_t i = 0; i < config.listen_fd_count; i++)
            fds[i] = EPMD_LISTEN_FDS_START + (int)i;
        if (config.listen_fd_count == 0) {
            say(0, true, "systemd provides no sockets");
            epmd_leave(1);
        }
    }
    say(2, false, "try to initiate listening port %d", options.port);
    e = epmd_server_start(loop, &config, &server, &address);
    if (e != ERR_NONE)
        not_started(e, address);
    return server;
}

_Noreturn void epmd_serve(const struct epmd_options *o)
{
    struct loop_signal *term, *interrupt;
    struct epmd_server *server;
    struct loop *loop;

    options = *o;
    say(1, false, "epmd running - daemon = %d", options.is_daemon);
    if (options.is_daemon)
        epmd_daemon_start();
    loop = loop_new();
    if (!loop)
        epmd_leave(1);
    server = start_server(loop);
    term = loop_signal_new(loop, SIGTERM, on_signal, loop);
    interrupt = loop_signal_new(loop, SIGINT, on_signal, loop);
    signal(SIGPIPE, SIG_IGN);
    epmd_daemon_ready();
    loop_run(loop);
    loop_signal_free(term);
    loop_signal_free(interrupt);
    epmd_server_stop(server);
    loop_free(loop);
    epmd_leave(0);
}
