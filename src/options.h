/*
 * options: what can be configured: values by option, from file, environment and flags, each with its origin.
 *
 * Strength, weakest first: default, file, environment, flag. A stronger source replaces what a weaker one
 * gave, lists too. Values are text until src/settings.h takes them apart. Made by options_init, filled once
 * by options_read, ended by options_fini.
 *
 * A fault does not end the reading: all that are wrong are told in one run, each by options_fault, with its
 * place. Whoever reads asks options_is_good at the end.
 */
#ifndef ERLGATE_SRC_OPTIONS_H
#define ERLGATE_SRC_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "src/option_table.h"

enum option {
#define X(sym, group, flag, arg, dflt, traits, fixed, help) sym,
    OPTION_TABLE(X)
#undef X
        OPT_COUNT
};

enum option_group {
    OPTION_GROUP_NODE,
    OPTION_GROUP_HTTP,
    OPTION_GROUP_ACCESS,
    OPTION_GROUP_LIMITS,
    OPTION_GROUP_RUN
};
enum { OPTION_GROUPS = OPTION_GROUP_RUN + 1 };

enum option_trait {
    OPTION_MANY = 1, /* may be given more than once; in the environment, commas between the values */
    OPTION_FILE = 2, /* the path of a file that is read */
};

struct option_spec {
    const char *flag, *argument, *default_value, *help;
    enum option_group group;
    unsigned traits;
    const char *fixed; /* why SIGHUP cannot change it; NULL: it can */
};

enum option_source { OPTION_FROM_DEFAULT, OPTION_FROM_FILE, OPTION_FROM_ENVIRONMENT, OPTION_FROM_FLAG };

struct option_value {
    char **texts;  /* owned, NULL-terminated; NULL: not given */
    char **places; /* owned: of each, for messages: "erlgate.yaml:3:5", "ERLGATE_NAME", "--name" */
    size_t count;
    enum option_source source;
};

/* Is told of what is wrong (or, is_warning, of what only might be). place: as above. */
typedef void options_tell(void *ctx, bool is_warning, const char *place, const char *what);

struct options {
    struct option_value values[OPT_COUNT];
    unsigned faults, warnings;
    options_tell *tell; /* NULL: standard error */
    void *tell_ctx;     /* borrowed */
};

void options_init(struct options *o);
void options_fini(struct options *o);
/* Reads file, environment and argv[0..]. */
void options_read(struct options *o, int argc, char **argv);
/* Warns of each variable ERLGATE_… that nobody reads: a misspelt one, most likely. */
void options_warn_environment(struct options *o);
bool options_is_good(const struct options *o);

/* Its value, or its default; of one that may be repeated, the first. NULL: it has neither. */
const char *options_get(const struct options *o, enum option which);
/* All its values, NULL-terminated. */
const char *const *options_list(const struct options *o, enum option which);
bool options_is_set(const struct options *o, enum option which); /* for switches */
const struct option_spec *options_spec(enum option which);
/* "file:3:5: name" or "--name" of its n-th value: where a message points. Into ret, which is returned. */
const char *options_place(const struct options *o, enum option which, size_t n, char *ret, size_t cap);

/* Counts and tells a fault of the option's n-th value; gives false. what: a sentence fragment behind the
 * option's name. */
bool options_fault_of(struct options *o, enum option which, size_t n, const char *what);
bool options_fault(struct options *o, enum option which, const char *what); /* of the first */
/* The same for what is no option's value: a file, say. */
bool options_fault_at(struct options *o, const char *place, const char *what);
void options_warn_at(struct options *o, const char *place, const char *what);
void options_warn(struct options *o, enum option which, const char *what); /* of the first */

/* The table, for --help. */
void options_print_help(void);
/* All values as a file that --config reads, each with its origin as a comment. */
void options_dump(const struct options *o);
/* The candidate that is most like word, or NULL when none is. */
const char *options_closest(const char *word, const char *const *candidates, size_t count);

#endif
