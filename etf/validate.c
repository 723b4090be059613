#include "etf/validate_parts.h"

#include "etf/canon.h"
#include "etf/stack.h"
#include "etf/wire.h"
#include "etf/write.h"

enum {
    /* Keys; then at each doubling: a map of equal keys may not cost an index of them all. */
    FIRST_TWIN_CHECK = 4096,
    FUN_MAX_VARS = 255,
};

static enum err push(struct etf_validation *v, int kind, uint64_t parts, size_t at)
{
    struct etf_frame *f;

    if (UNLIKELY(v->depth >= v->max_depth))
        return etf_invalid(v, ERR_DEPTH, at, "nested deeper than allowed");
    if (UNLIKELY(v->depth == v->cap)) {
        f = etf_stack_grow(v->frames, v->first, &v->cap, sizeof *f);
        if (!f)
            return etf_invalid(v, ERR_NOMEM, at, "");
        v->frames = f;
    }
    f = &v->frames[v->depth];
    f->kind = kind;
    f->left = parts;
    f->habit = v->depth ? f[-1].habit : HABIT_NONE;
    v->depth++;
    return ERR_NONE;
}

/* Each part needs a byte of its own: a header that promises more than can come is found out before the parts
 * are. */
static enum err promise(struct etf_validation *v, uint64_t parts, size_t at)
{
    if (UNLIKELY(!rd_ok(&v->r) || parts > rd_left(&v->r))) {
        rd_fail(&v->r, ERR_MORE);
        return etf_invalid_read(v, at, "");
    }
    return ERR_NONE;
}

static enum err container(struct etf_validation *v, uint64_t parts, size_t at)
{
    TRY(promise(v, parts, at));
    return parts ? push(v, ETF_FRAME_PLAIN, parts, at) : ERR_NONE;
}

/* Is the key at p, the first of f or not, the one that came here before? It was judged then. Gives the
 * position behind it, or NULL. */
static ALWAYS_INLINE const uint8_t *usual_key(struct etf_validation *v, struct etf_frame *f, bool is_first,
                                              const uint8_t *p)
{
    const struct habit_node *around = &v->habit.nodes[f->habit];
    unsigned guess = is_first ? around->inside : around->next;
    const struct habit_node *n = &v->habit.nodes[guess];

    if (UNLIKELY(v->r.end - p < HABIT_BLOCK) || !habit_is(n, p, v->r.start + n->source))
        return NULL;
    f->habit = (uint8_t)guess;
    return p + n->len;
}

static void key_begin(struct etf_validation *v, struct etf_frame *f)
{
    const uint8_t *behind = usual_key(v, f, f->left == f->parts, v->r.pos);

    if (behind) {
        v->r.pos = behind;
        f->left--;
        return;
    }
    f->at = rd_offset(&v->r);
    v->in_key = true;
    v->is_odd = false;
}

static enum err map(struct etf_validation *v, size_t at)
{
    uint64_t parts = (uint64_t)rd_be32(&v->r) * 2;
    struct etf_frame *f;

    v->is_odd = true; /* the order of its pairs is not part of a map */
    if (parts == 0 || v->in_key || v->rules->trusts_keys)
        return container(v, parts, at);
    TRY(promise(v, parts, at));
    TRY(push(v, ETF_FRAME_MAP, parts, at));
    f = &v->frames[v->depth - 1];
    f->parts = parts;
    f->keys = v->keys.count;
    f->next_check = FIRST_TWIN_CHECK;
    f->scratch = (uint32_t)v->scratch.len;
    key_begin(v, f);
    return ERR_NONE;
}

static enum err list(struct etf_validation *v, size_t at)
{
    uint32_t n = rd_be32(&v->r);

    v->is_odd = true; /* it may have to be a STRING_EXT, or to be joined with its tail */
    TRY(promise(v, (uint64_t)n + 1, at));
    if (n == 0 && *v->r.pos != ETF_NIL_EXT)
        return etf_invalid(v, ERR_MALFORMED, at, "a list without elements has a tail");
    TRY(push(v, ETF_FRAME_PLAIN, (uint64_t)n + 1, at));
    if (v->frames[v->depth - 1].habit == HABIT_NONE && !v->in_key && !v->rules->trusts_keys)
        v->frames[v->depth - 1].habit = (uint8_t)habit_begin(&v->habit);
    return ERR_NONE;
}

static enum err closure(struct etf_validation *v, size_t at)
{
    size_t size = rd_be32(&v->r), pid_at;
    uint32_t vars;
    uint8_t tag;

