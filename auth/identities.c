#include "auth/identities.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>

#include "auth/digest.h"
#include "base/mem.h"

#define PLACE "--principal"

static const char form[] =
    "write NAME=cert:SUBJECT, as in billing=cert:CN=billing,O=Example, or NAME=uid:USER";

static bool refuse(struct auth_fault *f, const char *given, const char *what)
{
    return auth_fault_set(f, PLACE, 0, 0, form, "'%.80s' %s", given, what);
}

/* A number, or the name of a user there is. */
static bool read_user(const char *text, int64_t *ret)
{
    const struct passwd *user;
    char *end;
    long long number;

    if (*text >= '0' && *text <= '9') {
        errno = 0;
        number = strtoll(text, &end, 10);
        *ret = number;
        return !errno && !*end && number < UINT32_MAX; /* the largest is none */
    }
    user = *text ? getpwnam(text) : NULL;
    if (user)
        *ret = user->pw_uid;
    return user != NULL;
}

static bool set_credential(struct auth_identity *i)
{
    struct slice thing = i->subject ? slice_of_str(i->subject) : slice_of(&i->uid, sizeof i->uid);

    i->credential =
        auth_credential_of(i->subject ? "cert" : "uid", thing, auth_principal_name(&i->principal), INT64_MAX);
    return i->credential != 0;
}

static bool read_one(const char *given, struct auth_identity *ret, struct auth_fault *fault)
{
    const char *equals = strchr(given, '='), *what = equals ? equals + 1 : "";

    if (!equals || !auth_principal_set(&ret->principal, slice_of(given, (size_t)(equals - given))))
        return refuse(fault, given, "has no principal before its first =");
    if (strncmp(what, "cert:", 5) == 0 && what[5]) {
        ret->subject = mem_strndup(what + 5, strlen(what + 5));
        if (!ret->subject)
            return refuse(fault, given, "cannot be kept: out of memory");
    } else if (strncmp(what, "uid:", 4) != 0) {
        return refuse(fault, given, "is neither of a certificate nor of a user");
    } else if (!read_user(what + 4, &ret->uid)) {
        return refuse(fault, given, "is of a user that does not exist here");
    }
    return set_credential(ret) || refuse(fault, given, "cannot be kept: out of memory");
}

static const struct auth_identity *twin_of(const struct auth_identities *i, const struct auth_identity *new)
{
    return new->subject ? auth_identities_of_cert(i, new->subject) : auth_identities_of_uid(i, new->uid);
}

static bool add(struct auth_identities *i, const char *given, struct auth_fault *fault)
{
    struct auth_identity new = {0};
    bool is_read = read_one(given, &new, fault);

    if (is_read && twin_of(i, &new))
        is_read = refuse(fault, given, "gives an identity a second principal");
    if (is_read)
        i->list[i->count++] = new;
    else
        mem_free(new.subject);
    return is_read;
}

struct auth_identities *auth_identities_read(const char *const *list, struct auth_fault *fault)
{
    struct auth_identities *i = mem_zalloc(sizeof *i);
    size_t count = 0;

    while (list && list[count])
        count++;
    if (i)
        i->list = mem_realloc_array(NULL, count + 1, sizeof *i->list);
    if (!i || !i->list) {
        auth_fault_set(fault, PLACE, 0, 0, NULL, "out of memory");
        auth_identities_free(i);
        return NULL;
    }
    for (size_t n = 0; n < count; n++) {
        if (!add(i, list[n], fault)) {
            auth_identities_free(i);
            return NULL;
        }
    }
    return i;
}

void auth_identities_free(struct auth_identities *i)
{
    if (!i)
        return;
    for (size_t n = 0; n < i->count; n++)
        mem_free(i->list[n].subject);
    mem_free(i->list);
    mem_free(i);
}

const struct auth_identity *auth_identities_of_cert(const struct auth_identities *i, const char *subject)
{
    for (size_t n = 0; subject && n < i->count; n++)
        if (i->list[n].subject && strcmp(i->list[n].subject, subject) == 0)
            return &i->list[n];
    return NULL;
}

const struct auth_identity *auth_identities_of_uid(const struct auth_identities *i, int64_t uid)
{
    for (size_t n = 0; n < i->count; n++)
        if (!i->list[n].subject && i->list[n].uid == uid)
            return &i->list[n];
    return NULL;
}
