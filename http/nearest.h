/*
 * nearest: which route was probably meant, where a path leads nowhere.
 *
 * Pure. Goes through the whole table: for answers that are errors only.
 */
#ifndef ERLGATE_HTTP_NEAREST_H
#define ERLGATE_HTTP_NEAREST_H

#include "http/server.h"

/* The route whose path is reached from the given one by a word spelt right, a segment put in or one left out;
 * of several the one that takes least, then the one that has most of its words. NULL: none, or nothing but
 * the first segment, which all of an API may share, speaks for it. has_method: only with this method; else
 * with another, too, if none has it. */
const struct http_route *http_nearest(const struct http_route *routes, size_t count, struct slice method,
                                      bool has_method, const struct slice *segments, size_t segment_count);

#endif