    rd_skip(&v->r, 1 + ETF_FUN_UNIQ_LEN + 4); /* arity, uniq, index */
    vars = rd_be32(&v->r);
    v->is_odd = true;
    if (rd_ok(&v->r) && vars > FUN_MAX_VARS)
        return etf_invalid(v, ERR_MALFORMED, at, "a fun of more than 255 free variables");
    TRY(etf_check_part_atom(v));
    TRY(etf_check_small(v, &(int64_t){0}));
    TRY(etf_check_small(v, &(int64_t){0}));
    pid_at = rd_offset(&v->r);
    tag = rd_u8(&v->r);
    if (rd_ok(&v->r) && tag != ETF_PID_EXT && tag != ETF_NEW_PID_EXT)
        return etf_invalid(v, ERR_MALFORMED, pid_at, "expected a pid");
    TRY(etf_check_pid(v, tag, pid_at));
    TRY(promise(v, vars, at));
    if (vars == 0)
        return rd_offset(&v->r) == at + 1 + size
                   ? ERR_NONE
                   : etf_invalid(v, ERR_MALFORMED, at, "the size of a fun is not that of its parts");
    TRY(push(v, ETF_FRAME_FUN, vars, at));
    v->frames[v->depth - 1].at = at + 1 + size;
    return ERR_NONE;
}

static enum err old_fun(struct etf_validation *v, size_t at)
{
    uint32_t vars = rd_be32(&v->r);
    size_t pid_at = rd_offset(&v->r);
    uint8_t tag;

    v->is_odd = true;
    TRY(etf_uses(v, ETF_USES_OLD_FUN, at));
    tag = rd_u8(&v->r);
    if (rd_ok(&v->r) && tag != ETF_PID_EXT && tag != ETF_NEW_PID_EXT)
        return etf_invalid(v, ERR_MALFORMED, pid_at, "expected a pid");
    TRY(etf_check_pid(v, tag, pid_at));
    TRY(etf_check_part_atom(v));
    TRY(etf_check_small(v, &(int64_t){0}));
    TRY(etf_check_small(v, &(int64_t){0}));
    return container(v, vars, at);
}

static enum err record(struct etf_validation *v, size_t at)
{
    uint32_t n = rd_be32(&v->r);
    uint8_t flags = rd_u8(&v->r);
    size_t keys = v->keys.count, scratch = v->scratch.len;
    enum err e = ERR_NONE;

    TRY(promise(v, 2 + (uint64_t)n * 2, at));
    TRY(etf_uses(v, ETF_USES_RECORD, at));
    if (flags > ETF_RECORD_EXPORTED)
        return etf_invalid(v, ERR_MALFORMED, at, "a record with unknown flags");
    TRY(etf_check_part_atom(v));
    TRY(etf_check_part_atom(v));
    for (uint32_t i = 0; i < n; i++) {
        struct rd start = v->r;
        struct etf_key_bases b;
        struct etf_key key;

        TRY(etf_check_part_atom(v));
        key = (struct etf_key){
            .at = (uint32_t)v->scratch.len, .is_scratch = 1, .source = (uint32_t)rd_offset(&start)};
        etf_write_atom_as(&v->scratch, etf_wire_node(&start, v->atoms));
        key.len = (uint32_t)(v->scratch.len - key.at);
        b = etf_validation_bases(v);
        if (!wr_ok(&v->scratch) || !etf_keys_push(&v->keys, key, &b))
            return etf_invalid(v, ERR_NOMEM, at, "");
    }
    e = etf_check_twins(v, keys);
    if (e == ERR_DUPLICATE_KEY)
        v->fault->text = "this field is in the record already";
    v->keys.count = keys;
    v->scratch.len = scratch;
    return e == ERR_NONE ? container(v, n, at) : e;
}

static enum err local(struct etf_validation *v, size_t at)
{
    if (at != 0 || v->depth != 0)
        return etf_invalid(v, ERR_MALFORMED, at, "a local term inside another");
    if (rd_left(&v->r) <= ETF_LOCAL_HASH_LEN)
        return rd_fail(&v->r, ERR_MORE), etf_invalid_read(v, at, "");
    rd_skip(&v->r, rd_left(&v->r));
    return etf_uses(v, ETF_USES_LOCAL, at);
}

static enum err done(struct etf_validation *v, size_t at)
{
    return LIKELY(rd_ok(&v->r)) ? ERR_NONE : etf_invalid_read(v, at, "");
}

