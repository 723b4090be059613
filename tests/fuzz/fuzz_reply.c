/*
 * A reply that is judged while it becomes JSON, by the law of that, with atoms of a header.
 *
 * The first byte chooses options.
 */
#include <stdint.h>

#include "base/check.h"
#include "laws.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_DEPTH = 40 };

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct transcode_options o = {.max_depth = MAX_DEPTH};
    struct slice input;

    if (size == 0)
        return 0;
    o.bigints_as_strings = data[0] & 1;
    o.charlists_as_strings = data[0] & 2;
    if (data[0] & 4)
        o.null_atom = SLICE("undefined");
    input = slice_of(data + 1, size - 1);
    for (int typed = 0; typed < 2; typed++)
        law_judged_as_validated(input, &header, &o, typed, is_left_to_others(input));
    return 0;
}
