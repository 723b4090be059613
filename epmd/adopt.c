#include "epmd/adopt.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* The port that fd listens on; 0: it does not listen, or not on TCP. */
static uint16_t listening_port(int fd)
{
    struct sockaddr_storage a = {0};
    socklen_t len = sizeof a, one = sizeof(int);
    int listens = 0;

    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &one) != 0 || !listens ||
        getsockname(fd, (struct sockaddr *)&a, &len) != 0)
        return 0;
    if (a.ss_family == AF_INET)
        return ntohs(((struct sockaddr_in *)&a)->sin_port);
    return a.ss_family == AF_INET6 ? ntohs(((struct sockaddr_in6 *)&a)->sin6_port) : 0;
}

static int find_listening(uint16_t port)
{
    struct rlimit limit = {0};

    getrlimit(RLIMIT_NOFILE, &limit);
    for (int fd = 0; (rlim_t)fd < limit.rlim_cur; fd++)
        if (listening_port(fd) == port)
            return fd;
    return -1;
}

/*
 * The loop makes its listeners itself and has no call for a socket made elsewhere. So it makes one, on a port
 * of loopback that nobody knows, and before its first turn the socket we were given takes that one's place
 * under its descriptor.
 */
enum err epmd_adopt(struct loop *l, int fd, loop_accepted_fn *fn, void *ctx, struct loop_listener **ret,
                    uint16_t *ret_port)
{
    uint16_t port = listening_port(fd);
    struct loop_listener *ls = NULL;
    enum err e = port ? loop_listen(l, "127.0.0.1", 0, fn, ctx, &ls) : ERR_INVALID;
    int own = -1;

    if (e == ERR_NONE) {
        own = find_listening(loop_listener_port(ls));
        if (own < 0 || fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) != 0 ||
            dup3(fd, own, O_CLOEXEC) < 0)
            e = ERR_IO;
    }
    close(fd);
    if (e != ERR_NONE) {
        loop_listener_close(ls);
        return e;
    }
    *ret = ls;
    *ret_port = port;
    return ERR_NONE;
}
