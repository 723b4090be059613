/*
 * syntax: terms as Erlang text, both ways: what the shell prints, and what it reads.
 *
 * Printed on one line, UTF-8. What has no syntax in Erlang: #Pid<node:id:serial:creation>,
 * #Ref<node:creation:w.w.w>, #Port<node:id:creation>, and #Etf<base64> (with byte 131) for closures, records
 * of OTP 29 and local terms; external funs are `fun m:f/1`. Read: the constants of erl_parse, one term, the
 * final dot optional.
 */
#ifndef ERLGATE_ETF_SYNTAX_H
#define ERLGATE_ETF_SYNTAX_H

#include "base/wr.h"
#include "etf/validate.h"

/* Prints one validated term. Gives wr's failure: ERR_NOMEM, or ERR_TOO_LARGE past its ceiling. */
MUST_USE enum err etf_print(struct wr *w, struct etf_rd *r);

struct etf_parse_rules {
    struct etf_rules term; /* depth, atoms, what is refused, as in validation */
    uint32_t max_digits;   /* of a number; 0: 10,000 */
    /*
     * Where the text is a pattern or a template: told of each Erlang variable (its name) and of each `${…}`
     * (with the braces); writes the one term that stands for it. NULL: variables are refused, and `${` is the
     * character.
     */
    enum err (*on_variable)(void *ctx, struct slice name, struct wr *w);
    void *variable_ctx;
};

/*
 * Appends the term (without version byte) that text stands for. On failure f says where (byte offset in text)
 * and why: ERR_MORE (the text ends too early), ERR_MALFORMED, ERR_UNSUPPORTED (a binary within a binary,
 * floats of some sizes and bases), ERR_DEPTH, ERR_TOO_LARGE (a number of too many digits, or w's ceiling),
 * ERR_DUPLICATE_KEY, ERR_PEER_UNSUPPORTED (what the rules refuse), ERR_NOMEM, or what on_atom or on_variable
 * gave. What has been appended by then is to be thrown away.
 */
MUST_USE enum err etf_parse(struct wr *w, struct slice text, const struct etf_parse_rules *rules,
                            struct fault *f);

/*
 * The texts inside #Pid<…>, #Ref<…>, #Port<…>, which tags in JSON and paths in URLs use too. The node stands
 * bare when made of [A-Za-z0-9_@.-], else as a quoted atom; the numbers are split off from the right.
 * Reading: all of text must be used; the node's text goes through scratch when it has escapes (borrowed from
 * text or scratch).
 */
void etf_print_pid_text(struct wr *w, const struct etf_pid *pid);
void etf_print_ref_text(struct wr *w, const struct etf_ref *ref);
void etf_print_port_text(struct wr *w, const struct etf_port *port);
MUST_USE bool etf_parse_pid_text(struct slice text, struct wr *scratch, struct etf_pid *ret);
MUST_USE bool etf_parse_ref_text(struct slice text, struct wr *scratch, struct etf_ref *ret);
MUST_USE bool etf_parse_port_text(struct slice text, struct wr *scratch, struct etf_port *ret);
/* `mod:fun/arity`, the atoms bare or quoted as in Erlang. */
void etf_print_fun_text(struct wr *w, struct etf_atom module, struct etf_atom function, uint64_t arity);
MUST_USE bool etf_parse_fun_text(struct slice text, struct wr *scratch, struct slice *ret_module,
                                 struct slice *ret_function, uint8_t *ret_arity);

/* An atom as Erlang writes it: bare when it may be (reserved words are quoted), else in '…' with escapes. */
void etf_print_atom(struct wr *w, struct etf_atom atom);

#endif
