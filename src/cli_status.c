#include "src/cli_status.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/check.h"
#include "base/utf8.h"

static const struct {
    enum cli_status status;
    const char *text;
} meanings[] = {
#define X(sym, number, text) {sym, text},
    CLI_STATUS_TABLE(X)
#undef X
};

static const struct {
    const char *code;
    enum cli_status status;
    const char *hint;
} codes[] = {
    {"bad-term", CLI_USAGE, NULL},
    {"bad-parameter", CLI_USAGE, NULL},
    {"noproc", CLI_NO, NULL},
    {"undef", CLI_NO, NULL},
    {"callee-exit", CLI_NO, NULL},
    {"gone", CLI_NO, NULL},
    {"no-connection", CLI_NO_NODE, NULL},
    {"auth-failed", CLI_NO_NODE, NULL},
    {"nodedown", CLI_NO_NODE, NULL},
    {"timeout", CLI_TIMEOUT, NULL},
    {"unauthenticated", CLI_DENIED,
     "a token stands in a file that --token-file names, without the word Bearer, or in $ERLGATE_TOKEN; one "
     "that was refused may have expired, or been removed"},
    {"reply-too-large", CLI_DENIED, NULL},
    {"overloaded", CLI_BUSY, NULL},
    {"rate-limited", CLI_BUSY, NULL},
    {"not-found", CLI_FAILED, "does --url end before /v1, and is the gateway no older than this program?"},
    {"method-not-allowed", CLI_FAILED, "is the gateway older than this program?"},
    {"not-acceptable", CLI_FAILED, "is the gateway older than this program?"},
    {"unsupported-media-type", CLI_FAILED, "is the gateway older than this program?"},
    {"internal", CLI_FAILED, "the gateway's log says more"},
};

void cli_status_print(void)
{
    printf("\nExit status:\n\n");
    for (size_t i = 0; i < ARRAY_LEN(meanings); i++)
        printf("  %d  %s\n", meanings[i].status, meanings[i].text);
}

enum cli_status cli_status_of(struct slice code, long http_status)
{
    for (size_t i = 0; i < ARRAY_LEN(codes); i++)
        if (slice_eq_str(code, codes[i].code))
            return codes[i].status;
    return http_status >= 500 ? CLI_FAILED : CLI_DENIED;
}

const char *cli_status_hint(struct slice code)
{
    for (size_t i = 0; i < ARRAY_LEN(codes); i++)
        if (slice_eq_str(code, codes[i].code))
            return codes[i].hint;
    return NULL;
}

enum cli_status cli_say(enum cli_status status, const char *fmt, ...)
{
    va_list ap;

    fputs("erlgate: ", stderr);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    return status;
}

void cli_say_text(struct slice text)
{
    const uint8_t *p = text.ptr, *end = text.len ? text.ptr + text.len : text.ptr;

    while (p < end) {
        const uint8_t *at = p;
        int32_t c = utf8_next(&p, end);

        if (c == UTF8_INVALID)
            p = at + 1;
        if (c == UTF8_INVALID || utf8_is_obeyed((uint32_t)c))
            fputc(c == '\n' ? ' ' : '?', stderr);
        else
            fwrite(at, 1, (size_t)(p - at), stderr);
    }
}
