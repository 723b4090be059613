#include "base/mem.h"

#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static size_t fail_from; /* 0: off, else how many allocations until the first that fails */
static size_t failures;

static int must_fail(void)
{
    if (__builtin_expect(fail_from == 0, 1))
        return 0;
    if (fail_from > 1) {
        fail_from--;
        return 0;
    }
    failures++;
    return 1;
}

void mem_fail_from(size_t n)
{
    fail_from = n;
    failures = 0;
}

size_t mem_failures(void)
{
    return failures;
}

void *mem_alloc(size_t size)
{
    if (must_fail())
        return NULL;
    return malloc(size ? size : 1);
}

void *mem_zalloc(size_t size)
{
    if (must_fail())
        return NULL;
    return calloc(1, size ? size : 1);
}

void *mem_realloc_array(void *p, size_t count, size_t size)
{
    size_t bytes;

    if (__builtin_mul_overflow(count, size, &bytes) || must_fail())
        return NULL;
    return realloc(p, bytes ? bytes : 1);
}

char *mem_strndup(const void *p, size_t len)
{
    char *s;

    if (len == SIZE_MAX)
        return NULL;
    s = mem_alloc(len + 1);
    if (!s)
        return NULL;
    if (len)
        memcpy(s, p, len);
    s[len] = '\0';
    return s;
}

void mem_free(void *p)
{
    /* Asked here, for sanitizers look at the stack even for nothing. */
    if (p)
        free(p);
}

void mem_trim(void)
{
    malloc_trim(0);
}

void mem_wipe(void *p, size_t len)
{
    explicit_bzero(p, len);
}

int mem_equal_secret(const void *a, const void *b, size_t len)
{
    const volatile unsigned char *x = a, *y = b;
    unsigned char diff = 0;

    for (size_t i = 0; i < len; i++)
        diff |= x[i] ^ y[i];
    return diff == 0;
}
