/*
 * cli_status: the exit statuses of the commands that ask a gateway, and what is said on standard error.
 *
 * Scripts rely on the numbers: a status keeps its meaning, and new ones are added at the end.
 */
#ifndef ERLGATE_SRC_CLI_STATUS_H
#define ERLGATE_SRC_CLI_STATUS_H

#include "base/slice.h"

/*   symbol             number meaning */
#define CLI_STATUS_TABLE(X)                                                                         \
    X(CLI_OK, 0, "done")                                                                            \
    X(CLI_NO, 1,                                                                                    \
      "the callee said no: it is not there (noproc, undef), it exited or raised, or --unwrap met "  \
      "{error, Reason}")                                                                            \
    X(CLI_USAGE, 2, "the command line or the term is wrong; nothing was sent to the cluster")       \
    X(CLI_NO_GATEWAY, 3, "the gateway cannot be reached, or what answers there is none")            \
    X(CLI_NO_NODE, 4, "the node cannot be reached, has another cookie, or the link to it was lost") \
    X(CLI_TIMEOUT, 5, "no answer in time; the callee may still be at it")                           \
    X(CLI_DENIED, 6, "a policy or a limit of the gateway or of the node stands in the way")         \
    X(CLI_BUSY, 7, "the gateway has too much to do, or is stopping: try again later")               \
    X(CLI_FAILED, 8, "anything else: a fault of the gateway, an answer that makes no sense, a full disk")

enum cli_status {
#define X(sym, number, text) sym = number,
    CLI_STATUS_TABLE(X)
#undef X
};

/* For --help. */
void cli_status_print(void);
/* The status that goes with a problem's code; http_status decides where the code is unknown. */
enum cli_status cli_status_of(struct slice code, long http_status);
/* What to do about it, where the gateway's own words do not say it; or NULL. */
const char *cli_status_hint(struct slice code);

/* `erlgate: ` and a line on standard error; gives the status back. */
__attribute__((format(printf, 2, 3))) enum cli_status cli_say(enum cli_status status, const char *fmt, ...);
/* text, from outside, on standard error: without what a terminal would obey. */
void cli_say_text(struct slice text);

#endif
