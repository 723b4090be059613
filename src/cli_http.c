#include "src/cli_http.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "src/cli_out.h"
#include "src/cli_token.h"
#include "src/cli_url.h"

enum {
    CONNECT_MS = 5000,
    KEPT_MAX = 64 << 20, /* of a body that no sink takes */
    OTHER_MAX = 1 << 20, /* of what was not asked for: a problem, or another server's page */
    TURN_MS = 1000,      /* at least so often it is seen whether standard output is still read */
};

#define SOCKET_URL "http://localhost"

struct cli_http {
    CURL *easy;
    CURLM *multi;
    char *url;                                 /* owned: without a slash at its end */
    const char *ca_file;                       /* borrowed from the arguments; NULL: the system's */
    const char *cert_file, *key_file, *socket; /* likewise; NULL: none */
    char *authorization;                       /* owned: a whole header line, secret; NULL: none */
    char error[CURL_ERROR_SIZE];
};

/* One request on its way. */
struct turn {
    struct cli_http *http;
    const struct cli_request *request;
    struct cli_answer *answer;
    struct curl_slist *headers; /* owned */
    bool has_head, is_taken, has_stopped;
    uint64_t deadline_ms; /* 0: none */
};

static uint64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* ---- life ---- */

static enum cli_status set_up(struct cli_http *h, const struct cli_args *a)
{
    enum cli_status status = cli_url_read(a->url      ? a->url
                                          : a->socket ? SOCKET_URL
                                                      : CLI_DEFAULT_URL,
                                          &h->url);

    h->ca_file = a->ca_file;
    h->cert_file = a->cert_file;
    h->key_file = a->key_file;
    h->socket = a->socket;
    if (status == CLI_OK)
        status = cli_token_read(a, &h->authorization);
    if (status != CLI_OK)
        return status;
    /* TLS takes its time to set up: only where it is spoken. */
    if (curl_global_init(cli_url_is_https(h->url) ? CURL_GLOBAL_SSL : CURL_GLOBAL_NOTHING) != CURLE_OK)
        return cli_say(CLI_FAILED, "libcurl does not start");
    h->easy = curl_easy_init();
    h->multi = curl_multi_init();
    return h->easy && h->multi ? CLI_OK : cli_say(CLI_FAILED, "out of memory");
}

struct cli_http *cli_http_new(const struct cli_args *a, enum cli_status *ret_status)
{
    struct cli_http *h = mem_zalloc(sizeof *h);

    signal(SIGPIPE, SIG_IGN); /* sockets must not end us; standard output is looked after by cli_out */
    *ret_status = h ? set_up(h, a) : cli_say(CLI_FAILED, "out of memory");
    if (*ret_status == CLI_OK)
        return h;
    cli_http_free(h);
    return NULL;
}

void cli_http_free(struct cli_http *h)
{
    if (!h)
        return;
    curl_easy_cleanup(h->easy);
    curl_multi_cleanup(h->multi);
    if (h->easy)
        curl_global_cleanup();
    if (h->authorization)
        mem_wipe(h->authorization, strlen(h->authorization));
    mem_free(h->authorization);
    mem_free(h->url);
    mem_free(h);
}

const char *cli_http_url(const struct cli_http *h)
{
    return h->socket ? h->socket : h->url;
}

/* ---- the answer ---- */

static void keep_type(struct turn *t)
{
    const char *type = NULL;
    size_t n = 0;

    if (curl_easy_getinfo(t->http->easy, CURLINFO_CONTENT_TYPE, &type) != CURLE_OK || !type)
        return;
    while (type[n] && type[n] != ';' && type[n] != ' ' && n + 1 < sizeof t->answer->type) {
        char c = type[n];

        t->answer->type[n++] = c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c;
    }
    t->answer->type[n] = '\0';
}

/* <target>; rel="next" */
static void keep_link(struct cli_answer *answer, const char *value)
{
    const char *start = strchr(value, '<'), *end = start ? strchr(start, '>') : NULL;

    if (!end || !(strstr(end, "rel=next") || strstr(end, "rel=\"next\"")) ||
        (size_t)(end - start) > sizeof answer->next)
        return;
    snprintf(answer->next, sizeof answer->next, "%.*s", (int)(end - start - 1), start + 1);
}

static void keep_head(struct turn *t)
{
    struct curl_header *header;

    if (t->has_head)
        return;
    t->has_head = true;
    curl_easy_getinfo(t->http->easy, CURLINFO_RESPONSE_CODE, &t->answer->status);
    keep_type(t);
    for (size_t i = 0; curl_easy_header(t->http->easy, "Link", i, CURLH_HEADER, -1, &header) == CURLHE_OK;
         i++)
        keep_link(t->answer, header->value);
    t->is_taken = t->request->sink && t->answer->status == 200 && t->request->accept &&
                  strcmp(t->answer->type, t->request->accept) == 0;
}

