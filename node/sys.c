#include "node/sys.h"

#include "etf/write.h"
#include "node/gen.h"
#include "node/internal.h"

/* Who asks is not to wait in vain for what is no term. */
static void write_state(struct wr *w, struct actor *a, const struct server *s)
{
    size_t before = w->len;
    struct etf_rd r;

    if (s->ops->format_state)
        s->ops->format_state(actor_self(a), s->state, w);
    if (!wr_ok(w))
        return;
    if (w->len > before) {
        r = etf_rd_of(slice_of(w->buf + before, w->len - before), NULL);
        if (etf_skip(&r, NULL) && rd_left(&r.rd) == 0)
            return;
    }
    w->len = before;
    etf_write_atom_str(w, "undefined");
}

static void write_string(struct wr *w, const char *text)
{
    etf_write_string(w, slice_of_str(text));
}

/* [{data, [{Label, _}]}]: leaves the value to be written, and then two NILs. */
static void write_data(struct wr *w, const char *label)
{
    etf_write_tuple(w, 2);
    etf_write_atom_str(w, "data");
    etf_write_list(w, 1);
    etf_write_tuple(w, 2);
    write_string(w, label);
}

static const char *module_of(const struct server *s)
{
    return s->ops->module ? s->ops->module : "gen_server";
}

/* As gen_server's format_status: [{header, _}, {data, [Status, Parent, Logged events]}, {data, [{"State",
 * _}]}]. */
static void write_misc(struct wr *w, struct actor *a, const struct server *s, const char *state,
                       const struct etf_pid *parent)
{
    struct wr text;

    wr_init(&text, SIZE_MAX);
    wr_str(&text, "Status for generic server ");
    if (a->process.name.len)
        wr_slice(&text, a->process.name);
    else
        wr_str(&text, module_of(s));
    etf_write_list(w, 3);
    etf_write_tuple(w, 2);
    etf_write_atom_str(w, "header");
    etf_write_string(w, wr_written(&text));
    wr_fini(&text);
    etf_write_tuple(w, 2);
    etf_write_atom_str(w, "data");
    etf_write_list(w, 3);
    etf_write_tuple(w, 2);
    write_string(w, "Status");
    etf_write_atom_str(w, state);
    etf_write_tuple(w, 2);
    write_string(w, "Parent");
    etf_write_pid(w, parent);
    etf_write_tuple(w, 2);
    write_string(w, "Logged events");
    etf_write_nil(w);
    etf_write_nil(w);
    write_data(w, "State");
    write_state(w, a, s);
    etf_write_nil(w);
    etf_write_nil(w);
}

/* {status, Pid, {module, Mod}, [Dictionary, State, Parent, Debug, Misc]}. */
static void write_status(struct wr *w, struct actor *a, const struct server *s)
{
    struct etf_pid self = process_pid(&a->process);
    const char *state = a->is_suspended ? "suspended" : "running";

    etf_write_tuple(w, 4);
    etf_write_atom_str(w, "status");
    etf_write_pid(w, &self);
    etf_write_tuple(w, 2);
    etf_write_atom_str(w, "module");
    etf_write_atom_str(w, "gen_server");
    etf_write_list(w, 5);
    etf_write_list(w, 1);
    etf_write_tuple(w, 2);
    etf_write_atom_str(w, "$initial_call");
    etf_write_tuple(w, 3);
    etf_write_atom_str(w, module_of(s));
    etf_write_atom_str(w, "init");
    etf_write_int64(w, 1);
    etf_write_nil(w);
    etf_write_atom_str(w, state);
    etf_write_pid(w, &self);
    etf_write_nil(w);
    write_misc(w, a, s, state, &self);
    etf_write_nil(w);
}

static void write_error(struct wr *w, struct etf_rd request, const char *why)
{
    etf_write_tuple(w, 2);
    etf_write_atom_str(w, "error");
    if (why) {
        etf_write_atom_str(w, why);
        return;
    }
    etf_write_tuple(w, 2);
    etf_write_atom_str(w, "unknown_system_msg");
    if (etf_copy(w, &request) != ERR_NONE)
        wr_fail(w, ERR_NOMEM);
}

static bool is_tuple_of(struct etf_rd r, const char *label, uint32_t arity)
{
    return etf_read_tuple_is(&r, arity) && etf_read_atom_is(&r, label);
}

/* sys:get_state/1 wants {ok, State} since the release whose aliases have five words, and the bare state
 * before. */
static bool wants_ok(const struct node_from *from)
{
    struct etf_ref alias;

    return gen_tag_alias(from->tag, &alias) && alias.count == 5;
}

static void write_answer(struct wr *w, struct actor *a, struct server *s, const struct node_from *from,
                         struct etf_rd request)
{
    struct etf_rd r = request;

    if (etf_read_atom_is(&r, "get_state")) {
        if (wants_ok(from)) {
            etf_write_tuple(w, 2);
            etf_write_atom_str(w, "ok");
        }
        write_state(w, a, s);
    } else if (etf_read_atom_is(&r, "get_status")) {
        write_status(w, a, s);
    } else if (etf_read_atom_is(&r, "suspend") || etf_read_atom_is(&r, "resume") ||
               is_tuple_of(request, "terminate", 2)) {
        etf_write_atom_str(w, "ok");
    } else if (is_tuple_of(request, "replace_state", 2) || is_tuple_of(request, "change_code", 4)) {
        write_error(w, request, "notsup"); /* its state is C's, its code this program */
    } else {
        write_error(w, request, NULL);
    }
}

void sys_request(struct actor *a, struct server *s, const struct node_from *from, struct etf_rd request)
{
    struct etf_rd reason = request;
    struct wr w;
    enum err e;

    node_wr_init(a->process.node, &w);
    write_answer(&w, a, s, from, request);
    e = wr_ok(&w) ? node_reply(actor_self(a), from, wr_written(&w)) : w.err;
    wr_fini(&w);
    if (e != ERR_NONE)
        LOG(LOG_WARN, "reply-lost", LOG_STR("to", "sys"), LOG_STR("error", err_name(e)));
    if (etf_read_atom_is(&request, "suspend"))
        actor_suspend(a, true);
    else if (etf_read_atom_is(&request, "resume"))
        actor_suspend(a, false);
    else if (etf_read_tuple_is(&reason, 2) && etf_read_atom_is(&reason, "terminate"))
        actor_exit(a, reason);
}
