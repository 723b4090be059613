/*
 * bind: the sockets to listen on: of an address, or of a file (unix-domain).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "http/internal.h"

enum { BACKLOG = 1024 };

/* ---- TCP ---- */

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/* "" is all of both families, by one IPv6 socket. */
static bool read_address(const char *host, uint16_t port, union address *ret, socklen_t *ret_len)
{
    *ret = (union address){0};
    if (host[0] && inet_pton(AF_INET, host, &ret->v4.sin_addr) == 1) {
        ret->v4.sin_family = AF_INET;
        ret->v4.sin_port = htons(port);
        *ret_len = sizeof ret->v4;
        return true;
    }
    if (host[0] && inet_pton(AF_INET6, host, &ret->v6.sin6_addr) != 1)
        return false;
    ret->v6.sin6_family = AF_INET6;
    ret->v6.sin6_port = htons(port);
    *ret_len = sizeof ret->v6;
    return true;
}

bool http_is_any_address(const char *host)
{
    union address a;
    socklen_t len;

    if (!read_address(host, 0, &a, &len))
        return false;
    return a.any.sa_family == AF_INET ? a.v4.sin_addr.s_addr == htonl(INADDR_ANY)
                                      : IN6_IS_ADDR_UNSPECIFIED(&a.v6.sin6_addr);
}

static enum err bind_to(int fd, const union address *a, socklen_t len)
{
    const int on = 1, off = 0;

    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0)
        return ERR_IO;
    if (a->any.sa_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) != 0)
        return ERR_IO;
    if (bind(fd, &a->any, len) != 0 || listen(fd, BACKLOG) != 0)
        return errno == EADDRINUSE      ? ERR_ADDRESS_IN_USE
               : errno == EADDRNOTAVAIL ? ERR_INVALID
               : errno == EACCES        ? ERR_NOT_ALLOWED
                                        : ERR_IO;
    return ERR_NONE;
}

static enum err bind_tcp(struct http_listener *l, int *ret_fd)
{
    const struct http_listen *c = &l->config;
    union address a;
    socklen_t len;
    enum err e;
    int fd;

    if (!read_address(c->host, c->port, &a, &len))
        return ERR_INVALID;
    fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 && errno == EAFNOSUPPORT && !c->host[0]) {
        /* A machine without IPv6: all of IPv4 then. */
        a = (union address){.v4 = {.sin_family = AF_INET, .sin_port = htons(c->port)}};
        len = sizeof a.v4;
        fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    }
    if (fd < 0)
        return ERR_IO;
    e = bind_to(fd, &a, len);
    if (e == ERR_NONE && getsockname(fd, &a.any, &len) != 0)
        e = ERR_IO;
    if (e != ERR_NONE) {
        close(fd);
        return e;
    }
    *ret_fd = fd;
    l->port = ntohs(a.any.sa_family == AF_INET ? a.v4.sin_port : a.v6.sin6_port);
    return ERR_NONE;
}

/* ---- unix-domain sockets ---- */

/* Removes what a gateway that did not end well has left there. Anything else that is there is somebody's. */
static enum err clear_path(const struct sockaddr_un *a)
{
    struct stat st;
    enum err e = ERR_ADDRESS_IN_USE;
    int fd;

    if (lstat(a->sun_path, &st) != 0)
        return errno == ENOENT ? ERR_NONE : ERR_INVALID;
    if (!S_ISSOCK(st.st_mode))
        return ERR_ADDRESS_IN_USE;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return ERR_IO;
    if (connect(fd, (const struct sockaddr *)a, sizeof *a) != 0 && errno == ECONNREFUSED)
        e = unlink(a->sun_path) == 0 ? ERR_NONE : ERR_IO;
    close(fd);
    return e;
}

static enum err bind_path(struct http_listener *l, int fd, const struct sockaddr_un *a)
{
    struct stat st;

    /* The file is made with the descriptor's mode, less the umask: at no time can more connect than may. */
    if (fchmod(fd, l->config.mode) != 0)
        return ERR_IO;
    if (bind(fd, (const struct sockaddr *)a, sizeof *a) != 0)
        return errno == EADDRINUSE ? ERR_ADDRESS_IN_USE : ERR_INVALID;
    if (lstat(a->sun_path, &st) != 0)
        return ERR_IO;
    l->socket_dev = st.st_dev;
    l->socket_ino = st.st_ino;
    return chmod(a->sun_path, l->config.mode) == 0 && listen(fd, BACKLOG) == 0 ? ERR_NONE : ERR_IO;
}

static enum err bind_unix(struct http_listener *l, int *ret_fd)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    size_t len = strlen(l->config.path);
    enum err e;
    int fd;

    if (len == 0 || len >= sizeof a.sun_path)
        return ERR_INVALID;
    memcpy(a.sun_path, l->config.path, len + 1);
    memcpy(l->path, l->config.path, len + 1);
    e = clear_path(&a);
    if (e != ERR_NONE)
        return e;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return ERR_IO;
    e = bind_path(l, fd, &a);
    if (e != ERR_NONE) {
        http_unbind(l);
        close(fd);
        return e;
    }
    *ret_fd = fd;
    return ERR_NONE;
}

void http_unbind(struct http_listener *l)
{
    struct stat st;

    if (l->socket_ino && lstat(l->path, &st) == 0 && st.st_dev == l->socket_dev && st.st_ino == l->socket_ino)
        unlink(l->path);
    l->socket_ino = 0;
}

enum err http_bind(struct http_listener *l, int *ret_fd)
{
    return l->config.path ? bind_unix(l, ret_fd) : bind_tcp(l, ret_fd);
}
