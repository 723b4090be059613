#include "http/nearest.h"

#include "base/spelling.h"
#include "http/target.h"

/* What a difference costs. A word that is another one cannot stand for ours: it is left out, and ours put in.
 */
enum { MISSPELT = 1, OTHER_METHOD = 1, ONE_MORE_OR_LESS = 2, COST_MAX = 3, NEVER = 100 };

/* How one way of reading a path as a pattern differs from it. */
struct reading {
    unsigned cost;
    unsigned words; /* of the pattern that are there, rightly spelt or not */
};

static bool is_better(struct reading a, struct reading b)
{
    return a.cost != b.cost ? a.cost < b.cost : a.words > b.words;
}

/* As many as there is room for: no pattern is longer: see http_router_new. */
static size_t split(const char *pattern, struct slice *segments)
{
    size_t n = 0;

    while (pattern[0] && pattern[1] && n < HTTP_SEGMENTS_MAX) {
        segments[n] = slice_of(pattern + 1, strcspn(pattern + 1, "/"));
        pattern += segments[n++].len + 1;
    }
    return n;
}

static struct reading take_as(struct reading r, struct slice segment, struct slice wanted, bool speaks_for_it)
{
    size_t distance;
    bool is_misspelt;

    if (wanted.ptr[0] == '{')
        return r;
    distance = spelling_distance(segment, wanted);
    is_misspelt = distance < SPELLING_FAR && distance * 3 <= wanted.len;
    r.cost += distance == 0 ? 0 : is_misspelt ? MISSPELT : NEVER;
    r.words += speaks_for_it;
    return r;
}

/* The best reading, by the dynamic programming of an edit distance whose letters are segments. */
static struct reading read_as(const struct slice *segments, size_t count, const char *pattern)
{
    struct slice wanted[HTTP_SEGMENTS_MAX];
    size_t wanted_count = split(pattern, wanted);
    struct reading row[HTTP_SEGMENTS_MAX + 1];

    for (size_t j = 0; j <= wanted_count; j++)
        row[j] = (struct reading){.cost = (unsigned)j * ONE_MORE_OR_LESS};
    for (size_t i = 1; i <= count; i++) {
        struct reading diagonal = row[0];

        row[0].cost += ONE_MORE_OR_LESS;
        for (size_t j = 1; j <= wanted_count; j++) {
            struct reading best =
                take_as(diagonal, segments[i - 1], wanted[j - 1], j > 1 || wanted_count == 1);
            struct reading one_more = row[j], one_less = row[j - 1];

            one_more.cost += ONE_MORE_OR_LESS;
            one_less.cost += ONE_MORE_OR_LESS;
            if (is_better(one_more, best))
                best = one_more;
            if (is_better(one_less, best))
                best = one_less;
            diagonal = row[j];
            row[j] = best;
        }
    }
    return row[wanted_count];
}

const struct http_route *http_nearest(const struct http_route *routes, size_t count, struct slice method,
                                      bool has_method, const struct slice *segments, size_t segment_count)
{
    struct reading least = {.cost = COST_MAX};
    const struct http_route *nearest = NULL;

    if (slice_eq_str(method, "HEAD"))
        method = slice_of_str("GET");
    for (size_t i = 0; i < count; i++) {
        bool is_of_method = slice_eq_str(method, routes[i].method);
        struct reading r;

        if (has_method && !is_of_method)
            continue;
        r = read_as(segments, segment_count, routes[i].pattern);
        r.cost += is_of_method ? 0 : OTHER_METHOD;
        if (r.words > 0 && is_better(r, least)) {
            least = r;
            nearest = &routes[i];
        }
    }
    return nearest;
}
