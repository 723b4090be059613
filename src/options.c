#include "src/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/spelling.h"
#include "src/options_set.h"

enum { WHAT_MAX = 512, PLACE_MAX = 512 };

static const struct option_spec table[OPT_COUNT] = {
#define X(sym, group, flag, arg, dflt, traits, fixed, help) \
    [sym] = {flag, arg, dflt, help, group, traits, fixed},
    OPTION_TABLE(X)
#undef X
};

void options_init(struct options *o)
{
    *o = (struct options){0};
}

static void forget(struct option_value *v)
{
    for (size_t i = 0; i < v->count; i++) {
        mem_free(v->texts[i]);
        mem_free(v->places[i]);
    }
    mem_free(v->texts);
    mem_free(v->places);
    *v = (struct option_value){0};
}

void options_fini(struct options *o)
{
    for (size_t i = 0; i < OPT_COUNT; i++)
        forget(&o->values[i]);
    options_init(o);
}

/* ---- asking ---- */

const struct option_spec *options_spec(enum option which)
{
    return &table[which];
}

const char *options_get(const struct options *o, enum option which)
{
    return o->values[which].count ? o->values[which].texts[0] : table[which].default_value;
}

const char *const *options_list(const struct options *o, enum option which)
{
    static const char *const none[] = {NULL};

    return o->values[which].count ? (const char *const *)o->values[which].texts : none;
}

bool options_is_set(const struct options *o, enum option which)
{
    const char *v = options_get(o, which);

    return v && strcmp(v, "true") == 0;
}

bool options_is_good(const struct options *o)
{
    return o->faults == 0;
}

const char *options_place(const struct options *o, enum option which, size_t n, char *ret, size_t cap)
{
    const struct option_value *v = &o->values[which];

    if (n >= v->count)
        snprintf(ret, cap, "--%s", table[which].flag);
    else if (v->source == OPTION_FROM_FILE)
        snprintf(ret, cap, "%s: %s", v->places[n], table[which].flag);
    else
        snprintf(ret, cap, "%s", v->places[n]);
    return ret;
}

/* ---- faults ---- */

static void tell(const struct options *o, bool is_warning, const char *place, const char *what)
{
    if (o->tell)
        o->tell(o->tell_ctx, is_warning, place, what);
    else
        fprintf(stderr, "erlgate: %s%s: %s\n", is_warning ? "warning: " : "", place, what);
}

bool options_fault_at(struct options *o, const char *place, const char *what)
{
    o->faults++;
    tell(o, false, place, what);
    return false;
}

void options_warn_at(struct options *o, const char *place, const char *what)
{
    o->warnings++;
    tell(o, true, place, what);
}

void options_warn(struct options *o, enum option which, const char *what)
{
    char place[PLACE_MAX];

    options_warn_at(o, options_place(o, which, 0, place, sizeof place), what);
}

bool options_fault_of(struct options *o, enum option which, size_t n, const char *what)
{
    char place[PLACE_MAX];

    return options_fault_at(o, options_place(o, which, n, place, sizeof place), what);
}

bool options_fault(struct options *o, enum option which, const char *what)
{
    return options_fault_of(o, which, 0, what);
}

/* ---- did you mean ---- */

const char *options_closest(const char *word, const char *const *candidates, size_t count)
{
    const char *best = NULL;
    size_t least = SPELLING_FAR;

    for (size_t i = 0; i < count; i++) {
        size_t d = spelling_distance(slice_of_str(word), slice_of_str(candidates[i]));

        if (d < least) {
            least = d;
            best = candidates[i];
        }
    }
    return best;
}

const char *options_closest_flag(const char *word)
{
    const char *flags[OPT_COUNT + 1];

    if (strcmp(word, "port") == 0) /* as other servers call it; by its letters it would be --host */
        return "listen";
    for (size_t i = 0; i < OPT_COUNT; i++)
        flags[i] = table[i].flag;
    flags[OPT_COUNT] = "hidden";
    return options_closest(word, flags, OPT_COUNT + 1);
}

/* ---- putting values in ---- */

enum option options_find(const char *name, bool *ret_is_negated)
{
    size_t i = 0;

    *ret_is_negated = strcmp(name, "hidden") == 0;
    if (*ret_is_negated)
        return OPT_VISIBLE;
    while (i < OPT_COUNT && strcmp(table[i].flag, name) != 0)
        i++;
    return (enum option)i;
}

void options_refuse_unknown(struct options *o, const char *place, const char *name)
{
    const char *hint = options_closest_flag(name);
    char what[WHAT_MAX];

    if (strcmp(name, "cookie") == 0) {
        options_fault_at(
            o, place,
            "a cookie here would be seen by others: put it into a file and give --cookie-file, or into "
            "$ERLGATE_COOKIE");
        return;
    }
    if (strcmp(name, "rules") == 0) {
        options_fault_at(o, place, "rules are a policy's: put them into a file, and give --policy-file");
        return;
    }
    snprintf(what, sizeof what, "there is no option '%.60s'%s%s%s", name, hint ? "; did you mean '" : "",
             hint ? hint : "", hint ? "'?" : "");
    options_fault_at(o, place, what);
}

static char *copy_of(const char *text)
{
    return mem_strndup(text, strlen(text));
}

static bool add(struct option_value *v, const char *text, const char *place)
{
    char **texts = mem_realloc_array(v->texts, v->count + 2, sizeof *texts), **places;

    if (!texts)
        return false;
    v->texts = texts;
    places = mem_realloc_array(v->places, v->count + 2, sizeof *places);
    if (!places)
        return false;
    v->places = places;
    texts[v->count] = copy_of(text);
    places[v->count] = copy_of(place);
    if (!texts[v->count] || !places[v->count]) {
        mem_free(texts[v->count]);
        mem_free(places[v->count]);
        return false;
    }
    texts[++v->count] = NULL;
    return true;
}

static bool is_path(enum option which)
{
    return table[which].argument &&
           (strcmp(table[which].argument, "FILE") == 0 || strcmp(table[which].argument, "PATH") == 0);
}

void options_set(struct options *o, enum option which, bool is_negated, const char *value,
                 enum option_source source, const char *place)
{
    struct option_value *v = &o->values[which];
    bool is_true = strcmp(value, "true") == 0;
    char what[WHAT_MAX];

    if (!table[which].argument && !is_true && strcmp(value, "false") != 0) {
        snprintf(what, sizeof what, "%s is to be true or false, and not '%.40s'",
                 is_negated ? "hidden" : table[which].flag, value);
        options_fault_at(o, place, what);
        return;
    }
    if (!*value) {
        snprintf(what, sizeof what, "%s has no value: give it one, or leave it out", table[which].flag);
        options_fault_at(o, place, what);
        return;
    }
    if (is_path(which) && strncmp(value, "~/", 2) == 0) {
        snprintf(what, sizeof what, "%s: only a shell knows what ~ is: write the whole path",
                 table[which].flag);
        options_fault_at(o, place, what);
        return;
    }
    if (is_negated)
        value = is_true ? "false" : "true";
    if (v->source != source || !(table[which].traits & OPTION_MANY))
        forget(v);
    v->source = source;
    if (!add(v, value, place))
        options_fault_at(o, place, "out of memory");
}

void options_read(struct options *o, int argc, char **argv)
{
    const char *path;

    options_read_flags(o, argc, argv, true);
    path = options_get(o, OPT_CONFIG) ? options_get(o, OPT_CONFIG) : getenv("ERLGATE_CONFIG");
    if (path && *path)
        options_read_file(o, path);
    options_read_environment(o);
    options_read_flags(o, argc, argv, false);
}
