#include "auth/policy_glob.h"

void policy_glob_set(struct policy_glob *g, struct slice text)
{
    *g = (struct policy_glob){.text = text, .is_all = slice_eq_str(text, "*"), .is_plain = true};
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] == '*' || text.ptr[i] == '?')
            g->is_plain = false;
}

/* Where the character at `at` ends: behind what continues it. */
static size_t behind(struct slice s, size_t at)
{
    at++;
    while (at < s.len && (s.ptr[at] & 0xC0) == 0x80)
        at++;
    return at;
}

/* For each `*` only the last one is ever gone back to: what an earlier one may take can only be more. */
static bool match(struct slice p, struct slice s)
{
    size_t at = 0, pos = 0, star = SIZE_MAX, resume = 0;

    while (pos < s.len) {
        if (at < p.len && p.ptr[at] == '*') {
            star = at++;
            resume = pos;
        } else if (at < p.len && p.ptr[at] == '?') {
            at++;
            pos = behind(s, pos);
        } else if (at < p.len && p.ptr[at] == s.ptr[pos]) {
            at++;
            pos++;
        } else if (star != SIZE_MAX) {
            at = star + 1;
            pos = resume = behind(s, resume);
        } else {
            return false;
        }
    }
    while (at < p.len && p.ptr[at] == '*')
        at++;
    return at == p.len;
}

bool policy_glob_match(const struct policy_glob *g, struct slice s)
{
    if (g->is_all)
        return true;
    return g->is_plain ? slice_eq(g->text, s) : match(g->text, s);
}
