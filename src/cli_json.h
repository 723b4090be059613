/*
 * cli_json: single values picked out of a JSON text, each as its text as it stands. Nothing is owned.
 *
 * A reply's numbers may have any number of digits, and terms stand among them: their text is passed on, not a
 * reading of it.
 */
#ifndef ERLGATE_SRC_CLI_JSON_H
#define ERLGATE_SRC_CLI_JSON_H

#include "json/read.h"

/* One JSON text and nothing else? */
bool cli_json_is_whole(struct slice text);
/* The value of an object's member; false when there is none, or object is none. */
bool cli_json_member(struct slice object, const char *key, struct slice *ret);
/* Appends what a JSON string says. False when text is no string. */
bool cli_json_string(struct slice text, struct wr *w);
bool cli_json_uint(struct slice text, uint64_t *ret);
/* Appends JSON text so that it can be shown: what a terminal obeys becomes \\uXXXX, what is no UTF-8 a
 * question mark. */
void cli_json_show(struct wr *w, struct slice text);
/* The first byte that is no blank, or 0: '{', '[', '"', a digit, … */
uint8_t cli_json_kind(struct slice text);

/* The elements of an array one after another; the members of an object likewise, with ret_key (appended to).
 * r: from json_rd_init. False at the end; whether all was well then is JSON_FAILED of r's next event. */
bool cli_json_element(struct json_rd *r, struct slice *ret);
bool cli_json_pair(struct json_rd *r, struct wr *ret_key, struct slice *ret_value);

#endif
