#include "dist/ctl_wire.h"

#include "base/check.h"
#include "base/utf8.h"
#include "dist/flags.h"
#include "etf/validate.h"
#include "etf/write.h"

/* What stands in a control tuple after its number. */
enum field {
    F_NONE,
    F_UNUSED,       /* once a cookie: any term, written as '' */
    F_FROM_PEER,    /* pid: a process of the node at the other end */
    F_FROM_PID,     /* pid */
    F_FROM_END,     /* pid or registered name */
    F_TO_PID,       /* pid */
    F_TO_NAME,      /* atom */
    F_TO_END,       /* pid or registered name */
    F_TO_ALIAS,     /* reference */
    F_TO_DEST,      /* pid, or reference: an alias */
    F_REF,          /* reference */
    F_ID,           /* 1 to 2^64 - 1 */
    F_ACK_ID,       /* 0 to 2^64 - 1 */
    F_LEADER,       /* pid */
    F_MFA,          /* {Module, Function, Arity} */
    F_OPTIONS,      /* any term */
    F_REASON,       /* any term */
    F_SPAWN_FLAGS,  /* below 2^27 */
    F_RESULT,       /* pid or atom */
    F_TOKEN,        /* any term */
    F_ALTACT_FLAGS, /* an integer of any size, of which we know five bits */
};

enum { MAX_FIELDS = 6, MAX_SPAWN_FLAGS = 1 << 27 };

enum altact {
    ALTACT_PRIO = 1 << 0,
    ALTACT_TOKEN = 1 << 1,
    ALTACT_ALIAS = 1 << 2,
    ALTACT_NAME = 1 << 3,
    ALTACT_EXIT = 1 << 4,
};

struct dist_form {
    enum dist_op wire;
    enum dist_op folded;
    enum dist_payload payload;
    enum field fields[MAX_FIELDS]; /* up to the first F_NONE */
};

#define P_NO     DIST_PAYLOAD_NONE
#define P_MSG    DIST_PAYLOAD_MESSAGE
#define P_REASON DIST_PAYLOAD_REASON

