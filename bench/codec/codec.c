/*
 * codec: how fast terms are read, written and checked, beside libraries that do comparable work, and the
 * BEAM.
 *
 *   bench_codec [--rounds N] [--json FILE] [--check] [--beam ERL] [DOCUMENT.json...]
 *   bench_codec --once DOCUMENT.json
 *
 * All rounds of all cases are interleaved, so that whatever else the machine does meets each alike; what
 * counts is the median. Memory is allocated and freed within each run, on both sides. With --beam the same
 * document is decoded and encoded inside an Erlang node in the same rounds; that is told by the clock, not by
 * the processor's time, so on a busy machine it is too much. --check fails when, for documents of about 10
 * KiB, a ratio is below what it may be on a machine that is busy, about three quarters of what is aimed at.
 * --once runs each case once, for who counts instructions (bench/cost/codec_instructions.py).
 */
#include <ei.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/mem.h"
#include "bench/codec/beam.h"
#include "bridge/transcode.h"
#include "etf/syntax.h"
#include "etf/write.h"

enum {
    DEFAULT_ROUNDS = 15,
    ROUND_NS = 20 * 1000 * 1000, /* how long one case is run a round */
    MAX_ROUNDS = 1001,
};

/* A document in all its forms. */
struct document {
    const char *name;
    struct slice json;
    json_t *tree;
    struct wr etf;  /* with version byte */
    struct wr text; /* Erlang syntax */
};

static struct slice term_of(const struct document *d)
{
    return slice_of(d->etf.buf + 1, d->etf.len - 1);
}

/* ---- The cases: each gives something that depends on the work, so that none is left out ---- */

static const struct transcode_options options = {.max_depth = 0};

static size_t json_to_etf(const struct document *d)
{
    struct wr w;
    size_t n;

    wr_init(&w, SIZE_MAX);
    CHECK(transcode_json_to_etf(d->json, &options, &w, NULL, NULL) == ERR_NONE);
    n = w.len;
    wr_fini(&w);
    return n;
}

static size_t jansson_load(const struct document *d)
{
    json_t *tree = json_loadb((const char *)d->json.ptr, d->json.len, 0, NULL);
    size_t n = json_object_size(tree);

    CHECK(tree);
    json_decref(tree);
    return n;
}

static size_t etf_to_json(const struct document *d, bool typed)
{
    struct etf_rd r = etf_rd_of(term_of(d), NULL);
    struct wr w;
    size_t n;

    wr_init(&w, SIZE_MAX);
    CHECK(transcode_etf_to_json(&r, &options, typed, &w) == ERR_NONE);
    n = w.len;
    wr_fini(&w);
    return n;
}

static size_t etf_to_plain(const struct document *d)
{
    return etf_to_json(d, false);
}

static size_t etf_to_typed(const struct document *d)
{
    return etf_to_json(d, true);
}

static size_t jansson_dump(const struct document *d)
{
    char *text = json_dumps(d->tree, JSON_COMPACT);
    size_t n = strlen(text);

    free(text);
    return n;
}

static size_t validate(const struct document *d)
{
    uint32_t uses = 0;

    CHECK(etf_validate(term_of(d), NULL, &(struct etf_rules){0}, &uses, NULL) == ERR_NONE);
    return uses;
}

static size_t validate_from_beam(const struct document *d)
{
    uint32_t uses = 0;

    CHECK(etf_validate(term_of(d), NULL, &(struct etf_rules){.trusts_keys = true}, &uses, NULL) == ERR_NONE);
    return uses;
}

static size_t ei_skip(const struct document *d)
{
    int index = 1;

    CHECK(ei_skip_term((const char *)d->etf.buf, &index) == 0);
    return (size_t)index;
}

