#include "src/units.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { UNITS_EACH = 6 };

static const struct row {
    const char *argument, *words;
    struct {
        const char *name; /* NULL: no more */
        uint64_t factor;
    } unit[UNITS_EACH];
} rows[] = {
    [UNITS_NONE] = {NULL, "", {{"", 1}}},
    [UNITS_MS] = {"MS",
                  " of milliseconds (or as in 500ms, 30s, 2m)",
                  {{"", 1}, {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}}},
    [UNITS_SECONDS] = {"SECONDS",
                       " of seconds (or as in 30s, 2m, 1h)",
                       {{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}}},
    [UNITS_BYTES] = {"BYTES",
                     " of bytes (or as in 64KiB, 8MiB, 1GiB)",
                     {{"", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}}},
};

bool units_parse(const char *text, enum units units, uint64_t *ret)
{
    const struct row *row = &rows[units];
    unsigned long long v;
    char *end;

    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    v = strtoull(text, &end, 10);
    for (size_t i = 0; errno == 0 && i < UNITS_EACH && row->unit[i].name; i++) {
        if (strcmp(end, row->unit[i].name) != 0)
            continue;
        *ret = v * row->unit[i].factor;
        return v <= UINT64_MAX / row->unit[i].factor;
    }
    return false;
}

enum units units_of_argument(const char *argument)
{
    for (size_t i = UNITS_MS; i < sizeof rows / sizeof rows[0]; i++)
        if (argument && strcmp(argument, rows[i].argument) == 0)
            return (enum units)i;
    return UNITS_NONE;
}

const char *units_in_words(enum units units)
{
    return rows[units].words;
}
