/*
 * cli_token: the token by which the commands that ask a gateway say who they are: of a file, or of the
 * environment, and never of the command line.
 */
#ifndef ERLGATE_SRC_CLI_TOKEN_H
#define ERLGATE_SRC_CLI_TOKEN_H

#include "src/cli_args.h"
#include "src/cli_status.h"

/* "Authorization: Bearer …", the caller's to wipe and to free; left as it is when there is none to show. The
 * variable that holds one is wiped. */
enum cli_status cli_token_read(const struct cli_args *a, char **ret_header);

#endif
