/*
 * doc: a file of YAML as a tree whose nodes know their place, and faults that are told at it.
 *
 * Private to auth/. Opened by auth_doc_open on the caller's stack, ended by auth_doc_close. What it refuses
 * goes into the fault that it was opened with.
 */
#ifndef ERLGATE_AUTH_DOC_H
#define ERLGATE_AUTH_DOC_H

#include <yaml.h>

#include "auth/fault.h"
#include "base/err.h"

struct auth_doc {
    const char *name;         /* borrowed: of the file */
    struct auth_fault *fault; /* borrowed: what is refused next; may be NULL */
    yaml_parser_t parser;     /* behind the document */
    yaml_document_t yaml;
};

/* False: it is no YAML, or there is no memory, and that is told; nothing is to be closed. */
MUST_USE bool auth_doc_open(struct auth_doc *d, const char *name, struct slice text,
                            struct auth_fault *fault);
void auth_doc_close(struct auth_doc *d);

/* Each tells, and gives false: what is wrong at a node; with the file as a whole; with the text where the
 * parser is. */
__attribute__((format(printf, 4, 5))) bool auth_doc_refuse(const struct auth_doc *d, const yaml_node_t *at,
                                                           const char *hint, const char *fmt, ...);
bool auth_doc_refuse_all(const struct auth_doc *d, const char *hint, const char *what);
bool auth_doc_refuse_text(const struct auth_doc *d);

/* An item was read; or it was refused, which is kept in faults, and what is refused next is told behind it,
 * so that the reading may go on with what stands beside. The document was opened with the first of faults,
 * whose count was 0. Gives is_good. */
bool auth_doc_keep(struct auth_doc *d, struct auth_faults *faults, bool is_good);

/* The file ends with this document; else told, and false: of a second one nobody would look at a word. hint:
 * static. */
bool auth_doc_is_last(struct auth_doc *d, const char *hint);

/* The text of a scalar; empty for another node. */
struct slice auth_doc_scalar(const yaml_node_t *n);

#endif
