#include "dist/digest.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>

#include "base/mem.h"

enum err dist_digest(struct slice cookie, uint32_t challenge, uint8_t ret[DIST_DIGEST_LEN])
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    uint8_t sum[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    char decimal[16];
    int n, is_done;

    if (!md)
        return ERR_NOMEM;
    n = snprintf(decimal, sizeof decimal, "%" PRIu32, challenge);
    is_done = EVP_DigestInit_ex(md, EVP_md5(), NULL) == 1 &&
              EVP_DigestUpdate(md, cookie.ptr, cookie.len) == 1 &&
              EVP_DigestUpdate(md, decimal, (size_t)n) == 1 && EVP_DigestFinal_ex(md, sum, &len) == 1;
    EVP_MD_CTX_free(md); /* wipes what it held of the cookie */
    if (is_done && len == DIST_DIGEST_LEN)
        memcpy(ret, sum, DIST_DIGEST_LEN);
    mem_wipe(sum, sizeof sum);
    return is_done && len == DIST_DIGEST_LEN ? ERR_NONE : ERR_UNSUPPORTED;
}

enum err dist_digest_check(struct slice cookie, uint32_t challenge, const uint8_t digest[DIST_DIGEST_LEN],
                           bool *ret_is_right)
{
    uint8_t right[DIST_DIGEST_LEN];
    enum err e = dist_digest(cookie, challenge, right);

    if (e != ERR_NONE)
        return e;
    *ret_is_right = mem_equal_secret(right, digest, sizeof right);
    mem_wipe(right, sizeof right);
    return ERR_NONE;
}
