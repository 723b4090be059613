#include "auth/shown.h"

static bool is_alnum(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"=" */
bool auth_is_token68(struct slice s)
{
    size_t n = s.len, i = 0;

    while (n > 0 && s.ptr[n - 1] == '=')
        n--;
    while (i < n && (is_alnum(s.ptr[i]) || memchr("-._~+/", s.ptr[i], 6)))
        i++;
    return n > 0 && i == n;
}

static bool is_bearer(struct slice scheme)
{
    static const char word[] = "bearer";

    if (scheme.len != sizeof word - 1)
        return false;
    for (size_t i = 0; i < scheme.len; i++)
        if ((scheme.ptr[i] | 0x20) != word[i])
            return false;
    return true;
}

enum auth_why auth_bearer_read(struct slice authorization, struct slice *ret)
{
    struct slice scheme = authorization, token;

    scheme.len = 0;
    while (scheme.len < authorization.len && is_alnum(authorization.ptr[scheme.len]))
        scheme.len++;
    if (!is_bearer(scheme))
        return AUTH_OTHER_SCHEME;
    token = slice_of(authorization.ptr + scheme.len, authorization.len - scheme.len);
    if (token.len == 0 || token.ptr[0] != ' ')
        return AUTH_MALFORMED;
    while (token.len && token.ptr[0] == ' ')
        token = slice_of(token.ptr + 1, token.len - 1);
    if (!auth_is_token68(token))
        return AUTH_MALFORMED;
    *ret = token;
    return AUTH_FINE;
}

static struct slice trim(struct slice s)
{
    while (s.len && (s.ptr[0] == ' ' || s.ptr[0] == '\t'))
        s = slice_of(s.ptr + 1, s.len - 1);
    while (s.len && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
        s.len--;
    return s;
}

/* The next of "a=b; c=d". False at the end. */
static bool take_pair(struct slice *rest, struct slice *ret)
{
    const uint8_t *end;

    if (!rest->len)
        return false;
    end = memchr(rest->ptr, ';', rest->len);
    *ret = trim(end ? slice_of(rest->ptr, (size_t)(end - rest->ptr)) : *rest);
    *rest = end ? slice_of(end + 1, rest->len - (size_t)(end + 1 - rest->ptr)) : (struct slice){0};
    return true;
}

bool auth_cookie_read(struct slice cookie, const char *name, struct slice *ret)
{
    const size_t n = strlen(name);
    unsigned count = 0;
    struct slice pair;

    while (take_pair(&cookie, &pair)) {
        if (pair.len <= n || memcmp(pair.ptr, name, n) != 0 || pair.ptr[n] != '=')
            continue;
        count++;
        *ret = slice_of(pair.ptr + n + 1, pair.len - n - 1);
    }
    return count == 1;
}
