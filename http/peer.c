#include "http/peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

enum { MAPPED_LEN = 12, NET_LEN = 8, LOOPBACK_NET = 127 };

static const uint8_t mapped[MAPPED_LEN] = {[10] = 0xFF, [11] = 0xFF};

static bool is_v4(const struct http_peer *p)
{
    return memcmp(p->bytes, mapped, MAPPED_LEN) == 0;
}

static bool is_loopback(const struct http_peer *p)
{
    static const uint8_t v6[HTTP_PEER_BYTES] = {[15] = 1};

    return is_v4(p) ? p->bytes[MAPPED_LEN] == LOOPBACK_NET : memcmp(p->bytes, v6, sizeof v6) == 0;
}

struct http_peer http_peer_of(const struct sockaddr *address)
{
    struct http_peer p = {.is_known = true};

    switch (address->sa_family) {
    case AF_INET:
        memcpy(p.bytes, mapped, MAPPED_LEN);
        memcpy(p.bytes + MAPPED_LEN, &((const struct sockaddr_in *)(const void *)address)->sin_addr, 4);
        return p;
    case AF_INET6:
        memcpy(p.bytes, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, sizeof p.bytes);
        return p;
    default: return (struct http_peer){0};
    }
}

struct slice http_peer_key(const struct http_peer *p)
{
    if (!p->is_known || is_loopback(p))
        return (struct slice){0};
    return slice_of(p->bytes, is_v4(p) ? HTTP_PEER_BYTES : NET_LEN);
}

const char *http_peer_write(const struct http_peer *p, char ret[HTTP_PEER_TEXT])
{
    const char *text = NULL;

    if (p->is_known)
        text = is_v4(p) ? inet_ntop(AF_INET, p->bytes + MAPPED_LEN, ret, HTTP_PEER_TEXT)
                        : inet_ntop(AF_INET6, p->bytes, ret, HTTP_PEER_TEXT);
    if (!text)
        ret[0] = '\0';
    return ret;
}
