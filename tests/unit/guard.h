/* guard: bytes that end where readable memory ends, so that a read past them is a crash and not luck. */
#ifndef ERLGATE_TESTS_UNIT_GUARD_H
#define ERLGATE_TESTS_UNIT_GUARD_H

#include <sys/mman.h>
#include <unistd.h>

#include "base/slice.h"

struct guard {
    uint8_t *map;
    size_t size;
    struct slice bytes;
};

static inline struct guard guard_of(struct slice bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t body = (bytes.len + page) / page * page;
    struct guard g = {.size = body + page};

    g.map = mmap(NULL, g.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(g.map != MAP_FAILED);
    assert_int_equal(mprotect(g.map + body, page, PROT_NONE), 0);
    if (bytes.len)
        memcpy(g.map + body - bytes.len, bytes.ptr, bytes.len);
    g.bytes = slice_of(g.map + body - bytes.len, bytes.len);
    return g;
}

static inline void guard_free(struct guard *g)
{
    munmap(g->map, g->size);
}

#endif
