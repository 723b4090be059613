/*
 * cli_args: what stands behind `erlgate call` and its kin: options, environment, and the words in between.
 *
 * Made by cli_args_read over argv, which it borrows; nothing to free.
 */
#ifndef ERLGATE_SRC_CLI_ARGS_H
#define ERLGATE_SRC_CLI_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cli_command {
    CLI_CALL = 1 << 0,
    CLI_CAST = 1 << 1,
    CLI_SEND = 1 << 2,
    CLI_EXIT = 1 << 3,
    CLI_RPC = 1 << 4,
    CLI_NODES = 1 << 5,
    CLI_NAMES = 1 << 6,
    CLI_PING = 1 << 7,
    CLI_WATCH = 1 << 8,
};

enum cli_format { CLI_ERL, CLI_JSON, CLI_TYPED };

enum { CLI_WORDS_MAX = 4 };

struct cli_args {
    enum cli_command command;
    const char *name; /* of the command */
    const char *url, *ca_file, *cert_file, *key_file, *token_file, *socket, *to, *in;
    const char *charlists, *bigints, *null, *keys; /* ?charlists= and so on; NULL: as the gateway does */
    char *token; /* in the environment: wiped once it has been read; NULL: none */
    uint64_t timeout_ms, reconnect_ms;
    bool is_json, is_typed, unwraps, is_cast, watches_nodes, wants_help;
    enum cli_format format;           /* of what comes out */
    bool is_erlang_in;                /* else JSON */
    const char *words[CLI_WORDS_MAX]; /* what is no option, in order */
    size_t word_count;
};

/* False: said on standard error what is wrong, and what to do. */
bool cli_args_read(struct cli_args *a, enum cli_command command, const char *name, int argc, char **argv);
/* The options that this command has, for --help. */
void cli_args_print(enum cli_command command);
/* `erlgate NAME: …` and a pointer to --help on standard error; false, for `return`. */
__attribute__((format(printf, 2, 3))) bool cli_args_refuse(const struct cli_args *a, const char *fmt, ...);

#endif
