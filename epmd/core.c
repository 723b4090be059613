#include "base/mem.h"
#include "epmd/internal.h"

enum {
    DEFAULT_TIMEOUT_MS = 60000,
    DEFAULT_CONNECTIONS = 4096,
    FULL_AGAIN_MS = 60000,
};

void epmd_core_note(struct epmd_core *c, struct epmd_note n)
{
    if (c->config.note)
        c->config.note(c->config.ctx, &n);
}

void epmd_core_note_reg(struct epmd_core *c, enum epmd_note_kind kind, const struct epmd_reg *reg)
{
    struct epmd_listing l = epmd_reg_listing(reg);

    epmd_core_note(c, (struct epmd_note){.kind = kind,
                                         .conn = l.conn,
                                         .name = l.entry.name,
                                         .port = l.entry.port,
                                         .creation = l.creation});
}

void epmd_core_refused(struct epmd_core *c, const struct epmd_conn *conn, uint8_t tag, struct slice name,
                       const char *why)
{
    epmd_core_note(c,
                   (struct epmd_note){
                       .kind = EPMD_NOTE_REFUSED, .conn = conn->id, .tag = tag, .name = name, .text = why});
}

/* ---- the two lists ---- */

static void wait_remove(struct epmd_core *c, struct epmd_conn *conn)
{
    *(conn->prev ? &conn->prev->next : &c->oldest) = conn->next;
    *(conn->next ? &conn->next->prev : &c->newest) = conn->prev;
    conn->prev = conn->next = NULL;
}

static void wait_append(struct epmd_core *c, struct epmd_conn *conn)
{
    conn->prev = c->newest;
    conn->next = NULL;
    *(c->newest ? &c->newest->next : &c->oldest) = conn;
    c->newest = conn;
}

static bool is_waiting(const struct epmd_conn *conn)
{
    return conn->state == EPMD_CONN_READING || conn->state == EPMD_CONN_PROBING;
}

static void ready_append(struct epmd_core *c, struct epmd_conn *conn)
{
    if (conn->is_ready)
        return;
    conn->is_ready = true;
    conn->ready_next = NULL;
    *c->ready_end = conn;
    c->ready_end = &conn->ready_next;
}

