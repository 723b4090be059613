/*
 * settings_text: the numbers, addresses and words that options' values are.
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "src/settings_read.h"
#include "src/units.h"

enum { WHAT_MAX = 256 };

bool settings_parse_number(const char *text, uint64_t low, uint64_t high, uint64_t *ret)
{
    uint64_t v;

    if (!units_parse(text, UNITS_NONE, &v) || v < low || v > high)
        return false;
    *ret = v;
    return true;
}

uint64_t settings_number(struct options *o, enum option which, uint64_t low, uint64_t high)
{
    enum units units = units_of_argument(options_spec(which)->argument);
    const char *given = options_get(o, which);
    char what[WHAT_MAX];
    uint64_t v;

    if (units_parse(given, units, &v) && v >= low && v <= high)
        return v;
    snprintf(what, sizeof what, "is to be a number%s from %llu to %llu, and not '%.40s'",
             units_in_words(units), (unsigned long long)low, (unsigned long long)high, given);
    options_fault(o, which, what);
    return 0;
}

bool settings_parse_address(const char *text, char *host, size_t cap, uint16_t *ret_port)
{
    const char *colon = strrchr(text, ':');
    size_t len;
    uint64_t port;

    if (!colon || !settings_parse_number(colon + 1, 0, 65535, &port))
        return false;
    len = (size_t)(colon - text);
    if (len >= 2 && text[0] == '[' && text[len - 1] == ']') {
        text++;
        len -= 2;
    } else if (memchr(text, ':', len)) {
        return false;
    }
    if (len >= cap)
        return false;
    memcpy(host, text, len);
    host[len] = '\0';
    if (strcmp(host, "*") == 0)
        host[0] = '\0';
    *ret_port = (uint16_t)port;
    return true;
}

/* "is to be none, optional or required". */
static void list_words(const char *const *words, char *ret, size_t cap)
{
    size_t n = (size_t)snprintf(ret, cap, "is to be ");

    for (size_t i = 0; words[i] && n < cap; i++)
        n += (size_t)snprintf(ret + n, cap - n, "%s%s", i == 0 ? "" : words[i + 1] ? ", " : " or ", words[i]);
}

size_t settings_word(struct options *o, enum option which, const char *const *words)
{
    const char *given = options_get(o, which), *closest;
    char what[WHAT_MAX];
    size_t n = 0, used;

    while (words[n] && strcmp(given, words[n]) != 0)
        n++;
    if (words[n])
        return n;
    closest = options_closest(given, words, n);
    list_words(words, what, sizeof what);
    used = strlen(what);
    if (closest)
        snprintf(what + used, sizeof what - used, "; did you mean '%s'?", closest);
    options_fault(o, which, what);
    return 0;
}

static bool sockaddr_is_loopback(const struct sockaddr *a)
{
    if (a->sa_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr) >> 24 == 127;
    return a->sa_family == AF_INET6 &&
           IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr);
}

bool settings_resolve_loopback(const char *host, char *ret, size_t cap, bool *ret_is_known)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *list;
    bool is_loopback = true;

    *ret_is_known = getaddrinfo(host, NULL, &hints, &list) == 0;
    if (!*ret_is_known)
        return false;
    for (struct addrinfo *ai = list; ai; ai = ai->ai_next)
        is_loopback &= sockaddr_is_loopback(ai->ai_addr);
    for (struct addrinfo *ai = list; ai && is_loopback; ai = ai->ai_next) {
        if (getnameinfo(ai->ai_addr, ai->ai_addrlen, ret, (socklen_t)cap, NULL, 0, NI_NUMERICHOST) != 0)
            is_loopback = false;
        if (ai->ai_family == AF_INET)
            break; /* Erlang nodes dial IPv4 unless told otherwise */
    }
    freeaddrinfo(list);
    return is_loopback;
}

bool settings_is_loopback(const char *host)
{
    char address[256];
    bool is_known;

    return *host && settings_resolve_loopback(host, address, sizeof address, &is_known);
}

bool settings_is_address(const char *host)
{
    uint8_t address[16];
    char bare[64];

    snprintf(bare, sizeof bare, "%.*s", (int)strcspn(host, "%"), host);
    return !*host || inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, bare, address) == 1;
}
