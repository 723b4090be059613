#include "auth/fault.h"

#include <stdio.h>
#include <string.h>

bool auth_fault_setv(struct auth_fault *f, const char *file, unsigned line, unsigned column, const char *hint,
                     const char *fmt, va_list ap)
{
    if (!f)
        return false;
    snprintf(f->file, sizeof f->file, "%s", file);
    f->line = line;
    f->column = column;
    f->hint = hint;
    vsnprintf(f->what, sizeof f->what, fmt, ap);
    return false;
}

bool auth_fault_set(struct auth_fault *f, const char *file, unsigned line, unsigned column, const char *hint,
                    const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    auth_fault_setv(f, file, line, column, hint, fmt, ap);
    va_end(ap);
    return false;
}

void auth_fault_print(const struct auth_fault *f, char *out, size_t cap)
{
    char place[32] = "";
    size_t len = strlen(f->what);
    const char *join = len && f->what[len - 1] == '?' ? " " : "; ";

    if (f->line)
        snprintf(place, sizeof place, f->column ? ":%u:%u" : ":%u", f->line, f->column);
    snprintf(out, cap, "%s%s: %s%s%s", f->file, place, f->what, f->hint ? join : "", f->hint ? f->hint : "");
}
