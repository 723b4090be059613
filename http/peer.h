/*
 * peer: whom a connection comes from: an IP address, and what of it counts as one client.
 *
 * Pure.
 */
#ifndef ERLGATE_HTTP_PEER_H
#define ERLGATE_HTTP_PEER_H

#include <sys/socket.h>

#include "base/slice.h"

enum { HTTP_PEER_BYTES = 16, HTTP_PEER_TEXT = 46 };

struct http_peer {
    uint8_t bytes[HTTP_PEER_BYTES]; /* of IPv6; IPv4 is mapped into it */
    bool is_known;                  /* false: it is no IP address */
};

struct http_peer http_peer_of(const struct sockaddr *address);
/* What limits for each address count by: an IPv4 address, or the first 64 bits of an IPv6 one, which are a
 * household's. Empty: it is not counted, for it is this machine itself, from which proxies come, or no IP
 * address. Borrows. */
struct slice http_peer_key(const struct http_peer *p);
/* "192.0.2.1", "2001:db8::1"; "" when it is not known. */
const char *http_peer_write(const struct http_peer *p, char ret[HTTP_PEER_TEXT]);

#endif
