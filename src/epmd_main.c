/*
 * erlgate-epmd: a name server for Erlang nodes, to be used in place of OTP's epmd: its options, environment,
 * exit codes and the words that scripts look for.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "epmd/client.h"
#include "epmd/server.h"

enum {
    ASK_TIMEOUT_MS = 60000,
    STOP_NAME_MAX = 1000,
    OLD_NAMES_DEBUG = 5, /* as OTP's with -d: so that a tester sees names being forgotten */
    FDS_FOR_OURSELVES = 32,
    CONNECTIONS_MAX = 65536,
    LISTEN_FDS_START = 3, /* sd_listen_fds(3) */
    LISTEN_FDS_MAX = 16,
};

enum command { RUN, NAMES, STARTED, DUMP, KILL, STOP };

struct options {
    enum command command;
    const char *stop_name;
    const char *addresses; /* NULL: all */
    int port, debug, packet_timeout, delay_accept, delay_write;
    bool is_daemon, is_relaxed, is_systemd;
};

static const char synopsis[] = "usage: epmd [-d|-debug] [DbgExtra...] [-address List]\n"
                               "            [-port No] [-daemon] [-relaxed_command_check]\n"
                               "       epmd [-d|-debug] [-port No] [-names|-kill|-stop name]\n";

static const char help[] =
    "\n"
    "The Erlang port mapper: Erlang nodes on this machine tell it their name and the port on which\n"
    "they accept other nodes, and keep the connection; who wants to reach name@thismachine asks it\n"
    "for that port. A name is gone when its node's connection is. This program can be used wherever\n"
    "OTP's epmd is; nodes find it by its port.\n"
    "\n"
    "Serving\n"
    "  -port No               listen on this port instead of 4369            [ERL_EPMD_PORT]\n"
    "  -address List          listen only on these addresses, separated by commas, and on loopback,\n"
    "                         which is always included                       [ERL_EPMD_ADDRESS]\n"
    "  -daemon                go to the background; returns once it listens\n"
    "  -systemd               take listening sockets from a .socket unit (LISTEN_FDS)\n"
    "  -relaxed_command_check let -kill end it while nodes are registered, and -stop drop a name\n"
    "                                                          [ERL_EPMD_RELAXED_COMMAND_CHECK]\n"
    "  -packet_timeout Sec    close a connection that says nothing for so long (60)\n"
    "  -d, -debug             say on standard error what happens; twice: more\n"
    "  -delay_accept Sec, -delay_write Sec\n"
    "                         act as a busy server, for tests\n"
    "\n"
    "Without -address it listens on ALL addresses, as OTP's does. Other machines can then ask for\n"
    "names and ports, no more: registering, -dump, -kill and -stop are for this machine alone. On a\n"
    "machine that others can reach, and whose nodes need not be reached, use -address 127.0.0.1.\n"
    "\n"
    "Asking the one that runs (-port or ERL_EPMD_PORT says where; must come last)\n"
    "  -names                 list names and ports\n"
    "  -started               say nothing; exit code 0: one is running, 1: none is\n"
    "  -dump                  list what it holds, ended names too\n"
    "  -kill                  end it\n"
    "  -stop Name             drop a name\n"
    "\n"
    "Examples\n"
    "  erlgate-epmd -address 127.0.0.1 -daemon && erl -sname a     the node registers here\n"
    "  erlgate-epmd -names                                         name a at port 39187\n"
    "  ERL_EPMD_PORT=5000 erlgate-epmd -d                          another port, watching\n"
    "\n"
    "Exit code: 0 when it did what was asked, and when the port is taken already (one is running);\n"
    "1 otherwise.\n";

static _Noreturn void usage(void)
{
    fprintf(stderr, "%s\nTry erlgate-epmd --help.\n", synopsis);
    exit(1);
}

/* ---- options ---- */

/* 1 to max; 0: it is none. */
static int number(const char *text, int max)
{
    char *end;
    long v;

    errno = 0;
    v = strtol(text, &end, 10);
    return *text && !*end && errno == 0 && v > 0 && v <= max ? (int)v : 0;
}

