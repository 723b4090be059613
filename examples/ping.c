/*
 * ping OWN@HOST OTHER@HOST: is that Erlang node there? The cookie stands in the environment as ERLANG_COOKIE.
 *
 *     ERLANG_COOKIE=secret ping c@localhost kv@localhost
 *     pong
 */
#include "example.h"

static const char *other;

static void on_result(struct node_self self, void *state, uint32_t tag, const struct node_result *r)
{
    (void)self;
    (void)state;
    (void)tag;
    puts(r->err == ERR_NONE ? "pong" : "pang");
    if (r->err != ERR_NONE)
        fprintf(stderr, "%s\n", r->text ? r->text : err_text(r->err));
    end(r->err != ERR_NONE);
}

static const struct node_process_ops ops = {.kind = "ping", .result = on_result};

/* What net_adm:ping/1 does: gen_server:call({net_kernel, Other}, {is_auth, node()}). */
static void started(void *ctx, enum err e, const char *text)
{
    struct node_dest kernel = node_to_name("net_kernel", other);
    struct node_self self;
    struct wr w;

    (void)ctx;
    must(e, text ? text : "start");
    must(node_spawn(node, &ops, NULL, &self), "spawn");
    wr_init(&w, SIZE_MAX);
    etf_write_tuple(&w, 2);
    etf_write_atom_str(&w, "is_auth");
    etf_write_atom(&w, node_name(node));
    must(node_call(self, &kernel, wr_written(&w), 5000, 0, NULL), "call");
    wr_fini(&w);
}

int main(int argc, char **argv)
{
    other = argc > 2 ? argv[2] : "";
    return run("ping OWN@HOST OTHER@HOST", argc > 2 ? argv[1] : NULL, started);
}
