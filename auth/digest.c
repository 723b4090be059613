#include "auth/digest.h"

#include <openssl/evp.h>

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool auth_digest_of(struct slice text, struct auth_digest *ret)
{
    unsigned len;

    return EVP_Digest(text.ptr, text.len, ret->bytes, &len, EVP_sha256(), NULL) == 1;
}

bool auth_digest_read(struct slice hex, struct auth_digest *ret)
{
    struct auth_digest d;

    if (hex.len != AUTH_DIGEST_HEX)
        return false;
    for (size_t i = 0; i < AUTH_DIGEST_LEN; i++) {
        int high = hex_digit(hex.ptr[2 * i]), low = hex_digit(hex.ptr[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        d.bytes[i] = (uint8_t)(high << 4 | low);
    }
    *ret = d;
    return true;
}

void auth_digest_print(const struct auth_digest *d, char out[AUTH_DIGEST_HEX + 1])
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < AUTH_DIGEST_LEN; i++) {
        out[2 * i] = digits[d->bytes[i] >> 4];
        out[2 * i + 1] = digits[d->bytes[i] & 15];
    }
    out[AUTH_DIGEST_HEX] = '\0';
}

/* Each part with its length before it, so that no two lists of parts look alike. */
static bool add(EVP_MD_CTX *md, const void *bytes, size_t len)
{
    uint64_t n = len;

    return EVP_DigestUpdate(md, &n, sizeof n) == 1 && EVP_DigestUpdate(md, bytes, len) == 1;
}

uint64_t auth_credential_of(const char *kind, struct slice thing, struct slice principal, int64_t expires_s)
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    struct auth_digest d;
    uint64_t id = 0;

    if (md && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1 && add(md, kind, strlen(kind)) &&
        add(md, thing.ptr, thing.len) && add(md, principal.ptr, principal.len) &&
        add(md, &expires_s, sizeof expires_s) && EVP_DigestFinal_ex(md, d.bytes, NULL) == 1) {
        memcpy(&id, d.bytes, sizeof id);
        id += id == 0;
    }
    EVP_MD_CTX_free(md);
    return id;
}
