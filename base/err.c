#include "base/err.h"

#include "base/check.h"

static const struct {
    const char *name;
    const char *text;
    enum err_category category;
} table[ERR_COUNT_] = {
#define X(sym, name, cat, text) [sym] = {name, text, cat},
    ERR_TABLE(X)
#undef X
};

const char *err_name(enum err e)
{
    CHECK(e < ERR_COUNT_);
    return table[e].name;
}

const char *err_text(enum err e)
{
    CHECK(e < ERR_COUNT_);
    return table[e].text;
}

enum err_category err_category(enum err e)
{
    CHECK(e < ERR_COUNT_);
    return table[e].category;
}

enum err fault_set(struct fault *f, enum err e, size_t offset, const char *text)
{
    if (f)
        *f = (struct fault){.err = e, .offset = offset, .text = text};
    return e;
}
