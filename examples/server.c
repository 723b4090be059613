/*
 * server NAME@HOST: a gen_server in C, registered as `example`. In Erlang:
 *
 *     gen_server:call({example, 'c@localhost'}, hello).              % {world, Count}
 *     gen_server:cast({example, 'c@localhost'}, {set, 10}).
 *     gen_server:stop({example, 'c@localhost'}).                     % ends the program
 */
#include "example.h"

/* {world, Count}: the reply to every call, and what sys:get_state/1 shows. */
static void write_state(struct node_self self, void *state, struct wr *w)
{
    const int64_t *count = state;

    (void)self;
    etf_write_tuple(w, 2);
    etf_write_atom_str(w, "world");
    etf_write_int64(w, *count);
}

static void handle_call(struct node_self self, void *state, const struct node_from *from,
                        struct etf_rd request)
{
    int64_t *count = state;
    struct wr w;

    (void)request;
    ++*count;
    wr_init(&w, SIZE_MAX);
    write_state(self, state, &w);
    must(node_reply(self, from, wr_written(&w)), "reply");
    wr_fini(&w);
}

static void handle_cast(struct node_self self, void *state, struct etf_rd request)
{
    (void)self;
    if (!etf_read_tuple_is(&request, 2) || !etf_read_atom_is(&request, "set") ||
        !etf_read_int64(&request, state))
        puts("a cast that is not understood");
}

static void terminate(struct node_self self, void *state, struct etf_rd reason)
{
    (void)self;
    (void)state;
    puts(etf_read_atom_is(&reason, "normal") ? "stopped" : "ended");
    end(0);
}

static const struct node_server_ops ops = {
    .module = "example",
    .handle_call = handle_call,
    .handle_cast = handle_cast,
    .terminate = terminate,
    .format_state = write_state,
};
static int64_t count_of_calls;

static void started(void *ctx, enum err e, const char *text)
{
    struct node_self self;

    (void)ctx;
    must(e, text ? text : "start");
    must(node_server_start(node, SLICE("example"), &ops, &count_of_calls, &self), "server");
    puts("up");
}

int main(int argc, char **argv)
{
    return run("server NAME@HOST", argc > 1 ? argv[1] : NULL, started);
}