static void ready_remove(struct epmd_core *c, struct epmd_conn *conn)
{
    struct epmd_conn **at = &c->ready;

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

static void conn_free(struct epmd_conn *conn)
{
    wr_fini(&conn->in);
    wr_fini(&conn->out);
    mem_free(conn);
}

void epmd_core_free(struct epmd_core *c)
{
    uint32_t cursor = 0;
    struct epmd_conn *conn;

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

uint32_t epmd_core_wall_s(const struct epmd_core *c)
{
    return c->config.wall_s + (uint32_t)((c->now_ms - c->config.now_ms) / 1000);
}

static void advance_clock(struct epmd_core *c, uint64_t now_ms)
{
    if (now_ms > c->now_ms)
        c->now_ms = now_ms;
}

static void unregister(struct epmd_core *c, struct epmd_conn *conn)
{
    if (!conn->reg)
        return;
    epmd_core_note_reg(c, EPMD_NOTE_UNREGISTERED, conn->reg);
    epmd_registry_end(&c->names, conn->reg);
    conn->reg = NULL;
}

void epmd_conn_hang_up(struct epmd_core *c, struct epmd_conn *conn)
{
    if (conn->state == EPMD_CONN_CLOSING)
        return;
    if (is_waiting(conn))
        wait_remove(c, conn);
    unregister(c, conn);
    conn->state = EPMD_CONN_CLOSING;
    conn->wants_probe = false;
    wr_fini(&conn->in);
    c->open--;
    ready_append(c, conn);
}

void epmd_conn_probe(struct epmd_core *c, struct epmd_conn *conn)
{
    conn->state = EPMD_CONN_PROBING;
    conn->wants_probe = true;
    ready_append(c, conn);
}

void epmd_conn_keep(struct epmd_core *c, struct epmd_conn *conn, struct epmd_reg *reg)
{
    wait_remove(c, conn);
    conn->state = EPMD_CONN_ALIVE;
    conn->reg = reg;
    wr_fini(&conn->in);
    ready_append(c, conn);
}

static void forget(struct epmd_core *c, struct epmd_conn *conn)
{
    epmd_core_note(c, (struct epmd_note){.kind = EPMD_NOTE_CLOSED, .conn = conn->id});
    ready_remove(c, conn);
    idtab_remove(&c->conns, conn->id);
    conn_free(conn);
}

/* ---- connections ---- */

/* Whoever opens connections without end is not to fill a log with them. */
static void note_full(struct epmd_core *c)
{
    if (c->full_noted_ms && c->now_ms - c->full_noted_ms < FULL_AGAIN_MS)
        return;
    c->full_noted_ms = c->now_ms;
    epmd_core_note(c, (struct epmd_note){.kind = EPMD_NOTE_FULL, .conn = c->oldest ? c->oldest->id : 0});
}

/* Room for one more: by hanging up on the one that came first, if there is one without a name. */
static bool make_room(struct epmd_core *c)
{
    if (c->open < c->config.max_connections)
        return true;
    note_full(c);
    if (!c->oldest)
        return false;
    epmd_conn_hang_up(c, c->oldest);
    return true;
}

uint64_t epmd_core_open(struct epmd_core *c, bool is_local, uint64_t user, uint64_t now_ms)
{
    struct epmd_conn *conn;

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
    conn->opened_ms = c->now_ms;
    wr_init(&conn->in, EPMD_LENGTH_BYTES + EPMD_REQUEST_MAX);
    wr_init(&conn->out, SIZE_MAX);
    wait_append(c, conn);
    c->open++;
    epmd_core_note(c, (struct epmd_note){.kind = EPMD_NOTE_OPENED, .conn = conn->id, .is_local = is_local});
    return conn->id;
}

void epmd_core_closed(struct epmd_core *c, uint64_t id)
{
    struct epmd_conn *conn = idtab_get(&c->conns, id);

    if (!conn)
        return;
    epmd_conn_hang_up(c, conn);
    forget(c, conn);
}

static void read_on(struct epmd_core *c, struct epmd_conn *conn, struct slice bytes)
{
    struct slice got;
    size_t want;

    wr_slice(&conn->in, bytes);
    got = wr_written(&conn->in);
    if (!wr_ok(&conn->in)) {
        /* Past the ceiling it is longer than any request, whatever its length says. */
        epmd_core_refused(c, conn, 0, (struct slice){0}, err_text(conn->in.err));
        epmd_conn_hang_up(c, conn);
        return;
    }
    if (got.len < EPMD_LENGTH_BYTES)
        return;
    want = EPMD_LENGTH_BYTES + ((size_t)got.ptr[0] << 8 | got.ptr[1]);
    if (want == EPMD_LENGTH_BYTES || want > EPMD_LENGTH_BYTES + EPMD_REQUEST_MAX || got.len > want) {
        epmd_core_refused(c, conn, 0, (struct slice){0},
                          got.len > want ? "more bytes than the request has" : "invalid length");
        epmd_conn_hang_up(c, conn);
        return;
    }
    if (got.len == want)
        epmd_conn_request(c, conn, slice_of(got.ptr + EPMD_LENGTH_BYTES, want - EPMD_LENGTH_BYTES));
}

void epmd_core_feed(struct epmd_core *c, uint64_t id, struct slice bytes, uint64_t now_ms)
{
    struct epmd_conn *conn = idtab_get(&c->conns, id);

    advance_clock(c, now_ms);
    if (!conn || conn->state == EPMD_CONN_CLOSING || bytes.len == 0)
        return;
    if (conn->state != EPMD_CONN_READING) {
        epmd_core_refused(c, conn, 0, (struct slice){0}, "bytes after a registration");
        epmd_conn_hang_up(c, conn);
        return;
    }
    read_on(c, conn, bytes);
}

void epmd_core_probed(struct epmd_core *c, uint64_t id)
{
    struct epmd_conn *conn = idtab_get(&c->conns, id);

    if (conn && conn->state == EPMD_CONN_PROBING)
        epmd_conn_probed(c, conn);
}

/* ---- time ---- */

uint64_t epmd_core_deadline(const struct epmd_core *c)
{
    return c->oldest ? c->oldest->opened_ms + c->config.packet_timeout_ms : UINT64_MAX;
}

void epmd_core_advance(struct epmd_core *c, uint64_t now_ms)
{
    advance_clock(c, now_ms);
    while (c->oldest && epmd_core_deadline(c) <= c->now_ms) {
        epmd_core_note(c, (struct epmd_note){.kind = EPMD_NOTE_TIMED_OUT, .conn = c->oldest->id});
        epmd_conn_hang_up(c, c->oldest);
    }
}

/* ---- events ---- */

/* The connection's next event; false when it has none. */
static bool next_of(struct epmd_core *c, struct epmd_conn *conn, struct epmd_event *ret)
{
    *ret = (struct epmd_event){.conn = conn->id, .user = conn->user};
    if (conn->wants_probe) {
        conn->wants_probe = false;
        ret->kind = EPMD_EVENT_PROBE;
        ret->probed = epmd_conn_rival(c, conn);
        return true;
    }
    if (!conn->is_out_given && conn->out.len > 0 && wr_ok(&conn->out)) {
        conn->is_out_given = true;
        ret->kind = EPMD_EVENT_SEND;
        ret->bytes = wr_written(&conn->out);
        return true;
    }
    if (conn->state != EPMD_CONN_CLOSING) {
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
    e = epmd_registry_begin(&c->names, entry, 0, epmd_core_wall_s(c), &reg);
    if (e != ERR_NONE)
        return e;
    epmd_core_note_reg(c, EPMD_NOTE_REGISTERED, reg);
    *ret_creation = epmd_reg_listing(reg).creation;
    return ERR_NONE;
}

void epmd_core_unregister(struct epmd_core *c, struct slice name)
{
    struct epmd_reg *reg = epmd_registry_find(&c->names, name);

    if (!reg || epmd_reg_listing(reg).conn)
        return;
    epmd_core_note_reg(c, EPMD_NOTE_UNREGISTERED, reg);
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
