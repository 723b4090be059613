/* serve: `erlgate serve`: brings the node and the gateway up, and takes them down in order. */
#ifndef ERLGATE_SRC_SERVE_H
#define ERLGATE_SRC_SERVE_H

/* Runs until SIGTERM or SIGINT. The exit status: 0; 1: could not start; 2: wrong options. */
int serve_command(int argc, char **argv);

#endif
