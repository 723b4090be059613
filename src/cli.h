/*
 * cli: the commands that ask a gateway: thin clients of its API for people at a shell, and for scripts.
 *
 * Standard output has the reply alone, standard error one line when something is wrong, and the exit status
 * is one of src/cli_status.h.
 */
#ifndef ERLGATE_SRC_CLI_H
#define ERLGATE_SRC_CLI_H

#include "src/cli_args.h"
#include "src/cli_status.h"

/* Each is main's: argv is what stands behind the command. */
#define CLI_COMMANDS(X)                                                              \
    X(call, CLI_CALL, cli_call, "call a gen_server and print its reply")             \
    X(cast, CLI_CAST, cli_call, "cast to a gen_server")                              \
    X(send, CLI_SEND, cli_call, "send a message to a process")                       \
    X(exit, CLI_EXIT, cli_call, "send a process an exit signal")                     \
    X(rpc, CLI_RPC, cli_call, "call a function at a node and print what it returns") \
    X(nodes, CLI_NODES, cli_nodes, "list the nodes that the gateway knows")          \
    X(names, CLI_NAMES, cli_names, "list the names that are registered at a node")   \
    X(ping, CLI_PING, cli_ping, "see whether a node answers, and how fast")          \
    X(watch, CLI_WATCH, cli_watch, "print what becomes of a process or of nodes, a line an event")

#define X(name, command, run, help) int cli_##name##_command(int argc, char **argv);
CLI_COMMANDS(X)
#undef X

/* What they do once the command line is read. */
enum cli_status cli_call(const struct cli_args *a);
enum cli_status cli_nodes(const struct cli_args *a);
enum cli_status cli_names(const struct cli_args *a);
enum cli_status cli_ping(const struct cli_args *a);
enum cli_status cli_watch(const struct cli_args *a);

#endif
