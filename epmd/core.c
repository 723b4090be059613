#include "epmd/core.h"

#include "base/check.h"
#include "base/idtab.h"
#include "base/map.h"
#include "base/mem.h"
#include "epmd/registry.h"

enum {
    DEFAULT_TIMEOUT_MS = 60000,
    DEFAULT_CONNECTIONS = 4096,
};

enum state {
    READING, /* its request is not whole yet */
    PROBING, /* its ALIVE2 waits for epmd_core_probed */
    ALIVE,   /* its name lives as long as it does */
    CLOSING, /* what is left is to send the answer and to hang up */
};

struct conn {
    uint64_t id, user;
    enum state state;
    bool is_local, is_killer, wants_probe, is_ready;
    struct wr in;             /* the request so far, with its length; kept while PROBING */
    struct wr out;            /* the answer */
    bool is_out_given;        /* as an event */
    struct epmd_reg *reg;     /* borrowed from the registry; ALIVE only */
    uint64_t last_ms;         /* when something last came */
    struct conn *prev, *next; /* in `waiting`: READING and PROBING */
    struct conn *ready_next;  /* in `ready` */
};

struct epmd_core {
    struct epmd_core_config config;
    struct epmd_registry names;
    struct idtab conns;              /* struct conn, owned */
    size_t open;                     /* those that are not CLOSING */
    struct conn *oldest, *newest;    /* waiting: the one that has been silent longest comes first */
    struct conn *ready, **ready_end; /* have events to give */
    uint64_t killed_by;
    uint64_t now_ms; /* the latest time that we were told */
};

static void note(struct epmd_core *c, struct epmd_note n)
{
    if (c->config.note)
        c->config.note(c->config.ctx, &n);
}

static void note_reg(struct epmd_core *c, enum epmd_note_kind kind, const struct epmd_reg *reg)
{
    struct epmd_listing l = epmd_reg_listing(reg);

    note(c, (struct epmd_note){.kind = kind,
                               .conn = l.conn,
                               .name = l.entry.name,
                               .port = l.entry.port,
                               .creation = l.creation});
}

static void refuse(struct epmd_core *c, const struct conn *conn, uint8_t tag, struct slice name,
                   const char *why)
{
    note(c, (struct epmd_note){
                .kind = EPMD_NOTE_REFUSED, .conn = conn->id, .tag = tag, .name = name, .text = why});
}

/* ---- the two lists ---- */

static void wait_remove(struct epmd_core *c, struct conn *conn)
{
    *(conn->prev ? &conn->prev->next : &c->oldest) = conn->next;
    *(conn->next ? &conn->next->prev : &c->newest) = conn->prev;
    conn->prev = conn->next = NULL;
}

static void wait_append(struct epmd_core *c, struct conn *conn)
{
    conn->prev = c->newest;
    conn->next = NULL;
    *(c->newest ? &c->newest->next : &c->oldest) = conn;
    c->newest = conn;
}

static bool is_waiting(const struct conn *conn)
{
    return conn->state == READING || conn->state == PROBING;
}

static void ready_append(struct epmd_core *c, struct conn *conn)
{
    if (conn->is_ready)
        return;
    conn->is_ready = true;
    conn->ready_next = NULL;
    *c->ready_end = conn;
    c->ready_end = &conn->ready_next;
}

static void ready_remove(struct epmd_core *c, struct conn *conn)
{
    struct conn **at = &c->ready;

    if (!conn->is_ready)
        return;
    while (*at != conn)
        at = &(*at)->ready_next;
    *at = conn->ready_next;
    if (!*at)
        c->ready_end = at;
    conn->is_ready = false;
}

/* ---- life ---- */

struct epmd_core *epmd_core_new(const struct epmd_core_config *config)
{
    struct epmd_core *c = mem_zalloc(sizeof *c);

