/*
 * cli_stop: Ctrl-C (SIGINT) and SIGTERM as the ordinary end of a command that would run for ever.
 *
 * The first one asks; a second one ends the program at once.
 */
#ifndef ERLGATE_SRC_CLI_STOP_H
#define ERLGATE_SRC_CLI_STOP_H

#include <stdbool.h>

/* From now on. Gives a descriptor that becomes readable with the first signal; -1: said why. */
int cli_stop_begin(void);
bool cli_stop_asked(void);

#endif
