#include "src/cli_url.h"

#include <curl/curl.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/wr.h"

static enum cli_status refuse_url(const char *url, const char *why)
{
    return cli_say(CLI_USAGE, "'%s' is no address of a gateway: %s; it is written as in " CLI_DEFAULT_URL,
                   url, why);
}

static bool has_part(CURLU *u, CURLUPart part)
{
    char *text = NULL;
    bool has = curl_url_get(u, part, &text, 0) == CURLUE_OK;

    curl_free(text);
    return has;
}

static enum cli_status check_parts(CURLU *u, const char *url)
{
    if (has_part(u, CURLUPART_USER) || has_part(u, CURLUPART_PASSWORD))
        return cli_say(CLI_USAGE,
                       "the gateway's address is not the place for secrets, which others would see: "
                       "a token goes into a file, which --token-file names");
    if (has_part(u, CURLUPART_QUERY) || has_part(u, CURLUPART_FRAGMENT))
        return refuse_url(url, "it has a query or a fragment");
    return CLI_OK;
}

static bool is_scheme_ours(CURLU *u)
{
    char *scheme = NULL;
    bool is_ours = curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
                   (strcasecmp(scheme, "http") == 0 || strcasecmp(scheme, "https") == 0);

    curl_free(scheme);
    return is_ours;
}

static enum cli_status check(const char *given, const char *url)
{
    CURLU *u = curl_url();
    enum cli_status status;

    if (!u)
        status = cli_say(CLI_FAILED, "out of memory");
    else if (curl_url_set(u, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK)
        status = refuse_url(given, "it does not parse");
    else if (!is_scheme_ours(u))
        status = refuse_url(given, "it is neither http:// nor https://");
    else
        status = check_parts(u, given);
    curl_url_cleanup(u);
    return status;
}

enum cli_status cli_url_read(const char *given, char **ret)
{
    enum cli_status status;
    struct wr text;
    char *url;

    wr_init(&text, SIZE_MAX);
    if (!strstr(given, "://"))
        wr_str(&text, "http://");
    wr_str(&text, given);
    while (text.len && text.buf[text.len - 1] == '/')
        text.len--;
    url = wr_ok(&text) ? mem_strndup(text.buf, text.len) : NULL;
    wr_fini(&text);
    status = url ? check(given, url) : cli_say(CLI_FAILED, "out of memory");
    if (status == CLI_OK)
        *ret = url;
    else
        mem_free(url);
    return status;
}

bool cli_url_is_https(const char *url)
{
    return strncasecmp(url, "https:", 6) == 0;
}
