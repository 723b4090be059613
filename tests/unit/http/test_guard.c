#include "test.h"

#include "http/guard.h"

static const char *const further[] = {"gateway.example", "other.example:8080", "2001:db8::5", NULL};
static const struct http_guard loopback = {.listen = "127.0.0.1", .hosts = further};
static const struct http_guard address = {.listen = "192.0.2.7"};
static const struct http_guard any = {.listen = "0.0.0.0", .is_any = true};

static struct http_head head_of(const char *const *fields)
{
    struct http_head head = {0};

    for (; fields[0]; fields += 2)
        http_head_add(&head, slice_of_str(fields[0]), slice_of_str(fields[1]));
    return head;
}

#define HEAD(...) head_of((const char *const[]){__VA_ARGS__, NULL})

static void assert_fine(struct http_head head)
{
    struct http_refusal r;

    if (!http_guard_judge(&loopback, &head, &r))
        fail_msg("refused: %s %s", r.code, r.detail);
}

static struct http_refusal assert_refused(struct http_head head, const char *code, const char *parameter)
{
    struct http_refusal r = {0};

    assert_false(http_guard_judge(&loopback, &head, &r));
    assert_string_equal(r.code, code);
    if (parameter)
        assert_string_equal(r.parameter, parameter);
    else
        assert_null(r.parameter);
    return r;
}

static void loopback_names_are_ours(void **state)
{
    static const char *const ours[] = {
        "localhost",         "LOCALHOST:80",       "localhost.",    "a.b.localhost:1",
        "127.0.0.1:1",       "127.9.8.7",          "[::1]",         "[::1]:8080",
        "[0:0:0:0:0:0:0:1]", "gateway.example:99", "Other.Example", "[2001:db8::5]:1"};

    (void)state;
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++) {
        if (!http_guard_is_ours(&loopback, slice_of_str(ours[i])))
            fail_msg("not ours: %s", ours[i]);
    }
}

static void other_names_are_not(void **state)
{
    static const char *const foreign[] = {"evil.example",
                                          "localhost.evil.example",
                                          "notlocalhost",
                                          ".localhost",
                                          "127.0.0.1.evil.example",
                                          "128.0.0.1",
                                          "192.0.2.7",
                                          "0.0.0.0",
                                          "[::2]",
                                          "",
                                          ":80",
                                          "localhost:x",
                                          "localhost:65536",
                                          "a@localhost",
                                          "[::1",
                                          "[::1]x",
                                          "local host",
                                          "localhost/",
                                          "gateway.example.com",
                                          "2130706433",
                                          "0x7f.1",
                                          "[::ffff:10.0.0.1]"};

    (void)state;
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++) {
        if (http_guard_is_ours(&loopback, slice_of_str(foreign[i])))
            fail_msg("ours: %s", foreign[i]);
    }
}

static void the_address_listened_on_is_ours(void **state)
{
    (void)state;
    assert_true(http_guard_is_ours(&address, SLICE("192.0.2.7:8080")));
    assert_false(http_guard_is_ours(&address, SLICE("192.0.2.8")));
}

static void on_all_addresses_any_address_is_ours_and_no_name(void **state)
{
    (void)state;
    assert_true(http_guard_is_ours(&any, SLICE("10.1.2.3:80")));
    assert_true(http_guard_is_ours(&any, SLICE("[2001:db8::1]")));
    assert_false(http_guard_is_ours(&any, SLICE("evil.example")));
    assert_false(http_guard_is_ours(&any, SLICE("10.1.2.3.example")));
}

static void plain_requests_pass(void **state)
{
    struct http_head old = {.is_1_0 = true};
    struct http_refusal r;

    (void)state;
    assert_fine(HEAD("Host", "localhost:8080", "User-Agent", "curl"));
    assert_fine(HEAD("host", "localhost", "content-length", "12"));
    assert_fine(HEAD("Host", "localhost", "Transfer-Encoding", "Chunked"));
    assert_fine(HEAD("Host", "localhost:1", "Origin", "http://localhost:1", "Sec-Fetch-Site", "same-origin"));
    assert_fine(HEAD("Host", "gateway.example", "Origin", "https://gateway.example"));
    assert_fine(HEAD("Host", "localhost", "Sec-Fetch-Site", "none"));
    assert_true(http_guard_judge(&loopback, &old, &r));
}

static void the_host_must_be_there_once_and_be_ours(void **state)
{
    struct http_refusal r;

    (void)state;
    assert_refused((struct http_head){0}, "bad-parameter", "header:Host");
    r = assert_refused(HEAD("Host", "localhost", "Host", "localhost"), "bad-parameter", "header:Host");
    assert_true(r.must_close);
    assert_refused(HEAD("Host", ""), "bad-parameter", "header:Host");
    assert_refused(HEAD("Host", "a b"), "bad-parameter", "header:Host");
    r = assert_refused(HEAD("Host", "evil.example:80"), "misdirected-host", "header:Host");
    assert_non_null(strstr(r.detail, "--host evil.example."));
    assert_false(r.must_close);
}

