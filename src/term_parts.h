/*
 * term_parts: what the files of `erlgate term` share. Nothing else includes it.
 *
 *   term_options.c   what is asked for
 *   term_convert.c   one term from one format to another
 *   term_cmd.c       all of standard input, or a line at a time
 */
#ifndef ERLGATE_SRC_TERM_PARTS_H
#define ERLGATE_SRC_TERM_PARTS_H

#include "base/wr.h"
#include "bridge/transcode.h"

enum format { FORMAT_ETF, FORMAT_JSON, FORMAT_TYPED, FORMAT_ERL, FORMAT_NONE };

struct term_cmd {
    enum format from, to;
    bool by_lines;
    size_t max_bytes; /* of a text or a term, inflated too */
    struct transcode_options transcode;
    struct wr in;   /* what is to be converted */
    struct wr raw;  /* the same without its base64 */
    struct wr term; /* the term, or what a compressed one was inflated to */
    struct wr out;
};

/* Why a term could not be converted. */
struct failure {
    struct transcode_fault at; /* its text is static */
    bool has_place;            /* at.line and at.column count */
};

/* --help on standard output. */
void term_options_print(void);
/* Fills in what the arguments say. False: said on standard error why not. */
MUST_USE bool term_options_read(struct term_cmd *t, int argc, char **argv);

/* What is in `in`, to `out`. Any error but ERR_NOMEM is the term's: f says where and why. `in` may be empty
 * then. */
MUST_USE enum err term_convert(struct term_cmd *t, struct failure *f);
/* e at offset, in f; text: static. Gives e. */
enum err term_fail(struct failure *f, enum err e, size_t offset, const char *text);
/* For the next term: one that has grown large gives its memory back. */
void term_empty(struct wr *w);

#endif
