#include "src/settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/mode.h"
#include "src/settings_read.h"

enum { COOKIE_MAX = 4096, PATH_LEN = 4096, WHAT_MAX = 512 };

/* ---- the cookie ---- */

static void warn_if_exposed(struct options *o, FILE *f, const char *path)
{
    struct stat st;

    if (fstat(fileno(f), &st) == 0 && S_ISREG(st.st_mode) && mode_is_exposed(st.st_mode))
        options_warn_at(
            o, path,
            "the cookie can be read by others: chmod 600 it, unless nobody else is in this container");
}

static char *read_cookie_file(struct options *o, const char *path)
{
    char buf[COOKIE_MAX + 1], what[WHAT_MAX], *copy;
    FILE *f = fopen(path, "rb");
    size_t n;

    if (!f) {
        snprintf(what, sizeof what,
                 "%s. The cluster's cookie is most often ~/.erlang.cookie of the user that its nodes run as",
                 strerror(errno));
        options_fault_at(o, path, what);
        return NULL;
    }
    warn_if_exposed(o, f, path);
    n = fread(buf, 1, COOKIE_MAX, f);
    if (ferror(f)) {
        options_fault_at(o, path,
                         errno == EISDIR ? "a folder, and is to be the file with the cookie in it"
                                         : strerror(errno));
        fclose(f);
        return NULL;
    }
    fclose(f);
    while (n > 0 && strchr(" \t\r\n", buf[n - 1]))
        n--;
    copy = mem_strndup(buf, n);
    mem_wipe(buf, sizeof buf);
    return copy;
}

static const char *home_cookie(char *ret, size_t cap)
{
    const char *home = getenv("HOME");

    snprintf(ret, cap, "%s/.erlang.cookie", home ? home : "");
    return ret;
}

bool settings_has_cookie(const struct options *o, char *ret_hint, size_t cap)
{
    const char *variable = getenv("ERLGATE_COOKIE");
    char path[PATH_LEN];

    if (options_get(o, OPT_COOKIE_FILE) || (variable && *variable) ||
        access(home_cookie(path, sizeof path), F_OK) == 0)
        return true;
    snprintf(
        ret_hint, cap,
        "there is no cookie: give --cookie-file FILE, or set ERLGATE_COOKIE, or put the cluster's cookie "
        "into %.200s. It is what erlang:get_cookie() says at a node of the cluster",
        path);
    return false;
}

static char *take_cookie(struct options *o)
{
    const char *path = options_get(o, OPT_COOKIE_FILE);
    char *variable = getenv("ERLGATE_COOKIE"), *copy, home_path[PATH_LEN], what[WHAT_MAX];

    if (!settings_has_cookie(o, what, sizeof what)) {
        options_fault_at(o, "cookie", what);
        return NULL;
    }
    if (path)
        return read_cookie_file(o, path);
    if (!variable || !*variable)
        return read_cookie_file(o, home_cookie(home_path, sizeof home_path));
    copy = mem_strndup(variable, strlen(variable));
    /* It has been read: it need not be seen in this process's environment any longer. */
    mem_wipe(variable, strlen(variable));
    return copy;
}

void settings_read_cookie(struct settings *s, struct options *o)
{
    s->cookie = take_cookie(o);
    if (!s->cookie)
        return;
    if (!*s->cookie)
        options_fault_at(
            o, "cookie",
            "the cookie is empty: it is to be what erlang:get_cookie() says at a node of the cluster");
    for (const char *c = s->cookie; *c; c++) {
        if ((unsigned char)*c >= ' ')
            continue;
        options_fault_at(o, "cookie",
                         "there is a line's end, or another control character, in the cookie: no node of "
                         "Erlang's reads such a file");
        break;
    }
    s->node.cookie = slice_of_str(s->cookie);
}

/* ---- all of it ---- */

static void read_running(struct settings *s, struct options *o)
{
    static const char *const levels[] = {"debug", "info", "warn", "error", "off", NULL};
    static const char *const formats[] = {"text", "json", NULL};

    s->log_level = (enum log_level)settings_word(o, OPT_LOG_LEVEL, levels);
    s->log_format = settings_word(o, OPT_LOG_FORMAT, formats) ? LOG_JSON : LOG_TEXT;
    s->drain_delay_ms = settings_number(o, OPT_DRAIN_DELAY, 0, 3600000);
    s->stop_timeout_ms = settings_number(o, OPT_STOP_TIMEOUT, 0, 3600000);
}

void settings_read(struct settings *s, struct options *o)
{
    *s = (struct settings){0};
    settings_read_node(s, o);
    settings_read_access(s, o);
    settings_read_http(s, o);
    settings_read_limits(s, o);
    read_running(s, o);
}

void settings_fini(struct settings *s)
{
    if (s->cookie)
        mem_wipe(s->cookie, strlen(s->cookie));
    mem_free(s->cookie);
    *s = (struct settings){0};
}
