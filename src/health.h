/* health: `erlgate healthcheck`: asks the gateway of this configuration how it is, as containers want to be
 * asked. */
#ifndef ERLGATE_SRC_HEALTH_H
#define ERLGATE_SRC_HEALTH_H

/* Exit statuses: 0: well; 1: not, or there is no telling. (2 is reserved by Docker.) */
int healthcheck_command(int argc, char **argv);

#endif
