#include "auth/principal.h"

#include "base/utf8.h"

/* C0, DEL and C1. */
static bool is_control(int32_t cp)
{
    return cp < 0x20 || (cp >= 0x7F && cp < 0xA0);
}

bool auth_principal_is_valid(struct slice name)
{
    const uint8_t *p = name.ptr, *end = name.len ? name.ptr + name.len : name.ptr;

    if (name.len == 0 || name.len > AUTH_PRINCIPAL_MAX)
        return false;
    while (p < end) {
        int32_t cp = utf8_next(&p, end);

        if (cp == UTF8_INVALID || is_control(cp))
            return false;
    }
    return true;
}

bool auth_principal_set(struct auth_principal *p, struct slice name)
{
    if (!auth_principal_is_valid(name))
        return false;
    memcpy(p->name, name.ptr, name.len);
    p->name[name.len] = '\0';
    p->len = name.len;
    return true;
}
