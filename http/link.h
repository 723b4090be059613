/*
 * link: rings of things that hold their own links, in the order in which they are due; the head is no thing.
 */
#ifndef ERLGATE_HTTP_LINK_H
#define ERLGATE_HTTP_LINK_H

#include <stdbool.h>
#include <stddef.h>

struct http_link {
    struct http_link *prev, *next; /* both NULL: in no ring */
};

#define LINK_OWNER(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

static inline void ring_init(struct http_link *head)
{
    head->prev = head->next = head;
}

static inline bool ring_is_empty(const struct http_link *head)
{
    return head->next == head;
}

static inline bool ring_has(const struct http_link *l)
{
    return l->next != NULL;
}

static inline void ring_remove(struct http_link *l)
{
    if (!l->next)
        return;
    l->prev->next = l->next;
    l->next->prev = l->prev;
    l->prev = l->next = NULL;
}

static inline void ring_append(struct http_link *head, struct http_link *l)
{
    ring_remove(l);
    l->prev = head->prev;
    l->next = head;
    head->prev->next = l;
    head->prev = l;
}

/* All of from's goes to the end of to. */
static inline void ring_move(struct http_link *to, struct http_link *from)
{
    if (ring_is_empty(from))
        return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    ring_init(from);
}

#endif