static void put_off(struct turn *t)
{
    t->deadline_ms = t->request->idle_ms ? now_ms() + t->request->idle_ms : 0;
}

static size_t take_body(char *part, size_t size, size_t count, void *ctx)
{
    struct turn *t = ctx;

    keep_head(t);
    put_off(t);
    if (!t->is_taken) {
        if (t->answer->status != 200)
            t->answer->body.ceiling = OTHER_MAX;
        wr_bytes(&t->answer->body, part, size * count);
        return wr_ok(&t->answer->body) ? size * count : 0;
    }
    t->has_stopped = !t->request->sink(t->request->ctx, slice_of(part, size * count));
    return t->has_stopped ? 0 : size * count;
}

/* The empty line behind the head: a stream has one long before it has a body. */
static size_t take_header(char *line, size_t size, size_t count, void *ctx)
{
    struct turn *t = ctx;
    long status = 0;

    curl_easy_getinfo(t->http->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status >= 200 && size * count <= 2 && (line[0] == '\r' || line[0] == '\n')) {
        keep_head(t);
        put_off(t);
    }
    return size * count;
}

/* ---- the request ---- */

static bool add_header(struct turn *t, const char *name, const char *value)
{
    struct curl_slist *longer;
    struct wr line;

    wr_init(&line, SIZE_MAX);
    wr_printf(&line, "%s%s", name, value);
    wr_u8(&line, '\0');
    longer = wr_ok(&line) ? curl_slist_append(t->headers, (const char *)line.buf) : NULL;
    wr_fini(&line);
    if (longer)
        t->headers = longer;
    return longer != NULL;
}

static bool add_headers(struct turn *t)
{
    const struct cli_request *r = t->request;

    return (!r->accept || add_header(t, "Accept: ", r->accept)) &&
           (!r->type || add_header(t, "Content-Type: ", r->type)) && add_header(t, "Expect:", "") &&
           (!r->event_id || add_header(t, "Last-Event-ID: ", r->event_id)) &&
           (!t->http->authorization || add_header(t, "", t->http->authorization));
}

static bool set_body(const struct turn *t)
{
    CURL *c = t->http->easy;

    if (!t->request->type)
        return true;
    return curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)t->request->body.len) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_POSTFIELDS,
                            t->request->body.len ? (const char *)t->request->body.ptr : "") == CURLE_OK;
}

static bool set_url(const struct turn *t)
{
    struct wr url;
    bool ok;

    wr_init(&url, SIZE_MAX);
    wr_printf(&url, "%s%s", t->http->url, t->request->path);
    wr_u8(&url, '\0');
    ok = wr_ok(&url) && curl_easy_setopt(t->http->easy, CURLOPT_URL, (const char *)url.buf) == CURLE_OK;
    wr_fini(&url);
    return ok;
}

static bool prepare(struct turn *t)
{
    CURL *c = t->http->easy;

    curl_easy_reset(c);
    t->http->error[0] = '\0';
    if (!add_headers(t) || !set_url(t) || !set_body(t))
        return false;
    curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, t->request->method);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, t->headers);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "erlgate/" ERLGATE_VERSION);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, t->http->error);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(c, CURLOPT_PATH_AS_IS, 1L); /* a process may be called `..` */
    curl_easy_setopt(c, CURLOPT_PROXY, "");
    if (t->http->ca_file)
        curl_easy_setopt(c, CURLOPT_CAINFO, t->http->ca_file);
    if (t->http->cert_file)
        curl_easy_setopt(c, CURLOPT_SSLCERT, t->http->cert_file);
    if (t->http->cert_file)
        curl_easy_setopt(c, CURLOPT_SSLKEY, t->http->key_file ? t->http->key_file : t->http->cert_file);
    if (t->http->socket)
        curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, t->http->socket);
    curl_easy_setopt(c, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, t);
    return true;
}

/* ---- its end ---- */

/* What to do about it. */
static const char *hint_of(const struct cli_http *h, CURLcode code)
{
    switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
        return "--ca-file or $ERLGATE_CA_FILE names the CA that its certificate is of, --url the host that "
               "stands in it";
    case CURLE_SSL_CACERT_BADFILE:
        return "--ca-file or $ERLGATE_CA_FILE is to name CAs' certificates, in PEM";
    case CURLE_SSL_CERTPROBLEM:
        return "--cert-file and --key-file are to name a certificate and its key, in PEM";
    case CURLE_SSL_CONNECT_ERROR: return "if it speaks plain HTTP: --url or $ERLGATE_URL with http://";
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_OPERATION_TIMEDOUT:
        return h->socket ? "does it run (`erlgate serve`)? --socket or $ERLGATE_SOCKET says where it is"
                         : "does it run (`erlgate serve`)? --url or $ERLGATE_URL says where it is";
    default:
        return cli_url_is_https(h->url) && !h->cert_file
                   ? "if it wants a client's certificate: --cert-file and --key-file"
                   : NULL;
    }
}

