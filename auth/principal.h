/*
 * principal: the name of who asks, as tokens, certificates, user ids and rules have it.
 *
 * A name is 1 to 128 bytes of UTF-8 without control characters, and is compared byte by byte: there are no
 * other spellings of one. It is kept by value wherever it goes.
 */
#ifndef ERLGATE_AUTH_PRINCIPAL_H
#define ERLGATE_AUTH_PRINCIPAL_H

#include "base/slice.h"

enum { AUTH_PRINCIPAL_MAX = 128 };

struct auth_principal {
    char name[AUTH_PRINCIPAL_MAX + 1]; /* and a NUL */
    size_t len;
};

bool auth_principal_is_valid(struct slice name);
/* False, and nothing is written, when it is none. */
bool auth_principal_set(struct auth_principal *p, struct slice name);

static inline struct slice auth_principal_name(const struct auth_principal *p)
{
    return slice_of(p->name, p->len);
}

#endif
