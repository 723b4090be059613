/*
 * Terms and their JSON, grown together (grow.h): long, deep, and in every spelling. The JSON must become the
 * term, the term JSON that comes back, Erlang text likewise, and all that with however little room there is.
 * Then a byte of each is changed, and what is still taken must follow the same laws.
 *
 * The first bytes choose which of this, options, the room, and the change.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/check.h"
#include "etf/syntax.h"
#include "grow.h"
#include "laws.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Within NEAR bytes of a ceiling it may be too large: more room is asked for at once than is used. */
enum { ALL_ROOM = 16 << 20, NEAR = 64 };

/* In a block of exactly its size, where a read past its end is seen. */
struct exact {
    uint8_t *at;
    struct slice all;
};

static struct exact exact_of(const struct wr *w)
{
    struct exact e = {.at = malloc(w->len)};

    CHECK(e.at && w->len);
    memcpy(e.at, w->buf, w->len);
    e.all = slice_of(e.at, w->len);
    return e;
}

/* The k-th of some ceilings below the whole length and at it; many where much is open, as what closes it must
 * have room. */
static uint32_t ceilings(const struct grow *g)
{
    return g->deepest > 30 ? 12 : 3;
}

static size_t ceiling(const struct wr *whole, uint32_t k, uint32_t count, uint32_t fraction)
{
    if (k < 2)
        return whole->len - 1 + k * NEAR;
    return whole->len * ((fraction + k * 256 / count) % 256) / 256;
}

/* With a ceiling it is the same, or too large. */
static void with_room(enum err e, const struct wr *w, const struct wr *whole, size_t room)
{
    if (room >= whole->len + NEAR)
        CHECK(e == ERR_NONE);
    CHECK(e == ERR_NONE ? slice_eq(wr_written(w), wr_written(whole)) : e == ERR_TOO_LARGE);
}

static void json_becomes_term(struct slice json, struct slice term, const struct grow *g,
                              const struct transcode_options *o, uint32_t fraction)
{
    struct transcode_fault f;
    struct wr whole, w;
    enum err e;

    wr_init(&whole, ALL_ROOM);
    e = transcode_json_to_etf(json, o, &whole, NULL, &f);
    if (law_is_too_much_moving(e, &f)) {
        wr_fini(&whole);
        return;
    }
    CHECK(e == ERR_NONE);
    CHECK(etf_validate(wr_written(&whole), NULL, &(struct etf_rules){.max_depth = o->max_depth}, NULL,
                       NULL) == ERR_NONE);
    CHECK(etf_equal(wr_written(&whole), NULL, term, NULL));
    for (uint32_t k = 0; k < ceilings(g); k++) {
        size_t room = ceiling(&whole, k, ceilings(g), fraction);

        wr_init(&w, room);
        with_room(transcode_json_to_etf(json, o, &w, NULL, NULL), &w, &whole, room);
        wr_fini(&w);
    }
    wr_fini(&whole);
}

static void term_becomes_json(struct slice term, const struct grow *g, const struct transcode_options *o,
                              uint32_t fraction)
{
    for (int typed = 0; typed < 2; typed++) {
        struct etf_rd r = etf_rd_of(term, NULL);
        struct wr whole, w;

        wr_init(&whole, ALL_ROOM);
        CHECK(transcode_etf_to_json(&r, o, typed, &whole) == ERR_NONE);
        for (uint32_t k = 0; k < ceilings(g); k++) {
            size_t room = ceiling(&whole, k, ceilings(g), fraction);

            r = etf_rd_of(term, NULL);
            wr_init(&w, room);
            with_room(transcode_etf_to_json(&r, o, typed, &w), &w, &whole, room);
            wr_fini(&w);
            r = etf_rd_of(term, NULL);
            wr_init(&w, room);
            CHECK(!transcode_unjudged_to_json(&r, o, typed, &w) ||
                  slice_eq(wr_written(&w), wr_written(&whole)));
            wr_fini(&w);
        }
        wr_fini(&whole);
    }
}

static void text_becomes_term(struct slice term)
{
    struct etf_rd r = etf_rd_of(term, NULL);
    struct wr text, back;
    struct fault f;
    enum err e;

    wr_init(&text, ALL_ROOM);
    wr_init(&back, ALL_ROOM);
    CHECK(etf_print(&text, &r) == ERR_NONE);
    e = etf_parse(&back, wr_written(&text), &(struct etf_parse_rules){.term.max_depth = 0}, &f);
    CHECK(e == ERR_NONE ? etf_equal(term, NULL, wr_written(&back), NULL)
                        : e == ERR_TOO_LARGE && strstr(f.text, "nested too deep"));
    wr_fini(&text);
    wr_fini(&back);
}

/* One byte of what is no longer known to be good. */
static void change(struct exact *e, uint32_t where, uint8_t what)
{
    e->at[(size_t)where * e->all.len / 65536] = what;
}

static void changed_json(struct slice json, const struct transcode_options *o)
{
    struct transcode_fault f = {.fault.err = ERR_NONE};
    struct wr w;
    enum err e;

    wr_init(&w, ALL_ROOM);
    e = transcode_json_to_etf(json, o, &w, NULL, &f);
    if (e == ERR_NONE) {
        CHECK(etf_validate(wr_written(&w), NULL, &(struct etf_rules){.max_depth = o->max_depth}, NULL,
                           NULL) == ERR_NONE);
        law_there_and_back(wr_written(&w), o);
    } else {
        CHECK(f.fault.err == e && f.fault.offset <= json.len && f.fault.text);
    }
    wr_fini(&w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rd in = rd_of(slice_of(data, size));
    uint8_t choice = rd_u8(&in), fraction = rd_u8(&in), what = rd_u8(&in);
    uint32_t where = rd_be16(&in);
    struct transcode_options o = {
        .charlists_as_strings = choice & 1, .bigints_as_strings = choice & 2, .max_bytes = ALL_ROOM};
    struct exact json, term;
    struct grow g;

    grow_init(&g, rd_rest(&in));
    grow_term(&g);
    o.keys_as_atoms = g.atom_keys;
    if (g.nil_is_null)
        o.null_atom = SLICE("nil");
    json = exact_of(&g.json);
    term = exact_of(&g.term);

    CHECK(etf_validate(term.all, NULL, &(struct etf_rules){.max_depth = 0}, NULL, NULL) == ERR_NONE);
    /* Each input one of them, so that there are more inputs. */
    switch (choice >> 4 & 3) {
    case 0: json_becomes_term(json.all, term.all, &g, &o, fraction); break;
    case 1: term_becomes_json(term.all, &g, &o, fraction); break;
    case 2:
        law_there_and_back(term.all, &o);
        text_becomes_term(term.all);
        for (int typed = 0; typed < 2; typed++)
            law_judged_as_validated(term.all, NULL, &o, typed, g.has_rare);
        break;
    default:
        change(&json, where, what);
        changed_json(json.all, &o);
        change(&term, where, what);
        law_judged_as_validated(term.all, NULL, &o, choice & 4, true);
        break;
    }

    free(json.at);
    free(term.at);
    grow_fini(&g);
    return 0;
}