    if (!c)
        return NULL;
    c->config = *config;
    if (!c->config.packet_timeout_ms)
        c->config.packet_timeout_ms = DEFAULT_TIMEOUT_MS;
    if (!c->config.max_connections)
        c->config.max_connections = DEFAULT_CONNECTIONS;
    c->now_ms = config->now_ms;
    c->ready_end = &c->ready;
    epmd_registry_init(&c->names, config->max_old, config->hash_seed);
    idtab_init(&c->conns);
    return c;
}

static void conn_free(struct conn *conn)
{
    wr_fini(&conn->in);
    wr_fini(&conn->out);
    mem_free(conn);
}

void epmd_core_free(struct epmd_core *c)
{
    uint32_t cursor = 0;
    struct conn *conn;

    if (!c)
        return;
    while ((conn = idtab_next(&c->conns, &cursor)))
        conn_free(conn);
    idtab_fini(&c->conns);
    epmd_registry_fini(&c->names);
    mem_free(c);
}

void epmd_core_set_port(struct epmd_core *c, uint16_t port)
{
    c->config.port = port;
}

static uint32_t wall_s(const struct epmd_core *c)
{
    return c->config.wall_s + (uint32_t)((c->now_ms - c->config.now_ms) / 1000);
}

static void advance_clock(struct epmd_core *c, uint64_t now_ms)
{
    if (now_ms > c->now_ms)
        c->now_ms = now_ms;
}

static void unregister(struct epmd_core *c, struct conn *conn)
{
    if (!conn->reg)
        return;
    note_reg(c, EPMD_NOTE_UNREGISTERED, conn->reg);
    epmd_registry_end(&c->names, conn->reg);
    conn->reg = NULL;
}

/* From any state to CLOSING; its id lives on until the CLOSE has been pulled. */
static void hang_up(struct epmd_core *c, struct conn *conn)
{
    if (conn->state == CLOSING)
        return;
    if (is_waiting(conn))
        wait_remove(c, conn);
    unregister(c, conn);
    conn->state = CLOSING;
    conn->wants_probe = false;
    wr_fini(&conn->in);
    c->open--;
    ready_append(c, conn);
}

static void forget(struct epmd_core *c, struct conn *conn)
{
    note(c, (struct epmd_note){.kind = EPMD_NOTE_CLOSED, .conn = conn->id});
    ready_remove(c, conn);
    idtab_remove(&c->conns, conn->id);
    conn_free(conn);
}

/* ---- connections ---- */

/* Room for one more: by hanging up on the one that has been silent longest, if there is one without a name.
 */
static bool make_room(struct epmd_core *c)
{
    if (c->open < c->config.max_connections)
        return true;
    note(c, (struct epmd_note){.kind = EPMD_NOTE_FULL, .conn = c->oldest ? c->oldest->id : 0});
    if (!c->oldest)
        return false;
    hang_up(c, c->oldest);
    return true;
}

uint64_t epmd_core_open(struct epmd_core *c, bool is_local, uint64_t user, uint64_t now_ms)
{
    struct conn *conn;

    advance_clock(c, now_ms);
    if (!make_room(c))
        return 0;
    conn = mem_zalloc(sizeof *conn);
    if (!conn)
        return 0;
    conn->id = idtab_add(&c->conns, conn);
    if (!conn->id) {
        mem_free(conn);
        return 0;
    }
    conn->is_local = is_local;
    conn->user = user;
    conn->last_ms = c->now_ms;
    wr_init(&conn->in, EPMD_LENGTH_BYTES + EPMD_REQUEST_MAX);
    wr_init(&conn->out, SIZE_MAX);
    wait_append(c, conn);
    c->open++;
    note(c, (struct epmd_note){.kind = EPMD_NOTE_OPENED, .conn = conn->id, .is_local = is_local});
    return conn->id;
}

void epmd_core_closed(struct epmd_core *c, uint64_t id)
{
    struct conn *conn = idtab_get(&c->conns, id);

    if (!conn)
        return;
    hang_up(c, conn);
    forget(c, conn);
}

