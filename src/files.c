#include "src/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "loop/loop.h"

/* Where warnings about rules go. */
struct warning {
    struct options *options;
    const char *file;
};

enum { PLACE_MAX = 320, WHAT_MAX = 512 };

/* What is wrong, and what to do about it. The libraries' words may end like a sentence. */
static void join(const char *what, const char *hint, char ret[WHAT_MAX])
{
    size_t len = strlen(what);

    if (!hint) {
        snprintf(ret, WHAT_MAX, "%s", what);
        return;
    }
    if (len && what[len - 1] == '.')
        len--;
    snprintf(ret, WHAT_MAX, "%.*s%s %s", (int)len, what, len && what[len - 1] == '?' ? "" : ":", hint);
}

/*
 * What is wrong with a file as a whole is told where its name was given, by the first of these options that
 * gave it: "erlgate.yaml:6:12: policy-file: nope.yaml: …".
 */
static bool tell_of_file(struct options *o, const enum option *from, size_t count, const char *file,
                         const char *what)
{
    char text[WHAT_MAX];

    for (size_t i = 0; i < count; i++) {
        const char *given = options_get(o, from[i]);

        if (given && strcmp(given, file) == 0) {
            snprintf(text, sizeof text, "%s: %s", file, what);
            return options_fault_of(o, from[i], 0, text);
        }
    }
    return options_fault_at(o, file, what);
}

static const enum option dist_tls_files[] = {OPT_DIST_TLS_CERT, OPT_DIST_TLS_KEY, OPT_DIST_TLS_CA},
                         https_files[] = {OPT_TLS_CERT, OPT_TLS_KEY, OPT_TLS_CA},
                         auth_files[] = {OPT_TOKEN_FILE, OPT_JWKS_FILE, OPT_POLICY_FILE};

static bool load_tls(struct files *f, const struct settings *s, struct options *o)
{
    struct loop_tls_config config = s->tls;
    struct loop_tls_fault fault;
    char what[WHAT_MAX];
    enum err e;

    if (!s->tls.cert_file)
        return true;
    config.is_verified &= config.ca_file != NULL; /* that there is none has been told by the settings */
    e = loop_tls_new(&config, &f->tls, &fault);
    if (e == ERR_NONE)
        return true;
    snprintf(what, sizeof what, "%s (docs/tls.md)", fault.text ? fault.text : err_text(e));
    return tell_of_file(o, dist_tls_files, ARRAY_LEN(dist_tls_files),
                        fault.file ? fault.file : config.cert_file, what);
}

static bool load_https(struct files *f, const struct settings *s, struct options *o)
{
    struct http_tls_config config = s->https;
    struct http_tls_fault fault;
    char what[WHAT_MAX];
    int64_t days;
    enum err e;

    if (!s->https.cert_file)
        return true;
    if (!config.ca_file)
        config.client_cert = HTTP_CLIENT_CERT_NONE; /* if one is wanted, that has been told by the settings */
    e = http_tls_load(&config, &f->https, &fault);
    if (e != ERR_NONE) {
        join(fault.what[0] ? fault.what : err_text(e), fault.hint, what);
        return tell_of_file(o, https_files, ARRAY_LEN(https_files),
                            fault.file ? fault.file : config.cert_file, what);
    }
    days = http_tls_days_left(f->https, (int64_t)time(NULL));
    if (http_tls_info(f->https)->is_key_exposed)
        options_warn_at(o, s->https.key_file ? s->https.key_file : s->https.cert_file,
                        "others can read or change the key: chmod 600 it");
    if (days < FILES_DAYS_TO_WARN) {
        snprintf(what, sizeof what, "the certificate expires in %lld days", (long long)days);
        options_warn_at(o, s->https.cert_file, what);
    }
    return true;
}

static bool tell_fault(struct options *o, const struct auth_fault *f)
{
    char place[PLACE_MAX], what[WHAT_MAX];

    join(f->what, f->hint, what);
    if (!f->line)
        return tell_of_file(o, auth_files, ARRAY_LEN(auth_files), f->file, what);
    snprintf(place, sizeof place, "%s:%u:%u", f->file, f->line, f->column);
    return options_fault_at(o, place, what);
}

static bool tell_faults(struct options *o, const struct auth_faults *faults)
{
    for (unsigned i = 0; i < faults->count; i++)
        tell_fault(o, &faults->at[i]);
    return false;
}

static void try_auth(const struct auth_config *config, struct options *o)
{
    struct auth_faults faults;
    struct auth *auth = auth_load(config, &faults);

    if (!auth)
        tell_faults(o, &faults);
    auth_free(auth);
}

static void try_principals(const struct auth_config *config, struct options *o)
{
    for (size_t i = 0; config->principals && config->principals[i]; i++) {
        const char *const one[] = {config->principals[i], NULL};
        struct auth_faults faults;
        struct auth *auth =
            auth_load(&(struct auth_config){.principals = one, .seed = config->seed}, &faults);
        char what[WHAT_MAX];

        if (!auth) {
            join(faults.at[0].what, faults.at[0].hint, what);
            options_fault_of(o, OPT_PRINCIPAL, i, what);
        }
        auth_free(auth);
    }
}

/* Loading ends at what is wrong first: what is wrong besides is found by trying each by itself. whole: what
 * was wrong, if it is nothing of these. */
static bool tell_auth_faults(const struct auth_config *config, const struct auth_faults *whole,
                             struct options *o)
{
    struct auth_config tokens = {.token_file = config->token_file, .seed = config->seed}, keys = *config;
    unsigned before = o->faults;

    keys.token_file = NULL;
    keys.principals = NULL;
    try_principals(config, o);
    try_auth(&tokens, o);
    try_auth(&keys, o);
    return o->faults != before ? false : tell_faults(o, whole);
}

