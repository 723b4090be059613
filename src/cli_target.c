#include "src/cli_target.h"

#include "base/utf8.h"
#include "etf/syntax.h"
#include "src/cli_status.h"

void cli_target_segment(struct wr *path, struct slice text)
{
    wr_u8(path, '/');
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];

        /* ':' and '@' may stand in a segment, and are what pids and nodes are made of. */
        if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
            (c && strchr("-._~:@", c)))
            wr_u8(path, c);
        else
            wr_printf(path, "%%%02X", c);
    }
}

bool cli_target_node(struct wr *path, const struct cli_args *a, const char *node)
{
    const char *at = strchr(node, '@');

    if (*node == '<' || strncmp(node, "#Pid<", 5) == 0)
        return cli_args_refuse(
            a, "'%s' is no pid as the gateway prints them, with its node: kv@localhost:93:0:1672531200",
            node);
    if (*node == '{')
        return cli_args_refuse(a, "a name at a node is written NODE NAME, as kv@localhost kv, and not '%s'",
                               node);
    if (!at || at == node || !at[1])
        return cli_args_refuse(a, "'%s' is no node: a node is written name@host", node);
    wr_str(path, "/v1/nodes");
    cli_target_segment(path, slice_of_str(node));
    return true;
}

/* Only an Erlang term begins so, and no name that is given as it is. */
static bool looks_like_term(struct slice text)
{
    return text.len && (strchr("{[<\"#", text.ptr[0]) || (text.ptr[0] >= '0' && text.ptr[0] <= '9') ||
                        (text.ptr[0] == '-' && text.len > 1));
}

static bool parse_atom(struct slice text, struct wr *w)
{
    struct etf_parse_rules rules = {0};
    struct etf_atom atom;
    struct etf_rd r;
    struct wr term;
    bool is_atom;

    wr_init(&term, SIZE_MAX);
    is_atom = etf_parse(&term, text, &rules, NULL) == ERR_NONE;
    r = etf_rd_of(wr_written(&term), NULL);
    is_atom = is_atom && etf_read_atom(&r, &atom);
    if (is_atom)
        wr_slice(w, atom.text); /* the parser writes UTF-8 */
    wr_fini(&term);
    return is_atom;
}

bool cli_target_atom(const struct cli_args *a, struct slice text, struct wr *w)
{
    if (text.len && text.ptr[0] == '\'') {
        return parse_atom(text, w) ||
               cli_args_refuse(a, "%.*s is no atom: a name that begins with a quote is read as Erlang",
                               SLICE_FMT(text));
    }
    if (text.len == 0 || !utf8_is_valid(text))
        return cli_args_refuse(a, "a name is at least one character of UTF-8");
    wr_slice(w, text);
    return true;
}

/* ---- pids ---- */

/* Without #Pid< and >; false when it is no pid. */
static bool pid_text(const char *word, struct slice *ret)
{
    struct slice text = slice_of_str(word);
    struct etf_pid pid;
    struct wr scratch;
    bool is_pid;

    if (text.len > 6 && strncmp(word, "#Pid<", 5) == 0 && word[text.len - 1] == '>')
        text = slice_of(text.ptr + 5, text.len - 6);
    wr_init(&scratch, SIZE_MAX);
    is_pid = etf_parse_pid_text(text, &scratch, &pid);
    wr_fini(&scratch);
    *ret = text;
    return is_pid;
}

static bool read_pid(struct cli_target *t, struct slice text, size_t words)
{
    wr_str(&t->path, "/v1/pids");
    cli_target_segment(&t->path, text);
    t->words = words;
    return true;
}

/* ---- global: and group: ---- */

static bool read_segment(struct cli_target *t, const struct cli_args *a, struct slice text)
{
    struct wr atom, segment;
    bool ok = true;

    wr_init(&atom, SIZE_MAX);
    wr_init(&segment, SIZE_MAX);
    if (looks_like_term(text)) {
        wr_slice(&segment, text);
    } else {
        ok = cli_target_atom(a, text, &atom);
        if (ok && t->is_erlang)
            etf_print_atom(&segment, (struct etf_atom){.text = wr_written(&atom)});
        else
            wr_slice(&segment, wr_written(&atom));
    }
    if (ok)
        cli_target_segment(&t->path, wr_written(&segment));
    wr_fini(&atom);
    wr_fini(&segment);
    return ok;
}