static void options_of_environment(struct options *o)
{
    const char *port = getenv("ERL_EPMD_PORT");

    *o = (struct options){.port = EPMD_PORT_NO, .packet_timeout = 60};
    o->addresses = getenv("ERL_EPMD_ADDRESS");
    o->is_relaxed = getenv("ERL_EPMD_RELAXED_COMMAND_CHECK");
    if (port)
        o->port = number(port, UINT16_MAX);
}

struct number_option {
    const char *name;
    size_t offset; /* in struct options */
    int max;
};

static const struct number_option number_options[] = {
    {"-port", offsetof(struct options, port), UINT16_MAX},
    {"-packet_timeout", offsetof(struct options, packet_timeout), 1000000},
    {"-delay_accept", offsetof(struct options, delay_accept), 1000000},
    {"-delay_write", offsetof(struct options, delay_write), 1000000},
};

static const struct {
    const char *name;
    enum command command;
} commands[] = {{"-names", NAMES}, {"-started", STARTED}, {"-dump", DUMP}, {"-kill", KILL}};

static bool parse_number_option(struct options *o, char **argv)
{
    for (size_t i = 0; i < ARRAY_LEN(number_options); i++) {
        const struct number_option *n = &number_options[i];
        int v;

        if (strcmp(argv[0], n->name) != 0)
            continue;
        v = argv[1] ? number(argv[1], n->max) : 0;
        if (v == 0)
            usage();
        memcpy((char *)o + n->offset, &v, sizeof v);
        return true;
    }
    return false;
}

/* A command ends the options, as in OTP's: anything after it is a mistake. */
static bool parse_command(struct options *o, char **argv)
{
    if (strcmp(argv[0], "-stop") == 0) {
        if (!argv[1] || argv[2])
            usage();
        o->command = STOP;
        o->stop_name = argv[1];
        return true;
    }
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (strcmp(argv[0], commands[i].name) != 0)
            continue;
        if (argv[1])
            usage();
        o->command = commands[i].command;
        return true;
    }
    return false;
}

static bool parse_switch(struct options *o, const char *arg)
{
    if (strcmp(arg, "-d") == 0 || strcmp(arg, "-debug") == 0)
        o->debug++;
    else if (strcmp(arg, "-daemon") == 0)
        o->is_daemon = true;
    else if (strcmp(arg, "-relaxed_command_check") == 0)
        o->is_relaxed = true;
    else if (strcmp(arg, "-systemd") == 0)
        o->is_systemd = true;
    else
        return false;
    return true;
}

static void parse(struct options *o, char **argv)
{
    options_of_environment(o);
    while (*argv) {
        if (strcmp(argv[0], "--help") == 0) {
            printf("%s%s", synopsis, help);
            exit(0);
        }
        if (strcmp(argv[0], "-address") == 0) {
            if (!argv[1])
                usage();
            o->addresses = argv[1];
            argv += 2;
        } else if (parse_number_option(o, argv)) {
            argv += 2;
        } else if (parse_command(o, argv)) {
            break;
        } else if (parse_switch(o, *argv)) {
            argv++;
        } else {
            usage();
        }
    }
    if (o->port == 0) {
        fprintf(stderr, "epmd: ERL_EPMD_PORT is not a port number\n");
        exit(1);
    }
}

/* ---- what is said while serving ---- */

static struct options options;

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
    for (char *p = text; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7F)
            *p = '?';
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

/* ---- the service manager (sd_notify(3), sd_listen_fds(3)), which needs no library ---- */

static void notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t len = path ? strlen(path) : 0;
    int fd;

    if (len < 2 || len >= sizeof to.sun_path || (path[0] != '/' && path[0] != '@'))
        return;
    memcpy(to.sun_path, path, len);
    if (path[0] == '@')
        to.sun_path[0] = '\0'; /* an abstract name */
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&to,
           (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
    close(fd);
}

static void notify_ready(void)
{
    char state[128];

    snprintf(state, sizeof state, "READY=1\nSTATUS=Processing port mapping requests...\nMAINPID=%lu",
             (unsigned long)getpid());
    notify(state);
}

