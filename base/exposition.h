/*
 * exposition: numbers as Prometheus reads them: its text format 0.0.4, or OpenMetrics 1.0.
 *
 * Pure: a writer over a struct wr, which keeps the first failure. A family is begun, then has its samples,
 * each with labels, then comes the next family; exposition_end is the last.
 *
 *     exposition_init(&x, &w, false);
 *     exposition_family(&x, "erlgate_links", EXPOSITION_GAUGE, "Links to other nodes, by state.");
 *     exposition_uint(&x, LABELS({"state", SLICE("up")}), 3);
 *     exposition_end(&x);
 */
#ifndef ERLGATE_BASE_EXPOSITION_H
#define ERLGATE_BASE_EXPOSITION_H

#include "base/histogram.h"
#include "base/wr.h"

#define EXPOSITION_TYPE      "text/plain; version=0.0.4; charset=utf-8"
#define EXPOSITION_OPEN_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"

enum exposition_kind { EXPOSITION_COUNTER, EXPOSITION_GAUGE, EXPOSITION_HISTOGRAM };

struct exposition_label {
    const char *name;   /* static: [a-z_]+ */
    struct slice value; /* any bytes: what is no UTF-8 becomes U+FFFD */
};

struct exposition_labels {
    const struct exposition_label *list;
    size_t count;
};

#define NO_LABELS ((struct exposition_labels){0})
#define LABELS(...)                                                                      \
    ((struct exposition_labels){(const struct exposition_label[]){__VA_ARGS__},          \
                                sizeof((const struct exposition_label[]){__VA_ARGS__}) / \
                                    sizeof(struct exposition_label)})

struct exposition {
    struct wr *w; /* borrowed */
    bool is_open; /* OpenMetrics */
    const char *name;
    enum exposition_kind kind;
    size_t samples; /* lines written */
};

void exposition_init(struct exposition *x, struct wr *w, bool is_open);
/* name and help: static, or valid until the next family. A counter's name ends in _total. */
void exposition_family(struct exposition *x, const char *name, enum exposition_kind kind, const char *help);
void exposition_uint(struct exposition *x, struct exposition_labels labels, uint64_t value);
void exposition_int(struct exposition *x, struct exposition_labels labels, int64_t value);
/* UINT64_MAX is +Inf: a limit that there is not. */
void exposition_limit(struct exposition *x, struct exposition_labels labels, uint64_t value);
/* In seconds, exactly. */
void exposition_micros(struct exposition *x, struct exposition_labels labels, uint64_t us);
/* All its lines: buckets, sum and count. */
void exposition_histogram(struct exposition *x, struct exposition_labels labels, const struct histogram *of);
void exposition_end(struct exposition *x);

#endif