/* erl_dist_protocol, "Protocol between Connected Nodes". */
/*    on the wire             folded          payload   fields */
#define FORM_TABLE(X)                                                                                  \
    X(LINK, LINK, P_NO, F_FROM_PEER, F_TO_PID)                                                         \
    X(SEND, SEND, P_MSG, F_UNUSED, F_TO_DEST)                                                          \
    X(EXIT, EXIT, P_NO, F_FROM_PEER, F_TO_PID, F_REASON)                                               \
    X(UNLINK, UNLINK, P_NO, F_FROM_PEER, F_TO_PID)                                                     \
    X(REG_SEND, REG_SEND, P_MSG, F_FROM_PID, F_UNUSED, F_TO_NAME)                                      \
    X(GROUP_LEADER, GROUP_LEADER, P_NO, F_LEADER, F_TO_PID)                                            \
    X(EXIT2, EXIT2, P_NO, F_FROM_PEER, F_TO_PID, F_REASON)                                             \
    X(SEND_TT, SEND, P_MSG, F_UNUSED, F_TO_DEST, F_TOKEN)                                              \
    X(EXIT_TT, EXIT, P_NO, F_FROM_PEER, F_TO_PID, F_TOKEN, F_REASON)                                   \
    X(REG_SEND_TT, REG_SEND, P_MSG, F_FROM_PID, F_UNUSED, F_TO_NAME, F_TOKEN)                          \
    X(EXIT2_TT, EXIT2, P_NO, F_FROM_PEER, F_TO_PID, F_TOKEN, F_REASON)                                 \
    X(MONITOR_P, MONITOR_P, P_NO, F_FROM_PEER, F_TO_END, F_REF)                                        \
    X(DEMONITOR_P, DEMONITOR_P, P_NO, F_FROM_PEER, F_TO_END, F_REF)                                    \
    X(MONITOR_P_EXIT, MONITOR_P_EXIT, P_NO, F_FROM_END, F_TO_PID, F_REF, F_REASON)                     \
    X(SEND_SENDER, SEND, P_MSG, F_FROM_PID, F_TO_DEST)                                                 \
    X(SEND_SENDER_TT, SEND, P_MSG, F_FROM_PID, F_TO_DEST, F_TOKEN)                                     \
    X(PAYLOAD_EXIT, EXIT, P_REASON, F_FROM_PEER, F_TO_PID)                                             \
    X(PAYLOAD_EXIT_TT, EXIT, P_REASON, F_FROM_PEER, F_TO_PID, F_TOKEN)                                 \
    X(PAYLOAD_EXIT2, EXIT2, P_REASON, F_FROM_PEER, F_TO_PID)                                           \
    X(PAYLOAD_EXIT2_TT, EXIT2, P_REASON, F_FROM_PEER, F_TO_PID, F_TOKEN)                               \
    X(PAYLOAD_MONITOR_P_EXIT, MONITOR_P_EXIT, P_REASON, F_FROM_END, F_TO_PID, F_REF)                   \
    X(SPAWN_REQUEST, SPAWN_REQUEST, P_MSG, F_REF, F_FROM_PEER, F_LEADER, F_MFA, F_OPTIONS)             \
    X(SPAWN_REQUEST_TT, SPAWN_REQUEST, P_MSG, F_REF, F_FROM_PEER, F_LEADER, F_MFA, F_OPTIONS, F_TOKEN) \
    X(SPAWN_REPLY, SPAWN_REPLY, P_NO, F_REF, F_TO_PID, F_SPAWN_FLAGS, F_RESULT)                        \
    X(SPAWN_REPLY_TT, SPAWN_REPLY, P_NO, F_REF, F_TO_PID, F_SPAWN_FLAGS, F_RESULT, F_TOKEN)            \
    X(ALIAS_SEND, ALIAS_SEND, P_MSG, F_FROM_PID, F_TO_ALIAS)                                           \
    X(ALIAS_SEND_TT, ALIAS_SEND, P_MSG, F_FROM_PID, F_TO_ALIAS, F_TOKEN)                               \
    X(UNLINK_ID, UNLINK_ID, P_NO, F_ID, F_FROM_PEER, F_TO_PID)                                         \
    X(UNLINK_ID_ACK, UNLINK_ID_ACK, P_NO, F_ACK_ID, F_FROM_PEER, F_TO_PID)                             \
    X(ALTACT_SIG_SEND, ALIAS_SEND, P_MSG, F_ALTACT_FLAGS, F_FROM_PID, F_TO_ALIAS)

