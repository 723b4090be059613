#include "dist/flags.h"

#include <stddef.h>

#include "base/check.h"

/* OTP's distribution protocol, "Distribution Flags". Demanded: without it what we write cannot be read at
 * all. */
/*    name                 offered  demanded */
#define FLAG_TABLE(X)            \
    X(PUBLISHED, 0, 0)           \
    X(ATOM_CACHE, 0, 0)          \
    X(EXTENDED_REFERENCES, 1, 1) \
    X(DIST_MONITOR, 1, 0)        \
    X(FUN_TAGS, 1, 0)            \
    X(DIST_MONITOR_NAME, 1, 0)   \
    X(HIDDEN_ATOM_CACHE, 0, 0)   \
    X(NEW_FUN_TAGS, 1, 1)        \
    X(EXTENDED_PIDS_PORTS, 1, 1) \
    X(EXPORT_PTR_TAG, 1, 0)      \
    X(BIT_BINARIES, 1, 0)        \
    X(NEW_FLOATS, 1, 1)          \
    X(UNICODE_IO, 1, 0)          \
    X(DIST_HDR_ATOM_CACHE, 1, 0) \
    X(SMALL_ATOM_TAGS, 1, 0)     \
    X(UTF8_ATOMS, 1, 1)          \
    X(MAP_TAG, 1, 1)             \
    X(BIG_CREATION, 1, 1)        \
    X(SEND_SENDER, 1, 0)         \
    X(BIG_SEQTRACE_LABELS, 0, 0) \
    X(EXIT_PAYLOAD, 1, 0)        \
    X(FRAGMENTS, 1, 0)           \
    X(HANDSHAKE_23, 1, 0)        \
    X(UNLINK_ID, 1, 0)           \
    X(MANDATORY_25_DIGEST, 1, 0) \
    X(SPAWN, 1, 0)               \
    X(NAME_ME, 0, 0)             \
    X(V4_NC, 1, 0)               \
    X(ALIAS, 1, 0)               \
    X(ALTACT_SIG, 1, 0)          \
    X(NATIVE_RECORDS, 1, 0)

static const struct {
    uint64_t bit;
    const char *name;
    const char *missing; /* static: a DOWN event's text */
} table[] = {
#define X(flag, offered, demanded) {DIST_FLAG_##flag, #flag, "the peer lacks the mandatory flag " #flag},
    FLAG_TABLE(X)
#undef X
};

#define X(flag, offered, demanded) +(UINT64_C(offered) * DIST_FLAG_##flag)
const uint64_t dist_flags_offered = 0 FLAG_TABLE(X);
#undef X

#define X(flag, offered, demanded) +(UINT64_C(demanded) * DIST_FLAG_##flag)
const uint64_t dist_flags_demanded = 0 FLAG_TABLE(X);
#undef X

const char *dist_flag_name(uint64_t bit)
{
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        if (table[i].bit == bit)
            return table[i].name;
    }
    return NULL;
}

const char *dist_flags_missing_text(uint64_t missing)
{
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        if (table[i].bit & missing)
            return table[i].missing;
    }
    return "the peer lacks a mandatory flag";
}

uint64_t dist_flags_expand(uint64_t flags)
{
    return flags & DIST_FLAG_MANDATORY_25_DIGEST ? flags | DIST_FLAGS_25_DIGEST : flags;
}
