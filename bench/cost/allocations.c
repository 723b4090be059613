/*
 * allocations: counts what a program asks of the C library's heap, by who asks, while it runs. Preloaded:
 *
 *   LD_PRELOAD=bench_allocations.so BENCH_ALLOCATIONS=FILE PROGRAM …
 *
 * FILE is mapped and counted in: who reads it twice knows what came between. It holds struct table. A caller
 * is the first return addresses above the allocator; addresses are turned into names by
 * bench/cost/allocations.py.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <unwind.h>

#define SEEN __attribute__((visibility("default")))

enum { FRAMES = 6, CALLERS = 16384, EARLY_BYTES = 4096 };

struct caller {
    uint64_t frames[FRAMES]; /* all zero: unused */
    uint64_t count, bytes;
};

struct table {
    uint64_t allocations, frees, lost; /* lost: their caller found no room */
    struct caller callers[CALLERS];
};

static struct table *table;
static void *(*real_malloc)(size_t);
static void *(*real_calloc)(size_t, size_t);
static void *(*real_realloc)(void *, size_t);
static void (*real_free)(void *);

/* dlsym itself asks for memory before it has told where to get it. */
static _Alignas(max_align_t) char early[EARLY_BYTES];
static size_t early_used;

static _Thread_local bool is_inside;

static bool is_early(const void *p)
{
    return (const char *)p >= early && (const char *)p < early + sizeof early;
}

static void *early_alloc(size_t size)
{
    size_t at = (early_used + 15) & ~(size_t)15;

    if (size > sizeof early - at)
        return NULL;
    early_used = at + size;
    return early + at;
}

__attribute__((constructor)) static void set_up(void)
{
    const char *path = getenv("BENCH_ALLOCATIONS");
    int fd = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
    void *at;

    if (fd < 0)
        return;
    at = ftruncate(fd, sizeof *table) == 0
             ? mmap(NULL, sizeof *table, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
             : MAP_FAILED;
    close(fd);
    if (at != MAP_FAILED)
        table = at;
}

static void find_real(void)
{
    is_inside = true;
    real_calloc = (void *(*)(size_t, size_t))dlsym(RTLD_NEXT, "calloc");
    real_realloc = (void *(*)(void *, size_t))dlsym(RTLD_NEXT, "realloc");
    real_free = (void (*)(void *))dlsym(RTLD_NEXT, "free");
    real_malloc = (void *(*)(size_t))dlsym(RTLD_NEXT, "malloc");
    is_inside = false;
}

struct walk {
    uint64_t frames[FRAMES];
    int seen, skip;
};

static _Unwind_Reason_Code step(struct _Unwind_Context *context, void *ctx)
{
    struct walk *w = ctx;
    uint64_t ip = _Unwind_GetIP(context);

    if (w->skip > 0) {
        w->skip--;
        return _URC_NO_REASON;
    }
    if (!ip || w->seen == FRAMES)
        return _URC_END_OF_STACK;
    w->frames[w->seen++] = ip;
    return _URC_NO_REASON;
}

/* The caller's row: a hash of the frames says where to begin looking. */
static struct caller *row_of(const uint64_t *frames)
{
    uint64_t hash = 0;

    for (int i = 0; i < FRAMES; i++)
        hash = (hash ^ frames[i]) * 0x9E3779B97F4A7C15u;
    for (size_t i = 0; i < CALLERS; i++) {
        struct caller *c = &table->callers[((hash >> 32) + i) % CALLERS];

        if (c->frames[0] == 0)
            memcpy(c->frames, frames, sizeof c->frames);
        if (memcmp(c->frames, frames, sizeof c->frames) == 0)
            return c;
    }
    return NULL;
}

/* One at a time: the counts of the thread that matters are exact, those of others may now and then lose one.
 */
static __attribute__((noinline)) void count(size_t size)
{
    struct walk w = {.skip = 2}; /* count and its caller, the allocator */
    struct caller *c;

    if (!table || is_inside)
        return;
    is_inside = true;
    table->allocations++;
    (void)_Unwind_Backtrace(step, &w);
    c = row_of(w.frames);
    if (c) {
        c->count++;
        c->bytes += size;
    } else {
        table->lost++;
    }
    is_inside = false;
}

SEEN void *malloc(size_t size)
{
    if (!real_malloc) {
        if (is_inside)
            return early_alloc(size);
        find_real();
    }
    count(size);
    return real_malloc(size);
}

SEEN void *calloc(size_t n, size_t size)
{
    if (!real_malloc) {
        if (is_inside)
            return early_alloc(n * size); /* zero from the start, and never given back */
        find_real();
    }
    count(n * size);
    return real_calloc(n, size);
}

SEEN void *realloc(void *p, size_t size)
{
    if (!real_malloc)
        find_real();
    count(size);
    if (is_early(p)) {
        void *copy = real_malloc(size);
        size_t had = (size_t)(early + sizeof early - (char *)p);

        if (copy)
            memcpy(copy, p, size < had ? size : had);
        return copy;
    }
    return real_realloc(p, size);
}

SEEN void free(void *p)
{
    if (!p || is_early(p))
        return;
    if (!real_malloc)
        find_real();
    if (table && !is_inside)
        table->frees++;
    real_free(p);
}
