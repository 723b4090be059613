#include "src/notify.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    STATE_MAX = 512,
    MARGIN_MS = 5000,    /* what stopping may take beyond its own limit */
    BEATS_A_WATCHDOG = 2 /* as sd_watchdog_enabled(3) advises */
};

/* '@' begins a name in the abstract namespace. */
static int dial(const char *path)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    int fd;

    if ((*path != '/' && *path != '@') || len < 2 || len >= sizeof to.sun_path)
        return -1;
    memcpy(to.sun_path, path, len);
    if (*path == '@')
        to.sun_path[0] = '\0';
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&to,
                           (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (*path == '/'))) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static void say(const struct notify *n, const char *state)
{
    if (n->fd >= 0 && send(n->fd, state, strlen(state), MSG_NOSIGNAL) < 0) {
        /* It is not told, then: there is nobody else to tell of that. */
    }
}

static void beat(void *ctx, uint64_t id)
{
    struct notify *n = ctx;

    (void)id;
    say(n, "WATCHDOG=1");
    loop_timer_start(n->watchdog, n->watchdog_ms);
}

static uint64_t number_of(const char *variable)
{
    const char *text = getenv(variable);

    return text ? strtoull(text, NULL, 10) : 0;
}

static void begin_watchdog(struct notify *n, struct loop *l)
{
    uint64_t usec = number_of("WATCHDOG_USEC"), pid = number_of("WATCHDOG_PID");

    if (usec == 0 || (pid != 0 && pid != (uint64_t)getpid()))
        return;
    n->watchdog_ms = usec / 1000 / BEATS_A_WATCHDOG;
    n->watchdog = loop_timer_new(l, beat, n, 0);
    if (n->watchdog)
        beat(n, 0);
}

void notify_init(struct notify *n, struct loop *l)
{
    const char *path = getenv("NOTIFY_SOCKET");

    *n = (struct notify){.fd = path ? dial(path) : -1};
    if (n->fd >= 0)
        begin_watchdog(n, l);
}

void notify_fini(struct notify *n)
{
    loop_timer_free(n->watchdog);
    if (n->fd >= 0)
        close(n->fd);
    *n = (struct notify){.fd = -1};
}

void notify_ready(const struct notify *n, const char *status)
{
    char state[STATE_MAX];

    snprintf(state, sizeof state, "READY=1\nSTATUS=%s", status);
    say(n, state);
}

void notify_reloading(const struct notify *n)
{
    char state[STATE_MAX];

    snprintf(state, sizeof state, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64 "\nSTATUS=Reading the configuration",
             loop_now_us());
    say(n, state);
}

void notify_stopping(const struct notify *n, const char *status, uint64_t limit_ms)
{
    char state[STATE_MAX];

    snprintf(state, sizeof state, "STOPPING=1\nSTATUS=%s\nEXTEND_TIMEOUT_USEC=%" PRIu64, status,
             (limit_ms + MARGIN_MS) * 1000);
    say(n, state);
}