static void the_host_of_an_absolute_target_counts_too(void **state)
{
    struct http_head head = HEAD("Host", "localhost");

    (void)state;
    head.authority = SLICE("evil.example");
    assert_refused(head, "misdirected-host", "header:Host");
    head.authority = SLICE("localhost");
    assert_fine(head);
    head = HEAD("Host", "evil.example");
    head.authority = SLICE("localhost");
    assert_refused(head, "misdirected-host", "header:Host");
}

static void other_sites_are_refused(void **state)
{
    (void)state;
    assert_refused(HEAD("Host", "localhost", "Sec-Fetch-Site", "cross-site"), "cross-site",
                   "header:Sec-Fetch-Site");
    assert_refused(HEAD("Host", "localhost", "Sec-Fetch-Site", "same-site"), "cross-site",
                   "header:Sec-Fetch-Site");
    assert_refused(HEAD("Host", "localhost", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Site", "none"),
                   "cross-site", "header:Sec-Fetch-Site");
    assert_refused(HEAD("Host", "localhost", "Sec-Fetch-Site", "none", "Sec-Fetch-Site", "cross-site"),
                   "cross-site", "header:Sec-Fetch-Site");
    assert_refused(HEAD("Host", "localhost", "Origin", "http://evil.example"), "cross-site", "header:Origin");
    assert_refused(HEAD("Host", "localhost:1", "Origin", "http://localhost:2"), "cross-site",
                   "header:Origin");
    assert_refused(HEAD("Host", "localhost", "Origin", "null"), "cross-site", "header:Origin");
    assert_refused(HEAD("Host", "localhost", "Origin", ""), "cross-site", "header:Origin");
    assert_refused(HEAD("Host", "localhost", "Origin", "http://localhost", "Origin", "http://localhost"),
                   "cross-site", "header:Origin");
}

static void ambiguous_framing_is_refused_and_the_connection_closed(void **state)
{
    struct http_head old = HEAD("Host", "localhost", "Transfer-Encoding", "chunked");

    (void)state;
    assert_true(assert_refused(HEAD("Host", "localhost", "Content-Length", "1", "Content-Length", "1"),
                               "bad-parameter", "header:Content-Length")
                    .must_close);
    assert_true(
        assert_refused(HEAD("Host", "localhost", "Content-Length", "1", "Transfer-Encoding", "chunked"),
                       "bad-parameter", "header:Content-Length")
            .must_close);
    assert_true(assert_refused(HEAD("Host", "localhost", "Content-Length", "1x"), "bad-parameter",
                               "header:Content-Length")
                    .must_close);
    assert_true(assert_refused(HEAD("Host", "localhost", "Transfer-Encoding", "gzip, chunked"),
                               "bad-parameter", "header:Transfer-Encoding")
                    .must_close);
    assert_true(
        assert_refused(HEAD("Host", "localhost", "Transfer-Encoding", "chunked", "Transfer-Encoding", "x"),
                       "bad-parameter", "header:Transfer-Encoding")
            .must_close);
    assert_true(
        assert_refused(HEAD("Host", "localhost", "Content-Length ", "1"), "bad-parameter", NULL).must_close);
    old.is_1_0 = true;
    assert_true(assert_refused(old, "bad-parameter", "header:Transfer-Encoding").must_close);
}

static void long_and_strange_hosts_fit_into_the_answer(void **state)
{
    char name[600];
    struct http_head head = {0};

    (void)state;
    memset(name, 'a', sizeof name);
    http_head_add(&head, SLICE("Host"), slice_of(name, 255));
    assert_refused(head, "misdirected-host", "header:Host");
    head = (struct http_head){0};
    http_head_add(&head, SLICE("Host"), slice_of(name, sizeof name));
    assert_refused(head, "bad-parameter", "header:Host");
    head = (struct http_head){0};
    memset(name, 0xE2, sizeof name);
    http_head_add(&head, SLICE("Host"), SLICE("localhost"));
    http_head_add(&head, SLICE("Origin"), slice_of(name, sizeof name));
    assert_refused(head, "cross-site", "header:Origin");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loopback_names_are_ours),
        cmocka_unit_test(other_names_are_not),
        cmocka_unit_test(the_address_listened_on_is_ours),
        cmocka_unit_test(on_all_addresses_any_address_is_ours_and_no_name),
        cmocka_unit_test(plain_requests_pass),
        cmocka_unit_test(the_host_must_be_there_once_and_be_ours),
        cmocka_unit_test(the_host_of_an_absolute_target_counts_too),
        cmocka_unit_test(other_sites_are_refused),
        cmocka_unit_test(ambiguous_framing_is_refused_and_the_connection_closed),
        cmocka_unit_test(long_and_strange_hosts_fit_into_the_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
