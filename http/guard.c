#include "http/guard.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/utf8.h"
#include "http/text.h"

enum { NAME_MAX_LEN = 255, SHOWN_MAX = 120 };

/* ---- gathering ---- */

static void keep_first(struct slice value, unsigned *count, struct slice *slot)
{
    if ((*count)++ == 0)
        *slot = value;
}

/* Sec-Fetch-Site: the page is ours, or there is none (typed, bookmarked); a client that is no browser sends
 * nothing. */
static bool is_own_site(struct slice site)
{
    return !site.len || text_eq_nocase(site, "same-origin") || text_eq_nocase(site, "none");
}

/* No encoding at all, by either way to say so. */
static bool is_identity(struct slice coding)
{
    return !coding.len || text_eq_nocase(coding, "identity");
}

/* A field whose first value alone is asked for, later. */
static void keep_known(struct http_head *head, enum http_known which, struct slice value)
{
    if (!head->known[which].ptr)
        head->known[which] = value;
}

#define IS(name, text) text_same_nocase((name), SLICE(text))

void http_head_add(struct http_head *head, struct slice name, struct slice value)
{
    struct slice raw = value;
    unsigned once = 0;

    if (!text_is_token(name))
        head->is_malformed = true;
    value = text_trim(value);
    switch (name.len) { /* the length tells nearly all of them apart */
    case 4:
        if (IS(name, "Host"))
            keep_first(value, &head->host_count, &head->host);
        break;
    case 6:
        if (IS(name, "Accept")) {
            keep_known(head, HTTP_KNOWN_ACCEPT, value);
        } else if (IS(name, "Origin")) {
            keep_first(value, &head->origin_count, &head->origin);
        } else if (IS(name, "Expect")) {
            keep_first(value, &head->expect_count, &head->expect);
        } else if (IS(name, "Cookie")) {
            keep_first(value, &head->cookie_count, &head->cookie);
        } else if (IS(name, "Prefer")) {
            keep_known(head, HTTP_KNOWN_PREFER, value);
            if (!head->prefer.len)
                keep_first(value, &once, &head->prefer);
        }
        break;
    case 11:
        if (IS(name, "traceparent") && !head->traceparent.len)
            keep_first(value, &once, &head->traceparent);
        break;
    case 12:
        if (IS(name, "Content-Type"))
            keep_known(head, HTTP_KNOWN_CONTENT_TYPE, value);
        else if (IS(name, "Grpc-Timeout"))
            keep_known(head, HTTP_KNOWN_GRPC_TIMEOUT, value);
        else if (IS(name, "X-Request-Id") && !head->request_id.len)
            keep_first(value, &once, &head->request_id);
        break;
    case 13:
        if (IS(name, "Authorization"))
            keep_first(value, &head->authorization_count, &head->authorization);
        break;
    case 14:
        if (IS(name, "Content-Length")) {
            head->length_count++;
            head->is_length_bad = head->is_length_bad || !text_read_uint(value, &head->length);
        } else if (IS(name, "Sec-Fetch-Site")) {
            /* A repeated field must not hide a stranger. */
            if (is_own_site(head->fetch_site))
                head->fetch_site = value;
        }
        break;
    case 15:
        if (IS(name, "Accept-Encoding"))
            keep_known(head, HTTP_KNOWN_ACCEPT_ENCODING, value);
        break;
    case 16:
        if (IS(name, "Content-Encoding") && !is_identity(value))
            head->content_encoding = value;
        break;
    case 17:
        if (IS(name, "Transfer-Encoding"))
            keep_first(raw, &head->encoding_count, &head->encoding); /* as the library compares it */
        break;
    default: break;
    }
}

/* ---- whose host is it? ---- */

/* Letters and digits are tested first: nearly all are. */
static bool is_host_char(uint8_t c, bool is_v6)
{
    return (uint8_t)((c | 0x20) - 'a') < 26 || (uint8_t)(c - '0') < 10 || c == '-' || c == '.' || c == '_' ||
           (is_v6 && (c == ':' || c == '%'));
}

/* host [":" port] (RFC 3986, 3.2.2): the host alone, without brackets and a dot at its end. False when it is
 * none. */
