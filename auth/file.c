#include "auth/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/mode.h"

/* Gives the number of bytes read; -1 with errno. */
static ssize_t read_all(int fd, char *to, size_t room)
{
    size_t len = 0;

    while (len < room) {
        ssize_t n = read(fd, to + len, room - len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        len += (size_t)n;
    }
    return (ssize_t)len;
}

static bool read_open(int fd, const char *path, const char *what, size_t max, struct auth_file *ret,
                      struct auth_fault *fault)
{
    struct auth_file f = {0};
    struct stat st;
    ssize_t n;

    if (fstat(fd, &st) != 0)
        return auth_fault_set(fault, path, 0, 0, NULL, "the %s cannot be read: %s", what, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return auth_fault_set(fault, path, 0, 0, NULL, "the %s is no regular file", what);
    f.len = (size_t)st.st_size;
    if (f.len > max)
        return auth_fault_set(fault, path, 0, 0, NULL, "the %s has more than %zu bytes", what, max);
    f.text = mem_alloc(f.len + 1);
    if (!f.text)
        return auth_fault_set(fault, path, 0, 0, NULL, "out of memory");
    n = read_all(fd, f.text, f.len + 1);
    if (n == st.st_size) {
        f.text[f.len] = '\0';
        f.is_exposed = mode_is_exposed(st.st_mode);
        *ret = f;
        return true;
    }
    if (n < 0)
        auth_fault_set(fault, path, 0, 0, NULL, "the %s cannot be read: %s", what, strerror(errno));
    else
        auth_fault_set(fault, path, 0, 0, "try again", "the %s is being written", what);
    auth_file_free(&f);
    return false;
}

bool auth_file_read(const char *path, const char *what, const char *missing_hint, size_t max,
                    struct auth_file *ret, struct auth_fault *fault)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO is not waited for */
    bool is_read;

    if (fd < 0)
        return auth_fault_set(fault, path, 0, 0, errno == ENOENT ? missing_hint : NULL,
                              "the %s cannot be opened: %s", what, strerror(errno));
    is_read = read_open(fd, path, what, max, ret, fault);
    close(fd);
    return is_read;
}

void auth_file_free(struct auth_file *f)
{
    if (f->text)
        mem_wipe(f->text, f->len);
    mem_free(f->text);
    *f = (struct auth_file){0};
}
