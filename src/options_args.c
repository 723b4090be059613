/* Environment and flags. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/options_set.h"

enum { NAME_MAX_LEN = 64, VALUE_MAX = 4096 };

static void variable_of(const char *flag, char *ret, size_t cap)
{
    size_t n = (size_t)snprintf(ret, cap, "ERLGATE_%s", flag);

    for (size_t i = 0; i < n && i < cap; i++)
        ret[i] = ret[i] == '-' ? '_' : (char)toupper((unsigned char)ret[i]);
}

/* Commas stand between the values of an option that takes several. */
static void set_each(struct options *o, enum option which, const char *values, const char *variable)
{
    char value[VALUE_MAX];

    while (*values) {
        size_t len = strcspn(values, ",");

        if (len >= sizeof value) {
            options_fault_at(o, variable, "is too long");
            return;
        }
        snprintf(value, sizeof value, "%.*s", (int)len, values);
        if (len)
            options_set(o, which, false, value, OPTION_FROM_ENVIRONMENT, variable);
        values += len + (values[len] == ',');
    }
}

static void read_variable(struct options *o, const char *flag)
{
    char variable[NAME_MAX_LEN + 16];
    bool is_negated;
    enum option which = options_find(flag, &is_negated);
    const char *value;

    variable_of(flag, variable, sizeof variable);
    value = getenv(variable);
    if (!value || !*value)
        return;
    if (options_spec(which)->traits & OPTION_MANY)
        set_each(o, which, value, variable);
    else
        options_set(o, which, is_negated, value, OPTION_FROM_ENVIRONMENT, variable);
}

void options_read_environment(struct options *o)
{
    for (size_t i = 0; i < OPT_COUNT; i++)
        if (i != OPT_CONFIG)
            read_variable(o, options_spec((enum option)i)->flag);
    read_variable(o, "hidden");
}

/* --name VALUE and --name=VALUE; a switch is true by itself. Gives how many words were taken. */
static int take_flag(struct options *o, int argc, char **argv, bool only_config)
{
    char name[NAME_MAX_LEN], place[NAME_MAX_LEN + 3];
    const char *arg = argv[0], *equals = strchr(arg, '='), *value = "true";
    bool is_negated, is_wanted;
    enum option which;
    int taken = 1;

    snprintf(name, sizeof name, "%.*s", equals ? (int)(equals - arg - 2) : (int)strlen(arg) - 2, arg + 2);
    snprintf(place, sizeof place, "--%s", name);
    which = options_find(name, &is_negated);
    is_wanted = only_config == (which == OPT_CONFIG);
    if (which == OPT_COUNT) {
        if (!only_config)
            options_refuse_unknown(o, place, name);
        return !equals && argc > 1 && strncmp(argv[1], "--", 2) != 0 ? 2 : 1; /* what was to be its value */
    }
    if (equals) {
        value = equals + 1;
    } else if (options_spec(which)->argument) {
        if (argc < 2) {
            if (is_wanted)
                options_fault_at(o, place, "wants a value");
            return 1;
        }
        value = argv[1];
        taken = 2;
    }
    if (is_wanted)
        options_set(o, which, is_negated, value, OPTION_FROM_FLAG, place);
    return taken;
}

void options_read_flags(struct options *o, int argc, char **argv, bool only_config)
{
    for (int i = 0; i < argc;) {
        if (strncmp(argv[i], "--", 2) != 0 || argv[i][2] == '\0') {
            if (!only_config)
                options_fault_at(o, *argv[i] ? argv[i] : "an empty word",
                                 "options begin with --, as in --name gate@localhost");
            i++;
        } else {
            i += take_flag(o, argc - i, argv + i, only_config);
        }
    }
}