static const struct dist_form forms[] = {
#define X(wire_op, folded_op, has_payload, ...) \
    [DIST_CTL_##wire_op] = {DIST_CTL_##wire_op, DIST_CTL_##folded_op, has_payload, {__VA_ARGS__}},
    FORM_TABLE(X)
#undef X
};

/* The one message whose meaning stands in flags of its own: what it folds to. */
static const struct dist_form altact_send = {DIST_CTL_ALTACT_SIG_SEND, DIST_CTL_SEND, P_MSG, {F_NONE}};
static const struct dist_form altact_reg = {DIST_CTL_ALTACT_SIG_SEND, DIST_CTL_REG_SEND, P_MSG, {F_NONE}};
static const struct dist_form altact_alias = {DIST_CTL_ALTACT_SIG_SEND, DIST_CTL_ALIAS_SEND, P_MSG, {F_NONE}};
static const struct dist_form altact_exit = {DIST_CTL_ALTACT_SIG_SEND, DIST_CTL_EXIT2, P_REASON, {F_NONE}};
/* How we write it, with a token; without one as in the table. */
static const struct dist_form altact_alias_tt = {
    DIST_CTL_ALTACT_SIG_SEND, DIST_CTL_ALIAS_SEND, P_MSG, {F_ALTACT_FLAGS, F_FROM_PID, F_TO_ALIAS, F_TOKEN}};

const char *dist_op_name(enum dist_op op)
{
    switch (op) {
#define X(wire_op, ...) \
    case DIST_CTL_##wire_op: return #wire_op;
        FORM_TABLE(X)
#undef X
    case DIST_CTL_NODE_LINK: return "NODE_LINK";
    }
    return "unknown";
}

enum dist_payload dist_form_payload(const struct dist_form *form)
{
    return form->payload;
}

static uint32_t arity_of(const struct dist_form *form)
{
    uint32_t n = 0;

    while (n < MAX_FIELDS && form->fields[n] != F_NONE)
        n++;
    return n + 1;
}

/* ---- reading ---- */

/* A BEAM nests as deep as its memory lets it, so the bound is far out: it keeps one message from taking all
 * of ours. */
static const struct etf_rules from_peer = {.max_depth = 1 << 20};

/* The validator tells more than a peer's link needs; what does not concern us stays, the rest is a broken
 * term. */
static enum err verdict(enum err e, const struct fault *f, const char **ret_text)
{
    if (e == ERR_NONE)
        return ERR_NONE;
    *ret_text = f->text ? f->text : "";
    return e == ERR_NOMEM || e == ERR_DEPTH ? e : ERR_MALFORMED;
}

enum err dist_term_check(struct slice input, const struct etf_atoms *atoms, const char **ret_text)
{
    struct fault f = {0};

    return verdict(etf_validate(input, atoms, &from_peer, NULL, &f), &f, ret_text);
}

enum err dist_term_check_prefix(struct slice input, const struct etf_atoms *atoms, size_t *ret_len,
                                const char **ret_text)
{
    struct fault f = {0};

    return verdict(etf_validate_prefix(input, atoms, &from_peer, ret_len, NULL, &f), &f, ret_text);
}

static enum err malformed(const char **ret_text, const char *text)
{
    *ret_text = text;
    return ERR_MALFORMED;
}

static enum err read_term(struct etf_rd *r, struct slice *ret, const char **ret_text)
{
    struct slice rest = rd_rest(&r->rd);
    size_t len = 0;
    enum err e = dist_term_check_prefix(rest, r->atoms, &len, ret_text);

    if (e != ERR_NONE)
        return e;
    rd_skip(&r->rd, len);
    *ret = slice_of(rest.ptr, len);
    return ERR_NONE;
}

/* The readers take an atom's bytes as they are; what is no atom costs OTP's link too. */
static bool is_text(struct etf_atom a)
{
    if (a.is_latin1)
        return a.text.len <= ETF_ATOM_MAX_CHARS;
    return a.text.len <= ETF_ATOM_MAX_BYTES && utf8_is_valid(a.text) &&
           utf8_count(a.text) <= ETF_ATOM_MAX_CHARS;
}

static bool read_pid(struct etf_rd *r, struct etf_pid *ret)
{
    struct etf_rd ahead = *r;

    if (!etf_read_pid(&ahead, ret) || !is_text(ret->node))
        return false;
    *r = ahead;
    return true;
}

static bool read_ref(struct etf_rd *r, struct etf_ref *ret)
{
    struct etf_rd ahead = *r;

    if (!etf_read_ref(&ahead, ret) || !is_text(ret->node))
        return false;
    *r = ahead;
    return true;
}

static bool read_pid_end(struct etf_rd *r, struct dist_end *ret)
{
    if (!read_pid(r, &ret->pid))
        return false;
    ret->kind = DIST_END_PID;
    return true;
}

static bool read_name_end(struct etf_rd *r, struct dist_end *ret)
{
    if (!etf_read_atom(r, &ret->name) || !is_text(ret->name))
        return false;
    ret->kind = DIST_END_NAME;
    return true;
}

static bool read_alias_end(struct etf_rd *r, struct dist_end *ret)
{
    if (!read_ref(r, &ret->ref))
        return false;
    ret->kind = DIST_END_REF;
    return true;
}

/* The reader stands before it, so that what follows can be taken as the slice that it is. */
static bool is_mfa(struct etf_rd r)
{
    struct etf_atom atom;
    int64_t arity;

    return etf_read_tuple_is(&r, 3) && etf_read_atom(&r, &atom) && etf_read_atom(&r, &atom) &&
           etf_read_int64(&r, &arity);
}

static bool read_id(struct etf_rd *r, uint64_t least, uint64_t limit, struct dist_ctl *ctl)
{
    uint64_t id;

    if (!etf_read_uint64(r, &id) || id < least || id > limit)
        return false;
    ctl->id = id;
    return true;
}

static enum err read_field(struct etf_rd *r, enum field field, struct slice peer, struct dist_ctl *ctl,
                           const char **ret_text)
{
    struct slice unused;
    bool is_read = false;

    switch (field) {
    case F_UNUSED: return read_term(r, &unused, ret_text);
    case F_OPTIONS: return read_term(r, &ctl->options, ret_text);
    case F_REASON: return read_term(r, &ctl->reason, ret_text);
    case F_TOKEN: return read_term(r, &ctl->token, ret_text);
    case F_MFA:
        if (!is_mfa(*r))
            return malformed(ret_text, "a spawn request without a function");
        return read_term(r, &ctl->mfa, ret_text);
    case F_RESULT:
        if (etf_peek(r) != ETF_KIND_PID && etf_peek(r) != ETF_KIND_ATOM)
            return malformed(ret_text, "a spawn reply without a pid or a reason");
        return read_term(r, &ctl->reason, ret_text);
    case F_FROM_PEER:
        is_read = read_pid_end(r, &ctl->from);
        if (is_read && !etf_atom_eq(ctl->from.pid.node, (struct etf_atom){.text = peer}))
            return malformed(ret_text, "a signal from a process of another node");
        break;
    case F_FROM_PID: is_read = read_pid_end(r, &ctl->from); break;
    case F_FROM_END: is_read = read_pid_end(r, &ctl->from) || read_name_end(r, &ctl->from); break;
    case F_TO_PID: is_read = read_pid_end(r, &ctl->to); break;
    case F_TO_NAME: is_read = read_name_end(r, &ctl->to); break;
    case F_TO_END: is_read = read_pid_end(r, &ctl->to) || read_name_end(r, &ctl->to); break;
    case F_TO_ALIAS: is_read = read_alias_end(r, &ctl->to); break;
    case F_TO_DEST: is_read = read_pid_end(r, &ctl->to) || read_alias_end(r, &ctl->to); break;
    case F_REF: is_read = read_ref(r, &ctl->ref); break;
    case F_ID: is_read = read_id(r, 1, UINT64_MAX, ctl); break;
    case F_ACK_ID: is_read = read_id(r, 0, UINT64_MAX, ctl); break;
    case F_SPAWN_FLAGS: is_read = read_id(r, 0, MAX_SPAWN_FLAGS - 1, ctl); break;
    case F_LEADER: is_read = read_pid(r, &ctl->group_leader); break;
    case F_NONE:
    case F_ALTACT_FLAGS: CHECK(!"a field that is read elsewhere");
    }
    return is_read ? ERR_NONE : malformed(ret_text, "a control message with a field of the wrong type");
}

/* The low byte of a number that may have any size, and may not be negative. */
static enum err read_altact_flags(struct etf_rd *r, unsigned *ret, const char **ret_text)
{
    struct slice term;
    struct rd big;
    uint64_t small;
    enum err e;

    if (etf_peek(r) != ETF_KIND_INTEGER)
        return malformed(ret_text, "signal flags that are no number");
    if (etf_read_uint64(r, &small)) {
        *ret = small & 0xff;
        return ERR_NONE;
    }
    e = read_term(r, &term, ret_text);
    if (e != ERR_NONE)
        return e;
    big = rd_of(term);
    switch (rd_u8(&big)) {
    case ETF_SMALL_BIG_EXT: rd_skip(&big, 1); break;
    case ETF_LARGE_BIG_EXT: rd_skip(&big, 4); break;
    default: return malformed(ret_text, "negative signal flags");
    }
    if (rd_u8(&big) != 0)
        return malformed(ret_text, "negative signal flags");
    *ret = rd_u8(&big);
    return ERR_NONE;
}

static const struct dist_form *altact_form(unsigned flags)
{
    if (flags & ALTACT_EXIT)
        return &altact_exit;
    if (flags & ALTACT_ALIAS)
        return &altact_alias;
    return flags & ALTACT_NAME ? &altact_reg : &altact_send;
}

/* {37, Flags, Sender, To} or {37, Flags, Sender, To, Token}: the flags say what To is; further elements are
 * for the future. */
static enum err read_altact(struct etf_rd *r, uint32_t arity, struct dist_ctl *ctl,
                            const struct dist_form **ret_form, const char **ret_text)
{
    uint32_t known = 4;
    unsigned flags = 0;
    enum field to;
    enum err e;

    if (arity < known)
        return malformed(ret_text, "a control message of the wrong arity");
    e = read_altact_flags(r, &flags, ret_text);
    if (e != ERR_NONE)
        return e;
    if ((flags & ALTACT_ALIAS && flags & ALTACT_NAME) || (flags & ALTACT_TOKEN && arity < 5))
        return malformed(ret_text, "signal flags that contradict each other");
    to = flags & ALTACT_ALIAS ? F_TO_ALIAS : flags & ALTACT_NAME ? F_TO_NAME : F_TO_PID;
    e = read_field(r, F_FROM_PID, (struct slice){0}, ctl, ret_text);
    if (e == ERR_NONE)
        e = read_field(r, to, (struct slice){0}, ctl, ret_text);
    if (e == ERR_NONE && flags & ALTACT_TOKEN) {
        e = read_field(r, F_TOKEN, (struct slice){0}, ctl, ret_text);
        known++;
    }
    for (; e == ERR_NONE && known < arity; known++)
        e = read_field(r, F_UNUSED, (struct slice){0}, ctl, ret_text);
    *ret_form = altact_form(flags);
    return e;
}

static enum err read_by_form(struct etf_rd *r, uint32_t arity, uint64_t op, struct slice peer,
                             struct dist_ctl *ctl, const struct dist_form **ret_form, const char **ret_text)
{
    if (op >= ARRAY_LEN(forms) || forms[op].wire == 0)
        return malformed(ret_text, "an unknown control message");
    if (op == DIST_CTL_ALTACT_SIG_SEND)
        return read_altact(r, arity, ctl, ret_form, ret_text);
    *ret_form = &forms[op];
    if (arity != arity_of(&forms[op]))
        return malformed(ret_text, "a control message of the wrong arity");
    for (uint32_t i = 0; i + 1 < arity; i++) {
        enum err e = read_field(r, forms[op].fields[i], peer, ctl, ret_text);

        if (e != ERR_NONE)
            return e;
    }
    return ERR_NONE;
}

enum err dist_ctl_read(struct rd *r, const struct etf_atoms *atoms, struct slice peer, struct dist_ctl *ret,
                       const struct dist_form **ret_form, const char **ret_text)
{
    struct etf_rd er = {.rd = *r, .atoms = atoms};
    struct dist_ctl ctl = {0};
    const struct dist_form *form = NULL;
    uint32_t arity;
    uint64_t op;
    enum err e;

    if (!etf_read_tuple(&er, &arity) || arity == 0 || !etf_read_uint64(&er, &op))
        return malformed(ret_text, "a control message that is no tuple with a number");
    e = read_by_form(&er, arity, op, peer, &ctl, &form, ret_text);
    if (e != ERR_NONE)
        return e;
    ctl.op = form->folded;
    if (ctl.op == DIST_CTL_SEND && ctl.to.kind == DIST_END_REF)
        ctl.op = DIST_CTL_ALIAS_SEND;
    if (ctl.op == DIST_CTL_GROUP_LEADER)
        ctl.from = (struct dist_end){.kind = DIST_END_PID, .pid = ctl.group_leader};
    *r = er.rd;
    *ret = ctl;
    *ret_form = form;
    return ERR_NONE;
}

/* ---- writing ---- */

static enum err pick(enum dist_op plain, enum dist_op with_token, const struct dist_ctl *ctl,
                     const struct dist_form **ret)
{
    *ret = &forms[ctl->token.len ? with_token : plain];
    return ERR_NONE;
}

static enum err pick_send(const struct dist_ctl *ctl, uint64_t flags, const struct dist_form **ret)
{
    if (flags & DIST_FLAG_SEND_SENDER && ctl->from.kind == DIST_END_PID)
        return pick(DIST_CTL_SEND_SENDER, DIST_CTL_SEND_SENDER_TT, ctl, ret);
    return pick(DIST_CTL_SEND, DIST_CTL_SEND_TT, ctl, ret);
}

/* ALIAS_SEND is deprecated since OTP 28 and goes with OTP 30. */
static enum err pick_alias_send(const struct dist_ctl *ctl, uint64_t flags, const struct dist_form **ret)
{
    if (flags & DIST_FLAG_ALTACT_SIG) {
        *ret = ctl->token.len ? &altact_alias_tt : &forms[DIST_CTL_ALTACT_SIG_SEND];
        return ERR_NONE;
    }
    if (!(flags & DIST_FLAG_ALIAS))
        return ERR_PEER_UNSUPPORTED;
    return pick(DIST_CTL_ALIAS_SEND, DIST_CTL_ALIAS_SEND_TT, ctl, ret);
}

static enum err need(uint64_t flags, uint64_t needed)
{
    return (flags & needed) == needed ? ERR_NONE : ERR_PEER_UNSUPPORTED;
}

enum err dist_ctl_form(const struct dist_ctl *ctl, uint64_t flags, const struct dist_form **ret)
{
    bool has_exit_payload = flags & DIST_FLAG_EXIT_PAYLOAD;
    enum err e = ERR_NONE;

    switch (ctl->op) {
    case DIST_CTL_SEND:
        return ctl->to.kind == DIST_END_REF ? pick_alias_send(ctl, flags, ret) : pick_send(ctl, flags, ret);
    case DIST_CTL_ALIAS_SEND: return pick_alias_send(ctl, flags, ret);
    case DIST_CTL_REG_SEND: return pick(DIST_CTL_REG_SEND, DIST_CTL_REG_SEND_TT, ctl, ret);
    case DIST_CTL_EXIT:
        if (has_exit_payload)
            return pick(DIST_CTL_PAYLOAD_EXIT, DIST_CTL_PAYLOAD_EXIT_TT, ctl, ret);
        return pick(DIST_CTL_EXIT, DIST_CTL_EXIT_TT, ctl, ret);
    case DIST_CTL_EXIT2:
        if (has_exit_payload)
            return pick(DIST_CTL_PAYLOAD_EXIT2, DIST_CTL_PAYLOAD_EXIT2_TT, ctl, ret);
        return pick(DIST_CTL_EXIT2, DIST_CTL_EXIT2_TT, ctl, ret);
    case DIST_CTL_MONITOR_P_EXIT:
        *ret = &forms[has_exit_payload ? DIST_CTL_PAYLOAD_MONITOR_P_EXIT : DIST_CTL_MONITOR_P_EXIT];
        break;
    case DIST_CTL_MONITOR_P:
    case DIST_CTL_DEMONITOR_P:
        e = need(flags, DIST_FLAG_DIST_MONITOR);
        if (e == ERR_NONE && ctl->to.kind == DIST_END_NAME)
            e = need(flags, DIST_FLAG_DIST_MONITOR_NAME);
        *ret = &forms[ctl->op];
        break;
    case DIST_CTL_UNLINK:
    case DIST_CTL_UNLINK_ID:
        *ret = &forms[flags & DIST_FLAG_UNLINK_ID ? DIST_CTL_UNLINK_ID : DIST_CTL_UNLINK];
        if (flags & DIST_FLAG_UNLINK_ID && ctl->id == 0)
            e = ERR_PEER_UNSUPPORTED; /* it would end the connection */
        break;
    case DIST_CTL_UNLINK_ID_ACK:
        e = need(flags, DIST_FLAG_UNLINK_ID);
        *ret = &forms[ctl->op];
        break;
    case DIST_CTL_SPAWN_REQUEST:
        e = need(flags, DIST_FLAG_SPAWN);
        if (e == ERR_NONE)
            return pick(DIST_CTL_SPAWN_REQUEST, DIST_CTL_SPAWN_REQUEST_TT, ctl, ret);
        break;
    case DIST_CTL_SPAWN_REPLY:
        e = need(flags, DIST_FLAG_SPAWN);
        if (e == ERR_NONE)
            return pick(DIST_CTL_SPAWN_REPLY, DIST_CTL_SPAWN_REPLY_TT, ctl, ret);
        break;
    case DIST_CTL_LINK:
    case DIST_CTL_GROUP_LEADER: *ret = &forms[ctl->op]; break;
    default: return ERR_PEER_UNSUPPORTED;
    }
    return e;
}

static void write_pid(struct wr *w, const struct etf_pid *pid, struct dist_cache_out *cache)
{
    if (!cache) {
        etf_write_pid(w, pid);
        return;
    }
    wr_u8(w, ETF_NEW_PID_EXT);
    dist_cache_write_atom(cache, w, pid->node);
    wr_be32(w, pid->id);
    wr_be32(w, pid->serial);
    wr_be32(w, pid->creation);
}

static void write_ref(struct wr *w, const struct etf_ref *ref, struct dist_cache_out *cache)
{
    if (!cache) {
        etf_write_ref(w, ref);
        return;
    }
    wr_u8(w, ETF_NEWER_REFERENCE_EXT);
    wr_be16(w, (uint16_t)ref->count);
    dist_cache_write_atom(cache, w, ref->node);
    wr_be32(w, ref->creation);
    for (uint32_t i = 0; i < ref->count; i++)
        wr_be32(w, ref->words[i]);
}

static void write_end(struct wr *w, const struct dist_end *end, struct dist_cache_out *cache)
{
    switch (end->kind) {
    case DIST_END_PID: write_pid(w, &end->pid, cache); break;
    case DIST_END_NAME: dist_cache_write_atom(cache, w, end->name); break;
    case DIST_END_REF: write_ref(w, &end->ref, cache); break;
    case DIST_END_NONE: CHECK(!"a control message without an end that it needs");
    }
}

static void write_field(struct wr *w, enum field field, const struct dist_ctl *ctl,
                        struct dist_cache_out *cache)
{
    switch (field) {
    case F_UNUSED: dist_cache_write_atom(cache, w, (struct etf_atom){.text = {0}}); break;
    case F_FROM_PEER:
    case F_FROM_PID:
    case F_FROM_END: write_end(w, &ctl->from, cache); break;
    case F_TO_PID:
    case F_TO_NAME:
    case F_TO_END:
    case F_TO_ALIAS:
    case F_TO_DEST: write_end(w, &ctl->to, cache); break;
    case F_REF: write_ref(w, &ctl->ref, cache); break;
    case F_ID:
    case F_ACK_ID:
    case F_SPAWN_FLAGS: etf_write_uint64(w, ctl->id); break;
    case F_LEADER: write_pid(w, &ctl->group_leader, cache); break;
    case F_MFA: wr_slice(w, ctl->mfa); break;
    case F_OPTIONS: wr_slice(w, ctl->options); break;
    case F_REASON:
    case F_RESULT: wr_slice(w, ctl->reason); break;
    case F_TOKEN: wr_slice(w, ctl->token); break;
    case F_ALTACT_FLAGS: etf_write_uint64(w, ALTACT_ALIAS | (ctl->token.len ? ALTACT_TOKEN : 0)); break;
    case F_NONE: CHECK(!"no field");
    }
}

void dist_ctl_write(struct wr *w, const struct dist_form *form, const struct dist_ctl *ctl,
                    struct dist_cache_out *cache)
{
    uint32_t arity = arity_of(form);

    etf_write_tuple(w, arity);
    etf_write_uint64(w, form->wire);
    for (uint32_t i = 0; i + 1 < arity; i++)
        write_field(w, form->fields[i], ctl, cache);
}
