#include "src/cli_out.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "src/cli_status.h"
#include "src/cli_stop.h"

static void die_of_sigpipe(void)
{
    signal(SIGPIPE, SIG_DFL);
    raise(SIGPIPE);
}

bool cli_out(struct slice bytes)
{
    while (bytes.len) {
        ssize_t n = write(STDOUT_FILENO, bytes.ptr, bytes.len);

        if (cli_stop_asked()) /* a part may have been taken before the signal came */
            return false;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EPIPE)
            die_of_sigpipe();
        if (n < 0) {
            cli_say(CLI_FAILED, "cannot write: %s", strerror(errno));
            return false;
        }
        bytes = slice_of(bytes.ptr + n, bytes.len - (size_t)n);
    }
    return true;
}

void cli_out_look(void)
{
    struct pollfd out = {.fd = STDOUT_FILENO};

    if (poll(&out, 1, 0) == 1 && (out.revents & (POLLERR | POLLHUP)))
        die_of_sigpipe();
}
