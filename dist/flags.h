/*
 * flags: the capabilities of a node (DFLAG_…, erl_dist_protocol "Distribution Flags"), under OTP's names.
 */
#ifndef ERLGATE_DIST_FLAGS_H
#define ERLGATE_DIST_FLAGS_H

#include <stdint.h>

#define DIST_FLAG_PUBLISHED           UINT64_C(0x1)
#define DIST_FLAG_ATOM_CACHE          UINT64_C(0x2)
#define DIST_FLAG_EXTENDED_REFERENCES UINT64_C(0x4)
#define DIST_FLAG_DIST_MONITOR        UINT64_C(0x8)
#define DIST_FLAG_FUN_TAGS            UINT64_C(0x10)
#define DIST_FLAG_DIST_MONITOR_NAME   UINT64_C(0x20)
#define DIST_FLAG_HIDDEN_ATOM_CACHE   UINT64_C(0x40)
#define DIST_FLAG_NEW_FUN_TAGS        UINT64_C(0x80)
#define DIST_FLAG_EXTENDED_PIDS_PORTS UINT64_C(0x100)
#define DIST_FLAG_EXPORT_PTR_TAG      UINT64_C(0x200)
#define DIST_FLAG_BIT_BINARIES        UINT64_C(0x400)
#define DIST_FLAG_NEW_FLOATS          UINT64_C(0x800)
#define DIST_FLAG_UNICODE_IO          UINT64_C(0x1000)
#define DIST_FLAG_DIST_HDR_ATOM_CACHE UINT64_C(0x2000)
#define DIST_FLAG_SMALL_ATOM_TAGS     UINT64_C(0x4000)
#define DIST_FLAG_UTF8_ATOMS          UINT64_C(0x10000)
#define DIST_FLAG_MAP_TAG             UINT64_C(0x20000)
#define DIST_FLAG_BIG_CREATION        UINT64_C(0x40000)
#define DIST_FLAG_SEND_SENDER         UINT64_C(0x80000)
#define DIST_FLAG_BIG_SEQTRACE_LABELS UINT64_C(0x100000)
#define DIST_FLAG_EXIT_PAYLOAD        UINT64_C(0x400000)
#define DIST_FLAG_FRAGMENTS           UINT64_C(0x800000)
#define DIST_FLAG_HANDSHAKE_23        UINT64_C(0x1000000)
#define DIST_FLAG_UNLINK_ID           UINT64_C(0x2000000)
/* OTP's documentation says bit 36; every header and every node uses bit 26. */
#define DIST_FLAG_MANDATORY_25_DIGEST UINT64_C(0x4000000)
#define DIST_FLAG_SPAWN               (UINT64_C(1) << 32)
#define DIST_FLAG_NAME_ME             (UINT64_C(1) << 33)
#define DIST_FLAG_V4_NC               (UINT64_C(1) << 34)
#define DIST_FLAG_ALIAS               (UINT64_C(1) << 35)
#define DIST_FLAG_ALTACT_SIG          (UINT64_C(1) << 37) /* OTP 28 */
#define DIST_FLAG_NATIVE_RECORDS      (UINT64_C(1) << 38) /* OTP 29 */

/* What the four pieces of MANDATORY_25_DIGEST stand for. */
#define DIST_FLAGS_25_DIGEST                                                                    \
    (DIST_FLAG_EXTENDED_REFERENCES | DIST_FLAG_FUN_TAGS | DIST_FLAG_NEW_FUN_TAGS |              \
     DIST_FLAG_EXTENDED_PIDS_PORTS | DIST_FLAG_EXPORT_PTR_TAG | DIST_FLAG_BIT_BINARIES |        \
     DIST_FLAG_NEW_FLOATS | DIST_FLAG_UTF8_ATOMS | DIST_FLAG_MAP_TAG | DIST_FLAG_BIG_CREATION | \
     DIST_FLAG_HANDSHAKE_23)

/*
 * What this implementation offers (PUBLISHED is added by a visible node). Holds the 0x403070F94 that OTP 26
 * and later demand. The peer's framing follows from it: DIST_HDR_ATOM_CACHE and FRAGMENTS ask for
 * distribution headers.
 */
extern const uint64_t dist_flags_offered;

/* What we demand of a peer, so that OTP 21 and 22 can still come: without these it cannot be talked to at
 * all. */
extern const uint64_t dist_flags_demanded;

/* "UTF8_ATOMS": for logs; NULL for a bit without a name. */
const char *dist_flag_name(uint64_t bit);

/* "the peer lacks the mandatory flag UTF8_ATOMS": static; of several missing ones the lowest is named. */
const char *dist_flags_missing_text(uint64_t missing);

/* MANDATORY_25_DIGEST stands for the bits of DIST_FLAGS_25_DIGEST: these are added where it is set. */
uint64_t dist_flags_expand(uint64_t flags);

#endif
