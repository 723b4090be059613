#include "src/cli_token.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

enum { TOKEN_MAX = 8192 };

/* A token is one word; what stands around it in its file are blanks. */
static enum cli_status take_token(char **ret, const char *path, char *text, size_t len)
{
    static const char prefix[] = "Authorization: Bearer ";
    size_t size;

    while (len && strchr(" \t\r\n", text[len - 1]))
        len--;
    while (len && strchr(" \t\r\n", *text)) {
        text++;
        len--;
    }
    for (size_t i = 0; i < len; i++)
        if (text[i] <= ' ' || text[i] == 0x7F)
            return cli_say(CLI_USAGE,
                           "%s holds no token: a token is one word of ASCII, and no file of hashes", path);
    if (len == 0)
        return cli_say(CLI_USAGE, "%s is empty, and is to hold a token", path);
    size = sizeof prefix + len;
    *ret = mem_alloc(size);
    if (!*ret)
        return cli_say(CLI_FAILED, "out of memory");
    snprintf(*ret, size, "%s%.*s", prefix, (int)len, text);
    return CLI_OK;
}

static enum cli_status read_file(char **ret, const char *path)
{
    char text[TOKEN_MAX + 1];
    FILE *in = fopen(path, "rb");
    enum cli_status status;
    size_t len;

    if (!in)
        return cli_say(CLI_USAGE, "the token file %s: %s", path, strerror(errno));
    setvbuf(in, NULL, _IONBF, 0); /* no copy of it is left in a buffer */
    len = fread(text, 1, sizeof text, in);
    if (ferror(in))
        status = cli_say(CLI_USAGE, "the token file %s: %s", path, strerror(errno));
    else if (len > TOKEN_MAX)
        status = cli_say(CLI_USAGE, "%s is too large to be a token", path);
    else
        status = take_token(ret, path, text, len);
    fclose(in);
    mem_wipe(text, sizeof text);
    return status;
}

/* It has been read: it need not be seen in this process's environment any longer. */
static enum cli_status take_variable(char **ret, char *token)
{
    enum cli_status status = take_token(ret, "$ERLGATE_TOKEN", token, strlen(token));

    mem_wipe(token, strlen(token));
    return status;
}

enum cli_status cli_token_read(const struct cli_args *a, char **ret_header)
{
    if (a->token_file)
        return read_file(ret_header, a->token_file);
    return a->token && *a->token ? take_variable(ret_header, a->token) : CLI_OK;
}
