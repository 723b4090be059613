/*
 * msg: the messages of the EPMD protocol (erl_dist_protocol, "EPMD Protocol"), each with its reader and its
 * writer.
 *
 * A request is a 16-bit length, a tag and a body; a reply has no length and ends with its last field or with
 * the connection. Readers borrow from the bytes they are given. ERR_MORE: more bytes may still make it whole;
 * ERR_MALFORMED: nothing can.
 */
#ifndef ERLGATE_EPMD_MSG_H
#define ERLGATE_EPMD_MSG_H

#include "base/err.h"
#include "base/rd.h"
#include "base/slice.h"
#include "base/wr.h"

enum { EPMD_PORT_NO = 4369 };

enum epmd_tag {
    EPMD_DUMP_REQ = 100,
    EPMD_KILL_REQ = 107,
    EPMD_NAMES_REQ = 110,
    EPMD_STOP_REQ = 115,
    EPMD_ALIVE2_X_RESP = 118,
    EPMD_PORT2_RESP = 119,
    EPMD_ALIVE2_REQ = 120,
    EPMD_ALIVE2_RESP = 121,
    EPMD_PORT2_REQ = 122,
};

enum epmd_type { EPMD_TYPE_HIDDEN = 72, EPMD_TYPE_NORMAL = 77 };

enum {
    EPMD_PROTOCOL_TCP_IPV4 = 0,
    EPMD_HIGHEST = 6, /* distribution versions that we speak: 6 is the handshake of OTP 23 */
    EPMD_LOWEST = 5,
    EPMD_NAME_CHARS = 255,      /* an atom */
    EPMD_NAME_BYTES = 4 * 255,  /* the same in UTF-8 */
    EPMD_EXTRA_BYTES = 4 * 255, /* as OTP's epmd */
    EPMD_LENGTH_BYTES = 2,
    /* The length field of OTP's epmd may say 1 to this: its buffer, 3 * 1020, less the field itself and one
       NUL. */
    EPMD_REQUEST_MAX = 3 * EPMD_NAME_BYTES - EPMD_LENGTH_BYTES - 1,
    EPMD_CREATION_REFUSED = 99, /* in an ALIVE2 reply with result 1 */
    EPMD_CREATION_MIN = 4,      /* 0 is "unknown", 1..3 are those of peers with version 5 */
};

/* A name, and where it is to be found. */
struct epmd_entry {
    struct slice name; /* the part before '@' */
    uint16_t port;     /* where the node accepts */
    uint8_t type;      /* enum epmd_type */
    uint8_t protocol;  /* EPMD_PROTOCOL_TCP_IPV4 */
    uint16_t highest;  /* distribution version */
    uint16_t lowest;
    struct slice extra; /* opaque */
};

/* 1 to 255 characters of UTF-8 without NUL. */
bool epmd_name_is_valid(struct slice name);

/* ---- requests ---- */

struct epmd_request {
    enum epmd_tag tag;       /* one of the _REQ */
    struct epmd_entry entry; /* ALIVE2: all of it; PORT2, STOP: the name */
};

/*
 * One request without its length. ret_text (may be NULL) says what was wrong. ERR_MALFORMED: a length that
 * lies, a name that is none; ERR_UNSUPPORTED: another tag. ERR_TOO_LARGE: a name or extra that is too long;
 * or ERR_INVALID: a name that is not UTF-8 or has control characters, both in an ALIVE2 only, which then is
 * answered with a refusal
 * (*ret is filled but for the entry). Bytes after the extra of an ALIVE2, and one NUL after a PORT2's name,
 * are let pass, as OTP's epmd does.
 */
MUST_USE enum err epmd_request_read(struct slice body, struct epmd_request *ret, const char **ret_text);
/* With its length. */
void epmd_request_write(struct wr *w, const struct epmd_request *req);

/* ---- ALIVE2_X_RESP (creation 32 bits, to peers with highest >= 6) and ALIVE2_RESP (16 bits) ---- */

struct epmd_alive2_reply {
    bool is_extended;
    uint8_t result; /* 0: registered */
    uint32_t creation;
};

MUST_USE enum err epmd_alive2_reply_read(struct slice bytes, struct epmd_alive2_reply *ret);
void epmd_alive2_reply_write(struct wr *w, const struct epmd_alive2_reply *reply);

/* ---- PORT2_RESP ---- */

/* ERR_NO_NODE: the reply says that there is none. */
MUST_USE enum err epmd_port2_reply_read(struct slice bytes, struct epmd_entry *ret);
/* entry NULL: there is none. */
void epmd_port2_reply_write(struct wr *w, const struct epmd_entry *entry);

/* ---- NAMES: EPMD's port, then a line a name, up to the end of the connection ---- */

struct epmd_name {
    struct slice name;
    uint16_t port;
};

/* The reply's first field. */
MUST_USE enum err epmd_names_reply_read(struct rd *r, uint32_t *ret_epmd_port);
/* The next line. False at the end, or when a line is none (r->err is ERR_MALFORMED, or ERR_MORE for a last
 * line that is cut short). */
bool epmd_names_reply_next(struct rd *r, struct epmd_name *ret);
void epmd_names_reply_write(struct wr *w, uint16_t epmd_port);
void epmd_names_reply_write_name(struct wr *w, struct slice name, uint16_t port);

/* ---- DUMP: the same with more in a line, each followed by NUL; for people ---- */

void epmd_dump_reply_write_active(struct wr *w, struct slice name, uint16_t port, int64_t number);
void epmd_dump_reply_write_old(struct wr *w, struct slice name, uint16_t port, int64_t number);

/* ---- KILL and STOP: a word ---- */

#define EPMD_KILL_OK      "OK"
#define EPMD_KILL_NO      "NO"
#define EPMD_STOP_STOPPED "STOPPED"
#define EPMD_STOP_NOEXIST "NOEXIST"

#endif
