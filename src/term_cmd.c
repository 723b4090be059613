/*
 * The codec as a filter: all of standard input, or a line at a time.
 */
#include "src/term_cmd.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "src/term_parts.h"
#include "src/words.h"
#include "json/write.h"

enum { EXIT_BAD_TERM = 1, EXIT_USAGE = 2 };
enum { DEFAULT_MAX_BYTES = 64 << 20, READ_SIZE = 64 << 10 };

/* ---- What has failed ---- */

static const char *code_of(enum err e)
{
    switch (e) {
    case ERR_DEPTH: return "too-deep";
    case ERR_TOO_LARGE: return "body-too-large";
    case ERR_PEER_UNSUPPORTED: return "unsupported-by-peer";
    case ERR_NOMEM: return "internal";
    default: return "bad-term";
    }
}

static void write_failure(struct wr *w, enum err e, const struct failure *f)
{
    const char *text = f->at.fault.text && f->at.fault.text[0] ? f->at.fault.text : err_text(e);

    wr_printf(w, "!error %s ", code_of(e));
    if (f->has_place)
        wr_printf(w, "%u:%u ", f->at.line, f->at.column);
    else
        wr_printf(w, "%zu ", f->at.fault.offset);
    wr_str(w, text);
    if (f->has_place && f->at.pointer[0]) {
        wr_str(w, ", at ");
        json_write_str(w, f->at.pointer);
    }
}

static bool print(FILE *to, const struct wr *w, bool ends_line)
{
    if (w->len && fwrite(w->buf, 1, w->len, to) != w->len)
        return false;
    if (ends_line && fputc('\n', to) == EOF)
        return false;
    return fflush(to) == 0;
}

static int cannot(const char *what)
{
    fprintf(stderr, "erlgate term: cannot %s: %s\n", what, strerror(errno));
    return EXIT_BAD_TERM;
}

static int print_failure(FILE *to, enum err e, const struct failure *f)
{
    struct wr line;
    bool ok;

    wr_init(&line, SIZE_MAX);
    write_failure(&line, e, f);
    ok = wr_ok(&line) && print(to, &line, true);
    wr_fini(&line);
    return ok ? 0 : cannot("write");
}

/* ---- All of standard input, or a line at a time ---- */

static const char too_large_text[] = "the input is larger than --max-bytes allows";

static int run_whole(struct term_cmd *t)
{
    struct failure f = {.at.fault.text = ""};
    enum err e = ERR_NONE;

    for (;;) {
        uint8_t *room = wr_room(&t->in, READ_SIZE);
        ssize_t n;

        if (!room) {
            e = term_fail(&f, t->in.err, t->max_bytes, t->in.err == ERR_TOO_LARGE ? too_large_text : "");
            break;
        }
        n = read(STDIN_FILENO, room, READ_SIZE);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return cannot("read");
        if (n == 0)
            break;
        t->in.len += (size_t)n;
    }
    if (e == ERR_NONE && t->in.len > t->max_bytes)
        e = term_fail(&f, ERR_TOO_LARGE, t->max_bytes, too_large_text);
    if (e == ERR_NONE)
        e = term_convert(t, &f);
    if (e != ERR_NONE) {
        (void)print_failure(stderr, e, &f);
        return EXIT_BAD_TERM;
    }
    return print(stdout, &t->out, t->to != FORMAT_ETF) ? 0 : cannot("write");
}

/* A line is in t->in, or was too long for it. */
static int run_line(struct term_cmd *t, bool is_too_long)
{
    struct failure f = {.at.fault.text = ""};
    enum err e;

    if (is_too_long)
        e = term_fail(&f, ERR_TOO_LARGE, t->max_bytes, too_large_text);
    else
        e = term_convert(t, &f);
    term_empty(&t->in);
    if (e != ERR_NONE)
        return print_failure(stdout, e, &f);
    return print(stdout, &t->out, true) ? 0 : cannot("write");
}

struct lines {
    bool is_too_long; /* the line that is being read: what comes of it is thrown away */
    bool is_begun;
};

/* What has been read, up to the next end of line. Gives the bytes used up; *ret_status once a line was
 * converted. */
static size_t take_part(struct term_cmd *t, struct lines *l, const uint8_t *p, size_t n, int *ret_status)
{
    const uint8_t *newline = memchr(p, '\n', n);
    size_t len = newline ? (size_t)(newline - p) : n;

    l->is_begun = true;
    if (!l->is_too_long && t->in.len + len > t->max_bytes) {
        l->is_too_long = true;
        term_empty(&t->in);
    }
    if (!l->is_too_long)
        wr_bytes(&t->in, p, len);
    l->is_too_long |= !wr_ok(&t->in);
    if (!newline)
        return len;
    *ret_status = run_line(t, l->is_too_long);
    *l = (struct lines){0};
    return len + 1;
}

static int run_lines(struct term_cmd *t)
{
    static uint8_t part[READ_SIZE];
    struct lines l = {0};
    int status = 0;

    while (status == 0) {
        ssize_t n = read(STDIN_FILENO, part, sizeof part);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return cannot("read");
        if (n == 0)
            break;
        for (size_t used = 0; used < (size_t)n && status == 0;)
            used += take_part(t, &l, part + used, (size_t)n - used, &status);
    }
    return status == 0 && l.is_begun ? run_line(t, l.is_too_long) : status;
}

int term_command(int argc, char **argv)
{
    struct term_cmd t = {.from = FORMAT_NONE, .to = FORMAT_NONE, .max_bytes = DEFAULT_MAX_BYTES};
    int status;

    if (words_ask_for_help(argc, argv)) {
        term_options_print();
        return 0;
    }
    if (!term_options_read(&t, argc, argv))
        return EXIT_USAGE;
    t.transcode.max_bytes = t.max_bytes;
    wr_init(&t.in, t.max_bytes + READ_SIZE);
    wr_init(&t.raw, t.max_bytes + t.max_bytes / 2 + READ_SIZE);
    wr_init(&t.term, t.max_bytes);
    /* Base64 is a third longer than what it holds. */
    wr_init(&t.out, t.max_bytes + t.max_bytes / 2);
    status = t.by_lines ? run_lines(&t) : run_whole(&t);
    wr_fini(&t.in);
    wr_fini(&t.raw);
    wr_fini(&t.term);
    wr_fini(&t.out);
    return status;
}
