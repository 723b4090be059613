/*
 * transcode_in: the state of one run from JSON to a term, for the files that share it. Not for others.
 */
#ifndef ERLGATE_BRIDGE_TRANSCODE_IN_H
#define ERLGATE_BRIDGE_TRANSCODE_IN_H

#include "base/check.h"
#include "base/habit.h"
#include "bridge/transcode.h"
#include "bridge/transcode_limit.h"

/* What a frame is, and so what may follow a value in it. */
enum in_kind {
    IN_ARRAY,
    IN_OBJECT,
    IN_TUPLE,       /* the array of {"$tuple": […]} */
    IN_PAIR_KEY,    /* {"$map": [[ here, … ], …]} */
    IN_PAIR_VALUE,  /* {"$map": [[ …, here ], …]} */
    IN_LIST,        /* the array of {"$list": […], "$tail": …} */
    IN_TAIL,        /* its tail */
    IN_TAIL_FIRST,  /* the tail of {"$tail": …, "$list": […]} */
    IN_LIST_SECOND, /* its array */
    IN_TOP,         /* none: the one value of the text */
};

/* One open container of the term: its depth in JSON does not count. */
struct in_frame {
    enum in_kind kind;
    uint32_t count; /* elements or pairs that are complete */
    uint32_t at;    /* where its header stands in out */
    uint32_t keys;  /* where its keys start in in.keys */
    uint32_t
        key; /* IN_OBJECT: the current key's place in out, IN_NO_KEY before it is read; else free for use */
    uint32_t json; /* where its text starts */
    uint32_t
        habit; /* a node of in.habit: IN_OBJECT: of the newest key, before it what is around; else that */
};

enum {
    IN_FIRST_FRAMES = 32,
    IN_FIRST_KEYS = 128,
    /* Room in out that the loop makes sure of before each value, and again behind each string. */
    IN_ROOM = LIMIT_ROOM,
    IN_FEW_KEYS = 16,   /* so many are compared each with each */
    IN_HABIT_KEYS = 64, /* and so many where that can become a habit */
    IN_ATOM_HEAD = 3,   /* bytes before an atom's text */
    IN_BINARY_HEAD = 5, /* and before a binary's */
};
#define IN_NO_KEY UINT32_MAX

/* Offsets into the text and into out are kept in 32 bits. */
#define IN_TEXT_MAX ((size_t)1 << 30)
#define IN_OUT_MAX  ((size_t)UINT32_MAX - 4096)

enum tag {
    TAG_ATOM,
    TAG_BINARY,
    TAG_BITSTRING,
    TAG_CHARLIST,
    TAG_ERL,
    TAG_ETF,
    TAG_FLOAT,
    TAG_FUN,
    TAG_INTEGER,
    TAG_LIST,
    TAG_MAP,
    TAG_PID,
    TAG_PORT,
    TAG_REF,
    TAG_TAIL,
    TAG_TUPLE,
    TAG_NONE,
};

struct in {
    const struct transcode_options *options; /* borrowed */
    const uint8_t *start, *end;              /* the text; borrowed */
    struct wr *w;                            /* borrowed */
    struct in_frame *frames;                 /* first_frames or owned */
    uint32_t depth, frame_cap, max_depth;
    uint32_t *keys; /* first_keys or owned: where keys stand in out; of IN_PAIR_*: those of values too */
    uint32_t key_count, key_cap;
    struct wr text;     /* owned: a string that had to be unescaped */
    struct wr scratch;  /* owned: for handlers of tags */
    struct wr inflated; /* owned: what a $etf held */
    struct slice leaf;  /* a tag or key that has no frame, for the pointer; borrowed */
    uint64_t
        move_budget; /* bytes that may still be moved for containers whose order or size was not foreseen */
    uint64_t key_budget; /* bytes of keys that may still be handed to validation */
    uint32_t uses;
    uint32_t max_digits;
    struct transcode_fault *fault;
    struct habit habit; /* source: in the text, from the quote to behind the colon; written: in out */
    struct in_frame first_frames[IN_FIRST_FRAMES];
    uint32_t first_keys[IN_FIRST_KEYS];
};

/* The text of a key of an object, as it stands in out. */
static inline struct slice in_key_text(const uint8_t *key)
{
    if (key[0] == ETF_BINARY_EXT)
        return slice_of(key + 5, (size_t)key[1] << 24 | (size_t)key[2] << 16 | (size_t)key[3] << 8 | key[4]);
    if (key[0] == ETF_SMALL_ATOM_UTF8_EXT)
        return slice_of(key + 2, key[1]);
    return slice_of(key + 3, (size_t)key[1] << 8 | key[2]);
}

