/* The options for people: --help, and --dump-config. */
#include <stdio.h>
#include <string.h>

#include "src/options.h"

enum { HELP_COLUMN = 31, HELP_WIDTH = 100, ORIGIN_COLUMN = 44, TEXT_MAX = 1024 };

static const char *const groups[OPTION_GROUPS] = {
    [OPTION_GROUP_NODE] = "The node",          [OPTION_GROUP_HTTP] = "Where HTTP is served",
    [OPTION_GROUP_ACCESS] = "Who may do what", [OPTION_GROUP_LIMITS] = "Limits",
    [OPTION_GROUP_RUN] = "How it runs",
};

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

static void print_row(const struct option_spec *row)
{
    char left[64], text[TEXT_MAX];
    bool has_default = row->default_value && row->argument;

    snprintf(left, sizeof left, "  --%s%s%s", row->flag, row->argument ? " " : "",
             row->argument ? row->argument : "");
    printf("%-*s", HELP_COLUMN, left);
    if (strlen(left) >= HELP_COLUMN)
        printf("\n%*s", HELP_COLUMN, "");
    snprintf(text, sizeof text, "%s%s%s%s%s%s", row->help,
             row->traits & OPTION_MANY ? "; may be repeated" : "",
             row->fixed ? " (a change wants a restart)" : "", has_default ? " [" : "",
             has_default ? row->default_value : "", has_default ? "]" : "");
    print_wrapped(text);
    printf("\n");
}

void options_print_help(void)
{
    for (size_t g = 0; g < OPTION_GROUPS; g++) {
        bool has_title = false;

        for (size_t i = 0; i < OPT_COUNT; i++) {
            const struct option_spec *row = options_spec((enum option)i);

            if (row->group != g)
                continue;
            if (!has_title)
                printf("%s%s:\n", g ? "\n" : "", groups[g]);
            has_title = true;
            print_row(row);
        }
    }
}

/* ---- the dump ---- */

/* In single quotes unless it is plainly a text. Gives its width. */
static int print_scalar(const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./@-+";
    int n = 0;

    if (*text && strchr("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ/_", *text) &&
        (strspn(text, plain) == strlen(text)))
        return printf("%s", text);
    n += printf("'");
    for (; *text; text++)
        n += printf(*text == '\'' ? "''" : "%c", *text);
    return n + printf("'");
}

static int print_values(const struct option_value *v, const struct option_spec *row)
{
    int n = 0;

    if (!(row->traits & OPTION_MANY))
        return print_scalar(v->count ? v->texts[0] : row->default_value);
    n += printf("[");
    for (size_t i = 0; i < v->count; i++) {
        n += printf("%s", i ? ", " : "");
        n += print_scalar(v->texts[i]);
    }
    return n + printf("]");
}

static void dump_option(const struct options *o, enum option which)
{
    const struct option_value *v = &o->values[which];
    const struct option_spec *row = options_spec(which);
    int n;

    if (which == OPT_CONFIG)
        return;
    if (!v->count && !row->default_value) {
        printf("# %s:\n", row->flag);
        return;
    }
    n = printf("%s: ", row->flag);
    n += print_values(v, row);
    printf("%*s# %s\n", n < ORIGIN_COLUMN ? ORIGIN_COLUMN - n : 1, "", v->count ? v->places[0] : "default");
}

void options_dump(const struct options *o)
{
    for (size_t g = 0; g < OPTION_GROUPS; g++) {
        bool has_title = false;

        for (size_t i = 0; i < OPT_COUNT; i++) {
            if (options_spec((enum option)i)->group != g)
                continue;
            if (!has_title)
                printf("%s# %s\n", g ? "\n" : "", groups[g]);
            has_title = true;
            dump_option(o, (enum option)i);
        }
    }
}
