/*
 * beam: an Erlang node as a stopwatch for its own codec, asked through pipes.
 *
 * Made by beam_start, ended by beam_stop. What goes wrong with it ends the program: there is nothing to
 * measure then.
 */
#ifndef ERLGATE_BENCH_CODEC_BEAM_H
#define ERLGATE_BENCH_CODEC_BEAM_H

#include <stdio.h>
#include <sys/types.h>

struct beam {
    pid_t pid;
    FILE *to, *from;
};

/* erl: the program; document: a JSON file. */
void beam_start(struct beam *b, const char *erl, const char *document);
/* what: as bench_codec.erl calls it. Nanoseconds a run. */
double beam_time_runs(struct beam *b, const char *what, unsigned long runs);
void beam_stop(struct beam *b);

#endif
