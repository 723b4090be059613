/*
 * leader: the group leader of this node's processes, registered as `user`: what is printed at it by io:format
 * and its kin, here or by functions that ran elsewhere for us, becomes log lines.
 *
 * {io_request, From, ReplyAs, Request} is answered by {io_reply, ReplyAs, Reply} (The Erlang I/O protocol).
 */
#include "base/utf8.h"
#include "etf/syntax.h"
#include "etf/write.h"
#include "node/actor.h"
#include "node/internal.h"

enum { SHOWN_MAX = 4096, REQUESTS_MAX = 64 };

/* What one request was. */
enum io_kind { IO_PUT, IO_GET, IO_UNKNOWN };

/* Character data: binaries and lists of code points, nested; false: it is something else. Its parts stand in
 * their order whatever the nesting, so no stack is needed. */
static bool write_chars(struct wr *w, struct etf_rd r)
{
    struct slice bytes;
    uint32_t len;
    int64_t c;

    while (rd_left(&r.rd) > 0) {
        if (etf_read_string(&r, &bytes)) {
            utf8_write_latin1(w, bytes);
        } else if (etf_read_binary(&r, &bytes)) {
            wr_slice(w, bytes);
        } else if (etf_read_int64(&r, &c)) {
            utf8_write(w, c >= 0 && c <= 0x10FFFF ? (uint32_t)c : 0xFFFD);
        } else if (!etf_read_nil(&r) && !etf_read_list(&r, &len)) {
            return false;
        }
    }
    return true;
}

static void show(struct wr *text)
{
    struct slice s = slice_of(text->buf, text->len);

    while (s.len && (s.ptr[s.len - 1] == '\n' || s.ptr[s.len - 1] == '\r'))
        s.len--;
    s.len = utf8_valid_prefix(s);
    if (s.len)
        LOG(LOG_INFO, "output", LOG_SLICE("text", s), LOG_STR("cut", text->err == ERR_NONE ? "no" : "yes"));
}

/* The arguments of a formatting that cannot be done here, as terms. */
static void write_term(struct wr *w, struct etf_rd r)
{
    if (etf_print(w, &r) != ERR_NONE)
        wr_fail(w, ERR_TOO_LARGE);
}

/* {put_chars, Encoding, Chars}, {put_chars, Encoding, M, F, A}, and the old {put_chars, Chars}, {put_chars,
 * M, F, A}. */
static void put(struct etf_rd r, uint32_t arity)
{
    bool is_plain = arity == 2 || arity == 3;
    struct slice encoding;
    struct wr text;

    wr_init(&text, SHOWN_MAX);
    if ((arity == 3 || arity == 5) && !etf_skip(&r, &encoding))
        return;
    if (!is_plain && (!etf_skip(&r, NULL) || !etf_skip(&r, NULL)))
        return;
    if (!is_plain || !write_chars(&text, r))
        write_term(&text, r);
    show(&text);
    wr_fini(&text);
}

static enum io_kind one(struct etf_rd r)
{
    static const char *const gets[] = {"get_chars",    "get_line",     "get_until",
                                       "get_password", "get_geometry", "setopts"};
    struct etf_atom verb;
    uint32_t arity;

    if (etf_read_atom(&r, &verb))
        return etf_atom_is(verb, "getopts") ? IO_GET : IO_UNKNOWN;
    if (!etf_read_tuple(&r, &arity) || !etf_read_atom(&r, &verb))
        return IO_UNKNOWN;
    if (etf_atom_is(verb, "put_chars") && arity >= 2 && arity <= 5) {
        put(r, arity);
        return IO_PUT;
    }
    for (size_t i = 0; i < sizeof gets / sizeof gets[0]; i++)
        if (etf_atom_is(verb, gets[i]))
            return IO_GET;
    return IO_UNKNOWN;
}

/* {requests, [Request]}: one after another, up to the first that fails. */
static enum io_kind all(struct etf_rd r)
{
    enum io_kind kind = IO_PUT;
    struct etf_rd list = r;
    uint32_t count;

    if (!etf_read_tuple_is(&list, 2) || !etf_read_atom_is(&list, "requests"))
        return one(r);
    if (!etf_read_list(&list, &count))
        return IO_PUT;
    for (uint32_t i = 0; kind == IO_PUT && i < count && i < REQUESTS_MAX; i++) {
        struct slice request;

        if (!etf_skip(&list, &request))
            return IO_UNKNOWN;
        kind = one(etf_rd_of(request, r.atoms));
    }
    return kind;
}

static void answer(struct actor *a, const struct etf_pid *to, struct etf_rd reply_as, enum io_kind kind)
{
    struct node_dest dest = {.kind = NODE_DEST_PID, .pid = *to};
    struct slice term;
    struct wr w;

    node_wr_init(a->process.node, &w);
    etf_write_tuple(&w, 3);
    etf_write_atom_str(&w, "io_reply");
    if (etf_copy(&w, &reply_as) != ERR_NONE)
        wr_fail(&w, ERR_NOMEM);
    if (kind == IO_PUT) {
        etf_write_atom_str(&w, "ok");
    } else {
        etf_write_tuple(&w, 2);
        etf_write_atom_str(&w, "error");
        etf_write_atom_str(&w, kind == IO_GET ? "enotsup" : "request");
    }
    term = wr_written(&w);
    if (!wr_ok(&w) || actor_send(a, &dest, &term, 1, 0) != ERR_NONE)
        LOG(LOG_WARN, "reply-lost", LOG_SLICE("node", to->node.text));
    wr_fini(&w);
}

static void message(struct node_self self, void *state, struct etf_rd r)
{
    struct slice reply_as;
    struct etf_pid from;

    (void)state;
    if (!etf_read_tuple_is(&r, 4) || !etf_read_atom_is(&r, "io_request") || !etf_read_pid(&r, &from) ||
        !etf_skip(&r, &reply_as))
        return;
    answer(actor_get(self), &from, etf_rd_of(reply_as, r.atoms), all(r));
}

static const struct node_process_ops ops = {.kind = "user", .message = message};

enum err leader_start(struct node *n)
{
    struct actor *a;
    enum err e = actor_spawn(n, &ops, NULL, &a);

    if (e != ERR_NONE)
        return e;
    a->is_immune = true;
    n->leader = actor_self(a);
    return process_register(&a->process, SLICE("user"));
}