static bool load_auth(struct files *f, const struct settings *s, struct options *o)
{
    struct auth_config config = s->auth;
    struct auth_faults faults;
    struct auth_info info;

    loop_random(&config.seed, sizeof config.seed);
    f->auth = auth_load(&config, &faults);
    if (!f->auth)
        return tell_auth_faults(&config, &faults, o);
    auth_look(f->auth, &info);
    if (s->auth.token_file && info.tokens == 0)
        options_warn_at(o, s->auth.token_file, "there is no token in it: nobody gets in by one");
    else if (s->auth.token_file && info.last_expires_s <= (int64_t)time(NULL))
        options_warn_at(o, s->auth.token_file, "each token in it has expired: nobody gets in by one");
    if (info.is_token_file_exposed)
        options_warn_at(
            o, s->auth.token_file,
            "others can read the tokens' hashes: chmod 600 it, unless nobody else is in this container");
    if (info.is_jwks_file_exposed)
        options_warn_at(o, s->auth.jwks_file, "others can read the secret key in it: chmod 600 it");
    return true;
}

static void warn_of_rule(void *ctx, const struct policy_rule *rule, const char *what)
{
    char place[PLACE_MAX], text[WHAT_MAX];
    struct warning *w = ctx;

    snprintf(place, sizeof place, "%s:%u:%u", w->file, rule->line, rule->column);
    snprintf(text, sizeof text, "rule \"%s\": %s (docs/policy.md)", rule->name, what);
    options_warn_at(w->options, place, text);
}

/* It is opened when all else has been loaded. */
static bool can_audit(const struct settings *s, struct options *o)
{
    const int flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    int fd = s->audit_file ? open(s->audit_file, flags, 0600) : 0;
    char what[WHAT_MAX];

    if (fd > 0)
        close(fd);
    if (fd >= 0)
        return true;
    snprintf(what, sizeof what, "the audit cannot be written there: %s", strerror(errno));
    return tell_of_file(o, (const enum option[]){OPT_AUDIT_FILE}, 1, s->audit_file, what);
}

static bool load_policy(struct files *f, const struct settings *s, struct options *o)
{
    struct warning w = {.options = o, .file = s->policy_file};
    struct auth_faults faults;

    if (!s->policy_file)
        return true;
    f->policy = policy_load(s->policy_file, &faults);
    if (f->policy) {
        policy_warn(f->policy, warn_of_rule, &w);
        return can_audit(s, o);
    }
    return tell_faults(o, &faults);
}

bool files_load(struct files *f, const struct settings *s, struct options *o)
{
    bool is_good;

    *f = (struct files){0};
    is_good = load_tls(f, s, o);
    is_good &= load_https(f, s, o);
    is_good &= load_auth(f, s, o);
    is_good &= load_policy(f, s, o);
    if (!is_good)
        files_free(f);
    return is_good;
}

void files_free(struct files *f)
{
    loop_tls_free(f->tls);
    http_tls_unref(f->https);
    auth_free(f->auth);
    policy_free(f->policy);
    *f = (struct files){0};
}

static void log_tls(const struct files *f, const struct settings *s, const char *before)
{
    struct loop_tls_info info;

    loop_tls_describe(f->tls, &info);
    LOG(info.is_expired ? LOG_WARN : LOG_INFO, before ? "tls-reloaded" : "tls",
        LOG_STR("certificate", !before                            ? "read"
                               : strcmp(before, info.sha256) == 0 ? "same"
                                                                  : "new"),
        LOG_STR("subject", info.subject), LOG_STR(info.is_expired ? "expired" : "expires", info.expires),
        LOG_STR("sha256", info.sha256), LOG_STR("verify", s->tls.is_verified ? "peer" : "none"));
}

static void log_https(const struct files *f, const char *before)
{
    static const char *const modes[] = {"none", "optional", "required"};
    const struct http_tls_info *info = http_tls_info(f->https);
    int64_t days = http_tls_days_left(f->https, (int64_t)time(NULL));

    LOG(days < FILES_DAYS_TO_WARN ? LOG_WARN : LOG_INFO, before ? "https-reloaded" : "https",
        LOG_STR("certificate", !before                             ? "read"
                               : strcmp(before, info->sha256) == 0 ? "same"
                                                                   : "new"),
        LOG_STR("subject", info->subject), LOG_STR("expires", info->expires), LOG_INT("days", days),
        LOG_STR("sha256", info->sha256), LOG_STR("client_cert", modes[info->client_cert]));
}

static void log_auth(const struct files *f, bool is_again)
{
    struct auth_info info;

    auth_look(f->auth, &info);
    if (auth_is_on(f->auth))
        LOG(LOG_INFO, is_again ? "authentication-reloaded" : "authentication",
            LOG_UINT("tokens", info.tokens), LOG_UINT("keys", info.keys),
            LOG_UINT("identities", info.identities));
}

void files_log(const struct files *f, const struct settings *s, const struct files *before)
{
    struct loop_tls_info old = {0};

    if (before && before->tls)
        loop_tls_describe(before->tls, &old);
    if (f->tls)
        log_tls(f, s, before ? old.sha256 : NULL);
    if (f->https)
        log_https(f, before && before->https ? http_tls_info(before->https)->sha256 : NULL);
    log_auth(f, before != NULL);
    if (f->policy)
        LOG(LOG_INFO, before ? "policy-reloaded" : "policy", LOG_STR("file", s->policy_file),
            LOG_UINT("rules", policy_rule_count(f->policy)));
    else if (before && before->policy)
        LOG(LOG_WARN, "policy-reloaded", LOG_STR("file", ""),
            LOG_STR("why", "without --policy-file all is allowed"));
}
