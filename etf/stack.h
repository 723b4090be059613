/* stack: a stack of frames that starts on the C stack and moves to the heap when it grows. Private to etf/.
 */
#ifndef ERLGATE_ETF_STACK_H
#define ERLGATE_ETF_STACK_H

#include <stdint.h>
#include <string.h>

#include "base/mem.h"

/*
 * Twice the room for the *cap frames of `size` bytes at `at`, which is `first` (not to be freed) or owned.
 * Gives the new place, or NULL when there is no memory: all is then as it was.
 */
static inline void *etf_stack_grow(void *at, void *first, size_t *cap, size_t size)
{
    void *grown = *cap <= SIZE_MAX / 2 ? mem_realloc_array(at == first ? NULL : at, *cap * 2, size) : NULL;

    if (!grown)
        return NULL;
    if (at == first)
        memcpy(grown, first, *cap * size);
    *cap *= 2;
    return grown;
}

static inline void etf_stack_free(void *at, void *first)
{
    if (at != first)
        mem_free(at);
}

#endif