/* ---- requests ---- */

static void answer_alive2(struct conn *conn, const struct epmd_entry *entry, const struct epmd_reg *reg)
{
    struct epmd_alive2_reply reply = {.is_extended = entry->highest >= 6,
                                      .result = reg ? 0 : 1,
                                      .creation =
                                          reg ? epmd_reg_listing(reg).creation : EPMD_CREATION_REFUSED};

    epmd_alive2_reply_write(&conn->out, &reply);
}

static void refuse_alive2(struct epmd_core *c, struct conn *conn, const struct epmd_entry *entry,
                          const char *why)
{
    refuse(c, conn, EPMD_ALIVE2_REQ, entry->name, why);
    answer_alive2(conn, entry, NULL);
    hang_up(c, conn);
}

static void make_alive(struct epmd_core *c, struct conn *conn, const struct epmd_entry *entry)
{
    struct epmd_reg *reg;
    enum err e = epmd_registry_begin(&c->names, entry, conn->id, wall_s(c), &reg);

    if (e != ERR_NONE) {
        refuse_alive2(c, conn, entry, e == ERR_NAME_TAKEN ? "the name is taken" : err_text(e));
        return;
    }
    answer_alive2(conn, entry, reg);
    wait_remove(c, conn);
    conn->state = ALIVE;
    conn->reg = reg;
    note_reg(c, EPMD_NOTE_REGISTERED, reg);
    wr_fini(&conn->in);
    ready_append(c, conn);
    if (!wr_ok(&conn->out)) /* a node that hears nothing would not know its creation */
        hang_up(c, conn);
}

static void do_alive2(struct epmd_core *c, struct conn *conn, const struct epmd_entry *entry)
{
    const struct epmd_reg *taken = epmd_registry_find(&c->names, entry->name);

    /* A node that was killed and started again may be faster here than the end of its old socket, and must
     * not be refused as a duplicate of itself (OTP issue 11083): first see whether the holder of the name is
     * still there. */
    if (taken && epmd_reg_listing(taken).conn) {
        conn->state = PROBING;
        conn->wants_probe = true;
        ready_append(c, conn);
        return;
    }
    make_alive(c, conn, entry);
}

static void do_names(struct epmd_core *c, struct conn *conn)
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

static void do_dump(struct epmd_core *c, struct conn *conn)
{
    const struct epmd_reg *reg = NULL;
    struct epmd_listing l;

    epmd_names_reply_write(&conn->out, c->config.port);
    while (epmd_registry_next(&c->names, &reg, &l))
        epmd_dump_reply_write_active(&conn->out, l.entry.name, l.entry.port, number_of(&l));
    while (epmd_registry_next_old(&c->names, &reg, &l))
        epmd_dump_reply_write_old(&conn->out, l.entry.name, l.entry.port, number_of(&l));
}

static void do_port2(struct epmd_core *c, struct conn *conn, struct slice name)
{
    const struct epmd_reg *reg = epmd_registry_find(&c->names, name);
    struct epmd_entry entry;

    if (reg)
        entry = epmd_reg_listing(reg).entry;
    epmd_port2_reply_write(&conn->out, reg ? &entry : NULL);
}

static void do_kill(struct epmd_core *c, struct conn *conn)
{
    bool has_names = epmd_registry_count(&c->names) > 0;

    if (!c->config.is_killable || (has_names && !c->config.is_relaxed)) {
        refuse(c, conn, EPMD_KILL_REQ, (struct slice){0}, has_names ? "live nodes" : "not allowed");
        wr_str(&conn->out, EPMD_KILL_NO);
        return;
    }
    wr_str(&conn->out, EPMD_KILL_OK);
    conn->is_killer = true;
}

