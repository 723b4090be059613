/*
 * term_cmd: `erlgate term`: terms from one representation to another, on standard input and output.
 */
#ifndef ERLGATE_SRC_TERM_CMD_H
#define ERLGATE_SRC_TERM_CMD_H

/* argv: what stands behind `erlgate term`. Gives the exit status: 0, 1 for a bad term, 2 for bad usage. */
int term_command(int argc, char **argv);

#endif
