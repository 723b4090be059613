#include "src/policy_cmd.h"

#include <stdio.h>
#include <string.h>

#include "auth/policy.h"
#include "auth/principal.h"
#include "base/check.h"
#include "src/cli_status.h"
#include "src/options.h"

enum { TEXT_MAX = 1024, FORMS_MAX = 256, OPERANDS = 3 };

struct asked {
    const char *file, *principal;
    const char *operands[OPERANDS]; /* operation, node, target: those that the operation has */
    size_t count;
    const char *beyond; /* the first that is none of these; NULL: none */
};

static void print_help(void)
{
    printf(
        "Usage: erlgate policy check --policy-file FILE --as PRINCIPAL OPERATION [NODE] [TARGET]\n"
        "       erlgate policy operations\n\n"
        "check says whether a policy allows that, by which rule, and why those before it do not decide. NODE "
        "and TARGET\n"
        "are given to operations that have them. Status 0: allowed; 6: denied.\n\n"
        "  erlgate policy check --policy-file policy.yaml --as billing call ledger@host name:ledger\n"
        "  erlgate policy check --policy-file policy.yaml --as ops rpc ledger@host function:lists:sum/1\n\n"
        "operations lists what a rule can allow or deny. See docs/policy.md.\n\n"
        "Options:\n"
        "  --policy-file FILE   the rules, as for --policy-file of `erlgate serve`\n"
        "  --as PRINCIPAL       who asks; `anonymous` is everybody where nobody is asked\n"
        "  --help               print this\n");
}

/* How the targets of an operation are written: "name:NAME | pid"; empty: it has none. */
static const char *forms_of(enum policy_op op, char ret[FORMS_MAX])
{
    size_t len = 0;

    *ret = '\0';
    for (unsigned k = POLICY_NO_TARGET + 1; k < POLICY_KIND_COUNT && len < FORMS_MAX; k++)
        if (policy_op_targets(op) & POLICY_BIT(k))
            len += (size_t)snprintf(ret + len, FORMS_MAX - len, "%s%s", len ? " | " : "",
                                    policy_kind_form((enum policy_kind)k));
    return ret;
}

static int list_operations(void)
{
    char forms[FORMS_MAX];

    for (unsigned i = POLICY_FREE + 1; i < POLICY_OP_COUNT; i++) {
        enum policy_op op = (enum policy_op)i;
        bool has_node = policy_op_has_node(op);

        forms_of(op, forms);
        printf("%-11s %s\n            %s%s%s\n", policy_op_word(op), policy_op_help(op),
               has_node ? "NODE" : "neither NODE nor TARGET",
               !*forms    ? ""
               : has_node ? ", and "
                          : " but ",
               forms);
    }
    return 0;
}

static int complain(const char *what, const char *word, const char *hint)
{
    fprintf(stderr, "erlgate policy: %s%s%s%s%s%s\n", what, word ? " '" : "", word ? word : "",
            word ? "'" : "", hint ? "; " : "", hint ? hint : "");
    return CLI_USAGE;
}

static int read_arguments(int argc, char **argv, struct asked *a)
{
    for (int i = 0; i < argc; i++) {
        const char **value = strcmp(argv[i], "--policy-file") == 0 ? &a->file
                             : strcmp(argv[i], "--as") == 0        ? &a->principal
                                                                   : NULL;

        if (value && i + 1 == argc)
            return complain("a value is to follow", argv[i], NULL);
        if (value)
            *value = argv[++i];
        else if (argv[i][0] == '-')
            return complain("there is no option", argv[i], "there are --policy-file and --as");
        else if (a->count < OPERANDS)
            a->operands[a->count++] = argv[i];
        else if (!a->beyond)
            a->beyond = argv[i];
    }
    if (!a->file)
        return complain("--policy-file FILE is missing", NULL, NULL);
    if (!a->principal || !auth_principal_is_valid(slice_of_str(a->principal)))
        return complain("--as PRINCIPAL is missing, or no name", NULL, NULL);
    if (a->beyond)
        return complain("too much:", a->beyond, NULL);
    return a->count ? 0 : complain("an OPERATION is missing", NULL, "`erlgate policy operations` lists them");
}

