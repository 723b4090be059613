#include "auth/doc.h"

#include <stdarg.h>

#include "auth/yaml_fault.h"

bool auth_doc_refuse(const struct auth_doc *d, const yaml_node_t *at, const char *hint, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    auth_fault_setv(d->fault, d->name, (unsigned)at->start_mark.line + 1, (unsigned)at->start_mark.column + 1,
                    hint, fmt, ap);
    va_end(ap);
    return false;
}

bool auth_doc_refuse_all(const struct auth_doc *d, const char *hint, const char *what)
{
    return auth_fault_set(d->fault, d->name, 0, 0, hint, "%s", what);
}

bool auth_doc_refuse_text(const struct auth_doc *d)
{
    const yaml_mark_t *at = &d->parser.problem_mark;
    char what[sizeof d->fault->what];

    auth_yaml_fault_print(&d->parser, what, sizeof what);
    return auth_fault_set(d->fault, d->name, (unsigned)at->line + 1, (unsigned)at->column + 1, NULL, "%s",
                          what);
}

bool auth_doc_open(struct auth_doc *d, const char *name, struct slice text, struct auth_fault *fault)
{
    static const uint8_t nothing[1];

    d->name = name;
    d->fault = fault;
    if (auth_yaml_is_too_deep(text))
        return auth_doc_refuse_all(d, NULL, AUTH_YAML_TOO_DEEP);
    if (!yaml_parser_initialize(&d->parser))
        return auth_doc_refuse_all(d, NULL, "out of memory");
    yaml_parser_set_input_string(&d->parser, text.len ? text.ptr : nothing, text.len);
    if (yaml_parser_load(&d->parser, &d->yaml))
        return true;
    auth_doc_refuse_text(d);
    yaml_parser_delete(&d->parser);
    return false;
}

void auth_doc_close(struct auth_doc *d)
{
    yaml_document_delete(&d->yaml);
    yaml_parser_delete(&d->parser);
}

bool auth_doc_keep(struct auth_doc *d, struct auth_faults *faults, bool is_good)
{
    if (!is_good && faults->count < AUTH_FAULTS_MAX)
        d->fault = ++faults->count < AUTH_FAULTS_MAX ? &faults->at[faults->count] : NULL;
    return is_good;
}

bool auth_doc_is_last(struct auth_doc *d, const char *hint)
{
    yaml_mark_t at;

    switch (auth_yaml_rest_of(&d->parser, &at)) {
    case AUTH_YAML_NOTHING: return true;
    case AUTH_YAML_BROKEN: return auth_doc_refuse_text(d);
    case AUTH_YAML_SECOND: break;
    }
    return auth_fault_set(d->fault, d->name, (unsigned)at.line + 1, (unsigned)at.column + 1, hint,
                          "a second document begins here");
}

struct slice auth_doc_scalar(const yaml_node_t *n)
{
    return n->type == YAML_SCALAR_NODE ? slice_of(n->data.scalar.value, n->data.scalar.length)
                                       : (struct slice){0};
}
