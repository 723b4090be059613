#include "auth/yaml_fault.h"

#include <stdio.h>
#include <string.h>

void auth_yaml_fault_print(const yaml_parser_t *parser, char *ret, size_t cap)
{
    const char *problem = parser->problem ? parser->problem : "it cannot be read";

    if (parser->error == YAML_MEMORY_ERROR)
        snprintf(ret, cap, "out of memory");
    else if (parser->context)
        snprintf(ret, cap, "is no YAML: %s (%s, from line %zu)%s", problem, parser->context,
                 parser->context_mark.line + 1,
                 strstr(problem, "cannot start")
                     ? "; a text that begins so wants quotes, and a tab is no indentation"
                     : "");
    else
        snprintf(ret, cap, "is no YAML: %s", problem);
}
