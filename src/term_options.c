/*
 * term_options: the options of `erlgate term`, which are one table: how they are read, and what --help says.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "src/options.h"
#include "src/term_parts.h"

static const char *const format_names[] = {"etf", "json", "typed", "erl"};

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

void term_options_print(void)
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

bool term_options_read(struct term_cmd *t, int argc, char **argv)
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
