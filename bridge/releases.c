/*
 * releases: which OTP each connected node runs: asked of it once, when somebody first wants to know.
 *
 * The flags of the handshake tell releases apart only now and then, so it is erlang:system_info(otp_release)
 * that says. A node that does not answer in ASK_MS, or has no such function, is not asked again as long as it
 * is the same life of it (its creation).
 */
#include "base/mem.h"
#include "bridge/internal.h"
#include "etf/write.h"
#include "node/rpc.h"

enum { ASK_MS = 1000, RELEASES_MAX = 4096, RELEASE_TEXT_MAX = 15 };

struct release {
    uint64_t id, op; /* while it is asked; id 0: no longer */
    uint32_t creation;
    char text[RELEASE_TEXT_MAX + 1]; /* empty: not known */
};

/* "27", which is a list of characters. */
static void read_text(struct release *r, const struct node_result *result)
{
    struct etf_rd rd = etf_rd_of(result->term, result->atoms);
    struct slice text;

    if (result->err != ERR_NONE || !etf_read_string(&rd, &text) || text.len > RELEASE_TEXT_MAX)
        return;
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] < 0x20 || text.ptr[i] > 0x7E)
            return;
    memcpy(r->text, text.ptr, text.len);
    r->text[text.len] = '\0';
}

static void answered(void *ctx, uint64_t id, const struct node_result *result)
{
    struct gateway *g = ctx;
    struct release *r = idtab_remove(&g->questions, id);

    if (!r)
        return;
    r->id = 0;
    read_text(r, result);
    nodes_release_known(g);
}

/* False: no memory. */
static bool ask(struct gateway *g, struct release *r, struct slice node)
{
    struct wr w;
    enum err e;

    r->id = idtab_add(&g->questions, r);
    if (!r->id)
        return false;
    wr_init(&w, SIZE_MAX);
    etf_write_list(&w, 1);
    etf_write_atom_str(&w, "otp_release");
    etf_write_nil(&w);
    e = w.err;
    if (e == ERR_NONE)
        e = node_rpc(g->node, node, SLICE("erlang"), SLICE("system_info"), wr_written(&w), ASK_MS, answered,
                     g, r->id, &r->op);
    wr_fini(&w);
    if (e != ERR_NONE) {
        idtab_remove(&g->questions, r->id);
        r->id = 0;
    }
    return e == ERR_NONE;
}

static struct release *add(struct gateway *g, struct slice node)
{
    struct release *r = g->releases.count < RELEASES_MAX ? mem_zalloc(sizeof *r) : NULL;

    if (r && map_put(&g->releases, node, r) != ERR_NONE) {
        mem_free(r);
        return NULL;
    }
    return r;
}

bool releases_ask(struct gateway *g, const struct node_peer *peer)
{
    struct release *r = map_get(&g->releases, peer->name);

    if (r && r->id)
        return false;
    if (r && r->creation == peer->creation)
        return true;
    if (!r)
        r = add(g, peer->name);
    if (!r)
        return true;
    r->creation = peer->creation;
    r->text[0] = '\0';
    return !ask(g, r, peer->name);
}

const char *releases_text(const struct gateway *g, const struct node_peer *peer)
{
    const struct release *r = map_get(&g->releases, peer->name);

    return r && r->creation == peer->creation && r->text[0] ? r->text : NULL;
}

void releases_fini(struct gateway *g)
{
    struct release *r;
    uint32_t questions = 0;
    size_t cursor = 0;

    while ((r = idtab_next(&g->questions, &questions))) {
        node_cancel(g->node, r->op);
        idtab_remove(&g->questions, r->id);
    }
    while ((r = map_next(&g->releases, &cursor, NULL)))
        mem_free(r);
    map_fini(&g->releases);
    idtab_fini(&g->questions);
}
