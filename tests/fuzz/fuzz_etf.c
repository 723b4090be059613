/*
 * Any bytes as an external term. What is accepted must be one term to each reader, must survive a copy, and
 * must come back from Erlang syntax as what it was.
 */
#include "base/check.h"
#include "etf/syntax.h"
#include "etf/write.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Terms of up to FEW_BYTES never cost too much to compare or to read, however deep. */
enum { MAX_BYTES = 1 << 16, MAX_TEXT = 1 << 20, FEW_BYTES = 2048 };

static void is_good(enum err e, struct slice term)
{
    CHECK(e == ERR_NONE || (e == ERR_TOO_LARGE && term.len > FEW_BYTES));
}

static enum err count_atom(void *ctx, struct etf_atom atom)
{
    CHECK(atom.text.len <= ETF_ATOM_MAX_BYTES);
    *(size_t *)ctx += 1;
    return ERR_NONE;
}

static void skip_agrees(struct slice term)
{
    struct etf_rd r = etf_rd_of(term, NULL);
    struct slice all;

    CHECK(etf_skip(&r, &all) && all.len == term.len && rd_left(&r.rd) == 0);
}

static void copy_is_equal(struct slice term, const struct etf_rules *rules)
{
    struct etf_rd r = etf_rd_of(term, NULL);
    struct wr copy, again;

    wr_init(&copy, SIZE_MAX);
    wr_init(&again, SIZE_MAX);
    CHECK(etf_copy(&copy, &r) == ERR_NONE && rd_left(&r.rd) == 0);
    is_good(etf_validate(wr_written(&copy), NULL, rules, NULL, NULL), term);
    CHECK(etf_equal(term, NULL, wr_written(&copy), NULL));
    CHECK(etf_compare_keys(term, wr_written(&copy), NULL) == 0);
    /* Canonical means that there is nothing left to change. */
    r = etf_rd_of(wr_written(&copy), NULL);
    CHECK(etf_copy(&again, &r) == ERR_NONE && slice_eq(wr_written(&copy), wr_written(&again)));
    wr_fini(&copy);
    wr_fini(&again);
}

static void text_is_equal(struct slice term)
{
    struct etf_rd r = etf_rd_of(term, NULL);
    struct etf_parse_rules rules = {.term = {.max_depth = 2 * ETF_DEFAULT_MAX_DEPTH}};
    struct wr text, back;
    enum err e;

    wr_init(&text, MAX_TEXT);
    wr_init(&back, SIZE_MAX);
    if (etf_print(&text, &r) == ERR_NONE) {
        CHECK(rd_left(&r.rd) == 0);
        e = etf_parse(&back, wr_written(&text), &rules, NULL);
        is_good(e, term);
        CHECK(e != ERR_NONE || etf_equal(term, NULL, wr_written(&back), NULL));
    } else {
        CHECK(text.err == ERR_TOO_LARGE);
    }
    wr_fini(&text);
    wr_fini(&back);
}

/* Where keys are trusted there are two walks: who is told of atoms goes by the slower one. */
static void is_the_same_where_keys_are_trusted(struct slice input)
{
    size_t atoms = 0, len = 0, told_len = 0;
    struct etf_rules rules = {.max_bytes = 8 * MAX_BYTES, .trusts_keys = true}, told = rules;
    struct etf_atom in_header[] = {{.text = SLICE("true"), .is_checked = true},
                                   {.text = SLICE("caf\xC3\xA9")}};
    struct etf_atoms header = {.at = in_header, .count = ARRAY_LEN(in_header)};
    struct fault f = {0}, told_f = {0};
    uint32_t uses = 0, told_uses = 0;
    enum err e, told_e;

    told.on_atom = count_atom;
    told.ctx = &atoms;
    e = etf_validate_prefix(input, &header, &rules, &len, &uses, &f);
    told_e = etf_validate_prefix(input, &header, &told, &told_len, &told_uses, &told_f);
    CHECK(e == told_e && len == told_len && uses == told_uses);
    CHECK(f.offset == told_f.offset && f.text == told_f.text);
}

/* What validation says of the first term of the input, or of what is wrong there. */
static void is_the_same_in_a_list(struct slice input)
{
    enum { TIMES = 3, HEAD = 5 };
    size_t atoms = 0, len = input.len, told_len;
    struct etf_rules rules = {.max_bytes = 8 * MAX_BYTES}, told = rules, deeper = rules;
    struct fault f = {0}, told_f = {0}, list_f = {0};
    uint32_t uses = 0, told_uses = 0, list_uses = 0;
    enum err e, told_e, list_e;
    struct wr list;

    told.on_atom = count_atom;
    told.ctx = &atoms;
    deeper.max_depth = ETF_DEFAULT_MAX_DEPTH + 1;
    e = etf_validate_prefix(input, NULL, &rules, &len, &uses, &f);
    told_e = etf_validate_prefix(input, NULL, &told, &told_len, &told_uses, &told_f);
    CHECK(e == told_e && (e == ERR_NONE ? len == told_len && uses == told_uses : f.offset == told_f.offset));
    if (e == ERR_MORE || e == ERR_TOO_LARGE || uses & ETF_USES_LOCAL || len > MAX_BYTES)
        return;
    wr_init(&list, SIZE_MAX);
    wr_u8(&list, ETF_LIST_EXT);
    wr_be32(&list, TIMES);
    for (int i = 0; i < TIMES; i++)
        wr_bytes(&list, input.ptr, len);
    wr_u8(&list, ETF_NIL_EXT);
    list_e = etf_validate(wr_written(&list), NULL, &deeper, &list_uses, &list_f);
    if (list_e != ERR_TOO_LARGE || len <= FEW_BYTES) {
        CHECK(list_e == e);
        CHECK(e == ERR_NONE ? list_uses == uses : list_f.offset == f.offset + HEAD);
    }
    wr_fini(&list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t atoms = 0;
    struct etf_rules rules = {.max_bytes = MAX_BYTES, .on_atom = count_atom, .ctx = &atoms};
    struct fault f = {0};
    struct slice term;
    struct wr scratch;
    uint32_t uses;
    enum err e;

    if (size > 1)
        is_the_same_where_keys_are_trusted(slice_of(data + 1, size - 1));
    if (size > 1)
        is_the_same_in_a_list(slice_of(data + 1, size - 1));
    wr_init(&scratch, MAX_BYTES);
    e = etf_open(slice_of(data, size), &rules, &scratch, &term, &uses, &f);
    if (e == ERR_NONE) {
        skip_agrees(term);
        copy_is_equal(term, &rules);
        text_is_equal(term);
    } else {
        CHECK(f.err == e && f.text);
        CHECK(f.offset <= size || f.offset <= MAX_BYTES + 1);
        CHECK(e != ERR_NOMEM && e != ERR_INVALID);
    }
    wr_fini(&scratch);
    return 0;
}
