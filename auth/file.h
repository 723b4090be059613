/*
 * file: reading a file whole, no more than so much of it, and whether others could read it too.
 */
#ifndef ERLGATE_AUTH_FILE_H
#define ERLGATE_AUTH_FILE_H

#include <sys/types.h>

#include "auth/fault.h"
#include "base/err.h"

struct auth_file {
    char *text;      /* owned: auth_file_free wipes it */
    size_t len;      /* bytes; a NUL follows */
    bool is_exposed; /* its mode lets others read it, or the group write it */
};

/* what: "token file". missing_hint: what to do when there is none; static; NULL: nothing to be said. A
 * directory, a device or a file over max bytes is refused. */
MUST_USE bool auth_file_read(const char *path, const char *what, const char *missing_hint, size_t max,
                             struct auth_file *ret, struct auth_fault *fault);
void auth_file_free(struct auth_file *f);

#endif
