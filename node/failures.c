#include "node/failures.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"

void failures_fini(struct failures *f)
{
    for (size_t i = 0; i < FAILURES_MAX; i++)
        mem_free(f->at[i]);
    *f = (struct failures){0};
}

static bool is_of(const struct failure *one, struct slice name)
{
    return one && slice_eq(slice_of(one->name, one->name_len), name);
}

/* FAILURES_MAX: none. */
static size_t place_of(const struct failures *f, struct slice name)
{
    size_t i = 0;

    while (i < FAILURES_MAX && !is_of(f->at[i], name))
        i++;
    return i;
}

static size_t free_place(const struct failures *f)
{
    size_t oldest = 0;

    for (size_t i = 0; i < FAILURES_MAX; i++) {
        if (!f->at[i])
            return i;
        if (f->at[i]->at_ms < f->at[oldest]->at_ms)
            oldest = i;
    }
    return oldest;
}

void failures_note(struct failures *f, struct slice name, enum err e, const char *text, uint64_t now_ms)
{
    size_t i = place_of(f, name);
    struct failure *one;

    if (i == FAILURES_MAX) {
        one = mem_alloc(sizeof *one + name.len);
        if (!one)
            return;
        i = free_place(f);
        mem_free(f->at[i]);
        f->at[i] = one;
        one->name_len = name.len;
        memcpy(one->name, name.ptr, name.len);
    }
    f->at[i]->err = e;
    f->at[i]->at_ms = now_ms;
    snprintf(f->at[i]->text, FAILURE_TEXT_MAX, "%s", text ? text : "");
    /* Where it is cut, no half of a character stays. */
    f->at[i]->text[utf8_valid_prefix(slice_of_str(f->at[i]->text))] = '\0';
}

void failures_clear(struct failures *f, struct slice name)
{
    size_t i = place_of(f, name);

    if (i == FAILURES_MAX)
        return;
    mem_free(f->at[i]);
    f->at[i] = NULL;
}

const struct failure *failures_find(const struct failures *f, struct slice name)
{
    size_t i = place_of(f, name);

    return i < FAILURES_MAX ? f->at[i] : NULL;
}
