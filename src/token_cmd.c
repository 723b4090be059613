#include "src/token_cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "auth/jwt.h"
#include "auth/shown.h"
#include "auth/tokens.h"
#include "auth/when.h"
#include "base/check.h"
#include "base/mem.h"
#include "base/wr.h"
#include "loop/loop.h"
#include "src/options.h"
#include "src/words.h"

enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct token_cmd {
    const char *principal, *expires, *comment, *append;
    bool is_hash;
    int64_t expires_s;
};

static void print_help(void)
{
    printf(
        "Usage: erlgate token PRINCIPAL [OPTION]...\n\n"
        "Makes a bearer token for PRINCIPAL: the token on standard output, once; the line by which a token "
        "file\n"
        "(--token-file of `erlgate serve`) knows it on standard error, or in that file.\n\n"
        "  (umask 077; erlgate token billing --append /etc/erlgate/tokens.yaml > billing.token)\n\n"
        "  --append FILE    put the line at the end of FILE, which is made, readable by its owner alone, if "
        "it is\n"
        "                   not there. SIGHUP makes a gateway read it again\n"
        "  --expires WHEN   2027-01-31, 2027-01-31T18:00:00Z, or from now on: 90d, 12h. If not given: "
        "never\n"
        "  --comment TEXT   what the line says of it\n"
        "  --hash           make no token: read one from standard input, and print its line on standard "
        "output\n"
        "  -h, --help       print this\n");
}

static int usage(const char *what, const char *shown)
{
    fprintf(stderr, "erlgate: token: %s%s%s; `erlgate token --help` says more\n", what, shown ? ": " : "",
            shown ? shown : "");
    return EXIT_USAGE;
}

/* ---- options ---- */

static bool read_option(struct token_cmd *t, int argc, char **argv, int *i)
{
    static const char *const names[] = {"--append", "--expires", "--comment", "--hash", "--help"};
    const char **const values[] = {&t->append, &t->expires, &t->comment};
    const char *equals = strchr(argv[*i], '='), *closest;
    size_t len = equals ? (size_t)(equals - argv[*i]) : strlen(argv[*i]);
    char why[128];

    if (strcmp(argv[*i], "--hash") == 0) {
        t->is_hash = true;
        return true;
    }
    for (size_t n = 0; n < ARRAY_LEN(values); n++) {
        if (strlen(names[n]) != len || memcmp(names[n], argv[*i], len) != 0)
            continue;
        if (!equals && *i + 1 == argc) {
            usage("a value is missing behind", argv[*i]);
            return false;
        }
        *values[n] = equals ? equals + 1 : argv[++*i];
        return true;
    }
    closest = options_closest(argv[*i], names, ARRAY_LEN(names));
    snprintf(why, sizeof why, "there is no option '%.40s'%s%s%s", argv[*i], closest ? "; did you mean '" : "",
             closest ? closest : "", closest ? "'?" : "");
    usage(why, NULL);
    return false;
}

static bool read_options(struct token_cmd *t, int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        if (argv[i][0] == '-' && argv[i][1]) {
            if (!read_option(t, argc, argv, &i))
                return false;
        } else if (t->principal) {
            usage("one principal at a time", argv[i]);
            return false;
        } else {
            t->principal = argv[i];
        }
    }
    if (!t->principal)
        usage("say for whom it is to be, as in: erlgate token billing", NULL);
    else if (!auth_principal_is_valid(slice_of_str(t->principal)))
        usage("a principal is 1 to 128 bytes of UTF-8 without control characters", NULL);
    else
        return true;
    return false;
}

/* "90d", "12h", or a moment. */
static bool read_expires(const char *text, int64_t now_s, int64_t *ret)
{
    char *end;
    long n;

    *ret = INT64_MAX;
    if (!text)
        return true;
    errno = 0;
    n = strtol(text, &end, 10);
    if (!errno && n > 0 && n <= 100000 && end != text && (strcmp(end, "d") == 0 || strcmp(end, "h") == 0)) {
        *ret = now_s + n * (*end == 'd' ? 86400 : 3600);
        return true;
    }
    return auth_when_read(slice_of_str(text), ret) && *ret > now_s;
}

/* ---- the file ---- */

static int failed(const char *path, const char *what)
{
    fprintf(stderr, "erlgate: %s: %s: %s\n", path, what, strerror(errno));
    return EXIT_FAILED;
}

static void tell_faults(const struct auth_faults *faults)
{
    char text[700];

    for (unsigned i = 0; i < faults->count; i++) {
        auth_fault_print(&faults->at[i], text, sizeof text);
        fprintf(stderr, "erlgate: %s\n", text);
    }
}

/* What is there already must be a token file. ret: all of it; to be freed. */
static bool read_file(const char *path, int fd, struct wr *ret)
{
    struct auth_faults faults;
    struct auth_tokens *t = auth_tokens_load(path, 1, &faults);
    uint8_t piece[4096];
    ssize_t n;

    if (!t) {
        tell_faults(&faults);
        return false;
    }
    if (t->is_exposed)
        fprintf(stderr, "erlgate: warning: %s can be read by others: chmod 600 it\n", path);
    auth_tokens_free(t);
    while ((n = read(fd, piece, sizeof piece)) > 0)
        wr_bytes(ret, piece, (size_t)n);
    if (n == 0 && wr_ok(ret))
        return true;
    failed(path, "cannot be read");
    return false;
}

/* A list in brackets, or one that is indented, is a list of tokens too; but a line behind it is no item of
 * it. */
