/*
 * What it costs to find out who asks: microseconds a request, for each way to say it.
 *
 *   bench_admission [--check]
 *
 * --check: fails when a token, or a JWT that was verified before, costs as much as a tenth of a signature.
 */
#include <jansson.h>
#include <rhonabwy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "auth/auth.h"
#include "auth/tokens.h"
#include "base/check.h"

enum { NOW = 1800000000, TOKENS = 10000 };

#define CLAIMS "{\"iss\":\"i\",\"aud\":\"a\",\"exp\":1800000100,\"sub\":\"carol\"}"

static const struct way {
    const char *alg;
    jwa_alg id;
    int type;
    unsigned bits;
} ways[] = {{"RS256", R_JWA_ALG_RS256, R_KEY_TYPE_RSA, 2048},
            {"ES256", R_JWA_ALG_ES256, R_KEY_TYPE_EC, 256},
            {"EdDSA", R_JWA_ALG_EDDSA, R_KEY_TYPE_EDDSA, 256},
            {"HS256", R_JWA_ALG_HS256, R_KEY_TYPE_HMAC, 0}};

static char tokens_path[64], keys_path[64], jwts[ARRAY_LEN(ways)][2048], token[AUTH_TOKEN_LEN + 1];

static double now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void make_jwt(const struct way *w, char out[2048], json_t *set)
{
    jwk_t *private_key, *public_key;
    jws_t *jws;
    char *text;

    CHECK(r_jwk_init(&private_key) == RHN_OK && r_jwk_init(&public_key) == RHN_OK &&
          r_jws_init(&jws) == RHN_OK);
    if (w->type == R_KEY_TYPE_HMAC) {
        CHECK(r_jwk_import_from_symmetric_key(
                  private_key, (const uint8_t *)"a secret of thirty-two bytes, or", 32) == RHN_OK);
        json_array_append_new(json_object_get(set, "keys"), r_jwk_export_to_json_t(private_key));
    } else {
        CHECK(r_jwk_generate_key_pair(private_key, public_key, w->type, w->bits, w->alg) == RHN_OK);
        json_array_append_new(json_object_get(set, "keys"), r_jwk_export_to_json_t(public_key));
    }
    CHECK(r_jws_set_alg(jws, w->id) == RHN_OK);
    CHECK(r_jws_set_payload(jws, (const uint8_t *)CLAIMS, sizeof CLAIMS - 1) == RHN_OK);
    text = r_jws_serialize(jws, private_key, R_FLAG_IGNORE_REMOTE);
    CHECK(text && strlen(text) + sizeof "Bearer " <= 2048);
    snprintf(out, 2048, "Bearer %s", text);
    r_free(text);
    r_jws_free(jws);
    r_jwk_free(private_key);
    r_jwk_free(public_key);
}

static void make_files(void)
{
    json_t *set = json_pack("{s:[]}", "keys");
    FILE *f;

    for (size_t i = 0; i < ARRAY_LEN(ways); i++)
        make_jwt(&ways[i], jwts[i], set);
    CHECK(json_dump_file(set, keys_path, 0) == 0);
    json_decref(set);
    f = fopen(tokens_path, "wb");
    CHECK(f);
    for (uint32_t i = 0; i < TOKENS; i++) {
        uint8_t random[AUTH_TOKEN_RANDOM] = {0};
        char line[AUTH_LINE_MAX];
        struct auth_digest d;

        memcpy(random, &i, sizeof i);
        auth_token_make(random, token);
        CHECK(auth_digest_of(slice_of_str(token), &d));
        CHECK(auth_token_print(&d, SLICE("somebody"), INT64_MAX, SLICE(""), line));
        fputs(line, f);
    }
    fclose(f);
}

static double measure(const struct auth *a, struct auth_cache *cache, const char *authorization,
                      unsigned rounds)
{
    struct auth_question q = {
        .authorization = slice_of_str(authorization), .authorization_count = 1, .uid = -1};
    struct auth_verdict v;
    double began;

    CHECK(auth_judge(a, NULL, cache, &q, NOW, &v) == AUTH_FINE);
    began = now_us();
    for (unsigned i = 0; i < rounds; i++)
        CHECK(auth_judge(a, NULL, cache, &q, NOW, &v) == AUTH_FINE);
    return (now_us() - began) / rounds;
}

int main(int argc, char **argv)
{
    char folder[] = "/tmp/erlgate-bench-XXXXXX", bearer[80];
    struct auth_config config = {
        .token_file = tokens_path, .jwks_file = keys_path, .jwt_issuer = "i", .jwt_audience = "a"};
    struct auth_cache *cache = auth_cache_new();
    double us, known, least = 1e9, most = 0;
    struct auth_faults faults;
    struct auth *a;

    CHECK(mkdtemp(folder) && cache);
    snprintf(tokens_path, sizeof tokens_path, "%s/tokens", folder);
    snprintf(keys_path, sizeof keys_path, "%s/keys", folder);
    make_files();
    a = auth_load(&config, &faults);
    if (!a) {
        fprintf(stderr, "%s: %s\n", faults.at[0].file, faults.at[0].what);
        return 1;
    }
    snprintf(bearer, sizeof bearer, "Bearer %s", token);
    us = measure(a, NULL, bearer, 100000);
    printf("%-34s %8.2f us\n", "a token, one of 10,000", us);
    most = us;
    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        us = measure(a, NULL, jwts[i], 1000);
        known = measure(a, cache, jwts[i], 100000);
        printf("a JWT by %s %22.2f us, verified before %6.2f us\n", ways[i].alg, us, known);
        if (ways[i].type != R_KEY_TYPE_HMAC && us < least)
            least = us;
        if (known > most)
            most = known;
    }
    auth_free(a);
    auth_cache_free(cache);
    unlink(tokens_path);
    unlink(keys_path);
    rmdir(folder);
    return argc > 1 && strcmp(argv[1], "--check") == 0 && most * 10 > least;
}
