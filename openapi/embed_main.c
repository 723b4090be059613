/*
 * embed_main: run by the build: openapi.yaml, as it is and as JSON, becomes a C file that the program holds.
 *
 * openapi_embed openapi.yaml out.c. What is no OpenAPI document, or would read differently as JSON (two equal
 * keys, keys that are no strings, merge keys), fails the build with its line.
 */
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

struct source {
    const char *path;
    yaml_document_t document;
};

static json_t *value_of(struct source *s, yaml_node_t *n);

static json_t *fail(const struct source *s, const yaml_node_t *n, const char *what)
{
    fprintf(stderr, "%s:%zu:%zu: %s\n", s->path, n->start_mark.line + 1, n->start_mark.column + 1, what);
    return NULL;
}

static const char *text_of(const yaml_node_t *n)
{
    return (const char *)n->data.scalar.value;
}

/* YAML 1.2's core schema, as far as OpenAPI's own documents use it. */
static json_t *plain_scalar(const char *text)
{
    char *end;
    long long integer;
    double real;

    if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
        return json_boolean(text[0] == 't');
    if (strcmp(text, "null") == 0 || strcmp(text, "~") == 0 || text[0] == '\0')
        return json_null();
    errno = 0;
    integer = strtoll(text, &end, 10);
    if (errno == 0 && *end == '\0')
        return json_integer(integer);
    real = strtod(text, &end);
    if (*end == '\0' && isfinite(real) && strspn(text, "+-.0123456789eE") == strlen(text))
        return json_real(real);
    return json_string(text);
}

static json_t *scalar(struct source *s, const yaml_node_t *n)
{
    json_t *v =
        n->data.scalar.style == YAML_PLAIN_SCALAR_STYLE ? plain_scalar(text_of(n)) : json_string(text_of(n));

    return v ? v : fail(s, n, "this is no UTF-8");
}

static json_t *sequence(struct source *s, yaml_node_t *n)
{
    json_t *list = json_array();

    for (yaml_node_item_t *i = n->data.sequence.items.start; i < n->data.sequence.items.top; i++) {
        if (json_array_append_new(list, value_of(s, yaml_document_get_node(&s->document, *i))) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *mapping(struct source *s, yaml_node_t *n)
{
    json_t *object = json_object();

    for (yaml_node_pair_t *p = n->data.mapping.pairs.start; p < n->data.mapping.pairs.top; p++) {
        yaml_node_t *key = yaml_document_get_node(&s->document, p->key);
        const char *bad = key->type != YAML_SCALAR_NODE     ? "a key has to be a string"
                          : strcmp(text_of(key), "<<") == 0 ? "merge keys are not known to every reader"
                          : json_object_get(object, text_of(key)) != NULL ? "the key stands here twice"
                                                                          : NULL;

        if (bad)
            fail(s, key, bad);
        if (bad || json_object_set_new(object, text_of(key),
                                       value_of(s, yaml_document_get_node(&s->document, p->value))) != 0) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

/* The depth is that of a file of ours. */
static json_t *value_of(struct source *s, yaml_node_t *n)
{
    switch (n->type) {
    case YAML_SCALAR_NODE: return scalar(s, n);
    case YAML_SEQUENCE_NODE: return sequence(s, n);
    case YAML_MAPPING_NODE: return mapping(s, n);
    default: return fail(s, n, "this is nothing that JSON has");
    }
}

static json_t *load(struct source *s, const char *text, size_t len)
{
    yaml_parser_t parser;
    yaml_node_t *root;
    json_t *value = NULL;

    yaml_parser_initialize(&parser);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
    if (!yaml_parser_load(&parser, &s->document)) {
        fprintf(stderr, "%s:%zu:%zu: %s\n", s->path, parser.problem_mark.line + 1,
                parser.problem_mark.column + 1, parser.problem);
    } else {
        root = yaml_document_get_root_node(&s->document);
        value = root ? value_of(s, root) : NULL;
        yaml_document_delete(&s->document);
    }
    yaml_parser_delete(&parser);
    return value;
}

static char *read_file(const char *path, size_t *ret_len)
{
    FILE *f = fopen(path, "rb");
    char *text = NULL;
    long size = -1;

    if (f && fseek(f, 0, SEEK_END) == 0)
        size = ftell(f);
    if (size >= 0)
        text = malloc((size_t)size + 1);
    if (text && (fseek(f, 0, SEEK_SET) != 0 || fread(text, 1, (size_t)size, f) != (size_t)size)) {
        free(text);
        text = NULL;
    }
    if (f)
        fclose(f);
    *ret_len = text ? (size_t)size : 0;
    return text;
}

static void write_bytes(FILE *f, const char *name, const char *bytes, size_t len)
{
    fprintf(f, "static const uint8_t %s_bytes[] = {", name);
    for (size_t i = 0; i < len; i++)
        fprintf(f, "%s%u,", i % 24 == 0 ? "\n    " : "", (unsigned char)bytes[i]);
    fprintf(f, "\n};\nconst struct slice %s = {%s_bytes, sizeof %s_bytes};\n", name, name, name);
}

int main(int argc, char **argv)
{
    struct source s = {.path = argc > 1 ? argv[1] : ""};
    char *yaml, *text;
    size_t len;
    json_t *value;
    FILE *out;

    if (argc != 3) {
        fprintf(stderr, "usage: openapi_embed DOCUMENT.yaml OUT.c\n");
        return 2;
    }
    yaml = read_file(argv[1], &len);
    value = yaml ? load(&s, yaml, len) : NULL;
    if (yaml && value && !json_is_string(json_object_get(value, "openapi"))) {
        fprintf(stderr, "%s: this is no OpenAPI document\n", argv[1]);
        return 1;
    }
    text = value ? json_dumps(value, JSON_COMPACT) : NULL;
    out = text ? fopen(argv[2], "w") : NULL;
    if (!out) {
        fprintf(stderr, "openapi_embed: %s could not be made of %s\n", argv[2], argv[1]);
        return 1;
    }
    fprintf(out,
            "/* Made from openapi.yaml by openapi/embed_main.c. */\n#include \"openapi/document.h\"\n\n");
    write_bytes(out, "openapi_yaml", yaml, len);
    write_bytes(out, "openapi_json", text, strlen(text));
    free(text);
    json_decref(value);
    free(yaml);
    return fclose(out) == 0 ? 0 : 1;
}
