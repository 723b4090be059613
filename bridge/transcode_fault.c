/* Where in the text was it? Worked out only once something has failed. */
#include "base/digits.h"
#include "bridge/transcode_in.h"
#include "json/write.h"

void transcode_fault_place(struct transcode_fault *f, struct slice text)
{
    size_t offset = f->fault.offset < text.len ? f->fault.offset : text.len;

    f->line = 1;
    f->column = 1;
    for (size_t i = 0; i < offset; i++) {
        if (text.ptr[i] == '\n') {
            f->line++;
            f->column = 1;
        } else if ((text.ptr[i] & 0xC0) != 0x80) {
            f->column++;
        }
    }
    /* Inside a character: at it. */
    if (offset < text.len && (text.ptr[offset] & 0xC0) == 0x80 && f->column > 1)
        f->column--;
}

struct pointer {
    char *at; /* TRANSCODE_POINTER_MAX bytes */
    size_t len;
    bool is_full;
};

size_t transcode_pointer_add(char *at, size_t cap, size_t len, struct slice token)
{
    size_t n = len;

    if (n + 1 >= cap)
        return len;
    at[n++] = '/';
    for (size_t i = 0; i < token.len; i++) {
        uint8_t c = token.ptr[i];

        if (n + 2 >= cap)
            return len;
        if (c == '~' || c == '/') {
            at[n++] = '~';
            c = c == '~' ? '0' : '1';
        }
        at[n++] = (char)c;
    }
    return n;
}

/* One more reference token, or none of it, nor of those behind it. */
static void pointer_add(struct pointer *p, struct slice token)
{
    size_t len = p->len;

    if (p->is_full)
        return;
    p->len = transcode_pointer_add(p->at, TRANSCODE_POINTER_MAX, len, token);
    p->is_full = p->len == len;
}

static void pointer_add_index(struct pointer *p, uint32_t index)
{
    uint8_t text[DIGITS_ROOM];

    pointer_add(p, slice_of(text, (size_t)(digits_put(text, index) - text)));
}

static void pointer_add_frame(struct pointer *p, const struct in *s, const struct in_frame *f)
{
    switch (f->kind) {
    case IN_OBJECT:
        if (f->key != IN_NO_KEY)
            pointer_add(p, in_key_text(s->w->buf + f->key));
        return;
    case IN_TUPLE: pointer_add(p, SLICE("$tuple")); break;
    case IN_PAIR_KEY:
    case IN_PAIR_VALUE: pointer_add(p, SLICE("$map")); break;
    case IN_LIST:
    case IN_LIST_SECOND: pointer_add(p, SLICE("$list")); break;
    case IN_TAIL:
    case IN_TAIL_FIRST: pointer_add(p, SLICE("$tail")); return;
    case IN_ARRAY:
    case IN_TOP: break;
    }
    pointer_add_index(p, f->count);
    if (f->kind == IN_PAIR_KEY || f->kind == IN_PAIR_VALUE)
        pointer_add_index(p, f->kind == IN_PAIR_VALUE);
}

enum err in_fail(struct in *s, enum err e, const uint8_t *at, const char *text)
{
    struct pointer p = {0};

    if (!s->fault)
        return e;
    fault_set(&s->fault->fault, e, (size_t)(at - s->start), text);
    transcode_fault_place(s->fault, slice_of(s->start, (size_t)(s->end - s->start)));
    p.at = s->fault->pointer;
    for (uint32_t i = 0; i < s->depth; i++)
        pointer_add_frame(&p, s, &s->frames[i]);
    if (s->leaf.len)
        pointer_add(&p, s->leaf);
    p.at[p.len] = 0;
    return e;
}
