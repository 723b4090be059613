/*
 * The file, in YAML: a mapping from options to values. Where an option takes several, a sequence of them. A
 * mapping inside it joins its keys with a dash: `tls: {cert: a.pem}` is `tls-cert: a.pem`.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml.h>

#include "auth/yaml_fault.h"
#include "base/check.h"
#include "base/mem.h"
#include "src/options_set.h"
#include "src/units.h"

enum {
    NAME_MAX_LEN = 64,
    PLACE_MAX = 512,
    WHAT_MAX = 128,
    FILE_MAX = 1 << 20,
    PAIRS_MAX = 150, /* in all: an alias stands for as many as it likes, and the log has room for 200 lines */
};

struct file {
    const char *path;
    yaml_document_t document;
    struct options *o;
    unsigned pairs;           /* that have been taken */
    bool is_given[OPT_COUNT]; /* by this file */
};

static const char *place_of(const struct file *f, const yaml_mark_t *mark, char ret[PLACE_MAX])
{
    snprintf(ret, PLACE_MAX, "%s:%zu:%zu", f->path, mark->line + 1, mark->column + 1);
    return ret;
}

static void fault(const struct file *f, const yaml_mark_t *mark, const char *what)
{
    char place[PLACE_MAX];

    options_fault_at(f->o, place_of(f, mark, place), what);
}

static void take_scalar(const struct file *f, enum option which, bool is_negated, const yaml_node_t *value)
{
    char place[PLACE_MAX];

    if (memchr(value->data.scalar.value, '\0', value->data.scalar.length)) {
        fault(f, &value->start_mark, "no value has a zero byte");
        return;
    }
    options_set(f->o, which, is_negated, (const char *)value->data.scalar.value, OPTION_FROM_FILE,
                place_of(f, &value->start_mark, place));
}

/* What may stand there, in words. */
static void write_wanted(const struct option_spec *spec, char *ret, size_t cap)
{
    static const char *const numbers[] = {"COUNT", "LEVELS", "MS", "SECONDS", "BYTES"};

    snprintf(ret, cap, "%s%s",
             !spec->argument              ? "true or false"
             : spec->traits & OPTION_MANY ? "a list of "
                                          : "one value, ",
             spec->argument ? spec->argument : "");
    for (size_t i = 0; spec->argument && i < ARRAY_LEN(numbers); i++)
        if (strcmp(spec->argument, numbers[i]) == 0)
            snprintf(ret, cap, "a number%s", units_in_words(units_of_argument(spec->argument)));
}

static void refuse_shape(const struct file *f, enum option which, const yaml_node_t *value)
{
    char wanted[NAME_MAX_LEN], what[2 * NAME_MAX_LEN + 64];

    write_wanted(options_spec(which), wanted, sizeof wanted);
    snprintf(what, sizeof what, "%s is to be %s, and not a %s", options_spec(which)->flag, wanted,
             value->type == YAML_MAPPING_NODE ? "mapping" : "list");
    fault(f, &value->start_mark, what);
}

static void take_sequence(struct file *f, enum option which, const yaml_node_t *value)
{
    for (yaml_node_item_t *i = value->data.sequence.items.start; i < value->data.sequence.items.top; i++) {
        const yaml_node_t *item = yaml_document_get_node(&f->document, *i);

        if (item->type == YAML_SCALAR_NODE)
            take_scalar(f, which, false, item);
        else
            fault(f, &item->start_mark, "a list of texts must stand here");
    }
}

static void take(struct file *f, const char *name, const yaml_node_t *key, const yaml_node_t *value)
{
    char place[PLACE_MAX];
    bool is_negated;
    enum option which = options_find(name, &is_negated);

    if (which == OPT_COUNT) {
        options_refuse_unknown(f->o, place_of(f, &key->start_mark, place), name);
    } else if (which == OPT_CONFIG) {
        fault(f, &key->start_mark, "a file cannot name another one");
    } else if (f->is_given[which]) {
        fault(f, &key->start_mark, "this option stands twice in the file");
    } else {
        f->is_given[which] = true;
        if (value->type == YAML_SCALAR_NODE)
            take_scalar(f, which, is_negated, value);
        else if (value->type == YAML_SEQUENCE_NODE && (options_spec(which)->traits & OPTION_MANY))
            take_sequence(f, which, value);
        else
            refuse_shape(f, which, value);
    }
}

/* Does name, with a dash, begin the names of options? `tls` does, and `socket`, which is one itself. */
static bool is_prefix(const char *name)
{
    size_t len = strlen(name);

    for (size_t i = 0; i < OPT_COUNT; i++) {
        const char *flag = options_spec((enum option)i)->flag;

        if (strncmp(flag, name, len) == 0 && flag[len] == '-')
            return true;
    }
    return false;
}

