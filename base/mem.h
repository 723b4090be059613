/*
 * mem: the heap, with sizes that cannot overflow and a way to make the n-th allocation fail.
 *
 * All functions give NULL when there is no memory (or when a test said so); none aborts. free takes NULL.
 */
#ifndef ERLGATE_BASE_MEM_H
#define ERLGATE_BASE_MEM_H

#include <stddef.h>

#include "base/err.h"

/* size 0 gives a pointer that may be freed, never NULL for want of size. */
MUST_USE void *mem_alloc(size_t size);
MUST_USE void *mem_zalloc(size_t size);
/* count * size, or NULL if that overflows. Contents as realloc; the old block stays owned on failure. */
MUST_USE void *mem_realloc_array(void *p, size_t count, size_t size);
/* A copy of len bytes with a NUL after them. */
MUST_USE char *mem_strndup(const void *p, size_t len);
void mem_free(void *p);

/* Gives memory that is free back to the system, which frees alone do not where others lie behind it. Costs
 * milliseconds: for the quiet after a crowd. */
void mem_trim(void);

/* Overwrites memory so that the compiler cannot leave it out: for secrets. */
void mem_wipe(void *p, size_t len);
/* Equal? In a time that depends on len alone: for secrets. */
MUST_USE int mem_equal_secret(const void *a, const void *b, size_t len);

/*
 * Tests only: the n-th allocation from now (1 = the next) and each one after it fails; 0 turns that off.
 * mem_failures() counts how many have failed since the last call of mem_fail_from.
 */
void mem_fail_from(size_t n);
size_t mem_failures(void);

#endif
