/*
 * fan: one exchange that goes to many processes: all members of a group.
 *
 * Made by fan_out, which takes the exchange on; ended with it: answered when the last member has been, or
 * called off.
 */
#ifndef ERLGATE_BRIDGE_FAN_H
#define ERLGATE_BRIDGE_FAN_H

#include "bridge/internal.h"

/* pids are copied. A call, and a look, is answered by an array of what each gave; the rest is accepted when
 * it has been sent to at least one. */
void fan_out(struct gateway *g, struct exchange *x, const struct etf_pid *pids, size_t count);

#endif