static void explain(struct turn *t, CURLcode code)
{
    struct cli_answer *a = t->answer;
    long os_error = 0;

    a->hint = hint_of(t->http, code);
    curl_easy_getinfo(t->http->easy, CURLINFO_OS_ERRNO, &os_error);
    if (a->body.err == ERR_TOO_LARGE || code == CURLE_OUT_OF_MEMORY)
        snprintf(a->why, sizeof a->why, "it is larger than what a gateway sends");
    else if (code == CURLE_COULDNT_CONNECT && os_error)
        snprintf(a->why, sizeof a->why, "%s", strerror((int)os_error));
    else
        snprintf(a->why, sizeof a->why, "%s", t->http->error[0] ? t->http->error : curl_easy_strerror(code));
    /* Names in certificates are among what it says. */
    for (char *p = a->why; *p; p++)
        if ((unsigned char)*p < ' ' || (unsigned char)*p >= 0x7F)
            *p = '?';
}

static bool is_connected(const struct turn *t)
{
    curl_off_t us = 0;

    return curl_easy_getinfo(t->http->easy, CURLINFO_CONNECT_TIME_T, &us) == CURLE_OK && us > 0;
}

static enum cli_http_end end_of(struct turn *t, CURLcode code)
{
    if (code == CURLE_OK)
        return CLI_HTTP_DONE;
    if (t->has_stopped)
        return CLI_HTTP_STOPPED;
    /* libcurl says so, too, of a line that is longer than it takes. */
    if ((code == CURLE_OUT_OF_MEMORY && !is_connected(t)) || t->answer->body.err == ERR_NOMEM)
        return CLI_HTTP_NO_MEMORY;
    /* Refused in the middle of a large body: the answer is there, and counts. */
    if (code == CURLE_SEND_ERROR && t->has_head && t->answer->status >= 400)
        return CLI_HTTP_DONE;
    explain(t, code);
    switch (code) {
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_PEER_FAILED_VERIFICATION: return CLI_HTTP_NOT_REACHED;
    default: return CLI_HTTP_NO_ANSWER;
    }
}

static int milliseconds_left(const struct turn *t)
{
    uint64_t now = now_ms();

    if (!t->deadline_ms)
        return TURN_MS;
    if (now >= t->deadline_ms)
        return 0;
    return t->deadline_ms - now < TURN_MS ? (int)(t->deadline_ms - now) : TURN_MS;
}

static bool is_told_to_stop(int fd, int wait_ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    return fd && poll(&p, 1, wait_ms) == 1;
}

bool cli_http_rest(uint64_t ms, int stop_fd)
{
    uint64_t end = now_ms() + ms, now;

    while ((now = now_ms()) < end) {
        if (is_told_to_stop(stop_fd, end - now < TURN_MS ? (int)(end - now) : TURN_MS))
            return false;
        cli_out_look();
    }
    return true;
}

static enum cli_http_end run(struct turn *t)
{
    struct curl_waitfd extra[] = {{.fd = STDOUT_FILENO},
                                  {.fd = t->request->stop_fd, .events = CURL_WAIT_POLLIN}};
    CURLM *m = t->http->multi;
    int running = 1, left;
    CURLMsg *message;

    for (;;) {
        if (curl_multi_perform(m, &running) != CURLM_OK)
            return CLI_HTTP_NO_MEMORY;
        while ((message = curl_multi_info_read(m, &left)))
            if (message->msg == CURLMSG_DONE)
                return end_of(t, message->data.result);
        left = milliseconds_left(t);
        if (left == 0)
            return CLI_HTTP_LATE;
        if (is_told_to_stop(t->request->stop_fd, 0))
            return CLI_HTTP_STOPPED;
        cli_out_look();
        if (curl_multi_poll(m, extra, t->request->stop_fd ? 2 : 1, left, NULL) != CURLM_OK)
            return CLI_HTTP_NO_MEMORY;
    }
}

void cli_http_ask(struct cli_http *h, const struct cli_request *request, struct cli_answer *ret)
{
    struct turn t = {
        .http = h, .request = request, .answer = ret, .deadline_ms = now_ms() + request->wait_ms};

    *ret = (struct cli_answer){.end = CLI_HTTP_NO_MEMORY};
    wr_init(&ret->body, KEPT_MAX);
    if (prepare(&t) && curl_multi_add_handle(h->multi, h->easy) == CURLM_OK) {
        ret->end = run(&t);
        if (ret->end == CLI_HTTP_DONE)
            keep_head(&t);
        curl_multi_remove_handle(h->multi, h->easy);
    }
    curl_slist_free_all(t.headers);
}

void cli_answer_fini(struct cli_answer *answer)
{
    wr_fini(&answer->body);
}