static bool would_hold(const char *path, struct slice text, const struct auth_digest *digest)
{
    struct auth_faults faults;
    struct auth_tokens *t = auth_tokens_read(path, text, 1, &faults);
    bool holds = t && auth_tokens_find(t, digest);

    if (!t)
        tell_faults(&faults);
    if (!holds)
        fprintf(
            stderr,
            "erlgate: %s: nothing was put at its end, where it would be no token: the file is to have one "
            "item a line, its dash in the first column\n",
            path);
    auth_tokens_free(t);
    return holds;
}

/* All of it is there, or nothing. */
static bool write_end(int fd, struct slice text)
{
    struct stat st;
    ssize_t n;
    int why;

    if (fstat(fd, &st) != 0)
        return false;
    n = write(fd, text.ptr, text.len);
    if (n == (ssize_t)text.len && fsync(fd) == 0)
        return true;
    why = n >= 0 && n != (ssize_t)text.len ? ENOSPC : errno; /* as a second attempt would be told */
    if (ftruncate(fd, st.st_size) != 0)
        fprintf(stderr, "erlgate: its last line is not whole: take it out\n");
    errno = why;
    return false;
}

/* The file that `fd` is open on is still the one of that name: an editor, or a rotation, may have put another
 * in its place between open and flock. A line in one that was renamed away is a token that no gateway reads.
 */
static bool is_still_at(const char *path, int fd)
{
    struct stat opened, named;

    return fstat(fd, &opened) == 0 && stat(path, &named) == 0 && opened.st_dev == named.st_dev &&
           opened.st_ino == named.st_ino;
}

/* The file of that name, made if it is not there, and locked: another command that does the same at once
 * shall not see half a line. -1: with errno. To be closed, which unlocks it. */
static int open_locked(const char *path)
{
    enum { ATTEMPTS = 100 }; /* somebody replaces it without end: ESTALE */

    for (int i = 0; i < ATTEMPTS; i++) {
        int fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600), why;

        if (fd < 0)
            return -1;
        if (flock(fd, LOCK_EX) != 0) {
            why = errno;
            close(fd);
            errno = why;
            return -1;
        }
        if (is_still_at(path, fd))
            return fd;
        close(fd);
    }
    errno = ESTALE;
    return -1;
}

static int append(const char *path, const char *line, const struct auth_digest *digest)
{
    int fd = open_locked(path), status = EXIT_FAILED;
    struct wr whole;
    size_t before;

    if (fd < 0)
        return failed(path, "cannot be written");
    wr_init(&whole, SIZE_MAX);
    if (read_file(path, fd, &whole)) {
        before = whole.len;
        wr_str(&whole, before && whole.buf[before - 1] != '\n' ? "\n" : "");
        wr_str(&whole, line);
        if (would_hold(path, wr_written(&whole), digest))
            status = write_end(fd, slice_of(whole.buf + before, whole.len - before))
                         ? 0
                         : failed(path, "cannot be written");
    }
    wr_fini(&whole);
    return close(fd) == 0 || status != 0 ? status : failed(path, "cannot be written");
}

/* ---- the token ---- */

static int give(const struct token_cmd *t, struct slice token, FILE *line_to)
{
    struct auth_digest digest;
    char line[AUTH_LINE_MAX];

    if (!auth_digest_of(token, &digest)) {
        errno = ENOMEM;
        return failed("token", "cannot be hashed");
    }
    if (!auth_token_print(&digest, slice_of_str(t->principal), t->expires_s,
                          slice_of_str(t->comment ? t->comment : ""), line))
        return usage("a comment is one line of UTF-8, and not long", NULL);
    if (t->append)
        return append(t->append, line, &digest);
    return fputs(line, line_to) < 0 || fflush(line_to) != 0 ? failed("the line", "cannot be written") : 0;
}

static int make(const struct token_cmd *t)
{
    uint8_t random[AUTH_TOKEN_RANDOM];
    char token[AUTH_TOKEN_LEN + 2];
    int status;

    loop_random(random, sizeof random);
    auth_token_make(random, token);
    mem_wipe(random, sizeof random);
    status = give(t, slice_of(token, AUTH_TOKEN_LEN), stderr);
    if (status == 0 && (puts(token) < 0 || fflush(stdout) != 0))
        status = failed("the token", "cannot be written");
    mem_wipe(token, sizeof token);
    return status;
}

static int hash(const struct token_cmd *t)
{
    char text[AUTH_JWT_MAX + 2];
    size_t n = fread(text, 1, sizeof text, stdin);
    int status;

    while (n > 0 && strchr(" \t\r\n", text[n - 1]))
        n--;
    if (n < AUTH_TOKEN_LEN - sizeof AUTH_TOKEN_PREFIX || n > AUTH_JWT_MAX)
        status =
            usage("standard input is to be a token of 42 characters and more, which nobody can guess", NULL);
    else if (!auth_is_token68(slice_of(text, n)))
        status = usage("such a token cannot be shown: it is of letters, digits and -._~+/, and may end in =",
                       NULL);
    else if (!auth_token_is_one(slice_of(text, n)) && auth_jwt_is_one(slice_of(text, n)))
        status = usage("a token with two dots in it would be taken for a JWT", NULL);
    else
        status = give(t, slice_of(text, n), stdout);
    mem_wipe(text, sizeof text);
    return status;
}

int token_command(int argc, char **argv)
{
    struct token_cmd t = {0};

    if (words_ask_for_help(argc, argv)) {
        print_help();
        return 0;
    }
    if (!read_options(&t, argc, argv))
        return EXIT_USAGE;
    if (!read_expires(t.expires, time(NULL), &t.expires_s))
        return usage("--expires is to be a moment to come: 2027-01-31, 2027-01-31T18:00:00Z, 90d or 12h",
                     NULL);
    return t.is_hash ? hash(&t) : make(&t);
}
