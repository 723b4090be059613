/*
 * yaml_fault: why a text is no YAML, in words for the one who wrote it.
 *
 * libyaml says what it had expected and what it was reading, in the terms of YAML's specification and never
 * in the file's own words, so that no secret gets out.
 */
#ifndef ERLGATE_AUTH_YAML_FAULT_H
#define ERLGATE_AUTH_YAML_FAULT_H

#include <yaml.h>

/* What has stopped the parser, as a sentence without a full stop, cut to cap - 1 bytes. Its place is
 * parser->problem_mark. */
void auth_yaml_fault_print(const yaml_parser_t *parser, char *ret, size_t cap);

#endif
