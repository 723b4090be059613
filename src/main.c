/*
 * erlgate: a node of an Erlang cluster that speaks REST and JSON on its other side. This file finds the
 * subcommand.
 */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "src/check.h"
#include "src/cli.h"
#include "src/health.h"
#include "src/options.h"
#include "src/policy_cmd.h"
#include "src/serve.h"
#include "src/standard.h"
#include "src/term_cmd.h"
#include "src/token_cmd.h"
#include "src/words.h"

static int version_command(int argc, char **argv);
static int help_command(int argc, char **argv);

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} commands[] = {
    {"serve", serve_command, "join a cluster and serve it over HTTP"},
    {"token", token_command, "make a bearer token for --token-file"},
    {"policy", policy_command, "ask a policy what it allows, and why"},
    {"check-config", check_config_command, "tell what is wrong with a configuration"},
    {"dump-config", dump_config_command, "print the configuration, and where each value comes from"},
    {"healthcheck", healthcheck_command, "ask the gateway of this configuration how it is"},
    {"term", term_command, "convert terms between ETF, JSON and Erlang syntax"},
#define X(name, command, ask, help) {#name, cli_##name##_command, help},
    CLI_COMMANDS(X)
#undef X
        {"version", version_command, "print the version"},
    {"help", help_command, "print this; `erlgate help COMMAND` is `erlgate COMMAND --help`"},
};

static int version_command(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    printf("erlgate %s\n", ERLGATE_VERSION);
    return 0;
}

static int find_and_run(const char *name, int argc, char **argv)
{
    const char *names[ARRAY_LEN(commands)], *closest;

    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        names[i] = commands[i].name;
        if (strcmp(names[i], name) == 0)
            return commands[i].run(argc, argv);
    }
    if (name[0] == '-') {
        fprintf(stderr,
                "erlgate: '%s' is no command: options stand behind it, as in `erlgate nodes --url URL`. "
                "`erlgate help` lists the commands.\n",
                name);
        return 2;
    }
    closest = options_closest(name, names, ARRAY_LEN(commands));
    fprintf(stderr, "erlgate: there is no command '%s'%s%s%s `erlgate help` lists them.\n", name,
            closest ? "; did you mean '" : "", closest ? closest : "", closest ? "'?" : ".");
    return 2;
}

static int help_command(int argc, char **argv)
{
    char help[] = "--help", *ask[] = {help, NULL};

    if (argc > 0 && !words_ask_for_help(argc, argv) && strcmp(argv[0], "help") != 0 &&
        strcmp(argv[0], "version") != 0)
        return find_and_run(argv[0], 1, ask);
    printf("erlgate: a node of an Erlang cluster that speaks REST and JSON on its other side.\n\n"
           "Usage: erlgate COMMAND [OPTION]...\n\n");
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        printf("  %-13s %s\n", commands[i].name, commands[i].help);
    printf("\nThose from call to watch ask a gateway that runs, at --url, else $ERLGATE_URL, else "
           "http://127.0.0.1:4370.\n"
           "The name server by itself is another program: `erlgate-epmd --help`. To begin:\n\n"
           "  erlgate serve --name gate@localhost --cookie-file ~/.erlang.cookie\n");
    return 0;
}

int main(int argc, char **argv)
{
    standard_descriptors_occupy();
    /* A line of one among several at work on a terminal is written at once, not in pieces. */
    setvbuf(stderr, NULL, _IOLBF, BUFSIZ);
    if (argc < 2) {
        help_command(0, NULL);
        return 2;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return help_command(0, NULL);
    if (strcmp(argv[1], "--version") == 0)
        return version_command(0, NULL);
    return find_and_run(argv[1], argc - 2, argv + 2);
}
