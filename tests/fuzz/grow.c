#include "grow.h"

#include <stdio.h>

#include "base/base64.h"
#include "base/check.h"
#include "etf/syntax.h"
#include "etf/write.h"

/* Past these nothing grows that holds something. */
enum { MANY_TERM_BYTES = 1 << 13, MANY_JSON_BYTES = 1 << 15, REPEATED_BYTES = 1 << 13, MAX_WORDS = 1 << 13 };

void grow_init(struct grow *g, struct slice seed)
{
    uint32_t forms;

    *g = (struct grow){.seed = rd_of(seed)};
    wr_init(&g->json, SIZE_MAX);
    wr_init(&g->term, SIZE_MAX);
    for (size_t i = 0; i < ARRAY_LEN(g->keys); i++)
        wr_init(&g->keys[i].texts, SIZE_MAX);
    g->atom_keys = grow_pick(g, 4) == 3;
    forms = grow_pick(g, 8);
    g->nil_is_null = forms % 4 == 3;
    g->has_bits = forms >= 4;
}

void grow_fini(struct grow *g)
{
    wr_fini(&g->json);
    wr_fini(&g->term);
    for (size_t i = 0; i < ARRAY_LEN(g->keys); i++)
        wr_fini(&g->keys[i].texts);
}

uint32_t grow_pick(struct grow *g, uint32_t n)
{
    return rd_left(&g->seed) ? rd_u8(&g->seed) % n : 0;
}

void grow_blanks(struct grow *g)
{
    static const char *const blanks[] = {"",  "",     "",
                                         " ", "\n\t", "                                                "};

    wr_str(&g->json, blanks[g->blanks % ARRAY_LEN(blanks)]);
}

void grow_tag(struct grow *g, const char *name)
{
    wr_u8(&g->json, '{');
    grow_blanks(g);
    wr_printf(&g->json, g->blanks == 1 ? "\"\\u0024%s\"" : "\"$%s\"", name);
    grow_blanks(g);
    wr_u8(&g->json, ':');
    grow_blanks(g);
}

static void token(struct grow *g, char c)
{
    grow_blanks(g);
    wr_u8(&g->json, (uint8_t)c);
    grow_blanks(g);
}

/* ---- Elements ---- */

/* So many that differ, and the last of them so many times. */
struct plan {
    uint32_t different, times;
};

static struct plan pick_plan(struct grow *g, uint32_t least)
{
    uint32_t n = grow_pick(g, 256);
    struct plan p = {.different = n < 224 ? n % 6 : 1 + n % 3, .times = n < 224 ? 1 : (n - 223) * 31};

    if (p.different < least)
        p.different = least;
    return p;
}

static void append_again(struct wr *w, size_t from, size_t len)
{
    CHECK(wr_room(w, len)); /* so that it does not move while it is read */
    wr_bytes(w, w->buf + from, len);
}

/* The JSON between commas. One of them, chosen here, goes on with the nest that this is a level of. Gives how
 * many there are. */
static uint32_t elements(struct grow *g, struct plan p)
{
    uint32_t nest = g->nest, nested = nest ? grow_pick(g, p.different) : 0, fitting;
    size_t json_from = 0, term_from = 0, json_len, term_len;

    for (uint32_t i = 0; i < p.different; i++) {
        if (i)
            token(g, ',');
        json_from = g->json.len;
        term_from = g->term.len;
        g->nest = i == nested ? nest : 0;
        grow_term(g);
    }
    g->nest = 0;
    json_len = g->json.len - json_from;
    term_len = g->term.len - term_from;
    fitting = REPEATED_BYTES / (uint32_t)(json_len + 1) + 1;
    if (p.times > fitting)
        p.times = fitting;
    for (uint32_t i = 1; i < p.times; i++) {
        wr_u8(&g->json, ',');
        append_again(&g->json, json_from, json_len);
        append_again(&g->term, term_from, term_len);
    }
    return p.different ? p.different - 1 + p.times : 0;
}

/* The same behind a head that counts them in four bytes. */
static void counted_elements(struct grow *g, enum etf_tag tag, struct plan p)
{
    size_t count_at;

    wr_u8(&g->term, tag);
    count_at = wr_reserve(&g->term, 4);
    wr_patch_be32(&g->term, count_at, elements(g, p));
}

/* A map's: most often one that holds nothing. */
static void value(struct grow *g, uint32_t nest)
{
    g->nest = nest;
    if (nest || grow_pick(g, 4) == 3)
        grow_term(g);
    else
        grow_leaf(g);
    g->nest = 0;
}

/* ---- Containers ---- */