/* A term of a type that takes no elements; gives how many terms follow inside. */
static size_t walk_one(struct etf_rd *r, size_t *sum)
{
    struct slice bytes;
    struct etf_atom atom;
    uint32_t n;
    int64_t i;
    double v;

    switch (etf_peek(r)) {
    case ETF_KIND_INTEGER:
        CHECK(etf_read_int64(r, &i));
        *sum += (size_t)i;
        return 0;
    case ETF_KIND_FLOAT:
        CHECK(etf_read_float(r, &v));
        *sum += v > 0;
        return 0;
    case ETF_KIND_ATOM:
        CHECK(etf_read_atom(r, &atom));
        *sum += atom.text.len;
        return 0;
    case ETF_KIND_BINARY:
        CHECK(etf_read_binary(r, &bytes));
        *sum += bytes.len;
        return 0;
    case ETF_KIND_STRING:
        CHECK(etf_read_string(r, &bytes));
        *sum += bytes.len;
        return 0;
    case ETF_KIND_NIL: CHECK(etf_read_nil(r)); return 0;
    case ETF_KIND_LIST: CHECK(etf_read_list(r, &n)); return (size_t)n + 1;
    case ETF_KIND_TUPLE: CHECK(etf_read_tuple(r, &n)); return n;
    case ETF_KIND_MAP: CHECK(etf_read_map(r, &n)); return 2 * (size_t)n;
    default: CHECK(etf_skip(r, NULL)); return 0;
    }
}

/* Each value read in its own type, as a program would. */
static size_t walk(const struct document *d)
{
    struct etf_rd r = etf_rd_of(term_of(d), NULL);
    size_t sum = 0;

    for (size_t left = 1; left > 0; left--)
        left += walk_one(&r, &sum);
    return sum;
}

static size_t ei_walk_one(const char *buf, int *index, size_t *sum)
{
    static char text[1 << 16];
    int type, size, n;
    EI_LONGLONG i;
    double v;
    long len;

    CHECK(ei_get_type(buf, index, &type, &size) == 0);
    switch (type) {
    case ERL_SMALL_INTEGER_EXT:
    case ERL_INTEGER_EXT:
    case ERL_SMALL_BIG_EXT:
        CHECK(ei_decode_longlong(buf, index, &i) == 0);
        *sum += (size_t)i;
        return 0;
    case NEW_FLOAT_EXT:
    case ERL_FLOAT_EXT:
        CHECK(ei_decode_double(buf, index, &v) == 0);
        *sum += v > 0;
        return 0;
    case ERL_ATOM_EXT:
        CHECK(ei_decode_atom(buf, index, text) == 0);
        *sum += strlen(text);
        return 0;
    case ERL_BINARY_EXT:
        CHECK(ei_decode_binary(buf, index, text, &len) == 0);
        *sum += (size_t)len;
        return 0;
    case ERL_STRING_EXT:
        CHECK(ei_decode_string(buf, index, text) == 0);
        *sum += (size_t)size;
        return 0;
    case ERL_NIL_EXT: CHECK(ei_decode_list_header(buf, index, &n) == 0); return 0;
    case ERL_LIST_EXT: CHECK(ei_decode_list_header(buf, index, &n) == 0); return (size_t)n + 1;
    case ERL_SMALL_TUPLE_EXT:
    case ERL_LARGE_TUPLE_EXT: CHECK(ei_decode_tuple_header(buf, index, &n) == 0); return (size_t)n;
    case ERL_MAP_EXT: CHECK(ei_decode_map_header(buf, index, &n) == 0); return 2 * (size_t)n;
    default: CHECK(ei_skip_term(buf, index) == 0); return 0;
    }
}

static size_t ei_walk(const struct document *d)
{
    int index = 1;
    size_t sum = 0;

    for (size_t left = 1; left > 0; left--)
        left += ei_walk_one((const char *)d->etf.buf, &index, &sum);
    return sum;
}

