/*
 * watch NAME@HOST OTHER@HOST SERVER: monitors a registered process and its node, and says when they go. Ends
 * with the node.
 */
#include "etf/syntax.h"
#include "example.h"

static const char *other, *server;

static void on_down(struct node_self self, void *state, uint64_t monitor, const struct node_dest *what,
                    struct etf_rd reason)
{
    struct wr w;

    (void)self;
    (void)state;
    (void)monitor;
    wr_init(&w, SIZE_MAX);
    must(etf_print(&w, &reason), "print");
    printf("down %.*s %.*s\n", SLICE_FMT(what->name), SLICE_FMT(wr_written(&w)));
    wr_fini(&w);
}

static void on_nodedown(struct node_self self, void *state, struct slice name)
{
    (void)self;
    (void)state;
    printf("nodedown %.*s\n", SLICE_FMT(name));
    end(0);
}

static const struct node_process_ops ops = {.kind = "watch", .down = on_down, .nodedown = on_nodedown};

static void started(void *ctx, enum err e, const char *text)
{
    struct node_dest what = node_to_name(server, other);
    struct node_self self;
    uint64_t monitor;

    (void)ctx;
    must(e, text ? text : "start");
    must(node_spawn(node, &ops, NULL, &self), "spawn");
    must(node_monitor_node(self, slice_of_str(other), true), "monitor_node");
    must(node_monitor(self, &what, &monitor), "monitor");
    puts("up");
}

int main(int argc, char **argv)
{
    other = argc > 3 ? argv[2] : "";
    server = argc > 3 ? argv[3] : "";
    return run("watch NAME@HOST OTHER@HOST SERVER", argc > 3 ? argv[1] : NULL, started);
}