static bool read_global(struct cli_target *t, const struct cli_args *a, struct slice name)
{
    t->is_erlang = looks_like_term(name);
    t->words = 1;
    wr_str(&t->path, "/v1/global");
    return read_segment(t, a, name);
}

/* Where the scope ends: at the first slash that is not in its quotes; len when there is none. */
static size_t end_of_scope(struct slice text)
{
    bool is_quoted = false;

    if (looks_like_term(text))
        return text.len;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\\' && is_quoted)
            i++;
        else if (text.ptr[i] == '\'')
            is_quoted = !is_quoted;
        else if (text.ptr[i] == '/' && !is_quoted)
            return i;
    }
    return text.len;
}

static bool read_group(struct cli_target *t, const struct cli_args *a, struct slice text)
{
    size_t end = end_of_scope(text);
    struct slice scope = SLICE("pg"), group = text;

    if (end < text.len) {
        scope = slice_of(text.ptr, end);
        group = slice_of(text.ptr + end + 1, text.len - end - 1);
    }
    t->is_group = true;
    t->is_erlang = looks_like_term(group);
    t->words = 1;
    wr_str(&t->path, "/v1/groups");
    return read_segment(t, a, scope) && read_segment(t, a, group);
}

static struct slice behind(const char *word, const char *prefix)
{
    size_t n = strlen(prefix);

    return strncmp(word, prefix, n) == 0 ? slice_of_str(word + n) : (struct slice){0};
}

static bool is_addressed(const char *word)
{
    struct slice pid;

    return behind(word, "global:").ptr || behind(word, "group:").ptr || pid_text(word, &pid);
}

/* ---- all of them ---- */

bool cli_target_is_node(const char *word)
{
    return strchr(word, '@') && !is_addressed(word);
}

static bool read_registered(struct cli_target *t, const struct cli_args *a)
{
    struct slice pid;
    struct wr atom;
    bool ok;

    /* `call kv@host kv@host:123:0:17 get`: the node is said twice, and must be the same. */
    if (pid_text(a->words[1], &pid)) {
        size_t n = strlen(a->words[0]);

        if (pid.len > n && memcmp(pid.ptr, a->words[0], n) == 0 && pid.ptr[n] == ':')
            return read_pid(t, pid, 2);
        return cli_args_refuse(a, "the pid %s is not of node %s; a pid needs no node before it", a->words[1],
                               a->words[0]);
    }
    if (is_addressed(a->words[1]))
        return cli_args_refuse(a,
                               "%s needs no node before it (a registered name that looks so wants quotes: "
                               "\"'%s'\")",
                               a->words[1], a->words[1]);
    if (!cli_target_node(&t->path, a, a->words[0]))
        return false;
    wr_init(&atom, SIZE_MAX);
    ok = cli_target_atom(a, slice_of_str(a->words[1]), &atom);
    wr_str(&t->path, "/processes");
    cli_target_segment(&t->path, wr_written(&atom));
    wr_fini(&atom);
    t->words = 2;
    return ok;
}

static bool read(struct cli_target *t, const struct cli_args *a)
{
    const char *first = a->word_count ? a->words[0] : NULL;
    struct slice pid;

    if (!first)
        return cli_args_refuse(a, "whom? NODE NAME, a pid, global:NAME or group:SCOPE/GROUP");
    if (behind(first, "global:").ptr)
        return read_global(t, a, behind(first, "global:"));
    if (behind(first, "group:").ptr)
        return read_group(t, a, behind(first, "group:"));
    if (pid_text(first, &pid))
        return read_pid(t, pid, 1);
    if (a->word_count == 1)
        return cli_args_refuse(a,
                               "'%s' names no process by itself: NODE NAME, a pid, global:NAME and "
                               "group:SCOPE/GROUP do",
                               first);
    return read_registered(t, a);
}

bool cli_target_read(struct cli_target *t, const struct cli_args *a)
{
    *t = (struct cli_target){0};
    wr_init(&t->path, SIZE_MAX);
    return read(t, a);
}

void cli_target_fini(struct cli_target *t)
{
    wr_fini(&t->path);
}
