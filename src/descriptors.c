#include "src/descriptors.h"

#include <sys/resource.h>

#include "base/log.h"
#include "http/server.h"

enum { FEW_CONNECTIONS = 16 }; /* fewer are of no use to anybody, unless fewer are wanted */

static const char hint[] = "raise the limit: LimitNOFILE= of a service, ulimit -n at a shell",
                  hint_for_workers[] =
                      "raise the limit (LimitNOFILE= of a service, ulimit -n at a shell), or "
                      "have fewer --workers";

void descriptors_raise(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

bool descriptors_suffice(const struct settings *s)
{
    unsigned most = s->gateway.http.max_connections;
    unsigned connections = most < FEW_CONNECTIONS ? most : FEW_CONNECTIONS;
    uint64_t wanted = http_descriptors_wanted(s->workers, s->gateway.listen_count, connections);
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur >= wanted)
        return true;
    LOG(LOG_ERROR, "start-failed", LOG_STR("why", "too few descriptors may be open"),
        LOG_UINT("limit", limit.rlim_cur), LOG_UINT("needed", wanted), LOG_UINT("workers", s->workers),
        LOG_UINT("connections", connections), LOG_STR("hint", s->workers > 1 ? hint_for_workers : hint));
    return false;
}
