/*
 * The codec as a filter. What a BEAM may hold is let through, local terms too; what no BEAM decodes or what
 * ends one is not: references to an atom cache that is not there, FUN_EXT, external funs of an arity past
 * 255.
 */
#include "src/term_cmd.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/check.h"
#include "bridge/transcode.h"
#include "etf/syntax.h"
#include "etf/write.h"
#include "src/options.h"
#include "src/words.h"
#include "json/write.h"

enum { EXIT_BAD_TERM = 1, EXIT_USAGE = 2 };
enum {
    DEFAULT_MAX_BYTES = 64 << 20,
    READ_SIZE = 64 << 10,
    KEPT = 1 << 20, /* a buffer that grew past this is given back before the next term */
};

#define REFUSED (ETF_USES_WIDE_EXPORT | ETF_USES_OLD_FUN | ETF_USES_CACHE_REF | ETF_USES_HUGE_TUPLE)

enum format { FORMAT_ETF, FORMAT_JSON, FORMAT_TYPED, FORMAT_ERL, FORMAT_NONE };

static const char *const format_names[] = {"etf", "json", "typed", "erl"};

struct term_cmd {
    enum format from, to;
    bool by_lines;
    size_t max_bytes;
    struct transcode_options transcode;
    struct wr in;   /* what is to be converted */
    struct wr raw;  /* the same without its base64 */
    struct wr term; /* the term, or what a compressed one was inflated to */
    struct wr out;
};

struct failure {
    enum err err;
    struct transcode_fault at;
    bool has_place; /* at.line and at.column count */
};

/* ---- Options ---- */

enum value_kind { VALUE_FORMAT, VALUE_WORD, VALUE_COUNT, VALUE_NONE };

static const struct option_row {
    const char *name, *values, *help;
    enum value_kind kind;
    size_t offset; /* in struct term_cmd */
} rows[] = {
    {"from", "etf|json|typed|erl", "what comes in (json and typed are read alike)", VALUE_FORMAT,
     offsetof(struct term_cmd, from)},
    {"to", "etf|json|typed|erl", "what goes out", VALUE_FORMAT, offsetof(struct term_cmd, to)},
    {"lines", NULL, "one term a line; etf is base64 then; a bad line becomes an !error line", VALUE_NONE,
     offsetof(struct term_cmd, by_lines)},
    {"null", "null|nil|undefined", "the atom that JSON's null stands for (null)", VALUE_WORD,
     offsetof(struct term_cmd, transcode.null_atom)},
    {"keys", "atom", "keys of JSON objects become atoms", VALUE_WORD,
     offsetof(struct term_cmd, transcode.keys_as_atoms)},
    {"tags", "off", "JSON in: keys that start with $ are plain keys", VALUE_WORD,
     offsetof(struct term_cmd, transcode.tags_off)},
    {"charlists", "string", "to json: lists of printable characters become strings", VALUE_WORD,
     offsetof(struct term_cmd, transcode.charlists_as_strings)},
    {"bigints", "string", "to json, typed: integers past 2^53 - 1 are quoted", VALUE_WORD,
     offsetof(struct term_cmd, transcode.bigints_as_strings)},
    {"max-depth", "LEVELS", "how deep a term may be nested (512)", VALUE_COUNT,
     offsetof(struct term_cmd, transcode.max_depth)},
    {"max-digits", "DIGITS", "how long an integer may be in text (10000)", VALUE_COUNT,
     offsetof(struct term_cmd, transcode.max_digits)},
    {"max-bytes", "BYTES", "how large a text or a term may be, inflated too (67108864)", VALUE_COUNT,
     offsetof(struct term_cmd, max_bytes)},
};

static void print_help(void)
{
    printf(
        "Usage: erlgate term --from FORMAT --to FORMAT [OPTION]...\n\n"
        "Converts an Erlang term from standard input to standard output.\n\n"
        "  etf    the external term format: the bytes of term_to_binary/1\n"
        "  json   plain JSON, which is what a REST client likes to read; not all of a term survives in it\n"
        "  typed  JSON with tags ({\"$atom\": \"ok\"}, {\"$tuple\": [...]}); reads back as the same term\n"
        "  erl    Erlang syntax, as the shell prints it\n\n");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char flag[48];

        snprintf(flag, sizeof flag, "--%s%s%s", rows[i].name, rows[i].values ? "=" : "",
                 rows[i].values ? rows[i].values : "");
        printf("  %-30s %s\n", flag, rows[i].help);
    }
    printf(
        "\nExamples:\n\n"
        "  $ echo '{get, <<\"k\">>, #{n => 1}}' | erlgate term --from erl --to typed\n"
        "  {\"$tuple\":[{\"$atom\":\"get\"},\"k\",{\"$map\":[[{\"$atom\":\"n\"},1]]}]}\n\n"
        "  $ echo '{\"$tuple\": [{\"$atom\": \"ok\"}, [1, 2.5, null]]}' | erlgate term --from json --to erl\n"
        "  {ok,[1,2.5,null]}\n\n"
        "  $ echo '{\"a\": 1}' | erlgate term --from json --to erl --keys=atom\n"
        "  #{a => 1}\n\n"
        "  $ erlgate term --from etf --to json < term.bin\n\n"
        "  $ printf '%%s\\n' '[1,2,3]' '{\"$atom\": 1}' | erlgate term --from json --to etf --lines\n"
        "  g2sAAwECAw==\n"
        "  !error bad-term 1:11 the value of this tag must be a string, at \"/$atom\"\n\n"
        "A bad term ends the program with status 1 and such an !error line on standard error; with --lines "
        "it\n"
        "stands in the place of the term, and the next line goes on. The position is line:column in texts\n"
        "(columns count characters), a byte in etf; what follows `at` is a JSON Pointer. The codes are "
        "those\n"
        "of the HTTP API: bad-term, too-deep, body-too-large, unsupported-by-peer, internal.\n");
}

