#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/utf8.h"
#include "base/wr.h"

enum { LINE_MAX_BYTES = 16 * 1024, VALUE_MAX_BYTES = 1024 };

atomic_int log_threshold = LOG_INFO;
/* Of all that follows, for as long as a line takes. (Recursive: that the audit was lost is a line of the
 * log.) */
static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static enum log_format format_now = LOG_TEXT;

static log_line_fn *taker; /* NULL: lines go to standard error */
static void *taker_ctx;

static const char *const level_names[] = {"debug", "info", "warn", "error", "off"};

void log_setup(enum log_level level, enum log_format format)
{
    pthread_mutex_lock(&lock);
    atomic_store_explicit(&log_threshold, (int)level, memory_order_relaxed);
    format_now = format;
    pthread_mutex_unlock(&lock);
}

void log_take(log_line_fn *fn, void *ctx)
{
    pthread_mutex_lock(&lock);
    taker = fn;
    taker_ctx = ctx;
    pthread_mutex_unlock(&lock);
}

bool log_level_parse(struct slice name, enum log_level *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(level_names); i++) {
        if (slice_eq_str(name, level_names[i])) {
            *ret = (enum log_level)i;
            return true;
        }
    }
    return false;
}

bool log_format_parse(struct slice name, enum log_format *ret)
{
    if (slice_eq_str(name, "text"))
        *ret = LOG_TEXT;
    else if (slice_eq_str(name, "json"))
        *ret = LOG_JSON;
    else
        return false;
    return true;
}

static bool is_bare(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.ptr[i];

        if (c <= 0x20 || c >= 0x7F || c == '"' || c == '=' || c == '\\')
            return false;
    }
    return s.len > 0;
}

/* A JSON string: also what a quoted logfmt value looks like. Bytes that are no UTF-8 become U+FFFD. */
static void put_quoted(struct wr *w, struct slice s)
{
    const uint8_t *p = s.ptr, *end;

    if (s.len > VALUE_MAX_BYTES)
        s.len = VALUE_MAX_BYTES;
    end = s.len ? s.ptr + s.len : s.ptr;
    wr_u8(w, '"');
    while (p < end) {
        int32_t cp = utf8_next(&p, end);

        if (cp == UTF8_INVALID) {
            p++;
            utf8_write(w, 0xFFFD);
        } else if (cp == '"' || cp == '\\') {
            wr_u8(w, '\\');
            wr_u8(w, (uint8_t)cp);
        } else if (utf8_is_obeyed((uint32_t)cp)) {
            wr_printf(w, "\\u%04x", (unsigned)cp);
        } else {
            utf8_write(w, (uint32_t)cp);
        }
    }
    wr_u8(w, '"');
}

static void put_value(struct wr *w, const struct log_field *f)
{
    switch (f->kind) {
    case LOG_FIELD_SLICE:
        if (format_now == LOG_TEXT && is_bare(f->text) && f->text.len <= VALUE_MAX_BYTES)
            wr_slice(w, f->text);
        else
            put_quoted(w, f->text);
        break;
    case LOG_FIELD_INT: wr_printf(w, "%" PRId64, f->i); break;
    case LOG_FIELD_UINT: wr_printf(w, "%" PRIu64, f->u); break;
    }
}

static int audit_fd = -1;
static uint64_t audit_lost; /* lines, since one was written last */

/* A FIFO that nobody reads is waited for neither here nor when a line is written. */
bool log_audit_to(const char *path)
{
    int fd = path ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600) : -1;

    if (path && fd < 0)
        return false;
    pthread_mutex_lock(&lock);
    if (audit_fd >= 0)
        close(audit_fd);
    audit_fd = fd;
    audit_lost = 0;
    pthread_mutex_unlock(&lock);
    return true;
}

static void put_fields(struct wr *w, const struct log_field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        wr_printf(w, format_now == LOG_JSON ? ",\"%s\":" : " %s=", fields[i].key);
        put_value(w, &fields[i]);
    }
}

/* A pipe that nobody empties would hold the gateway up for ever: a line that it has no room for is lost. (A
 * pipe that can be written takes PIPE_BUF bytes, which is more than all but a few lines have.) */
static bool can_take(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};

    return poll(&p, 1, 0) != 0;
}

