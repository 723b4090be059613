/*
 * requests: what the name server does once a request is whole (erl_dist_protocol, "EPMD Protocol").
 */
#include "base/check.h"
#include "epmd/internal.h"

/* ---- ALIVE2 ---- */

static void answer_alive2(struct epmd_conn *conn, const struct epmd_entry *entry, const struct epmd_reg *reg)
{
    struct epmd_alive2_reply reply = {.is_extended = entry->highest >= 6,
                                      .result = reg ? 0 : 1,
                                      .creation =
                                          reg ? epmd_reg_listing(reg).creation : EPMD_CREATION_REFUSED};

    epmd_alive2_reply_write(&conn->out, &reply);
}

static void refuse_alive2(struct epmd_core *c, struct epmd_conn *conn, const struct epmd_entry *entry,
                          const char *why)
{
    epmd_core_refused(c, conn, EPMD_ALIVE2_REQ, entry->name, why);
    answer_alive2(conn, entry, NULL);
    epmd_conn_hang_up(c, conn);
}

static void make_alive(struct epmd_core *c, struct epmd_conn *conn, const struct epmd_entry *entry)
{
    struct epmd_reg *reg;
    enum err e = epmd_registry_begin(&c->names, entry, conn->id, epmd_core_wall_s(c), &reg);

    if (e != ERR_NONE) {
        refuse_alive2(c, conn, entry, e == ERR_NAME_TAKEN ? "the name is taken" : err_text(e));
        return;
    }
    answer_alive2(conn, entry, reg);
    epmd_core_note_reg(c, EPMD_NOTE_REGISTERED, reg);
    epmd_conn_keep(c, conn, reg);
    if (!wr_ok(&conn->out)) /* a node that hears nothing would not know its creation */
        epmd_conn_hang_up(c, conn);
}

static void do_alive2(struct epmd_core *c, struct epmd_conn *conn, const struct epmd_entry *entry)
{
    const struct epmd_reg *taken = epmd_registry_find(&c->names, entry->name);

    /* A node that was killed and started again may be faster here than the end of its old socket, and must
     * not be refused as a duplicate of itself (OTP issue 11083): first see whether the holder of the name is
     * still there. */
    if (taken && epmd_reg_listing(taken).conn) {
        epmd_conn_probe(c, conn);
        return;
    }
    make_alive(c, conn, entry);
}

/* It was read once; it still reads the same. */
static struct epmd_entry entry_of(const struct epmd_conn *conn)
{
    struct slice in = wr_written(&conn->in);
    struct epmd_request req = {0};

    CHECK(epmd_request_read(slice_of(in.ptr + EPMD_LENGTH_BYTES, in.len - EPMD_LENGTH_BYTES), &req, NULL) ==
          ERR_NONE);
    return req.entry;
}

void epmd_conn_probed(struct epmd_core *c, struct epmd_conn *conn)
{
    struct epmd_entry entry = entry_of(conn);

    make_alive(c, conn, &entry);
}

uint64_t epmd_conn_rival(const struct epmd_core *c, const struct epmd_conn *conn)
{
    const struct epmd_reg *taken = epmd_registry_find(&c->names, entry_of(conn).name);

    return taken ? epmd_reg_listing(taken).conn : 0;
}

/* ---- the others ---- */

static void do_names(struct epmd_core *c, struct epmd_conn *conn)
{
    const struct epmd_reg *reg = NULL;
    struct epmd_listing l;

    epmd_names_reply_write(&conn->out, c->config.port);
    while (epmd_registry_next(&c->names, &reg, &l))
        epmd_names_reply_write_name(&conn->out, l.entry.name, l.entry.port);
}

/* OTP's prints the descriptor; a connection's number serves the same end. -1: a name without one. */
static int64_t number_of(const struct epmd_listing *l)
{
    return l->conn ? (int64_t)(l->conn & UINT32_MAX) : -1;
}

