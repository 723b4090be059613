#include "auth/why.h"

static const struct {
    const char *name, *text;
} table[AUTH_WHY_COUNT] = {
#define X(sym, name, text) [sym] = {name, text},
    AUTH_WHY_TABLE(X)
#undef X
};

const char *auth_why_name(enum auth_why why)
{
    return table[why].name;
}

const char *auth_why_text(enum auth_why why)
{
    return table[why].text;
}
