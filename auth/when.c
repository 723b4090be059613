#include "auth/when.h"

#include <time.h>

static bool digits(const uint8_t *p, size_t n, int *ret)
{
    int v = 0;

    for (size_t i = 0; i < n; i++) {
        if (p[i] < '0' || p[i] > '9')
            return false;
        v = v * 10 + (p[i] - '0');
    }
    *ret = v;
    return true;
}

static bool read_date(const uint8_t *p, struct tm *ret)
{
    if (!digits(p, 4, &ret->tm_year) || p[4] != '-' || !digits(p + 5, 2, &ret->tm_mon) || p[7] != '-' ||
        !digits(p + 8, 2, &ret->tm_mday))
        return false;
    ret->tm_year -= 1900;
    ret->tm_mon -= 1;
    return true;
}

static bool read_time(const uint8_t *p, struct tm *ret)
{
    return (p[0] == 'T' || p[0] == 't') && digits(p + 1, 2, &ret->tm_hour) && p[3] == ':' &&
           digits(p + 4, 2, &ret->tm_min) && p[6] == ':' && digits(p + 7, 2, &ret->tm_sec) &&
           (p[9] == 'Z' || p[9] == 'z');
}

bool auth_when_read(struct slice text, int64_t *ret_s)
{
    struct tm tm = {0}, same;
    time_t t;

    if (text.len != 10 && text.len != 20)
        return false;
    if (!read_date(text.ptr, &tm) || (text.len == 20 && !read_time(text.ptr + 10, &tm)))
        return false;
    same = tm;
    t = timegm(&same);
    /* timegm takes the 31st of February for the 3rd of March. */
    if (same.tm_mday != tm.tm_mday || same.tm_mon != tm.tm_mon || same.tm_hour != tm.tm_hour ||
        same.tm_min != tm.tm_min || same.tm_sec != tm.tm_sec)
        return false;
    *ret_s = t;
    return true;
}

void auth_when_print(int64_t s, char out[AUTH_WHEN_MAX])
{
    time_t t = (time_t)s;
    struct tm tm;

    out[0] = '\0';
    if (s >= -62167219200 && s <= 253402300799 && gmtime_r(&t, &tm))
        strftime(out, AUTH_WHEN_MAX, "%Y-%m-%dT%H:%M:%SZ", &tm);
}