static void do_dump(struct epmd_core *c, struct epmd_conn *conn)
{
    const struct epmd_reg *reg = NULL;
    struct epmd_listing l;

    epmd_names_reply_write(&conn->out, c->config.port);
    while (epmd_registry_next(&c->names, &reg, &l))
        epmd_dump_reply_write_active(&conn->out, l.entry.name, l.entry.port, number_of(&l));
    while (epmd_registry_next_old(&c->names, &reg, &l))
        epmd_dump_reply_write_old(&conn->out, l.entry.name, l.entry.port, number_of(&l));
}

static void do_port2(struct epmd_core *c, struct epmd_conn *conn, struct slice name)
{
    const struct epmd_reg *reg = epmd_registry_find(&c->names, name);
    struct epmd_entry entry;

    if (reg)
        entry = epmd_reg_listing(reg).entry;
    epmd_port2_reply_write(&conn->out, reg ? &entry : NULL);
}

static void do_kill(struct epmd_core *c, struct epmd_conn *conn)
{
    bool has_names = epmd_registry_count(&c->names) > 0;

    if (!c->config.is_killable || (has_names && !c->config.is_relaxed)) {
        epmd_core_refused(c, conn, EPMD_KILL_REQ, (struct slice){0},
                          has_names ? "live nodes" : "not allowed");
        wr_str(&conn->out, EPMD_KILL_NO);
        return;
    }
    wr_str(&conn->out, EPMD_KILL_OK);
    conn->is_killer = true;
}

static void do_stop(struct epmd_core *c, struct epmd_conn *conn, struct slice name)
{
    struct epmd_reg *reg;
    struct epmd_conn *holder;

    if (!c->config.is_relaxed) {
        epmd_core_refused(c, conn, EPMD_STOP_REQ, name, "no -relaxed_command_check");
        return;
    }
    reg = epmd_registry_find(&c->names, name);
    if (!reg) {
        /* OTP's sends NOEXIST and then STOPPED too; its own client reads seven bytes and does not notice. */
        wr_str(&conn->out, EPMD_STOP_NOEXIST);
        return;
    }
    wr_str(&conn->out, EPMD_STOP_STOPPED);
    holder = idtab_get(&c->conns, epmd_reg_listing(reg).conn);
    if (holder) {
        epmd_conn_hang_up(c, holder);
        return;
    }
    epmd_core_note_reg(c, EPMD_NOTE_UNREGISTERED, reg);
    epmd_registry_end(&c->names, reg);
}

static bool is_for_all(enum epmd_tag tag)
{
    return tag == EPMD_PORT2_REQ || tag == EPMD_NAMES_REQ;
}

static void dispatch(struct epmd_core *c, struct epmd_conn *conn, const struct epmd_request *req)
{
    switch (req->tag) {
    case EPMD_ALIVE2_REQ: do_alive2(c, conn, &req->entry); return; /* may stay open */
    case EPMD_PORT2_REQ: do_port2(c, conn, req->entry.name); break;
    case EPMD_NAMES_REQ: do_names(c, conn); break;
    case EPMD_DUMP_REQ: do_dump(c, conn); break;
    case EPMD_KILL_REQ: do_kill(c, conn); break;
    case EPMD_STOP_REQ: do_stop(c, conn, req->entry.name); break;
    default: break; /* epmd_request_read lets no other pass */
    }
    epmd_conn_hang_up(c, conn);
}

void epmd_conn_request(struct epmd_core *c, struct epmd_conn *conn, struct slice body)
{
    struct epmd_request req = {0};
    const char *why = "";
    uint8_t tag = body.ptr[0];
    enum err e;

    epmd_core_note(c, (struct epmd_note){.kind = EPMD_NOTE_REQUEST, .conn = conn->id, .tag = tag});
    if (!conn->is_local && !is_for_all(tag)) {
        epmd_core_refused(c, conn, tag, (struct slice){0}, "not from this machine");
        epmd_conn_hang_up(c, conn);
        return;
    }
    e = epmd_request_read(body, &req, &why);
    if (e == ERR_NONE) {
        dispatch(c, conn, &req);
        return;
    }
    if (e == ERR_TOO_LARGE || e == ERR_INVALID) {
        refuse_alive2(c, conn, &req.entry, why);
        return;
    }
    epmd_core_refused(c, conn, tag, (struct slice){0}, why);
    epmd_conn_hang_up(c, conn);
}