__attribute__((format(printf, 1, 2))) static bool complain(const char *fmt, ...)
{
    va_list ap;

    fputs("erlgate term: ", stderr);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputs(". `erlgate term --help` tells more.\n", stderr);
    return false;
}

static bool set_format(const struct option_row *row, const char *value, void *field)
{
    for (size_t i = 0; i < ARRAY_LEN(format_names); i++) {
        if (strcmp(value, format_names[i]) == 0) {
            *(enum format *)field = (enum format)i;
            return true;
        }
    }
    return complain("--%s is one of %s, not '%s'", row->name, row->values, value);
}

/* One of the words in row->values. All but null are switches with one word. */
static bool set_word(const struct option_row *row, const char *value, void *field)
{
    size_t len = strlen(value);

    for (const char *word = row->values; len > 0 && word; word = strchr(word, '|')) {
        word += *word == '|';
        if (strncmp(word, value, len) != 0 || (word[len] != '|' && word[len] != 0))
            continue;
        if (strcmp(row->name, "null") == 0)
            *(struct slice *)field = slice_of_str(value);
        else
            *(bool *)field = true;
        return true;
    }
    return complain("--%s is %s%s, not '%s'", row->name, strchr(row->values, '|') ? "one of " : "",
                    row->values, value);
}

static bool set_count(const struct option_row *row, const char *value, void *field)
{
    bool is_size = row->offset == offsetof(struct term_cmd, max_bytes);
    unsigned long long most = is_size ? (unsigned long long)1 << 30 : 1000000, v;
    char *end;

    errno = 0;
    v = strtoull(value, &end, 10);
    if (value[0] < '0' || value[0] > '9' || *end || errno || v == 0 || v > most)
        return complain("--%s is a number from 1 to %llu, not '%s'", row->name, most, value);
    if (is_size)
        *(size_t *)field = (size_t)v;
    else
        *(uint32_t *)field = (uint32_t)v;
    return true;
}

static bool set(struct term_cmd *t, const struct option_row *row, const char *value)
{
    void *field = (char *)t + row->offset;

    switch (row->kind) {
    case VALUE_FORMAT: return set_format(row, value, field);
    case VALUE_WORD: return set_word(row, value, field);
    case VALUE_COUNT: return set_count(row, value, field);
    case VALUE_NONE: *(bool *)field = true; return true;
    }
    return false;
}

static const struct option_row *find_row(const char *flag)
{
    const char *names[ARRAY_LEN(rows)], *closest;
    char name[32];
    size_t n = strcspn(flag, "=");

    snprintf(name, sizeof name, "%.*s", n < sizeof name ? (int)n : (int)sizeof name - 1, flag);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        names[i] = rows[i].name;
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    }
    closest = options_closest(name, names, ARRAY_LEN(rows));
    complain("there is no option --%s%s%s%s", name, closest ? "; did you mean --" : "",
             closest ? closest : "", closest ? "?" : "");
    return NULL;
}

/* False: said on standard error why. */
static bool read_options(struct term_cmd *t, int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        const struct option_row *row;
        const char *value;

        if (strncmp(argv[i], "--", 2) != 0)
            return complain("'%s' is no option; the term comes on standard input", argv[i]);
        row = find_row(argv[i] + 2);
        if (!row)
            return false;
        value = strchr(argv[i], '=');
        if (row->kind == VALUE_NONE) {
            if (value)
                return complain("--%s takes no value", row->name);
        } else if (value) {
            value++;
        } else {
            if (i + 1 == argc)
                return complain("--%s wants a value: %s", row->name, row->values);
            value = argv[++i];
        }
        if (!set(t, row, value))
            return false;
    }
    if (t->from == FORMAT_NONE || t->to == FORMAT_NONE)
        return complain("--from and --to must say what comes in and what goes out: etf, json, typed or erl");
    return true;
}

/* ---- One term ---- */

static bool is_json(enum format f)
{
    return f == FORMAT_JSON || f == FORMAT_TYPED;
}

