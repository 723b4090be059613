#include "http/duration.h"

#include "http/text.h"

enum { GRPC_DIGITS_MAX = 8 };

bool http_grpc_timeout(struct slice value, uint64_t *ret_ms)
{
    /* Each unit as a fraction of ms: n * mul / div, rounded up. */
    static const struct {
        char unit;
        uint32_t mul, div;
    } units[] = {{'H', 3600000, 1}, {'M', 60000, 1}, {'S', 1000, 1},
                 {'m', 1, 1},       {'u', 1, 1000},  {'n', 1, 1000000}};
    uint64_t n;

    value = text_trim(value);
    if (value.len < 2 || value.len > GRPC_DIGITS_MAX + 1)
        return false;
    if (!text_read_uint((struct slice){value.ptr, value.len - 1}, &n))
        return false;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (value.ptr[value.len - 1] == (uint8_t)units[i].unit) {
            *ret_ms = (n * units[i].mul + units[i].div - 1) / units[i].div;
            return true;
        }
    }
    return false;
}

bool http_prefers(struct slice value, const char *preference)
{
    struct slice element;

    while (text_take_element(&value, &element))
        if (text_eq_nocase(text_take_token(&element), preference))
            return true;
    return false;
}

bool http_prefer_wait(struct slice value, uint64_t *ret_s)
{
    struct slice element, name, number;

    while (text_take_element(&value, &element)) {
        name = text_take_token(&element);
        if (!text_eq_nocase(name, "wait"))
            continue;
        element = text_trim(element);
        if (!text_take_char(&element, '='))
            continue;
        element = text_trim(element);
        if (text_take_value(&element, &number) && text_read_uint(number, ret_s))
            return true;
    }
    return false;
}

static void offer(struct http_wait *w, uint64_t ms, enum http_wait_source source)
{
    if (w->source != HTTP_WAIT_DEFAULT && w->ms <= ms)
        return;
    w->ms = ms;
    w->source = source;
}

static enum err blame(const char *parameter, const char **ret)
{
    if (ret)
        *ret = parameter;
    return ERR_INVALID;
}

enum err http_wait_choose(const struct http_wait_input *in, struct http_wait *ret, const char **ret_parameter)
{
    struct http_wait w = {.ms = in->default_ms};
    uint64_t n;

    if (in->has_timeout) {
        if (!text_read_uint(in->timeout, &n) || n == 0)
            return blame("timeout", ret_parameter);
        offer(&w, n, HTTP_WAIT_TIMEOUT);
    }
    if (in->has_prefer && http_prefer_wait(in->prefer, &n)) {
        if (n == 0)
            return blame("header:Prefer", ret_parameter);
        offer(&w, n > UINT64_MAX / 1000 ? UINT64_MAX : n * 1000, HTTP_WAIT_PREFER);
    }
    if (in->has_grpc) {
        if (!http_grpc_timeout(in->grpc, &n) || n == 0)
            return blame("header:Grpc-Timeout", ret_parameter);
        offer(&w, n, HTTP_WAIT_GRPC);
    }
    if (w.ms > in->max_ms)
        w.ms = in->max_ms;
    /* What was cut below one second is not a wait that Prefer could have asked for. */
    if (w.source == HTTP_WAIT_PREFER)
        w.applied_s = w.ms / 1000;
    *ret = w;
    return ERR_NONE;
}
