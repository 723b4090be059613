#include "src/health.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "src/settings.h"
#include "src/words.h"

enum { HEALTH_WAIT_MS = 4000, HEALTH_BODY_MAX = 4096 };

struct health {
    char url[340];
    const char *socket; /* into the settings; NULL: TCP */
    char body[HEALTH_BODY_MAX + 1];
    size_t len;
};

static void print_help(void)
{
    printf(
        "Usage: erlgate healthcheck [--ready] [OPTION]...\n\n"
        "Asks the gateway that runs with the same configuration (flags, environment, file), on this "
        "machine or in this\n"
        "container, how it is: on --admin-listen if that is configured, else where it listens, else on its "
        "socket.\n"
        "(Where --tls-client-cert is required, it has to have one of the other two.)\n"
        "No token is needed, and the gateway's certificate is not looked at.\n\n"
        "  HEALTHCHECK CMD [\"/usr/bin/erlgate\", \"healthcheck\"]\n\n"
        "Options:\n"
        "  --ready   ask /readyz, which says no while it starts and stops, and not only /livez\n"
        "  --help    print this; the others are those of `erlgate serve --help`\n\n"
        "Exit status: 0 well; 1 not, or there is no telling.\n");
}

/* Where a process of this machine reaches what listens there. */
static const char *reached_at(const char *host)
{
    if (!host || strcmp(host, "") == 0 || strcmp(host, "0.0.0.0") == 0)
        return "127.0.0.1";
    return strcmp(host, "::") == 0 ? "::1" : host;
}

/* We have no certificate to show. */
static bool wants_certificate(const struct settings *s, const struct http_listen *l)
{
    return l->is_tls && s->https.client_cert == HTTP_CLIENT_CERT_REQUIRED;
}

static int rank(const struct settings *s, const struct http_listen *l)
{
    return l->is_admin ? 3 : wants_certificate(s, l) ? 0 : l->path ? 1 : 2;
}

/* The listener that asks least of who asks. NULL: no port is known. */
static const struct http_listen *best_of(const struct settings *s)
{
    const struct gateway_config *g = &s->gateway;
    const struct http_listen *best = NULL;

    for (size_t i = 0; i < g->listen_count; i++) {
        const struct http_listen *l = &g->listens[i];

        if ((l->path || l->port != 0) && (!best || rank(s, l) > rank(s, best)))
            best = l;
    }
    return best;
}

static void write_url(struct health *h, const struct http_listen *l, const char *path)
{
    const char *host = l->path ? "localhost" : reached_at(l->host);
    bool is_v6 = strchr(host, ':') != NULL;

    h->socket = l->path;
    if (l->path)
        snprintf(h->url, sizeof h->url, "http://localhost%s", path);
    else
        snprintf(h->url, sizeof h->url, "http%s://%s%s%s:%u%s", l->is_tls ? "s" : "", is_v6 ? "[" : "", host,
                 is_v6 ? "]" : "", l->port, path);
}

static size_t on_body(char *data, size_t size, size_t count, void *ctx)
{
    struct health *h = ctx;
    size_t len = size * count, room = HEALTH_BODY_MAX - h->len, kept = len < room ? len : room;

    memcpy(h->body + h->len, data, kept);
    h->len += kept;
    return len;
}

static int tell(const struct health *h, CURLcode outcome, const char *why, long status)
{
    if (outcome != CURLE_OK) {
        fprintf(stderr, "erlgate: %s%s%s does not answer: %s\n", h->socket ? h->socket : h->url,
                h->socket ? ": " : "", h->socket ? h->url : "", *why ? why : curl_easy_strerror(outcome));
        return 1;
    }
    printf("%s%s", h->body, h->len > 0 && h->body[h->len - 1] == '\n' ? "" : "\n");
    if (status != 200)
        fprintf(stderr, "erlgate: %s answers %ld\n", h->url, status);
    return status == 200 ? 0 : 1;
}

static int ask(struct health *h)
{
    char why[CURL_ERROR_SIZE] = "";
    CURLcode outcome;
    long status = 0;
    CURL *c;
    int ret;

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || !(c = curl_easy_init())) {
        fprintf(stderr, "erlgate: libcurl does not start\n");
        return 1;
    }
    curl_easy_setopt(c, CURLOPT_URL, h->url);
    curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, h->socket);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_PROXY, "");
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)HEALTH_WAIT_MS);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, why);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, h);
    /* It is this machine's own, by an address that stands in no certificate; nothing secret is sent. */
    curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 0L);
    outcome = curl_easy_perform(c);
    curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
    ret = tell(h, outcome, why, status);
    curl_easy_cleanup(c);
    curl_global_cleanup();
    return ret;
}

/* (Warnings are told once, by who serves.) */
static void tell_faults(void *ctx, bool is_warning, const char *place, const char *what)
{
    (void)ctx;
    if (!is_warning)
        fprintf(stderr, "erlgate: %s: %s\n", place, what);
}

static int check_health(struct settings *s, struct options *o, const char *path)
{
    const struct http_listen *l;
    struct health h = {0};

    settings_read(s, o);
    if (!options_is_good(o))
        return 1;
    l = best_of(s);
    if (!l) {
        fprintf(stderr, "erlgate: a gateway that listens on port 0 cannot be found: give it one\n");
        return 1;
    }
    if (wants_certificate(s, l)) {
        fprintf(stderr,
                "erlgate: with --tls-client-cert required a health check has no way in: give the gateway "
                "an --admin-listen, or a --socket\n");
        return 1;
    }
    write_url(&h, l, path);
    return ask(&h);
}

int healthcheck_command(int argc, char **argv)
{
    bool wants_ready = words_take(&argc, argv, "--ready");
    struct settings *s;
    struct options o;
    int status;

    if (words_ask_for_help(argc, argv)) {
        print_help();
        return 0;
    }
    s = mem_zalloc(sizeof *s);
    if (!s)
        return 1;
    options_init(&o);
    o.tell = tell_faults;
    options_read(&o, argc, argv);
    status = check_health(s, &o, wants_ready ? "/readyz" : "/livez");
    settings_fini(s);
    options_fini(&o);
    mem_free(s);
    return status;
}
