/*
 * idle_ei: a node of Erlang's own C library that connects to another node and then has nothing to say: libei
 * answers each tick with one. Says "up", and at the end of its seconds how many ticks came.
 *
 *   idle_ei NAME COOKIE NODE SECONDS
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <ei.h>

static double now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    ei_cnode node;
    ei_x_buff x;
    erlang_msg msg;
    unsigned ticks = 0;
    double end;
    int fd;

    if (argc != 5 || ei_init() != 0 || ei_connect_init(&node, argv[1], argv[2], 1) != 0)
        return 2;
    fd = ei_connect(&node, argv[3]);
    if (fd < 0) {
        printf("no connection\n");
        return 1;
    }
    printf("up\n");
    fflush(stdout);
    ei_x_new(&x);
    end = now() + atof(argv[4]);
    while (now() < end) {
        int got = ei_xreceive_msg_tmo(fd, &msg, &x, 500);

        if (got == ERL_TICK) {
            ticks++;
        } else if (got == ERL_ERROR && erl_errno != ETIMEDOUT) {
            printf("lost\n");
            return 1;
        }
    }
    printf("ticks %u\n", ticks);
    return 0;
}
