#include "bench/codec/beam.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"

static void run_erl(const char *erl, const char *document)
{
    char eval[2048];
    int n = snprintf(eval, sizeof eval,
                     "{ok, M, B} = compile:file(\"%s/bench_codec.erl\", [binary, report]), "
                     "{module, M} = code:load_binary(M, \"\", B), M:main(\"%s\").",
                     BENCH_CODEC_SOURCE, document);

    CHECK(n > 0 && (size_t)n < sizeof eval);
    setenv("ERL_CRASH_DUMP_SECONDS", "0", 1);
    execl(erl, erl, "-noshell", "-eval", eval, (char *)NULL);
    perror(erl);
    _exit(127);
}

void beam_start(struct beam *b, const char *erl, const char *document)
{
    int to[2], from[2];

    if (pipe(to) != 0 || pipe(from) != 0 || (b->pid = fork()) < 0) {
        perror("bench_codec");
        exit(2);
    }
    if (b->pid == 0) {
        dup2(to[0], STDIN_FILENO);
        dup2(from[1], STDOUT_FILENO);
        close(to[0]);
        close(to[1]);
        close(from[0]);
        close(from[1]);
        run_erl(erl, document);
    }
    close(to[0]);
    close(from[1]);
    b->to = fdopen(to[1], "w");
    b->from = fdopen(from[0], "r");
    CHECK(b->to && b->from);
}

double beam_time_runs(struct beam *b, const char *what, unsigned long runs)
{
    double ns;

    if (fprintf(b->to, "%s %lu\n", what, runs) < 0 || fflush(b->to) != 0 ||
        fscanf(b->from, "%lf", &ns) != 1) {
        fprintf(stderr, "bench_codec: the Erlang node does not answer\n");
        exit(2);
    }
    return ns;
}

void beam_stop(struct beam *b)
{
    fclose(b->to);
    fclose(b->from);
    waitpid(b->pid, NULL, 0);
}