/* How many; they are numbered from LISTEN_FDS_START. 0: none, or not meant for this process. */
static size_t listen_fds(void)
{
    const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");

    if (!pid || !fds || number(pid, INT32_MAX) != getpid())
        return 0;
    return (size_t)number(fds, LISTEN_FDS_MAX);
}

/* ---- serving ---- */

static int verdict_fd = -1; /* where a daemon tells its first process how starting went */

static void tell_verdict(int code)
{
    uint8_t byte = (uint8_t)code;

    if (verdict_fd >= 0 && write(verdict_fd, &byte, 1) == 1)
        close(verdict_fd);
    verdict_fd = -1;
}

static _Noreturn void leave(int code)
{
    char state[64];

    tell_verdict(code);
    snprintf(state, sizeof state, "STATUS=Exited.\nERRNO=%i", code);
    notify(state);
    exit(code);
}

/* The first process waits for the verdict of the one that serves: who starts a daemon and then a node must
 * not be faster than the daemon. */
static _Noreturn void await_verdict(int fd)
{
    uint8_t code = 1;

    if (read(fd, &code, 1) != 1)
        code = 1;
    _exit(code);
}

static void fork_or_leave(void (*in_parent)(int fd), int fd)
{
    pid_t pid = fork();

    if (pid < 0) {
        syslog(LOG_ERR, "epmd: cannot fork: %m");
        leave(1);
    }
    if (pid == 0)
        return;
    if (in_parent)
        in_parent(fd);
    _exit(0);
}

static void become_daemon(void)
{
    int fds[2], null;

    if (pipe2(fds, O_CLOEXEC) != 0)
        leave(1);
    fork_or_leave(await_verdict, fds[0]);
    close(fds[0]);
    verdict_fd = fds[1];
    setsid();
    signal(SIGHUP, SIG_IGN);
    fork_or_leave(NULL, -1); /* no session leader, so that no terminal can become ours */
    if (chdir("/") != 0)
        leave(1);
    umask(0);
    null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; fd <= 2; fd++)
        dup2(null, fd);
    if (null > 2)
        close(null);
}

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

    if (list && strlen(list) >= sizeof copy)
        usage();
    snprintf(copy, sizeof copy, "%s", list ? list : "");
    for (char *at = strtok_r(copy, ", ", &save); at; at = strtok_r(NULL, ", ", &save))
        if (count + 1 < ARRAY_LEN(addresses))
            addresses[count++] = at;
    if (count == 0)
        addresses[count++] = "";
    return addresses;
}

static size_t max_connections(void)
{
    struct rlimit limit = {0};

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur <= 2 * FDS_FOR_OURSELVES)
        return FDS_FOR_OURSELVES;
    return limit.rlim_cur > CONNECTIONS_MAX ? CONNECTIONS_MAX : (size_t)limit.rlim_cur - FDS_FOR_OURSELVES;
}

static _Noreturn void not_started(enum err e, const char *address)
{
    const char *shown = *address ? address : "0.0.0.0";

    switch (e) {
    case ERR_NAME_TAKEN: /* no failure: one is running, which is what was wanted */
        say(1, true, "there is already a epmd running at port %d on ipaddr %s", options.port, shown);
        leave(0);
    case ERR_INVALID:
        if (options.is_systemd)
            say(0, true, "what systemd provides is no listening socket");
        else
            say(0, true, "cannot parse IP address \"%s\"", address);
        break;
    case ERR_IO: say(0, false, "failed to bind on ipaddr %s: %s", shown, strerror(errno)); break;
    default: say(0, false, "cannot start: %s", err_text(e)); break;
    }
    leave(1);
}

static struct epmd_server *start_server(struct loop *loop)
{
    static int fds[LISTEN_FDS_MAX];
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
        config.listen_fd_count = listen_fds();
        for (size_t i = 0; i < config.listen_fd_count; i++)
            fds[i] = LISTEN_FDS_START + (int)i;
        if (config.listen_fd_count == 0) {
            say(0, true, "systemd provides no sockets");
            leave(1);
        }
    }
    say(2, false, "try to initiate listening port %d", options.port);
    e = epmd_server_start(loop, &config, &server, &address);
    if (e != ERR_NONE)
        not_started(e, address);
    return server;
}

