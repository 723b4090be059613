/*
 * channel: messages from one loop's thread to another's, in batches.
 *
 * One way, one sender, one receiver, who share nothing else. The sender writes messages one after another
 * into a buffer of its own (channel_begin … channel_end); what it has written in a turn of its loop goes over
 * in one piece, and the receiver is woken once (channel_flush, from a hook of the sender's loop). Buffers go
 * round: in the steady state nothing is allocated, and a message is copied once.
 *
 * Made and ended by the receiver's thread. Messages come in the order in which they were sent, each exactly
 * once, from loop_run.
 */
#ifndef ERLGATE_LOOP_CHANNEL_H
#define ERLGATE_LOOP_CHANNEL_H

#include "base/wr.h"
#include "loop/loop.h"

struct channel;

/* So much of a turn's messages, their heads of 8 bytes with them, goes over though there be no memory left:
 * what says that something has ended, or could not be, is never lost. */
enum { CHANNEL_SURE_BYTES = 64 << 10 };

/* kind: the users' own. body: borrowed for the call, its address a multiple of 8. */
typedef void channel_fn(void *ctx, unsigned kind, struct slice body);

/* ---- the receiver's ---- */

/* batch: called after the last message of each batch, unless NULL. room: bytes of messages that may be on
 * their way before channel_is_full. NULL: no memory. */
MUST_USE struct channel *channel_new(struct loop *receiver, size_t room, channel_fn *fn,
                                     void (*batch)(void *ctx), void *ctx);
/* Hands over what has been flushed already and not come yet: for the end, when the loop does not run any
 * more. */
void channel_drain(struct channel *c);
/* The sender must not touch it any more. What has not come is dropped. Takes NULL. */
void channel_free(struct channel *c);

/* ---- the sender's ---- */

/* Is so much on its way that a message which can be refused should be? One that cannot is sent all the same.
 */
bool channel_is_full(const struct channel *c);
/* Where the body of a message is to be written, by the wr_ functions; NULL: no memory, and nothing is sent
 * (what is shorter may still be). Exactly one channel_end follows; in between nothing else is sent. */
MUST_USE struct wr *channel_begin(struct channel *c, unsigned kind);
/* False: its body could not be written whole (the writer has failed), and it is not sent. */
bool channel_end(struct channel *c);
/* The same in one step: a head of fixed layout, and bytes after it. */
bool channel_send(struct channel *c, unsigned kind, const void *head, size_t head_len, struct slice body);
/* What has been sent since the last time goes over. */
void channel_flush(struct channel *c);

#endif
