/*
 * metrics_process: the part of /metrics about the process, as client libraries of Prometheus name it.
 *
 * From /proc: what cannot be read there is left out.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "bridge/internal.h"

enum { STAT_MAX = 1024, MICROS = 1000000 };

/* proc(5): fields of /proc/self/stat, counted from the one behind the name in parentheses, as from 3. */
enum { STAT_STARTTIME = 22, STAT_VSIZE = 23, STAT_RSS = 24, STAT_FIRST = 3 };

static bool read_text(const char *path, char ret[STAT_MAX])
{
    FILE *f = fopen(path, "re");
    size_t n = f ? fread(ret, 1, STAT_MAX - 1, f) : 0;

    if (f)
        fclose(f);
    ret[n] = '\0';
    return n > 0;
}

/* The nth field of stat; 0: there is none. */
static uint64_t field(const char *stat, int nth)
{
    const char *at = strrchr(stat, ')');

    for (int i = STAT_FIRST; at && i <= nth; i++) {
        at = strchr(at, ' ');
        if (at)
            at++;
    }
    return at ? strtoull(at, NULL, 10) : 0;
}

static uint64_t boot_s(void)
{
    static uint64_t boot; /* it does not change */
    char line[STAT_MAX];
    FILE *f = boot ? NULL : fopen("/proc/stat", "re");

    while (f && !boot && fgets(line, sizeof line, f))
        if (strncmp(line, "btime ", 6) == 0)
            boot = strtoull(line + 6, NULL, 10);
    if (f)
        fclose(f);
    return boot;
}

static uint64_t open_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    uint64_t count = 0;

    while (dir && readdir(dir))
        count++;
    if (dir)
        closedir(dir);
    return count > 3 ? count - 3 : 0; /* ".", "..", and the folder itself */
}

static uint64_t micros(const struct timeval *t)
{
    return (uint64_t)t->tv_sec * MICROS + (uint64_t)t->tv_usec;
}

static void write_cpu(struct exposition *x)
{
    struct rusage usage;

    if (getrusage(RUSAGE_SELF, &usage) != 0)
        return;
    metrics_begin(x, METRIC_PROCESS_CPU);
    exposition_micros(x, NO_LABELS, micros(&usage.ru_utime) + micros(&usage.ru_stime));
}

static void write_fds(struct exposition *x)
{
    struct rlimit limit;

    metrics_begin(x, METRIC_PROCESS_FDS);
    exposition_uint(x, NO_LABELS, open_fds());
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    metrics_begin(x, METRIC_PROCESS_MAX_FDS);
    exposition_limit(x, NO_LABELS, limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX : limit.rlim_cur);
}

void metrics_write_process(struct exposition *x)
{
    uint64_t ticks = (uint64_t)sysconf(_SC_CLK_TCK), page = (uint64_t)sysconf(_SC_PAGESIZE);
    char stat[STAT_MAX];

    write_cpu(x);
    write_fds(x);
    if (!read_text("/proc/self/stat", stat) || !ticks)
        return;
    metrics_begin(x, METRIC_PROCESS_RESIDENT);
    exposition_uint(x, NO_LABELS, field(stat, STAT_RSS) * page);
    metrics_begin(x, METRIC_PROCESS_VIRTUAL);
    exposition_uint(x, NO_LABELS, field(stat, STAT_VSIZE));
    metrics_begin(x, METRIC_PROCESS_START);
    exposition_micros(x, NO_LABELS, boot_s() * MICROS + field(stat, STAT_STARTTIME) * MICROS / ticks);
}
