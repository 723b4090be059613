#include "oracle.h"

#include <jansson.h>

static json_t *load(struct slice text, json_error_t *error)
{
    return json_loadb((const char *)text.ptr, text.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, error);
}

enum oracle_answer oracle_is_json(struct slice text)
{
    static const char *const limits[] = {"too big", "NUL byte", "depth", "overflow"};
    json_error_t error;
    json_t *j;

    /* It takes a zero byte for the end of the text. */
    if (text.len && memchr(text.ptr, 0, text.len))
        return ORACLE_CANNOT_TELL;
    j = load(text, &error);
    if (j) {
        json_decref(j);
        return ORACLE_YES;
    }
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        if (strstr(error.text, limits[i]))
            return ORACLE_CANNOT_TELL;
    }
    return ORACLE_NO;
}

bool oracle_is_same_json(struct slice a, struct slice b)
{
    json_error_t error;
    json_t *x = load(a, &error), *y = load(b, &error);
    bool is_same = x && y && json_equal(x, y);

    json_decref(x);
    json_decref(y);
    return is_same;
}