/* False: errno says why it has not been written whole; 0 if it has been in part. */
static bool write_line(int fd, const char *level, const char *event, const struct log_field *fields,
                       size_t count)
{
    struct timespec ts;
    struct tm tm;
    struct wr w;
    char stamp[32];
    bool is_written;
    int why;

    clock_gettime(CLOCK_REALTIME, &ts);
    gmtime_r(&ts.tv_sec, &tm);
    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &tm);
    wr_init(&w, LINE_MAX_BYTES);
    if (format_now == LOG_JSON)
        wr_printf(&w, "{\"time\":\"%s.%03ldZ\",\"level\":\"%s\",\"event\":\"%s\"", stamp,
                  ts.tv_nsec / 1000000, level, event);
    else
        wr_printf(&w, "%s.%03ldZ %s %s", stamp, ts.tv_nsec / 1000000, level, event);
    put_fields(&w, fields, count);
    wr_str(&w, format_now == LOG_JSON ? "}\n" : "\n");
    errno = wr_ok(&w) ? 0 : ENOMEM;
    /* A log that cannot be written must not stop the gateway. */
    if (!can_take(fd)) {
        wr_fini(&w);
        errno = EAGAIN;
        return false;
    }
    is_written = wr_ok(&w) && write(fd, w.buf, w.len) == (ssize_t)w.len;
    why = errno;
    wr_fini(&w);
    errno = why;
    return is_written;
}

/* To whoever has taken the log's place. */
static void give_line(enum log_level level, const char *event, const struct log_field *fields, size_t count)
{
    struct wr w;

    wr_init(&w, LINE_MAX_BYTES);
    wr_printf(&w, format_now == LOG_JSON ? "{\"event\":\"%s\"" : "%s", event);
    put_fields(&w, fields, count);
    if (format_now == LOG_JSON)
        wr_u8(&w, '}');
    if (wr_ok(&w))
        taker(taker_ctx, level, wr_written(&w));
    wr_fini(&w);
}

/* A line of the log, not of the audit. */
static bool emit(enum log_level level, const char *event, const struct log_field *fields, size_t count)
{
    if (!taker)
        return write_line(STDERR_FILENO, level_names[level], event, fields, count);
    give_line(level, event, fields, count);
    return true;
}

/* ---- of one event only so many lines a second ---- */

enum { FLOWS = 64, LINES_A_SECOND = 200 };

/* By the address of its name, which is static. Two that fall on one place share it in turn: then more is
 * written, and no count is lost. */
struct flow {
    const char *event;
    int64_t second;
    uint64_t lines, left_out;
};

static struct flow flows[FLOWS];

static void tell_left_out(struct flow *f)
{
    const struct log_field fields[] = {LOG_STR("what", f->event), LOG_UINT("lines", f->left_out)};

    if (f->left_out)
        emit(LOG_WARN, "log-left-out", fields, ARRAY_LEN(fields));
}

static bool may_flow(const char *event)
{
    struct flow *f = &flows[(uintptr_t)event / sizeof(void *) % FLOWS];
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    if (f->event != event || f->second != ts.tv_sec) {
        tell_left_out(f);
        *f = (struct flow){.event = event, .second = ts.tv_sec};
    }
    if (f->lines == LINES_A_SECOND) {
        f->left_out++;
        return false;
    }
    f->lines++;
    return true;
}

static uint64_t unread; /* lines that standard error had no room for, since the last one it took */

static void write_log(enum log_level level, const char *event, const struct log_field *fields, size_t count)
{
    const struct log_field missing[] = {LOG_STR("what", "nobody reads the log"), LOG_UINT("lines", unread)};

    if (level != LOG_DEBUG && !may_flow(event))
        return;
    if (unread && emit(LOG_WARN, "log-left-out", missing, ARRAY_LEN(missing)))
        unread = 0;
    if (!emit(level, event, fields, count))
        unread++;
}

void log_write(enum log_level level, const char *event, const struct log_field *fields, size_t count)
{
    if (!log_is_wanted(level))
        return;
    pthread_mutex_lock(&lock);
    write_log(level, event, fields, count);
    pthread_mutex_unlock(&lock);
}

/* Who reads the log is told once, not by a line for each. */
static void tell_lost(int why)
{
    if (audit_lost++ == 0)
        LOG(LOG_ERROR, "audit-lost", LOG_STR("why", why ? strerror(why) : "a line was written in part"));
}

static void write_audit(const struct log_field *fields, size_t count)
{
    uint64_t lost = audit_lost;

    if (audit_fd < 0) {
        write_line(STDERR_FILENO, "info", "audit", fields, count);
    } else if (!write_line(audit_fd, "info", "audit", fields, count)) {
        tell_lost(errno);
    } else if (lost) {
        audit_lost = 0;
        LOG(LOG_WARN, "audit-goes-on", LOG_UINT("lost", lost));
    }
}

void log_audit(const struct log_field *fields, size_t count)
{
    pthread_mutex_lock(&lock);
    write_audit(fields, count);
    pthread_mutex_unlock(&lock);
}
