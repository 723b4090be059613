#include "node/signal.h"

#include "base/check.h"
#include "base/mem.h"

enum { CTL_SLICES = 12 };

/* Every slice in a control message. */
static size_t slices_of(struct dist_ctl *c, struct slice *ret[CTL_SLICES])
{
    struct slice *all[CTL_SLICES] = {
        &c->from.pid.node.text,     &c->from.name.text, &c->from.ref.node.text,
        &c->to.pid.node.text,       &c->to.name.text,   &c->to.ref.node.text,
        &c->ref.node.text,          &c->reason,         &c->mfa,
        &c->group_leader.node.text, &c->options,        &c->token,
    };

    memcpy(ret, all, sizeof all);
    return CTL_SLICES;
}

static void move_in(struct slice *s, uint8_t **at)
{
    if (s->len)
        memcpy(*at, s->ptr, s->len);
    s->ptr = *at;
    *at += s->len;
}

enum err signals_add(struct signals *q, const struct dist_ctl *ctl, const struct slice *payload, size_t count)
{
    struct dist_ctl copy = *ctl;
    struct slice *slices[CTL_SLICES];
    size_t n = slices_of(&copy, slices), size = 0;
    struct signal *s;
    uint8_t *at;

    for (size_t i = 0; i < n; i++)
        size += slices[i]->len;
    for (size_t i = 0; i < count; i++)
        size += payload[i].len;
    s = mem_alloc(sizeof *s + size);
    if (!s)
        return ERR_NOMEM;
    at = s->bytes;
    for (size_t i = 0; i < n; i++)
        move_in(slices[i], &at);
    *s = (struct signal){.ctl = copy, .payload = {.ptr = at}, .size = sizeof *s + size};
    for (size_t i = 0; i < count; i++) {
        struct slice piece = payload[i];

        s->payload.len += piece.len;
        move_in(&piece, &at);
    }
    if (q->last)
        q->last->next = s;
    else
        q->first = s;
    q->last = s;
    q->count++;
    q->bytes += s->size;
    return ERR_NONE;
}

struct signal *signals_take(struct signals *q)
{
    struct signal *s = q->first;

    if (!s)
        return NULL;
    q->first = s->next;
    if (!q->first)
        q->last = NULL;
    q->count--;
    q->bytes -= s->size;
    s->next = NULL;
    return s;
}

void signal_free(struct signal *s)
{
    mem_free(s);
}

void signals_append(struct signals *to, struct signals *from)
{
    if (!from->first)
        return;
    if (to->last)
        to->last->next = from->first;
    else
        to->first = from->first;
    to->last = from->last;
    to->count += from->count;
    to->bytes += from->bytes;
    *from = (struct signals){0};
}

void signals_clear(struct signals *q)
{
    struct signal *s;

    while ((s = signals_take(q)))
        signal_free(s);
}
