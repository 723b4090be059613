#include "src/cli_stop.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "src/cli_status.h"

static volatile sig_atomic_t is_asked;
static int ends[2];

/* A byte in a pipe is seen by the next poll, even if the signal comes right before it. */
static void ask(int sig)
{
    int before = errno;
    ssize_t n = write(ends[1], "", 1);

    (void)sig;
    (void)n;
    is_asked = 1;
    errno = before;
}

int cli_stop_begin(void)
{
    /* Without SA_RESTART, so that a write that nobody takes ends too. */
    struct sigaction how = {.sa_handler = ask, .sa_flags = (int)SA_RESETHAND};

    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
        cli_say(CLI_FAILED, "cannot make a pipe: %s", strerror(errno));
        return -1;
    }
    sigaction(SIGINT, &how, NULL);
    sigaction(SIGTERM, &how, NULL);
    return ends[0];
}

bool cli_stop_asked(void)
{
    return is_asked;
}
