/*
 * call NAME@HOST OTHER@HOST SERVER TEXT TIMEOUT_MS: gen_server:call({SERVER, OTHER}, {echo, <<"TEXT">>},
 * TIMEOUT_MS) from C, and before it a cast of the same. Prints the reply, or what became of it.
 */
#include "etf/syntax.h"
#include "example.h"

static const char *other, *server, *text;
static uint64_t timeout_ms;

static void on_result(struct node_self self, void *state, uint32_t tag, const struct node_result *r)
{
    struct etf_rd term = etf_rd_of(r->term, r->atoms);
    struct wr w;

    (void)self;
    (void)state;
    (void)tag;
    wr_init(&w, SIZE_MAX);
    if (r->term.len)
        must(etf_print(&w, &term), "print");
    printf("%s %.*s\n", err_name(r->err), SLICE_FMT(wr_written(&w)));
    wr_fini(&w);
    end(r->err != ERR_NONE);
}

static const struct node_process_ops ops = {.kind = "call", .result = on_result};

static void started(void *ctx, enum err e, const char *why)
{
    struct node_dest to = node_to_name(server, other);
    struct node_self self;
    struct wr w;

    (void)ctx;
    must(e, why ? why : "start");
    must(node_spawn(node, &ops, NULL, &self), "spawn");
    wr_init(&w, SIZE_MAX);
    etf_write_tuple(&w, 2);
    etf_write_atom_str(&w, "echo");
    etf_write_binary(&w, slice_of_str(text));
    must(node_cast(self, &to, wr_written(&w)), "cast");
    must(node_call(self, &to, wr_written(&w), timeout_ms, 0, NULL), "call");
    wr_fini(&w);
}

int main(int argc, char **argv)
{
    const char *usage = "call NAME@HOST OTHER@HOST SERVER TEXT TIMEOUT_MS";

    if (argc != 6)
        return run(usage, NULL, started);
    other = argv[2];
    server = argv[3];
    text = argv[4];
    timeout_ms = strtoull(argv[5], NULL, 10);
    return run(usage, argv[1], started);
}
