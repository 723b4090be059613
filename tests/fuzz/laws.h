/* laws: what holds for the codec whatever it is given. For the targets that give it something. */
#ifndef ERLGATE_TESTS_FUZZ_LAWS_H
#define ERLGATE_TESTS_FUZZ_LAWS_H

#include "bridge/transcode.h"

/* Terms whose order or size was not foreseen are moved, and that has a budget, which nests of wide tuples use
 * up. */
bool law_is_too_much_moving(enum err e, const struct transcode_fault *f);

/* A valid term becomes JSON, to jansson too, and comes back from the typed one as what it was. */
void law_there_and_back(struct slice term, const struct transcode_options *o);

/* Bytes that are judged while they become JSON: what is taken is what validation takes, up to the same byte,
 * and becomes what a validated term does, which typed comes back as what it was; and what validation takes is
 * taken, but where might_be_left. */
void law_judged_as_validated(struct slice input, const struct etf_atoms *atoms,
                             const struct transcode_options *o, bool typed, bool might_be_left);

#endif
