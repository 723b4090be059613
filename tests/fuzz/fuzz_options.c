/*
 * The gateway's configuration: a file in YAML, flags, and what is made of them. The input is the file, and
 * behind a zero byte each, flags.
 *
 * No name is looked up: getaddrinfo is ours here (see CMakeLists.txt), and knows addresses and localhost.
 */
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "src/options.h"
#include "src/settings.h"

/* What is told is one line, and says where. */
static void look_at(void *ctx, bool is_warning, const char *place, const char *what)
{
    (void)ctx;
    (void)is_warning;
    CHECK(*place && *what);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int __wrap_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                       struct addrinfo **ret);
int __real_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                       struct addrinfo **ret);

enum { MAX_FLAGS = 16, FIXED_FLAGS = 2 };

int __wrap_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                       struct addrinfo **ret)
{
    struct addrinfo numeric = {0};

    if (hints)
        numeric = *hints;
    numeric.ai_flags |= AI_NUMERICHOST;
    return __real_getaddrinfo(host && strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, service, &numeric,
                              ret);
}

/* A file in memory, and the path that it can be opened by. */
struct file {
    int fd;
    char path[64];
};

static void file_open(struct file *f, const char *name)
{
    f->fd = memfd_create(name, 0);
    CHECK(f->fd >= 0);
    snprintf(f->path, sizeof f->path, "/proc/self/fd/%d", f->fd);
}

static void file_set(const struct file *f, struct slice bytes)
{
    CHECK(ftruncate(f->fd, 0) == 0 && pwrite(f->fd, bytes.ptr, bytes.len, 0) == (ssize_t)bytes.len);
}

static struct file config, cookie;

/* What is said about mistakes is for nobody. */
static void begin(void)
{
    file_open(&config, "config");
    file_open(&cookie, "cookie");
    CHECK(fchmod(cookie.fd, 0600) == 0);
    file_set(&cookie, SLICE("secret\n"));
    stderr = fopen("/dev/null", "w");
    CHECK(stderr);
}

/* Flags that name the two files are fixed; the input has no others of these. */
static int take_flags(struct slice text, char **ret)
{
    int count = 0;

    while (text.len && count < MAX_FLAGS) {
        const uint8_t *end = memchr(text.ptr, 0, text.len);
        size_t len = end ? (size_t)(end - text.ptr) : text.len;
        char *flag = strndup((const char *)text.ptr, len);

        CHECK(flag);
        if (strstr(flag, "config") || strstr(flag, "cookie"))
            free(flag);
        else
            ret[count++] = flag;
        len += end != NULL;
        text = slice_of(text.ptr + len, text.len - len);
    }
    return count;
}

static void judge(const struct settings *s)
{
    CHECK(node_name_is_valid(s->node.name) && slice_eq_str(s->node.cookie, "secret"));
    CHECK(s->node.dist_port_low <= s->node.dist_port_high);
    CHECK(s->node.tick_ms >= 4000 && s->node.connect_ms >= 100 && s->gateway.max_body > 0);
    CHECK(s->gateway.default_timeout_ms > 0 && s->gateway.max_timeout_ms > 0);
    CHECK(s->node.place_count <= SETTINGS_PEERS_MAX);
    for (size_t i = 0; i < s->node.place_count; i++)
        CHECK(node_name_is_valid(s->node.places[i].name) && s->node.places[i].host[0] &&
              s->node.places[i].port);
    CHECK(s->tls.cert_file || (!s->tls.key_file && !s->tls.ca_file));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct settings settings;
    const uint8_t *zero = size ? memchr(data, 0, size) : NULL;
    size_t file_len = zero ? (size_t)(zero - data) : size;
    char config_flag[80], cookie_flag[80], *argv[FIXED_FLAGS + MAX_FLAGS] = {config_flag, cookie_flag};
    struct options options;
    int flags;

    if (!config.fd)
        begin();
    file_set(&config, slice_of(data, file_len));
    snprintf(config_flag, sizeof config_flag, "--config=%s", config.path);
    snprintf(cookie_flag, sizeof cookie_flag, "--cookie-file=%s", cookie.path);
    flags = zero ? take_flags(slice_of(zero + 1, size - file_len - 1), argv + FIXED_FLAGS) : 0;
    options_init(&options);
    options.tell = look_at;
    options_read(&options, FIXED_FLAGS + flags, argv);
    settings_read(&settings, &options);
    settings_read_cookie(&settings, &options);
    if (options_is_good(&options))
        judge(&settings);
    settings_fini(&settings);
    options_fini(&options);
    for (int i = 0; i < flags; i++)
        free(argv[FIXED_FLAGS + i]);
    return 0;
}
