/* signing: the keys of the RFCs' examples, and what signs with them. */
#ifndef ERLGATE_TESTS_UNIT_AUTH_SIGNING_H
#define ERLGATE_TESTS_UNIT_AUTH_SIGNING_H

#include <jansson.h>
#include <rhonabwy.h>
#include <stdio.h>
#include <stdlib.h>

#include "auth/keys.h"

/* RFC 7515, A.1, A.2, A.3; RFC 8037, A.1. */
#define HS_K "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"
#define RS_N                                                                                            \
    "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL" \
    "-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA" \
    "9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8N" \
    "Aco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"
#define RS_D                                                                                            \
    "Eq5xpGnNCivDflJsRQBXHx1hdR1k6Ulwe2JZD50LpXyWPEAeP88vLNO97IjlA7_GQ5sLKMgvfTeXZx9SE-7YwVol2NXOoAJe4" \
    "6sui395IW_GO-pWJ1O0BkTGoVEn2bKVRUCgu-GjBVaYLU6f3l9kJfFNS3E0QbVdxzubSu3Mkqzjkn439X0M_V51gfpRLI9JYa" \
    "nrC4D4qAdGcopV_0ZHHzQlBjudU2QvXt4ehNYTCBr6XCLQUShb1juUO1ZdiYoFaFQT5Tw8bGUl_x_jTj3ccPDVZFD9pIuhLhB" \
    "OneufuBiB4cS98l2SR_RQyGWSeWjnczT0QU91p1DhOVRuOopznQ"
#define RS_P                                                                                            \
    "4BzEEOtIpmVdVEZNCqS7baC4crd0pqnRH_5IB3jw3bcxGn6QLvnEtfdUdiYrqBdss1l58BQ3KhooKeQTa9AB0Hw_Py5PJdTJN" \
    "PY8cQn7ouZ2KKDcmnPGBY5t7yLc1QlQ5xHdwW1VhvKn-nXqhJTBgIPgtldC-KDV5z-y2XDwGUc"
#define RS_Q                                                                                            \
    "uQPEfgmVtjL0Uyyx88GZFF1fOunH3-7cepKmtH4pxhtCoHqpWmT8YAmZxaewHgHAjLYsp1ZSe7zFYHj7C6ul7TjeLQeZD_YwD" \
    "66t62wDmpe_HlB-TnBA-njbglfIsRLtXlnDzQkv5dTltRJ11BKBBypeeF6689rjcJIDEz9RWdc"
#define RS_DP                                                                                           \
    "BwKfV3Akq5_MFZDFZCnW-wzl-CCo83WoZvnLQwCTeDv8uzluRSnm71I3QCLdhrqE2e9YkxvuxdBfpT_PI7Yz-FOKnu1R6HsJe" \
    "DCjn12Sk3vmAktV2zb34MCdy7cpdTh_YVr7tss2u6vneTwrA86rZtu5Mbr1C1XsmvkxHQAdYo0"
#define RS_DQ                                                                                           \
    "h_96-mK1R_7glhsum81dZxjTnYynPbZpHziZjeeHcXYsXaaMwkOlODsWa7I9xXDoRwbKgB719rrmI2oKr6N3Do9U0ajaHF-NK" \
    "JnwgjMd2w9cjz3_-kyNlxAr2v4IKhGNpmM5iIgOS1VZnOZ68m6_pbLBSp3nssTdlqvd0tIiTHU"
#define RS_QI                                                                                           \
    "IYd7DHOhrWvxkwPQsRM2tOgrjbcrfvtQJipd-DlcxyVuuM9sQLdgjVk2oy26F0EmpScGLq2MowX7fhd_QJQ3ydy5cY7YIBi87" \
    "w93IKLEdfnbJtoOPLUW0ITrJReOgo1cq9SbsxYawBgfp_gh6A5603k2-ZQwVK0JKSHuLFkuQ3U"
#define ES_X "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"
#define ES_Y "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
#define ES_D "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"
#define ED_X "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
#define ED_D "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"

#define HS_JWK(more) "{\"kty\":\"oct\",\"k\":\"" HS_K "\"" more "}"
#define RS_JWK(more) "{\"kty\":\"RSA\",\"n\":\"" RS_N "\",\"e\":\"AQAB\"" more "}"
#define ES_JWK(more) "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" ES_X "\",\"y\":\"" ES_Y "\"" more "}"
#define ED_JWK(more) "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" ED_X "\"" more "}"
#define KID(name)    ",\"kid\":\"" name "\""
#define JWKS(list)   "{\"keys\":[" list "]}"

static const char *const private_keys[AUTH_ALG_COUNT] = {
    [AUTH_RS256] = RS_JWK(",\"d\":\"" RS_D "\",\"p\":\"" RS_P "\",\"q\":\"" RS_Q "\",\"dp\":\"" RS_DP
                          "\",\"dq\":\"" RS_DQ "\",\"qi\":\"" RS_QI "\""),
    [AUTH_ES256] = ES_JWK(",\"d\":\"" ES_D "\""),
    [AUTH_EDDSA] = ED_JWK(",\"d\":\"" ED_D "\""),
    [AUTH_HS256] = HS_JWK(""),
};

/* header.claims.signature, in static memory: four of them are good at once. The header says what it says; the
 * signature is by key, in its way. */
static inline const char *sign(const char *header, const char *claims, enum auth_alg key)
{
    static const jwa_alg algs[AUTH_ALG_COUNT] = {[AUTH_RS256] = R_JWA_ALG_RS256,
                                                 [AUTH_ES256] = R_JWA_ALG_ES256,
                                                 [AUTH_EDDSA] = R_JWA_ALG_EDDSA,
                                                 [AUTH_HS256] = R_JWA_ALG_HS256};
    static char results[4][8192];
    static unsigned turn;
    char *result = results[turn++ % 4], *text;
    jws_t *jws;
    jwk_t *jwk;

    assert_int_equal(r_jws_init(&jws), RHN_OK);
    assert_int_equal(r_jwk_init(&jwk), RHN_OK);
    assert_int_equal(r_jwk_import_from_json_str(jwk, private_keys[key]), RHN_OK);
    assert_int_equal(r_jws_set_full_header_json_str(jws, header), RHN_OK);
    assert_int_equal(r_jws_set_alg(jws, algs[key]), RHN_OK);
    assert_int_equal(r_jws_set_payload(jws, (const unsigned char *)claims, strlen(claims)), RHN_OK);
    text = r_jws_serialize(jws, jwk, R_FLAG_IGNORE_REMOTE);
    assert_non_null(text);
    snprintf(result, sizeof results[0], "%s", text);
    r_free(text);
    r_jws_free(jws);
    r_jwk_free(jwk);
    return result;
}

#endif
