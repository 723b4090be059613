#include "src/options.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

#include "base/mem.h"

static const struct {
    const char *flag, *argument, *default_value, *help;
} table[OPT_COUNT] = {
#define X(sym, flag, arg, dflt, help) [sym] = {flag, arg, dflt, help},
    OPTION_TABLE(X)
#undef X
};

void options_init(struct options *o)
{
    *o = (struct options){0};
}

void options_fini(struct options *o)
{
    for (size_t i = 0; i < OPT_COUNT; i++)
        mem_free(o->values[i]);
    for (size_t i = 0; i < OPTION_LISTS; i++)
        for (char **at = o->lists[i]; *at; at++)
            mem_free(*at);
    options_init(o);
}

const char *options_get(const struct options *o, enum option which)
{
    return o->values[which] ? o->values[which] : table[which].default_value;
}

/* Those that may be repeated, as the index of their list; OPTION_LISTS for the others. */
static size_t list_of(enum option which)
{
    static const enum option repeated[OPTION_LISTS] = {OPT_HOST, OPT_PEER, OPT_CORS_ORIGIN};
    size_t i = 0;

    while (i < OPTION_LISTS && repeated[i] != which)
        i++;
    return i;
}

const char *const *options_list(const struct options *o, enum option which)
{
    return (const char *const *)o->lists[list_of(which)];
}

bool options_is_set(const struct options *o, enum option which)
{
    const char *v = options_get(o, which);

    return v && strcmp(v, "true") == 0;
}

/* ---- did you mean ---- */

enum { WORD_MAX = 40, FAR = 3 };

