/*
 * cli_url: the address of the gateway that a command asks.
 */
#ifndef ERLGATE_SRC_CLI_URL_H
#define ERLGATE_SRC_CLI_URL_H

#include <stdbool.h>

#include "src/cli_status.h"

#define CLI_DEFAULT_URL "http://127.0.0.1:4370"

/* Without a scheme it is HTTP. *ret: yours, without a slash at its end. Said why, when it is none: CLI_USAGE,
 * or CLI_FAILED without memory. */
enum cli_status cli_url_read(const char *given, char **ret);
/* Of one that was read. */
bool cli_url_is_https(const char *url);

#endif
