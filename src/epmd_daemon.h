/*
 * epmd_daemon: how erlgate-epmd goes to the background, and what it has to say to who started it: the process
 * that waits for the daemon, and the service manager.
 */
#ifndef ERLGATE_SRC_EPMD_DAEMON_H
#define ERLGATE_SRC_EPMD_DAEMON_H

#include <stddef.h>

enum {
    EPMD_LISTEN_FDS_START = 3, /* sd_listen_fds(3) */
    EPMD_LISTEN_FDS_MAX = 16,
};

/* The first process stays until epmd_daemon_ready or epmd_leave, and ends as these say. Returns in the
 * process that serves. */
void epmd_daemon_start(void);
/* Tells both that it listens. */
void epmd_daemon_ready(void);
/* Tells both how it ends, and ends the program. */
_Noreturn void epmd_leave(int code);

/* How many sockets the service manager passed on, numbered from EPMD_LISTEN_FDS_START. 0: none, or not for
 * this process. */
size_t epmd_listen_fds(void);

#endif
