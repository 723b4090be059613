#include "http/negotiate.h"

#include "base/check.h"
#include "http/text.h"

struct media {
    enum http_media id;
    const char *type, *subtype;
    const char *sent; /* in Content-Type */
};

static const struct media medias[] = {
    {HTTP_MEDIA_JSON, "application", "json", "application/json"},
    {HTTP_MEDIA_TYPED_JSON, "application", "vnd.erlang.typed+json", "application/vnd.erlang.typed+json"},
    {HTTP_MEDIA_ERLANG, "text", "x-erlang", "text/x-erlang; charset=utf-8"},
    {HTTP_MEDIA_ETF, "application", "vnd.erlang.etf", "application/vnd.erlang.etf"},
    {HTTP_MEDIA_PROBLEM, "application", "problem+json", "application/problem+json"},
    {HTTP_MEDIA_EVENT_STREAM, "text", "event-stream", "text/event-stream; charset=utf-8"},
    {HTTP_MEDIA_NDJSON, "application", "x-ndjson", "application/x-ndjson"},
};

const enum http_media http_media_terms[HTTP_MEDIA_TERMS] = {HTTP_MEDIA_JSON, HTTP_MEDIA_TYPED_JSON,
                                                            HTTP_MEDIA_ERLANG, HTTP_MEDIA_ETF};

const char *http_media_name(enum http_media m)
{
    CHECK(m < ARRAY_LEN(medias) && medias[m].id == m);
    return medias[m].sent;
}

/* type "/" subtype, of which either may be "*" in a range. False when it is neither. */
static bool read_type(struct slice *in, struct slice *ret_type, struct slice *ret_subtype)
{
    *ret_type = text_take_token(in);
    if (!ret_type->len || !text_take_char(in, '/'))
        return false;
    *ret_subtype = text_take_token(in);
    return ret_subtype->len > 0;
}

/* *( OWS ";" OWS [ name "=" value ] ): the next one; name empty at the end. False when malformed. */
static bool read_parameter(struct slice *in, struct slice *ret_name, struct slice *ret_value)
{
    *ret_name = *ret_value = (struct slice){0};
    do {
        *in = text_trim(*in);
        if (!in->len)
            return true;
        if (!text_take_char(in, ';'))
            return false;
        *in = text_trim(*in);
    } while (in->len && in->ptr[0] == ';');
    if (!in->len)
        return true;
    *ret_name = text_take_token(in);
    if (!ret_name->len || !text_take_char(in, '='))
        return false;
    return text_take_value(in, ret_value);
}

enum err http_media_of_content(struct slice value, enum http_media *ret)
{
    struct slice type, subtype, name, text;
    enum http_media found = HTTP_MEDIA_JSON;
    bool is_known = false;

    value = text_trim(value);
    if (!value.len || slice_eq_str(value, medias[HTTP_MEDIA_JSON].sent)) { /* what most say */
        *ret = HTTP_MEDIA_JSON;
        return ERR_NONE;
    }
    if (!read_type(&value, &type, &subtype))
        return ERR_UNSUPPORTED;
    for (size_t i = 0; i < HTTP_MEDIA_TERMS; i++) {
        const struct media *m = &medias[http_media_terms[i]];

        if (text_eq_nocase(type, m->type) && text_eq_nocase(subtype, m->subtype)) {
            found = m->id;
            is_known = true;
        }
    }
    is_known =
        is_known || (text_eq_nocase(type, "application") && text_eq_nocase(subtype, "x-www-form-urlencoded"));
    if (!is_known)
        return ERR_UNSUPPORTED;
    for (;;) {
        if (!read_parameter(&value, &name, &text))
            return ERR_UNSUPPORTED;
        if (!name.len)
            break;
        if (text_eq_nocase(name, "charset") && !text_eq_nocase(text, "utf-8"))
            return ERR_UNSUPPORTED;
    }
    *ret = found;
    return ERR_NONE;
}

/* ---- Accept ---- */

struct range {
    struct slice type, subtype;
    unsigned q; /* thousandths */
};

static bool read_range(struct slice in, struct range *ret)
{
    struct slice name, value;

    *ret = (struct range){.q = 1000};
    in = text_trim(in);
    if (!read_type(&in, &ret->type, &ret->subtype))
        return false;
    if (slice_eq_str(ret->type, "*") && !slice_eq_str(ret->subtype, "*"))
        return false;
    for (;;) {
        if (!read_parameter(&in, &name, &value))
            return false;
        if (!name.len)
            return true;
        if (text_eq_nocase(name, "q"))
            return text_read_q(value, &ret->q); /* what follows q is an extension of Accept's */
    }
}

/* 0: does not match; 1: all, 2: all of the type, 3: exactly. */
static unsigned match(const struct range *r, const struct media *m)
{
    if (slice_eq_str(r->type, "*"))
        return 1;
    if (!text_eq_nocase(r->type, m->type))
        return 0;
    if (slice_eq_str(r->subtype, "*"))
        return 2;
    return text_eq_nocase(r->subtype, m->subtype) ? 3 : 0;
}

static unsigned quality(struct slice accept, const struct media *m)
{
    unsigned best = 0, q = 0;
    struct slice element;

    while (text_take_element(&accept, &element)) {
        struct range r;
        unsigned how;

        if (!read_range(element, &r))
            continue;
        how = match(&r, m);
        if (how > best || (how == best && how && r.q > q)) {
            best = how;
            q = r.q;
        }
    }
    return q;
}

enum err http_media_choose(struct slice accept, const enum http_media *offers, size_t count,
                           enum http_media *ret)
{
    unsigned best = 0;

    CHECK(count > 0);
    accept = text_trim(accept);
    if (!accept.len || slice_eq_str(accept, "*/*")) {
        *ret = offers[0];
        return ERR_NONE;
    }
    for (size_t i = 0; i < count; i++) {
        unsigned q = quality(accept, &medias[offers[i]]);

        if (q > best) {
            best = q;
            *ret = offers[i];
        }
    }
    return best ? ERR_NONE : ERR_UNSUPPORTED;
}
