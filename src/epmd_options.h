/*
 * epmd_options: the command line and the environment of erlgate-epmd, read once into a struct.
 */
#ifndef ERLGATE_SRC_EPMD_OPTIONS_H
#define ERLGATE_SRC_EPMD_OPTIONS_H

#include <stdbool.h>

enum epmd_command {
    EPMD_RUN,
    EPMD_NAMES,
    EPMD_STARTED,
    EPMD_DUMP,
    EPMD_KILL,
    EPMD_STOP,
};

struct epmd_options {
    enum epmd_command command;
    const char *stop_name;                         /* EPMD_STOP; borrowed from argv */
    const char *addresses;                         /* separated by commas or blanks; borrowed; NULL: all */
    int port, debug;                               /* debug: how many -d there were */
    int packet_timeout, delay_accept, delay_write; /* seconds */
    bool is_daemon, is_relaxed, is_systemd;
};

/* argv without the program's name, NULL-terminated. Ends the program for --help and for a mistake. */
void epmd_options_parse(struct epmd_options *o, char **argv);

#endif
