/* base64url: RFC 4648, 5, without padding, of bytes that are random: a token's, a session's. */
#ifndef ERLGATE_AUTH_BASE64URL_H
#define ERLGATE_AUTH_BASE64URL_H

#include <stddef.h>
#include <stdint.h>

/* (4 * len + 2) / 3 characters and a NUL. */
void auth_base64url_print(const uint8_t *bytes, size_t len, char *out);

#endif
