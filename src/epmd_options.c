#include "epmd_options.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "epmd/msg.h"

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
    "  -relaxed_command_check\n"
    "                         let -kill end it while nodes are registered, and -stop drop a name\n"
    "                                                          [ERL_EPMD_RELAXED_COMMAND_CHECK]\n"
    "  -packet_timeout Sec    close a connection whose request is not there in so long (60)\n"
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

/* 1 to max; 0: it is none. */
static int number(const char *text, int max)
{
    char *end;
    long v;

    errno = 0;
    v = strtol(text, &end, 10);
    return *text && !*end && errno == 0 && v > 0 && v <= max ? (int)v : 0;
}

static void options_of_environment(struct epmd_options *o)
{
    const char *port = getenv("ERL_EPMD_PORT");

    *o = (struct epmd_options){.port = EPMD_PORT_NO, .packet_timeout = 60};
    o->addresses = getenv("ERL_EPMD_ADDRESS");
    o->is_relaxed = getenv("ERL_EPMD_RELAXED_COMMAND_CHECK");
    if (port && *port)
        o->port = number(port, UINT16_MAX);
}

struct number_option {
    const char *name;
    size_t offset; /* in struct epmd_options */
    int max;
};

static const struct number_option number_options[] = {
    {"-port", offsetof(struct epmd_options, port), UINT16_MAX},
    {"-packet_timeout", offsetof(struct epmd_options, packet_timeout), 1000000},
    {"-delay_accept", offsetof(struct epmd_options, delay_accept), 1000000},
    {"-delay_write", offsetof(struct epmd_options, delay_write), 1000000},
};

static const struct {
    const char *name;
    enum epmd_command command;
} commands[] = {
    {"-names", EPMD_NAMES}, {"-started", EPMD_STARTED}, {"-dump", EPMD_DUMP}, {"-kill", EPMD_KILL}};

static bool parse_number_option(struct epmd_options *o, char **argv)
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
static bool parse_command(struct epmd_options *o, char **argv)
{
    if (strcmp(argv[0], "-stop") == 0) {
        if (!argv[1] || argv[2])
            usage();
        o->command = EPMD_STOP;
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

static bool parse_switch(struct epmd_options *o, const char *arg)
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

void epmd_options_parse(struct epmd_options *o, char **argv)
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
