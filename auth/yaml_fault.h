/*
 * yaml_fault: why a text is no YAML, in words for the one who wrote it.
 *
 * libyaml says what it had expected and what it was reading, in the terms of YAML's specification and never
 * in the file's own words, so that no secret gets out.
 */
#ifndef ERLGATE_AUTH_YAML_FAULT_H
#define ERLGATE_AUTH_YAML_FAULT_H

#include <stdbool.h>

#include <yaml.h>

#include "base/slice.h"

enum { AUTH_YAML_BRACKETS_MAX = 100 };
/* Has the text more brackets open at once than any that is meant? libyaml looks at each of them again with
 * each word that follows: a file of a MiB of them would take an hour. To be asked before it is parsed. */
bool auth_yaml_is_too_deep(struct slice text);
#define AUTH_YAML_TOO_DEEP "is nested too deep: more than 100 brackets are open at once"

/* What has stopped the parser, as a sentence without a full stop, cut to cap - 1 bytes. Its place is
 * parser->problem_mark. */
void auth_yaml_fault_print(const yaml_parser_t *parser, char *ret, size_t cap);

/* What stands behind the document that the parser has read. Of a second one nobody would look at a word. */
enum auth_yaml_rest {
    AUTH_YAML_NOTHING,
    AUTH_YAML_SECOND, /* document: it begins at *ret_at */
    AUTH_YAML_BROKEN, /* what has stopped the parser */
};
enum auth_yaml_rest auth_yaml_rest_of(yaml_parser_t *parser, yaml_mark_t *ret_at);

#endif
