#include "auth/sessions.h"

#include <pthread.h>

#include "auth/base64url.h"
#include "auth/digest.h"
#include "base/map.h"
#include "base/mem.h"

struct entry {
    struct auth_session session;
    struct auth_digest key;
    struct entry *older, *newer; /* of all */
};

struct auth_sessions {
    pthread_mutex_t lock; /* of all that follows */
    struct map by_name;   /* by the digest of the name; owns its entries */
    struct entry *oldest, *newest;
};

struct auth_sessions *auth_sessions_new(uint64_t seed)
{
    struct auth_sessions *t = mem_zalloc(sizeof *t);

    if (!t)
        return NULL;
    pthread_mutex_init(&t->lock, NULL);
    map_init(&t->by_name, seed);
    return t;
}

static void drop(struct auth_sessions *t, struct entry *e)
{
    map_remove(&t->by_name, auth_digest_slice(&e->key));
    *(e->older ? &e->older->newer : &t->oldest) = e->newer;
    *(e->newer ? &e->newer->older : &t->newest) = e->older;
    mem_free(e);
}

void auth_sessions_free(struct auth_sessions *t)
{
    if (!t)
        return;
    while (t->oldest)
        drop(t, t->oldest);
    map_fini(&t->by_name);
    pthread_mutex_destroy(&t->lock);
    mem_free(t);
}

size_t auth_sessions_count(struct auth_sessions *t)
{
    size_t count;

    pthread_mutex_lock(&t->lock);
    count = t->by_name.count;
    pthread_mutex_unlock(&t->lock);
    return count;
}

/* Opening is rare, and there are at most AUTH_SESSIONS_MAX: they are all looked at. */
static void make_room(struct auth_sessions *t, struct slice principal)
{
    struct entry *oldest = NULL;
    size_t count = 0;

    for (struct entry *e = t->newest; e; e = e->older) {
        if (!slice_eq(auth_principal_name(&e->session.principal), principal))
            continue;
        count++;
        oldest = e;
    }
    if (count >= AUTH_SESSIONS_A_PRINCIPAL)
        drop(t, oldest);
    else if (t->by_name.count >= AUTH_SESSIONS_MAX)
        drop(t, t->oldest);
}

/* Takes its place among the others, under that key. */
static bool add(struct auth_sessions *t, struct entry *e)
{
    make_room(t, auth_principal_name(&e->session.principal));
    if (map_get(&t->by_name, auth_digest_slice(&e->key)) ||
        map_put(&t->by_name, auth_digest_slice(&e->key), e) != ERR_NONE)
        return false;
    e->older = t->newest;
    *(t->newest ? &t->newest->newer : &t->oldest) = e;
    t->newest = e;
    return true;
}

bool auth_sessions_open(struct auth_sessions *t, const struct auth_session *s,
                        const uint8_t random[AUTH_SESSION_RANDOM], char name[AUTH_SESSION_LEN + 1])
{
    struct entry *e = mem_zalloc(sizeof *e);
    bool is_added = false;

    if (!e)
        return false;
    auth_base64url_print(random, AUTH_SESSION_RANDOM, name);
    e->session = *s;
    if (auth_digest_of(slice_of(name, AUTH_SESSION_LEN), &e->key)) {
        pthread_mutex_lock(&t->lock);
        is_added = add(t, e);
        pthread_mutex_unlock(&t->lock);
    }
    if (!is_added)
        mem_free(e);
    return is_added;
}

static bool key_of(struct slice name, struct auth_digest *ret)
{
    return name.len == AUTH_SESSION_LEN && auth_digest_of(name, ret);
}

bool auth_sessions_find(struct auth_sessions *t, struct slice name, int64_t now_s, struct auth_session *ret)
{
    struct auth_digest key;
    struct entry *e;
    bool is_good;

    if (!key_of(name, &key))
        return false;
    pthread_mutex_lock(&t->lock);
    e = map_get(&t->by_name, auth_digest_slice(&key));
    is_good = e && now_s < e->session.expires_s;
    if (is_good)
        *ret = e->session;
    else if (e)
        drop(t, e);
    pthread_mutex_unlock(&t->lock);
    return is_good;
}

bool auth_sessions_end(struct auth_sessions *t, struct slice name)
{
    struct auth_digest key;
    struct entry *e;

    if (!key_of(name, &key))
        return false;
    pthread_mutex_lock(&t->lock);
    e = map_get(&t->by_name, auth_digest_slice(&key));
    if (e)
        drop(t, e);
    pthread_mutex_unlock(&t->lock);
    return e != NULL;
}
