#include "laws.h"

#include <jansson.h>

#include "base/check.h"

enum { MAX_BYTES = 16 << 20, MAX_DIGITS = 100000 };

static void check_as_json(struct slice text)
{
    json_error_t error;
    json_t *j = json_loadb((const char *)text.ptr, text.len,
                           JSON_DECODE_ANY | JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);

    /* jansson has integers of 64 bits, and no zero in keys. */
    CHECK(j || strstr(error.text, "too big") || strstr(error.text, "NUL byte") ||
          strstr(error.text, "depth"));
    json_decref(j);
}

bool law_is_too_much_moving(enum err e, const struct transcode_fault *f)
{
    return e == ERR_TOO_LARGE && strstr(f->fault.text, "unforeseen form");
}

/* What typed JSON says is the term. trusts_keys: which have not been compared. */
static void check_back(struct slice json, struct slice term, const struct etf_atoms *atoms,
                       struct slice null_atom, bool trusts_keys)
{
    struct transcode_options o = {.null_atom = null_atom, .max_digits = MAX_DIGITS};
    struct transcode_fault f;
    struct wr back;
    enum err e;

    wr_init(&back, MAX_BYTES);
    e = transcode_json_to_etf(json, &o, &back, NULL, &f);
    CHECK(law_is_too_much_moving(e, &f) || (trusts_keys && e == ERR_DUPLICATE_KEY) ||
          (e == ERR_NONE && etf_equal(term, atoms, wr_written(&back), NULL)));
    wr_fini(&back);
}

void law_there_and_back(struct slice term, const struct transcode_options *o)
{
    for (int typed = 0; typed < 2; typed++) {
        struct etf_rd r = etf_rd_of(term, NULL);
        struct wr json;

        wr_init(&json, MAX_BYTES);
        CHECK(transcode_etf_to_json(&r, o, typed, &json) == ERR_NONE);
        CHECK(r.rd.pos == r.rd.end);
        check_as_json(wr_written(&json));
        if (typed)
            check_back(wr_written(&json), term, NULL, o->null_atom, false);
        wr_fini(&json);
    }
}

void law_judged_as_validated(struct slice input, const struct etf_atoms *atoms,
                             const struct transcode_options *o, bool typed, bool might_be_left)
{
    struct etf_rules rules = {.max_depth = o->max_depth, .trusts_keys = true};
    struct etf_rd r = etf_rd_of(input, atoms), unjudged = r;
    struct wr json, judged;
    size_t len = 0;
    uint32_t uses = 0;
    bool is_taken;
    enum err e;

    wr_init(&json, MAX_BYTES);
    wr_init(&judged, MAX_BYTES);
    is_taken = transcode_unjudged_to_json(&unjudged, o, typed, &judged);
    e = etf_validate_prefix(input, atoms, &rules, &len, &uses, NULL);
    if (e == ERR_NONE) {
        r.rd.end = r.rd.pos + len;
        e = transcode_etf_to_json(&r, o, typed, &json);
    }
    if (is_taken) {
        CHECK(e == ERR_NONE);
        CHECK(unjudged.rd.pos == r.rd.pos && r.rd.pos == r.rd.end);
        CHECK(slice_eq(wr_written(&json), wr_written(&judged)));
        if (typed && !(uses & ETF_USES_WIDE_EXPORT)) /* which never comes from HTTP */
            check_back(wr_written(&json), slice_of(input.ptr, len), atoms, o->null_atom, true);
    } else {
        CHECK(e != ERR_NONE || might_be_left);
    }
    wr_fini(&json);
    wr_fini(&judged);
}