static size_t print_syntax(const struct document *d)
{
    struct etf_rd r = etf_rd_of(term_of(d), NULL);
    struct wr w;
    size_t n;

    wr_init(&w, SIZE_MAX);
    CHECK(etf_print(&w, &r) == ERR_NONE);
    n = w.len;
    wr_fini(&w);
    return n;
}

static size_t ei_print(const struct document *d)
{
    char *text = NULL;
    int index = 1, n;

    n = ei_s_print_term(&text, (const char *)d->etf.buf, &index);
    CHECK(n >= 0);
    free(text);
    return (size_t)n;
}

static size_t parse_syntax(const struct document *d)
{
    struct wr w;
    size_t n;

    wr_init(&w, SIZE_MAX);
    CHECK(etf_parse(&w, wr_written(&d->text), &(struct etf_parse_rules){.max_digits = 0}, NULL) == ERR_NONE);
    n = w.len;
    wr_fini(&w);
    return n;
}

static size_t copy(const struct document *d)
{
    struct etf_rd r = etf_rd_of(term_of(d), NULL);
    struct wr w;
    size_t n;

    wr_init(&w, SIZE_MAX);
    CHECK(etf_copy(&w, &r) == ERR_NONE);
    n = w.len;
    wr_fini(&w);
    return n;
}

static const struct bench_case {
    const char *name;
    size_t (*ours)(const struct document *);
    const char *reference_name; /* NULL: none */
    size_t (*reference)(const struct document *);
    const char *beam; /* what the BEAM does that is comparable; NULL: nothing */
    double goal;      /* ratio that is aimed at; 0: none */
    double least;     /* and the one that --check asks for */
} cases[] = {
    {"JSON -> ETF", json_to_etf, "jansson json_loadb", jansson_load, "json:decode", 11, 8},
    {"ETF -> JSON, plain", etf_to_plain, "jansson json_dumps", jansson_dump, "json:encode", 7, 5.5},
    {"ETF -> JSON, typed", etf_to_typed, "jansson json_dumps", jansson_dump, NULL, 0, 0},
    {"ETF, validated", validate, "ei_skip_term", ei_skip, "binary_to_term", 0.7, 0.55},
    {"ETF, validated (keys trusted)", validate_from_beam, "ei_skip_term", ei_skip, NULL, 0, 0},
    {"ETF, each value read", walk, "ei_decode_*", ei_walk, "binary_to_term", 0, 0},
    {"ETF, copied", copy, NULL, NULL, "term_to_binary", 0, 0},
    {"ETF -> Erlang syntax", print_syntax, "ei_s_print_term", ei_print, NULL, 0, 0},
    {"Erlang syntax -> ETF", parse_syntax, NULL, NULL, NULL, 0, 0},
};

/* ---- Measuring ---- */

struct timing {
    unsigned long runs; /* a round */
    double ns[MAX_ROUNDS];
};

struct result {
    struct timing ours, reference, beam;
};

/* What this thread has run, so that others on the machine cost nothing but warmth of the caches. */
static double now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static volatile size_t sink;

static double time_runs(size_t (*run)(const struct document *), const struct document *d, unsigned long runs)
{
    double start = now_ns();

    for (unsigned long i = 0; i < runs; i++)
        sink += run(d);
    return (now_ns() - start) / (double)runs;
}

static void calibrate(struct timing *t, size_t (*run)(const struct document *), const struct document *d)
{
    double ns;

    time_runs(run, d, 3);
    ns = time_runs(run, d, 5);
    t->runs = (unsigned long)(ROUND_NS / ns) + 1;
}