static int unknown_operation(const char *word)
{
    const char *words[POLICY_OP_COUNT], *closest;
    char hint[64] = "`erlgate policy operations` lists them";

    for (unsigned i = 0; i < POLICY_OP_COUNT; i++)
        words[i] = policy_op_word((enum policy_op)i);
    closest = options_closest(word, words, POLICY_OP_COUNT);
    if (closest && *closest)
        snprintf(hint, sizeof hint, "did you mean '%s'?", closest);
    return complain("there is no operation", word, hint);
}

static int read_question(const struct asked *a, struct policy_question *q)
{
    char forms[FORMS_MAX], hint[FORMS_MAX + 32];
    size_t n = 1;

    q->principal = slice_of_str(a->principal);
    if (!policy_op_read(slice_of_str(a->operands[0]), &q->op))
        return unknown_operation(a->operands[0]);
    if (policy_op_has_node(q->op)) {
        if (n == a->count)
            return complain("which NODE? name@host is to follow", a->operands[0], NULL);
        if (!strchr(a->operands[n], '@'))
            return complain("a node is written name@host, and not", a->operands[n], NULL);
        q->node = slice_of_str(a->operands[n++]);
    }
    if (policy_op_targets(q->op)) {
        snprintf(hint, sizeof hint, "it is written %s", forms_of(q->op, forms));
        if (n == a->count)
            return complain("which TARGET is missing, for", a->operands[0], hint);
        if (!policy_read_target(slice_of_str(a->operands[n++]), q))
            return complain("this is no TARGET of that operation:", a->operands[n - 1], hint);
    }
    return n == a->count ? 0 : complain("the operation does not take", a->operands[n], NULL);
}

static void explain(const struct policy *p, const struct asked *a, const struct policy_question *q,
                    const struct policy_decision *d)
{
    if (d->rule)
        printf("%s by rule \"%s\" (%s:%u)\n", d->is_allowed ? "allowed" : "denied", d->rule->name, a->file,
               d->rule->line);
    else
        printf("denied: no rule matches\n");
    for (size_t i = 0; i < policy_rule_count(p) && policy_rule_at(p, i) != d->rule; i++) {
        const struct policy_rule *r = policy_rule_at(p, i);

        printf("  not by \"%s\" (%s:%u): %s\n", r->name, a->file, r->line,
               policy_fit_text(policy_fit(p, i, q)));
    }
    if (d->is_allowed && policy_op_has_node(q->op) && !policy_connects(p, q->node))
        printf("  but nodes.connect does not have that node: only if it has connected to the gateway\n");
}

static void warn(void *ctx, const struct policy_rule *rule, const char *what)
{
    const struct asked *a = ctx;

    fprintf(stderr, "warning: %s:%u:%u: rule \"%s\": %s\n", a->file, rule->line, rule->column, rule->name,
            what);
}

static int check(int argc, char **argv)
{
    struct asked a = {.count = 0};
    struct policy_question q = {.op = POLICY_NOTHING};
    struct policy_decision d;
    struct auth_faults faults;
    struct policy *p;
    char text[TEXT_MAX];
    int status = read_arguments(argc, argv, &a);

    if (status == 0)
        status = read_question(&a, &q);
    if (status != 0)
        return status;
    p = policy_load(a.file, &faults);
    for (unsigned i = 0; !p && i < faults.count; i++) {
        auth_fault_print(&faults.at[i], text, sizeof text);
        status = complain(text, NULL, NULL);
    }
    if (!p)
        return status;
    policy_warn(p, warn, &a);
    d = policy_decide(p, &q);
    explain(p, &a, &q, &d);
    policy_free(p);
    return d.is_allowed ? 0 : CLI_DENIED;
}

int policy_command(int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            print_help();
            return 0;
        }
    }
    if (argc > 0 && strcmp(argv[0], "operations") == 0)
        return argc == 1 ? list_operations() : complain("too much:", argv[1], NULL);
    if (argc > 0 && strcmp(argv[0], "check") == 0)
        return check(argc - 1, argv + 1);
    return complain("there are `check` and `operations`", NULL, "erlgate policy --help says more");
}