/* One tag with what belongs to it alone; a container that has parts is on the stack afterwards. */
static ALWAYS_INLINE enum err head(struct etf_validation *v)
{
    struct rd *r = &v->r;
    size_t at = rd_offset(r);
    uint8_t tag = rd_u8(r);
    uint64_t word;
    unsigned bits;
    struct slice s;
    uint32_t n;

    switch (tag) {
    case ETF_SMALL_INTEGER_EXT: rd_skip(r, 1); return done(v, at);
    case ETF_INTEGER_EXT: v->is_odd |= rd_be32(r) <= UINT8_MAX; return done(v, at);
    case ETF_SMALL_ATOM_UTF8_EXT:
    case ETF_ATOM_UTF8_EXT:
    case ETF_SMALL_ATOM_EXT:
    case ETF_ATOM_EXT:
    case ETF_ATOM_CACHE_REF: return etf_check_atom(v, tag, at);
    case ETF_BINARY_EXT: rd_skip(r, rd_be32(r)); return done(v, at);
    case ETF_NIL_EXT: return ERR_NONE;
    case ETF_STRING_EXT:
        n = rd_be16(r);
        v->is_odd |= n == 0;
        rd_skip(r, n);
        return done(v, at);
    case ETF_NEW_FLOAT_EXT:
        word = rd_be64(r);
        if (UNLIKELY((word >> 52 & 0x7FF) == 0x7FF))
            return etf_invalid(v, ERR_MALFORMED, at, "a float that is no finite number");
        v->is_odd |= word << 1 == 0;
        return done(v, at);
    case ETF_SMALL_TUPLE_EXT: n = rd_u8(r); return container(v, n, at);
    case ETF_LIST_EXT: return list(v, at);
    case ETF_MAP_EXT: return map(v, at);
    case ETF_LARGE_TUPLE_EXT:
        n = rd_be32(r);
        v->is_odd |= n <= UINT8_MAX;
        if (n > ETF_TUPLE_MAX_ARITY)
            TRY(etf_uses(v, ETF_USES_HUGE_TUPLE, at));
        return container(v, n, at);
    case ETF_NEW_PID_EXT:
    case ETF_PID_EXT: return etf_check_pid(v, tag, at);
    case ETF_NEWER_REFERENCE_EXT:
    case ETF_NEW_REFERENCE_EXT:
    case ETF_REFERENCE_EXT: return etf_check_ref(v, tag, at);
    case ETF_V4_PORT_EXT:
    case ETF_NEW_PORT_EXT:
    case ETF_PORT_EXT: return etf_check_port(v, tag, at);
    case ETF_SMALL_BIG_EXT:
    case ETF_LARGE_BIG_EXT: return etf_check_big(v, tag, at);
    case ETF_BIT_BINARY_EXT:
        s = etf_wire_bits(r, &bits);
        v->is_odd |= bits == 8 || (rd_ok(r) && s.ptr[s.len - 1] << bits & 0xFF);
        return LIKELY(rd_ok(r)) ? ERR_NONE
                                : etf_invalid_read(v, at, "a bitstring has 1 to 8 bits in its last byte");
    case ETF_FLOAT_EXT:
        v->is_odd = true;
        etf_wire_float(r, tag);
        return LIKELY(rd_ok(r)) ? ERR_NONE : etf_invalid_read(v, at, "a float that is no finite number");
    case ETF_EXPORT_EXT: return etf_check_export(v, at);
    case ETF_NEW_FUN_EXT: return closure(v, at);
    case ETF_FUN_EXT: return old_fun(v, at);
    case ETF_RECORD_EXT: return record(v, at);
    case ETF_LOCAL_EXT: return local(v, at);
    case ETF_COMPRESSED: return etf_invalid(v, ERR_MALFORMED, at, "a compressed term inside another");
    default:
        return rd_ok(r) ? etf_invalid(v, ERR_UNSUPPORTED, at, "no term begins with this byte")
                        : etf_invalid_read(v, at, "");
    }
}

enum err etf_validation_pop(struct etf_validation *v)
{
    const struct etf_frame *f = &v->frames[v->depth - 1];
    enum err e = ERR_NONE;

    if (f->kind == ETF_FRAME_MAP) {
        if (f->habit == HABIT_NONE && v->keys.count - f->keys > 1)
            e = etf_check_twins(v, f->keys);
        v->keys.count = f->keys;
        v->scratch.len = f->scratch;
    } else if (f->kind == ETF_FRAME_FUN && rd_offset(&v->r) != f->at) {
        e = etf_invalid(v, ERR_MALFORMED, rd_offset(&v->r), "the size of a fun is not that of its parts");
    }
    v->depth--;
    return e;
}