/* Levenshtein's distance, of short words. */
static size_t distance(const char *a, const char *b)
{
    size_t row[WORD_MAX + 1], la = strlen(a), lb = strlen(b);

    if (la > WORD_MAX || lb > WORD_MAX)
        return FAR;
    for (size_t j = 0; j <= lb; j++)
        row[j] = j;
    for (size_t i = 1; i <= la; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= lb; j++) {
            size_t best = diagonal + (a[i - 1] != b[j - 1]);

            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[lb];
}

const char *options_closest(const char *word, const char *const *candidates, size_t count)
{
    const char *best = NULL;
    size_t least = FAR;

    for (size_t i = 0; i < count; i++) {
        size_t d = distance(word, candidates[i]);

        if (d < least) {
            least = d;
            best = candidates[i];
        }
    }
    return best;
}

static const char *closest_flag(const char *word)
{
    const char *flags[OPT_COUNT + 1];

    if (strcmp(word, "port") == 0) /* as other servers call it; by its letters it would be --host */
        return "listen";
    for (size_t i = 0; i < OPT_COUNT; i++)
        flags[i] = table[i].flag;
    flags[OPT_COUNT] = "hidden";
    return options_closest(word, flags, OPT_COUNT + 1);
}

/* ---- one value, from wherever ---- */

/* Where a value comes from, for messages: "erlgate.yaml:3:5", "ERLGATE_NAME", "--name". */
static bool refuse(const char *where, const char *what, const char *hint)
{
    fprintf(stderr, "erlgate: %s: %s%s%s%s\n", where, what, hint ? "; did you mean '" : "", hint ? hint : "",
            hint ? "'?" : "");
    return false;
}

static bool refuse_switch(const char *where, const char *name)
{
    char what[128];

    snprintf(what, sizeof what, "%.60s is either true or false", name);
    return refuse(where, what, NULL);
}

static bool refuse_cookie(const char *where)
{
    return refuse(where,
                  "a cookie here would be seen by others: put it into a file and give --cookie-file, or into "
                  "$ERLGATE_COOKIE",
                  NULL);
}

static bool add_to_list(char **list, const char *value, const char *where)
{
    size_t count = 0;

    while (list[count])
        count++;
    if (count == OPTION_VALUES_MAX)
        return refuse(where, "is given too often", NULL);
    list[count] = mem_strndup(value, strlen(value));
    return list[count] || refuse(where, "out of memory", NULL);
}

static bool set(struct options *o, enum option which, const char *value, const char *where)
{
    char *copy;

    if (list_of(which) < OPTION_LISTS)
        return add_to_list(o->lists[list_of(which)], value, where);
    if (!table[which].argument && strcmp(value, "true") != 0 && strcmp(value, "false") != 0)
        return refuse_switch(where, table[which].flag);
    copy = mem_strndup(value, strlen(value));
    if (!copy)
        return refuse(where, "out of memory", NULL);
    mem_free(o->values[which]);
    o->values[which] = copy;
    return true;
}

/* `hidden` is the opposite of the option `visible`. */
static bool set_by_name(struct options *o, const char *name, const char *value, const char *where)
{
    char what[128];

    if (strcmp(name, "hidden") == 0) {
        if (strcmp(value, "true") != 0 && strcmp(value, "false") != 0)
            return refuse_switch(where, name);
        return set(o, OPT_VISIBLE, strcmp(value, "true") == 0 ? "false" : "true", where);
    }
    for (size_t i = 0; i < OPT_COUNT; i++)
        if (strcmp(table[i].flag, name) == 0)
            return set(o, (enum option)i, value, where);
    if (strcmp(name, "cookie") == 0)
        return refuse_cookie(where);
    snprintf(what, sizeof what, "there is no option '%.60s'", name);
    return refuse(where, what, closest_flag(name));
}

/* ---- the file ---- */

struct file {
    const char *path;
    yaml_parser_t parser;
    struct options *o;
    char key[64];
};

static void place(const struct file *f, const yaml_mark_t *mark, char *ret, size_t cap)
{
    snprintf(ret, cap, "%s:%zu:%zu", f->path, mark->line + 1, mark->column + 1);
}

static bool file_refuse(const struct file *f, const yaml_mark_t *mark, const char *what)
{
    char where[512];

    place(f, mark, where, sizeof where);
    return refuse(where, what, NULL);
}

static bool takes_list(const char *name)
{
    for (size_t i = 0; i < OPT_COUNT; i++)
        if (strcmp(table[i].flag, name) == 0)
            return list_of((enum option)i) < OPTION_LISTS;
    return false;
}

static bool file_value(struct file *f, const yaml_event_t *ev)
{
    char where[512];

    place(f, &ev->start_mark, where, sizeof where);
    if (strcmp(f->key, "config") == 0)
        return refuse(where, "a file cannot name another one", NULL);
    return set_by_name(f->o, f->key, (const char *)ev->data.scalar.value, where);
}

/* A flat mapping: option: value, and for what may be repeated a sequence of values. */
static bool file_event(struct file *f, const yaml_event_t *ev, int *depth, bool *has_key)
{
    switch (ev->type) {
    case YAML_MAPPING_START_EVENT:
        if (++*depth > 1)
            return file_refuse(f, &ev->start_mark, "options are not nested: write `option: value`");
        return true;
    case YAML_MAPPING_END_EVENT: --*depth; return true;
    case YAML_SEQUENCE_START_EVENT:
        if (*depth != 1 || !*has_key || !takes_list(f->key))
            return file_refuse(f, &ev->start_mark, "only `host`, `peer` and `cors-origin` take a list");
        *depth = 2;
        return true;
    case YAML_SEQUENCE_END_EVENT:
        *depth = 1;
        *has_key = false;
        return true;
    case YAML_SCALAR_EVENT:
        if (*depth == 0)
            return ev->data.scalar.length == 0 ||
                   file_refuse(f, &ev->start_mark, "the file is to be a mapping: write `option: value`");
        if (!*has_key) {
            snprintf(f->key, sizeof f->key, "%s", (const char *)ev->data.scalar.value);
            *has_key = true;
            return true;
        }
        *has_key = *depth == 2;
        return file_value(f, ev);
    case YAML_ALIAS_EVENT: return file_refuse(f, &ev->start_mark, "aliases are not supported");
    default: return true;
    }
}

static bool read_file(struct options *o, const char *path)
{
    struct file f = {.path = path, .o = o};
    FILE *in = fopen(path, "rb");
    bool is_done = false, is_good = true, has_key = false;
    int depth = 0;

    if (!in)
        return refuse(path, strerror(errno), NULL);
    if (!yaml_parser_initialize(&f.parser)) {
        fclose(in);
        return refuse(path, "out of memory", NULL);
    }
    yaml_parser_set_input_file(&f.parser, in);
    while (is_good && !is_done) {
        yaml_event_t ev;

        if (!yaml_parser_parse(&f.parser, &ev)) {
            is_good =
                file_refuse(&f, &f.parser.problem_mark, f.parser.problem ? f.parser.problem : "is no YAML");
            break;
        }
        is_good = file_event(&f, &ev, &depth, &has_key);
        is_done = ev.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&ev);
    }
    yaml_parser_delete(&f.parser);
    fclose(in);
    return is_good;
}

