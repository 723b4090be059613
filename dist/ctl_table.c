#include "dist/ctl_table.h"

#include "base/check.h"
#include "dist/flags.h"

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

uint32_t dist_form_arity(const struct dist_form *form)
{
    uint32_t n = 0;

    while (n < DIST_FORM_MAX_FIELDS && form->fields[n] != F_NONE)
        n++;
    return n + 1;
}

const struct dist_form *dist_form_of_wire(uint64_t op)
{
    return op < ARRAY_LEN(forms) && forms[op].wire != 0 ? &forms[op] : NULL;
}

const struct dist_form *dist_form_of_altact(unsigned flags)
{
    if (flags & ALTACT_EXIT)
        return &altact_exit;
    if (flags & ALTACT_ALIAS)
        return &altact_alias;
    return flags & ALTACT_NAME ? &altact_reg : &altact_send;
}

/* ---- which form a peer takes ---- */

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

/* ALIAS_SEND is deprecated since OTP 28 and goes with OTP 30. What came as SEND without a sender has none to
 * name, and goes on as that. */
static enum err pick_alias_send(const struct dist_ctl *ctl, uint64_t flags, const struct dist_form **ret)
{
    if (ctl->from.kind != DIST_END_PID)
        return pick(DIST_CTL_SEND, DIST_CTL_SEND_TT, ctl, ret);
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
