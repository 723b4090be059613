/*
 * rpc NAME@HOST OTHER@HOST: asks the other node for erlang:system_info(otp_release), and then serves
 *
 *     rpc:call('c@localhost', cmath, add, [1, 2]).      % 3
 *     erpc:call('c@localhost', cmath, stop, []).        % ok, and ends
 */
#include "etf/syntax.h"
#include "example.h"

static const char *other;

static void add(void *ctx, struct node_self self, struct etf_rd args)
{
    int64_t a, b;
    struct wr w;

    (void)ctx;
    wr_init(&w, SIZE_MAX);
    if (etf_read_int64(&args, &a) && etf_read_int64(&args, &b)) {
        etf_write_int64(&w, a + b);
        must(node_return(self, wr_written(&w)), "return");
    } else {
        etf_write_atom_str(&w, "badarith");
        must(node_raise(self, NODE_CLASS_ERROR, wr_written(&w)), "raise");
    }
    wr_fini(&w);
}

static void stop(void *ctx, struct node_self self, struct etf_rd args)
{
    (void)ctx;
    (void)args;
    must(node_return(self, SLICE("\x77\x02"
                                 "ok")),
         "return");
    end(0);
}

static void answered(void *ctx, uint64_t id, const struct node_result *r)
{
    struct etf_rd term = etf_rd_of(r->term, r->atoms);
    struct wr w;

    (void)ctx;
    (void)id;
    must(r->err, "rpc");
    wr_init(&w, SIZE_MAX);
    must(etf_print(&w, &term), "print");
    printf("otp %.*s\n", SLICE_FMT(wr_written(&w)));
    wr_fini(&w);
}

static void started(void *ctx, enum err e, const char *text)
{
    uint64_t op;
    struct wr w;

    (void)ctx;
    must(e, text ? text : "start");
    must(node_register_function(node, "cmath", "add", 2, add, NULL), "register");
    must(node_register_function(node, "cmath", "stop", 0, stop, NULL), "register");
    wr_init(&w, SIZE_MAX);
    etf_write_list(&w, 1);
    etf_write_atom_str(&w, "otp_release");
    etf_write_nil(&w);
    must(node_rpc(node, slice_of_str(other), SLICE("erlang"), SLICE("system_info"), wr_written(&w), 5000,
                  answered, NULL, 0, &op),
         "rpc");
    wr_fini(&w);
}

int main(int argc, char **argv)
{
    other = argc > 2 ? argv[2] : "";
    return run("rpc NAME@HOST OTHER@HOST", argc > 2 ? argv[1] : NULL, started);
}
