/* Environment and flags. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "src/options_set.h"

enum { NAME_MAX_LEN = 64, VALUE_MAX = 4096, WHAT_MAX = 256 };

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

/* ---- variables that are none of ours ---- */

/* What is read by others than options: settings.c, and the commands that ask a gateway. */
static const char *const not_options[] = {"cookie", "token", "url", "ca-file", "cert-file", "key-file"};

/* word: of the variable, as a flag is written. (Variables have capitals, and no dashes.) */
static bool is_known(const char *variable, const char *word)
{
    char as_read[NAME_MAX_LEN + 16];
    bool is_negated;
    size_t i = 0;

    variable_of(word, as_read, sizeof as_read);
    if (strcmp(as_read, variable) != 0)
        return false;
    if (options_find(word, &is_negated) != OPT_COUNT)
        return true;
    while (i < ARRAY_LEN(not_options) && strcmp(word, not_options[i]) != 0)
        i++;
    return i < ARRAY_LEN(not_options);
}

/* Kubernetes tells each pod in variables where services are: ERLGATE_SERVICE_HOST, ERLGATE_PORT_4370_TCP, …
 * of one that is called erlgate, ERLGATE_ADMIN_PORT of erlgate-admin; as did Docker with its links. */
static bool is_of_service(const char *word, const char *value)
{
    const char *port = strstr(word, "port-");
    size_t len = strlen(word);

    return strstr(word, "service-host") || strstr(word, "service-port") ||
           (port && isdigit((unsigned char)port[5])) ||
           (len >= 4 && strcmp(word + len - 4, "port") == 0 && strstr(value, "://"));
}

/* Its value may be a secret with a wrong name. */
static void warn_of_variable(struct options *o, const char *variable, const char *word)
{
    const char *hint = options_closest_flag(word);
    char meant[NAME_MAX_LEN + 16], what[WHAT_MAX];

    if (!hint)
        hint = options_closest(word, not_options, ARRAY_LEN(not_options));
    if (hint)
        variable_of(hint, meant, sizeof meant);
    snprintf(what, sizeof what, "there is no such variable: it changes nothing%s%s%s",
             hint ? "; did you mean '" : "", hint ? meant : "", hint ? "'?" : "");
    options_warn_at(o, variable, what);
}

/* (One that is empty would change nothing if it were spelt well.) */
void options_warn_environment(struct options *o)
{
    static const char prefix[] = "ERLGATE_";
    const size_t prefix_len = sizeof prefix - 1;

    for (char **at = environ; *at; at++) {
        const char *equals = strchr(*at, '=');
        char variable[NAME_MAX_LEN + 16], word[NAME_MAX_LEN + 16];
        size_t n = 0;

        if (strncmp(*at, prefix, prefix_len) != 0 || !equals || !equals[1])
            continue;
        snprintf(variable, sizeof variable, "%.*s", (int)(equals - *at), *at);
        for (; variable[prefix_len + n]; n++)
            word[n] = variable[prefix_len + n] == '_'
                          ? '-'
                          : (char)tolower((unsigned char)variable[prefix_len + n]);
        word[n] = '\0';
        if (!is_known(variable, word) && !is_of_service(word, equals + 1))
            warn_of_variable(o, variable, word);
    }
}

/* ---- flags ---- */

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

/* Is it the name of a file of options, from which --config was left out? */
static bool is_as_of_config(const char *word)
{
    const char *dot = strrchr(word, '.');

    return dot && (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0 || strcmp(dot, ".conf") == 0);
}

void options_read_flags(struct options *o, int argc, char **argv, bool only_config)
{
    for (int i = 0; i < argc;) {
        if (strncmp(argv[i], "--", 2) != 0 || argv[i][2] == '\0') {
            if (!only_config)
                options_fault_at(o, *argv[i] ? argv[i] : "an empty word",
                                 is_as_of_config(argv[i])
                                     ? "a file of options is given as --config FILE"
                                     : "options begin with --, as in --name gate@localhost");
            i++;
        } else {
            i += take_flag(o, argc - i, argv + i, only_config);
        }
    }
}
