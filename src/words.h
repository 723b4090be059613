/* words: flags among a command's words, for the commands that hand the others on. */
#ifndef ERLGATE_SRC_WORDS_H
#define ERLGATE_SRC_WORDS_H

#include <stdbool.h>

bool words_ask_for_help(int argc, char **argv); /* --help or -h */
/* Is it there? It is taken out then. */
bool words_take(int *argc, char **argv, const char *flag);

#endif
