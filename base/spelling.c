#include "base/spelling.h"

size_t spelling_distance(struct slice a, struct slice b)
{
    size_t row[SPELLING_WORD_MAX + 1];

    if (a.len > SPELLING_WORD_MAX || b.len > SPELLING_WORD_MAX)
        return SPELLING_FAR;
    for (size_t j = 0; j <= b.len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t best = diagonal + (a.ptr[i - 1] != b.ptr[j - 1]);

            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[b.len];
}
