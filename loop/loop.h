/*
 * loop: one thread's event loop (libuv), and the only sockets in the tree besides MHD's and libcurl's.
 *
 * loop_new makes it, loop_run runs it until loop_stop, loop_free ends it; by then everything made on it must
 * have been closed. All callbacks come from loop_run or loop_step, never from within the call that asked for
 * them. Everything here belongs to the loop's thread.
 */
#ifndef ERLGATE_LOOP_LOOP_H
#define ERLGATE_LOOP_LOOP_H

#include "base/err.h"
#include "base/slice.h"

struct loop;

MUST_USE struct loop *loop_new(void);
/* CHECKs that nothing is left open. */
void loop_free(struct loop *l);
/* Runs until nothing is open any more (hooks do not count), or loop_stop. */
void loop_run(struct loop *l);
/* Lets loop_run return at the end of this turn. For the loop's own thread, and never from a signal handler.
 */
void loop_stop(struct loop *l);
/* Runs what is ready, waiting at most wait_ms (0: not at all): for tests. */
void loop_turn(struct loop *l, uint64_t wait_ms);

/*
 * In place of loop_run, for a program that has a loop of its own (epoll, GLib): loop_fd is a descriptor that
 * becomes readable when there is something to do; it stays the loop's, and is only to be waited for.
 * loop_step does what is due, without waiting, and gives how long may be waited for loop_fd at most, in
 * milliseconds, as poll(2) and epoll_wait(2) take it: 0 not at all, -1 without end. It is to be called before
 * each wait, whatever ended the one before: what functions have been asked for since, from outside its
 * callbacks, is begun and written there. Never from a callback of the loop's.
 */
int loop_fd(const struct loop *l);
MUST_USE int loop_step(struct loop *l);

/* Monotonic, and true: not libuv's time of the turn, by which a deadline made after the process has been
 * stopped would be over at once. */
uint64_t loop_now_ms(const struct loop *l);
uint64_t loop_now_us(void); /* monotonic, precise */
/* Cryptographic randomness from the system. */
void loop_random(void *buf, size_t len);

/* ---- timers: embedded in their owner ---- */

struct loop_timer; /* one shot, re-armable */
typedef void loop_timer_fn(void *ctx, uint64_t id);

/* ctx and id are handed to fn. NULL: no memory. */
MUST_USE struct loop_timer *loop_timer_new(struct loop *l, loop_timer_fn *fn, void *ctx, uint64_t id);
void loop_timer_start(struct loop_timer *t, uint64_t delay_ms); /* re-arms */
void loop_timer_stop(struct loop_timer *t);
void loop_timer_free(struct loop_timer *t); /* takes NULL; fn is not called any more */

/* ---- once a turn, before the loop waits: for what was gathered during the turn (one writev a link) ---- */

struct loop_hook;
typedef void loop_hook_fn(void *ctx);
MUST_USE struct loop_hook *loop_hook_new(struct loop *l, loop_hook_fn *fn, void *ctx);
void loop_hook_free(struct loop_hook *h);

/* For a hook: the loop sleeps for about so long (the system's timer slack, 50 µs as a rule, comes on top)
 * after all hooks of this turn and before it waits, whatever comes meanwhile. So others get the processor,
 * and what comes is taken together. Not in loop_step, which never waits. */
void loop_rest(struct loop *l, unsigned us);

/* ---- a descriptor of somebody else (MHD's epoll; an eventfd by which another thread wakes this one) ---- */

struct loop_poll;
typedef void loop_poll_fn(void *ctx);
/* fn each turn in which fd is readable, or at its end: read it, or it is called for ever. fd stays its
 * owner's and must outlive the poll. NULL: no memory, or fd cannot be waited for (a file of a disk). */
MUST_USE struct loop_poll *loop_poll_new(struct loop *l, int fd, loop_poll_fn *fn, void *ctx);
void loop_poll_free(struct loop_poll *p);

/* ---- signals ---- */

struct loop_signal;
typedef void loop_signal_fn(void *ctx, int signo);
MUST_USE struct loop_signal *loop_signal_new(struct loop *l, int signo, loop_signal_fn *fn, void *ctx);
void loop_signal_free(struct loop_signal *s);

#endif
