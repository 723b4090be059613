#include "src/serve_auth.h"

#include <stdio.h>

#include "loop/loop.h"

bool serve_auth_load(const struct settings *s, const char *event, struct auth **ret)
{
    struct auth_config config = s->auth;
    struct auth_fault fault;
    char where[320];

    loop_random(&config.seed, sizeof config.seed);
    *ret = auth_load(&config, &fault);
    if (*ret)
        return true;
    snprintf(where, sizeof where, fault.line ? "%s:%u:%u" : "%s", fault.file, fault.line, fault.column);
    LOG(LOG_ERROR, event, LOG_STR("file", where), LOG_STR("why", fault.what),
        LOG_STR("hint", fault.hint ? fault.hint : ""));
    return false;
}

static void warn(const char *option, const char *file)
{
    LOG(LOG_WARN, "file-exposed", LOG_STR("option", option), LOG_STR("file", file),
        LOG_STR("hint", "others can read it: chmod 600 it"));
}

void serve_auth_log(const struct settings *s, const char *event, const struct auth *a)
{
    struct auth_info info;

    auth_look(a, &info);
    if (auth_is_on(a))
        LOG(LOG_INFO, event, LOG_UINT("tokens", info.tokens), LOG_UINT("keys", info.keys),
            LOG_UINT("identities", info.identities));
    if (info.is_token_file_exposed)
        warn("token-file", s->auth.token_file);
    if (info.is_jwks_file_exposed)
        warn("jwks-file", s->auth.jwks_file);
}