/* ---- environment and flags ---- */

static void variable_of(const char *flag, char *ret, size_t cap)
{
    size_t n = (size_t)snprintf(ret, cap, "ERLGATE_%s", flag);

    for (size_t i = 0; i < n && i < cap; i++)
        ret[i] = ret[i] == '-' ? '_' : (char)toupper((unsigned char)ret[i]);
}

static bool read_environment(struct options *o)
{
    char variable[64];
    const char *v;

    for (size_t i = 0; i <= OPT_COUNT; i++) {
        const char *flag = i < OPT_COUNT ? table[i].flag : "hidden";

        variable_of(flag, variable, sizeof variable);
        v = getenv(variable);
        if (v && *v && i != OPT_CONFIG && !set_by_name(o, flag, v, variable))
            return false;
    }
    return true;
}

/* False, and said, when there is no such flag. */
static bool look_up(const char *name, const char *where, bool *ret_takes_argument)
{
    char what[128];

    *ret_takes_argument = false;
    if (strcmp(name, "hidden") == 0)
        return true;
    for (size_t i = 0; i < OPT_COUNT; i++) {
        if (strcmp(table[i].flag, name) == 0) {
            *ret_takes_argument = table[i].argument != NULL;
            return true;
        }
    }
    if (strcmp(name, "cookie") == 0)
        return refuse_cookie(where);
    snprintf(what, sizeof what, "there is no option '%.60s'", name);
    return refuse(where, what, closest_flag(name));
}

/* --name VALUE and --name=VALUE; a switch is true by itself. config_only: look for --config, and nothing
 * else. */
static bool read_flags(struct options *o, int argc, char **argv, bool config_only)
{
    for (int i = 0; i < argc; i++) {
        char name[64], where[72];
        const char *arg = argv[i], *equals = strchr(arg, '='), *value = "true";
        bool takes_argument;

        if (strncmp(arg, "--", 2) != 0 || arg[2] == '\0')
            return refuse(arg, "serve takes options only, which begin with --, as in --name gate@localhost",
                          NULL);
        snprintf(name, sizeof name, "%.*s", equals ? (int)(equals - arg - 2) : (int)strlen(arg) - 2, arg + 2);
        snprintf(where, sizeof where, "--%s", name);
        if (!look_up(name, where, &takes_argument))
            return false;
        if (equals) {
            value = equals + 1;
        } else if (takes_argument) {
            if (i + 1 == argc)
                return refuse(where, "wants a value", NULL);
            value = argv[++i];
        }
        if (config_only != (strcmp(name, "config") == 0))
            continue;
        if (!set_by_name(o, name, value, where))
            return false;
    }
    return true;
}

bool options_read(struct options *o, int argc, char **argv)
{
    const char *path;

    if (!read_flags(o, argc, argv, true))
        return false;
    path = o->values[OPT_CONFIG] ? o->values[OPT_CONFIG] : getenv("ERLGATE_CONFIG");
    return (!path || !*path || read_file(o, path)) && read_environment(o) && read_flags(o, argc, argv, false);
}

/* ---- help ---- */

enum { HELP_COLUMN = 31, HELP_WIDTH = 100 };

static void print_wrapped(const char *text)
{
    size_t column = HELP_COLUMN;

    while (*text) {
        size_t word = strcspn(text, " ");

        if (column + word > HELP_WIDTH) {
            printf("\n%*s", HELP_COLUMN, "");
            column = HELP_COLUMN;
        }
        printf("%s%.*s", column > HELP_COLUMN ? " " : "", (int)word, text);
        column += word + 1;
        text += word + (text[word] == ' ');
    }
}

void options_print_help(void)
{
    for (size_t i = 0; i < OPT_COUNT; i++) {
        char left[64];

        snprintf(left, sizeof left, "  --%s%s%s", table[i].flag, table[i].argument ? " " : "",
                 table[i].argument ? table[i].argument : "");
        printf("%-*s", HELP_COLUMN, left);
        if (strlen(left) >= HELP_COLUMN)
            printf("\n%*s", HELP_COLUMN, "");
        print_wrapped(table[i].help);
        if (table[i].default_value && table[i].argument)
            printf(" [%s]", table[i].default_value);
        printf("\n");
    }
}
