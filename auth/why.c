#include "auth/why.h"

const char *auth_why_text(enum auth_why why)
{
    static const char *const texts[AUTH_WHY_COUNT] = {
#define X(sym, text) [sym] = text,
        AUTH_WHY_TABLE(X)
#undef X
    };

    return texts[why];
}
