/* oracle: what jansson makes of a text, for targets that cannot include both its header and json/read.h. */
#ifndef ERLGATE_TESTS_FUZZ_ORACLE_H
#define ERLGATE_TESTS_FUZZ_ORACLE_H

#include "base/slice.h"

enum oracle_answer {
    ORACLE_NO,
    ORACLE_YES,
    ORACLE_CANNOT_TELL, /* JSON that jansson has no room for: large integers and floats, zeroes in keys, depth
                         */
};

enum oracle_answer oracle_is_json(struct slice text);
/* Two texts that are JSON: do they mean the same? */
bool oracle_is_same_json(struct slice a, struct slice b);

#endif