static void calibrate_beam(struct timing *t, struct beam *b, const char *what)
{
    /* Its first runs are those of code that was not loaded, and of a heap that grows. */
    beam_time_runs(b, what, 3);
    t->runs = (unsigned long)(ROUND_NS / beam_time_runs(b, what, 5)) + 1;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(struct timing *t, unsigned rounds)
{
    qsort(t->ns, rounds, sizeof t->ns[0], compare_doubles);
    return t->ns[rounds / 2];
}

/* b: NULL for none. */
static void measure(const struct document *d, struct beam *b, struct result *results, unsigned rounds)
{
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        calibrate(&results[i].ours, cases[i].ours, d);
        if (cases[i].reference)
            calibrate(&results[i].reference, cases[i].reference, d);
        if (b && cases[i].beam)
            calibrate_beam(&results[i].beam, b, cases[i].beam);
    }
    for (unsigned round = 0; round < rounds; round++) {
        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
            struct result *r = &results[i];

            r->ours.ns[round] = time_runs(cases[i].ours, d, r->ours.runs);
            if (cases[i].reference)
                r->reference.ns[round] = time_runs(cases[i].reference, d, r->reference.runs);
            if (b && cases[i].beam)
                r->beam.ns[round] = beam_time_runs(b, cases[i].beam, r->beam.runs);
        }
    }
}

/* ---- Telling ---- */

/* Megabytes of JSON a second, whatever the case reads: so that lines compare. */
static double mb_per_s(const struct document *d, double ns)
{
    return (double)d->json.len * 1e3 / ns;
}

static void report_other(json_t *o, const char *name_key, const char *ns_key, const char *ratio_key,
                         const char *name, double theirs, double ours)
{
    json_object_set_new(o, name_key, json_string(name));
    json_object_set_new(o, ns_key, json_real(theirs));
    json_object_set_new(o, ratio_key, json_real(theirs / ours));
    printf(" %10.0f %6.2f  %-18s", theirs, theirs / ours, name);
}

static json_t *report_case(const struct document *d, bool has_beam, const struct bench_case *c,
                           struct result *r, unsigned rounds)
{
    double ours = median(&r->ours, rounds);
    json_t *o = json_pack("{s:s, s:s, s:f, s:f}", "document", d->name, "case", c->name, "ns", ours,
                          "mb_per_s", mb_per_s(d, ours));

    printf("%-12s %-30s %10.0f %8.1f", d->name, c->name, ours, mb_per_s(d, ours));
    if (c->reference)
        report_other(o, "reference", "reference_ns", "ratio", c->reference_name,
                     median(&r->reference, rounds), ours);
    else
        printf(" %10s %6s  %-18s", "", "", "");
    if (has_beam && c->beam)
        report_other(o, "beam", "beam_ns", "beam_ratio", c->beam, median(&r->beam, rounds), ours);
    printf("\n");
    fflush(stdout);
    return o;
}

/* Is it one of those that --check is about? */
static bool is_medium(const struct document *d)
{
    return d->json.len >= 8192 && d->json.len <= 16384;
}

static bool is_fast_enough(const struct document *d, const struct bench_case *c, const struct result *r,
                           unsigned rounds)
{
    double ratio;

    if (c->goal == 0 || !is_medium(d))
        return true;
    /* Sorted by median. */
    ratio = r->reference.ns[rounds / 2] / r->ours.ns[rounds / 2];
    printf("%s of %s: %.2f times as fast as %s; aimed at %g, asked for %g\n", c->name, d->name, ratio,
           c->reference_name, c->goal, c->least);
    return ratio >= c->least;
}

/* ---- Documents ---- */

static struct slice read_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    struct wr w;
    size_t n;

    if (!f) {
        perror(path);
        exit(2);
    }
    wr_init(&w, SIZE_MAX);
    do {
        uint8_t *room = wr_room(&w, 65536);

        CHECK(room);
        n = fread(room, 1, 65536, f);
        w.len += n;
    } while (n > 0);
    fclose(f);
    return wr_written(&w);
}