static bool read_host(struct slice in, struct slice *ret)
{
    bool is_v6 = text_take_char(&in, '[');
    struct slice name = in, port;
    uint64_t number;

    while (in.len && is_host_char(in.ptr[0], is_v6)) {
        in.ptr++;
        in.len--;
    }
    name.len -= in.len;
    if (is_v6 && !text_take_char(&in, ']'))
        return false;
    port = in;
    if (text_take_char(&port, ':') && port.len && (!text_read_uint(port, &number) || number > UINT16_MAX))
        return false;
    if (in.len && in.ptr[0] != ':')
        return false;
    if (name.len > 1 && name.ptr[name.len - 1] == '.')
        name.len--;
    *ret = name;
    return name.len > 0 && name.len <= NAME_MAX_LEN;
}

enum address_kind { ADDRESS_NONE, ADDRESS_LOOPBACK, ADDRESS_OTHER };

static enum address_kind address_kind(struct slice name)
{
    char text[INET6_ADDRSTRLEN + 1];
    struct in_addr v4;
    struct in6_addr v6;

    if (name.len >= sizeof text)
        return ADDRESS_NONE;
    memcpy(text, name.ptr, name.len);
    text[name.len] = '\0';
    if (inet_pton(AF_INET, text, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127 ? ADDRESS_LOOPBACK : ADDRESS_OTHER;
    if (inet_pton(AF_INET6, text, &v6) == 1)
        return IN6_IS_ADDR_LOOPBACK(&v6) ? ADDRESS_LOOPBACK : ADDRESS_OTHER;
    return ADDRESS_NONE;
}

static bool is_localhost(struct slice name)
{
    static const char suffix[] = ".localhost";
    const size_t n = sizeof suffix - 1;

    if (text_eq_nocase(name, "localhost"))
        return true;
    return name.len > n && text_eq_nocase(slice_of(name.ptr + name.len - n, n), suffix);
}

/* A configured name may have a port, or be an IPv6 address without brackets. */
static bool is_configured(struct slice name, const char *configured)
{
    struct slice host;

    return text_eq_nocase(name, configured) ||
           (read_host(slice_of_str(configured), &host) && text_same_nocase(name, host));
}

static bool is_our_name(const struct http_guard *g, struct slice name)
{
    enum address_kind kind;

    if (is_localhost(name))
        return true;
    kind = address_kind(name);
    if (kind == ADDRESS_LOOPBACK || (kind == ADDRESS_OTHER && g->is_any))
        return true;
    if (g->listen && is_configured(name, g->listen))
        return true;
    for (size_t i = 0; g->hosts && g->hosts[i]; i++) {
        if (is_configured(name, g->hosts[i]))
            return true;
    }
    return g->is_named && g->is_named(g->ctx, name);
}

bool http_guard_is_ours(const struct http_guard *g, struct slice host)
{
    struct slice name;

    return read_host(host, &name) && is_our_name(g, name);
}

/* ---- judging ---- */

__attribute__((format(printf, 4, 5))) static bool refuse(struct http_refusal *ret, const char *code,
                                                         const char *parameter, const char *fmt, ...)
{
    va_list ap;

    ret->code = code;
    ret->parameter = parameter;
    ret->must_close = false;
    va_start(ap, fmt);
    vsnprintf(ret->detail, sizeof ret->detail, fmt, ap);
    va_end(ap);
    return false;
}

static bool refuse_and_close(struct http_refusal *ret, const char *parameter, const char *detail)
{
    refuse(ret, "bad-parameter", parameter, "%s", detail);
    ret->must_close = true;
    return false;
}

static bool judge_framing(const struct http_head *head, struct http_refusal *ret)
{
    if (head->is_malformed)
        return refuse_and_close(
            ret, NULL,
            "The head of the request is not what RFC 9112 wants: each line ends in CRLF, is not "
            "folded, and begins with a name and a colon.");
    if (head->length_count > 1)
        return refuse_and_close(ret, "header:Content-Length", "Content-Length is repeated.");
    if (head->is_length_bad)
        return refuse_and_close(ret, "header:Content-Length", "Content-Length is no number.");
    if (!head->encoding_count)
        return true;
    if (head->length_count)
        return refuse_and_close(ret, "header:Content-Length",
                                "Content-Length and Transfer-Encoding exclude each other.");
    if (head->is_1_0)
        return refuse_and_close(ret, "header:Transfer-Encoding", "HTTP/1.0 has no Transfer-Encoding.");
    if (head->encoding_count > 1 || !text_eq_nocase(head->encoding, "chunked"))
        return refuse_and_close(ret, "header:Transfer-Encoding",
                                "The only Transfer-Encoding known here is chunked.");
    return true;
}

static int shown(struct slice s)
{
    return (int)utf8_head(s, SHOWN_MAX).len;
}

static bool judge_host(const struct http_guard *g, const struct http_head *head, struct slice host,
                       struct http_refusal *ret)
{
    struct slice name;

    if (head->host_count > 1)
        return refuse_and_close(ret, "header:Host", "Host is repeated.");
    if (head->host_count == 0 && !head->is_1_0)
        return refuse(ret, "bad-parameter", "header:Host", "HTTP/1.1 wants a Host.");
    /* No browser speaks HTTP/1.0, so that no page can stand behind a request without Host; health checks can.
     */
    if (head->host_count == 0 && !head->authority.len)
        return true;
    if (!read_host(host, &name))
        return refuse(ret, "bad-parameter", "header:Host", "Host is neither a name nor an address.");
    if (is_our_name(g, name))
        return true;
    return refuse(ret, "misdirected-host", "header:Host",
                  "This gateway does not answer to the name %.*s. If it should, start it with --host %.*s.",
                  shown(name), (const char *)name.ptr, shown(name), (const char *)name.ptr);
}

/* scheme "://" host: is host the one that the request went to? */
static bool is_same_origin(struct slice origin, struct slice host)
{
    for (size_t i = 0; i + 3 <= origin.len; i++) {
        if (memcmp(origin.ptr + i, "://", 3) == 0)
            return text_same_nocase(slice_of(origin.ptr + i + 3, origin.len - i - 3), host);
    }
    return false;
}

const char *http_guard_origin(const struct http_guard *g, const struct http_head *head)
{
    for (size_t i = 0; head->origin_count == 1 && g->origins && g->origins[i]; i++)
        if (text_eq_nocase(head->origin, g->origins[i]))
            return g->origins[i];
    return NULL;
}

bool http_host_is_valid(const char *text)
{
    struct slice name;

    return (read_host(slice_of_str(text), &name) || address_kind(slice_of_str(text)) != ADDRESS_NONE);
}

bool http_origin_is_valid(const char *text)
{
    const char *colon = strstr(text, "://");
    struct slice host, read;

    if (!colon || colon == text || strlen(text) > HTTP_ORIGIN_MAX)
        return false;
    for (const char *p = text; p < colon; p++)
        if (!((*p >= 'a' && *p <= 'z') || (p > text && ((*p >= '0' && *p <= '9') || strchr("+-.", *p)))))
            return false;
    host = slice_of_str(colon + 3);
    return read_host(host, &read) && host.ptr[host.len - 1] != ':' && host.ptr[host.len - 1] != '.';
}

static bool judge_site(const struct http_guard *g, const struct http_head *head, struct slice host,
                       struct http_refusal *ret)
{
    if (http_guard_origin(g, head))
        return true;
    if (!is_own_site(head->fetch_site))
        return refuse(
            ret, "cross-site", "header:Sec-Fetch-Site",
            "A browser sent this on behalf of another site's page. Pages that are to use the gateway must "
            "come from it, through a proxy of the same origin, or from an origin that --cors-origin names.");
    if (head->origin_count > 1)
        return refuse(ret, "cross-site", "header:Origin", "Origin is repeated.");
    if (head->origin_count && !is_same_origin(head->origin, host))
        return refuse(
            ret, "cross-site", "header:Origin",
            "The page is from %.*s, and the gateway was asked as %.*s. Pages of another origin want "
            "--cors-origin; if both are the same gateway, let the proxy before it hand on Host unchanged.",
            shown(head->origin), (const char *)head->origin.ptr, shown(host), (const char *)host.ptr);
    return true;
}

bool http_guard_judge(const struct http_guard *g, const struct http_head *head, struct http_refusal *ret)
{
    struct slice host = head->authority.len ? head->authority : head->host;

    return judge_framing(head, ret) && judge_host(g, head, host, ret) &&
           (!head->authority.len || !head->host_count || judge_host(g, head, head->host, ret)) &&
           judge_site(g, head, host, ret);
}
