/* standard: the descriptors that a program is started with, of which some may be missing. */
#ifndef ERLGATE_SRC_STANDARD_H
#define ERLGATE_SRC_STANDARD_H

/* Opens each of 0, 1 and 2 that is closed, on /dev/null, where writing fails: the next file or socket would
 * get its number, and what is meant for people be written to that. Before anything else is opened. */
void standard_descriptors_occupy(void);

#endif
