#include "base/habit.h"

static bool is_same(const struct habit_node *a, const struct habit_node *b, const uint8_t *base)
{
    return a->len == b->len && memcmp(base + a->source, base + b->source, a->len) == 0;
}

/* Is the key one of those on the way to the node `last`? */
static bool is_repeated(const struct habit *h, unsigned last, const struct habit_node *key,
                        const uint8_t *base)
{
    for (;; last = h->nodes[last].before) {
        if (is_same(&h->nodes[last], key, base))
            return true;
        if (h->nodes[last].is_first)
            return false;
    }
}

unsigned habit_learn(struct habit *h, unsigned before, bool is_first, struct habit_node key,
                     const uint8_t *base)
{
    uint8_t *guess = is_first ? &h->nodes[before].inside : &h->nodes[before].next, *from = guess;
    unsigned alternatives = 0;

    if (before == HABIT_NONE)
        return HABIT_NONE;
    for (; *from; from = &h->nodes[*from].other, alternatives++) {
        struct habit_node *n = &h->nodes[*from];
        uint8_t found = *from;

        if (!is_same(n, &key, base))
            continue;
        /* To the front: what came now may come again. */
        *from = n->other;
        n->other = *guess;
        *guess = found;
        return found;
    }
    if (h->count == HABIT_NODES || alternatives == HABIT_ALTERNATIVES ||
        (!is_first && is_repeated(h, before, &key, base)))
        return HABIT_NONE;
    key.mask = ((uint64_t)1 << key.len) - 1;
    key.next = key.inside = HABIT_NONE;
    key.other = *guess;
    key.before = (uint8_t)before;
    key.is_first = is_first;
    h->nodes[h->count] = key;
    *guess = (uint8_t)h->count;
    return h->count++;
}
