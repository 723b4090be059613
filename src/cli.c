#include "src/cli.h"

#include <stdio.h>

#include "base/check.h"

/* What --help says before the options: how it is used, and examples. */
static const struct manual {
    enum cli_command command;
    const char *usage, *text, *examples;
} manuals[] = {
    {CLI_CALL, "WHOM TERM",
     "Calls a gen_server (or a gen_statem), as gen_server:call/3, and prints its reply.",
     "  $ erlgate call kv@localhost kv '{get, <<\"colour\">>}'\n"
     "  {ok,<<\"blue\">>}\n\n"
     "  $ erlgate call kv@localhost kv '{get, <<\"colour\">>}' --unwrap --in erl --json\n"
     "  \"blue\"\n\n"
     "  $ erlgate call kv@localhost kv '{get, <<\"größe\"/utf8>>}'      # without /utf8 it is Latin-1, as in "
     "Erlang\n"
     "  $ erlgate call 'kv@localhost:93:0:1672531200' get_state\n"
     "  $ erlgate call global:leader status --timeout 30s\n"
     "  $ erlgate call group:workers/resize '{width, 80}' --to all\n"
     "  $ erlgate call kv@localhost kv - < term.erl\n"},
    {CLI_CAST, "WHOM TERM",
     "Casts to a gen_server, as gen_server:cast/2. Done means: on its way; Erlang promises no more.",
     "  $ erlgate cast kv@localhost kv '{delete, <<\"colour\">>}'\n"
     "  $ erlgate cast group:workers/resize stop\n"},
    {CLI_SEND, "WHOM TERM",
     "Sends a message to a process, as Pid ! Message. Done means: on its way; Erlang promises no more.",
     "  $ erlgate send kv@localhost audit '{note, <<\"deploy\">>}'\n"},
    {CLI_EXIT, "WHOM REASON",
     "Sends a process an exit signal, as exit(Pid, Reason). `kill` cannot be trapped.",
     "  $ erlgate exit kv@localhost stuck_worker kill\n"
     "  $ erlgate exit 'kv@localhost:93:0:1672531200' '{shutdown, deploy}'\n"},
    {CLI_RPC, "NODE MODULE:FUNCTION [ARGS]",
     "Calls a function at a node, as erpc:call/4, and prints what it returns. ARGS is the list of its "
     "arguments; "
     "they\n"
     "may also stand in parentheses; then they are Erlang, with --json, too.",
     "  $ erlgate rpc kv@localhost erlang:node\n"
     "  kv@localhost\n\n"
     "  $ erlgate rpc kv@localhost lists:seq '[1, 3]'\n"
     "  [1,2,3]\n\n"
     "  $ erlgate rpc kv@localhost 'lists:seq(1, 3)' --json\n"
     "  [1,2,3]\n\n"
     "  $ erlgate rpc kv@localhost \"'Elixir.MyApp':reload()\" --cast\n"},
    {CLI_NODES, "",
     "Lists the nodes that the gateway knows, one a line: name, state, whether the link is hidden (as\n"
     "each link of a hidden gateway is) or visible, release.\n"
     "With --json, what GET /v1/nodes says.",
     "  $ erlgate nodes\n"
     "  kv@localhost             connected  hidden  OTP 27\n"},
    {CLI_NAMES, "NODE", "Lists the names that are registered at a node, one a line.",
     "  $ erlgate names kv@localhost | grep kv\n"
     "  kv\n"},
    {CLI_PING, "NODE", "Asks a node whether it is there, as net_adm:ping/1, connecting to it if need be.",
     "  $ erlgate ping kv@localhost\n"
     "  pong 0.184 ms\n\n"
     "  $ until erlgate ping kv@localhost 2>/dev/null; do sleep 1; done\n"},
    {CLI_WATCH, "WHOM | NODE | --nodes",
     "Prints what becomes of a process, a node or all nodes, one line an event, until Ctrl-C; of one "
     "process\n"
     "until its `down`, of one node until its `nodedown`. When the gateway goes away and comes back, it goes "
     "on\n"
     "where it was; events that were lost on the way are counted by a line `gap`. `hidden` is the link's, "
     "and "
     "true of\n"
     "each link of a hidden gateway.",
     "  $ erlgate watch kv@localhost kv\n"
     "  monitor target=/nodes/kv@localhost/processes/kv\n"
     "  down target=/nodes/kv@localhost/processes/kv reason=shutdown\n\n"
     "  $ erlgate watch --nodes\n"
     "  monitor target=/nodes nodes=[]\n"
     "  nodeup target=/nodes node=kv@localhost hidden=true\n\n"
     "  $ erlgate watch --nodes --json | jq -r 'select(.event == \"nodedown\") | .data.node'\n"},
};

static const char whom[] =
    "\nWHOM is one of\n\n"
    "  NODE NAME            a registered name: kv@localhost kv\n"
    "  PID                  a pid as the gateway prints it: kv@localhost:93:0:1672531200, #Pid<...> too\n"
    "  global:NAME          a name of the module global\n"
    "  group:SCOPE/GROUP    a group of pg; group:GROUP for the scope pg\n\n"
    "A name is the atom's text as it is (Elixir.My.Server, my/server); in single quotes it is read as Erlang "
    "does "
    "it.\n";

static const char term[] =
    " in Erlang syntax, as in the shell, unless --json or --typed say JSON; - reads it "
    "from standard input.\n";

static const struct manual *manual_of(enum cli_command command)
{
    for (size_t i = 0; i < ARRAY_LEN(manuals); i++)
        if (manuals[i].command == command)
            return &manuals[i];
    CHECK(!"each command has its manual");
    return NULL;
}

static void print_help(const struct cli_args *a)
{
    const struct manual *m = manual_of(a->command);

    printf("Usage: erlgate %s %s%s[OPTION]...\n\n%s\n", a->name, m->usage, m->usage[0] ? " " : "", m->text);
    if (a->command & (CLI_CALL | CLI_CAST | CLI_SEND | CLI_EXIT | CLI_WATCH))
        fputs(whom, stdout);
    if (a->command & (CLI_CALL | CLI_CAST | CLI_SEND | CLI_EXIT | CLI_RPC))
        printf("\n%s is%s",
               a->command == CLI_RPC    ? "ARGS"
               : a->command == CLI_EXIT ? "REASON"
                                        : "TERM",
               term);
    cli_args_print(a->command);
    printf("\nExamples:\n\n%s", m->examples);
    cli_status_print();
}

static int run(enum cli_command command, const char *name, enum cli_status (*ask)(const struct cli_args *a),
               int argc, char **argv)
{
    struct cli_args a;

    if (!cli_args_read(&a, command, name, argc, argv))
        return CLI_USAGE;
    if (!a.wants_help)
        return ask(&a);
    print_help(&a);
    return CLI_OK;
}

#define X(name, command, ask, help)                  \
    int cli_##name##_command(int argc, char **argv)  \
    {                                                \
        return run(command, #name, ask, argc, argv); \
    }
CLI_COMMANDS(X)
#undef X
