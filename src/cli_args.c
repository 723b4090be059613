#include "src/cli_args.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "src/options.h"
#include "src/units.h"

enum kind { KIND_SWITCH, KIND_TEXT, KIND_WORD, KIND_MS };

#define ALL     0x1FFu
#define TERMS   (CLI_CALL | CLI_CAST | CLI_SEND | CLI_EXIT | CLI_RPC)
#define REPLIES (CLI_CALL | CLI_RPC)

enum { DEFAULT_TIMEOUT_MS = 5000, DEFAULT_RECONNECT_MS = 60000, FLAG_MAX = 30, WORDS_MAX = 64 };
#define MS_MAX UINT64_C(3600000000000) /* a million hours */

static const struct row {
    const char *flag, *argument, *help;
    enum kind kind;
    unsigned commands; /* that have it */
    size_t offset;     /* in struct cli_args */
} rows[] = {
    {"url", "URL", "where the gateway is [$ERLGATE_URL, else http://127.0.0.1:4370]", KIND_TEXT, ALL,
     offsetof(struct cli_args, url)},
    {"timeout", "TIME", "how long the answer may take: milliseconds, or as in 500ms, 30s, 2m [5000]", KIND_MS,
     TERMS | CLI_NAMES | CLI_PING | CLI_NODES, offsetof(struct cli_args, timeout_ms)},
    {"json", NULL, "terms are JSON, in and out: plain JSON comes out, as a REST client likes to read it",
     KIND_SWITCH, TERMS, offsetof(struct cli_args, is_json)},
    {"typed", NULL, "terms are JSON, in and out: typed JSON comes out, which loses nothing", KIND_SWITCH,
     TERMS, offsetof(struct cli_args, is_typed)},
    {"in", "erl|json", "what TERM is, where that differs: --in erl --json is Erlang in, and JSON out",
     KIND_WORD, TERMS, offsetof(struct cli_args, in)},
    {"json", NULL, "JSON, as the gateway answers it", KIND_SWITCH, ALL & ~TERMS,
     offsetof(struct cli_args, is_json)},
    {"typed", NULL, "likewise, with typed terms, which lose nothing", KIND_SWITCH, CLI_WATCH,
     offsetof(struct cli_args, is_typed)},
    {"charlists", "string", "JSON out: lists of printable characters are strings", KIND_WORD, REPLIES,
     offsetof(struct cli_args, charlists)},
    {"bigints", "string", "JSON out: integers past 2^53 - 1 are strings", KIND_WORD, REPLIES,
     offsetof(struct cli_args, bigints)},
    {"null", "null|nil|undefined", "JSON: the atom that its null stands for [null]", KIND_WORD, TERMS,
     offsetof(struct cli_args, null)},
    {"keys", "atom", "JSON in: keys of objects become atoms", KIND_WORD, TERMS,
     offsetof(struct cli_args, keys)},
    {"unwrap", NULL, "{ok, V} prints V, ok prints nothing, {error, R} is status 1 with R on standard error",
     KIND_SWITCH, REPLIES, offsetof(struct cli_args, unwraps)},
    {"to", "any|all", "which members of a group [any for call, all for the others]", KIND_WORD,
     CLI_CALL | CLI_CAST | CLI_SEND | CLI_EXIT, offsetof(struct cli_args, to)},
    {"cast", NULL, "do not wait for the function: as erpc:cast/4", KIND_SWITCH, CLI_RPC,
     offsetof(struct cli_args, is_cast)},
    {"nodes", NULL, "all nodes that the gateway is connected to", KIND_SWITCH, CLI_WATCH,
     offsetof(struct cli_args, watches_nodes)},
    {"reconnect", "TIME", "how long to try again when the gateway has gone; 0: not at all [60s]", KIND_MS,
     CLI_WATCH, offsetof(struct cli_args, reconnect_ms)},
    {"ca-file", "FILE",
     "the CAs that its certificate may be of, for https:// [$ERLGATE_CA_FILE, else the system's]", KIND_TEXT,
     ALL, offsetof(struct cli_args, ca_file)},
    {"cert-file", "FILE", "a certificate to show, for https:// [$ERLGATE_CERT_FILE]", KIND_TEXT, ALL,
     offsetof(struct cli_args, cert_file)},
    {"key-file", "FILE", "its key; if not given: in the certificate's file [$ERLGATE_KEY_FILE]", KIND_TEXT,
     ALL, offsetof(struct cli_args, key_file)},
    {"token-file", "FILE",
     "a file with the token that the gateway wants to see [else $ERLGATE_TOKEN holds it]", KIND_TEXT, ALL,
     offsetof(struct cli_args, token_file)},
    {"socket", "PATH", "the unix-domain socket on which the gateway listens [$ERLGATE_SOCKET]", KIND_TEXT,
     ALL, offsetof(struct cli_args, socket)},
    {"help", NULL, "this", KIND_SWITCH, ALL, offsetof(struct cli_args, wants_help)},
};

bool cli_args_refuse(const struct cli_args *a, const char *fmt, ...)
{
    va_list ap;

    fprintf(stderr, "erlgate %s: ", a->name);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fprintf(stderr, ". `erlgate %s --help` tells more.\n", a->name);
    return false;
}