static void empty(struct wr *w)
{
    if (w->cap > KEPT)
        wr_fini(w);
    wr_reset(w);
}

static void rules_of(const struct term_cmd *t, struct etf_rules *ret)
{
    *ret =
        (struct etf_rules){.refuse = REFUSED, .max_depth = t->transcode.max_depth, .max_bytes = t->max_bytes};
}

static enum err fail(struct failure *f, enum err e, size_t offset, const char *text)
{
    fault_set(&f->at.fault, e, offset, text);
    return e;
}

static struct slice trim(struct slice s)
{
    while (s.len && strchr(" \t\r\n", s.ptr[s.len - 1]))
        s.len--;
    while (s.len && strchr(" \t\r\n", s.ptr[0]))
        s = slice_of(s.ptr + 1, s.len - 1);
    return s;
}

static enum err read_etf(struct term_cmd *t, struct slice *ret, struct failure *f)
{
    struct slice whole = wr_written(&t->in);
    struct etf_rules rules;
    size_t offset = 0;
    enum err e;

    if (t->by_lines) {
        e = base64_read(&t->raw, trim(whole), &offset);
        if (e != ERR_NONE)
            return fail(f, e, offset, "the line is no base64");
        empty(&t->in);
        whole = wr_written(&t->raw);
    }
    rules_of(t, &rules);
    return etf_open(whole, &rules, &t->term, ret, NULL, &f->at.fault);
}

static enum err read_erl(struct term_cmd *t, struct slice *ret, struct failure *f)
{
    struct etf_parse_rules rules = {.max_digits = t->transcode.max_digits};
    enum err e;

    rules_of(t, &rules.term);
    e = etf_parse(&t->term, wr_written(&t->in), &rules, &f->at.fault);
    *ret = wr_written(&t->term);
    if (e != ERR_NONE) {
        transcode_fault_place(&f->at, wr_written(&t->in));
        f->has_place = true;
    }
    return e;
}

static enum err read_json(struct term_cmd *t, struct slice *ret, struct failure *f)
{
    enum err e = transcode_json_to_etf(wr_written(&t->in), &t->transcode, &t->term, NULL, &f->at);

    *ret = wr_written(&t->term);
    f->has_place = e != ERR_NONE;
    return e;
}

static enum err write_etf(struct term_cmd *t, struct etf_rd *r)
{
    enum err e;

    etf_write_version(&t->out);
    e = etf_copy(&t->out, r);
    if (e != ERR_NONE || !t->by_lines)
        return e;
    /* Through base64, in the place of what the term was read from. */
    empty(&t->raw);
    base64_write(&t->raw, wr_written(&t->out));
    empty(&t->out);
    wr_slice(&t->out, wr_written(&t->raw));
    return wr_ok(&t->raw) ? t->out.err : t->raw.err;
}

static enum err convert(struct term_cmd *t, struct failure *f)
{
    struct slice term = {0};
    struct etf_rd r;
    enum err e;

    empty(&t->raw);
    empty(&t->term);
    empty(&t->out);
    if (t->from == FORMAT_ETF)
        e = read_etf(t, &term, f);
    else
        e = t->from == FORMAT_ERL ? read_erl(t, &term, f) : read_json(t, &term, f);
    if (e != ERR_NONE)
        return e;
    /* What has been read is not needed any more, unless the term is a part of it. */
    if (t->term.len) {
        empty(&t->in);
        empty(&t->raw);
    }
    r = etf_rd_of(term, NULL);
    if (is_json(t->to))
        e = transcode_etf_to_json(&r, &t->transcode, t->to == FORMAT_TYPED, &t->out);
    else
        e = t->to == FORMAT_ERL ? etf_print(&t->out, &r) : write_etf(t, &r);
    return e == ERR_NONE
               ? e
               : fail(f, e, 0,
                      e == ERR_TOO_LARGE ? "what would be written is larger than --max-bytes allows" : "");
}

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

static int print_failure(struct term_cmd *t, FILE *to, enum err e, const struct failure *f)
{
    struct wr line;
    bool ok;

    (void)t;
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
            e = fail(&f, t->in.err, t->max_bytes, t->in.err == ERR_TOO_LARGE ? too_large_text : "");
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
        e = fail(&f, ERR_TOO_LARGE, t->max_bytes, too_large_text);
    if (e == ERR_NONE)
        e = convert(t, &f);
    if (e != ERR_NONE) {
        (void)print_failure(t, stderr, e, &f);
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
        e = fail(&f, ERR_TOO_LARGE, t->max_bytes, too_large_text);
    else
        e = convert(t, &f);
    empty(&t->in);
    if (e != ERR_NONE)
        return print_failure(t, stdout, e, &f);
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
        empty(&t->in);
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
        print_help();
        return 0;
    }
    if (!read_options(&t, argc, argv))
        return EXIT_USAGE;
    t.transcode.refuse = REFUSED;
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
