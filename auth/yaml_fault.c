#include "auth/yaml_fault.h"

#include <stdio.h>
#include <string.h>

/* (Those of comments and in quotes count too: there they come in pairs, or are few.) */
bool auth_yaml_is_too_deep(struct slice text)
{
    unsigned open = 0;

    for (size_t i = 0; i < text.len && open <= AUTH_YAML_BRACKETS_MAX; i++) {
        uint8_t c = text.ptr[i];

        if (c == '[' || c == '{')
            open++;
        else if ((c == ']' || c == '}') && open > 0)
            open--;
    }
    return open > AUTH_YAML_BRACKETS_MAX;
}

static const char *hint_of(const char *problem, const char *context)
{
    if (strstr(problem, "cannot start"))
        return "; a text that begins so wants quotes, and a tab is no indentation";
    if (strstr(problem, "undefined alias") || strstr(context, "an alias"))
        return "; a text that begins with * wants quotes"; /* nodes: *@host */
    return "";
}

void auth_yaml_fault_print(const yaml_parser_t *parser, char *ret, size_t cap)
{
    const char *problem = parser->problem ? parser->problem : "it cannot be read";

    if (parser->error == YAML_MEMORY_ERROR)
        snprintf(ret, cap, "out of memory");
    else if (parser->context)
        snprintf(ret, cap, "is no YAML: %s (%s, from line %zu)%s", problem, parser->context,
                 parser->context_mark.line + 1, hint_of(problem, parser->context));
    else
        snprintf(ret, cap, "is no YAML: %s%s", problem, hint_of(problem, ""));
}

enum auth_yaml_rest auth_yaml_rest_of(yaml_parser_t *parser, yaml_mark_t *ret_at)
{
    enum auth_yaml_rest rest;
    yaml_document_t second;

    if (!yaml_parser_load(parser, &second))
        return AUTH_YAML_BROKEN;
    rest = yaml_document_get_root_node(&second) ? AUTH_YAML_SECOND : AUTH_YAML_NOTHING;
    *ret_at = second.start_mark;
    yaml_document_delete(&second);
    return rest;
}
