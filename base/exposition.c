#include "base/exposition.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/check.h"
#include "base/utf8.h"

enum { REPLACEMENT = 0xFFFD, MICROS = 1000000 };

static const char *const kinds[] = {"counter", "gauge", "histogram"};

void exposition_init(struct exposition *x, struct wr *w, bool is_open)
{
    *x = (struct exposition){.w = w, .is_open = is_open};
}

/* The name without the _total that OpenMetrics has in samples alone. */
static size_t family_len(const struct exposition *x)
{
    size_t len = strlen(x->name);

    return x->is_open && x->kind == EXPOSITION_COUNTER ? len - strlen("_total") : len;
}

static void put_escaped(struct wr *w, struct slice s, bool has_quotes)
{
    const uint8_t *p = s.ptr, *end = s.len ? s.ptr + s.len : s.ptr;

    while (p < end) {
        int32_t cp = utf8_next(&p, end);

        if (cp == UTF8_INVALID) {
            p++;
            utf8_write(w, REPLACEMENT);
        } else if (cp == '\n') {
            wr_str(w, "\\n");
        } else {
            if (cp == '\\' || (cp == '"' && has_quotes))
                wr_u8(w, '\\');
            utf8_write(w, (uint32_t)cp);
        }
    }
}

void exposition_family(struct exposition *x, const char *name, enum exposition_kind kind, const char *help)
{
    size_t len = strlen(name);

    CHECK((kind == EXPOSITION_COUNTER) == (len > 6 && strcmp(name + len - 6, "_total") == 0));
    x->name = name;
    x->kind = kind;
    wr_printf(x->w, "# HELP %.*s ", (int)family_len(x), name);
    put_escaped(x->w, slice_of_str(help), x->is_open);
    wr_printf(x->w, "\n# TYPE %.*s %s\n", (int)family_len(x), name, kinds[kind]);
}

/* name_suffix{a="1",le="0.5"}; le: NULL for none. */
static void put_head(struct exposition *x, const char *suffix, struct exposition_labels labels,
                     const char *le)
{
    struct wr *w = x->w;

    wr_str(w, x->name);
    wr_str(w, suffix);
    for (size_t i = 0; i < labels.count; i++) {
        wr_u8(w, i ? ',' : '{');
        wr_str(w, labels.list[i].name);
        wr_str(w, "=\"");
        put_escaped(w, labels.list[i].value, true);
        wr_u8(w, '"');
    }
    if (le)
        wr_printf(w, "%sle=\"%s\"", labels.count ? "," : "{", le);
    if (le || labels.count)
        wr_u8(w, '}');
    wr_u8(w, ' ');
    x->samples++;
}

static void put_uint(struct exposition *x, const char *suffix, struct exposition_labels labels,
                     const char *le, uint64_t value)
{
    put_head(x, suffix, labels, le);
    wr_printf(x->w, "%" PRIu64 "\n", value);
}

void exposition_uint(struct exposition *x, struct exposition_labels labels, uint64_t value)
{
    put_uint(x, "", labels, NULL, value);
}

void exposition_int(struct exposition *x, struct exposition_labels labels, int64_t value)
{
    put_head(x, "", labels, NULL);
    wr_printf(x->w, "%" PRId64 "\n", value);
}

void exposition_limit(struct exposition *x, struct exposition_labels labels, uint64_t value)
{
    if (value != UINT64_MAX) {
        exposition_uint(x, labels, value);
        return;
    }
    put_head(x, "", labels, NULL);
    wr_str(x->w, "+Inf\n");
}

static void put_micros(struct wr *w, uint64_t us)
{
    wr_printf(w, "%" PRIu64 ".%06" PRIu64 "\n", us / MICROS, us % MICROS);
}

void exposition_micros(struct exposition *x, struct exposition_labels labels, uint64_t us)
{
    put_head(x, "", labels, NULL);
    put_micros(x->w, us);
}

/* "0.0001", "2.5", "300.0": as a float is written, without zeroes that say nothing. */
static void write_bound(uint32_t us, char ret[16])
{
    int len = snprintf(ret, 16, "%u.%06u", us / MICROS, us % MICROS);

    while (ret[len - 1] == '0' && ret[len - 2] != '.')
        ret[--len] = '\0';
}

void exposition_histogram(struct exposition *x, struct exposition_labels labels, const struct histogram *h)
{
    uint64_t count = 0;
    char le[16];

    for (size_t i = 0; i < HISTOGRAM_BOUND_COUNT; i++) {
        count += h->counts[i];
        write_bound(histogram_bounds_us[i], le);
        put_uint(x, "_bucket", labels, le, count);
    }
    count += h->counts[HISTOGRAM_BOUND_COUNT];
    put_uint(x, "_bucket", labels, "+Inf", count);
    put_head(x, "_sum", labels, NULL);
    put_micros(x->w, h->sum_us);
    put_uint(x, "_count", labels, NULL, count);
}

void exposition_end(struct exposition *x)
{
    if (x->is_open)
        wr_str(x->w, "# EOF\n");
}
