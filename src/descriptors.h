/* descriptors: how many the process may have, and whether that is enough to begin. */
#ifndef ERLGATE_SRC_DESCRIPTORS_H
#define ERLGATE_SRC_DESCRIPTORS_H

#include "src/settings.h"

/* Each connection is one: as many as we may. */
void descriptors_raise(void);
/* False: what threads, links and reserves take would leave too few for clients; the log says so, and what to
 * do. */
MUST_USE bool descriptors_suffice(const struct settings *s);

#endif
