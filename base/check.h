/*
 * CHECK: an assertion about our own code, on in release too. Nothing that comes from outside can make one
 * fail: what a peer or a client gets wrong is data, and is returned as an enum err.
 */
#ifndef ERLGATE_BASE_CHECK_H
#define ERLGATE_BASE_CHECK_H

_Noreturn void check_failed(const char *expr, const char *file, int line);

#define CHECK(expr) (__builtin_expect(!!(expr), 1) ? (void)0 : check_failed(#expr, __FILE__, __LINE__))

/* For what a loop is made of: as a call it would cost as much again. */
#define ALWAYS_INLINE inline __attribute__((always_inline))

#define LIKELY(x)   __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#endif