static void list(struct grow *g)
{
    struct plan p = pick_plan(g, g->nest ? 1 : 0);

    token(g, '[');
    if (p.different) {
        counted_elements(g, ETF_LIST_EXT, p);
        if (grow_pick(g, 16) == 15) { /* its tail is a list */
            g->has_rare = true;
            token(g, ',');
            etf_write_list(&g->term, 1);
            grow_leaf(g);
        }
    }
    etf_write_nil(&g->term);
    token(g, ']');
}

static void tuple(struct grow *g)
{
    struct plan p = pick_plan(g, g->nest ? 1 : 0);

    grow_tag(g, "tuple");
    token(g, '[');
    if (p.times > 1 || grow_pick(g, 16) == 15) {
        counted_elements(g, ETF_LARGE_TUPLE_EXT, p);
    } else {
        etf_write_tuple(&g->term, p.different);
        elements(g, p);
    }
    token(g, ']');
    wr_u8(&g->json, '}');
}

/* What no list goes on with. */
static void improper_tail(struct grow *g)
{
    if (grow_pick(g, 2))
        tuple(g);
    else
        grow_atom(g);
}

static void improper_list(struct grow *g)
{
    struct plan p = pick_plan(g, 1);
    struct wr listed;
    size_t from;

    wr_init(&listed, SIZE_MAX);
    wr_u8(&g->json, '{');
    from = g->json.len;
    wr_str(&g->json, "\"$list\":");
    token(g, '[');
    counted_elements(g, ETF_LIST_EXT, p);
    token(g, ']');
    if (grow_pick(g, 2)) { /* behind its tail, in JSON */
        wr_bytes(&listed, g->json.buf + from, g->json.len - from);
        g->json.len = from;
    } else {
        wr_u8(&g->json, ',');
    }
    wr_str(&g->json, "\"$tail\":");
    improper_tail(g);
    if (listed.len) {
        wr_u8(&g->json, ',');
        wr_slice(&g->json, wr_written(&listed));
    }
    wr_u8(&g->json, '}');
    wr_fini(&listed);
}

/* ---- Maps ---- */

static struct slice key_at(const struct grow_keys *k, uint32_t i)
{
    size_t from = i ? k->end[i - 1] : 0;

    return slice_of(k->texts.buf + from, k->end[i] - from);
}

/* One of the sets. The number behind the last _ makes a key like no other. */
static const struct grow_keys *pick_keys(struct grow *g)
{
    struct grow_keys *k = &g->keys[grow_pick(g, ARRAY_LEN(g->keys))];
    size_t start_len;

    if (k->count)
        return k;
    k->count = 1 + grow_pick(g, GROW_MAX_KEYS);
    grow_text(g, &k->texts, 200, true);
    start_len = k->texts.len;
    for (uint32_t i = 0; i < k->count; i++) {
        if (i % 3 == 1)
            append_again(&k->texts, 0, start_len);
        wr_printf(&k->texts, "_%u", g->number++);
        k->end[i] = k->texts.len;
    }
    return k;
}

static void key(struct grow *g, struct slice text)
{
    if (g->atom_keys)
        etf_write_atom(&g->term, text);
    else
        grow_binary(g, text);
    grow_string(g, text);
    token(g, ':');
}

/* With all these keys, or not quite. */
static void object(struct grow *g, const struct grow_keys *k)
{
    uint32_t odd = grow_pick(g, 8), nest = g->nest, nested = nest ? grow_pick(g, k->count) : 0;
    uint32_t count = odd == 7 && k->count > 1 ? k->count - 1 : k->count, more = odd == 6;
    char text[16];

    etf_write_map(&g->term, count + more);
    token(g, '{');
    for (uint32_t i = 0; i < count; i++) {
        if (i)
            token(g, ',');
        key(g, key_at(k, odd == 5 ? count - 1 - i : i));
        value(g, i == nested % count ? nest : 0);
    }
    if (more) {
        token(g, ',');
        snprintf(text, sizeof text, "_%u", g->number++);
        key(g, slice_of_str(text));
        grow_leaf(g);
    }
    token(g, '}');
}

/* Records that are alike, as tables of a data base are. */
static void rows(struct grow *g)
{
    uint32_t count = 2 + grow_pick(g, 7), nest = g->nest;
    const struct grow_keys *k = pick_keys(g);

    etf_write_list(&g->term, count);
    token(g, '[');
    for (uint32_t i = 0; i < count; i++) {
        if (i)
            token(g, ',');
        g->nest = i == 1 ? nest : 0;
        g->depth++;
        object(g, k);
        g->depth--;
    }
    etf_write_nil(&g->term);
    token(g, ']');
}