/* A term is complete: so may be the containers around it. */
static inline enum err term_end(struct etf_validation *v)
{
    while (v->depth) {
        struct etf_frame *f = &v->frames[v->depth - 1];

        if (f->kind == ETF_FRAME_MAP && f->left % 2 == 0)
            TRY(etf_check_key(v, f));
        if (--f->left) {
            if (f->kind == ETF_FRAME_MAP && f->left % 2 == 0)
                key_begin(v, f);
            return ERR_NONE;
        }
        TRY(etf_validation_pop(v));
    }
    return ERR_NONE;
}

/* Passes over simple parts of the topmost container, but for its last one. */
static inline void pass_simple(struct etf_validation *v)
{
    struct etf_frame *f = &v->frames[v->depth - 1];
    const uint8_t *p = v->r.pos, *behind;
    bool is_map = f->kind == ETF_FRAME_MAP;
    uint64_t left = f->left;

    while (left > 1 && (!is_map || left % 2)) {
        behind = etf_simple_leaf(v, p);
        if (!behind)
            break;
        p = behind;
        left--;
        if (is_map && (behind = usual_key(v, f, false, p))) {
            p = behind;
            left--;
        }
    }
    v->r.pos = p;
    f->left = left;
    if (is_map && left % 2 == 0 && !v->in_key)
        key_begin(v, f);
}

enum err etf_validation_head(struct etf_validation *v)
{
    return head(v);
}

static enum err run(struct etf_validation *v)
{
    if (v->rules->trusts_keys && !v->rules->on_atom)
        return etf_validate_trusting(v);
    do {
        size_t depth = v->depth;

        if (depth)
            pass_simple(v);
        TRY(head(v));
        if (v->depth == depth)
            TRY(term_end(v));
    } while (v->depth);
    return ERR_NONE;
}

static enum err validate(struct slice input, bool is_cut, const struct etf_atoms *atoms,
                         const struct etf_rules *rules, size_t *ret_len, uint32_t *ret_uses, struct fault *f)
{
    static const struct etf_rules none;
    struct fault fault = {0};
    struct etf_validation v;
    enum err e;

    /* Not by one initialiser: what is on the stack need not be made zero for each small term. */
    v.r = rd_of(input);
    v.atoms = atoms;
    v.rules = rules ? rules : &none;
    v.fault = &fault;
    v.uses = 0;
    v.in_key = v.is_odd = false;
    v.is_cut = is_cut;
    v.depth = 0;
    v.cap = ETF_INLINE_FRAMES;
    v.max_depth = etf_rules_depth_left(v.rules);
    v.frames = v.first;
    habit_init(&v.habit);
    etf_keys_init(&v.keys);
    wr_init(&v.scratch, SIZE_MAX);
    v.budget = etf_canon_budget(input.len);

    e = run(&v);
    if (e == ERR_NONE) {
        *ret_len = rd_offset(&v.r);
        if (ret_uses)
            *ret_uses = v.uses;
    } else if (f) {
        /* What comes from below without a place, for want of memory. */
        if (fault.err != e)
            fault_set(&fault, e, rd_offset(&v.r), "");
        *f = fault;
    }
    etf_keys_fini(&v.keys);
    wr_fini(&v.scratch);
    etf_stack_free(v.frames, v.first);
    return e;
}

static size_t max_bytes(const struct etf_rules *rules)
{
    size_t max = rules ? rules->max_bytes : 0;

    return max && max < ETF_CANON_MAX_BYTES ? max : ETF_CANON_MAX_BYTES;
}

enum err etf_validate_prefix(struct slice input, const struct etf_atoms *atoms, const struct etf_rules *rules,
                             size_t *ret_len, uint32_t *ret_uses, struct fault *f)
{
    size_t max = max_bytes(rules);
    bool is_cut = input.len > max;

    if (is_cut)
        input.len = max;
    return validate(input, is_cut, atoms, rules, ret_len, ret_uses, f);
}

enum err etf_validate(struct slice term, const struct etf_atoms *atoms, const struct etf_rules *rules,
                      uint32_t *ret_uses, struct fault *f)
{
    uint32_t uses;
    size_t len;
    enum err e;

    if (term.len > max_bytes(rules))
        return fault_set(f, ERR_TOO_LARGE, max_bytes(rules), "the term is larger than allowed");
    e = validate(term, false, atoms, rules, &len, &uses, f);
    if (e != ERR_NONE)
        return e;
    if (len != term.len)
        return fault_set(f, ERR_MALFORMED, len, "something follows the term");
    if (ret_uses)
        *ret_uses = uses;
    return ERR_NONE;
}
