/* Any bytes as Erlang text. What is accepted must be a valid term that comes back from its own print. */
#include "base/check.h"
#include "etf/syntax.h"
#include "etf/write.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Terms of up to FEW_BYTES never cost too much to compare or to read, however deep. */
enum { MAX_BYTES = 1 << 16, FEW_BYTES = 2048 };

static enum err one_atom(void *ctx, struct slice name, struct wr *w)
{
    CHECK(ctx == NULL && name.len > 0);
    etf_write_atom_str(w, "x");
    return ERR_NONE;
}

static void print_is_equal(struct slice term)
{
    struct etf_parse_rules rules = {.term = {.max_depth = 2 * ETF_DEFAULT_MAX_DEPTH}};
    struct etf_rd r = etf_rd_of(term, NULL);
    struct wr text, back;
    enum err e;

    wr_init(&text, 16 * MAX_BYTES);
    wr_init(&back, SIZE_MAX);
    if (etf_print(&text, &r) == ERR_NONE) {
        CHECK(rd_left(&r.rd) == 0);
        e = etf_parse(&back, wr_written(&text), &rules, NULL);
        CHECK(e == ERR_NONE || (e == ERR_TOO_LARGE && term.len > FEW_BYTES));
        CHECK(e != ERR_NONE || etf_equal(term, NULL, wr_written(&back), NULL));
    } else {
        CHECK(text.err == ERR_TOO_LARGE);
    }
    wr_fini(&text);
    wr_fini(&back);
}

static void texts_of_things(struct slice text)
{
    struct slice module, function;
    struct wr scratch, again;
    struct etf_pid pid;
    struct etf_ref ref;
    struct etf_port port;
    uint8_t arity;

    wr_init(&scratch, SIZE_MAX);
    wr_init(&again, SIZE_MAX);
    if (etf_parse_pid_text(text, &scratch, &pid)) {
        etf_print_pid_text(&again, &pid);
        CHECK(etf_parse_pid_text(wr_written(&again), &scratch, &pid));
    }
    if (etf_parse_ref_text(text, &scratch, &ref))
        etf_print_ref_text(&again, &ref);
    if (etf_parse_port_text(text, &scratch, &port))
        etf_print_port_text(&again, &port);
    if (etf_parse_fun_text(text, &scratch, &module, &function, &arity))
        etf_print_fun_text(&again, (struct etf_atom){.text = module}, (struct etf_atom){.text = function},
                           arity);
    wr_fini(&scratch);
    wr_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct etf_parse_rules rules = {.term = {.max_bytes = MAX_BYTES}, .on_variable = one_atom};
    struct fault f = {0};
    struct wr w;
    enum err e;

    wr_init(&w, 2 * MAX_BYTES);
    e = etf_parse(&w, slice_of(data, size), &rules, &f);
    if (e == ERR_NONE) {
        e = etf_validate(wr_written(&w), NULL, &rules.term, NULL, NULL);
        CHECK(e == ERR_NONE || (e == ERR_TOO_LARGE && w.len > FEW_BYTES));
        print_is_equal(wr_written(&w));
    } else {
        CHECK(f.err == e && f.text && f.offset <= size && w.len == 0);
        CHECK(e != ERR_NOMEM && e != ERR_INVALID);
    }
    texts_of_things(slice_of(data, size));
    wr_fini(&w);
    return 0;
}
