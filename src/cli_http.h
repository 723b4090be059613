/*
 * cli_http: one request after another to one gateway, by libcurl.
 *
 * Made by cli_http_new, ended by cli_http_free. Redirects are not followed, proxies and .netrc are not used,
 * nothing but HTTP and HTTPS is spoken. Each wait has an end: connecting, the head of an answer, silence in
 * the middle of one.
 */
#ifndef ERLGATE_SRC_CLI_HTTP_H
#define ERLGATE_SRC_CLI_HTTP_H

#include "base/wr.h"
#include "src/cli_args.h"
#include "src/cli_status.h"

struct cli_http;

struct cli_request {
    const char *method;
    const char *path;     /* escaped, with its query */
    const char *type;     /* of the body; NULL: there is none */
    struct slice body;    /* borrowed until the answer is there */
    const char *accept;   /* the media type of the answer; NULL: any */
    const char *event_id; /* Last-Event-ID; NULL: none */
    uint64_t wait_ms;     /* for the head of the answer, connecting included */
    uint64_t idle_ms;     /* between two parts of its body; 0: any time */
    /* Takes the body of a 200 of type accept, a part at a time; false ends the request (CLI_HTTP_STOPPED).
     * NULL: it is kept in the answer, as other bodies are. */
    bool (*sink)(void *ctx, struct slice part);
    void *ctx;
    int stop_fd; /* becomes readable when the request is to end; 0: none */
};

enum cli_http_end {
    CLI_HTTP_DONE,        /* there is a whole answer, of whatever status */
    CLI_HTTP_NOT_REACHED, /* no connection */
    CLI_HTTP_NO_ANSWER,   /* connected, and then nothing that is one; or it broke off */
    CLI_HTTP_LATE,        /* wait_ms or idle_ms are over */
    CLI_HTTP_STOPPED,     /* by the sink or stop_fd */
    CLI_HTTP_NO_MEMORY,
};

struct cli_answer {
    enum cli_http_end end;
    long status;      /* 0: none came */
    char type[80];    /* media type, lower case, without parameters; "" when there is none */
    char next[2048];  /* the target of Link: rel=next; "" when there is none */
    char why[320];    /* CLI_HTTP_NOT_REACHED, CLI_HTTP_NO_ANSWER: what went wrong */
    struct wr body;   /* owned: what no sink took, up to a ceiling */
    const char *hint; /* with why: what to do; static. NULL: nobody knows */
};

/* NULL: said why, with *ret_status. Reads the token file. */
struct cli_http *cli_http_new(const struct cli_args *a, enum cli_status *ret_status);
void cli_http_free(struct cli_http *h);
/* As it is shown to people: the socket's path, if that is where it is. */
const char *cli_http_url(const struct cli_http *h);

/* One request. Fills ret, which cli_answer_fini ends. */
void cli_http_ask(struct cli_http *h, const struct cli_request *request, struct cli_answer *ret);
void cli_answer_fini(struct cli_answer *answer);

/* Lets time pass. False: stop_fd has become readable. */
bool cli_http_rest(uint64_t ms, int stop_fd);

#endif
