/*
 * cli_answer: what an answer of the gateway means: is it what was asked for, and if not, why not, in one line
 * on standard error and as an exit status.
 */
#ifndef ERLGATE_SRC_CLI_ANSWER_H
#define ERLGATE_SRC_CLI_ANSWER_H

#include "src/cli_http.h"

extern const char cli_problem_type[]; /* application/problem+json */

/* CLI_OK: a 2xx, and of the media type wanted if it is a 200. place: what line and column of a bad term are
 * in. */
enum cli_status cli_answer_judge(const struct cli_http *h, const struct cli_args *a,
                                 const struct cli_answer *answer, const char *wanted, const char *place);
/* Asks, and judges. ret is ended by cli_answer_fini, whatever came of it. */
enum cli_status cli_ask(struct cli_http *h, const struct cli_args *a, const struct cli_request *request,
                        struct cli_answer *ret);

/* The code of an answer that is a problem, into w. False: it is none. */
bool cli_answer_code(const struct cli_answer *answer, struct wr *w);
/* Appends the term that a text in (typed) JSON stands for, in Erlang syntax; the JSON itself where it is
 * none. */
void cli_erlang_of_json(struct slice json, struct wr *w);

#endif
