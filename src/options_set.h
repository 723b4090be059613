/* options_set: how the readers of file, environment and flags put values in. Not for others. */
#ifndef ERLGATE_SRC_OPTIONS_SET_H
#define ERLGATE_SRC_OPTIONS_SET_H

#include "src/options.h"

/* OPT_COUNT: there is none of that name. ret_is_negated: it is `hidden`, the opposite of `visible`. */
enum option options_find(const char *name, bool *ret_is_negated);
/* The name of an option that may be meant; NULL: none. */
const char *options_closest_flag(const char *word);
/* Tells that there is no option of that name, and which may be meant. */
void options_refuse_unknown(struct options *o, const char *place, const char *name);
/* Puts a value in, or adds it to those of the same source. */
void options_set(struct options *o, enum option which, bool is_negated, const char *value,
                 enum option_source source, const char *place);

void options_read_file(struct options *o, const char *path);
void options_read_environment(struct options *o);
/* only_config: looks for --config and nothing else, and gives no fault. */
void options_read_flags(struct options *o, int argc, char **argv, bool only_config);

#endif
