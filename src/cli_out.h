/*
 * cli_out: standard output, as a filter has it: a reader that has gone ends the program by SIGPIPE, although
 * sockets must not (cli_http_new has SIGPIPE ignored).
 */
#ifndef ERLGATE_SRC_CLI_OUT_H
#define ERLGATE_SRC_CLI_OUT_H

#include <stdbool.h>

#include "base/slice.h"

/* False: said why, or told to stop meanwhile (cli_stop.h). */
bool cli_out(struct slice bytes);
/* Does anybody still read? While nothing comes nothing is written, and that nobody does would not be seen. */
void cli_out_look(void);

#endif
