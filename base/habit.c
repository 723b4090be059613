#include "base/habit.h"

unsigned habit_learn(struct habit *h, unsigned before, bool is_first, struct habit_node key,
                     const uint8_t *base, bool *ret_is_known)
{
    uint8_t *guess = is_first ? &h->nodes[before].inside : &h->nodes[before].next, *from = guess;
    unsigned alternatives = 0;

    *ret_is_known = false;
    if (before == HABIT_NONE || key.len > HABIT_BLOCK || key.written_len > HABIT_BLOCK)
        return HABIT_NONE;
    for (; *from; from = &h->nodes[*from].other, alternatives++) {
        struct habit_node *n = &h->nodes[*from];
        uint8_t found = *from;

        if (n->len != key.len || memcmp(base + n->source, base + key.source, key.len) != 0)
            continue;
        /* To the front: what came now may come again. */
        *from = n->other;
        n->other = *guess;
        *guess = found;
        *ret_is_known = true;
        return found;
    }
    if (h->count == HABIT_NODES || alternatives == HABIT_ALTERNATIVES)
        return HABIT_NONE;
    key.mask = key.len == HABIT_BLOCK ? UINT32_MAX : ((uint64_t)1 << key.len) - 1;
    key.next = key.inside = HABIT_NONE;
    key.other = *guess;
    h->nodes[h->count] = key;
    *guess = (uint8_t)h->count;
    return h->count++;
}