/* A mapping that joins its keys (there may be none), and no value of the wrong shape? */
static bool joins(const char *name, const yaml_node_t *value)
{
    bool is_negated, is_option = options_find(name, &is_negated) != OPT_COUNT;

    if (value->type != YAML_MAPPING_NODE)
        return false;
    if (value->data.mapping.pairs.start == value->data.mapping.pairs.top)
        return !is_option && is_prefix(name);
    return !is_option || is_prefix(name);
}

/* Told once, however deep in aliases of aliases. */
static bool is_too_much(struct file *f, const yaml_node_t *mapping)
{
    if (f->pairs++ == PAIRS_MAX)
        fault(f, &mapping->start_mark, "the file stands for more options than there can be");
    return f->pairs > PAIRS_MAX;
}

/* prefix: of the keys around it, with a dash at its end; at most NAME_MAX_LEN bytes, which also ends aliases
 * that hold themselves. */
static void take_mapping(struct file *f, const yaml_node_t *mapping, const char *prefix)
{
    for (yaml_node_pair_t *p = mapping->data.mapping.pairs.start; p < mapping->data.mapping.pairs.top; p++) {
        const yaml_node_t *key = yaml_document_get_node(&f->document, p->key);
        const yaml_node_t *value = yaml_document_get_node(&f->document, p->value);
        char name[NAME_MAX_LEN + 2];
        int n;

        if (is_too_much(f, mapping))
            return;
        if (key->type != YAML_SCALAR_NODE) {
            fault(f, &key->start_mark, "the name of an option must stand here");
            continue;
        }
        n = snprintf(name, sizeof name, "%s%s", prefix, (const char *)key->data.scalar.value);
        if (n < 0 || n > NAME_MAX_LEN) {
            fault(f, &key->start_mark, "no option has so long a name");
            continue;
        }
        if (!joins(name, value)) {
            take(f, name, key, value);
            continue;
        }
        name[n] = '-';
        name[n + 1] = '\0';
        take_mapping(f, value, name);
    }
}

static void take_root(struct file *f)
{
    const yaml_node_t *root = yaml_document_get_root_node(&f->document);

    if (!root || (root->type == YAML_SCALAR_NODE && root->data.scalar.length == 0))
        return; /* nothing in it, or comments alone */
    if (root->type == YAML_MAPPING_NODE)
        take_mapping(f, root, "");
    else
        fault(f, &root->start_mark, "the file is to be a mapping: write `option: value`");
}

static void tell_parser(struct file *f, const yaml_parser_t *parser)
{
    char what[2 * WHAT_MAX];

    auth_yaml_fault_print(parser, what, sizeof what);
    fault(f, &parser->problem_mark, what);
}

static void take_document(struct file *f, yaml_parser_t *parser)
{
    yaml_mark_t at;

    if (!yaml_parser_load(parser, &f->document)) {
        tell_parser(f, parser);
        return;
    }
    take_root(f);
    yaml_document_delete(&f->document);
    switch (auth_yaml_rest_of(parser, &at)) {
    case AUTH_YAML_NOTHING: break;
    case AUTH_YAML_BROKEN: tell_parser(f, parser); break;
    case AUTH_YAML_SECOND: fault(f, &at, "a second document begins here: the options are one"); break;
    }
}

/* A FIFO would be waited for, in the middle of a reload too. NULL: told. */
static FILE *open_file(struct options *o, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    char what[WHAT_MAX];
    struct stat st;
    FILE *in = NULL;

    if (fd < 0 || fstat(fd, &st) != 0) {
        snprintf(what, sizeof what, "%s (--config)", strerror(errno));
        options_fault_at(o, path, what);
    } else if (!S_ISREG(st.st_mode)) {
        options_fault_at(o, path, "is no regular file");
    } else if (st.st_size > FILE_MAX) {
        snprintf(what, sizeof what, "has more than %d bytes", FILE_MAX);
        options_fault_at(o, path, what);
    } else if (!(in = fdopen(fd, "rb"))) {
        options_fault_at(o, path, "out of memory");
    }
    if (!in && fd >= 0)
        close(fd);
    return in;
}

static void parse(struct file *f, struct slice text)
{
    yaml_parser_t parser;

    if (auth_yaml_is_too_deep(text)) {
        options_fault_at(f->o, f->path, AUTH_YAML_TOO_DEEP);
    } else if (yaml_parser_initialize(&parser)) {
        yaml_parser_set_input_string(&parser, text.ptr, text.len);
        take_document(f, &parser);
        yaml_parser_delete(&parser);
    } else {
        options_fault_at(f->o, f->path, "out of memory");
    }
}

void options_read_file(struct options *o, const char *path)
{
    struct file f = {.path = path, .o = o};
    FILE *in = open_file(o, path);
    uint8_t *text = in ? mem_alloc(FILE_MAX) : NULL;
    size_t len;

    if (!in)
        return;
    len = text ? fread(text, 1, FILE_MAX, in) : 0;
    if (!text)
        options_fault_at(o, path, "out of memory");
    else if (ferror(in))
        options_fault_at(o, path, "cannot be read");
    else
        parse(&f, slice_of(text, len));
    mem_free(text);
    fclose(in);
}
