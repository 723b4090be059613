/*
 * epmd_ask: the commands of erlgate-epmd that ask the one that runs, and print in the words of OTP's.
 */
#ifndef ERLGATE_SRC_EPMD_ASK_H
#define ERLGATE_SRC_EPMD_ASK_H

#include "epmd_options.h"

/* The exit code. o->command is not EPMD_RUN. */
int epmd_ask_running(const struct epmd_options *o);

#endif
