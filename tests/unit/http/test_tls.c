/* What HTTPS needs, from files: whole, or with what is wrong: http/tls.c. */
#include "certs.h"

#include "base/mem.h"
#include "http/tls.h"

static struct pair ca, leaf;

static int set_up(void **state)
{
    (void)state;
    certs_begin();
    ca = issue_ca("CN=ca");
    leaf = issue((struct cert_wish){.subject = "CN=gate,O=Example", .from = &ca, .dns = "gate.example"});
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    pair_free(&ca);
    pair_free(&leaf);
    certs_end();
    return 0;
}

static struct http_tls *load(const struct http_tls_config *c)
{
    struct http_tls_fault f;
    struct http_tls *tls = NULL;
    enum err e = http_tls_load(c, &tls, &f);

    if (e != ERR_NONE)
        fail_msg("%s: %s", f.file ? f.file : "", f.what);
    return tls;
}

/* It is refused, of this file, with these words. */
static void is_refused(struct http_tls_config c, const char *file, const char *words)
{
    struct http_tls_fault f;
    struct http_tls *tls = NULL;

    assert_int_equal(http_tls_load(&c, &tls, &f), ERR_INVALID);
    assert_null(tls);
    if (!strstr(f.what, words))
        fail_msg("'%s' is not in: %s", words, f.what);
    if (file)
        assert_string_equal(f.file, file);
    else
        assert_null(f.file);
}

static void it_is_described(void **state)
{
    struct http_tls *tls =
        load(&(struct http_tls_config){.cert_file = leaf.cert_file, .key_file = leaf.key_file});
    const struct http_tls_info *info = http_tls_info(tls);
    int64_t now = (int64_t)time(NULL);

    (void)state;
    assert_string_equal(info->subject, "CN=gate,O=Example");
    assert_int_equal(strlen(info->sha256), 64);
    assert_int_equal(strlen(info->expires), strlen("2027-01-31T23:59:59Z"));
    assert_false(info->is_key_exposed);
    assert_int_equal(http_tls_days_left(tls, info->expires_s - CERT_DAY_S), 1);
    assert_int_equal(http_tls_days_left(tls, info->expires_s - 1), 0);
    assert_int_equal(http_tls_days_left(tls, info->expires_s), 0);
    assert_int_equal(http_tls_days_left(tls, info->expires_s + 1), -1);
    assert_int_equal(http_tls_days_left(tls, info->expires_s + CERT_DAY_S + 1), -2);
    assert_in_range(info->expires_s - now, CERT_DAY_S - 60, CERT_DAY_S);
    http_tls_unref(tls);
}

static void the_chain_expires_with_its_first(void **state)
{
    struct pair between = issue((struct cert_wish){
        .subject = "CN=between", .from = &ca, .is_ca = true, .from_days = -1, .to_days = 20});
    struct pair end =
        issue((struct cert_wish){.subject = "CN=end", .from = &between, .from_days = -1, .to_days = 300});
    struct http_tls *tls;

    (void)state;
    write_cert(between.cert, end.cert_file, "a");
    tls = load(&(struct http_tls_config){.cert_file = end.cert_file, .key_file = end.key_file});
    assert_int_equal(http_tls_days_left(tls, (int64_t)time(NULL) + 60), 19);
    assert_string_equal(http_tls_info(tls)->subject, "CN=end");
    http_tls_unref(tls);
    pair_free(&between);
    pair_free(&end);
}

static void the_key_may_stand_in_the_same_file(void **state)
{
    gnutls_datum_t pem;

    (void)state;
    assert_int_equal(gnutls_x509_privkey_export2_pkcs8(leaf.key, GNUTLS_X509_FMT_PEM, NULL, 0, &pem), 0);
    write_file(leaf.cert_file, pem.data, pem.size, "a");
    gnutls_free(pem.data);
    http_tls_unref(load(&(struct http_tls_config){.cert_file = leaf.cert_file}));
}

static void a_file_that_is_not_good_is_named(void **state)
{
    char nowhere[128], empty[128];

    (void)state;
    snprintf(nowhere, sizeof nowhere, "%s/nowhere.pem", certs_folder);
    snprintf(empty, sizeof empty, "%s/empty.pem", certs_folder);
    write_file(empty, "", 0, "w");
    is_refused((struct http_tls_config){.cert_file = nowhere, .key_file = leaf.key_file}, nowhere,
               "No such file");
    is_refused((struct http_tls_config){.cert_file = empty, .key_file = leaf.key_file}, empty,
               "no certificate");
    is_refused((struct http_tls_config){.cert_file = leaf.key_file, .key_file = leaf.key_file}, leaf.key_file,
               "no certificate");
    is_refused((struct http_tls_config){.cert_file = leaf.cert_file, .key_file = nowhere}, nowhere,
               "No such file");
    is_refused((struct http_tls_config){.cert_file = leaf.cert_file, .key_file = leaf.cert_file},
               leaf.cert_file, "no key");
    is_refused((struct http_tls_config){.cert_file = leaf.cert_file}, leaf.cert_file, "no key");
    is_refused((struct http_tls_config){.cert_file = certs_folder, .key_file = leaf.key_file}, certs_folder,
               "is no file");
    is_refused((struct http_tls_config){.cert_file = leaf.cert_file,
                                        .key_file = leaf.key_file,
                                        .ca_file = empty,
                                        .client_cert = HTTP_CLIENT_CERT_OPTIONAL},
               empty, "no certificate");
    is_refused((struct http_tls_config){.cert_file = leaf.cert_file,
                                        .key_file = leaf.key_file,
                                        .client_cert = HTTP_CLIENT_CERT_REQUIRED},
               NULL, "no CA");
}

