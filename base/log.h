/*
 * log: one line an event, as text (logfmt) or JSON, to standard error.
 *
 * Only loop's users and above log (epmd's I/O, node, http, bridge, src); the pure layers return errors. A
 * value that came from outside is escaped, so that it can never make a second line. Secrets are never passed
 * here. Any thread may log: lines come one after another.
 */
#ifndef ERLGATE_BASE_LOG_H
#define ERLGATE_BASE_LOG_H

#include <stdatomic.h>

#include "base/err.h"
#include "base/slice.h"

#ifdef LOG_DEBUG
#error "syslog.h has macros of these names: include it in another file than base/log.h"
#endif

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_OFF };
enum log_format { LOG_TEXT, LOG_JSON };

struct log_field {
    const char *key;
    enum { LOG_FIELD_SLICE, LOG_FIELD_INT, LOG_FIELD_UINT } kind;
    struct slice text;
    int64_t i;
    uint64_t u;
};

#define LOG_STR(k, s)   ((struct log_field){.key = (k), .kind = LOG_FIELD_SLICE, .text = slice_of_str(s)})
#define LOG_SLICE(k, s) ((struct log_field){.key = (k), .kind = LOG_FIELD_SLICE, .text = (s)})
#define LOG_INT(k, v)   ((struct log_field){.key = (k), .kind = LOG_FIELD_INT, .i = (v)})
#define LOG_UINT(k, v)  ((struct log_field){.key = (k), .kind = LOG_FIELD_UINT, .u = (v)})

/* LOG(LOG_INFO, "link-up", LOG_SLICE("node", name), LOG_UINT("creation", c)); event is a kebab-case word. */
#define LOG(level, event, ...)                                                                     \
    do {                                                                                           \
        if (log_is_wanted(level))                                                                  \
            log_write((level), (event), (const struct log_field[]){__VA_ARGS__},                   \
                      sizeof((const struct log_field[]){__VA_ARGS__}) / sizeof(struct log_field)); \
    } while (0)

extern atomic_int log_threshold; /* set by log_setup */

static inline bool log_is_wanted(enum log_level level)
{
    return (int)level >= atomic_load_explicit(&log_threshold, memory_order_relaxed);
}

void log_setup(enum log_level level, enum log_format format);
/* For a program with a log of its own: fn gets each line in place of standard error, without time, level and
 * line break: `link-up node=kv@host …`. line: borrowed for the call. From whatever thread logs, one call at a
 * time, also within a function of the node's: it must neither log, wait, nor call back. NULL: standard error
 * again. */
typedef void log_line_fn(void *ctx, enum log_level level, struct slice line);
void log_take(log_line_fn *fn, void *ctx);
/* "debug", "info", "warn", "error", "off"; false for another word. */
bool log_level_parse(struct slice name, enum log_level *ret);
bool log_format_parse(struct slice name, enum log_format *ret);
/* A line of the audit: event `audit`, in the log's format whatever its level, to a file of its own if there
 * is one, else to standard error. What cannot be written to the file is lost; `audit-lost` and
 * `audit-goes-on` tell of it in the log. */
void log_audit(const struct log_field *fields, size_t count);
/* The file is opened to be added to, mode 0600; NULL: there is none. False: errno says why, and nothing has
 * changed. */
MUST_USE bool log_audit_to(const char *path);
/* Of one event at most 200 lines a second, for hostile clients cause some; the next line of it is preceded by
 * `log-left-out`, which says how many are missing. Not so of LOG_DEBUG, which has been asked for. event:
 * static. */
void log_write(enum log_level level, const char *event, const struct log_field *fields, size_t count);

#endif
