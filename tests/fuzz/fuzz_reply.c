/*
 * A reply that is judged while it becomes JSON. Whatever is taken must be what validation takes, up to the
 * same byte, and its JSON that of the way which validates first; and what that way takes must be taken, but
 * for what nobody sends.
 *
 * The first byte chooses options.
 */
#include <stdint.h>
#include <string.h>

#include "base/check.h"
#include "bridge/transcode.h"
#include "etf/validate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_DEPTH = 40, MAX_BYTES = 16 << 20 };

static const struct etf_atom in_header[] = {
    {.text = SLICE("true"), .is_checked = true},
    {.text = SLICE("caf\xC3\xA9"), .is_checked = true},
    {.text = SLICE("k\xC3\xA9y")},
    {.text = SLICE("\xFF")},
};
static const struct etf_atoms header = {.at = in_header, .count = ARRAY_LEN(in_header)};

/* Maybe: a list without elements that is no NIL_EXT, a list as a tail; LOCAL_EXT, which can be no part of a
 * message. */
static bool is_left_to_others(struct slice input)
{
    static const uint8_t none[] = {ETF_LIST_EXT, 0, 0, 0, 0};
    size_t lists = 0;

    for (size_t i = 0; i < input.len; i++)
        lists += input.ptr[i] == ETF_LIST_EXT;
    return lists > 1 ||
           (input.len && (input.ptr[0] == ETF_LOCAL_EXT || memmem(input.ptr, input.len, none, sizeof none)));
}

static void judge(struct slice input, const struct transcode_options *o, bool typed)
{
    struct etf_rules rules = {.max_depth = MAX_DEPTH, .trusts_keys = true};
    struct etf_rd r = etf_rd_of(input, &header), unjudged = r;
    struct transcode_options deeper = *o;
    struct wr json, judged;
    size_t len = 0;
    bool is_taken;
    enum err e;

    wr_init(&json, MAX_BYTES);
    wr_init(&judged, MAX_BYTES);
    is_taken = transcode_unjudged_to_json(&unjudged, o, typed, &judged);
    e = etf_validate_prefix(input, &header, &rules, &len, NULL, NULL);
    if (e == ERR_NONE) {
        r.rd.end = r.rd.pos + len;
        e = transcode_etf_to_json(&r, o, typed, &json);
    }
    if (is_taken) {
        CHECK(e == ERR_NONE);
        CHECK(unjudged.rd.pos == r.rd.pos && r.rd.pos == r.rd.end);
        CHECK(slice_eq(wr_written(&json), wr_written(&judged)));
    } else if (e == ERR_NONE && !is_left_to_others(input)) {
        /* What has parts, or could have, at the greatest depth. */
        deeper.max_depth++;
        unjudged = etf_rd_of(input, &header);
        wr_reset(&judged);
        CHECK(transcode_unjudged_to_json(&unjudged, &deeper, typed, &judged));
    }
    wr_fini(&json);
    wr_fini(&judged);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct transcode_options o = {.max_depth = MAX_DEPTH};

    if (size == 0)
        return 0;
    o.bigints_as_strings = data[0] & 1;
    o.charlists_as_strings = data[0] & 2;
    if (data[0] & 4)
        o.null_atom = SLICE("undefined");
    judge(slice_of(data + 1, size - 1), &o, false);
    judge(slice_of(data + 1, size - 1), &o, true);
    return 0;
}