static _Noreturn void serve(void)
{
    struct loop_signal *term, *interrupt;
    struct epmd_server *server;
    struct loop *loop;

    say(1, false, "epmd running - daemon = %d", options.is_daemon);
    if (options.is_daemon)
        become_daemon();
    loop = loop_new();
    if (!loop)
        leave(1);
    server = start_server(loop);
    term = loop_signal_new(loop, SIGTERM, on_signal, loop);
    interrupt = loop_signal_new(loop, SIGINT, on_signal, loop);
    signal(SIGPIPE, SIG_IGN);
    notify_ready();
    tell_verdict(0);
    loop_run(loop);
    loop_signal_free(term);
    loop_signal_free(interrupt);
    epmd_server_stop(server);
    loop_free(loop);
    leave(0);
}

/* ---- asking the one that runs ---- */

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
    return q->err == ERR_NO_CONNECTION;
}

/* Of the loopback addresses as OTP's does: IPv6 first. The reply, to be freed, or the end of the program. */
static struct question ask(enum epmd_tag tag, const char *name)
{
    static const char *const hosts[] = {"::1", "127.0.0.1"};
    struct epmd_request request = {.tag = tag, .entry = {.name = slice_of_str(name)}};
    struct question q = {.loop = loop_new(), .err = ERR_NO_CONNECTION};
    struct epmd_queries *queries = q.loop ? epmd_queries_new(q.loop) : NULL;

    if (!queries)
        leave(1);
    for (size_t i = 0; i < ARRAY_LEN(hosts) && is_unreachable(&q); i++) {
        mem_free(q.reply);
        q.reply = NULL;
        if (epmd_ask(queries, hosts[i], (uint16_t)options.port, &request, ASK_TIMEOUT_MS, answered, &q, 0))
            loop_run(q.loop);
    }
    epmd_queries_free(queries);
    loop_free(q.loop);
    if (is_unreachable(&q)) {
        if (options.command != STARTED)
            fprintf(stderr, "epmd: Cannot connect to local epmd\n");
        mem_free(q.reply);
        exit(1);
    }
    return q;
}

/* NAMES and DUMP: what came is shown as it came. */
static int show(enum epmd_tag tag)
{
    struct question q = ask(tag, "");
    struct rd r = rd_of(slice_of(q.reply, q.reply ? q.len : 0));
    bool is_silent = options.command == STARTED;
    uint32_t port = rd_be32(&r);
    int code = rd_ok(&r) ? 0 : 1;

    if (!is_silent && code == 0) {
        printf("epmd: up and running on port %u with data:\n", port);
        fwrite(r.pos, 1, rd_left(&r), stdout);
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

static int kill_it(void)
{
    struct question q = ask(EPMD_KILL_REQ, "");
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

static int stop_name(const char *name)
{
    const size_t word = strlen(EPMD_STOP_STOPPED);
    struct question q;
    int code = 0;

    CHECK(word == strlen(EPMD_STOP_NOEXIST));
    if (strlen(name) > STOP_NAME_MAX) {
        printf("epmd: Name too long!");
        return 1;
    }
    q = ask(EPMD_STOP_REQ, name);
    /* OTP's epmd says STOPPED after NOEXIST, so one word is all that counts. */
    if (q.reply && q.len >= word)
        printf("%.*s\n", (int)word, (const char *)q.reply);
    else
        code = unexpected(&q);
    mem_free(q.reply);
    return code;
}

int main(int argc, char **argv)
{
    (void)argc;
    parse(&options, argv + 1);
    switch (options.command) {
    case RUN: serve();
    case NAMES:
    case STARTED: return show(EPMD_NAMES_REQ);
    case DUMP: return show(EPMD_DUMP_REQ);
    case KILL: return kill_it();
    case STOP: return stop_name(options.stop_name);
    }
    return 1;
}