static void document_open(struct document *d, const char *path)
{
    const char *slash = strrchr(path, '/');
    struct transcode_fault f;
    struct etf_rd r;

    d->name = slash ? slash + 1 : path;
    d->json = read_file(path);
    d->tree = json_loadb((const char *)d->json.ptr, d->json.len, 0, NULL);
    wr_init(&d->etf, SIZE_MAX);
    wr_init(&d->text, SIZE_MAX);
    etf_write_version(&d->etf);
    if (!d->tree || transcode_json_to_etf(d->json, &options, &d->etf, NULL, &f) != ERR_NONE) {
        fprintf(stderr, "%s: no JSON\n", path);
        exit(2);
    }
    r = etf_rd_of(term_of(d), NULL);
    CHECK(etf_print(&d->text, &r) == ERR_NONE);
}

static void document_close(struct document *d)
{
    json_decref(d->tree);
    wr_fini(&d->etf);
    wr_fini(&d->text);
    mem_free((void *)(uintptr_t)d->json.ptr);
}

static bool bench_document(const char *path, const char *erl, unsigned rounds, json_t *report)
{
    static struct result results[ARRAY_LEN(cases)];
    struct document d;
    struct beam beam;
    bool ok = true;

    document_open(&d, path);
    if (erl)
        beam_start(&beam, erl, path);
    measure(&d, erl ? &beam : NULL, results, rounds);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        json_array_append_new(report, report_case(&d, erl != NULL, &cases[i], &results[i], rounds));
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        ok &= is_fast_enough(&d, &cases[i], &results[i], rounds);
    if (erl)
        beam_stop(&beam);
    document_close(&d);
    return ok;
}

/* Not inlined: callgrind is to see what each case costs this one caller. */
__attribute__((noinline)) static void run_counted(size_t (*run)(const struct document *),
                                                  const struct document *d)
{
    sink += run(d);
}

static int run_once(const char *path)
{
    struct document d;

    document_open(&d, path);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        sink += cases[i].ours(&d);
        run_counted(cases[i].ours, &d);
    }
    document_close(&d);
    return 0;
}

static int usage(const char *program)
{
    fprintf(stderr,
            "usage: %s [--rounds 1..%d] [--json FILE] [--check] [--beam ERL] [DOCUMENT.json...]\n"
            "       %s --once DOCUMENT.json\n",
            program, MAX_ROUNDS, program);
    return 2;
}

int main(int argc, char **argv)
{
    static const char *const all[] = {BENCH_DOCUMENTS "/small.json", BENCH_DOCUMENTS "/medium.json",
                                      BENCH_DOCUMENTS "/large.json"};
    const char *json_path = NULL, *erl = NULL, *const *documents = all;
    unsigned rounds = DEFAULT_ROUNDS;
    bool is_checked = false, ok = true;
    size_t count = ARRAY_LEN(all);
    json_t *report;
    int i;

    if (argc == 3 && strcmp(argv[1], "--once") == 0)
        return run_once(argv[2]);
    for (i = 1; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
        if (strcmp(argv[i], "--check") == 0)
            is_checked = true;
        else if (i + 1 == argc)
            return usage(argv[0]);
        else if (strcmp(argv[i], "--rounds") == 0)
            rounds = (unsigned)strtoul(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--json") == 0)
            json_path = argv[++i];
        else if (strcmp(argv[i], "--beam") == 0)
            erl = argv[++i];
        else
            return usage(argv[0]);
    }
    if (rounds < 1 || rounds > MAX_ROUNDS)
        return usage(argv[0]);
    if (i < argc) {
        documents = (const char *const *)argv + i;
        count = (size_t)(argc - i);
    }
    ei_init();
    report = json_array();
    printf("%-12s %-30s %10s %8s %10s %6s  %-18s %10s %6s  %s\n", "document", "case", "ns", "MB/s", "ns",
           "ratio", "library", "ns", "ratio", "BEAM");
    for (size_t k = 0; k < count; k++)
        ok &= bench_document(documents[k], erl, rounds, report);
    if (json_path && json_dump_file(report, json_path, JSON_INDENT(1)) != 0) {
        perror(json_path);
        return 2;
    }
    json_decref(report);
    return is_checked && !ok ? 1 : 0;
}