static void do_stop(struct epmd_core *c, struct conn *conn, struct slice name)
{
    struct epmd_reg *reg;
    struct conn *holder;

    if (!c->config.is_relaxed) {
        refuse(c, conn, EPMD_STOP_REQ, name, "no -relaxed_command_check");
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
        hang_up(c, holder);
        return;
    }
    note_reg(c, EPMD_NOTE_UNREGISTERED, reg);
    epmd_registry_end(&c->names, reg);
}

static bool is_for_all(enum epmd_tag tag)
{
    return tag == EPMD_PORT2_REQ || tag == EPMD_NAMES_REQ;
}

static void dispatch(struct epmd_core *c, struct conn *conn, const struct epmd_request *req)
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
    hang_up(c, conn);
}

static void handle(struct epmd_core *c, struct conn *conn, struct slice body)
{
    struct epmd_request req = {0};
    const char *why = "";
    uint8_t tag = body.ptr[0];
    enum err e;

    note(c, (struct epmd_note){.kind = EPMD_NOTE_REQUEST, .conn = conn->id, .tag = tag});
    if (!conn->is_local && !is_for_all(tag)) {
        refuse(c, conn, tag, (struct slice){0}, "not from this machine");
        hang_up(c, conn);
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
    refuse(c, conn, tag, (struct slice){0}, why);
    hang_up(c, conn);
}

static void read_on(struct epmd_core *c, struct conn *conn, struct slice bytes)
{
    struct slice got;
    size_t want;

    wr_slice(&conn->in, bytes);
    got = wr_written(&conn->in);
    if (!wr_ok(&conn->in)) {
        /* Past the ceiling it is longer than any request, whatever its length says. */
        refuse(c, conn, 0, (struct slice){0}, err_text(conn->in.err));
        hang_up(c, conn);
        return;
    }
    if (got.len < EPMD_LENGTH_BYTES)
        return;
    want = EPMD_LENGTH_BYTES + ((size_t)got.ptr[0] << 8 | got.ptr[1]);
    if (want == EPMD_LENGTH_BYTES || want > EPMD_LENGTH_BYTES + EPMD_REQUEST_MAX || got.len > want) {
        refuse(c, conn, 0, (struct slice){0},
               got.len > want ? "more bytes than the request has" : "invalid length");
        hang_up(c, conn);
        return;
    }
    if (got.len == want)
        handle(c, conn, slice_of(got.ptr + EPMD_LENGTH_BYTES, want - EPMD_LENGTH_BYTES));
}

void epmd_core_feed(struct epmd_core *c, uint64_t id, struct slice bytes, uint64_t now_ms)
{
    struct conn *conn = idtab_get(&c->conns, id);

    advance_clock(c, now_ms);
    if (!conn || conn->state == CLOSING || bytes.len == 0)
        return;
    if (conn->state != READING) {
        refuse(c, conn, 0, (struct slice){0}, "bytes after a registration");
        hang_up(c, conn);
        return;
    }
    conn->last_ms = c->now_ms;
    wait_remove(c, conn);
    wait_append(c, conn);
    read_on(c, conn, bytes);
}

void epmd_core_probed(struct epmd_core *c, uint64_t id)
{
    struct conn *conn = idtab_get(&c->conns, id);
    struct slice in;
    struct epmd_request req = {0};

    if (!conn || conn->state != PROBING)
        return;
    in = wr_written(&conn->in);
    /* It was read once; it still reads the same. */
    CHECK(epmd_request_read(slice_of(in.ptr + EPMD_LENGTH_BYTES, in.len - EPMD_LENGTH_BYTES), &req, NULL) ==
          ERR_NONE);
    make_alive(c, conn, &req.entry);
}

/* ---- time ---- */

uint64_t epmd_core_deadline(const struct epmd_core *c)
{
    return c->oldest ? c->oldest->last_ms + c->config.packet_timeout_ms : UINT64_MAX;
}

void epmd_core_advance(struct epmd_core *c, uint64_t now_ms)
{
    advance_clock(c, now_ms);
    while (c->oldest && epmd_core_deadline(c) <= c->now_ms) {
        note(c, (struct epmd_note){.kind = EPMD_NOTE_TIMED_OUT, .conn = c->oldest->id});
        hang_up(c, c->oldest);
    }
}

/* ---- events ---- */

/* The connection's next event; false when it has none. */
static bool next_of(struct epmd_core *c, struct conn *conn, struct epmd_event *ret)
{
    struct epmd_request req = {0};
    struct slice in = wr_written(&conn->in);
    const struct epmd_reg *taken;

    *ret = (struct epmd_event){.conn = conn->id, .user = conn->user};
    if (conn->wants_probe) {
        conn->wants_probe = false;
        CHECK(epmd_request_read(slice_of(in.ptr + EPMD_LENGTH_BYTES, in.len - EPMD_LENGTH_BYTES), &req,
                                NULL) == ERR_NONE);
        taken = epmd_registry_find(&c->names, req.entry.name);
        ret->kind = EPMD_EVENT_PROBE;
        ret->probed = taken ? epmd_reg_listing(taken).conn : 0;
        return true;
    }
    if (!conn->is_out_given && conn->out.len > 0 && wr_ok(&conn->out)) {
        conn->is_out_given = true;
        ret->kind = EPMD_EVENT_SEND;
        ret->bytes = wr_written(&conn->out);
        return true;
    }
    if (conn->state != CLOSING) {
        ready_remove(c, conn);
        wr_fini(&conn->out);
        return false;
    }
    if (conn->is_killer)
        c->killed_by = conn->id;
    ret->kind = EPMD_EVENT_CLOSE;
    forget(c, conn);
    return true;
}

enum epmd_event_kind epmd_core_next(struct epmd_core *c, struct epmd_event *ret)
{
    if (c->killed_by) {
        *ret = (struct epmd_event){.kind = EPMD_EVENT_KILLED, .conn = c->killed_by};
        c->killed_by = 0;
        return ret->kind;
    }
    while (c->ready)
        if (next_of(c, c->ready, ret))
            return ret->kind;
    *ret = (struct epmd_event){.kind = EPMD_EVENT_NONE};
    return EPMD_EVENT_NONE;
}

/* ---- names ---- */

enum err epmd_core_register(struct epmd_core *c, const struct epmd_entry *entry, uint64_t now_ms,
                            uint32_t *ret_creation)
{
    struct epmd_reg *reg;
    enum err e;

    advance_clock(c, now_ms);
    if (!epmd_name_is_valid(entry->name))
        return ERR_INVALID;
    if (entry->extra.len > EPMD_EXTRA_BYTES)
        return ERR_TOO_LARGE;
    e = epmd_registry_begin(&c->names, entry, 0, wall_s(c), &reg);
    if (e != ERR_NONE)
        return e;
    note_reg(c, EPMD_NOTE_REGISTERED, reg);
    *ret_creation = epmd_reg_listing(reg).creation;
    return ERR_NONE;
}

void epmd_core_unregister(struct epmd_core *c, struct slice name)
{
    struct epmd_reg *reg = epmd_registry_find(&c->names, name);

    if (!reg || epmd_reg_listing(reg).conn)
        return;
    note_reg(c, EPMD_NOTE_UNREGISTERED, reg);
    epmd_registry_end(&c->names, reg);
}

size_t epmd_core_count(const struct epmd_core *c)
{
    return epmd_registry_count(&c->names);
}

size_t epmd_core_connections(const struct epmd_core *c)
{
    return c->open;
}

bool epmd_core_find(const struct epmd_core *c, struct slice name, struct epmd_listing *ret)
{
    const struct epmd_reg *reg = epmd_registry_find(&c->names, name);

    if (reg)
        *ret = epmd_reg_listing(reg);
    return reg;
}

bool epmd_core_list(const struct epmd_core *c, const struct epmd_reg **cursor, struct epmd_listing *ret)
{
    return epmd_registry_next(&c->names, cursor, ret);
}