void cli_args_print(enum cli_command command)
{
    printf("\nOptions:\n\n");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char left[40];

        if (!(rows[i].commands & command))
            continue;
        snprintf(left, sizeof left, "--%s%s%s", rows[i].flag, rows[i].argument ? " " : "",
                 rows[i].argument ? rows[i].argument : "");
        printf("  %-18s %s\n", left, rows[i].help);
    }
}

/* argument: the words, with | in between; or one alone */
static bool is_word_of(const struct cli_args *a, const struct row *row, const char *value)
{
    char words[WORDS_MAX];
    size_t used = 0, len;

    for (const char *p = row->argument; *p; p += len + (p[len] == '|')) {
        len = strcspn(p, "|");
        if (strlen(value) == len && strncmp(p, value, len) == 0)
            return true;
        used += (size_t)snprintf(words + used, sizeof words - used, "%s%.*s",
                                 used == 0        ? ""
                                 : p[len] == '\0' ? " or "
                                                  : ", ",
                                 (int)len, p);
        CHECK(used < sizeof words);
    }
    return cli_args_refuse(a, "--%s is %s, not '%s'", row->flag, words, value);
}

static bool set(struct cli_args *a, const struct row *row, const char *value)
{
    void *field = (char *)a + row->offset;

    switch (row->kind) {
    case KIND_SWITCH: *(bool *)field = true; return true;
    case KIND_TEXT: *(const char **)field = value; return true;
    case KIND_WORD: *(const char **)field = value; return is_word_of(a, row, value);
    case KIND_MS:
        return (units_parse(value, UNITS_MS, field) && *(uint64_t *)field <= MS_MAX &&
                (*(uint64_t *)field || strcmp(row->flag, "reconnect") == 0)) ||
               cli_args_refuse(a, "--%s is a time as in 500ms, 30s or 2m, not '%s'", row->flag, value);
    }
    return false;
}

static const struct row *refuse_flag(const struct cli_args *a, const char *name)
{
    const char *names[ARRAY_LEN(rows)], *closest;
    size_t count = 0;

    if (strcmp(name, "token") == 0) {
        cli_args_refuse(a, "a token here would be seen by others: put it into a file, and give --token-file");
        return NULL;
    }
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].commands & a->command)
            names[count++] = rows[i].flag;
    closest = options_closest(name, names, count);
    cli_args_refuse(a, "there is no option --%s%s%s", name, closest ? ", but --" : "",
                    closest ? closest : "");
    return NULL;
}

static const struct row *find(const struct cli_args *a, const char *arg)
{
    char name[FLAG_MAX];
    size_t len = strcspn(arg, "=");

    snprintf(name, sizeof name, "%.*s", (int)(len < sizeof name ? len : sizeof name - 1), arg);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if ((rows[i].commands & a->command) && strcmp(rows[i].flag, name) == 0)
            return &rows[i];
    return refuse_flag(a, name);
}

/* *at: the option's index; moved on when its value is the next word. */
static bool read_flag(struct cli_args *a, int argc, char **argv, int *at)
{
    const struct row *row = find(a, argv[*at] + 2);
    const char *value = strchr(argv[*at], '=');

    if (!row)
        return false;
    if (row->kind == KIND_SWITCH)
        return value ? cli_args_refuse(a, "--%s takes no value", row->flag) : set(a, row, NULL);
    if (value)
        return set(a, row, value + 1);
    if (*at + 1 == argc)
        return cli_args_refuse(a, "--%s wants a value: %s", row->flag, row->argument);
    return set(a, row, argv[++*at]);
}

static const char *from_environment(const char *name)
{
    const char *v = getenv(name);

    return v && *v ? v : NULL;
}

/* One dash alone begins no option: "-" is standard input, and "-1" a term. */
bool cli_args_read(struct cli_args *a, enum cli_command command, const char *name, int argc, char **argv)
{
    bool are_options_over = false;

    *a = (struct cli_args){.command = command,
                           .name = name,
                           .timeout_ms = DEFAULT_TIMEOUT_MS,
                           .reconnect_ms = DEFAULT_RECONNECT_MS,
                           .url = from_environment("ERLGATE_URL"),
                           .ca_file = from_environment("ERLGATE_CA_FILE"),
                           .cert_file = from_environment("ERLGATE_CERT_FILE"),
                           .key_file = from_environment("ERLGATE_KEY_FILE"),
                           .socket = from_environment("ERLGATE_SOCKET")};
    for (int i = 0; i < argc; i++) {
        if (!are_options_over && strcmp(argv[i], "--") == 0) {
            are_options_over = true;
        } else if (!are_options_over && strcmp(argv[i], "-h") == 0) {
            a->wants_help = true;
        } else if (!are_options_over && strncmp(argv[i], "--", 2) == 0) {
            if (!read_flag(a, argc, argv, &i))
                return false;
        } else if (a->word_count == CLI_WORDS_MAX) {
            return cli_args_refuse(a, "too many words: a term with blanks in it wants quotes around it");
        } else {
            a->words[a->word_count++] = argv[i];
        }
    }
    /* (ERLGATE_TOKEN_FILE is what the gateway knows tokens by.) */
    if (!a->token_file)
        a->token = getenv("ERLGATE_TOKEN");
    if (a->is_json && a->is_typed)
        return cli_args_refuse(a, "--json and --typed exclude each other");
    a->is_erlang_in = a->in ? strcmp(a->in, "erl") == 0 : !a->is_json && !a->is_typed;
    a->format = a->is_typed ? CLI_TYPED : a->is_json ? CLI_JSON : CLI_ERL;
    return true;
}
