/*
 * names [HOST]: the nodes that EPMD on that host knows, as `epmd -names` shows them. ERL_EPMD_PORT: its port
 * if not 4369.
 */
#include <stdio.h>
#include <stdlib.h>

#include "epmd/client.h"

static int status = 1;

static void listed(void *ctx, uint64_t id, enum err e, const struct epmd_name *names, size_t count,
                   bool is_here)
{
    (void)ctx;
    (void)id;
    (void)is_here;
    if (e != ERR_NONE)
        fprintf(stderr, "no names: %s\n", err_text(e));
    for (size_t i = 0; i < count; i++)
        printf("%.*s %u\n", SLICE_FMT(names[i].name), (unsigned)names[i].port);
    status = e != ERR_NONE;
}

int main(int argc, char **argv)
{
    const char *port = getenv("ERL_EPMD_PORT");
    struct loop *loop = loop_new();
    struct epmd_queries *queries = loop ? epmd_queries_new(loop) : NULL;

    if (!queries || !epmd_names(queries, argc > 1 ? argv[1] : "localhost", port ? (uint16_t)atoi(port) : 0,
                                5000, listed, NULL, 0))
        return 1;
    loop_run(loop);
    epmd_queries_free(queries);
    loop_free(loop);
    return status;
}
