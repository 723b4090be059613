#include "dist/ctl_wire.h"

#include "base/check.h"
#include "dist/ctl_table.h"
#include "etf/validate.h"
#include "etf/write.h"

enum { MAX_SPAWN_FLAGS = 1 << 27 };

/* ---- reading ---- */

/* A BEAM nests as deep as its memory lets it, so the bound is far out: it keeps one message from taking all
 * of ours. */
enum { MAX_DEPTH = 1 << 20 };

/* The validator tells more than a peer's link needs; what does not concern us stays, the rest is a broken
 * term. */
static enum err verdict(enum err e, const struct fault *f, const char **ret_text)
{
    if (e == ERR_NONE)
        return ERR_NONE;
    *ret_text = f->text ? f->text : "";
    return e == ERR_NOMEM || e == ERR_DEPTH ? e : ERR_MALFORMED;
}

enum err dist_term_check_prefix(struct slice input, const struct etf_atoms *atoms, enum dist_payload kind,
                                size_t *ret_len, const char **ret_text)
{
    static const struct etf_rules message = {.max_depth = MAX_DEPTH, .trusts_keys = true},
                                  other = {.max_depth = MAX_DEPTH};
    const struct etf_rules *rules = kind == DIST_PAYLOAD_MESSAGE ? &message : &other;
    struct fault f = {0};

    return verdict(etf_validate_prefix(input, atoms, rules, ret_len, NULL, &f), &f, ret_text);
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
    enum err e = dist_term_check_prefix(rest, r->atoms, DIST_PAYLOAD_REASON, &len, ret_text);

    if (e != ERR_NONE)
        return e;
    rd_skip(&r->rd, len);
    *ret = slice_of(rest.ptr, len);
    return ERR_NONE;
}

/* The readers take an atom's bytes as they are; what is no atom costs OTP's link too. */
static bool is_text(struct etf_atom a)
{
    if (a.is_checked)
        return true;
    if (a.is_latin1)
        return a.text.len <= ETF_ATOM_MAX_CHARS;
    return etf_is_atom_text(a.text);
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

static enum err read_field(struct etf_rd *r, enum dist_field field, struct slice peer, struct dist_ctl *ctl,
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

/* {37, Flags, Sender, To} or {37, Flags, Sender, To, Token}: the flags say what To is; further elements are
 * for the future. */
static enum err read_altact(struct etf_rd *r, uint32_t arity, struct dist_ctl *ctl,
                            const struct dist_form **ret_form, const char **ret_text)
{
    uint32_t known = 4;
    unsigned flags = 0;
    enum dist_field to;
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
    *ret_form = dist_form_of_altact(flags);
    return e;
}

static enum err read_by_form(struct etf_rd *r, uint32_t arity, uint64_t op, struct slice peer,
                             struct dist_ctl *ctl, const struct dist_form **ret_form, const char **ret_text)
{
    const struct dist_form *form = dist_form_of_wire(op);

    if (!form)
        return malformed(ret_text, "an unknown control message");
    if (op == DIST_CTL_ALTACT_SIG_SEND)
        return read_altact(r, arity, ctl, ret_form, ret_text);
    *ret_form = form;
    if (arity != dist_form_arity(form))
        return malformed(ret_text, "a control message of the wrong arity");
    for (uint32_t i = 0; i + 1 < arity; i++) {
        enum err e = read_field(r, form->fields[i], peer, ctl, ret_text);

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

static void write_pid(struct wr *w, const struct etf_pid *pid, struct dist_cache_out *cache)
{
    if (!cache) {
        etf_write_pid(w, pid);
        return;
    }
    wr_u8(w, ETF_NEW_PID_EXT);
    dist_cache_write_atom(cache, w, pid->node);
    wr_be32_each(w, (const uint32_t[]){pid->id, pid->serial, pid->creation}, 3);
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
    wr_be32_each(w, ref->words, ref->count);
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

static void write_field(struct wr *w, enum dist_field field, const struct dist_ctl *ctl,
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
    uint32_t arity = dist_form_arity(form);

    etf_write_tuple(w, arity);
    etf_write_uint64(w, form->wire);
    for (uint32_t i = 0; i + 1 < arity; i++)
        write_field(w, form->fields[i], ctl, cache);
}
