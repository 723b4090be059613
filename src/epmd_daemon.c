#include "epmd_daemon.h"

#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

/* ---- the service manager: sd_notify(3) and sd_listen_fds(3) need no library ---- */

static void notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t len = path ? strlen(path) : 0;
    int fd;

    if (len < 2 || len >= sizeof to.sun_path || (path[0] != '/' && path[0] != '@'))
        return;
    memcpy(to.sun_path, path, len);
    if (path[0] == '@')
        to.sun_path[0] = '\0'; /* an abstract name */
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&to,
           (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
    close(fd);
}

static void notify_ready(void)
{
    char state[128];

    snprintf(state, sizeof state, "READY=1\nSTATUS=Processing port mapping requests...\nMAINPID=%lu",
             (unsigned long)getpid());
    notify(state);
}

size_t epmd_listen_fds(void)
{
    const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
    int count;

    if (!pid || !fds || atol(pid) != getpid())
        return 0;
    count = atoi(fds);
    return count > 0 && count <= EPMD_LISTEN_FDS_MAX ? (size_t)count : 0;
}

/* ---- the background ---- */

static int verdict_fd = -1; /* where a daemon tells its first process how starting went */

static void tell_verdict(int code)
{
    uint8_t byte = (uint8_t)code;

    if (verdict_fd >= 0 && write(verdict_fd, &byte, 1) == 1)
        close(verdict_fd);
    verdict_fd = -1;
}

_Noreturn void epmd_leave(int code)
{
    char state[64];

    tell_verdict(code);
    snprintf(state, sizeof state, "STATUS=Exited.\nERRNO=%i", code);
    notify(state);
    exit(code);
}

/* The first process waits for the verdict of the one that serves: who starts a daemon and then a node must
 * not be faster than the daemon. */
static _Noreturn void await_verdict(int fd)
{
    uint8_t code = 1;

    if (read(fd, &code, 1) != 1)
        code = 1;
    _exit(code);
}

static void fork_or_leave(void (*in_parent)(int fd), int fd)
{
    pid_t pid = fork();

    if (pid < 0) {
        syslog(LOG_ERR, "epmd: cannot fork: %m");
        epmd_leave(1);
    }
    if (pid == 0)
        return;
    if (in_parent)
        in_parent(fd);
    _exit(0);
}

void epmd_daemon_start(void)
{
    int fds[2], null;

    if (pipe2(fds, O_CLOEXEC) != 0)
        epmd_leave(1);
    fork_or_leave(await_verdict, fds[0]);
    close(fds[0]);
    verdict_fd = fds[1];
    setsid();
    signal(SIGHUP, SIG_IGN);
    fork_or_leave(NULL, -1); /* no session leader, so that no terminal can become ours */
    if (chdir("/") != 0)
        epmd_leave(1);
    umask(0);
    null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; fd <= 2; fd++)
        dup2(null, fd);
    if (null > 2)
        close(null);
}

void epmd_daemon_ready(void)
{
    notify_ready();
    tell_verdict(0);
}
