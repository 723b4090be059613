/*
 * cli_target: how a process is named on the command line, as a path of the API.
 *
 *   NODE NAME             a registered name at a node
 *   kv@host:123:0:17      a pid, as the gateway prints it, with or without #Pid<>
 *   global:NAME           a name of `global`
 *   group:SCOPE/GROUP     a group of `pg`; without SCOPE/ that of the scope pg
 *
 * A name is the text of an atom as it is; in single quotes it is what Erlang reads ('global:x' is a
 * registered name). NAME and GROUP behind a colon may be any other term too: what begins like a tuple, a
 * list, a binary, a string, a map or a number is one.
 */
#ifndef ERLGATE_SRC_CLI_TARGET_H
#define ERLGATE_SRC_CLI_TARGET_H

#include "base/wr.h"
#include "src/cli_args.h"

struct cli_target {
    struct wr path; /* owned: /v1/nodes/…/processes/… without the verb; ends with a NUL */
    size_t words;   /* how many of a->words it took */
    bool is_group;
    bool is_erlang; /* the path's names are terms: ?syntax=erlang */
};

/* Reads the target at the front of a->words. False: said why. Ended by cli_target_fini, after a failure too.
 */
bool cli_target_read(struct cli_target *t, const struct cli_args *a);
void cli_target_fini(struct cli_target *t);

/* Appends text as one segment of a path, with the slash before it. */
void cli_target_segment(struct wr *path, struct slice text);
/* Appends /v1/nodes/NODE; false, and said so, when that is no node's name. */
bool cli_target_node(struct wr *path, const struct cli_args *a, const char *node);
/* Does it look like a node, and like no process? */
bool cli_target_is_node(const char *word);
/* The text of an atom as it is written on the command line, into w. False: said why. */
bool cli_target_atom(const struct cli_args *a, struct slice text, struct wr *w);

#endif
