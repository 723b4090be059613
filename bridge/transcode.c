/* What stands around the two loops, transcode_in.c and transcode_out.c: their state, and the room they ask
 * for. */
#include "base/mem.h"
#include "bridge/transcode_in.h"
#include "bridge/transcode_out.h"
#include "etf/integer.h"
#include "etf/validate.h"

/* ---- JSON to a term ---- */

static void init_in(struct in *s, struct slice json, const struct transcode_options *o, struct wr *out,
                    struct transcode_fault *f)
{
    s->options = o;
    s->start = json.ptr;
    s->end = slice_end(json);
    s->w = out;
    s->frames = s->first_frames;
    s->depth = 0;
    s->frame_cap = IN_FIRST_FRAMES;
    s->max_depth = o->max_depth ? o->max_depth : TRANSCODE_DEFAULT_MAX_DEPTH;
    s->keys = s->first_keys;
    s->key_count = 0;
    s->key_cap = IN_FIRST_KEYS;
    wr_init(&s->text, SIZE_MAX);
    wr_init(&s->scratch, SIZE_MAX);
    wr_init(&s->inflated, SIZE_MAX);
    s->leaf = (struct slice){0};
    s->move_budget = 64 * (uint64_t)json.len + 65536;
    s->key_budget = 8 * (uint64_t)json.len + 65536;
    s->uses = 0;
    s->max_digits = o->max_digits ? o->max_digits : ETF_DEFAULT_MAX_DIGITS;
    s->fault = f;
    habit_init(&s->habit);
}

static void fini_in(struct in *s)
{
    if (s->frames != s->first_frames)
        mem_free(s->frames);
    if (s->keys != s->first_keys)
        mem_free(s->keys);
    wr_fini(&s->text);
    wr_fini(&s->scratch);
    wr_fini(&s->inflated);
}

enum err transcode_json_to_etf(struct slice json, const struct transcode_options *options, struct wr *out,
                               uint32_t *ret_uses, struct transcode_fault *f)
{
    size_t ceiling = out->ceiling, estimate;
    struct in s;
    enum err e;

    init_in(&s, json, options, out, f);
    /* Terms are about as long as their text; the loop's own room must not count against the ceiling. */
    estimate = json.len + json.len / 4 + IN_ROOM;
    out->ceiling = ceiling < SIZE_MAX - 2 * IN_ROOM ? ceiling + 2 * IN_ROOM : SIZE_MAX;
    if (json.len > IN_TEXT_MAX)
        e = in_fail(&s, ERR_TOO_LARGE, json.ptr, "the text is longer than 1 GiB");
    else if (!wr_room(out, estimate < out->ceiling - out->len ? estimate : IN_ROOM))
        e = in_out_of_room(&s, s.start);
    else
        e = in_run(&s);
    out->ceiling = ceiling;
    if (e == ERR_NONE && out->len > ceiling) {
        wr_fail(out, ERR_TOO_LARGE);
        e = in_out_of_room(&s, s.end);
    }
    if (e == ERR_NONE && ret_uses)
        *ret_uses = s.uses;
    fini_in(&s);
    return e;
}

/* ---- A term to JSON ---- */

static void init_out(struct out *s, const struct etf_rd *term, const struct transcode_options *options,
                     bool typed, struct wr *w)
{
    s->options = options;
    s->is_typed = typed;
    s->is_judging = false;
    s->null_atom = options->null_atom.len ? options->null_atom : SLICE("null");
    s->rd = *term;
    s->w = w;
    s->frames = s->first_frames;
    s->depth = 0;
    s->frame_cap = OUT_FIRST_FRAMES;
    s->max_depth = options->max_depth ? options->max_depth : TRANSCODE_DEFAULT_MAX_DEPTH;
    wr_init(&s->shapes, SIZE_MAX);
    s->next_shape = 0;
    s->has_shapes = s->wants_shapes = false;
    s->digits_budget = ETF_DIGITS_BUDGET;
    wr_init(&s->scratch, w->ceiling); /* all of it goes there, and more */
}

static void fini_out(struct out *s)
{
    if (s->frames != s->first_frames)
        mem_free(s->frames);
    wr_fini(&s->shapes);
    wr_fini(&s->scratch);
}

/* From the beginning, with what there is to know. */
static enum err run_again(struct out *s, struct etf_rd start, size_t len)
{
    enum err e = shape_find(s, start);

    if (e != ERR_NONE)
        return e;
    s->rd = start;
    s->w->len = len;
    s->depth = 0;
    s->has_shapes = true;
    s->digits_budget = ETF_DIGITS_BUDGET; /* so that how a list ends changes nothing of its numbers */
    return out_run(s);
}

/* The term at s->rd must be sound now: shapes are found in sound terms alone. */
static enum err judge_all(struct out *s, struct etf_rd start)
{
    size_t len;

    if (!s->is_judging)
        return ERR_NONE;
    s->is_judging = false;
    return etf_validate_prefix(rd_rest(&start.rd), start.atoms,
                               &(struct etf_rules){.max_depth = s->max_depth, .trusts_keys = true}, &len,
                               NULL, NULL);
}

static enum err write_term(struct out *s, struct etf_rd *term)
{
    size_t ceiling = s->w->ceiling, len = s->w->len, estimate = rd_left(&term->rd);
    struct wr *out = s->w;
    enum err e;

    estimate += estimate / 8 + OUT_ROOM;
    /* The loop's own room must not count against the ceiling. */
    out->ceiling = ceiling < SIZE_MAX - 2 * OUT_ROOM ? ceiling + 2 * OUT_ROOM : SIZE_MAX;
    if (!wr_room(out, estimate < out->ceiling - out->len ? estimate : OUT_ROOM))
        e = out->err;
    else
        e = out_run(s);
    if (s->wants_shapes && (e = judge_all(s, *term)) == ERR_NONE)
        e = run_again(s, *term, len);
    if (e == ERR_INVALID)
        e = ERR_MALFORMED;
    out->ceiling = ceiling;
    if (e == ERR_NONE && out->len > ceiling) {
        wr_fail(out, ERR_TOO_LARGE);
        e = ERR_TOO_LARGE;
    }
    if (e == ERR_NONE)
        *term = s->rd;
    return e;
}

enum err transcode_etf_to_json(struct etf_rd *term, const struct transcode_options *options, bool typed,
                               struct wr *out)
{
    struct out s;
    enum err e;

    init_out(&s, term, options, typed, out);
    e = write_term(&s, term);
    fini_out(&s);
    return e;
}

bool transcode_unjudged_to_json(struct etf_rd *term, const struct transcode_options *options, bool typed,
                                struct wr *out)
{
    struct out s;
    enum err e;

    init_out(&s, term, options, typed, out);
    s.is_judging = true;
    e = write_term(&s, term);
    fini_out(&s);
    return e == ERR_NONE;
}
