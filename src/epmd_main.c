/*
 * erlgate-epmd: a name server for Erlang nodes, to be used in place of OTP's epmd: its options, environment,
 * exit codes and the words that scripts look for.
 */
#include "epmd_ask.h"
#include "epmd_options.h"
#include "epmd_serve.h"
#include "standard.h"

int main(int argc, char **argv)
{
    struct epmd_options options;

    (void)argc;
    standard_descriptors_occupy();
    epmd_options_parse(&options, argv + 1);
    if (options.command == EPMD_RUN)
        epmd_serve(&options);
    return epmd_ask_running(&options);
}
