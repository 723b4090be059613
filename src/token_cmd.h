/*
 * token_cmd: `erlgate token`: a new bearer token, and the line by which a token file knows it.
 */
#ifndef ERLGATE_SRC_TOKEN_CMD_H
#define ERLGATE_SRC_TOKEN_CMD_H

/* argv: what stands behind `erlgate token`. Gives the exit status: 0, 1 when a file cannot be read or
 * written, 2 for bad usage. */
int token_command(int argc, char **argv);

#endif
