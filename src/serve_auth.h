/*
 * serve_auth: loading what requests can say who they are by, and telling the log of it.
 */
#ifndef ERLGATE_SRC_SERVE_AUTH_H
#define ERLGATE_SRC_SERVE_AUTH_H

#include "src/settings.h"

/* event: what a failure is called in the log. False: nothing was loaded, and it is said why. */
bool serve_auth_load(const struct settings *s, const char *event, struct auth **ret);
/* One line of what there is, and a warning for each file that others can read. */
void serve_auth_log(const struct settings *s, const char *event, const struct auth *a);

#endif
