/* check: `erlgate check-config` and `erlgate dump-config`: the configuration without the gateway. */
#ifndef ERLGATE_SRC_CHECK_H
#define ERLGATE_SRC_CHECK_H

/* Exit statuses: 0: good; 1: good, with warnings, when --strict is given; 2: faults, each told. */
int check_config_command(int argc, char **argv);
int dump_config_command(int argc, char **argv);

#endif
