/*
 * epmd_serve: erlgate-epmd as the server, from its sockets to its end.
 */
#ifndef ERLGATE_SRC_EPMD_SERVE_H
#define ERLGATE_SRC_EPMD_SERVE_H

#include "epmd_options.h"

_Noreturn void epmd_serve(const struct epmd_options *o);

#endif
