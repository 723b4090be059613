/* settings_read: what the files that take options apart share. Not for others. */
#ifndef ERLGATE_SRC_SETTINGS_READ_H
#define ERLGATE_SRC_SETTINGS_READ_H

#include "src/settings.h"

void settings_read_node(struct settings *s, struct options *o);   /* settings_node.c */
void settings_read_http(struct settings *s, struct options *o);   /* settings_http.c */
void settings_read_access(struct settings *s, struct options *o); /* settings_access.c; before HTTP */
bool settings_asks_who(const struct settings *s);                 /* is there any way to say who one is? */
void settings_read_limits(struct settings *s, struct options *o); /* settings_limits.c */

/* ---- settings_text.c ---- */

/* Decimal, from low to high. */
bool settings_parse_number(const char *text, uint64_t low, uint64_t high, uint64_t *ret);
/* The option's value as such a number; 0 and a fault when it is none. */
uint64_t settings_number(struct options *o, enum option which, uint64_t low, uint64_t high);
/* "127.0.0.1:4370", "[::1]:4370", ":4370" and "*:4370" for all addresses (host is then ""). */
bool settings_parse_address(const char *text, char *host, size_t cap, uint16_t *ret_port);
/* The option's value as one of these words; gives its place, or 0 and a fault. words: NULL-terminated. */
size_t settings_word(struct options *o, enum option which, const char *const *words);
/* The loopback address that host has, as text; false when it has another one, or none. */
bool settings_resolve_loopback(const char *host, char *ret, size_t cap, bool *ret_is_known);
bool settings_is_loopback(const char *host);
/* An address to listen on: of IPv4 or IPv6, no name; "": all. */
bool settings_is_address(const char *host);

#endif
