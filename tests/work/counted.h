/*
 * counted: included before everything else in the files whose work is counted (see CMakeLists.txt). What
 * moves or compares bytes counts by their number; the rest is counted by the compiler, an edge of the program
 * each.
 */
#ifndef ERLGATE_TESTS_WORK_COUNTED_H
#define ERLGATE_TESTS_WORK_COUNTED_H

#include <stdint.h>
#include <string.h>

extern uint64_t work_bytes;

static inline void *counted_memcpy(void *to, const void *from, size_t n)
{
    work_bytes += n;
    return memcpy(to, from, n);
}

static inline void *counted_memmove(void *to, const void *from, size_t n)
{
    work_bytes += n;
    return memmove(to, from, n);
}

static inline void *counted_memset(void *to, int c, size_t n)
{
    work_bytes += n;
    return memset(to, c, n);
}

static inline int counted_memcmp(const void *a, const void *b, size_t n)
{
    work_bytes += n;
    return memcmp(a, b, n);
}

static inline void *counted_memchr(const void *p, int c, size_t n)
{
    void *found = memchr(p, c, n);

    work_bytes += found ? (size_t)((const char *)found - (const char *)p) : n;
    return found;
}

#define memcpy  counted_memcpy
#define memmove counted_memmove
#define memset  counted_memset
#define memcmp  counted_memcmp
#define memchr  counted_memchr

#endif