/* Notes the failure with its place and gives e back. at: in the text. */
enum err in_fail(struct in *s, enum err e, const uint8_t *at, const char *text);

/* ---- bridge/transcode_in.c ---- */

/* The whole text, into s->w, which has IN_ROOM bytes of room. */
enum err in_run(struct in *s);

/* ---- bridge/transcode_frame.c ---- */

/* Why w has no more room, as a failure at `at`. */
enum err in_out_of_room(struct in *s, const uint8_t *at);
/* IN_ROOM more bytes behind w->len. False: w says why not. */
bool in_grow_room(struct in *s);
enum err in_grow_keys(struct in *s, const uint8_t *at);
/* The slow path of in_push. */
enum err in_grow_frames(struct in *s, const uint8_t *at);
enum err in_push_key(struct in *s, uint32_t key, const uint8_t *at);
/* The header of a tuple was made for few elements; now their number is known. */
enum err in_close_tuple(struct in *s, struct in_frame *f, uint32_t count, const uint8_t *at);
/* A list whose tail was written first, up to f->key: the two change places. */
enum err in_swap_tail(struct in *s, struct in_frame *f, const uint8_t *at);

/* Opens a container whose header will stand at `at` in out, and whose text begins at json. */
static inline enum err in_push(struct in *s, enum in_kind kind, uint32_t at, const uint8_t *json)
{
    uint32_t habit = s->depth ? s->frames[s->depth - 1].habit : HABIT_NONE;
    enum err e;

    if (UNLIKELY(s->depth == s->max_depth))
        return in_fail(s, ERR_DEPTH, json, "the term is nested deeper than allowed");
    if (UNLIKELY(s->depth == s->frame_cap) && (e = in_grow_frames(s, json)) != ERR_NONE)
        return e;
    if (UNLIKELY(habit == HABIT_NONE) && kind == IN_ARRAY)
        habit = habit_begin(&s->habit);
    s->frames[s->depth++] = (struct in_frame){.kind = kind,
                                              .at = at,
                                              .keys = s->key_count,
                                              .key = IN_NO_KEY,
                                              .json = (uint32_t)(json - s->start),
                                              .habit = habit};
    return ERR_NONE;
}

/* ---- bridge/transcode_take.c ---- */

/* Something else had to stand at `at`, or the text is at its end there. */
enum err in_expected(struct in *s, const uint8_t *at, const char *text);
enum err in_bad_value(struct in *s, const uint8_t *p);
enum err in_bad_string(struct in *s, const uint8_t *p);
enum err in_bad_tag_key(struct in *s, const uint8_t *at, struct slice name);
/* The null atom, and keys that become atoms, from text. is_told: on_atom hears of it. */
enum err in_write_atom(struct in *s, struct slice text, bool is_told, const uint8_t *at);
/* A key of which the text stands at w->buf + key + IN_BINARY_HEAD, up to w->len: as an atom. */
enum err in_key_to_atom(struct in *s, uint32_t key, const uint8_t *at);
/* The string at *pp, behind its quote, as text: borrowed where it has no escapes, else from s->text. */
enum err in_take_text(struct in *s, const uint8_t **pp, struct slice *ret, bool *ret_is_verbatim);
/* `: value }` of a tag whose value is no term of its own. *pp is behind the tag's name. */
enum err in_take_leaf_tag(struct in *s, enum tag t, const uint8_t **pp);
/* The second key of a list with a tail, with its colon: `, "$tail":`. */
enum err in_take_second_key(struct in *s, const uint8_t **pp, enum tag want);

/* ---- bridge/transcode_tags.c ---- */

enum tag tag_find(struct slice name);
const char *tag_name(enum tag t);

/* A tag whose value is a string, unescaped in text. value: where that string begins in the JSON text, its
 * first character being at value + 1; is_verbatim when text is that very run of bytes, so that places in it
 * can be told. */
enum err tag_write_text(struct in *s, enum tag t, struct slice text, const uint8_t *value, bool is_verbatim);
/* The value of $bitstring, which begins at *p. */
enum err tag_write_bitstring(struct in *s, const uint8_t **p);
/* The value of $float. */
enum err tag_write_float(struct in *s, const uint8_t **p);
/* An integer of any length. */
enum err tag_write_integer(struct in *s, bool negative, struct slice digits, const uint8_t *at);

/* ---- bridge/transcode_twin.c ---- */

/* The container on top is complete: are two of its keys equal? Fails then, at the second of them. */
enum err twin_check(struct in *s);

#endif