static void a_certificate_out_of_its_time_is_refused(void **state)
{
    struct pair old =
        issue((struct cert_wish){.subject = "CN=old", .from = &ca, .from_days = -9, .to_days = -2});
    struct pair early =
        issue((struct cert_wish){.subject = "CN=early", .from = &ca, .from_days = 2, .to_days = 9});

    (void)state;
    is_refused((struct http_tls_config){.cert_file = old.cert_file, .key_file = old.key_file}, old.cert_file,
               "has expired");
    is_refused((struct http_tls_config){.cert_file = early.cert_file, .key_file = early.key_file},
               early.cert_file, "not valid before");
    pair_free(&old);
    pair_free(&early);
}

static void another_ones_key_is_refused(void **state)
{
    (void)state;
    is_refused((struct http_tls_config){.cert_file = leaf.cert_file, .key_file = ca.key_file}, ca.key_file,
               "not that of the certificate");
}

static void a_key_with_a_passphrase_is_refused(void **state)
{
    gnutls_datum_t pem;

    (void)state;
    assert_int_equal(gnutls_x509_privkey_export2_pkcs8(leaf.key, GNUTLS_X509_FMT_PEM, "secret",
                                                       GNUTLS_PKCS_PBES2_AES_256, &pem),
                     0);
    write_file(leaf.key_file, pem.data, pem.size, "w");
    gnutls_free(pem.data);
    is_refused((struct http_tls_config){.cert_file = leaf.cert_file, .key_file = leaf.key_file},
               leaf.key_file, "passphrase");
}

static void a_chain_in_disorder_is_refused(void **state)
{
    struct pair between = issue((struct cert_wish){.subject = "CN=between", .from = &ca, .is_ca = true});
    struct pair end = issue((struct cert_wish){.subject = "CN=end", .from = &between});

    (void)state;
    write_cert(ca.cert, end.cert_file, "a");
    write_cert(between.cert, end.cert_file, "a");
    is_refused((struct http_tls_config){.cert_file = end.cert_file, .key_file = end.key_file}, end.cert_file,
               "order of a chain");
    pair_free(&between);
    pair_free(&end);
}

static void a_key_that_others_read_is_told(void **state)
{
    static const struct {
        mode_t mode;
        bool is_exposed;
    } cases[] = {{0600, false}, {0640, false}, {0440, false}, {0644, true}, {0660, true}, {0606, true}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct http_tls *tls;

        assert_int_equal(chmod(leaf.key_file, cases[i].mode), 0);
        tls = load(&(struct http_tls_config){.cert_file = leaf.cert_file, .key_file = leaf.key_file});
        assert_int_equal(http_tls_info(tls)->is_key_exposed, cases[i].is_exposed);
        http_tls_unref(tls);
    }
}

static void its_names_are_known(void **state)
{
    struct pair wild = issue((struct cert_wish){.subject = "CN=wild", .from = &ca, .dns = "*.gate.example"});
    struct http_tls *tls =
        load(&(struct http_tls_config){.cert_file = leaf.cert_file, .key_file = leaf.key_file});
    struct http_tls *wild_tls =
        load(&(struct http_tls_config){.cert_file = wild.cert_file, .key_file = wild.key_file});

    (void)state;
    assert_true(http_tls_is_named(tls, SLICE("gate.example")));
    assert_true(http_tls_is_named(tls, SLICE("GATE.example")));
    assert_false(http_tls_is_named(tls, SLICE("gate")));
    assert_false(http_tls_is_named(tls, SLICE("a.gate.example")));
    assert_false(http_tls_is_named(tls, SLICE("")));
    assert_true(http_tls_is_named(wild_tls, SLICE("a.gate.example")));
    assert_false(http_tls_is_named(wild_tls, SLICE("a.b.gate.example")));
    assert_false(http_tls_is_named(wild_tls, SLICE(".gate.example")));
    assert_false(http_tls_is_named(wild_tls, SLICE("gate.example")));
    http_tls_unref(tls);
    http_tls_unref(wild_tls);
    pair_free(&wild);
}

static void want_of_memory_is_told(void **state)
{
    const struct http_tls_config c = {.cert_file = leaf.cert_file,
                                      .key_file = leaf.key_file,
                                      .ca_file = ca.cert_file,
                                      .client_cert = HTTP_CLIENT_CERT_REQUIRED};
    struct http_tls *tls = NULL;
    struct http_tls_fault f;
    enum err e;
    size_t n = 0;

    (void)state;
    do {
        mem_fail_from(++n);
        e = http_tls_load(&c, &tls, &f);
        mem_fail_from(0);
        assert_true(e == ERR_NONE || e == ERR_NOMEM);
    } while (e != ERR_NONE);
    http_tls_unref(tls);
    http_tls_unref(NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(it_is_described),
        TEST(the_chain_expires_with_its_first),
        TEST(the_key_may_stand_in_the_same_file),
        TEST(a_file_that_is_not_good_is_named),
        TEST(a_certificate_out_of_its_time_is_refused),
        TEST(another_ones_key_is_refused),
        TEST(a_key_with_a_passphrase_is_refused),
        TEST(a_chain_in_disorder_is_refused),
        TEST(a_key_that_others_read_is_told),
        TEST(its_names_are_known),
        TEST(want_of_memory_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