static void map_key(struct grow *g)
{
    uint32_t number = g->number++;
    char text[24];

    switch (grow_pick(g, 4)) {
    case 0:
        etf_write_int64(&g->term, number);
        wr_printf(&g->json, "%u", number);
        break;
    case 1:
        snprintf(text, sizeof text, "$%u", number);
        grow_binary(g, slice_of_str(text));
        wr_printf(&g->json, "\"%s\"", text);
        break;
    case 2:
        snprintf(text, sizeof text, "k%u", number);
        etf_write_atom_str(&g->term, text);
        wr_printf(&g->json, "{\"$atom\":\"%s\"}", text);
        break;
    default:
        etf_write_tuple(&g->term, 2);
        etf_write_int64(&g->term, number);
        wr_printf(&g->json, "{\"$tuple\":[%u,", number);
        grow_leaf(g);
        wr_str(&g->json, "]}");
        break;
    }
}

static void map(struct grow *g)
{
    uint32_t count = grow_pick(g, 48), nest = g->nest;

    if (count == 0 && nest)
        count = 1;
    etf_write_map(&g->term, count);
    grow_tag(g, "map");
    token(g, '[');
    for (uint32_t i = 0; i < count; i++) {
        if (i)
            token(g, ',');
        token(g, '[');
        map_key(g);
        token(g, ',');
        value(g, i == 0 ? nest : 0);
        token(g, ']');
    }
    token(g, ']');
    wr_u8(&g->json, '}');
}

/* ---- Terms in other clothes ---- */

/* The term from there on as the text of another syntax, in place of its JSON. */
static void in_words(struct grow *g, const char *name, size_t json_from, size_t term_from)
{
    struct slice term = slice_of(g->term.buf + term_from, g->term.len - term_from);
    struct etf_rd r = etf_rd_of(term, NULL);
    struct wr text, bytes;

    wr_init(&text, SIZE_MAX);
    wr_init(&bytes, SIZE_MAX);
    if (name[1] == 'r') {
        CHECK(etf_print(&text, &r) == ERR_NONE);
    } else {
        etf_write_version(&bytes);
        wr_slice(&bytes, term);
        base64_write(&text, wr_written(&bytes));
    }
    g->json.len = json_from;
    grow_tag(g, name);
    grow_string(g, wr_written(&text));
    wr_u8(&g->json, '}');
    wr_fini(&text);
    wr_fini(&bytes);
}

static void container(struct grow *g, uint32_t kind)
{
    if (++g->depth > g->deepest)
        g->deepest = g->depth;
    switch (kind % 8) {
    case 0:
    case 1: list(g); break;
    case 2:
    case 3: tuple(g); break;
    case 4: improper_list(g); break;
    case 5: object(g, pick_keys(g)); break;
    case 6: rows(g); break;
    default: map(g); break;
    }
    g->depth--;
}

/* Levels that are all grown of the same few decisions. */
static void nest(struct grow *g)
{
    struct rd all, outer = g->level;
    size_t len;

    g->nest = 1 + grow_pick(g, 256) * 3 / 2;
    len = 2 + grow_pick(g, 16);
    g->level = rd_carve(&g->seed, len < rd_left(&g->seed) ? len : rd_left(&g->seed));
    all = g->seed;
    grow_term(g);
    g->seed = all;
    g->level = outer;
}

void grow_term(struct grow *g)
{
    bool is_enough =
        g->depth >= GROW_MAX_DEPTH || g->term.len > MANY_TERM_BYTES || g->json.len > MANY_JSON_BYTES;
    size_t json_from = g->json.len, term_from = g->term.len;
    uint32_t choice;

    if (is_enough) {
        etf_write_int64(&g->term, 0);
        wr_u8(&g->json, '0');
    } else if (g->nest) {
        g->nest--;
        g->seed = g->level;
        container(g, grow_pick(g, 256));
    } else if (!rd_left(&g->seed) || (choice = grow_pick(g, 32)) < 12) {
        grow_leaf(g);
    } else if (choice < 28) {
        container(g, choice);
    } else if (choice == 28) {
        g->blanks = (uint8_t)grow_pick(g, 256);
        grow_term(g);
    } else if (choice == 29) {
        nest(g);
    } else {
        grow_term(g);
        if (g->term.len - term_from < MAX_WORDS)
            in_words(g, choice == 30 ? "erl" : "etf", json_from, term_from);
    }
    CHECK(wr_ok(&g->json) && wr_ok(&g->term));
}
